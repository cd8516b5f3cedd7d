//! Recognises the operation of the Matrix API behind a logged request, from its method and path template.
//!
//! Owns the [table] of operations and the matching. Knows nothing of users, rooms and targets. Invariant: a [`RequestKind`] contains text of this
//! program, numbers, and event types of the Matrix namespaces, but no other text of a log.

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

/// A kind of request: operation, API version, parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKind {
    /// The row of the table.
    pub entry: &'static Entry,
    /// The logged method: one of the entry's, or HEAD or OPTIONS in its place.
    pub method: Method,
    /// The part of the path before the entry's pattern: `/_matrix/client/v3/`.
    pub prefix: &'static str,
    /// The text at the pattern's `{type}`: an event type, a kind of receipt. Empty if the pattern has none.
    pub word: String,
    /// The query parameters that affect how much work the request is.
    pub query: Query,
}

impl RequestKind {
    /// Recognises a path template of a trace.
    ///
    /// # Errors
    /// Why such a request cannot be sent: [`Unsendable::Invalid`], [`Unsendable::Unknown`], [`Unsendable::Never`].
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

/// The distinct kinds of request in a trace.
#[derive(Debug, Default)]
pub struct RequestKinds {
    kinds: Vec<RequestKind>,
    known: HashMap<(NameId, Method), Result<u32, Unsendable>>,
}

impl RequestKinds {
    /// The kind of a request, as an index into [`Self::all`].
    ///
    /// # Errors
    /// As [`RequestKind::read`]; an unknown request that got an error status in the log is [`Unsendable::Invalid`].
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

    /// All kinds so far.
    pub fn all(&self) -> &[RequestKind] {
        &self.kinds
    }
}

/// Whether a path belongs to other servers, administrators, application services or Synapse's own processes.
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

/// Matches a path against a pattern. Returns the text at `{type}`, empty if the pattern has none; `None` if the path does not match.
fn matched(pattern: &str, path: &str) -> Option<String> {
    let mut word = String::new();
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(word),
            (Some("{type}"), Some(text)) => text.clone_into(&mut word),
            // Any text matches; it is not kept.
            (Some("{any}"), Some(text)) if !text.is_empty() => {}
            // Room ids and aliases are interchangeable.
            (Some("{room}"), Some("{room}" | "{alias}" | "{id}")) | (Some("{alias}"), Some("{alias}" | "{room}" | "{id}")) => {}
            (Some("{user}"), Some("{user}" | "{id}")) | (Some("{event}"), Some("{event}" | "{id}")) => {}
            // Most state keys are empty.
            (Some("{key}"), Some("")) => {}
            (Some(wanted), Some(text)) if wanted == text => {}
            _ => return None,
        }
    }
}

/// Prefixes of paths, which are kept as logged: proxies may route versions of the API differently, although Synapse serves them alike. The last
/// ones have no version.
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

/// Whether a word may be an event type: a name in a namespace of the specification or of known clients, in plain characters.
pub(super) fn is_event_type(word: &str) -> bool {
    let spaces = ["m.", "org.matrix.", "im.vector.", "io.element."];
    word.len() <= 64
        && spaces.iter().any(|space| word.starts_with(space))
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether a state event decides who may do what, or ends a room.
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

/// Whether dangerous state can be set to its present value by every member of a provisioned room.
pub(super) fn is_made_up_state(kind: &str) -> bool {
    ["m.room.join_rules", "m.room.guest_access"].contains(&kind)
}
