//! The classifier gives the same result as trying every pattern of a table on its own with a plain regex engine.
//!
//! Paths are generated from the patterns of all tables and then mutated, so that most of them nearly match something. Every path is
//! tried on every table with several methods. The rules that turn matching rows into an endpoint are implemented here independently.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use regex::bytes::Regex;
use regex_syntax::hir::{Hir, HirKind};
use wsim::endpoints::{Classifier, ClassifierConfig, Endpoint, Method, Row, Syntax, Table, Tables};

/// A fixed sequence of numbers (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % end
    }

    fn choose<'t, T: ?Sized>(&mut self, choices: &[&'t T]) -> &'t T {
        choices[self.below(choices.len())]
    }
}

const WILDCARD_TEXTS: [&str; 16] = [
    "",
    "x",
    "!room:example.org",
    "%21room%3Aexample.org",
    "!aBc-_dEf",
    "a/b",
    "/",
    "send",
    "x/send/y",
    "typing",
    "x/members",
    "a//b",
    "state/",
    "user/@a:b/rooms/!r/account_data",
    "\u{e9}",
    "tags/receipt",
];
const SUFFIXES: [&str; 18] = [
    "",
    "",
    "",
    "/",
    "x",
    "/x",
    "/send",
    "/members",
    "$",
    "?a=b",
    "?since=s1_2&timeout=0",
    "?x=/_matrix/media/",
    "#f",
    "/typing",
    "/account_data/x",
    "/join",
    "?",
    "%2F",
];
const SEGMENTS: [&str; 16] = [
    "rooms",
    "send",
    "state",
    "messages",
    "typing",
    "receipt",
    "upload",
    "keys",
    "presence",
    "devices",
    "v3",
    "media",
    "user",
    "aliases",
    "initialSync",
    "sync",
];
const VERSIONS: [&str; 8] = ["/r0/", "/v3/", "/unstable/", "/api/v1/", "/v1/", "/v2_alpha/", "/v2/", "/unstable/org.x/"];

fn pattern(row: &Row) -> String {
    match row.syntax {
        Syntax::Prefix => format!("^{}", regex::escape(row.effective_pattern())),
        Syntax::Regex => row.effective_pattern().to_owned(),
    }
}

fn parse(pattern: &str) -> Hir {
    regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap()
}

/// Appends a text that the pattern matches, except that a dot may become a character that it does not match.
fn push_example(hir: &Hir, random: &mut Random, path: &mut String) {
    match hir.kind() {
        HirKind::Literal(literal) => path.push_str(std::str::from_utf8(&literal.0).unwrap()),
        HirKind::Class(_) => path.push_str(random.choose(&[".", ".", "x", "-"])),
        HirKind::Repetition(repetition) if repetition.max == Some(1) => {
            if random.below(2) == 0 {
                push_example(&repetition.sub, random, path);
            }
        }
        HirKind::Repetition(_) => path.push_str(random.choose(&WILDCARD_TEXTS)),
        HirKind::Capture(capture) => push_example(&capture.sub, random, path),
        HirKind::Concat(parts) => parts.iter().for_each(|part| push_example(part, random, path)),
        HirKind::Alternation(choices) => push_example(&choices[random.below(choices.len())], random, path),
        HirKind::Look(_) | HirKind::Empty => {}
    }
}

fn mutated(mut path: String, random: &mut Random) -> String {
    match random.below(10) {
        0 => {
            let keep = path.char_indices().nth(random.below(path.chars().count() + 1)).map_or(path.len(), |(offset, _)| offset);
            path.truncate(keep);
        }
        1 => {
            let from = random.choose(&VERSIONS);
            path = path.replacen(from, random.choose(&VERSIONS), 1);
        }
        2 => {
            let mut parts: Vec<&str> = path.split('/').collect();
            let index = random.below(parts.len());
            parts[index] = random.choose(&SEGMENTS);
            path = parts.join("/");
        }
        3 => path.insert_str(0, random.choose(&["/x", "x", "/", "http://example.org", "https://h:8448"])),
        4 => {
            let (offset, _) = path.char_indices().nth(random.below(path.chars().count().max(1))).unwrap_or((0, ' '));
            path.insert_str(offset, random.choose(&["/", "x", "%", "/rooms/", ".", "\\"]));
        }
        5 => path = path.to_uppercase(),
        _ => {}
    }
    path.push_str(random.choose(&SUFFIXES));
    path
}

