//! Real proxies' rules as [`Router`]s.
//!
//! Invariant: a request's key is the text the proxy would see, as far as a trace keeps it; a clone of a user has a name of its
//! own, so its place is drawn anew. Rooms are not cloned.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::record::Record;
use super::router::{Answer, Arriving, Ended, Router, Routers, Sent, ServerLoad};
use crate::balance::{Algorithm, Balancer, Choice, Comparator, Observation, Pick, Place, Setup, Waiting};
use crate::plan::Key;
use crate::stats::hashing::NumberMap;
use crate::trace::{NameId, Names};

/// The balancers of a topology's pools.
#[derive(Debug, Clone)]
pub struct Proxies<'a> {
    /// One rule per pool; pools beyond the end are served in turn.
    pub pools: Vec<PoolRule>,
    /// What the identities in the records are called.
    pub names: &'a Names,
}

/// How one pool is balanced.
#[derive(Debug, Clone)]
pub struct PoolRule {
    /// The proxy's rule and servers, in the order of the topology's pool.
    pub setup: Setup,
    /// What a keyed rule hashes; `None`: requests have no key.
    pub key: Option<RequestKey>,
}

/// Which identity of a request is its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKey {
    /// The user.
    User,
    /// The client's address, or the origin server.
    Peer,
    /// The room.
    Room,
    /// The path. A trace keeps its template and its room; whatever else differs between two paths is lost, so fewer keys are
    /// seen than a proxy sees.
    Path,
}

impl RequestKey {
    /// The identity that stands for a plan's key; `None` for headers that no trace keeps.
    pub fn of(key: &Key) -> Option<Self> {
        match key {
            Key::User | Key::Token => Some(Self::User),
            Key::Address | Key::Origin => Some(Self::Peer),
            Key::Room => Some(Self::Room),
            Key::Uri => Some(Self::Path),
            Key::Header(_) => key.keeps_users().then_some(Self::User),
        }
    }

    fn name(self, record: &Record) -> NameId {
        match self {
            Self::User => record.user,
            Self::Peer => record.peer,
            Self::Room => record.room,
            Self::Path => record.template,
        }
    }
}

impl Routers for Proxies<'_> {
    fn router(&self, pool: usize, servers: usize, _: u64) -> Box<dyn Router + '_> {
        let Some(rule) = self.pools.get(pool) else { return Box::<super::router::RoundRobin>::default() };
        Box::new(Proxy {
            balancer: Balancer::new(&rule.setup),
            algorithm: &rule.setup.algorithm,
            key: rule.key,
            names: self.names,
            waiting: Waiting::new(servers),
            known: NumberMap::default(),
            text: String::new(),
            places: Vec::new(),
            free: Vec::new(),
        })
    }
}

/// One pool's balancer in one run.
struct Proxy<'a> {
    balancer: Balancer,
    algorithm: &'a Algorithm,
    key: Option<RequestKey>,
    names: &'a Names,
    waiting: Waiting<u32>,
    /// Key -> its server, where that depends on the key alone.
    known: NumberMap<u64, Option<usize>>,
    text: String,
    /// By token.
    places: Vec<Place>,
    free: Vec<u32>,
}

impl Router for Proxy<'_> {
    fn pick(&mut self, request: &Arriving<'_>, loads: &[ServerLoad]) -> Answer {
        if let Some(place) = self.known_server(request).and_then(|server| self.balancer.take(server)) {
            return Answer::Sent(self.sent(place));
        }
        if let Algorithm::Comparator(Comparator::ShortestBusyQueue | Comparator::TwoBusyChoices) = self.algorithm {
            for (server, load) in loads.iter().enumerate() {
                self.balancer.observe(server, Observation::Busy(load.busy));
            }
        }
        self.write_key(request);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(request.random);
        let key = (!self.text.is_empty()).then_some(self.text.as_bytes());
        match self.balancer.pick(&mut Choice { key, address: None, random: &mut random }) {
            Pick::Server(place) => Answer::Sent(self.sent(place)),
            Pick::Queue(line) => {
                self.waiting.join(line, request.ticket);
                Answer::Waits
            }
            Pick::Unavailable => Answer::Refused,
        }
    }

    fn done(&mut self, ended: &Ended<'_>, _: &[ServerLoad]) -> Option<(u32, Sent)> {
        let place = self.places[ended.sent.token as usize];
        self.free.push(ended.sent.token);
        self.balancer.done(place);
        let server = place.server();
        match self.algorithm {
            Algorithm::Apache(_) => self.balancer.observe(server, Observation::Bytes(u64::from(ended.record.bytes))),
            Algorithm::Traefik(_) => self.balancer.observe(server, Observation::FirstByte(ended.response.micros_u32() / 1000)),
            _ => {}
        }
        let (line, ticket) = self.waiting.next(server)?;
        let place = self.balancer.admit(line, server);
        Some((ticket, self.sent(place)))
    }
}

