//! What writing an event costs: the replication RPC to the persister, the persister's CPU, the database; and how many events a persister can
//! write.
//!
//! A persister writes one batch at a time, so the wall time of an RPC beside others contains waiting, which the simulation produces itself.
//! Service times come from RPCs that had their persister to themselves; where those are few, from the time between the end of one RPC and
//! the end of the next. Without a persister's log the costs are assumed, and bounded by how long the senders waited.

use std::collections::BTreeMap;

use super::between_processes::HOP_CPU;
use super::unlogged_costs::WRITING_SPREAD;
use crate::engine::time::Span;
use crate::station::Spread;
use crate::synapse::topology::Costs;
use wsim_stats::{Interval, student_t};
use wsim_trace::{NameId, Request};

/// The replication RPCs that handed events to persisters, as logged.
#[derive(Default)]
pub(super) struct PersistRpcs {
    cpu_us: u64,
    /// Arrival (µs since the epoch) and wall time (µs) by persister, in order of arrival.
    by_persister: BTreeMap<NameId, Vec<(i64, u32)>>,
    /// Wall time of sending requests that their own lines do not explain, µs.
    unexplained_us: Vec<u32>,
}

impl PersistRpcs {
    /// Counts an RPC at its persister. Call in order of arrival.
    pub(super) fn observe(&mut self, persister: NameId, request: &Request) {
        self.cpu_us += u64::from(request.cpu_us);
        self.by_persister.entry(persister).or_default().push((request.arrival_us, request.wall_us));
    }

    /// Counts a client's request that made an event.
    pub(super) fn observe_sender(&mut self, request: &Request) {
        let explained = request.cpu_us.saturating_add(request.db_txn_us).saturating_add(request.db_sched_us);
        self.unexplained_us.push(request.wall_us.saturating_sub(explained));
    }

    fn count(&self) -> usize {
        self.by_persister.values().map(Vec::len).sum()
    }

    fn median_wall_seconds(&self) -> Option<f64> {
        median_seconds(self.by_persister.values().flatten().map(|(_, wall)| *wall).collect())
    }

    /// Times in which a persister served one RPC, s.
    fn service_seconds(&self) -> Vec<f64> {
        let (mut alone, mut between) = (Vec::new(), Vec::new());
        for rpcs in self.by_persister.values() {
            let mut free_at = i64::MIN;
            for (number, (arrival, wall)) in rpcs.iter().enumerate() {
                let end = arrival.saturating_add(i64::from(*wall));
                let next = rpcs.get(number + 1).map_or(i64::MAX, |(arrival, _)| *arrival);
                if *arrival >= free_at && end <= next {
                    alone.push(f64::from(*wall) / 1e6);
                }
                // RPCs that end together were one batch.
                if end > free_at {
                    between.push((end - free_at.max(*arrival)) as f64 / 1e6);
                    free_at = end;
                }
            }
        }
        if alone.len() >= ALONE_MIN { alone } else { between }
    }
}

/// Seconds per written event.
pub(super) struct PersistCosts {
    rpc_cpu: f64,
    persist_cpu: f64,
    persist_db: f64,
    spread: Spread,
    /// Time of a persister for one batch, in which it writes no other.
    serial: Interval,
    /// From hand-over to answer, as logged.
    hop: f64,
    /// Number of RPCs that these costs come from; 0: they are assumed.
    pub(super) rpcs_seen: usize,
}

impl PersistCosts {
    /// `persist`: CPU of a persister for an event, s.
    pub(super) fn new(rpcs: &PersistRpcs, persist: f64) -> Self {
        let Some(hop) = rpcs.median_wall_seconds() else { return Self::assumed(rpcs, persist) };
        let times = rpcs.service_seconds();
        let service = student_t::mean_interval(&times, 0.95);
        let rpc_cpu = (rpcs.cpu_us as f64 / 1e6 / rpcs.count() as f64).min(service.value);
        let persist_cpu = (persist - rpc_cpu).clamp(0.0, service.value - rpc_cpu);
        let in_database: Vec<f64> = times.iter().map(|time| time - rpc_cpu - persist_cpu).collect();
        let serial = |service: f64| (service - rpc_cpu).max(0.0);
        Self {
            rpc_cpu,
            persist_cpu,
            persist_db: (service.value - rpc_cpu - persist_cpu).max(0.0),
            spread: Spread::from_times(&in_database),
            serial: bounded(Interval { value: serial(service.value), low: serial(service.low), high: serial(service.high) }),
            hop: hop + 2.0 * RPC_DELAY,
            rpcs_seen: rpcs.count(),
        }
    }

    fn assumed(rpcs: &PersistRpcs, persist: f64) -> Self {
        // Writing takes no longer than the senders' unexplained wait.
        let wait = median_seconds(rpcs.unexplained_us.clone());
        let most = wait.map_or(f64::INFINITY, |wait| (wait - 2.0 * RPC_DELAY - RPC_CPU).max(0.0));
        let persist_cpu = persist.min(most);
        let persist_db = PERSIST_DB.min(most - persist_cpu);
        let serial = persist_cpu + persist_db;
        Self {
            rpc_cpu: RPC_CPU,
            persist_cpu,
            persist_db,
            spread: Spread::CONSTANT,
            serial: bounded(Interval { value: serial, low: 0.0, high: f64::INFINITY }),
            hop: serial,
            rpcs_seen: 0,
        }
    }

    /// All of the persister's time for an event, s.
    pub(super) fn total(&self) -> f64 {
        self.rpc_cpu + self.persist_cpu + self.persist_db
    }

