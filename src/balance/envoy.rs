//! Envoy: ring hash, maglev, least request, round robin.
//!
//! `source/extensions/load_balancing_policies/{ring_hash,maglev}`: tables equal to those that Envoy's own tests expect. Least
//! request and round robin are written from the documentation. Each worker thread schedules on its own. A keyed rule without
//! its key draws a random hash.

use rand_xoshiro::rand_core::Rng;
use xxhash_rust::xxh64::xxh64;

use super::choice::{PickContext, index_below};
use super::deadlines::Deadlines;
use super::load::Load;
use super::ring::Ring;
use super::rule::{Choose, Decision};
use super::server::Server;

/// A policy of Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Envoy {
    /// `ROUND_ROBIN`: earliest deadline first.
    RoundRobin,
    /// `RANDOM`: weights are ignored.
    Random,
    /// `RING_HASH`
    RingHash {
        /// Fewest points, 1024 by default.
        size_min: u32,
        /// Most points, 8 388 608 by default.
        size_max: u32,
    },
    /// `MAGLEV`
    Maglev {
        /// Slots, a prime; 65 537 by default.
        table_size: u32,
    },
    /// `LEAST_REQUEST`: with equal weights the fewest in flight of some draws; else the highest weight over the requests in flight
    /// plus this one.
    LeastRequest {
        /// Draws, 2 by default.
        choices: u32,
    },
}

impl Envoy {
    /// `RING_HASH` as Envoy configures it by default.
    pub const RING_HASH: Self = Self::RingHash { size_min: 1024, size_max: 8 << 20 };
    /// `MAGLEV` as Envoy configures it by default.
    pub const MAGLEV: Self = Self::Maglev { table_size: 65_537 };
}

/// A policy with its state.
#[derive(Debug, Clone)]
pub(super) struct State {
    policy: Envoy,
    table: Table,
}

#[derive(Debug, Clone)]
enum Table {
    Ring(Ring<u64>),
    Maglev(Vec<u32>),
    Rotation(Deadlines),
    None,
}

impl State {
    pub(super) fn new(policy: Envoy, servers: &[Server]) -> Self {
        Self { policy, table: Table::new(policy, servers) }
    }

    fn at(&self, hash: u64) -> Option<usize> {
        match &self.table {
            Table::Ring(ring) => ring.point(ring.at_or_after(hash)).map(|(_, server)| server),
            Table::Maglev(slots) => {
                let slot = hash.checked_rem(slots.len() as u64)?;
                slots.get(usize::try_from(slot).ok()?).map(|server| *server as usize)
            }
            Table::Rotation(_) | Table::None => None,
        }
    }
}

impl Choose for State {
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision {
        match self.policy {
            Envoy::RingHash { .. } | Envoy::Maglev { .. } => {
                let hash = match context.non_empty_key() {
                    Some(key) => xxh64(key, 0),
                    None => context.random.next_u64(),
                };
                self.at(hash)
            }
            Envoy::RoundRobin => match &mut self.table {
                Table::Rotation(rotation) => rotation.pick(|server| load.is_free(server)),
                _ => None,
            },
            Envoy::Random => super::caddy::random(load, context.random),
            Envoy::LeastRequest { choices } => least_request(load, choices, context),
        }
        .into()
    }

    fn server_of_key(&self, _: &Load, key: &[u8]) -> Option<usize> {
        if key.is_empty() { None } else { self.at(xxh64(key, 0)) }
    }
}

impl Table {
    fn new(policy: Envoy, servers: &[Server]) -> Self {
        match policy {
            Envoy::RingHash { size_min, size_max } => Self::Ring(ring(servers, size_min, size_max)),
            Envoy::Maglev { table_size } => Self::Maglev(maglev(servers, table_size)),
            Envoy::RoundRobin => Self::Rotation(Deadlines::new(servers.iter().map(|server| server.weight))),
            Envoy::Random | Envoy::LeastRequest { .. } => Self::None,
        }
    }
}

/// The ring has enough points for a whole number of points at the lightest server; the points of the others follow the running
/// sum of the weights.
fn ring(servers: &[Server], size_min: u32, size_max: u32) -> Ring<u64> {
    let total: f64 = servers.iter().map(|server| f64::from(server.weight)).sum();
    let lightest = servers.iter().map(|server| f64::from(server.weight) / total).fold(1.0, f64::min);
    let scale = ((lightest * f64::from(size_min)).ceil() / lightest).min(f64::from(size_max));
    let mut points = Vec::new();
    let mut target = 0.0;
    for (index, server) in servers.iter().enumerate() {
        target += scale * f64::from(server.weight) / total;
        let mut number = 0;
        while (points.len() as f64) < target {
            points.push((xxh64(format!("{}_{number}", server.name).as_bytes(), 0), index));
            number += 1;
        }
    }
    Ring::new(points)
}

