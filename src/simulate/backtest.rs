//! The model against what was logged: the observed deployment simulated on time it was not calibrated on.
//!
//! What comes from the evaluated time itself: who came when, and each request's own CPU, transactions and parks (a trace-driven
//! simulation). What comes from the other half: everything that turns those into utilisation and response times.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::observed::{Observed, ProcessFacts};
use super::prepare::{PrepareSettings, Prepared};
use super::result::RunResult;
use super::run::{Candidate, ReplicationPlan, Scenario};
use super::time::Span;
use super::topology::TopologyError;
use wsim_endpoints::Endpoint;
use wsim_profile::{Profile, Window};
use wsim_stats::{DurationHistogram, Interval, student_t};
use wsim_trace::{Request, Trace, flag};

/// How to back-test.
#[derive(Debug, Clone, PartialEq)]
pub struct BacktestSettings {
    /// Left out at the log's beginning (start-up, cold caches): neither calibrated on nor evaluated.
    pub skip: Span,
    /// Simulated before each evaluated span, so that the queues are as full as they were.
    pub warm_up: Span,
    /// Replications.
    pub replications: u32,
    /// Everything random hangs on it.
    pub seed: u64,
}

impl Default for BacktestSettings {
    fn default() -> Self {
        Self { skip: Span::ZERO, warm_up: Span::from_millis(5_000), replications: 10, seed: 1 }
    }
}

/// Predictions beside what was observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backtest {
    /// Spans that were predicted, each calibrated on the rest.
    pub evaluated: Vec<Window>,
    /// Requests per second over all processes.
    pub throughput: Compared,
    /// Utilisation of every process that served requests or has a CPU counter.
    pub processes: Vec<Compared>,
    /// Work latency (p50, p95) and waits for database connections of every endpoint group.
    pub groups: Vec<Compared>,
    /// Whether all that count are within their limits.
    pub passed: bool,
    /// What was done, and what the comparison cannot show.
    pub notes: Vec<String>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Process or endpoint group.
    pub name: String,
    /// What is compared.
    pub figure: Figure,
    /// Observed requests behind it.
    pub requests: u64,
    /// In the figure's unit.
    pub observed: f64,
    /// Mean over replications, with its 95 % interval.
    pub predicted: Interval,
    /// Predicted over observed less 1; 0 where both are below the log's resolution.
    pub error: f64,
    /// Largest error accepted.
    pub limit: f64,
    /// Whether it counts: enough requests, and measured apart from the model.
    pub counts: bool,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Requests per second.
    Throughput,
    /// Busy share of what the process may use, 0 to 1.
    Utilisation,
    /// Median work latency, ms.
    WorkP50,
    /// 95th percentile of work latency, ms.
    WorkP95,
    /// 95th percentile of the wait for database connections (`db sched`), ms.
    WaitP95,
}

impl Compared {
    /// Whether the error is accepted.
    pub fn within(&self) -> bool {
        self.error.abs() <= self.limit
    }
}

/// Why there is no back-test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BacktestError {
    /// Nothing to compare with.
    #[error("no request of the log has a duration and a process: give Synapse's logs to test the model on them")]
    NothingObserved,
    /// Too short.
    #[error("the log is too short for a back-test: {0} s are left, at least 20 are needed")]
    TooShort(u64),
    /// The processes cannot be simulated.
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

/// Simulates the observed deployment on held-out time and compares.
///
/// Two spans of equal length: each is predicted with what was calibrated on the other. Limits: 10 % on utilisation and throughput,
/// 30 % on response times (Lazowska et al., Quantitative System Performance, 1984).
///
/// # Errors
/// Nothing to compare with, too short a log, or more processes than can be simulated.
pub fn backtest(
    trace: &Trace,
    endpoints: &[Endpoint],
    profile: &Profile,
    settings: &PrepareSettings,
    how: &BacktestSettings,
) -> Result<Backtest, BacktestError> {
    let whole = profile.window;
    let start_us = whole.start_us.saturating_add(i64::try_from(how.skip.nanos() / 1000).unwrap_or(i64::MAX));
    let seconds = whole.end_us.saturating_sub(start_us) / 1_000_000;
    if seconds < SECONDS_MIN {
        return Err(BacktestError::TooShort(u64::try_from(seconds).unwrap_or(0)));
    }
    let middle = start_us + (whole.end_us - start_us) / 2;
    let halves = [Window { start_us, end_us: middle }, Window { start_us: middle, end_us: whole.end_us }];
    let mut tally = Tally { logged: trace.any_has(flag::COST), ..Tally::default() };
    let mut notes = Vec::new();
    for (evaluated, calibration) in [(halves[0], halves[1]), (halves[1], halves[0])] {
        let settings = PrepareSettings { calibration: Some(calibration), ..settings.clone() };
        // The warm-up lies before the evaluated span: what was under way when it began is under way in the simulation too.
        let before = i64::try_from(how.warm_up.nanos() / 1000).unwrap_or(i64::MAX);
        let simulated = Window { start_us: evaluated.start_us.saturating_sub(before), ..evaluated };
        let prepared = Prepared::new(trace, endpoints, profile, simulated, &settings);
        tally.add(trace, endpoints, &prepared, &settings, how)?;
        notes.clone_from(&prepared.notes);
    }
    notes.insert(0, format!("two spans of {} s, each predicted with what the other one taught", seconds / 2));
    tally.compare(halves.to_vec(), notes)
}

