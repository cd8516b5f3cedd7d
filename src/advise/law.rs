//! The utilisation law of a Synapse process, with ranges.
//!
//! ```text
//! busy cores of a process = (1 + unlogged) * (CPU of the request lines it serves)
//!                         + persisting * its share of the events
//!                         + replication * the other events       if there are workers at all
//!                         + idle and background work of its own
//! ```
//!
//! The utilisation law itself is exact (Denning and Buzen 1978: busy share = throughput times service demand); the costs in it are
//! not. They are [`UnloggedCosts`], the same that the simulation uses. Each is a value with a range, and the law is evaluated three times:
//! all low, best, all high. The simulation takes the range of its inputs from here ([`Law::input_range`]).

use wsim_plan::BackgroundRoles;
use wsim_profile::Profile;
use wsim_simulate::UnloggedCosts;
use wsim_stats::Interval;

/// The costs at one server's peak.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Law {
    /// Cores of a process per core that its request lines show; the range of inferred demand is included.
    pub(super) request_factor: Interval,
    /// Cores of a process per core of logged CPU, without the fixed costs that the law adds on their own.
    pub(super) coverage_factor: Interval,
    /// Cores that every process of a cluster spends on replication.
    pub(super) replication: Interval,
    /// Cores that persisting all events takes, on the process or processes that do it.
    pub(super) persisting: Interval,
    /// Cores of an idle process.
    pub(super) rest: Interval,
    /// The costs per unit of load.
    pub(super) costs: UnloggedCosts,
}

/// What one process does at the peak, before costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ProcessDemand {
    /// CPU of the request lines it serves at the peak, cores.
    pub(super) requests: Interval,
    /// The same if every pool were spread evenly: what a process has more than this, another has less, so sums are over these.
    pub(super) evenly: Interval,
    /// Whether it takes part in replication.
    pub(super) replicates: bool,
    /// Share of all events that it persists, 0 to 1.
    pub(super) persists: f64,
    /// Cores of background work that only this process does.
    pub(super) background: f64,
}

impl Law {
    /// The costs in the busiest five minutes of a profile.
    pub(super) fn new(profile: &Profile, costs: &UnloggedCosts) -> Self {
        let events = profile.events_per_second.peak.max(0.0);
        let coverage_factor = costs.unlogged.plus(Interval::exact(1.0));
        let range = profile.demand.range;
        Self {
            request_factor: zip(coverage_factor, range, |factor, demand| factor * demand.max(0.0)),
            coverage_factor,
            replication: costs.replication.scaled(events),
            persisting: costs.persist.scaled(events),
            rest: costs.idle,
            costs: costs.clone(),
        }
    }

    /// Cores that a process needs at the peak. Low, best and high costs go together.
    pub(super) fn cores(&self, demand: &ProcessDemand) -> Interval {
        // The persister's own cost of replication is part of its cost of persisting.
        let replicates = if demand.replicates { 1.0 - demand.persists } else { 0.0 };
        let at = |bound: fn(Interval) -> f64| {
            bound(self.request_factor) * bound(demand.requests)
                + bound(self.replication) * replicates
                + bound(self.persisting) * demand.persists
                + bound(self.rest)
                + demand.background
        };
        Interval::new(at(|i| i.value), at(|i| i.low), at(|i| i.high))
    }

    /// Cores of a process as a part of all that a plan's processes need together.
    pub(super) fn cores_in_total(&self, demand: &ProcessDemand) -> Interval {
        self.cores(&ProcessDemand { requests: demand.evenly, ..*demand })
    }

    /// How far the cores of a process may be from their best estimate because of what goes into it, as factors.
    /// A simulation knows how keys fall on workers, so that is not in here.
    pub(super) fn input_range(&self, demand: &ProcessDemand) -> Interval {
        let Interval { value, low, high } = self.cores_in_total(demand);
        if value > 0.0 { Interval { value: 1.0, low: low / value, high: high / value } } else { Interval::exact(1.0) }
    }

    /// Cores of background work of a plan's process, beside what every process does.
    pub(super) fn background(&self, process: &str, roles: &BackgroundRoles) -> f64 {
        self.costs.background_of(process, roles)
    }

