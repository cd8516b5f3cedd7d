//! `report.json` of an analysis: schema `wsim.analysis/1`, in `schema/analysis-1.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::model::AnalysisReport;
use crate::exporter::ReportError;
use crate::shared::json::{self, Span, WireInput};
use crate::shared::run_facts::NextStep;
use wsim_advise::{Confidence, EstimatedTerm, Limit, Meets, PlanSummary, ProcessSummary};
use wsim_plan::Plan;
use wsim_profile::{
    Concurrency, Coverage, Demand, DeployedProcess, DestinationProfile, Dispersion, EndpointProfile, EventRate, GroupProfile, HeavyHitters,
    MeasuredWork, Peak, ProcessProfile, Series,
};
use wsim_stats::Interval;
use wsim_trace::ingest::MalformedExample;
use wsim_trace::join::JoinFacts;

/// The JSON Schema (2020-12) of an analysis.
pub const SCHEMA: &str = include_str!("../schema/analysis-1.json");

pub(super) fn json(report: &AnalysisReport) -> Result<String, ReportError> {
    Ok(json::write(&Analysis::from(report))?)
}

#[derive(Serialize)]
struct Analysis<'a> {
    schema: &'static str,
    wsim: &'a str,
    created: &'a str,
    command: &'a str,
    seed: u64,
    partial: bool,
    synapse_version: &'a str,
    table_note: &'a str,
    time_zone: &'a str,
    verdict: &'a str,
    objective: String,
    recommended: Option<&'a str>,
    reasons: &'a [String],
    confidence: &'a Confidence,
    next: &'a [NextStep],
    assumptions: Vec<&'a str>,
    inputs: Vec<WireInput<'a>>,
    malformed_examples: Vec<&'a MalformedExample>,
    joined: Option<JoinFacts>,
    requests: u64,
    client_requests: u64,
    internal_requests: u64,
    cpu_seconds: Option<f64>,
    window: Span,
    gaps: Vec<Span>,
    groups: &'a [GroupProfile],
    destinations: &'a [DestinationProfile],
    candidates: Vec<WireCandidate<'a>>,
    processes: &'a [ProcessProfile],
    deployment: WireDeployment<'a>,
    warnings: Vec<&'a str>,
    endpoints: &'a [EndpointProfile],
    peaks: Peaks,
    dispersion: &'a [Dispersion],
    concurrency: Concurrency,
    heavy_hitters: &'a HeavyHitters,
    outcomes: Outcomes,
    demand: &'a Demand,
    coverage: &'a Coverage,
    events_per_second: EventRate,
    series: &'a Series,
}

impl<'a> From<&'a AnalysisReport> for Analysis<'a> {
    fn from(report: &'a AnalysisReport) -> Self {
        let AnalysisReport { facts, inputs, profile, advice } = report;
        Self {
            schema: "wsim.analysis/1",
            wsim: &facts.wsim,
            created: &facts.created,
            command: &facts.command,
            seed: facts.seed,
            partial: facts.partial,
            synapse_version: &facts.synapse_version,
            table_note: &facts.table_note,
            time_zone: &facts.time_zone,
            verdict: &advice.verdict.text,
            objective: advice.objective.to_string(),
            recommended: advice.shown().filter(|(_, recommended)| *recommended).map(|(plan, _)| plan.plan.name.as_str()),
            reasons: &advice.reasons,
            confidence: &advice.confidence,
            next: &facts.next,
            assumptions: facts.assumptions.iter().chain(&advice.assumptions).map(String::as_str).collect(),
            inputs: inputs.iter().map(WireInput::from).collect(),
            malformed_examples: report.malformed_examples().collect(),
            joined: facts.joined,
            requests: report.requests(),
            client_requests: profile.requests,
            internal_requests: profile.internal_requests,
            cpu_seconds: report.cpu_seconds(),
            window: profile.window.into(),
            gaps: profile.gaps.iter().copied().map(Span::from).collect(),
            groups: &profile.groups,
            destinations: &profile.destinations,
            candidates: advice.candidates.iter().map(WireCandidate::from).collect(),
            processes: &profile.processes,
            deployment: WireDeployment::from(report),
            warnings: profile.deployment.warnings.iter().map(|warning| warning.text.as_str()).collect(),
            endpoints: &profile.endpoints,
            peaks: Peaks {
                one_minute: profile.peaks.one_minute.into(),
                five_minutes: profile.peaks.five_minutes.into(),
                busy_hour: profile.peaks.busy_hour.into(),
                mean: profile.peaks.mean.into(),
            },
            dispersion: &profile.dispersion,
            concurrency: profile.concurrency,
            heavy_hitters: &profile.heavy_hitters,
            outcomes: Outcomes {
                by_status: profile.outcomes.by_status.iter().map(|&(status, requests)| (status, requests)).collect(),
                aborted: profile.outcomes.aborted,
                retried: profile.outcomes.retried,
                stray_times: profile.outcomes.stray_times,
            },
            demand: &profile.demand,
            coverage: &profile.coverage,
            events_per_second: profile.events_per_second,
            series: &profile.series,
        }
    }
}

