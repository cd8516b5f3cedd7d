//! The server names in a log: a replay must not reach any of them.
//!
//! Owns which names are kept and how many. Knows nothing of targets. Invariant: the set does not depend on the order of requests or the
//! number of threads, unless [`ServerNames::is_incomplete`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::request::Request;
use crate::store::Trace;
use wsim_http::{Host, servers};
use wsim_logs::redact;
use wsim_stats::hashing::NumberMap;

/// Server names of users, rooms, media, federation, virtual hosts and referrers. The field names are part of trace files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerNames {
    /// As [`Host`] writes them; without those that every machine has.
    names: BTreeSet<String>,
    /// Requests whose virtual host or user was looked at.
    requests: u64,
    /// Those of them whose virtual host or user is at `localhost` or a loopback address.
    at_this_machine: u64,
    /// There were more than [`NAMES_MAX`] names.
    incomplete: bool,
}

/// Most names that are kept: more than there are servers in the federation.
pub const NAMES_MAX: usize = 65_536;

/// Every machine calls itself `localhost`, and anybody may send that name. Above this share of the requests the log is of such a server.
const OF_THIS_MACHINE_MIN: f64 = 0.01;

impl ServerNames {
    /// The names of users, rooms and origin servers, which are all that a trace has. Pseudonyms are left out.
    pub fn of_trace(trace: &Trace) -> Self {
        let mut collector = NameCollector::default();
        for request in trace.requests() {
            collector.observe_ids(&request, &trace.names);
        }
        collector.finish()
    }

    /// All names, except those that every machine has.
    pub fn hosts(&self) -> impl Iterator<Item = Host> + '_ {
        self.names.iter().filter_map(|name| Host::read(name.as_bytes()))
    }

    /// Whether the log is of a server that calls itself `localhost` or has a loopback address.
    pub fn is_of_this_machine(&self) -> bool {
        self.at_this_machine as f64 > self.requests as f64 * OF_THIS_MACHINE_MIN
    }

    /// Whether nothing tells which servers the log is of.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.is_of_this_machine()
    }

    /// Whether there were more names than are kept.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Adds the names of other requests.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.at_this_machine += other.at_this_machine;
        self.incomplete |= other.incomplete;
        for name in other.names {
            self.insert(name);
        }
    }

    fn insert(&mut self, name: String) {
        if self.names.len() < NAMES_MAX || self.names.contains(&name) {
            self.names.insert(name);
        } else {
            self.incomplete = true;
        }
    }
}

/// Collects server names while requests are read. Each spelling is read once.
#[derive(Debug, Default)]
pub(crate) struct NameCollector {
    found: ServerNames,
    /// Hash of a spelling -> whether it names every machine.
    spellings: NumberMap<u64, bool>,
}

impl NameCollector {
    /// The virtual host of a request and the server of its user.
    pub(crate) fn observe_owner(&mut self, site: Option<&[u8]>, user: Option<&[u8]>) {
        let server = user.and_then(servers::of_identifier);
        let at_site = site.is_some_and(|site| self.insert(site));
        let at_server = server.is_some_and(|server| self.insert(server));
        self.found.requests += u64::from(site.is_some() || server.is_some());
        self.found.at_this_machine += u64::from(at_site || at_server);
    }

    /// The names in a path.
    pub(crate) fn observe_path(&mut self, path: &[u8]) {
        servers::in_path(path, &mut |name| {
            self.insert(name);
        });
    }

    /// The names in a query.
    pub(crate) fn observe_query(&mut self, query: &[u8]) {
        // Most queries have neither.
        if memchr::memchr3(b':', b'%', b'v', query).is_none() {
            return;
        }
        let may_name = memchr::memchr(b':', query).is_some()
            || memchr::memmem::find(query, b"%3").is_some()
            || memchr::memmem::find(query, b"via").is_some()
            || memchr::memmem::find(query, b"server").is_some();
        if may_name {
            servers::in_query(query, &mut |name| {
                self.insert(name);
            });
        }
    }

    /// Any other text that names a server: a referrer, an origin, the authority of a target. Returns whether every machine has the name.
    pub(crate) fn insert(&mut self, name: &[u8]) -> bool {
        let hash = xxhash_rust::xxh3::xxh3_64(name);
        if let Some(known) = self.spellings.get(&hash) {
            return *known;
        }
        let host = Host::read(name).filter(|host| !is_pseudonym(host));
        let is_this_machine = host.as_ref().is_some_and(Host::is_this_machine);
        if let Some(host) = host.filter(|_| !is_this_machine) {
            let text = host.to_string();
            // A token in the place of a name is no name.
            if redact::scrub(&text) == text.as_str() {
                self.found.insert(text);
            }
        }
        if self.spellings.len() < SPELLINGS_MAX {
            self.spellings.insert(hash, is_this_machine);
        }
        is_this_machine
    }

