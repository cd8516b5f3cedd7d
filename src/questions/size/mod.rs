//! `wsim size`: what a server would need that has no log yet.
//!
//! ```text
//! Habits ─▶ draws ─▶ synthesis (a trace each) ─▶ profile ─▶ screen      load, CPU and workers of every draw ─▶ ranges
//!                                              └▶ some draws ─▶ sweep   response times ─▶ plans
//! ```
//!
//! Invariant: the same seed gives the same size, whatever the number of threads.

mod chance;
mod like;
mod maker;
mod plans;
mod polls;
mod server;
mod synthesis;

use serde::Serialize;

use crate::habits::{DrawnHabits, Habits};
use crate::memory;
use wsim_advise::sweep::SweepError;
use wsim_advise::{MachineLimits, Meets, Objective, ScreenConfig, screen};
use wsim_endpoints::Classifier;
use wsim_plan::PresetConfig;
use wsim_profile::{Profile, ProfileInputs, ProfilerConfig, profile_trace};
use wsim_simulate::StopFlag;
use wsim_simulate::parallel::in_parallel;
use wsim_stats::Interval;
use wsim_trace::Trace;

pub use like::{Like, LikeLoad, like};
pub use plans::SimulatedDraw;
pub use server::{Federation, Server};
pub use synthesis::{Length, Synthesis, synthesise};

/// What a size is asked with.
#[derive(Debug, Clone)]
pub struct SizeConfig {
    pub objective: Objective,
    pub machine: MachineLimits,
    pub plans: PresetConfig,
    /// Draws of the habits.
    pub draws: u32,
    /// How many of them are simulated.
    pub simulated: u32,
    pub seed: u64,
    pub threads: usize,
    pub stop: StopFlag,
}

