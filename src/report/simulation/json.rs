//! `report.json` of a simulation: schema `wsim.simulation/1`, in `schema/simulation-1.json`.

use serde::Serialize;

use super::model::SimulationReport;
use crate::exporter::ReportError;
use crate::shared::json::{self, Span, WireInput};
use crate::shared::run_facts::NextStep;
use wsim_advise::sweep::{Comparison, DiscardedPlan, Imbalance, Latency, SimulatedGroup, SimulatedPlan, StressCase, Unstable};
use wsim_advise::{Confidence, Limit, Meets, ProcessSummary};
use wsim_plan::Plan;
use wsim_profile::DeployedProcess;
use wsim_simulate::WakeupSummary;
use wsim_simulate::backtest::Backtest;
use wsim_stats::Interval;

/// The JSON Schema (2020-12) of a simulation.
pub const SCHEMA: &str = include_str!("../schema/simulation-1.json");

pub(super) fn json(report: &SimulationReport) -> Result<String, ReportError> {
    Ok(json::write(&Simulation::from(report))?)
}

#[derive(Serialize)]
struct Simulation<'a> {
    schema: &'static str,
    wsim: &'a str,
    created: &'a str,
    command: &'a str,
    seed: u64,
    replications: u32,
    objective: String,
    partial: bool,
    synapse_version: &'a str,
    verdict: &'a str,
    recommended: Option<&'a str>,
    runner_up: Option<&'a str>,
    reasons: &'a [String],
    confidence: Confidence,
    limits: &'a [Limit],
    levers: &'a [String],
    assumptions: Vec<&'a str>,
    next: &'a [NextStep],
    growth: f64,
    growth_kind: &'static str,
    wakeups: &'a WakeupSummary,
    window: Span,
    window_note: &'a str,
    peak: Span,
    requests: u64,
    warm_up_seconds: f64,
    measured_seconds: f64,
    candidates: Vec<WireCandidate<'a>>,
    discarded: &'a [DiscardedPlan],
    comparison: Option<Comparison>,
    growth_steps: &'a [StressCase],
    sensitivity: &'a [StressCase],
    backtest: Option<&'a Backtest>,
    backtest_note: Option<&'a str>,
    observed: WireObserved<'a>,
    inputs: Vec<WireInput<'a>>,
}

/// The deployment that wrote the logs.
#[derive(Serialize)]
struct WireObserved<'a> {
    processes: &'a [DeployedProcess],
    /// Of the machine that all processes share, if told.
    cores: Option<f64>,
}

