//! Reads the `report.json` of a finished run of any command, as far as all kinds of run have the same figures.

use serde::Deserialize;

use super::model::{Latencies, Run, RunGroup, RunKind, RunProcess};
use super::pair::ALL;
use crate::replay;
use crate::shared::analysis_file::{ANALYSIS, AnalysisFile, SpanFile, schema};
use wsim_plan::Plan;
use wsim_profile::Quantiles;
use wsim_replay::record::{LatencyHistogram, Tally};
use wsim_stats::Interval;

/// Why a run could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("not JSON: give the folder of a finished run as wsim wrote it")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but not a report.
    #[error("not a report of wsim, because it names no schema: give the folder of a finished run")]
    NoSchema,
    /// Another kind of report, or a report of another version of wsim.
    #[error(
        "its schema is {0:?}, which this version of wsim does not compare; it reads wsim.analysis/1, wsim.simulation/1 and wsim.replay/1"
    )]
    Schema(String),
    /// The schema is named, but the file does not conform to it.
    #[error("not a complete {schema} report: the file is damaged or was changed")]
    Damaged { schema: &'static str, source: serde_json::Error },
    #[error(transparent)]
    Replay(#[from] replay::ReadError),
    #[error("this simulation contains no plan, so there is nothing to compare")]
    NoCandidate,
    #[error("--plan: {0:?} was not simulated in this run; its plans are {1}")]
    NoSuchPlan(String, String),
}

/// A prediction and a measurement of two plans.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{simulation} predicts plan {predicted:?}, but {replay} replayed plan {replayed:?}: {difference}; simulate the replayed plan with --plan, or replay the predicted one"
)]
pub struct OtherPlan {
    pub simulation: String,
    pub predicted: String,
    pub replay: String,
    pub replayed: String,
    /// What differs.
    pub difference: String,
}

/// Whether each prediction that would be compared is one of the plan that was replayed, as far as the files tell.
///
/// # Errors
/// The first pair of which the plans differ in more than their names.
pub fn check_plans(runs: &[Run]) -> Result<(), OtherPlan> {
    let Some((first, others)) = runs.split_first() else { return Ok(()) };
    for other in others {
        let (simulation, replay) = match (first.kind, other.kind) {
            (RunKind::Simulation, RunKind::Replay) => (first, other),
            (RunKind::Replay, RunKind::Simulation) => (other, first),
            _ => continue,
        };
        let (Some(predicted), Some(replayed)) = (&simulation.plan, &replay.plan) else { continue };
        let difference = match (&simulation.definition, &replay.definition) {
            (Some(own), Some(other)) => own.difference(other),
            // Reports of older versions contain only the name.
            _ => (predicted != replayed).then(|| "they have different names, and the reports do not contain both plans".to_owned()),
        };
        if let Some(difference) = difference {
            let (simulation, replay) = (simulation.name.clone(), replay.name.clone());
            return Err(OtherPlan { simulation, predicted: predicted.clone(), replay, replayed: replayed.clone(), difference });
        }
    }
    Ok(())
}

/// The name under which a simulation has the plan of a replay; `None` if it has no such plan.
pub fn name_in(simulation: &str, replay: &Run) -> Option<String> {
    let file: Simulation = serde_json::from_str(simulation).ok()?;
    let same = |candidate: &&Candidate| match (candidate.definition(), &replay.definition) {
        (Some(own), Some(other)) => own.is_same_besides_name(other),
        _ => Some(&candidate.plan) == replay.plan.as_ref(),
    };
    let candidates = || file.candidates.iter().filter(same);
    // Of equal plans the one of the same name.
    let named = candidates().find(|candidate| Some(&candidate.plan) == replay.plan.as_ref());
    named.or_else(|| candidates().next()).map(|candidate| candidate.plan.clone())
}

