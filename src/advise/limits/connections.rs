//! Database connections: how busy a pool is, how many connections a process seems to have, and what a plan would need of them.

use super::super::load::{Split, loads};
use wsim_plan::CheckedPlan;
use wsim_profile::{EndpointProfile, Profile, Series};
use wsim_simulate::theory::waits_in_services;
use wsim_stats::Interval;

/// How busy a pool of connections is, 0 to 1: at least what is in use on average; by the best estimate what would make an M/M/c queue
/// wait as long as requests wait here. Transactions that come in bursts fill a pool before its mean does.
///
/// `busy` and `waiting` are mean numbers. Waits at a pool that is mostly idle are not the pool's: a thread waits for the interpreter too.
pub fn pool_share(busy: f64, waiting: f64, connections: u32) -> Interval {
    let mean = busy / f64::from(connections.max(1));
    if mean < SHARE_OF_WAITS_MIN || waiting <= 0.0 {
        return Interval::exact(mean);
    }
    let by_waits = share_by_waits(waiting / busy, connections);
    Interval::new(mean.max(by_waits), mean, mean.max(by_waits))
}

/// The busy share at which a customer of an M/M/c queue waits this many service times on average.
fn share_by_waits(waits: f64, servers: u32) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if waits_in_services(servers, middle * f64::from(servers)) < waits { low = middle } else { high = middle }
    }
    high
}

/// The connections of every process, and how busy the log shows them.
#[derive(Debug, Clone)]
pub struct ConnectionPool {
    /// Connections of every process (`cp_max`).
    pub connections: u32,
    source: Source,
    /// The profile with time in transactions in the place of CPU, for the law that shares load among processes; `None` where no log
    /// shows transactions.
    demand: Option<Box<Profile>>,
    /// Connections in use at once in the logs, of all processes.
    busy: f64,
    /// Best estimate over mean share of the busiest pool, 1 and more: how much sooner than its mean a pool is full.
    pub(in super::super) burst: f64,
    /// Mean time of a transaction, ms, over all processes.
    pub transaction_ms: Option<f64>,
}

impl ConnectionPool {
    /// From a log's transactions. `configured` is the number of connections where it is known; else Twisted's default of 5, or as many as
    /// the log makes plausible.
    pub fn new(profile: &Profile, configured: Option<u32>) -> Self {
        let seen = || profile.processes.iter().filter_map(|process| process.database);
        let inferred = seen().map(|load| plausible_connections(load.busy, load.waiting)).max().unwrap_or(CONNECTIONS_DEFAULT);
        let connections = configured.unwrap_or(inferred);
        let share = |busy: f64, waiting: f64| pool_share(busy, waiting, connections);
        let busiest = seen().max_by(|a, b| share(a.busy, a.waiting).value.total_cmp(&share(b.busy, b.waiting).value));
        let burst = busiest.map_or(1.0, |load| {
            let share = share(load.busy, load.waiting);
            if share.low > 0.0 { share.value / share.low } else { 1.0 }
        });
        let busy: f64 = seen().map(|load| load.busy).sum();
        let rate: f64 = seen().map(|load| load.busy / load.transaction_ms.max(1e-6)).sum();
        Self {
            connections,
            source: match configured {
                Some(_) => Source::Configured,
                None if inferred > CONNECTIONS_DEFAULT => Source::Inferred,
                None => Source::Assumed,
            },
            demand: demand(profile, busy).map(Box::new),
            busy,
            burst,
            transaction_ms: (rate > 0.0).then(|| busy / rate),
        }
    }

    /// The number and where it comes from: `the 5 that are assumed`.
    pub(super) fn words(&self) -> String {
        match self.source {
            Source::Configured => self.connections.to_string(),
            Source::Inferred => format!("the {} that seem to be in use", self.connections),
            Source::Assumed => format!("the {} that are assumed", self.connections),
        }
    }

    /// Busy share of the connections of every process of a plan at the peak: the main process first, then the workers in order.
    /// Empty where no log shows transactions.
    pub(in super::super) fn shares(&self, plan: &CheckedPlan, split: Option<&Split>) -> Vec<Interval> {
        let Some(demand) = &self.demand else { return Vec::new() };
        let share = |busy: f64| busy / f64::from(self.connections.max(1));
        let of_process = |busy: Interval| Interval::new(share(busy.value) * self.burst, share(busy.value), share(busy.high) * self.burst);
        loads(plan, demand, split).into_iter().map(|load| of_process(load.demand.requests)).collect()
    }
}

