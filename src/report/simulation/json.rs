//! `report.json` of a simulation: schema `wsim.simulation/1`, in `schema/simulation-1.json`.

use serde::Serialize;

use super::super::ReportError;
use super::super::escape;
use super::super::format;
use super::super::model::{Input, NextStep};
use super::SimulationReport;
use wsim_advise::sweep::{Case, Comparison, Discarded, Imbalance, Latency, Simulated, SimulatedGroup, SimulatedProcess};
use wsim_advise::{Confidence, Meets};
use wsim_plan::Plan;
use wsim_profile::Window;
use wsim_simulate::backtest::Backtest;
use wsim_stats::Interval;

/// The JSON Schema (2020-12) of [`json`]'s output.
pub const SCHEMA: &str = include_str!("../schema/simulation-1.json");

/// The report as indented JSON with a final newline.
///
/// # Errors
/// [`ReportError::Json`] if serialising fails, which no value of the model makes it do.
pub fn json(report: &SimulationReport) -> Result<String, ReportError> {
    let mut text = escape::json(&serde_json::to_string_pretty(&Simulation::from(report))?);
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Simulation<'a> {
    schema: &'static str,
    wsim: &'a str,
    created: &'a str,
    command: &'a str,
    seed: u64,
    replications: u32,
    objective: &'a str,
    partial: bool,
    synapse_version: &'a str,
    verdict: &'a str,
    recommended: Option<&'a str>,
    runner_up: Option<&'a str>,
    reasons: &'a [String],
    confidence: Confidence,
    assumptions: Vec<&'a str>,
    next: &'a [NextStep],
    growth: f64,
    window: Span,
    window_note: &'a str,
    peak: Span,
    requests: u64,
    warm_up_seconds: f64,
    candidates: Vec<WireCandidate<'a>>,
    discarded: &'a [Discarded],
    comparison: Option<Comparison>,
    growth_steps: &'a [Case],
    sensitivity: &'a [Case],
    backtest: Option<&'a Backtest>,
    backtest_note: Option<&'a str>,
    inputs: &'a [Input],
}

#[derive(Serialize)]
struct Span {
    start: String,
    end: String,
    seconds: f64,
}

impl From<Window> for Span {
    fn from(window: Window) -> Self {
        Self { start: format::rfc3339(window.start_us), end: format::rfc3339(window.end_us), seconds: window.seconds() }
    }
}

impl<'a> From<&'a SimulationReport> for Simulation<'a> {
    fn from(report: &'a SimulationReport) -> Self {
        let SimulationReport { analysis, sweep, backtest, backtest_note } = report;
        let facts = &analysis.facts;
        let name = |index: Option<usize>| index.and_then(|index| sweep.candidates.get(index)).map(|one| one.plan.name.as_str());
        Self {
            schema: "wsim.simulation/1",
            wsim: &facts.wsim,
            created: &facts.created,
            command: &facts.command,
            seed: sweep.seed,
            replications: sweep.replications,
            objective: &sweep.objective,
            partial: report.partial(),
            synapse_version: &facts.synapse_version,
            verdict: &sweep.verdict,
            recommended: name(sweep.recommended),
            runner_up: name(sweep.runner_up),
            reasons: &sweep.reasons,
            confidence: report.confidence(),
            assumptions: sweep.assumptions.iter().chain(&facts.assumptions).map(String::as_str).collect(),
            next: &facts.next,
            growth: sweep.growth,
            window: sweep.window.into(),
            window_note: &sweep.window_note,
            peak: sweep.peak.into(),
            requests: sweep.requests,
            warm_up_seconds: sweep.warm_up_seconds,
            candidates: sweep.candidates.iter().map(WireCandidate::from).collect(),
            discarded: &sweep.discarded,
            comparison: sweep.comparison,
            growth_steps: &sweep.growth_steps,
            sensitivity: &sweep.sensitivity,
            backtest: backtest.as_ref(),
            backtest_note: backtest_note.as_deref(),
            inputs: &analysis.inputs,
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
    latency_ms: Latency,
    imbalance: Option<&'a Imbalance>,
    refused_share: f64,
    extrapolated_share: f64,
    processes: &'a [SimulatedProcess],
    groups: &'a [SimulatedGroup],
    definition: &'a Plan,
}

impl<'a> From<&'a Simulated> for WireCandidate<'a> {
    fn from(candidate: &'a Simulated) -> Self {
        Self {
            plan: &candidate.plan.name,
            workers: candidate.workers,
            balance: &candidate.balance,
            strategy: &candidate.strategy,
            meets_objective: candidate.meets == Meets::Yes,
            meets: candidate.meets,
            verdict: &candidate.verdict,
            replications: candidate.replications,
            capped: candidate.capped,
            total_cores: candidate.total_cores,
            latency_ms: candidate.overall,
            imbalance: candidate.imbalance.as_ref(),
            refused_share: candidate.refused_share,
            extrapolated_share: candidate.extrapolated_share,
            processes: &candidate.processes,
            groups: &candidate.groups,
            definition: &candidate.plan,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::fixture;
    use super::*;
    use crate::schema_check;

    fn written(report: &SimulationReport) -> Value {
        serde_json::from_str(&json(report).unwrap()).unwrap()
    }

    #[test]
    fn real_output_fits_the_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        for report in [fixture::report(), fixture::out_of_reach()] {
            let problems = schema_check::problems(&schema, &written(&report));
            assert!(problems.is_empty(), "{problems:#?}");
        }
    }

    #[test]
    fn the_schema_is_not_satisfied_by_anything() {
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
