//! Replaces users, rooms, servers and addresses by keyed hashes, consistently for a key.
//!
//! Everything that routing and skew depend on is preserved: equal names stay equal, a user keeps belonging to the same server, and a
//! request to the same room. Templates, agents, processes and upstreams identify no person and are kept.

use std::collections::HashMap;

use super::names::Names;
use super::request::{NameId, Request};
use super::store::Trace;

/// The key of the pseudonyms. The same key gives the same pseudonyms in every trace; without it nobody can find the names by trying
/// candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u64, u64);

impl Key {
    /// A key from a secret text.
    pub fn from_text(secret: &str) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_128(secret.as_bytes());
        let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or(0);
        Self(half(hash >> 64), half(hash))
    }

    /// A random key, from the operating system's randomness by way of the standard library's hash maps.
    pub fn random() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self(RandomState::new().hash_one(1), RandomState::new().hash_one(2))
    }

    fn hash(self, text: &str) -> String {
        let inner = xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), self.0);
        let outer = xxhash_rust::xxh3::xxh3_64_with_seed(&inner.to_le_bytes(), self.1 ^ inner);
        format!("{:012x}", outer >> 16)
    }
}

/// The same trace with pseudonyms, and without request ids, which appear in other logs.
pub fn anonymise(trace: Trace, key: Key) -> Trace {
    let (names, requests) = trace.into_parts();
    let mut pseudonyms = Pseudonyms { key, old: names, known: HashMap::new() };
    let mut out = Trace::new();
    for request in requests {
        let request = Request {
            user: pseudonyms.rename(request.user, &mut out.names, pseudonym),
            room: pseudonyms.rename(request.room, &mut out.names, pseudonym),
            peer: pseudonyms.rename(request.peer, &mut out.names, server_or_address),
            template: pseudonyms.keep(request.template, &mut out.names),
            agent: pseudonyms.keep(request.agent, &mut out.names),
            process: pseudonyms.keep(request.process, &mut out.names),
            upstream: pseudonyms.keep(request.upstream, &mut out.names),
            request_id: 0,
            match_hash: 0,
            ..request
        };
        out.push(request);
    }
    out.seal();
    out
}

struct Pseudonyms {
    key: Key,
    old: Names,
    known: HashMap<(NameId, bool), NameId>,
}

impl Pseudonyms {
    fn rename(&mut self, id: NameId, new: &mut Names, rule: fn(Key, &str) -> String) -> NameId {
        let (key, old) = (self.key, &self.old);
        *self.known.entry((id, true)).or_insert_with(|| match old.text(id) {
            "" => NameId::NONE,
            text => new.intern(rule(key, text).as_bytes()),
        })
    }

    fn keep(&mut self, id: NameId, new: &mut Names) -> NameId {
        let old = &self.old;
        *self.known.entry((id, false)).or_insert_with(|| new.intern(old.text(id).as_bytes()))
    }
}

/// `@alice:example.org` -> `@u-0123…:s-4567…`, and similarly for rooms and aliases; any other text is hashed whole.
fn pseudonym(key: Key, text: &str) -> String {
    let mut characters = text.chars();
    let (letter, sigil) = match characters.next() {
        Some(sigil @ '@') => ('u', Some(sigil)),
        Some(sigil @ '!') => ('r', Some(sigil)),
        Some(sigil @ '#') => ('a', Some(sigil)),
        _ => ('u', None),
    };
    let Some(sigil) = sigil else { return format!("u-{}", key.hash(text)) };
    match text.split_once(':') {
        Some((local, server)) => format!("{sigil}{letter}-{}:{}", key.hash(local), server_or_address(key, server)),
        None => format!("{sigil}{letter}-{}", key.hash(text)),
    }
}

fn server_or_address(key: Key, text: &str) -> String {
    format!("s-{}", key.hash(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request_at;

    #[test]
    fn names_disappear_and_equal_names_stay_equal() {
        let mut trace = Trace::new();
        let alice = trace.names.intern(b"@alice:example.org");
        let bob = trace.names.intern(b"@bob:example.org");
        let room = trace.names.intern(b"!secret:example.org");
        let template = trace.names.intern(b"/_matrix/client/v3/sync");
        let address = trace.names.intern(b"203.0.113.7");
        for (at, user) in [(0, alice), (1, bob), (2, alice)] {
            trace.push(Request { user, room, template, peer: address, request_id: 9, ..request_at(at) });
        }
        trace.seal();
        let hidden = anonymise(trace, Key::from_text("k"));
        let rows: Vec<Request> = hidden.requests().collect();
        assert_eq!(rows[0].user, rows[2].user);
        assert_ne!(rows[0].user, rows[1].user);
        assert_eq!(rows[0].request_id, 0);
        assert_eq!(hidden.names.text(rows[0].template), "/_matrix/client/v3/sync");
        let all: String = rows.iter().flat_map(|r| [r.user, r.room, r.peer]).map(|id| hidden.names.text(id)).collect();
        for secret in ["alice", "bob", "secret", "example", "203.0"] {
            assert!(!all.contains(secret), "{secret} is in {all}");
        }
        let server = |id| hidden.names.text(id).split_once(':').unwrap().1;
        assert_eq!(server(rows[0].user), server(rows[1].user), "one server stays one server");
        assert_ne!(Key::from_text("k").hash("x"), Key::from_text("l").hash("x"));
    }
}