/// The deployment that wrote the logs.
#[derive(Serialize)]
struct WireDeployment<'a> {
    processes: &'a [DeployedProcess],
    /// Of the machine that all processes share, if told.
    cores: Option<f64>,
    partial: bool,
    notes: &'a [String],
    /// Requests in a proxy's log that never reached Synapse.
    foreign_requests: u64,
    /// The first limit first.
    limits: &'a [Limit],
    /// What helps against the first limit, cheapest first.
    levers: &'a [String],
    /// What the CPU of processes was used for, where Prometheus measured it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    measured: &'a [MeasuredWork],
}

impl<'a> From<&'a AnalysisReport> for WireDeployment<'a> {
    fn from(report: &'a AnalysisReport) -> Self {
        let deployment = &report.profile.deployment;
        Self {
            processes: &deployment.processes,
            cores: deployment.cores,
            partial: deployment.partial,
            notes: &deployment.notes,
            foreign_requests: deployment.foreign_requests,
            limits: &report.advice.limits,
            levers: &report.advice.levers,
            measured: &deployment.measured,
        }
    }
}

#[derive(Serialize)]
struct Peaks {
    one_minute: WirePeak,
    five_minutes: WirePeak,
    busy_hour: WirePeak,
    mean: WirePeak,
}

#[derive(Serialize)]
struct WirePeak {
    window: Span,
    requests_per_second: f64,
    cores: Option<f64>,
}

impl From<Peak> for WirePeak {
    fn from(peak: Peak) -> Self {
        Self { window: peak.window.into(), requests_per_second: peak.requests_per_second, cores: peak.cores }
    }
}

#[derive(Serialize)]
struct Outcomes {
    by_status: BTreeMap<u16, u64>,
    aborted: u64,
    retried: u64,
    stray_times: u64,
}

/// The fields of `wsim.simulation/1`. The analytic screen estimates no latencies, so `groups` is empty.
#[derive(Serialize)]
struct WireCandidate<'a> {
    plan: &'a str,
    workers: u32,
    balance: &'a str,
    meets_objective: bool,
    meets: Meets,
    verdict: &'a str,
    total_cores: Interval,
    limits: &'a [Limit],
    response_times: &'a [EstimatedTerm],
    processes: Vec<WireProcess<'a>>,
    groups: [(); 0],
    definition: &'a Plan,
}

impl<'a> From<&'a PlanSummary> for WireCandidate<'a> {
    fn from(plan: &'a PlanSummary) -> Self {
        Self {
            plan: &plan.plan.name,
            workers: plan.workers,
            balance: &plan.balance,
            meets_objective: plan.meets == Meets::Yes,
            meets: plan.meets,
            verdict: &plan.reason,
            total_cores: plan.total_cores,
            limits: &plan.limits,
            response_times: &plan.response_times,
            processes: plan.processes.iter().map(WireProcess::from).collect(),
            groups: [],
            definition: &plan.plan,
        }
    }
}

#[derive(Serialize)]
struct WireProcess<'a> {
    name: &'a str,
    pool: Option<&'a str>,
    utilisation: Interval,
    connections: Option<Interval>,
    requests_per_second: f64,
    requests: u64,
    limit: Option<&'a str>,
}

impl<'a> From<&'a ProcessSummary> for WireProcess<'a> {
    fn from(process: &'a ProcessSummary) -> Self {
        Self {
            name: &process.name,
            pool: process.pool.as_deref(),
            utilisation: process.peak,
            connections: process.connections,
            requests_per_second: process.requests_per_second,
            requests: process.requests,
            limit: process.limit.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{analysis::fixture, shared::schema_check};

    fn written(report: &AnalysisReport) -> Value {
        serde_json::from_str(&json(report).unwrap()).unwrap()
    }

    #[test]
    fn real_output_conforms_to_the_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty()] {
            let problems = schema_check::problems(&schema, &written(&report));
            assert!(problems.is_empty(), "{problems:#?}");
        }
    }

    #[test]
    fn the_schema_rejects_other_values() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let mut value = written(&fixture::report());
        value["schema"] = "wsim.analysis/2".into();
        value["groups"][0]["requests"] = "many".into();
        value["inputs"][0].as_object_mut().unwrap().remove("malformed");
        let problems = schema_check::problems(&schema, &value);
        assert_eq!(problems.len(), 3, "{problems:#?}");
    }

    #[test]
    fn totals_and_recommendation_are_at_the_top_level() {
        let report = fixture::report();
        let value = written(&report);
        assert_eq!(
            value["requests"].as_u64().unwrap(),
            value["client_requests"].as_u64().unwrap() + value["internal_requests"].as_u64().unwrap()
        );
        let groups: u64 = value["groups"].as_array().unwrap().iter().map(|group| group["requests"].as_u64().unwrap()).sum();
        assert_eq!(value["requests"], groups);
        assert!(value["candidates"].as_array().unwrap().iter().any(|candidate| candidate["plan"] == value["recommended"]));
        assert_eq!(written(&fixture::empty())["recommended"], Value::Null);
    }

    #[test]
    fn maybe_is_not_yes() {
        let mut report = fixture::report();
        report.advice.candidates[0].meets = Meets::Maybe;
        let value = written(&report);
        assert_eq!(value["candidates"][0]["meets_objective"], false);
        assert_eq!(value["candidates"][0]["meets"], "maybe");
    }
}