/// What was observed and predicted, over the evaluated spans.
#[derive(Default)]
struct Tally {
    /// Wall times are Synapse's own, which begin when the process looks at a request.
    logged: bool,
    seconds: f64,
    requests: u64,
    predicted_requests: Vec<f64>,
    processes: BTreeMap<String, Busy>,
    groups: BTreeMap<String, Times>,
}

/// A process' CPU time, cores × seconds over its limit.
#[derive(Default)]
struct Busy {
    requests: u64,
    observed: f64,
    measured: bool,
    predicted: Vec<f64>,
}

/// A group's times.
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
        prepared: &Prepared,
        settings: &PrepareSettings,
        how: &BacktestSettings,
    ) -> Result<(), BacktestError> {
        let facts: BTreeMap<String, ProcessFacts> =
            settings.limits.iter().map(|(name, cpu)| (name.clone(), prepared.facts_of(name, *cpu))).collect();
        let observed = Observed::of(trace, endpoints, prepared, &facts)?;
        let plan = ReplicationPlan {
            as_logged: self.logged,
            first: how.replications,
            most: how.replications,
            resample: false,
            warm_up: how.warm_up,
            ..ReplicationPlan::default()
        };
        let scenario = Scenario { workload: &observed.workload, growth: 1.0, costs: &prepared.costs, seed: how.seed, plan };
        let candidate = Candidate { topology: &observed.topology, routers: &observed.routers };
        let runs = (0..how.replications.max(1)).map(|number| scenario.once(candidate, number, how.warm_up));
        let runs = runs.collect::<Result<Vec<RunResult>, _>>()?;
        self.observe(trace, endpoints, prepared, &observed, settings, how);
        self.predict(&runs, prepared, &observed);
        Ok(())
    }

    fn observe(
        &mut self,
        trace: &Trace,
        endpoints: &[Endpoint],
        prepared: &Prepared,
        observed: &Observed,
        settings: &PrepareSettings,
        how: &BacktestSettings,
    ) {
        let workload = &observed.workload;
        let warm = i64::try_from(how.warm_up.nanos() / 1000).unwrap_or(i64::MAX);
        let from_us = workload.origin_us.saturating_add(warm);
        let until_us = workload.origin_us.saturating_add(i64::try_from(workload.span.nanos() / 1000).unwrap_or(i64::MAX));
        let seconds = until_us.saturating_sub(from_us) as f64 / 1e6;
        self.seconds += seconds;
        let mut logged = vec![(0_u64, 0.0); observed.topology.processes.len()];
        for (request, record) in prepared.requests(trace, endpoints).zip(&workload.records) {
            let begins = request.arrival_us.saturating_add(request.park_us().into());
            if !(from_us..until_us).contains(&begins) {
                continue;
            }
            let process = &mut logged[usize::from(record.endpoint)];
            *process = (process.0 + 1, process.1 + f64::from(request.cpu_us) / 1e6);
            self.requests += 1;
            let group = &prepared.groups[usize::from(workload.classes[usize::from(record.class)].group)];
            self.groups.entry(group.clone()).or_default().observe(&request);
        }
        for (spec, (requests, cpu)) in observed.topology.processes.iter().zip(logged) {
            let counter = settings.process_cpu.as_ref().and_then(|cpu| cpu.find(&spec.name));
            let busy = self.processes.entry(spec.name.clone()).or_default();
            busy.requests += requests;
            busy.measured = counter.is_some();
            busy.observed += counter.map_or(cpu, |counter| counter.seconds_between(from_us, until_us)) / spec.cpu.capacity();
        }
    }

    fn predict(&mut self, runs: &[RunResult], prepared: &Prepared, observed: &Observed) {
        let logged = self.logged;
        let at = |list: &mut Vec<f64>, run: usize, value: f64| {
            list.resize(runs.len(), 0.0);
            list[run] += value;
        };
        for (number, run) in runs.iter().enumerate() {
            let begun: u64 = run.processes.iter().map(|process| process.requests).sum();
            at(&mut self.predicted_requests, number, begun as f64);
            for (spec, process) in observed.topology.processes.iter().zip(&run.processes) {
                let busy = self.processes.entry(spec.name.clone()).or_default();
                at(&mut busy.predicted, number, process.utilisation * run.seconds);
            }
            for (group, result) in prepared.groups.iter().zip(&run.groups) {
                let Some(times) = self.groups.get_mut(group) else { continue };
                times.predicted.resize(runs.len(), (DurationHistogram::default(), DurationHistogram::default()));
                times.predicted[number].0.merge(if logged { &result.logged } else { &result.work });
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
        let processes: Vec<Compared> = self
            .processes
            .iter()
            .map(|(name, busy)| {
                let predicted: Vec<f64> = busy.predicted.iter().map(|seconds| seconds / self.seconds).collect();
                let one = compared((name, Figure::Utilisation, busy.requests), busy.observed / self.seconds, &predicted);
                Compared { counts: busy.measured, ..one }
            })
            .collect();
        let groups: Vec<Compared> = self.groups.iter().flat_map(|(name, times)| times.compare(name)).collect();
        let all = || processes.iter().chain(&groups).chain([&throughput]);
        let passed = all().filter(|one| one.counts).all(Compared::within);
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

    fn compare(&self, name: &str) -> Vec<Compared> {
        let figures = [(Figure::WorkP50, 0.5), (Figure::WorkP95, 0.95), (Figure::WaitP95, 0.95)];
        let one = |(figure, quantile): (Figure, f64)| {
            let is_wait = figure == Figure::WaitP95;
            let observed = if is_wait { &self.waits } else { &self.work };
            let predicted: Vec<f64> =
                self.predicted.iter().map(|(work, waits)| if is_wait { waits } else { work }.quantile_ms(quantile)).collect();
            let one = compared((name, figure, observed.count()), observed.quantile_ms(quantile), &predicted);
            Compared { counts: one.counts && !is_wait, ..one }
        };
        figures.into_iter().map(one).filter(|one| one.requests > 0).collect()
    }
}

fn compared((name, figure, requests): (&str, Figure, u64), observed: f64, predicted: &[f64]) -> Compared {
    let predicted = student_t::mean_interval(predicted, 0.95);
    let resolution = match figure {
        Figure::Throughput | Figure::Utilisation => 0.0,
        Figure::WorkP50 | Figure::WorkP95 | Figure::WaitP95 => RESOLUTION_MS,
    };
    let difference = predicted.value - observed;
    let error = if difference.abs() <= resolution || observed <= 0.0 { 0.0 } else { difference / observed };
    let limit = if matches!(figure, Figure::Throughput | Figure::Utilisation) { LIMIT_UTILISATION } else { LIMIT_TIMES };
    Compared { name: name.to_owned(), figure, requests, observed, predicted, error, limit, counts: requests >= REQUESTS_MIN }
}

const SECONDS_MIN: i64 = 20;
const REQUESTS_MIN: u64 = 50;
const LIMIT_UTILISATION: f64 = 0.10;
const LIMIT_TIMES: f64 = 0.30;
/// Synapse logs whole ms.
const RESOLUTION_MS: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{endpoints, profile, trace};
    use super::*;

    #[test]
    fn calm_is_predicted_from_the_other_half() {
        let trace = trace(true);
        let result =
            backtest(&trace, &endpoints(), &profile(&trace, None), &PrepareSettings::default(), &BacktestSettings::default()).unwrap();
        assert!(result.passed, "{:?}", result.groups);
        assert_eq!(result.evaluated.len(), 2);
        assert!(result.processes.iter().all(|process| !process.counts), "without counters there is nothing to hold utilisation to");
        assert_eq!(result.throughput.requests, 1000);
    }

    #[test]
    fn too_short_a_log_is_refused() {
        let trace = trace(true);
        let how = BacktestSettings { skip: Span::from_millis(90_000), ..BacktestSettings::default() };
        let error = backtest(&trace, &endpoints(), &profile(&trace, None), &PrepareSettings::default(), &how).unwrap_err();
        assert_eq!(error, BacktestError::TooShort(9));
    }

    #[test]
    fn errors_below_the_resolution_of_the_log_are_none() {
        assert_eq!(compared(("g", Figure::WorkP50, 60), 1.0, &[1.9, 1.9]).error, 0.0);
        let wrong = compared(("g", Figure::WorkP50, 60), 10.0, &[14.0, 14.0]);
        assert!((wrong.error - 0.4).abs() < 1e-9 && wrong.counts && !wrong.within());
    }
}
