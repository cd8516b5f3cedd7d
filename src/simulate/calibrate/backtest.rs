//! The test of the model against the log: the observed deployment is simulated on a part of the log that was not used for calibration.
//!
//! From the evaluated part itself come the arrivals and each request's own CPU, transactions and long-poll wait (a
//! trace-driven simulation). Everything that turns those into utilisation and response times comes from the other part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::observed::ObservedDeployment;
use super::prepare::{PrepareConfig, PreparedWorkload};
use super::start_up::start_up;
use crate::engine::time::Span;
use crate::parallel::in_parallel;
use crate::replications::{Candidate, ReplicationConfig, Scenario, Variation};
use crate::synapse::result::RunResult;
use crate::synapse::topology::TopologyError;
use wsim_endpoints::Endpoint;
use wsim_profile::{Profile, Window};
use wsim_stats::{DurationHistogram, Interval, student_t};
use wsim_trace::{Request, Trace, flag};

/// How a back-test is done.
#[derive(Debug, Clone, PartialEq)]
pub struct BacktestConfig {
    /// Time at the start of the log (start-up, cold caches) that is used neither for calibration nor for evaluation; `None`: found by the log.
    pub skip: Option<Span>,
    /// Time simulated before each evaluated span, so that queues are as full as they were.
    pub warm_up: Span,
    pub replications: u32,
    pub seed: u64,
}

impl Default for BacktestConfig {
    fn default() -> Self {
        Self { skip: None, warm_up: Span::from_millis(5_000), replications: 10, seed: 1 }
    }
}

/// Predicted beside observed figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backtest {
    /// The evaluated spans, each predicted after calibration on the rest.
    pub evaluated: Vec<Window>,
    /// Requests per second over all processes.
    pub throughput: ComparedFigure,
    /// Utilisation of every process that served requests or has a CPU counter.
    pub processes: Vec<ComparedFigure>,
    /// Work latency (p50, p95) and waits for database connections of every endpoint group.
    pub groups: Vec<ComparedFigure>,
    /// Whether all figures that count are within their limits.
    pub passed: bool,
    /// How the test was done, and what the comparison cannot show.
    pub notes: Vec<String>,
}

/// One figure, predicted and observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedFigure {
    pub name: String,
    pub figure: Figure,
    /// Number of observed requests behind the figure.
    pub requests: u64,
    /// Observed value, in the figure's unit.
    pub observed: f64,
    /// Mean over replications with its 95 % interval.
    pub predicted: Interval,
    /// Predicted over observed, less 1; 0 if the difference is below the log's resolution.
    pub error: f64,
    /// Largest accepted error.
    pub limit: f64,
    /// Whether the figure counts: there are enough requests, and the observation is independent of the model.
    pub counts: bool,
}

/// The kind of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Requests per second.
    Throughput,
    /// Busy share of the CPU that the process may use, 0 to 1.
    Utilisation,
    /// Median work latency, ms.
    WorkP50,
    /// 95th percentile of work latency, ms.
    WorkP95,
    /// 95th percentile of the wait for database connections (`db sched`), ms.
    WaitP95,
}

impl ComparedFigure {
    /// Whether the error is accepted.
    pub fn within(&self) -> bool {
        self.error.abs() <= self.limit
    }
}

/// Why a back-test is impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BacktestError {
    #[error("no request of the log has a duration and a process: give Synapse's logs to test the model on them")]
    NothingObserved,
    #[error("the log is too short for a back-test: {0} s are left, at least 20 are needed")]
    TooShort(u64),
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

