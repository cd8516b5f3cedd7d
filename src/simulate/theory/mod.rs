//! Synthetic workloads at textbook stations, for which queueing theory has formulae, on the same engine and stations as the model of a
//! worker.
//!
//! A run is long and stationary:
//! 1. Customers arrive; the first tenth is the pilot, from which MSER-5 removes the warm-up.
//! 2. Response times go into batch means and batch histograms.
//! 3. At each checkpoint the intervals are compared with the wanted precision. The run continues, twice as long, until the intervals have
//!    converged or the cap is reached; the result says which.

mod arrivals;
mod exact;
mod law;
mod model;
mod observer;
mod requests;
mod spec;

pub use arrivals::{ArrivalLaw, Arrivals, BatchSize};
pub use exact::{Exact, waits_in_services};
pub use law::{ServiceLaw, balanced_share};
pub use spec::{Balance, Discipline, Synthetic, SyntheticError};

use crate::engine::Progress;
use crate::engine::queue::EventQueue;
use crate::engine::time::{Span, Time};
use model::{CommonQueue, Customers, QueuePerServer, SharedServers, Station};
use observer::Observer;
use wsim_stats::BatchEstimate;

/// How long a run lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunLength {
    /// Customers before the first checkpoint.
    pub customers_first: u64,
    /// Most customers, whatever the intervals.
    pub customers_max: u64,
    /// Wanted half-width of the mean's interval, as a share of the mean.
    pub mean_within: f64,
    /// Wanted half-width of the 95th percentile's interval, as a share of the percentile.
    pub p95_within: f64,
    /// Confidence of the intervals.
    pub confidence: f64,
}

impl Default for RunLength {
    /// 5 % of the mean and 10 % of the 95th percentile, at most 20 million customers.
    fn default() -> Self {
        Self { customers_first: 100_000, customers_max: 20_000_000, mean_within: 0.05, p95_within: 0.10, confidence: 0.95 }
    }
}

impl RunLength {
    /// Exactly this number of customers.
    pub fn with_fixed_count(customers: u64) -> Self {
        Self { customers_first: customers, customers_max: customers, ..Self::default() }
    }
}

/// The result of a stationary run; times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyntheticResult {
    /// Mean response time.
    pub mean: BatchEstimate,
    /// Median response time.
    pub p50: BatchEstimate,
    /// 95th percentile.
    pub p95: BatchEstimate,
    /// 99th percentile.
    pub p99: BatchEstimate,
    /// Busy share of a server.
    pub utilisation: f64,
    /// Customers, warm-up included.
    pub customers: u64,
    /// Customers removed as warm-up.
    pub warm_up: u64,
    /// Whether MSER-5 found the run stationary after the warm-up, and the batches are long enough.
    pub settled: bool,
    /// Whether the cap rather than convergence ended the run.
    pub capped: bool,
    /// Events of the event loop.
    pub events: u64,
    /// Simulated time, s.
    pub seconds: f64,
}

/// Runs a synthetic workload. The same seed gives the same result to the bit. `None` if the cap allows too few
/// customers for intervals (fewer than about 1,500).
pub fn simulate(synthetic: &Synthetic, seed: u64, length: RunLength) -> Option<SyntheticResult> {
    let pilot = usize::try_from((length.customers_first / 10).min(PILOT_MAX)).unwrap_or(0);
    let typical = Span::from_seconds(synthetic.service.mean()).saturating_mul(4);
    let (customers, observer) = (Customers::new(*synthetic, seed), Observer::new(pilot, typical));
    match (synthetic.discipline, synthetic.balance) {
        (Discipline::ProcessorSharing, _) => drive(SharedServers::new(customers, observer, seed), synthetic, length),
        (Discipline::Fcfs, Balance::Central) => drive(CommonQueue::new(customers, observer), synthetic, length),
        (Discipline::Fcfs, _) => drive(QueuePerServer::new(customers, observer, seed), synthetic, length),
    }
}

fn drive<S: Station>(mut station: S, synthetic: &Synthetic, length: RunLength) -> Option<SyntheticResult> {
    let mut queue = EventQueue::default();
    let mut progress = Progress::default();
    let mut allowed = length.customers_first.min(length.customers_max);
    station.customers().allow(allowed);
    loop {
        progress.run_arrivals(&mut station, &mut queue);
        let is_last = allowed >= length.customers_max;
        if is_last || has_converged(station.observer(), length) {
            // The customers still present leave, so that every customer counts.
            progress.run(&mut station, &mut queue, Time::NEVER);
            return summary(&station, synthetic, length, allowed, progress);
        }
        let more = allowed.min(length.customers_max - allowed);
        station.customers().allow(more);
        allowed += more;
    }
}

fn has_converged(observer: &Observer, length: RunLength) -> bool {
    let (mean, p95) = (observer.mean(length.confidence), observer.quantiles([0.95], length.confidence));
    mean.zip(p95).is_some_and(|(mean, [p95])| are_precise(mean, p95, length))
}

fn are_precise(mean: BatchEstimate, p95: BatchEstimate, length: RunLength) -> bool {
    let within = |estimate: BatchEstimate, share: f64| {
        estimate.settled() && estimate.interval.high - estimate.interval.value <= share * estimate.interval.value
    };
    within(mean, length.mean_within) && within(p95, length.p95_within)
}

fn summary<S: Station>(
    station: &S,
    synthetic: &Synthetic,
    length: RunLength,
    customers: u64,
    progress: Progress,
) -> Option<SyntheticResult> {
    let observer = station.observer();
    debug_assert_eq!(observer.count(), customers, "a customer was lost");
    let (warm_up, settled) = observer.warm_up();
    let mean = observer.mean(length.confidence)?;
    let [p50, p95, p99] = observer.quantiles([0.5, 0.95, 0.99], length.confidence)?;
    let seconds = progress.now.seconds();
    Some(SyntheticResult {
        mean,
        p50,
        p95,
        p99,
        utilisation: station.busy_seconds() / seconds / f64::from(synthetic.servers.max(1)),
        customers,
        warm_up,
        settled: settled && mean.settled(),
        capped: !are_precise(mean, p95, length),
        events: progress.events,
        seconds,
    })
}

/// Most responses that the pilot keeps.
const PILOT_MAX: u64 = 50_000;