    /// CPU of the persister for an event that another process made, s.
    pub(super) fn cpu(&self) -> f64 {
        self.persist_cpu + if self.rpcs_seen > 0 { self.rpc_cpu } else { 0.0 }
    }

    /// The part of a sender's wall time that the simulation of persisting stands for.
    pub(super) fn hop(&self) -> Span {
        Span::from_seconds(self.hop)
    }

    /// Time of a persister for one batch, s, in which it writes no other; `None` if that is assumed.
    pub(super) fn writing(&self) -> Option<Interval> {
        (self.rpcs_seen > 0 && self.serial.low > 0.0).then_some(self.serial)
    }

    /// Events a second that one persister can write, one after another; `None` if writing takes no time.
    pub(super) fn ceiling(&self) -> Option<Interval> {
        let Interval { value, low, high } = self.serial;
        (low > 0.0).then(|| Interval { value: 1.0 / value, low: 1.0 / high, high: 1.0 / low })
    }

    /// Deviation of the logarithm of the time of writing.
    pub(super) fn deviation(&self) -> f64 {
        let Interval { low, high, .. } = self.serial;
        if low > 0.0 { (high / low).ln() / (2.0 * TWO_SIDED_95) } else { 0.0 }
    }

    pub(super) fn costs(&self) -> Costs {
        Costs {
            rpc_cpu: Span::from_seconds(self.rpc_cpu),
            persist_cpu: Span::from_seconds(self.persist_cpu),
            persist_db: Span::from_seconds(self.persist_db),
            persist_spread: self.spread,
            rpc_delay: Span::from_seconds(RPC_DELAY),
            hop_cpu: Span::from_seconds(HOP_CPU.value),
            rpc_response_cpu: Span::from_seconds(RPC_RESPONSE_CPU),
            replication_delay: Span::from_seconds(RPC_DELAY),
            ..Costs::LOGGED
        }
    }
}

/// Within the spread of the prior: an interval of a few times may be without bounds, and nothing is known of an assumed time.
fn bounded(serial: Interval) -> Interval {
    let Interval { value, low, high } = serial;
    Interval::new(value, low.max(value / WRITING_SPREAD), high.min(value * WRITING_SPREAD))
}

fn median_seconds(mut times_us: Vec<u32>) -> Option<f64> {
    times_us.sort_unstable();
    times_us.get(times_us.len() / 2).map(|us| f64::from(*us) / 1e6)
}

/// CPU of a persister to receive an event, s; for logs without a persister's. Measured on one cluster.
const RPC_CPU: f64 = 0.001_6;
/// Database time to write an event, s; for logs without a persister's. Measured on one cluster.
const PERSIST_DB: f64 = 0.012;
/// Network time of an RPC, one way, s. Loopback.
const RPC_DELAY: f64 = 0.001;
/// CPU of the sender to receive the RPC's response, s. Assumed.
const RPC_RESPONSE_CPU: f64 = 0.000_5;
/// Quantile of the normal distribution.
const TWO_SIDED_95: f64 = 1.96;
/// Fewest RPCs alone at their persister that show how long it takes.
const ALONE_MIN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// RPCs of one persister: arrival and wall time in ms.
    fn rpcs(times: impl Iterator<Item = (i64, u32)>) -> PersistRpcs {
        let mut rpcs = PersistRpcs::default();
        for (arrival, wall) in times {
            rpcs.observe(NameId(1), &Request { arrival_us: arrival * 1000, wall_us: wall * 1000, cpu_us: 2000, ..Request::default() });
        }
        rpcs
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }

    #[test]
    fn rpcs_beside_others_do_not_count_as_service() {
        // Thirty alone take 26 ms; thirty pairs overlap, of which the second waits for the first.
        let alone = (0..30).map(|number| (number * 1000, 26));
        let pairs = (0..30).flat_map(|number| [(100_000 + number * 1000, 26), (100_005 + number * 1000, 47)]);
        let costs = PersistCosts::new(&rpcs(alone.chain(pairs)), 0.012);
        close(costs.total(), 0.026);
        let ceiling = costs.ceiling().unwrap();
        close(ceiling.value, 1.0 / 0.024);
        assert!((costs.hop - 0.028).abs() < 1e-9 && costs.rpcs_seen == 90);
    }

    #[test]
    fn a_persister_that_is_never_alone_shows_its_service_from_end_to_end() {
        // Arrivals every 10 ms, served in 20 ms each, one after another.
        let costs = PersistCosts::new(&rpcs((0..50).map(|n| (10 * n, u32::try_from(20 + 10 * n).unwrap()))), 0.012);
        close(costs.total(), 0.020);
        // Two that end together are one batch.
        let batch =
            PersistCosts::new(&rpcs((0..50).map(|n| (20 * (n / 2) + 5 * (n % 2), u32::try_from(20 - 5 * (n % 2)).unwrap()))), 0.012);
        close(batch.total(), 0.020);
    }

    #[test]
    fn without_rpcs_the_costs_are_assumed_and_no_longer_than_the_senders_waited() {
        let mut senders = PersistRpcs::default();
        let costs = PersistCosts::new(&senders, 0.012);
        assert!(costs.rpcs_seen == 0 && costs.ceiling().unwrap().low < 1.0 / 0.024);
        senders.observe_sender(&Request { wall_us: 12_600, cpu_us: 1000, ..Request::default() });
        close(PersistCosts::new(&senders, 0.012).total(), RPC_CPU + 0.008);
        senders = PersistRpcs::default();
        senders.observe_sender(&Request { wall_us: 500, ..Request::default() });
        assert_eq!(PersistCosts::new(&senders, 0.012).ceiling(), None);
    }
}
