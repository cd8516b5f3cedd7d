//! The utilisation law of a Synapse process, with ranges.
//!
//! ```text
//! busy cores of a process = coverage factor * (CPU of the request lines it serves)
//!                         + replication * events        if there are workers at all
//!                         + persisting * events          on the process that persists events
//!                         + rest
//! ```
//!
//! The utilisation law itself is exact (Denning and Buzen 1978: busy share = throughput times service demand); the costs in it are
//! not. Each cost is a value with a range, and the law is evaluated three times: all low, best, all high.

use wsim_profile::Profile;
use wsim_stats::Interval;

/// CPU costs that no request line shows: priors with their ranges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// CPU that one process spends on receiving one persisted event by replication, ms.
    ///
    /// 3 to 6: matrix.org 2020, 20 to 25 % of a core per process (matrix-org/synapse#7670, #8283); Element, January 2025, 25 % of each
    /// worker at 40 events/s, which is 6 ms. A small quiet server needs less: the cluster under `persisting_ms` showed 1 to 3 ms.
    pub replication_ms: Interval,
    /// CPU that persisting one event costs the process that does it, ms.
    ///
    /// Synapse persists in a background process whose CPU no request line shows (`storage/controllers/persist_events.py`). Measured on
    /// one small cluster (Synapse 1.163.2, 2.4 events/s): an event persister used 5.28 s of CPU for 260 events in 111 s; without its
    /// idle CPU of 1 to 3 % this is 7 to 16 ms an event. The lower bound allows for faster machines.
    pub persisting_ms: Interval,
    /// Share of a core that an idle process uses: timers, garbage collection, metrics.
    ///
    /// Measured 1 to 3 % on the same cluster; the upper bound allows for the garbage of larger caches (2 to 5 %, inferred).
    pub rest: Interval,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            replication_ms: Interval { value: 4.5, low: 3.0, high: 6.0 },
            persisting_ms: Interval { value: 10.0, low: 5.0, high: 16.0 },
            rest: Interval { value: 0.02, low: 0.01, high: 0.05 },
        }
    }
}

/// The costs at one server's peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Law {
    /// Cores of a process per core that its request lines show; the range of inferred demand is included.
    pub(super) request_factor: Interval,
    /// The coverage factor without the fixed costs that the law adds again.
    pub(super) coverage_factor: Interval,
    /// Cores that every process of a cluster spends on replication.
    pub(super) replication: Interval,
    /// Cores that persisting all events takes, on the process or processes that do it.
    pub(super) persisting: Interval,
    /// Cores of an idle process.
    pub(super) rest: Interval,
}

/// What one process does at the peak, before costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ProcessDemand {
    /// CPU of the request lines it serves at the peak, cores.
    pub(super) requests: Interval,
    /// Whether it takes part in replication.
    pub(super) replicates: bool,
    /// Share of all events that it persists, 0 to 1.
    pub(super) persists: f64,
}

impl Law {
    /// The costs in the busiest five minutes of a profile.
    pub(super) fn new(profile: &Profile, costs: &Costs) -> Self {
        let events = profile.events_per_second.peak.max(0.0);
        let coverage_factor = net_coverage_factor(profile, costs);
        let range = profile.demand.range;
        Self {
            request_factor: zip(coverage_factor, range, |factor, demand| factor * demand.max(0.0)),
            coverage_factor,
            replication: costs.replication_ms.scaled(events / 1000.0),
            persisting: costs.persisting_ms.scaled(events / 1000.0),
            rest: costs.rest,
        }
    }

    /// Cores that a process needs at the peak. Low, best and high costs go together.
    pub(super) fn cores(&self, demand: &ProcessDemand) -> Interval {
        let replicates = if demand.replicates { 1.0 } else { 0.0 };
        let at = |bound: fn(Interval) -> f64| {
            bound(self.request_factor) * bound(demand.requests)
                + bound(self.replication) * replicates
                + bound(self.persisting) * demand.persists
                + bound(self.rest)
        };
        let (low, value, high) = (at(|i| i.low), at(|i| i.value), at(|i| i.high));
        // A net coverage factor may fall while the fixed costs rise, so the three values need not be in order.
        Interval::new(value, low.min(high), high.max(low))
    }

    /// Cores that the busy limit leaves for requests on a worker of `cpu` cores: `busy * cpu - replication - rest`.
    /// Where nothing is left, no number of workers is enough.
    pub(super) fn left_for_requests(&self, busy: f64, cpu: f64) -> Interval {
        let left = |fixed: f64| busy * cpu - fixed;
        let fixed = self.replication.plus(self.rest);
        Interval::new(left(fixed.value), left(fixed.high), left(fixed.low))
    }
}