/// Simulates the observed deployment on held-out parts of the log and compares.
///
/// Two spans of equal length are each predicted after calibration on the other. Limits: 10 % for utilisation and
/// throughput, 30 % for response times (Lazowska et al., Quantitative System Performance, 1984).
///
/// # Errors
/// The log has no durations or is too short, or there are more processes than can be simulated.
pub fn backtest(
    trace: &Trace,
    endpoints: &[Endpoint],
    profile: &Profile,
    prepare: &PrepareConfig,
    config: &BacktestConfig,
) -> Result<Backtest, BacktestError> {
    if prepare.stop.is_set() {
        return Err(BacktestError::Interrupted);
    }
    let whole = profile.window;
    let skip = config.skip.unwrap_or_else(|| start_up(trace, whole));
    let start_us = whole.start_us.saturating_add(i64::try_from(skip.nanos() / 1000).unwrap_or(i64::MAX));
    // Both halves have as much of the log, wherever its gaps are.
    let covered = wsim_profile::observed_time(trace.requests()).within(start_us, whole.end_us);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a log")]
    let seconds = covered.seconds() as u64;
    if seconds < SECONDS_MIN {
        return Err(BacktestError::TooShort(seconds));
    }
    let middle = covered.middle_us();
    let half = |start_us: i64, end_us: i64| {
        let (start_us, end_us) = covered.within(start_us, end_us).ends().unwrap_or((start_us, end_us));
        Window { start_us, end_us }
    };
    let halves = [half(start_us, middle), half(middle, whole.end_us)];
    let mut tally = Tally { from_synapse: trace.any_has(flag::COST), ..Tally::default() };
    let mut notes = Vec::new();
    let prepare_half = |number: usize| {
        let (evaluated, calibration) = (halves[number], halves[1 - number]);
        // The warm-up is before the evaluated span, so that requests under way at the span's start are under way in the simulation too.
        let before = i64::try_from(config.warm_up.nanos() / 1000).unwrap_or(i64::MAX);
        let simulated = Window { start_us: evaluated.start_us.saturating_sub(before), ..evaluated };
        let prepare = PrepareConfig { calibration: Some(calibration), threads: prepare.threads.div_ceil(2), ..prepare.clone() };
        PreparedWorkload::new(trace, endpoints, profile, simulated, &prepare)
    };
    for prepared in in_parallel(&[0, 1], prepare.threads.min(2), prepare_half) {
        if prepare.stop.is_set() {
            return Err(BacktestError::Interrupted);
        }
        tally.add(trace, endpoints, &prepared, prepare, config)?;
        if prepare.stop.is_set() {
            return Err(BacktestError::Interrupted);
        }
        notes.clone_from(&prepared.notes);
    }
    let start = if skip > Span::ZERO { format!("; the first {:.0} s are start-up and left out", skip.seconds()) } else { String::new() };
    notes.insert(0, format!("two spans of {} s, each predicted after calibration on the other{start}", seconds / 2));
    tally.compare(halves.to_vec(), notes)
}

/// Observations and predictions of the evaluated spans.
#[derive(Default)]
struct Tally {
    /// Wall times are from Synapse's log, where they start when the request first runs.
    from_synapse: bool,
    seconds: f64,
    requests: u64,
    predicted_requests: Vec<f64>,
    processes: BTreeMap<String, Busy>,
    groups: BTreeMap<String, Times>,
}

/// CPU time of a process in units of its limit, s.
#[derive(Default)]
struct Busy {
    requests: u64,
    observed: f64,
    measured: bool,
    predicted: Vec<f64>,
}

/// Times of a group.
#[derive(Default)]
struct Times {
    work: DurationHistogram,
    waits: DurationHistogram,
    predicted: Vec<(DurationHistogram, DurationHistogram)>,
}

impl Tally {
    fn add(
        &mut self,
        trace: &Trace,
        endpoints: &[Endpoint],
        prepared: &PreparedWorkload,
        prepare: &PrepareConfig,
        config: &BacktestConfig,
    ) -> Result<(), BacktestError> {
        let observed = prepared.observed_deployment(trace, endpoints)?;
        let replications = ReplicationConfig {
            as_logged: self.from_synapse,
            variation: Variation::Redrawn,
            warm_up: config.warm_up,
            threads: prepare.threads,
            ..ReplicationConfig::default()
        };
        let (replications, stop) = (replications.with_fixed_count(config.replications), &prepare.stop);
        let scenario =
            Scenario { workload: &observed.workload, growth: 1.0, costs: &prepared.costs, seed: config.seed, config: replications, stop };
        let candidate = Candidate { topology: &observed.topology, routers: &observed.routers };
        let mut runs: [Vec<RunResult>; 1] = [Vec::new()];
        scenario.replicate(&[candidate], &mut runs, config.warm_up, |_, run| run, |_| true)?;
        let [runs] = runs;
        self.observe(trace, endpoints, prepared, &observed, prepare, config);
        self.predict(&runs, prepared, &observed);
        Ok(())
    }