/// What a server would need.
#[derive(Debug, Clone, Serialize)]
pub struct Size {
    pub draws: u32,
    /// Middle, and what nine of ten draws lie between.
    pub online_users: Interval,
    pub devices: Interval,
    pub requests_per_second: Interval,
    pub syncs_per_second: Interval,
    pub events_per_second: Interval,
    /// CPU that the lines of Synapse's log would show, cores.
    pub request_cores: Interval,
    /// CPU of all processes of Synapse, cores; the range of CPU that no log line shows included.
    pub cores: Interval,
    /// Resident memory of the processes of Synapse, bytes.
    pub memory_bytes: Interval,
    /// Draws by the fewest workers with which a standard plan meets the objective by the estimate: workers, draws. `None`: more than eight.
    pub workers: Vec<(Option<u32>, u32)>,
    /// Draws that were simulated, least CPU first.
    pub simulated: Vec<SimulatedDraw>,
    /// What makes the draws differ: the habit, and the rank correlation of its value with the CPU.
    pub decides: Vec<Influence>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Influence {
    pub habit: String,
    /// Spearman's rank correlation with the CPU of all processes.
    pub correlation: f64,
}

/// Why there is no size.
#[derive(Debug, thiserror::Error)]
pub enum SizeError {
    #[error("interrupted before the first draw was complete")]
    Interrupted,
    #[error(transparent)]
    Sweep(#[from] SweepError),
}

/// One draw, and what the screen says of it.
struct Estimate {
    drawn: DrawnHabits,
    number: u32,
    online: f64,
    devices: f64,
    requests: f64,
    syncs: f64,
    events: f64,
    request_cores: f64,
    cores: Interval,
    workers: Option<u32>,
}

/// Sizes a server.
///
/// # Errors
/// It was interrupted, or no plan can be simulated.
pub fn size(
    server: &Server,
    habits: &Habits,
    classifier: &Classifier,
    config: &SizeConfig,
    on_progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<Size, SizeError> {
    let numbers: Vec<u32> = (0..config.draws.max(1)).collect();
    on_progress("draws", 0, numbers.len());
    let estimates = in_parallel(&numbers, config.threads, |number| {
        (!config.stop.is_set()).then(|| estimate(server, habits, classifier, config, number))
    });
    let mut estimates: Vec<Estimate> = estimates.into_iter().flatten().collect();
    if estimates.is_empty() {
        return Err(SizeError::Interrupted);
    }
    estimates.sort_by(|a, b| a.cores.value.total_cmp(&b.cores.value));
    let mut size = summary(&estimates);
    for share in plans::shares(config.simulated) {
        let done = size.simulated.len();
        on_progress("plans", done, config.simulated as usize);
        let estimate = &estimates[plans::index_at(share, estimates.len())];
        let (synthesis, profile) =
            profiled(server, habits, &estimate.drawn, classifier, LENGTH_SIMULATED, seed_of(config, estimate.number));
        if let Some(draw) = plans::simulate(&synthesis, &profile, classifier, share, config)? {
            size.simulated.push(draw);
        }
    }
    Ok(size)
}

fn estimate(server: &Server, habits: &Habits, classifier: &Classifier, config: &SizeConfig, number: u32) -> Estimate {
    let drawn = habits.draw(config.seed, number, config.draws);
    let (synthesis, profile) = profiled(server, habits, &drawn, classifier, LENGTH, seed_of(config, number));
    let screen_config = ScreenConfig {
        objective: config.objective.without_latencies(),
        machine: config.machine,
        plans: config.plans.clone(),
        ..ScreenConfig::default()
    };
    let advice = screen(&profile, &screen_config);
    let enough = advice.candidates.iter().filter(|plan| plan.meets != Meets::No).min_by_key(|plan| plan.workers);
    let largest = advice.candidates.iter().max_by_key(|plan| plan.workers);
    let per_second = |count: u64| count as f64 / synthesis.seconds;
    let syncs = profile.groups.iter().filter(|group| group.id == "sync").map(|group| group.requests).sum();
    Estimate {
        number,
        online: f64::from(synthesis.online),
        devices: f64::from(synthesis.devices),
        requests: per_second(profile.requests),
        syncs: per_second(syncs),
        events: per_second(synthesis.events),
        request_cores: profile.groups.iter().filter_map(|group| group.cpu_seconds).sum::<f64>() / synthesis.seconds,
        cores: enough.or(largest).map_or(Interval::exact(0.0), |plan| plan.total_cores),
        workers: enough.map(|plan| plan.workers),
        drawn,
    }
}

fn summary(estimates: &[Estimate]) -> Size {
    let range = |of: fn(&Estimate) -> f64| quantiles(estimates.iter().map(of).collect());
    let of_costs = |bound: fn(Interval) -> f64| {
        let ratios = estimates.iter().map(|one| if one.cores.value > 0.0 { bound(one.cores) / one.cores.value } else { 1.0 });
        quantiles(ratios.collect()).value
    };
    let costs = Interval::new(1.0, of_costs(|cores| cores.low), of_costs(|cores| cores.high));
    let mut workers: Vec<(Option<u32>, u32)> = Vec::new();
    let mut needed: Vec<u32> = estimates.iter().map(|one| one.workers.unwrap_or(u32::MAX)).collect();
    needed.sort_unstable();
    for group in needed.chunk_by(|a, b| a == b) {
        workers.push((Some(group[0]).filter(|count| *count != u32::MAX), u32::try_from(group.len()).unwrap_or(u32::MAX)));
    }
    let processes = quantiles(needed.iter().map(|count| f64::from((*count).min(WORKERS_SCREENED)) + 1.0).collect());
    Size {
        draws: u32::try_from(estimates.len()).unwrap_or(u32::MAX),
        online_users: range(|one| one.online),
        devices: range(|one| one.devices),
        requests_per_second: range(|one| one.requests),
        syncs_per_second: range(|one| one.syncs),
        events_per_second: range(|one| one.events),
        request_cores: range(|one| one.request_cores),
        cores: range(|one| one.cores.value).widened_by(costs),
        memory_bytes: memory::of_processes(processes),
        workers,
        simulated: Vec::new(),
        decides: influences(estimates),
    }
}

/// The habits whose values go with the CPU of a draw, strongest first.
fn influences(estimates: &[Estimate]) -> Vec<Influence> {
    let cores = ranks(estimates.iter().map(|one| one.cores.value));
    let names: Vec<String> = estimates[0].drawn.all().map(|(name, _)| name).collect();
    let mut found: Vec<Influence> = names
        .iter()
        .enumerate()
        .filter_map(|(index, name)| {
            let values: Vec<f64> = estimates.iter().filter_map(|one| one.drawn.all().nth(index)).map(|(_, value)| value).collect();
            let varies = values.iter().any(|value| (value - values[0]).abs() > 1e-9 * values[0]);
            varies.then(|| Influence { habit: name.clone(), correlation: correlation(&ranks(values.into_iter()), &cores) })
        })
        .collect();
    found.sort_by(|a, b| b.correlation.abs().total_cmp(&a.correlation.abs()));
    // The correlation of forty draws with nothing is below this in nineteen cases of twenty.
    let noise = 2.0 / (estimates.len().max(2) as f64 - 1.0).sqrt();
    found.retain(|influence| influence.correlation.abs() > noise);
    found.truncate(INFLUENCES);
    found
}

fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    order.iter().enumerate().for_each(|(rank, index)| ranks[*index] = rank as f64);
    ranks
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| of(a - mean_a, b - mean_b)).sum::<f64>();
    let deviations = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    if deviations > 0.0 { sum(&|a, b| a * b) / deviations } else { 0.0 }
}

/// The median, and the 5th and 95th percentiles.
pub(crate) fn quantiles(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (values.len().max(1) - 1) as f64;
        let of = |index: f64| values.get(index_of(index)).copied().unwrap_or(0.0);
        let (low, high) = (of(place.floor()), of(place.ceil()));
        low + (high - low) * place.fract()
    };
    Interval::new(at(0.5), at(0.05), at(0.95))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index, not negative")]
fn index_of(place: f64) -> usize {
    place as usize
}

fn profiled(
    server: &Server,
    habits: &Habits,
    drawn: &DrawnHabits,
    classifier: &Classifier,
    length: Length,
    seed: u64,
) -> (Synthesis, Profile) {
    let synthesis = synthesise(server, habits, drawn, classifier, length, seed);
    let profile = profile_of(&synthesis.trace, classifier);
    (synthesis, profile)
}

/// The profile of a synthesised trace.
pub fn profile_of(trace: &Trace, classifier: &Classifier) -> Profile {
    let profiler = profile_trace(trace, &ProfilerConfig::new(classifier.endpoints()), 1);
    profiler.finish(&ProfileInputs { user_key: Some("made from habits".to_owned()), ..ProfileInputs::default() })
}

fn seed_of(config: &SizeConfig, number: u32) -> u64 {
    wsim_stats::random::mix(config.seed ^ u64::from(number) << 32)
}

/// Length of a draw that is only screened, and of one that is simulated.
const LENGTH: Length = Length { seconds_min: 60.0, requests: 15_000, seconds_max: 600.0 };
const LENGTH_SIMULATED: Length = Length { seconds_min: 60.0, requests: 30_000, seconds_max: 600.0 };
/// Most workers of the screen.
const WORKERS_SCREENED: u32 = 8;
const INFLUENCES: usize = 5;

#[cfg(test)]
mod tests;