impl Proxy<'_> {
    fn sent(&mut self, place: Place) -> Sent {
        let token = self.free.pop().unwrap_or_else(|| {
            self.places.push(place);
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        self.places[token as usize] = place;
        Sent { server: u32::try_from(place.server()).unwrap_or(u32::MAX), token }
    }

    /// The server of the request's key, if the rule looks at nothing else. Texts are hashed once.
    fn known_server(&mut self, request: &Arriving<'_>) -> Option<usize> {
        let key = self.key.filter(|key| *key != RequestKey::Path)?;
        let name = key.name(request.record);
        let copy = if key == RequestKey::Room { 0 } else { request.copy };
        let number = u64::from(name.0) | u64::from(copy) << 32;
        if let Some(known) = self.known.get(&number) {
            return *known;
        }
        self.write_key(request);
        let server = if self.text.is_empty() { None } else { self.balancer.server_of_key(self.text.as_bytes()) };
        self.known.insert(number, server);
        server
    }

    fn write_key(&mut self, request: &Arriving<'_>) {
        self.text.clear();
        let Some(key) = self.key else { return };
        let name = key.name(request.record);
        if !name.is_some() {
            return;
        }
        let text = self.names.text(name);
        match key {
            RequestKey::Path => self.text.push_str(&text.replace("{room}", self.names.text(request.record.room))),
            RequestKey::Room => self.text.push_str(text),
            RequestKey::User | RequestKey::Peer => write_clone(&mut self.text, text, request.copy),
        }
    }
}

/// A clone of `@user:server` is `@user~2:server`: another key of the same shape. An address gets another last part.
fn write_clone(out: &mut String, text: &str, copy: u32) {
    out.push_str(text);
    if copy == 0 {
        return;
    }
    if let Ok(std::net::IpAddr::V4(address)) = text.parse() {
        out.clear();
        out.push_str(&std::net::Ipv4Addr::from(u32::from(address).wrapping_add(copy.wrapping_mul(CLONE_STEP))).to_string());
        return;
    }
    let place = text.find(':').unwrap_or(text.len());
    out.insert_str(place, &format!("~{}", copy + 1));
}

/// An odd step far beyond a /24, so that a clone of an address is somewhere else for rules that hash networks.
const CLONE_STEP: u32 = 0x0101_4f35;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::{Haproxy, Nginx, Server};

    fn arriving(record: &Record, copy: u32, random: u64) -> Arriving<'_> {
        Arriving { record, copy, random, ticket: 7 }
    }

    fn setup(algorithm: Algorithm, limit: Option<u32>) -> Setup {
        let server = |i: usize| Server { limit, ..Server::new(&format!("127.0.0.1:80{i}0"), 1, i) };
        Setup { algorithm, servers: (0..4).map(server).collect(), processes: 1 }
    }

    fn names() -> (Names, Vec<Record>) {
        let mut names = Names::new();
        let record = |user| {
            let mut record = Record::at(0);
            record.user = user;
            record
        };
        let records = (0..200).map(|i| record(names.intern(format!("@user{i}:example.org").as_bytes()))).collect();
        (names, records)
    }

    fn server(answer: Answer) -> u32 {
        match answer {
            Answer::Sent(sent) => sent.server,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_goes_where_the_proxy_would_send_it_and_a_clone_elsewhere() {
        let (names, records) = names();
        let setup = setup(Algorithm::Nginx(Nginx::Consistent), None);
        let proxies = Proxies { pools: vec![PoolRule { setup: setup.clone(), key: Some(RequestKey::User) }], names: &names };
        let mut router = proxies.router(0, 4, 1);
        let exact = Balancer::new(&setup);
        let mut moved = 0;
        for record in &records {
            let expected = exact.server_of_key(names.text(record.user).as_bytes()).unwrap();
            for random in [1, 2] {
                assert_eq!(server(router.pick(&arriving(record, 0, random), &[])) as usize, expected);
            }
            moved += u32::from(server(router.pick(&arriving(record, 1, 1), &[])) as usize != expected);
        }
        assert!((100..180).contains(&moved), "about three quarters of the clones are elsewhere: {moved}");
    }

    #[test]
    fn a_full_server_makes_the_proxy_keep_the_request_until_a_place_falls_free() {
        let (names, records) = names();
        let setup = setup(Algorithm::Haproxy(Haproxy::RoundRobin), Some(1));
        let proxies = Proxies { pools: vec![PoolRule { setup, key: None }], names: &names };
        let mut router = proxies.router(0, 4, 1);
        let sent: Vec<Answer> = records[..4].iter().map(|record| router.pick(&arriving(record, 0, 1), &[])).collect();
        assert_eq!(router.pick(&arriving(&records[4], 0, 1), &[]), Answer::Waits);
        let Answer::Sent(first) = sent[2] else { panic!("{sent:?}") };
        let ended = Ended { record: &records[2], sent: first, response: crate::simulate::time::Span::ZERO };
        let (ticket, admitted) = router.done(&ended, &[]).unwrap();
        assert_eq!((ticket, admitted.server), (7, first.server));
    }

    #[test]
    fn clones_have_names_of_their_own() {
        let clone = |text: &str| {
            let mut out = String::new();
            write_clone(&mut out, text, 1);
            out
        };
        assert_eq!(clone("@user:example.org"), "@user~2:example.org");
        assert_ne!(clone("10.0.0.1"), "10.0.0.1");
        assert!(clone("10.0.0.1").parse::<std::net::Ipv4Addr>().is_ok());
    }
}
