//! HAProxy: `roundrobin`, `static-rr`, `leastconn`, `random`, and the keyed rules with every hash type.
//!
//! `src/lb_{fwrr,map,chash,fwlc}.c`, `src/backend.c`, `src/hash.c`; 3.5-dev5 and 2.6 read, compared with 2.6.12. A server at its
//! `maxconn` keeps the keys of keyed rules in its own queue; the other rules skip it and, when all are full, the request waits in
//! the backend's queue.

mod key;
mod least;
mod map;
mod nodes;
mod rotation;

use std::net::IpAddr;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

pub use key::KeyPart;

use self::least::LeastConnections;
use self::map::SlotTable;
use self::nodes::NodeRing;
use self::rotation::Rotation;
use super::choice::{PickContext, QueueId, parse_address};
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
        /// Whether ties are broken at random, as from release 3.2 on; before, the server that was unused the longest is taken.
        random_ties: bool,
    },
    /// `random(N)`: the least loaded of N draws on the ring, of equal ones the last. Release 3.4 breaks ties by recent request
    /// rate, which is not modelled here.
    Random {
        /// Draws, 2 by default.
        draws: u32,
    },
    /// `source`: the client's address.
    Source(HashType),
    /// `uri`, `url_param`, `hdr`, `hash`: a text.
    Key {
        /// The part of the key that is hashed.
        part: KeyPart,
        /// The way from the part to a server.
        hash: HashType,
    },
}

/// A `hash-type` with `hash-balance-factor` and `hash-key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HashType {
    /// From hash to server: a table or a ring.
    pub method: HashMethod,
    /// From key to 32 bits; `source` ignores it.
    pub function: HashFunction,
    /// Whether the avalanche mixes the hash again.
    pub avalanche: bool,
}

impl Default for HashType {
    /// Without a `hash-type` line: a table, sdbm, no avalanche.
    fn default() -> Self {
        Self { method: HashMethod::Map, function: HashFunction::Sdbm, avalanche: false }
    }
}

impl HashType {
    /// `hash-type consistent` without a function: sdbm with avalanche.
    pub fn consistent() -> Self {
        Self { method: HashMethod::Consistent { balance_factor: None, by_address: None }, function: HashFunction::Sdbm, avalanche: true }
    }
}

/// From hash to server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HashMethod {
    /// `map-based`: the hash modulo the length of a table.
    Map,
    /// `consistent`: the nearest point of a ring with 16 points for each unit of weight.
    Consistent {
        /// `hash-balance-factor`: the most load of a server in percent of the mean load; above 100.
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
    /// `none`, since 2.8: the key is a decimal number.
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
    Map(SlotTable),
    Nodes(NodeRing),
    Least(LeastConnections),
}

impl State {
    pub(super) fn new(rule: Haproxy, servers: &[Server], load: &Load) -> Self {
        let engine = Engine::new(&rule, servers, load);
        Self { rule, engine }
    }

    pub(super) fn hashes_addresses(&self) -> bool {
        matches!(self.rule, Haproxy::Source(_))
    }

    fn hash(&self, context: &PickContext<'_>) -> Option<u32> {
        match &self.rule {
            Haproxy::Source(hash) => context.client_address().map(|address| hash.hash_address(address)),
            Haproxy::Key { part, hash } => context.non_empty_key().and_then(|key| part.extract(key)).map(|key| hash.hash(key)),
            _ => None,
        }
    }
}

impl Engine {
    fn new(rule: &Haproxy, servers: &[Server], load: &Load) -> Self {
        let nodes = |factor: Option<u32>, addresses: Option<&[_]>| Self::Nodes(NodeRing::new(servers, load, factor, addresses));
        match rule {
            Haproxy::RoundRobin => Self::Rotation(Rotation::new(load)),
            Haproxy::StaticRoundRobin => Self::Map(SlotTable::new(load)),
            Haproxy::LeastConnections { random_ties } => Self::Least(LeastConnections::new(load, *random_ties)),
            Haproxy::Random { .. } => nodes(None, None),
            Haproxy::Source(HashType { method, .. }) | Haproxy::Key { hash: HashType { method, .. }, .. } => match method {
                HashMethod::Map => Self::Map(SlotTable::new(load)),
                HashMethod::Consistent { balance_factor, by_address } => nodes(*balance_factor, by_address.as_deref()),
            },
        }
    }
}

impl Choose for State {
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision {
        let free_or_queue = |server: Option<usize>| server.map_or(Decision::Queue(QueueId::Pool), Decision::Server);
        let hash = self.hash(context);
        match (&mut self.engine, hash) {
            (Engine::Rotation(rotation), _) => free_or_queue(rotation.next(load)),
            (Engine::Least(least), _) => free_or_queue(least.next(load, context.random)),
            (Engine::Map(map), Some(hash)) => keep_server(load, map.at(hash)),
            (Engine::Map(map), None) => free_or_queue(map.next(load)),
            (Engine::Nodes(nodes), Some(hash)) => keep_server(load, nodes.nearest(load, hash)),
            (Engine::Nodes(nodes), None) => match self.rule {
                Haproxy::Random { draws } => free_or_queue(random(nodes, load, draws, context.random)),
                _ => free_or_queue(nodes.next_without_key(load)),
            },
        }
    }

    fn server_of_key(&self, load: &Load, key: &[u8]) -> Option<usize> {
        let hash = match &self.rule {
            Haproxy::Source(hash) => hash.hash_address(parse_address(key)?),
            Haproxy::Key { part, hash } if !key.is_empty() => hash.hash(part.extract(key)?),
            _ => return None,
        };
        match &self.engine {
            Engine::Map(map) => map.at(hash),
            Engine::Nodes(nodes) if !nodes.is_bounded() => nodes.nearest(load, hash),
            _ => None,
        }
    }

    fn on_load_change(&mut self, load: &Load, server: usize) {
        if let Engine::Least(least) = &mut self.engine {
            least.on_load_change(load, server);
        }
    }
}

/// The decision of a keyed rule, which never takes another server: the request waits for a full one.
fn keep_server(load: &Load, server: Option<usize>) -> Decision {
    match server {
        Some(server) if load.is_free(server) => Decision::Server(server),
        Some(server) => Decision::Queue(QueueId::Server(server)),
        None => Decision::Unavailable,
    }
}

/// Each draw is a lookup in the ring, so a server's chance is its share of the ring. `None` if the chosen server is full: the
/// request then waits in the backend's queue.
fn random(nodes: &NodeRing, load: &Load, draws: u32, random: &mut Xoshiro256PlusPlus) -> Option<usize> {
    let mut chosen = nodes.nearest(load, random.next_u32())?;
    for _ in 1..draws {
        let drawn = nodes.nearest(load, random.next_u32())?;
        if !load.is_lighter(chosen, drawn) {
            chosen = drawn;
        }
    }
    Some(chosen).filter(|server| load.is_free(*server))
}

/// HAProxy multiplies the configured weights by this factor.
const WEIGHT_SCALE: u32 = 16;