    fn observe(
        &mut self,
        trace: &Trace,
        endpoints: &[Endpoint],
        prepared: &PreparedWorkload,
        observed: &ObservedDeployment,
        prepare: &PrepareConfig,
        config: &BacktestConfig,
    ) {
        let workload = &observed.workload;
        let warm_up_us = i64::try_from(config.warm_up.nanos() / 1000).unwrap_or(i64::MAX);
        let from_us = workload.origin_us.saturating_add(warm_up_us);
        let until_us = prepared.time.ends().map_or(from_us, |(_, end)| end);
        let measured = prepared.time.within(from_us, until_us);
        // On the clock of the simulation, which has a pause for each gap.
        self.seconds += (prepared.time.length_us() as f64 / 1e6 - config.warm_up.seconds()).max(0.0);
        let mut logged = vec![(0_u64, 0.0); observed.topology.processes.len()];
        for (request, record) in prepared.requests(trace, endpoints).zip(&workload.records) {
            let start = request.arrival_us.saturating_add(request.long_poll_wait_us().into());
            if !(from_us..until_us).contains(&start) {
                continue;
            }
            let process = &mut logged[usize::from(record.endpoint)];
            *process = (process.0 + 1, process.1 + f64::from(request.cpu_us) / 1e6);
            self.requests += 1;
            if request.has(flag::INTERNAL) {
                continue;
            }
            let group = &prepared.groups[usize::from(workload.classes[usize::from(record.class)].group)];
            self.groups.entry(group.clone()).or_default().observe(&request);
        }
        for (spec, (requests, cpu)) in observed.topology.processes.iter().zip(logged) {
            let counter = prepare.process_cpu.as_ref().and_then(|cpu| cpu.find(&spec.name));
            let busy = self.processes.entry(spec.name.clone()).or_default();
            busy.requests += requests;
            busy.measured = counter.is_some();
            busy.observed += counter.map_or(cpu, |counter| counter.seconds_within(&measured)) / spec.cpu.capacity();
        }
    }

    fn predict(&mut self, runs: &[RunResult], prepared: &PreparedWorkload, observed: &ObservedDeployment) {
        let from_synapse = self.from_synapse;
        let at = |list: &mut Vec<f64>, run: usize, value: f64| {
            list.resize(runs.len(), 0.0);
            list[run] += value;
        };
        for (number, run) in runs.iter().enumerate() {
            let started: u64 = run.processes.iter().map(|process| process.requests).sum();
            at(&mut self.predicted_requests, number, started as f64);
            for (spec, process) in observed.topology.processes.iter().zip(&run.processes) {
                let busy = self.processes.entry(spec.name.clone()).or_default();
                at(&mut busy.predicted, number, process.utilisation * run.seconds);
            }
            for (group, result) in prepared.groups.iter().zip(&run.groups) {
                let Some(times) = self.groups.get_mut(group) else { continue };
                times.predicted.resize(runs.len(), (DurationHistogram::default(), DurationHistogram::default()));
                times.predicted[number].0.merge(if from_synapse { &result.logged } else { &result.work });
                times.predicted[number].1.merge(&result.waits);
            }
        }
    }

    fn compare(self, evaluated: Vec<Window>, notes: Vec<String>) -> Result<Backtest, BacktestError> {
        if self.requests == 0 || self.groups.values().all(|times| times.work.count() == 0) {
            return Err(BacktestError::NothingObserved);
        }
        let rate = |count: f64| count / self.seconds;
        let throughput = compared(
            ("all", Figure::Throughput, self.requests),
            rate(self.requests as f64),
            &self.predicted_requests.iter().map(|count| rate(*count)).collect::<Vec<_>>(),
        );
        let processes: Vec<ComparedFigure> = self
            .processes
            .iter()
            .map(|(name, busy)| {
                let predicted: Vec<f64> = busy.predicted.iter().map(|seconds| seconds / self.seconds).collect();
                let one = compared((name, Figure::Utilisation, busy.requests), busy.observed / self.seconds, &predicted);
                ComparedFigure { counts: busy.measured, ..one }
            })
            .collect();
        let groups: Vec<ComparedFigure> = self.groups.iter().flat_map(|(name, times)| times.compare(name)).collect();
        let all = || processes.iter().chain(&groups).chain([&throughput]);
        let passed = all().filter(|one| one.counts).all(ComparedFigure::within);
        Ok(Backtest { evaluated, throughput, processes, groups, passed, notes })
    }
}