/// Reads a run. Of a simulation it takes the candidate named `plan`, by default the recommended one, or the first if none is recommended.
///
/// # Errors
/// [`ReadError`] if the text is not a report, or does not contain that plan.
pub fn read(name: &str, text: &str, plan: Option<&str>) -> Result<Run, ReadError> {
    match schema(text).map_err(ReadError::NotJson)?.as_deref() {
        None => Err(ReadError::NoSchema),
        Some(ANALYSIS) => {
            let file = serde_json::from_str(text).map_err(|source| ReadError::Damaged { schema: ANALYSIS, source })?;
            Ok(analysis(name, file))
        }
        Some("wsim.simulation/1") => {
            let file = serde_json::from_str(text).map_err(|source| ReadError::Damaged { schema: "wsim.simulation/1", source })?;
            simulation(name, file, plan)
        }
        Some("wsim.replay/1") => Ok(replayed(name, &replay::read(text)?)),
        Some(other) => Err(ReadError::Schema(other.to_owned())),
    }
}

fn analysis(name: &str, file: AnalysisFile) -> Run {
    let seconds = file.observed_seconds();
    let groups = file.groups.into_iter().filter(|group| !group.internal).map(|group| RunGroup {
        id: group.id,
        requests: group.requests,
        cpu_seconds: group.cpu_seconds,
        cpu_ms: group.cpu_ms,
        service_ms: group.latency_ms.map_or_else(Latencies::default, |quantiles| exact_latencies(&quantiles)),
        p95_bounds: group.latency_ms.and_then(|quantiles| p95_bounds(&quantiles, group.requests)),
        ..RunGroup::default()
    });
    let processes = file.processes.into_iter().map(|process| RunProcess {
        requests: process.requests + process.internal_requests,
        // The CPU of the whole process if it was measured, as in a simulation; else the CPU of its request lines.
        utilisation: process.process_cpu_seconds.map(|cpu| cpu / seconds).or(process.utilisation).map(Interval::exact),
        name: process.name,
    });
    Run {
        name: name.to_owned(),
        kind: RunKind::Analysis,
        plan: None,
        definition: None,
        target: None,
        wsim: file.wsim,
        created: file.created,
        command: file.command,
        load: 1.0,
        seconds,
        partial: file.partial,
        void: Vec::new(),
        groups: groups.collect(),
        processes: processes.collect(),
    }
}

fn exact_latencies(quantiles: &Quantiles) -> Latencies {
    let exact = |value| Some(Interval::exact(value));
    Latencies { p50: exact(quantiles.p50), p95: exact(quantiles.p95), p99: exact(quantiles.p99) }
}

/// p95 with its distribution-free 95 % interval: the quantiles at the binomial bounds of its rank, interpolated between those that a log's report contains.
fn p95_bounds(quantiles: &Quantiles, requests: u64) -> Option<Interval> {
    let Quantiles { p50, p90, p95, p99, p999, max, .. } = *quantiles;
    let known = [(0.5, p50), (0.9, p90), (0.95, p95), (0.99, p99), (0.999, p999), (1.0, max)];
    if requests == 0 || known.iter().any(|(_, ms)| !ms.is_finite() || *ms <= 0.0) {
        return None;
    }
    let at = |rank: f64| {
        let part = known.windows(2).find(|part| rank <= part[1].0)?;
        let [(from, low), (to, high)] = [part[0], part[1]];
        let share = ((rank - from) / (to - from)).clamp(0.0, 1.0);
        Some((low.ln() + (high.ln() - low.ln()) * share).exp())
    };
    let half = 1.96 * (0.95_f64 * 0.05 / requests as f64).sqrt();
    Some(Interval::new(p95, at(0.95 - half)?, at((0.95 + half).min(1.0))?))
}