impl ConnectionPool {
    /// How many times the observed time in transactions a plan asks the database for; `None` where no log shows transactions.
    pub(super) fn demand_of(&self, plan: &CheckedPlan) -> Option<f64> {
        let demand = self.demand.as_ref()?;
        let all: f64 = loads(plan, demand, None).iter().map(|load| load.demand.evenly.value).sum();
        (self.busy > 0.0).then(|| all / self.busy)
    }
}

/// Where the number of connections comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The user.
    Configured,
    /// The smallest number with which so few waits are plausible.
    Inferred,
    /// The usual default.
    Assumed,
}

/// The profile with connections in use in the place of cores, as many at the peak as `busy`.
fn demand(profile: &Profile, busy: f64) -> Option<Profile> {
    let at_peak = |endpoint: &EndpointProfile| endpoint.db_seconds * endpoint.peak_requests as f64 / endpoint.requests.max(1) as f64;
    let sum: f64 = profile.endpoints.iter().chain(&profile.between_processes).map(at_peak).sum();
    if busy <= 0.0 || sum <= 0.0 {
        return None;
    }
    let scale = busy * profile.peaks.five_minutes.window.seconds() / sum;
    let mut demand = Profile { series: Series::default(), ..profile.clone() };
    for endpoint in demand.endpoints.iter_mut().chain(&mut demand.between_processes) {
        endpoint.peak_cpu_seconds = at_peak(endpoint) * scale;
        // The CPU of a hop between processes is no part of a transaction.
        endpoint.cpu_seconds = 0.0;
    }
    Some(demand)
}

/// The smallest number of connections, from the default on, at which so few waits are plausible: no log says how many there are.
fn plausible_connections(busy: f64, waiting: f64) -> u32 {
    let mut connections = CONNECTIONS_DEFAULT;
    let waits = (waiting / busy.max(1e-9)).max(WAITS_LEAST);
    // Regular arrivals wait less than an M/M/c queue's, so only a large difference says that there are more connections.
    while connections < CONNECTIONS_MOST && waits_in_services(connections, busy) > waits * WAITS_TOLERANCE {
        connections += 1;
    }
    connections
}

/// Twisted's default, which Synapse keeps unless `cp_max` is set.
const CONNECTIONS_DEFAULT: u32 = 5;
const CONNECTIONS_MOST: u32 = 200;
/// Mean share from which waits are the pool's.
const SHARE_OF_WAITS_MIN: f64 = 0.4;
/// Waits below this, in transactions, are lost in the rounding of the log.
const WAITS_LEAST: f64 = 0.01;
const WAITS_TOLERANCE: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_by_waits_is_that_of_an_mmc_queue() {
        for (servers, share) in [(5, 0.6), (5, 0.9), (10, 0.8), (1, 0.5)] {
            let offered = share * f64::from(servers);
            let waiting = offered * waits_in_services(servers, offered);
            let found = pool_share(offered, waiting, servers);
            assert!((found.value - share).abs() < 1e-6 && (found.low - share).abs() < 1e-9, "{servers} {share}: {found:?}");
        }
        // Bursts: 3.3 of 5 in use, and three quarters of a transaction waited for each.
        let bursty = pool_share(3.3, 2.5, 5);
        assert!((bursty.low - 0.66).abs() < 1e-9 && bursty.value > 0.8, "{bursty:?}");
        assert_eq!(pool_share(0.5, 5.0, 5), Interval::exact(0.1), "not the pool's waits");
    }

    #[test]
    fn a_pool_without_waits_is_larger_than_the_default() {
        assert_eq!(plausible_connections(1.0, 0.0), 5);
        assert_eq!(plausible_connections(4.0, 4.0 * waits_in_services(5, 4.0)), 5);
        let many = plausible_connections(4.5, 0.0);
        assert!((8..=11).contains(&many), "{many}");
        assert!(plausible_connections(12.0, 1.0) > 12);
    }
}
