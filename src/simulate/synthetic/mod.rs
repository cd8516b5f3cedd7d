//! Synthetic workloads on textbook stations: what queueing theory has formulae for, with the same engine and stations as the
//! model of a worker.
//!
//! A run is long and stationary:
//! 1. Customers come; the first tenth is the pilot, from which MSER-5 takes the warm-up away.
//! 2. Responses go into batch means and batch histograms.
//! 3. At each checkpoint the intervals are compared with what is wanted; the run goes on, twice as long, until they are
//!    narrow enough or the cap is reached, and the result says which.

mod arrivals;
mod exact;
mod law;
mod model;
mod observer;
mod requests;
mod spec;

pub use arrivals::{ArrivalLaw, Arrivals, BatchSize};
pub use exact::Exact;
pub use law::{ServiceLaw, balanced_share};
pub use spec::{Balance, Discipline, Synthetic, SyntheticError};

use super::engine::Progress;
use super::queue::EventQueue;
use super::time::{Span, Time};
use model::{Central, Separate, Shared, Source, Station};
use observer::Observer;
use wsim_stats::BatchEstimate;

/// How long to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunLength {
    /// Customers before the first look.
    pub customers_first: u64,
    /// Customers after which the run ends whatever the intervals.
    pub customers_max: u64,
    /// Wanted half-width of the mean, as a share of it.
    pub mean_within: f64,
    /// Wanted half-width of the 95th percentile, as a share of it.
    pub p95_within: f64,
    /// Of the intervals.
    pub confidence: f64,
}

impl Default for RunLength {
    /// 5 % of the mean and 10 % of the 95th percentile, at most 20 million customers.
    fn default() -> Self {
        Self { customers_first: 100_000, customers_max: 20_000_000, mean_within: 0.05, p95_within: 0.10, confidence: 0.95 }
    }
}

impl RunLength {
    /// Exactly so many customers.
    pub fn exactly(customers: u64) -> Self {
        Self { customers_first: customers, customers_max: customers, ..Self::default() }
    }
}

/// What a stationary run says; times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyntheticResult {
    /// Mean response.
    pub mean: BatchEstimate,
    /// Quantiles of the response.
    pub p50: BatchEstimate,
    /// 95th percentile.
    pub p95: BatchEstimate,
    /// 99th percentile.
    pub p99: BatchEstimate,
    /// Busy share of a server.
    pub utilisation: f64,
    /// Customers, warm-up included.
    pub customers: u64,
    /// Customers deleted as warm-up.
    pub warm_up: u64,
    /// Whether MSER-5 found the run settled after that, and the batches long enough.
    pub settled: bool,
    /// Whether the cap and not the intervals ended the run.
    pub capped: bool,
    /// Events of the queue.
    pub events: u64,
    /// Simulated time, seconds.
    pub seconds: f64,
}

/// Runs a synthetic workload. The same seed gives the same result to the bit; `None` if the cap allows too few customers
/// (under about 1,500) for intervals.
pub fn simulate(synthetic: &Synthetic, seed: u64, length: RunLength) -> Option<SyntheticResult> {
    let pilot = usize::try_from((length.customers_first / 10).min(PILOT_MAX)).unwrap_or(0);
    let typical = Span::from_seconds(synthetic.service.mean()).times(4);
    let (source, observer) = (Source::new(*synthetic, seed), Observer::new(pilot, typical));
    match (synthetic.discipline, synthetic.balance) {
        (Discipline::ProcessorSharing, _) => drive(Shared::new(source, observer, seed), synthetic, length),
        (Discipline::Fcfs, Balance::Central) => drive(Central::new(source, observer), synthetic, length),
        (Discipline::Fcfs, _) => drive(Separate::new(source, observer, seed), synthetic, length),
    }
}

fn drive<S: Station>(mut station: S, synthetic: &Synthetic, length: RunLength) -> Option<SyntheticResult> {
    let mut queue = EventQueue::default();
    let mut progress = Progress::default();
    let mut customers = length.customers_first.min(length.customers_max);
    station.source().allow(customers);
    loop {
        progress.run_arrivals(&mut station, &mut queue);
        let last = customers >= length.customers_max;
        if last || narrow_enough(station.observer(), length) {
            // Those still there leave, so that every customer counts.
            progress.run(&mut station, &mut queue, Time::NEVER);
            return summary(&station, synthetic, length, customers, progress);
        }
        let more = customers.min(length.customers_max - customers);
        station.source().allow(more);
        customers += more;
    }
}

fn narrow_enough(observer: &Observer, length: RunLength) -> bool {
    let (mean, p95) = (observer.mean(length.confidence), observer.quantiles([0.95], length.confidence));
    mean.zip(p95).is_some_and(|(mean, [p95])| both_within(mean, p95, length))
}

fn both_within(mean: BatchEstimate, p95: BatchEstimate, length: RunLength) -> bool {
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
        capped: !both_within(mean, p95, length),
        events: progress.events,
        seconds,
    })
}

/// Responses the pilot keeps at most.
const PILOT_MAX: u64 = 50_000;