impl Times {
    fn observe(&mut self, request: &Request) {
        if request.has(flag::WALL) {
            self.work.record(request.work_us());
        }
        if request.has(flag::COST) && request.db_count > 0 {
            self.waits.record(request.db_sched_us);
        }
    }

    fn compare(&self, name: &str) -> Vec<ComparedFigure> {
        let figures = [(Figure::WorkP50, 0.5), (Figure::WorkP95, 0.95), (Figure::WaitP95, 0.95)];
        let one = |(figure, quantile): (Figure, f64)| {
            let is_wait = figure == Figure::WaitP95;
            let observed = if is_wait { &self.waits } else { &self.work };
            let predicted: Vec<f64> =
                self.predicted.iter().map(|(work, waits)| if is_wait { waits } else { work }.quantile_ms(quantile)).collect();
            let one = compared((name, figure, observed.count()), observed.quantile_ms(quantile), &predicted);
            ComparedFigure { counts: one.counts && !is_wait, ..one }
        };
        figures.into_iter().map(one).filter(|one| one.requests > 0).collect()
    }
}

fn compared((name, figure, requests): (&str, Figure, u64), observed: f64, predicted: &[f64]) -> ComparedFigure {
    let predicted = student_t::mean_interval(predicted, 0.95);
    let resolution = match figure {
        Figure::Throughput | Figure::Utilisation => 0.0,
        Figure::WorkP50 | Figure::WorkP95 | Figure::WaitP95 => RESOLUTION_MS,
    };
    let difference = predicted.value - observed;
    let error = if difference.abs() <= resolution || observed <= 0.0 { 0.0 } else { difference / observed };
    let limit = if matches!(figure, Figure::Throughput | Figure::Utilisation) { LIMIT_UTILISATION } else { LIMIT_TIMES };
    ComparedFigure { name: name.to_owned(), figure, requests, observed, predicted, error, limit, counts: requests >= REQUESTS_MIN }
}

const SECONDS_MIN: u64 = 20;
const REQUESTS_MIN: u64 = 50;
const LIMIT_UTILISATION: f64 = 0.10;
const LIMIT_TIMES: f64 = 0.30;
/// Resolution of Synapse's log.
const RESOLUTION_MS: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{endpoints, profile, trace};
    use super::*;

    #[test]
    fn a_calm_half_is_predicted_from_the_other_half() {
        let trace = trace(true);
        let result = backtest(&trace, &endpoints(), &profile(&trace, None), &PrepareConfig::default(), &BacktestConfig::default()).unwrap();
        assert!(result.passed, "{:?}", result.groups);
        assert_eq!(result.evaluated.len(), 2);
        assert!(result.processes.iter().all(|process| !process.counts), "without counters there is nothing to hold utilisation to");
        assert_eq!(result.throughput.requests, 1000);
    }

    #[test]
    fn too_short_a_log_is_refused() {
        let trace = trace(true);
        let config = BacktestConfig { skip: Some(Span::from_millis(90_000)), ..BacktestConfig::default() };
        let error = backtest(&trace, &endpoints(), &profile(&trace, None), &PrepareConfig::default(), &config).unwrap_err();
        assert_eq!(error, BacktestError::TooShort(9));
    }

    #[test]
    fn errors_below_the_resolution_of_the_log_are_none() {
        assert_eq!(compared(("g", Figure::WorkP50, 60), 1.0, &[1.9, 1.9]).error, 0.0);
        let wrong = compared(("g", Figure::WorkP50, 60), 10.0, &[14.0, 14.0]);
        assert!((wrong.error - 0.4).abs() < 1e-9 && wrong.counts && !wrong.within());
    }
}