/// Maglev (Eisenbud and others, NSDI 2016) with weights: in each round a server walks the table by its own stride and takes the
/// next free slot; a light server skips rounds.
fn maglev(servers: &[Server], table_size: u32) -> Vec<u32> {
    let size = u64::from(table_size);
    let mut servers: Vec<(usize, &Server)> = servers.iter().enumerate().collect();
    servers.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    let heaviest = servers.iter().map(|(_, server)| server.weight).max().unwrap_or(1);
    let mut entries: Vec<MaglevEntry> = servers.iter().map(|(index, server)| MaglevEntry::new(*index, server, size)).collect();
    let mut slots: Vec<Option<u32>> = vec![None; table_size as usize];
    let mut empty = if entries.is_empty() { 0 } else { size };
    let mut round = 0;
    while empty > 0 {
        round += 1;
        for entry in &mut entries {
            if empty == 0 || round * u64::from(entry.weight) < entry.target {
                continue;
            }
            entry.target += u64::from(heaviest);
            while let Some(slot) = slots.get_mut(entry.slot(size)) {
                entry.taken += 1;
                if slot.is_none() {
                    *slot = Some(entry.server);
                    break;
                }
            }
            empty -= 1;
        }
    }
    slots.into_iter().flatten().collect()
}

struct MaglevEntry {
    server: u32,
    weight: u32,
    offset: u64,
    skip: u64,
    taken: u64,
    target: u64,
}

impl MaglevEntry {
    fn new(index: usize, server: &Server, size: u64) -> Self {
        let key = server.name.as_bytes();
        Self {
            server: u32::try_from(index).unwrap_or(u32::MAX),
            weight: server.weight,
            offset: xxh64(key, 0) % size,
            skip: xxh64(key, 1) % (size - 1).max(1) + 1,
            taken: 0,
            target: 0,
        }
    }

    fn slot(&self, size: u64) -> usize {
        usize::try_from((self.offset + self.skip * self.taken) % size).unwrap_or(usize::MAX)
    }
}

/// With equal weights: the least busy of some draws with replacement, of equal ones the first drawn. With unequal weights: the
/// highest weight over the requests in flight plus one.
fn least_request(load: &Load, choices: u32, context: &mut PickContext<'_>) -> Option<usize> {
    let first = load.members.first()?.weight;
    if load.members.iter().any(|member| member.weight != first) {
        let pressure = |server: usize| {
            let member = &load.members[server];
            (f64::from(member.in_flight) + 1.0) / f64::from(member.weight)
        };
        return load.free().map(|(server, _)| server).min_by(|a, b| pressure(*a).total_cmp(&pressure(*b)));
    }
    let count = load.free().count();
    let mut draw = || load.free().nth(index_below(context.random, count));
    let mut best = draw()?;
    for _ in 1..choices {
        let drawn = draw()?;
        if drawn.1.in_flight < best.1.in_flight {
            best = drawn;
        }
    }
    Some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> Vec<Server> {
        (0..6).map(|i| Server::new(&format!("127.0.0.1:{}", 90 + i), 1, i)).collect()
    }

    fn state(policy: Envoy) -> State {
        let servers = servers();
        State::new(policy, &servers)
    }

    /// Expected values from Envoy's `test/extensions/load_balancing_policies/ring_hash/ring_hash_lb_test.cc`, test `Basic`.
    #[test]
    fn the_ring_of_twelve_is_that_of_envoys_own_test() {
        let Table::Ring(ring) = state(Envoy::RingHash { size_min: 12, size_max: 8 << 20 }).table else { panic!("no ring") };
        assert_eq!(
            ring.points(),
            [
                (833_437_586_790_550_860, 4),
                (928_266_305_478_181_108, 2),
                (1_033_482_794_131_418_490, 0),
                (3_551_244_743_356_806_947, 5),
                (3_851_675_632_748_031_481, 3),
                (5_583_722_120_771_150_861, 1),
                (6_311_230_543_546_372_928, 1),
                (7_700_377_290_971_790_572, 3),
                (13_144_177_310_400_110_813, 5),
                (13_444_792_449_719_432_967, 2),
                (15_516_499_411_664_133_160, 4),
                (16_117_243_373_044_804_889, 0),
            ]
        );
    }

    #[test]
    fn a_hash_goes_to_the_point_at_or_after_it() {
        let state = state(Envoy::RingHash { size_min: 12, size_max: 8 << 20 });
        let lookups =
            [(0, 4), (u64::MAX, 4), (3_551_244_743_356_806_947, 5), (3_551_244_743_356_806_948, 3), (16_117_243_373_044_804_880, 0)];
        for (hash, server) in lookups {
            assert_eq!(state.at(hash), Some(server), "{hash}");
        }
    }

    /// Expected values from Envoy's `test/extensions/load_balancing_policies/maglev/maglev_lb_test.cc`, tests `Basic` and
    /// `BasicWithHostName`.
    #[test]
    fn the_tables_of_seven_are_those_of_envoys_own_tests() {
        assert_eq!(maglev(&servers(), 7), [2, 4, 0, 1, 5, 0, 3]);
        let by_name: Vec<Server> = (0..6).map(|i| Server::new(&(90 + i).to_string(), 1, i)).collect();
        assert_eq!(maglev(&by_name, 7), [2, 5, 0, 3, 4, 1, 0]);
    }
}
