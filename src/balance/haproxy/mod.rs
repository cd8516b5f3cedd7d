//! HAProxy: `roundrobin`, `static-rr`, `leastconn`, `random`, and the keyed rules with every hash type.
//!
//! `src/lb_{fwrr,map,chash,fwlc}.c`, `src/backend.c`, `src/hash.c`; 3.5-dev5 and 2.6 read, compared with 2.6.12. A server at its
//! `maxconn` keeps the keys of keyed rules in its own queue; the other rules skip it and, when all are full, the request waits in
//! the backend's queue. When a server goes or comes back, tables and rings are laid out again and `roundrobin` starts afresh.

mod key;
mod least;
mod map;
mod nodes;
mod rotation;

use std::net::IpAddr;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

pub use key::KeyPart;

use self::least::Least;
use self::map::Map;
use self::nodes::Nodes;
use self::rotation::Rotation;
use super::choice::{Choice, Line, address_of};
use super::hashes;
use super::load::Load;
use super::rule::{Choose, Decision};
use super::server::Server;

/// A `balance` of HAProxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Haproxy {
    /// `roundrobin`.
    RoundRobin,
    /// `static-rr`: the table of the map-based hash, read in a circle.
    StaticRoundRobin,
    /// `leastconn`.
    LeastConnections {
        /// From release 3.2 on ties are random; before, the longest unused server is taken.
        random_ties: bool,
    },
    /// `random(N)`: N draws on the ring, the least loaded of them, the last of equal ones. Release 3.4 breaks ties by recent
    /// request rate instead, which this does not do.
    Random {
        /// Draws, 2 unless said otherwise.
        draws: u32,
    },
    /// `source`: the client's address.
    Source(HashType),
    /// `uri`, `url_param`, `hdr`, `hash`: a text.
    Key {
        /// What of the key is hashed.
        part: KeyPart,
        /// How.
        hash: HashType,
    },
}

/// A `hash-type` with its companions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HashType {
    /// Table or ring.
    pub method: Method,
    /// From key to 32 bits; ignored by `source`.
    pub function: HashFunction,
    /// Whether the hash is mixed again.
    pub avalanche: bool,
}

impl Default for HashType {
    /// No `hash-type` line: a table, sdbm, nothing mixed.
    fn default() -> Self {
        Self { method: Method::Map, function: HashFunction::Sdbm, avalanche: false }
    }
}

impl HashType {
    /// `hash-type consistent` with no function: sdbm, mixed.
    pub fn consistent() -> Self {
        Self { method: Method::Consistent { balance_factor: None, by_address: None }, function: HashFunction::Sdbm, avalanche: true }
    }
}

/// From hash to server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// `map-based`: a table, hash modulo its length.
    Map,
    /// `consistent`: the nearest point of a ring, 16 points a unit of weight.
    Consistent {
        /// `hash-balance-factor`: percent of the mean load that a server may have; above 100.
        balance_factor: Option<u32>,
        /// `hash-key addr` or `addr-port`: points follow the servers' addresses, which must be IPv4 and are given here with the
        /// port (0 for `addr`); else they follow the servers' ids.
        by_address: Option<Vec<(std::net::Ipv4Addr, u16)>>,
    },
}

/// From key to 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashFunction {
    /// `sdbm`, the default.
    Sdbm,
    /// `djb2`
    Djb2,
    /// `wt6`
    Wt6,
    /// `crc32`
    Crc32,
    /// `none`, since 2.8: the key is a number.
    Number,
}

impl HashType {
    fn hash(&self, key: &[u8]) -> u32 {
        let hash = match self.function {
            HashFunction::Sdbm => hashes::sdbm(key),
            HashFunction::Djb2 => hashes::djb2(key),
            HashFunction::Wt6 => hashes::wt6(key),
            HashFunction::Crc32 => hashes::crc32(key),
            HashFunction::Number => hashes::number(key),
        };
        self.mix(hash)
    }

    /// An address is a big-endian number, an IPv6 address the exclusive or of its four words.
    fn hash_address(&self, address: IpAddr) -> u32 {
        self.mix(match address {
            IpAddr::V4(address) => u32::from(address),
            IpAddr::V6(address) => {
                let words = (0..4).map(|word| u128::from(address) >> (32 * word));
                #[expect(clippy::cast_possible_truncation, reason = "one word at a time")]
                words.fold(0, |hash, word| hash ^ word as u32)
            }
        })
    }

    fn mix(&self, hash: u32) -> u32 {
        if self.avalanche { hashes::avalanche(hash) } else { hash }
    }
}

/// A rule with its state.
#[derive(Debug, Clone)]
pub(super) struct State {
    rule: Haproxy,
    engine: Engine,
}

