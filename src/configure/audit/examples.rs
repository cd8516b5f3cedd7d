//! Example requests for every row of the table: path, method, query.
//!
//! A row's pattern describes the paths that match, not the paths that exist; the path endings and methods here are those of the
//! Matrix specification and of Synapse's admin API. Invariant: every example is a request that clients or servers send, and has the
//! class that the table's own classifier gives it.

mod known;

use std::collections::BTreeSet;

use regex_syntax::hir::{Hir, HirKind};

use known::{FEDERATION_TAILS, MAIN_ONLY, METHODS, ROOM, TAILS};
use wsim_endpoints::{Classifier, EndpointId, Method, Syntax};

/// A request and its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// `GET`, `PUT`, …
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    pub endpoint: EndpointId,
}

/// Requests for every row, and requests that only the main process serves.
pub fn of(classifier: &Classifier) -> Vec<Example> {
    let mut found: BTreeSet<(String, &'static str)> = BTreeSet::new();
    for row in &classifier.table().rows {
        for path in paths(row.effective_pattern(), row.syntax) {
            for method in methods(&path) {
                for target in finished(&path, method) {
                    found.insert((target, method));
                }
            }
        }
    }
    for (method, target) in MAIN_ONLY {
        found.insert(((*target).to_owned(), method));
    }
    let classified = found.into_iter().map(|(target, method)| Example {
        endpoint: classifier.classify(Method::from_bytes(method.as_bytes()), target.as_bytes()),
        method,
        target,
    });
    classified.collect()
}

/// The beginnings of the paths that a pattern describes, with every alternative.
fn paths(pattern: &str, syntax: Syntax) -> Vec<String> {
    if syntax == Syntax::Prefix {
        return vec![pattern.to_owned()];
    }
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build().parse(pattern);
    let Ok(hir) = parser else { return Vec::new() };
    spelled(&hir).into_iter().map(|path| filled(&path)).collect()
}

/// The texts that an expression matches, with [`OPEN`] for parts that match anything.
fn spelled(hir: &Hir) -> Vec<String> {
    let mut texts = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8_lossy(&literal.0).into_owned()],
        // A single dot in a table's pattern means a literal dot.
        HirKind::Class(_) => vec![".".to_owned()],
        HirKind::Capture(capture) => spelled(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().flat_map(spelled).collect(),
        HirKind::Repetition(repetition) if matches!(repetition.sub.kind(), HirKind::Class(_)) => vec![OPEN.to_owned()],
        HirKind::Repetition(repetition) => {
            let mut texts = spelled(&repetition.sub);
            if repetition.min == 0 {
                texts.push(String::new());
            }
            texts
        }
        HirKind::Concat(parts) => parts.iter().fold(vec![String::new()], |before, part| {
            let after = spelled(part);
            before.iter().flat_map(|before| after.iter().map(move |after| format!("{before}{after}"))).take(TEXTS_MAX).collect()
        }),
    };
    texts.truncate(TEXTS_MAX);
    texts
}

/// A path with every [`OPEN`] part replaced by a realistic value.
fn filled(path: &str) -> String {
    let mut out = String::new();
    let mut parts = path.split(OPEN);
    out.push_str(parts.next().unwrap_or_default());
    for after in parts {
        let value = if out.ends_with("/directory/room/") {
            "%23alias%3Aexample.org"
        } else if ["/rooms/", "/room/", "/room_summary/", "/summary/"].iter().any(|end| out.ends_with(end)) {
            ROOM
        } else if out.ends_with("/user/") || out.ends_with("/users/") {
            USER
        } else if after.starts_with("/tags") {
            "user/@alice:example.org/rooms/!room:example.org"
        } else if after.starts_with("/account_data") {
            "user/@alice:example.org"
        } else if out.ends_with("/unstable/") {
            "org.matrix.msc2432"
        } else if out.ends_with("/quarantine_media/") {
            ROOM
        } else if out.ends_with("/_synapse/admin/v1/media/") {
            "example.org/abc"
        } else if out.ends_with("/media") {
            // Of a room a list; of a user, in the singular, only what quarantines it.
            if out.contains("/user/") { "/quarantine" } else { "" }
        } else if out.ends_with("/context/") {
            "$event:example.org"
        } else {
            "x"
        };
        out.push_str(value);
        out.push_str(after);
    }
    out
}

/// Complete targets for the beginning of a path: with realistic endings, and with the queries that affect routing.
fn finished(path: &str, method: &str) -> Vec<String> {
    let ends = |end: &str| path.ends_with(end);
    let one = |tail: &str| vec![format!("{path}{tail}")];
    if ends("/sync") {
        return vec![path.to_owned(), format!("{path}?since=s1_2_3&timeout=30000")];
    }
    if path.starts_with("/_matrix/federation/") {
        return FEDERATION_TAILS.iter().find(|(end, _)| ends(end)).map_or_else(
            || if ends("/") { Vec::new() } else { one("") },
            |(_, tails)| tails.iter().map(|tail| format!("{path}{tail}")).collect(),
        );
    }
    match TAILS.iter().find(|(end, ..)| ends(end)) {
        Some((_, tail, Some(bare))) if method == *bare => vec![path.to_owned(), format!("{path}{tail}")],
        Some((_, tail, _)) => one(tail),
        // A beginning that no known path continues: nothing is made up.
        None if ends("/") => Vec::new(),
        None => one(""),
    }
}

/// The methods of a path in the specification.
fn methods(path: &str) -> &'static [&'static str] {
    METHODS.iter().find(|(part, _)| path.contains(part)).map_or(&["GET"], |(_, methods)| methods)
}

const OPEN: &str = "\u{1}";
const USER: &str = "@alice:example.org";
const TEXTS_MAX: usize = 24;

#[cfg(test)]
mod tests;