/// The coverage factor without the fixed costs that the law adds on its own.
///
/// A measured factor is process CPU over request CPU, so it includes idle CPU, replication and persisting at the *mean* load.
/// Adding these costs again would count them twice and let them grow with the requests. They are subtracted here, so that the
/// law gives the measured CPU at the load where it was measured. A prior is used as it is: it errs on the high side.
fn net_coverage_factor(profile: &Profile, costs: &Costs) -> Interval {
    let coverage = &profile.coverage;
    let logged: f64 = coverage.processes.iter().map(|process| process.logged_cpu_seconds).sum();
    if !coverage.measured || logged <= 0.0 {
        return at_least_one(coverage.factor);
    }
    let count = coverage.processes.len();
    let seconds = profile.observed_seconds();
    let events = profile.events_per_second.mean.max(0.0);
    let several = count > 1 || profile.processes.len() > 1;
    let persister =
        count == 1 && !several || coverage.processes.iter().any(|process| PERSISTING_NAMES.iter().any(|name| process.name.contains(name)));
    let fixed = |bound: fn(Interval) -> f64| {
        let replication = if several { bound(costs.replication_ms) * events / 1000.0 } else { 0.0 };
        let persisting = if persister { bound(costs.persisting_ms) * events / 1000.0 } else { 0.0 };
        seconds * (count as f64 * (bound(costs.rest) + replication) + persisting) / logged
    };
    at_least_one(Interval {
        value: coverage.factor.value - fixed(|i| i.value),
        low: coverage.factor.low - fixed(|i| i.low),
        high: coverage.factor.high - fixed(|i| i.high),
    })
}

/// A process cannot use less CPU than its requests did.
fn at_least_one(factor: Interval) -> Interval {
    let floor = |x: f64| if x.is_finite() { x.max(1.0) } else { 1.0 };
    Interval { value: floor(factor.value), low: floor(factor.low), high: floor(factor.high) }
}

fn zip(a: Interval, b: Interval, f: impl Fn(f64, f64) -> f64) -> Interval {
    Interval { value: f(a.value, b.value), low: f(a.low, b.low), high: f(a.high, b.high) }
}

/// Usual names of processes that persist events.
const PERSISTING_NAMES: [&str; 4] = ["main", "master", "homeserver", "persister"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ProfileFixture;
    use wsim_profile::ProcessCoverage;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn the_law_is_a_sum_that_can_be_checked_by_hand() {
        // Coverage factor 1.8 (1.6 to 2), demand logged, 10 events/s.
        let profile = ProfileFixture::new().coverage(1.6, 1.8, 2.0).events(10.0).build();
        let law = Law::new(&profile, &Costs::default());
        let worker = law.cores(&ProcessDemand { requests: Interval::exact(0.2), replicates: true, persists: 0.0 });
        close(worker.value, 0.2 * 1.8 + 0.045 + 0.02);
        close(worker.low, 0.2 * 1.6 + 0.03 + 0.01);
        close(worker.high, 0.2 * 2.0 + 0.06 + 0.05);
        let alone = law.cores(&ProcessDemand { requests: Interval::exact(0.2), replicates: false, persists: 1.0 });
        close(alone.value, 0.2 * 1.8 + 0.10 + 0.02);
    }

    #[test]
    fn inferred_demand_widens_the_range() {
        let profile = ProfileFixture::new().coverage(1.0, 1.0, 1.0).demand(0.5, 1.0, 2.0).build();
        let cores = Law::new(&profile, &Costs::default()).cores(&ProcessDemand {
            requests: Interval::exact(0.3),
            replicates: false,
            persists: 0.0,
        });
        close(cores.value, 0.32);
        close(cores.low, 0.16);
        close(cores.high, 0.65);
    }

    #[test]
    fn a_measured_factor_gives_back_the_measured_cpu() {
        // One process, 100 s, 20 s of CPU, 10 s of it in request lines, no events: 0.2 cores.
        let mut profile = ProfileFixture::new().coverage(2.0, 2.0, 2.0).window_seconds(100).build();
        profile.coverage.measured = true;
        profile.coverage.processes = vec![ProcessCoverage { name: "main".to_owned(), process_cpu_seconds: 20.0, logged_cpu_seconds: 10.0 }];
        let law = Law::new(&profile, &Costs::default());
        close(law.coverage_factor.value, 2.0 - 0.02 * 100.0 / 10.0);
        let cores = law.cores(&ProcessDemand { requests: Interval::exact(0.1), replicates: false, persists: 1.0 });
        close(cores.value, 0.2);
        close(cores.low, 0.2);
        close(cores.high, 0.2);
    }

    #[test]
    fn replication_leaves_nothing_for_requests_from_some_event_rate_on() {
        // 0.7 - 4.5 ms * 150/s - 0.02 = 0.005; one more event a second and it is gone (at 151.1).
        let left = |events: f64| {
            let profile = ProfileFixture::new().events(events).build();
            Law::new(&profile, &Costs::default()).left_for_requests(0.7, 1.0)
        };
        close(left(150.0).value, 0.005);
        assert!(left(152.0).value < 0.0);
        assert!(left(120.0).low < 0.0 && left(120.0).value > 0.0);
    }
}