fn paths(patterns: &BTreeSet<String>, per_pattern: usize) -> Vec<String> {
    let mut random = Random(0x5EED);
    let mut paths = BTreeSet::new();
    for pattern in patterns {
        let hir = parse(pattern);
        for _ in 0..per_pattern {
            let mut path = String::new();
            push_example(&hir, &mut random, &mut path);
            paths.insert(mutated(path, &mut random));
        }
    }
    paths.into_iter().collect()
}

/// Path and query of a generated target.
fn split_target(target: &str) -> Option<(&str, Option<&str>)> {
    let target = match target.split_once("://") {
        Some((scheme, rest)) if scheme == "http" || scheme == "https" => &rest[rest.find(['/', '?', '#']).unwrap_or(rest.len())..],
        _ if target.starts_with('/') => target,
        _ => return None,
    };
    let target = target.split('#').next().unwrap();
    Some(target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query))))
}

/// The endpoint that the matching rows give together.
fn expected_endpoint(matching: &[&Row], target: &str, method: Method) -> Option<Endpoint> {
    let (path, query) = split_target(target)?;
    let rows: Vec<&Row> = matching.iter().copied().filter(|row| row.methods.is_empty() || row.methods.contains(&method)).collect();
    let first = rows.iter().find(|row| row.stream.is_some()).or(rows.first())?;
    let mut workers: Vec<String> = Vec::new();
    for name in [
        "generic_worker",
        "synchrotron",
        "federation_reader",
        "client_reader",
        "event_creator",
        "frontend_proxy",
        "media_repository",
        "user_dir",
    ] {
        if rows.iter().any(|row| row.worker == name) {
            workers.push(name.to_owned());
        }
    }
    // A browser asks with OPTIONS before it sends; that needs no `since`.
    let without_since = method != Method::Options && !query.unwrap_or_default().starts_with("since=s");
    let initial = first.group == "sync" && (path.ends_with("/initialSync") || path.ends_with("/sync") && without_since);
    Some(Endpoint {
        group: if initial { "initial_sync".to_owned() } else { first.group.clone() },
        workers,
        stream: first.stream.clone(),
        condition: first.condition.clone(),
        any_worker: rows.iter().any(|row| row.stream.is_none()) || first.notes.iter().any(|note| note == "any_worker"),
        pattern: Some(first.effective_pattern().to_owned()),
        internal: false,
    })
}

#[test]
fn the_classifier_agrees_with_every_pattern_tried_alone() {
    let tables = Tables::embedded();
    let tables = tables.all();
    let patterns: BTreeSet<String> = tables.iter().flat_map(|table| &table.rows).map(pattern).collect();
    let paths = paths(&patterns, 40);
    assert!(paths.len() > 5000, "{} paths", paths.len());
    // Whether a path matches a pattern does not depend on the table, so each pair is tried once for all tables.
    let matching: HashMap<&String, Vec<bool>> = patterns
        .iter()
        .map(|pattern| {
            let regex = Regex::new(&format!("(?s-u){pattern}")).unwrap();
            let matches = |target: &String| split_target(target).is_some_and(|(path, _)| regex.is_match(path.as_bytes()));
            (pattern, paths.iter().map(matches).collect())
        })
        .collect();
    let some_match = |matches: &Vec<bool>| matches.iter().any(|matches| *matches);
    assert!(matching.values().all(some_match), "every pattern is matched by some path");

    let next = AtomicUsize::new(0);
    let check_tables = || {
        while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            check(table, &paths, &matching);
        }
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(check_tables), scope.spawn(check_tables)];
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

fn check(table: &Table, paths: &[String], matching: &HashMap<&String, Vec<bool>>) {
    let classifier = Classifier::new(table, &ClassifierConfig::default()).unwrap();
    let rows: Vec<(&Row, &Vec<bool>)> = table.rows.iter().map(|row| (row, &matching[&pattern(row)])).collect();
    for (index, target) in paths.iter().enumerate() {
        let matching: Vec<&Row> = rows.iter().filter(|(_, matches)| matches[index]).map(|(row, _)| *row).collect();
        // Tables distinguish GET from the other methods, so all methods are tried for every eighth path only.
        let methods = if index % 8 == 0 { &Method::ALL[..] } else { &[Method::Get, Method::Put] };
        for &method in methods {
            let found = classifier.endpoint(classifier.classify(method, target.as_bytes()));
            let expected = expected_endpoint(&matching, target, method);
            match expected {
                Some(expected) => assert_eq!(*found, expected, "{}: {} {target}", table.name, method.name()),
                None => assert!(
                    found.pattern.is_none() && found.workers.is_empty() && found.stream.is_none(),
                    "{}: {} {target}: no row matches, found {found:?}",
                    table.name,
                    method.name()
                ),
            }
        }
    }
}