    pub(crate) fn finish(self) -> ServerNames {
        self.found
    }

    /// The names of a request's identities.
    fn observe_ids(&mut self, request: &Request, names: &crate::Names) {
        self.observe_owner(None, Some(names.text(request.user).as_bytes()));
        if let Some(server) = servers::of_identifier(names.text(request.room).as_bytes()) {
            self.insert(server);
        }
        // A client's address is no server's name, and nothing tells it from the address of an origin server.
        let peer = names.text(request.peer).as_bytes();
        if !request.user.is_some() && !matches!(Host::read(peer), Some(Host::Address(_))) {
            self.insert(peer);
        }
    }
}

/// Whether an anonymised trace has this name in place of another.
fn is_pseudonym(host: &Host) -> bool {
    let Host::Name(name) = host else { return false };
    name.strip_prefix("s-").is_some_and(|hash| hash.len() >= 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Most spellings that are remembered; others are read again each time.
const SPELLINGS_MAX: usize = 4 * NAMES_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NameId;

    fn collected(observe: impl FnOnce(&mut NameCollector)) -> (Vec<String>, ServerNames) {
        let mut collector = NameCollector::default();
        observe(&mut collector);
        let found = collector.finish();
        (found.hosts().map(|host| host.to_string()).collect(), found)
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        let (names, _) = collected(|collector| {
            collector.observe_owner(Some(b"Vhost.example:443"), Some(b"@a:Users.example"));
            collector.observe_owner(None, Some(b"3272262f9b17bc6ced2d91ee40c0636f1836afa2"));
            collector.observe_path(b"/_matrix/media/v3/download/media.example/x");
            collector.observe_path(b"/_matrix/client/v3/rooms/%21r%3Arooms.example/state");
            collector.observe_query(b"via=via.example&user_id=%40u%3Aquery.example");
            collector.insert(b"https://referrer.example/path");
            collector.insert(b"10.0.0.5");
            collector.insert(b"syt_YWxpY2U_abcdefghijklmnopqrst_0abcde");
        });
        let expected = [
            "10.0.0.5",
            "media.example",
            "query.example",
            "referrer.example",
            "rooms.example",
            "users.example",
            "vhost.example",
            "via.example",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn localhost_counts_where_the_log_is_of_it() {
        let few = |collector: &mut NameCollector, local: usize| {
            for number in 0..1000 {
                let site: &[u8] = if number < local { b"127.0.0.1:8008" } else { b"a.example" };
                collector.observe_owner(Some(site), None);
            }
        };
        assert!(!collected(|collector| few(collector, 10)).1.is_of_this_machine());
        assert!(collected(|collector| few(collector, 11)).1.is_of_this_machine());
        let (names, found) = collected(|collector| collector.observe_owner(None, Some(b"@a:localhost")));
        assert!(names.is_empty() && found.is_of_this_machine() && !found.is_empty());
        assert!(
            collected(|collector| {
                collector.insert(b"http://localhost:8080/");
            })
            .1
            .is_empty()
        );
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_said() {
        let (names, found) = collected(|collector| {
            for number in 0..NAMES_MAX + 10 {
                collector.insert(format!("n{number}.example").as_bytes());
            }
        });
        assert_eq!((names.len(), found.is_incomplete()), (NAMES_MAX, true));
        let mut sum = collected(|collector| {
            collector.insert(b"one.example");
        })
        .1;
        sum.add(found);
        assert!(sum.is_incomplete());
    }

    #[test]
    fn a_trace_names_servers_by_ids_and_origins_only() {
        let mut trace = Trace::new();
        for (user, room, peer) in [
            ("@a:Old.example:8448", "", "192.0.2.1"),
            ("", "!r:rooms.example", "[2001:db8::1]"),
            ("", "", "other.example:443"),
            ("", "", "synapse"),
            ("192.0.2.1 Element", "", "192.0.2.1"),
            ("", "#alias:alias.example", "2001:db8::2"),
            ("@u-0123456789ab:s-0123456789ab", "!r-0123456789ab:s-0123456789ab", "s-0123456789ab"),
        ] {
            let id = |trace: &mut Trace, text: &str| trace.names.intern(text.as_bytes());
            let (user, room, peer) = (id(&mut trace, user), id(&mut trace, room), id(&mut trace, peer));
            trace.push(Request { user, room, peer, ..Request::default() });
        }
        trace.push(Request { user: NameId::NONE, ..Request::default() });
        trace.seal();
        let found: Vec<String> = ServerNames::of_trace(&trace).hosts().map(|host| host.to_string()).collect();
        assert_eq!(found, ["alias.example", "old.example", "other.example", "rooms.example", "synapse"]);
    }
}
