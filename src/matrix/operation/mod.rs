//! Which operation of the Matrix API a logged request was, from its method and its path template.
//!
//! Owns the [table] of operations and the matching. Knows nothing of users, rooms and targets. Invariant: a [`RequestKind`] holds text of
//! this program, numbers, and names of event types of the Matrix namespaces; no other text of a log.

mod query;
mod table;
#[cfg(test)]
mod tests;

pub use query::Query;
pub(super) use table::TABLE;
pub use table::{Entry, Op, Tier};

use std::collections::HashMap;

use wsim_endpoints::Method;
use wsim_replay::Unsendable;
use wsim_trace::{NameId, Names, Request, flag};

/// All operations that wsim knows.
pub fn operations() -> &'static [Entry] {
    TABLE
}

/// A distinct kind of request: operation, API version, parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKind {
    /// Its row of the table.
    pub entry: &'static Entry,
    /// GET, or HEAD or OPTIONS in its place.
    pub method: Method,
    /// What stands before the entry's pattern: `/_matrix/client/v3/`.
    pub prefix: &'static str,
    /// What the pattern's `{type}` was: an event type, a kind of receipt. Empty where there is none.
    pub word: String,
    /// The parameters that change the work.
    pub query: Query,
}

impl RequestKind {
    /// Reads a template as `trace` writes it.
    ///
    /// # Errors
    /// Why such a request can never be sent: [`Unsendable::Invalid`], [`Unsendable::Unknown`], [`Unsendable::Never`].
    pub fn read(method: Method, template: &str) -> Result<Self, Unsendable> {
        let (path, query) = template.split_once('?').unwrap_or((template, ""));
        if method == Method::Other {
            return Err(Unsendable::Invalid);
        }
        if is_closed(path) {
            return Err(Unsendable::Never);
        }
        let (entry, prefix, word) = find(method, path).ok_or(Unsendable::Unknown)?;
        if entry.tier == Tier::Never {
            return Err(Unsendable::Never);
        }
        Ok(Self { entry, method, prefix, word, query: Query::read(query) })
    }
}

/// The distinct shapes of a trace, each once.
#[derive(Debug, Default)]
pub struct RequestKinds {
    kinds: Vec<RequestKind>,
    known: HashMap<(NameId, Method), Result<u32, Unsendable>>,
}

impl RequestKinds {
    /// The shape of a request, as its place in [`Self::all`].
    ///
    /// # Errors
    /// As [`RequestKind::read`]; what no operation matches and was refused in the log is [`Unsendable::Invalid`].
    pub fn of(&mut self, request: &Request, names: &Names) -> Result<u32, Unsendable> {
        if request.has(flag::INTERNAL) {
            return Err(Unsendable::Never);
        }
        let kinds = &mut self.kinds;
        let found = *self.known.entry((request.template, request.method)).or_insert_with(|| {
            let kind = RequestKind::read(request.method, names.text(request.template))?;
            kinds.push(kind);
            Ok(u32::try_from(kinds.len() - 1).unwrap_or(u32::MAX))
        });
        match found {
            Err(Unsendable::Unknown) if matches!(request.status, 400 | 404 | 405 | 414) => Err(Unsendable::Invalid),
            found => found,
        }
    }

    /// All shapes.
    pub fn all(&self) -> &[RequestKind] {
        &self.kinds
    }
}

/// Paths of other servers, administrators, application services and Synapse's own processes.
fn is_closed(path: &str) -> bool {
    ["/_matrix/federation/", "/_matrix/key/", "/_matrix/app/", "/_synapse/"].iter().any(|start| path.starts_with(start))
}

fn find(method: Method, path: &str) -> Option<(&'static Entry, &'static str, String)> {
    let (prefix, rest) = PREFIXES.iter().find_map(|&prefix| path.strip_prefix(prefix).map(|rest| (prefix, rest)))?;
    let media = prefix.starts_with("/_matrix/media/");
    let wanted = if method == Method::Head { Method::Get } else { method };
    TABLE.iter().filter(|entry| entry.media == media && (wanted == Method::Options || entry.methods.contains(&wanted))).find_map(|entry| {
        let word = matched(entry.pattern, rest)?;
        Some((entry, prefix, word))
    })
}

/// Whether a path has a pattern's form, and what stood for `{type}`.
fn matched(pattern: &str, path: &str) -> Option<String> {
    let mut word = String::new();
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(word),
            (Some("{type}"), Some(text)) => text.clone_into(&mut word),
            // Whatever it is, it is not kept.
            (Some("{any}"), Some(text)) if !text.is_empty() => {}
            // An alias where a room may stand, too.
            (Some("{room}"), Some("{room}" | "{alias}" | "{id}")) | (Some("{alias}"), Some("{alias}" | "{room}" | "{id}")) => {}
            (Some("{user}"), Some("{user}" | "{id}")) | (Some("{event}"), Some("{event}" | "{id}")) => {}
            // The usual state key is empty.
            (Some("{key}"), Some("")) => {}
            (Some(wanted), Some(text)) if wanted == text => {}
            _ => return None,
        }
    }
}

/// Beginnings of paths that are kept as they were logged: versions of the API route differently and are served alike. The last of them is
/// for what has no version.
const PREFIXES: [&str; 11] = [
    "/_matrix/client/v3/",
    "/_matrix/client/r0/",
    "/_matrix/client/v1/",
    "/_matrix/client/v2_alpha/",
    "/_matrix/client/api/v1/",
    "/_matrix/client/unstable/",
    "/_matrix/media/v3/",
    "/_matrix/media/r0/",
    "/_matrix/media/v1/",
    "/_matrix/client/",
    "/.well-known/matrix/",
];

/// Whether a word may be an event type: a name of the specification's and of clients' own name spaces, in plain letters.
pub(super) fn is_event_type(word: &str) -> bool {
    let spaces = ["m.", "org.matrix.", "im.vector.", "io.element."];
    word.len() <= 64
        && spaces.iter().any(|space| word.starts_with(space))
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
}

/// State that decides who may do what, or ends a room.
pub(super) fn is_dangerous_state(kind: &str) -> bool {
    let kinds = [
        "m.room.power_levels",
        "m.room.join_rules",
        "m.room.guest_access",
        "m.room.history_visibility",
        "m.room.server_acl",
        "m.room.tombstone",
        "m.room.encryption",
        "m.room.canonical_alias",
        "m.room.third_party_invite",
        "m.room.create",
    ];
    kinds.contains(&kind)
}

/// Dangerous state that can be set to what it is, by every member of a provisioned room.
pub(super) fn is_made_up_state(kind: &str) -> bool {
    ["m.room.join_rules", "m.room.guest_access"].contains(&kind)
}
