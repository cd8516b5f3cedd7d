//! A trace with pseudonyms in place of names.
//!
//! Everything that routing and skew depend on is preserved: equal names stay equal, a user keeps belonging to the same server, and a
//! request to the same room. Templates of this version hold no text of a log, and stay.

use std::collections::HashMap;

use super::names::{Kind, Names};
use super::request::{NameId, Request};
use super::store::Trace;
use super::template::without_text;

pub use super::pseudonym::Key;

/// The same trace with pseudonyms, and without request ids, which appear in other logs.
pub fn anonymise(trace: Trace, key: &Key) -> Trace {
    let (names, requests) = trace.into_parts();
    let mut pseudonyms = Pseudonyms { key, old: names, known: Default::default() };
    let mut out = Trace::new();
    for request in requests {
        let mut rename = |id, field| pseudonyms.rename(id, field, &mut out.names);
        let request = Request {
            user: rename(request.user, Kind::User),
            room: rename(request.room, Kind::Room),
            peer: rename(request.peer, Kind::Peer),
            template: rename(request.template, Kind::Template),
            agent: rename(request.agent, Kind::Agent),
            process: rename(request.process, Kind::Process),
            upstream: rename(request.upstream, Kind::Upstream),
            request_id: 0,
            match_hash: 0,
            ..request
        };
        out.push(request);
    }
    out.seal();
    out
}

struct Pseudonyms<'k> {
    key: &'k Key,
    old: Names,
    /// By kind, because the same text has different pseudonyms in different fields.
    known: [HashMap<NameId, NameId>; Kind::ALL.len()],
}

impl Pseudonyms<'_> {
    fn rename(&mut self, id: NameId, kind: Kind, new: &mut Names) -> NameId {
        let (key, old) = (self.key, &self.old);
        *self.known[kind as usize].entry(id).or_insert_with(|| {
            let text = old.text(id);
            let pseudonym = match kind {
                _ if text.is_empty() => return NameId::NONE,
                _ if text == kind.others() => text.to_owned(),
                Kind::User => key.user(text),
                Kind::Room => key.room(text),
                Kind::Peer => key.server(text),
                Kind::Template => without_text(text),
                Kind::Agent => key.agent(text),
                Kind::Process => key.process(text),
                Kind::Upstream => key.upstream(text),
            };
            new.intern_clean(&pseudonym)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request_at;

    #[test]
    fn names_disappear_and_equal_names_stay_equal() {
        let mut trace = Trace::new();
        let mut name = |text: &str| trace.names.intern(text.as_bytes());
        let (alice, bob) = (name("@alice:example.org"), name("@bob:example.org"));
        let known = Request {
            room: name("!secret:example.org"),
            template: name("/_matrix/client/v3/sync"),
            peer: name("203.0.113.7"),
            agent: name("acme-bot"),
            process: name("acme_worker1"),
            upstream: name("10.9.8.7:8083"),
            request_id: 9,
            match_hash: 7,
            ..request_at(0)
        };
        for (arrival_us, user) in [(0, alice), (1, bob), (2, alice)] {
            trace.push(Request { arrival_us, user, ..known });
        }
        trace.seal();
        let hidden = anonymise(trace, &Key::from_bytes(b"a key"));
        let rows: Vec<Request> = hidden.requests().collect();
        assert_eq!(rows[0].user, rows[2].user);
        assert_ne!(rows[0].user, rows[1].user);
        assert_eq!((rows[0].request_id, rows[0].match_hash), (0, 0));
        assert_eq!(hidden.names.text(rows[0].template), "/_matrix/client/v3/sync");
        let ids = |mut request: Request| request.names_mut().map(|id| *id);
        let all: String = rows.iter().flat_map(|row| ids(*row)).map(|id| hidden.names.text(id)).collect();
        for planted in ["alice", "bob", "secret", "example", "203.0", "acme", "10.9"] {
            assert!(!all.contains(planted), "{planted} is in {all}");
        }
        let server = |id| hidden.names.text(id).split_once(':').unwrap().1;
        assert_eq!(server(rows[0].user), server(rows[1].user), "one server stays one server");
    }
}