impl<'a> From<&'a SimulationReport> for Simulation<'a> {
    fn from(report: &'a SimulationReport) -> Self {
        let SimulationReport { analysis, sweep, backtest, backtest_note } = report;
        let facts = &analysis.facts;
        let name = |index: Option<usize>| {
            index.and_then(|index| sweep.candidates.get(index)).map(|candidate| candidate.summary.plan.name.as_str())
        };
        Self {
            schema: "wsim.simulation/1",
            wsim: &facts.wsim,
            created: &facts.created,
            command: &facts.command,
            seed: sweep.seed,
            replications: sweep.replications,
            objective: sweep.objective.to_string(),
            partial: report.is_partial(),
            synapse_version: &facts.synapse_version,
            verdict: &sweep.verdict.text,
            recommended: name(sweep.recommended),
            runner_up: name(sweep.runner_up),
            reasons: &sweep.reasons,
            confidence: report.confidence(),
            limits: &sweep.limits,
            levers: &sweep.levers,
            assumptions: sweep.assumptions.iter().chain(&facts.assumptions).map(String::as_str).collect(),
            next: &facts.next,
            growth: sweep.growth,
            growth_kind: sweep.growth_kind.name(),
            wakeups: &sweep.wakeups,
            window: sweep.window.into(),
            window_note: &sweep.window_note,
            peak: sweep.peak.into(),
            requests: sweep.requests,
            warm_up_seconds: sweep.warm_up_seconds,
            measured_seconds: sweep.measured_seconds,
            candidates: sweep.candidates.iter().map(WireCandidate::from).collect(),
            discarded: &sweep.discarded,
            comparison: sweep.comparison,
            growth_steps: &sweep.growth_steps,
            sensitivity: &sweep.sensitivity,
            backtest: backtest.as_ref(),
            backtest_note: backtest_note.as_deref(),
            observed: WireObserved { processes: &analysis.profile.deployment.processes, cores: analysis.profile.deployment.cores },
            inputs: analysis.inputs.iter().map(WireInput::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct WireCandidate<'a> {
    plan: &'a str,
    workers: u32,
    balance: &'a str,
    strategy: &'a str,
    meets_objective: bool,
    meets: Meets,
    verdict: &'a str,
    replications: u32,
    capped: bool,
    total_cores: Interval,
    /// Null where work piles up.
    latency_ms: Option<Latency>,
    stable: bool,
    unstable: Option<&'a Unstable>,
    limits: &'a [Limit],
    imbalance: Option<&'a Imbalance>,
    refused_share: f64,
    extrapolated_share: f64,
    processes: Vec<WireProcess<'a>>,
    groups: &'a [SimulatedGroup],
    definition: &'a Plan,
}

impl<'a> From<&'a SimulatedPlan> for WireCandidate<'a> {
    fn from(candidate: &'a SimulatedPlan) -> Self {
        let plan = &candidate.summary;
        Self {
            plan: &plan.plan.name,
            workers: plan.workers,
            balance: &plan.balance,
            strategy: &candidate.strategy,
            meets_objective: plan.meets == Meets::Yes,
            meets: plan.meets,
            verdict: &plan.reason,
            replications: candidate.replications,
            capped: candidate.capped,
            total_cores: plan.total_cores,
            latency_ms: candidate.response_times().copied(),
            stable: candidate.is_stable(),
            unstable: candidate.unstable.as_ref(),
            limits: &plan.limits,
            imbalance: candidate.imbalance.as_ref(),
            refused_share: candidate.rejected_share,
            extrapolated_share: candidate.extrapolated_share,
            processes: plan.processes.iter().map(WireProcess::from).collect(),
            groups: if candidate.response_times().is_some() { &candidate.groups } else { &[] },
            definition: &plan.plan,
        }
    }
}

#[derive(Serialize)]
struct WireProcess<'a> {
    name: &'a str,
    pool: Option<&'a str>,
    /// Mean over the measured time.
    utilisation: Interval,
    peak: Interval,
    connections: Option<Interval>,
    requests: u64,
}

impl<'a> From<&'a ProcessSummary> for WireProcess<'a> {
    fn from(process: &'a ProcessSummary) -> Self {
        Self {
            name: &process.name,
            pool: process.pool.as_deref(),
            utilisation: process.mean.unwrap_or(process.peak),
            peak: process.peak,
            connections: process.connections,
            requests: process.requests,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::shared::schema_check;
    use crate::simulation::fixture;

    fn written(report: &SimulationReport) -> Value {
        serde_json::from_str(&json(report).unwrap()).unwrap()
    }

    #[test]
    fn real_output_conforms_to_the_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        for report in [fixture::report(), fixture::out_of_reach()] {
            let problems = schema_check::problems(&schema, &written(&report));
            assert!(problems.is_empty(), "{problems:#?}");
        }
    }

    #[test]
    fn the_schema_rejects_other_values() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let mut value = written(&fixture::report());
        value["schema"] = "wsim.analysis/1".into();
        value["candidates"][0]["groups"][0]["latency_ms"]["p95"].as_object_mut().unwrap().remove("low");
        value.as_object_mut().unwrap().remove("reasons");
        let problems = schema_check::problems(&schema, &value);
        assert_eq!(problems.len(), 3, "{problems:#?}");
    }

    #[test]
    fn the_recommended_plan_is_one_of_the_candidates() {
        let value = written(&fixture::report());
        assert!(value["candidates"].as_array().unwrap().iter().any(|one| one["plan"] == value["recommended"]));
        assert_eq!(written(&fixture::out_of_reach())["recommended"], Value::Null);
    }
}