fn simulation(name: &str, mut file: Simulation, plan: Option<&str>) -> Result<Run, ReadError> {
    let wanted = plan.or(file.recommended.as_deref());
    let index = match wanted {
        Some(wanted) => file.candidates.iter().position(|candidate| candidate.plan == wanted).ok_or_else(|| {
            let names: Vec<&str> = file.candidates.iter().map(|candidate| candidate.plan.as_str()).collect();
            ReadError::NoSuchPlan(wanted.to_owned(), names.join(", "))
        })?,
        None => 0,
    };
    if index >= file.candidates.len() {
        return Err(ReadError::NoCandidate);
    }
    let candidate = file.candidates.swap_remove(index);
    let times = |latency: &Latency| Latencies { p50: latency.p50.known(), p95: latency.p95.known(), p99: latency.p99.known() };
    let mut groups: Vec<RunGroup> = candidate
        .groups
        .iter()
        .map(|group| RunGroup {
            id: group.id.clone(),
            requests: group.requests,
            service_ms: times(&group.latency_ms),
            logged_ms: group.logged_ms.as_ref().map(times),
            ..RunGroup::default()
        })
        .collect();
    let all = groups.iter().map(|group| group.requests).sum();
    groups.push(RunGroup {
        id: ALL.to_owned(),
        requests: all,
        service_ms: candidate.latency_ms.as_ref().map_or_else(Latencies::default, times),
        ..RunGroup::default()
    });
    Ok(Run {
        name: name.to_owned(),
        kind: RunKind::Simulation,
        definition: candidate.definition().map(Box::new),
        plan: Some(candidate.plan),
        target: None,
        wsim: file.wsim,
        created: file.created,
        command: file.command,
        load: file.growth,
        seconds: file.measured_seconds.unwrap_or(file.window.seconds - file.warm_up_seconds).max(1e-6),
        partial: file.partial,
        void: Vec::new(),
        groups,
        processes: candidate
            .processes
            .into_iter()
            .map(|process| RunProcess { utilisation: process.utilisation.known(), requests: process.requests, name: process.name })
            .collect(),
    })
}

fn replayed(name: &str, report: &replay::ReplayReport) -> Run {
    let measured = &report.measured;
    let whole = measured.whole();
    let groups = measured.groups.iter().chain([&whole]).map(|group| RunGroup {
        id: group.id.clone(),
        requests: group.work.completed + group.polls.completed,
        service_ms: latencies(&group.work, |tally| &tally.service),
        response_ms: Some(latencies(&group.work, |tally| &tally.response)),
        ..RunGroup::default()
    });
    let processes = measured.upstreams.iter().map(|upstream| RunProcess {
        name: upstream.name.clone(),
        requests: upstream.requests,
        utilisation: None,
    });
    Run {
        name: name.to_owned(),
        kind: RunKind::Replay,
        plan: report.target.strip_prefix("emulated: ").map(str::to_owned),
        definition: report.plan.clone().map(Box::new),
        target: Some(report.target.clone()),
        wsim: report.facts.wsim.clone(),
        created: report.facts.created.clone(),
        command: report.facts.command.clone(),
        load: report.load * report.speed,
        seconds: report.took_seconds.max(1e-6),
        partial: report.facts.partial,
        void: report.void_reasons.clone(),
        groups: groups.collect(),
        processes: processes.collect(),
    }
}

fn latencies(tally: &Tally, of: fn(&Tally) -> &LatencyHistogram) -> Latencies {
    let times = of(tally);
    Latencies { p50: replay::quantile(times, 0.5), p95: replay::quantile(times, 0.95), p99: replay::quantile(times, 0.99) }
}

#[derive(Deserialize)]
struct Simulation {
    wsim: String,
    created: String,
    command: String,
    partial: bool,
    growth: f64,
    window: SpanFile,
    warm_up_seconds: f64,
    measured_seconds: Option<f64>,
    recommended: Option<String>,
    candidates: Vec<Candidate>,
}

#[derive(Deserialize)]
struct Candidate {
    plan: String,
    /// The plan itself, which files of older versions do not contain.
    #[serde(default)]
    definition: serde_json::Value,
    /// Null where work piles up.
    latency_ms: Option<Latency>,
    processes: Vec<Process>,
    groups: Vec<Group>,
}

impl Candidate {
    fn definition(&self) -> Option<Plan> {
        serde_json::from_value(self.definition.clone()).ok()
    }
}

#[derive(Deserialize)]
struct Process {
    name: String,
    utilisation: Wire,
    requests: u64,
}

#[derive(Deserialize)]
struct Group {
    id: String,
    requests: u64,
    latency_ms: Latency,
    logged_ms: Option<Latency>,
}

#[derive(Deserialize)]
struct Latency {
    p50: Wire,
    p95: Wire,
    p99: Wire,
}

/// An interval in JSON, where `null` stands for a number that is not finite.
#[derive(Deserialize)]
struct Wire {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl Wire {
    fn known(&self) -> Option<Interval> {
        let value = self.value?;
        Some(Interval::new(value, self.low.unwrap_or(value), self.high.unwrap_or(value)))
    }
}