    /// Cores that the busy limit leaves for requests on a worker of `cpu` cores: `busy * cpu - replication - rest`.
    /// Where nothing is left, no number of workers is enough.
    pub(super) fn left_for_requests(&self, busy: f64, cpu: f64) -> Interval {
        let left = |fixed: f64| busy * cpu - fixed;
        let fixed = self.replication.plus(self.rest);
        Interval::new(left(fixed.value), left(fixed.high), left(fixed.low))
    }
}

fn zip(a: Interval, b: Interval, f: impl Fn(f64, f64) -> f64) -> Interval {
    Interval { value: f(a.value, b.value), low: f(a.low, b.low), high: f(a.high, b.high) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ProfileFixture;
    use wsim_profile::ProcessCoverage;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    fn law(profile: &Profile) -> Law {
        Law::new(profile, &UnloggedCosts::from_profile(profile))
    }

    fn demand(requests: f64, replicates: bool, persists: f64) -> ProcessDemand {
        ProcessDemand { requests: Interval::exact(requests), evenly: Interval::exact(requests), replicates, persists, background: 0.0 }
    }

    #[test]
    fn the_law_is_a_sum_that_can_be_checked_by_hand() {
        // Coverage factor 1.8 (1.6 to 2), demand logged, 10 events/s.
        let law = law(&ProfileFixture::new().coverage(1.6, 1.8, 2.0).events(10.0).build());
        let worker = law.cores(&demand(0.2, true, 0.0));
        close(worker.value, 0.2 * 1.8 + 0.045 + 0.02);
        close(worker.low, 0.2 * 1.6 + 0.025 + 0.01);
        close(worker.high, 0.2 * 2.0 + 0.06 + 0.05);
        close(law.cores(&demand(0.2, false, 1.0)).value, 0.2 * 1.8 + 0.12 + 0.02);
        // A main process that persists everything itself receives nothing by replication.
        close(law.cores(&demand(0.2, true, 1.0)).value, 0.2 * 1.8 + 0.12 + 0.02);
        let sender = law.cores(&ProcessDemand { background: 0.07, ..demand(0.0, true, 0.0) });
        close(sender.value, 0.07 + 0.045 + 0.02);
    }

    #[test]
    fn inferred_demand_widens_the_range() {
        let law = law(&ProfileFixture::new().coverage(1.0, 1.0, 1.0).demand(0.5, 1.0, 2.0).build());
        let cores = law.cores(&demand(0.3, false, 0.0));
        close(cores.value, 0.32);
        close(cores.low, 0.16);
        close(cores.high, 0.65);
        let lucky = ProcessDemand { requests: Interval::new(0.4, 0.3, 0.9), ..demand(0.3, false, 0.0) };
        let range = law.input_range(&lucky);
        close(range.low, 0.5);
        close(range.high, 0.65 / 0.32);
    }

    #[test]
    fn a_measured_factor_gives_back_the_measured_cpu() {
        // One process, 1000 s, 200 s of CPU, 100 s of it in request lines, no events: 0.2 cores.
        let mut profile = ProfileFixture::new().coverage(2.0, 2.0, 2.0).window_seconds(1000).build();
        profile.coverage.processes =
            vec![ProcessCoverage { name: "main".to_owned(), seconds: 1000.0, process_cpu_seconds: 200.0, logged_cpu_seconds: 100.0 }];
        let law = law(&profile);
        assert!(law.costs.is_measured && law.coverage_factor.value < 2.0, "idle CPU is not counted twice: {law:?}");
        let cores = law.cores(&demand(0.1, false, 1.0));
        assert!((cores.value - 0.2).abs() < 0.005 && cores.low <= 0.2 && cores.high >= 0.2, "{cores:?}");
    }

    #[test]
    fn replication_leaves_nothing_for_requests_from_some_event_rate_on() {
        // 0.7 - 4.5 ms * 150/s - 0.02 = 0.005; one more event a second and it is gone (at 151.1).
        let left = |events: f64| law(&ProfileFixture::new().events(events).build()).left_for_requests(0.7, 1.0);
        close(left(150.0).value, 0.005);
        assert!(left(152.0).value < 0.0);
        assert!(left(120.0).low < 0.0 && left(120.0).value > 0.0);
    }
}