#[derive(Debug, Clone)]
enum Engine {
    Rotation(Rotation),
    Map(Map),
    Nodes(Nodes),
    Least(Least),
}

impl State {
    pub(super) fn new(rule: Haproxy, servers: &[Server], load: &Load) -> Self {
        let engine = Engine::new(&rule, servers, load);
        Self { rule, engine }
    }

    pub(super) fn hashes_addresses(&self) -> bool {
        matches!(self.rule, Haproxy::Source(_))
    }

    fn hash(&self, choice: &Choice<'_>) -> Option<u32> {
        match &self.rule {
            Haproxy::Source(hash) => choice.client().map(|address| hash.hash_address(address)),
            Haproxy::Key { part, hash } => choice.text().and_then(|key| part.of(key)).map(|key| hash.hash(key)),
            _ => None,
        }
    }
}

impl Engine {
    fn new(rule: &Haproxy, servers: &[Server], load: &Load) -> Self {
        let nodes = |factor: Option<u32>, addresses: Option<&[_]>| Self::Nodes(Nodes::new(servers, load, factor, addresses));
        match rule {
            Haproxy::RoundRobin => Self::Rotation(Rotation::new(load)),
            Haproxy::StaticRoundRobin => Self::Map(Map::new(load)),
            Haproxy::LeastConnections { random_ties } => Self::Least(Least::new(load, *random_ties)),
            Haproxy::Random { .. } => nodes(None, None),
            Haproxy::Source(HashType { method, .. }) | Haproxy::Key { hash: HashType { method, .. }, .. } => match method {
                Method::Map => Self::Map(Map::new(load)),
                Method::Consistent { balance_factor, by_address } => nodes(*balance_factor, by_address.as_deref()),
            },
        }
    }
}

impl Choose for State {
    fn choose(&mut self, load: &Load, choice: &mut Choice<'_>) -> Decision {
        let in_any = |server: Option<usize>| server.map_or(no_server(load), Decision::Server);
        let hash = self.hash(choice);
        match (&mut self.engine, hash) {
            (Engine::Rotation(rotation), _) => in_any(rotation.next(load)),
            (Engine::Least(least), _) => in_any(least.next(load, choice.random)),
            (Engine::Map(map), Some(hash)) => held(load, map.at(hash)),
            (Engine::Map(map), None) => in_any(map.next(load)),
            (Engine::Nodes(nodes), Some(hash)) => held(load, nodes.nearest(load, hash)),
            (Engine::Nodes(nodes), None) => match self.rule {
                Haproxy::Random { draws } => in_any(random(nodes, load, draws, choice.random)),
                _ => in_any(nodes.next(load)),
            },
        }
    }

    fn server_of_key(&self, load: &Load, key: &[u8]) -> Option<usize> {
        let hash = match &self.rule {
            Haproxy::Source(hash) => hash.hash_address(address_of(key)?),
            Haproxy::Key { part, hash } if !key.is_empty() => hash.hash(part.of(key)?),
            _ => return None,
        };
        match &self.engine {
            Engine::Map(map) => map.at(hash),
            Engine::Nodes(nodes) if !nodes.is_bounded() => nodes.nearest(load, hash),
            _ => None,
        }
    }

    fn moved(&mut self, load: &Load, server: usize) {
        if let Engine::Least(least) = &mut self.engine {
            least.moved(load, server);
        }
    }

    fn changed(&mut self, servers: &[Server], load: &Load) {
        self.engine = Engine::new(&self.rule, servers, load);
    }
}

/// A keyed rule does not let go of its server: a full one queues.
fn held(load: &Load, server: Option<usize>) -> Decision {
    match server {
        Some(server) if load.is_free(server) => Decision::Server(server),
        Some(server) => Decision::Queue(Line::Server(server)),
        None => Decision::Unavailable,
    }
}

/// All are full, or none is up.
fn no_server(load: &Load) -> Decision {
    if load.members.iter().any(|member| member.up) { Decision::Queue(Line::Pool) } else { Decision::Unavailable }
}

/// Each draw looks up the ring, so a server's chance is its share of the ring. A full one means the backend's queue.
fn random(nodes: &Nodes, load: &Load, draws: u32, random: &mut Xoshiro256PlusPlus) -> Option<usize> {
    let mut chosen = nodes.nearest(load, random.next_u32())?;
    for _ in 1..draws {
        let drawn = nodes.nearest(load, random.next_u32())?;
        if !load.is_lighter(chosen, drawn) {
            chosen = drawn;
        }
    }
    Some(chosen).filter(|server| load.is_free(*server))
}

/// HAProxy keeps weights sixteen times finer than they are written.
const WEIGHT_SCALE: u32 = 16;
