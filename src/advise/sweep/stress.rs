//! One plan under growing load and other assumptions, on the traffic that the sweep had.

use super::super::model::Meets;
use super::choice;
use super::digest::{self, Digest};
use super::model::Case;
use super::{Field, Watch};
use wsim_simulate::deploy::Deployment;
use wsim_simulate::prepare::{Bound, PrepareSettings, Prepared};
use wsim_simulate::run::{Candidate, ReplicationPlan, Scenario};
use wsim_simulate::topology::TopologyError;
use wsim_stats::Interval;

/// The plan at growing load until it fails, or up to four times today's.
pub(super) fn growth(field: &Field<'_>, index: usize, watch: &dyn Watch) -> Result<Vec<Case>, TopologyError> {
    let mut cases = Vec::new();
    for (done, factor) in GROWTH.into_iter().enumerate() {
        let visits = field.prepared.workload.records.len() as f64 * field.settings.growth * factor * f64::from(REPLICATIONS);
        if watch.stopped() || visits > VISITS_MAX {
            break;
        }
        watch.at("growth", done, GROWTH.len());
        let (prepared, growth) = (field.prepared, field.settings.growth * factor);
        let Some(case) = case(field, index, prepared, growth, format!("load × {factor}"), factor)? else { break };
        let fails = case.meets == Meets::No;
        cases.push(case);
        if fails {
            break;
        }
    }
    Ok(cases)
}

/// The plan with half and twice the CPU demand, and with cheap and dear replication.
pub(super) fn sensitivity(field: &Field<'_>, index: usize, watch: &dyn Watch) -> Result<Vec<Case>, TopologyError> {
    let base = field.subject.prepare;
    let demand = |factor: f64| PrepareSettings { demand: base.demand * factor, ..base.clone() };
    let replication = |bound: Bound| PrepareSettings { replication: bound, ..base.clone() };
    let coverage = |bound: Bound| PrepareSettings { coverage: bound, ..base.clone() };
    let mut variants = vec![
        ("CPU demand × 0.5", 0.5, demand(0.5)),
        ("CPU demand × 1", 1.0, demand(1.0)),
        ("CPU demand × 2", 2.0, demand(2.0)),
        ("CPU outside requests low", 1.0, coverage(Bound::Low)),
        ("CPU outside requests high", 1.0, coverage(Bound::High)),
    ];
    if field.entries[index].trial.plan.worker_count() > 0 {
        variants.push(("replication low", 1.0, replication(Bound::Low)));
        variants.push(("replication high", 1.0, replication(Bound::High)));
    }
    let all = variants.len();
    let mut cases = Vec::new();
    for (done, (name, factor, settings)) in variants.into_iter().enumerate() {
        if watch.stopped() {
            break;
        }
        watch.at("sensitivity", done, all);
        let subject = field.subject;
        let prepared = Prepared::new(subject.trace, subject.endpoints, subject.profile, subject.window, &settings);
        cases.extend(case(field, index, &prepared, field.settings.growth, name.to_owned(), factor)?);
    }
    Ok(cases)
}

fn case(
    field: &Field<'_>,
    index: usize,
    prepared: &Prepared,
    growth: f64,
    name: String,
    factor: f64,
) -> Result<Option<Case>, TopologyError> {
    let trial = &field.entries[index].trial;
    let Ok(deployment) = Deployment::of(&trial.plan, field.subject.endpoints, prepared) else { return Ok(None) };
    let plan = ReplicationPlan { most: REPLICATIONS, ..field.settings.replications };
    let replications = REPLICATIONS.min(field.first().max(2));
    let scenario = Scenario { workload: &prepared.workload, growth, costs: &prepared.costs, seed: field.settings.seed, plan };
    let candidate = Candidate { topology: &deployment.topology, routers: &deployment.routers };
    let keep = |replication, run| Digest::of(replication, &run);
    let runs = scenario.run_each(&[candidate], 0..replications, field.warm_up, keep)?;
    let digests: Vec<Digest> = runs.into_iter().map(|(_, digest)| digest).collect();
    let mut simulated = digest::summary(&trial.plan, &trial.strategy, &deployment, &prepared.groups, &digests);
    choice::judge(&mut simulated, &field.settings.objective);
    let busiest = simulated.busiest();
    Ok(Some(Case {
        name,
        factor,
        meets: simulated.meets,
        busy: busiest.map_or(Interval::exact(0.0), |process| process.peak),
        busiest: busiest.map(|process| process.name.clone()).unwrap_or_default(),
        p95_ms: simulated.overall.p95,
        verdict: simulated.verdict,
    }))
}

const GROWTH: [f64; 6] = [1.25, 1.5, 2.0, 2.5, 3.0, 4.0];
/// These figures answer "about how much", not "which of two".
const REPLICATIONS: u32 = 6;
/// Requests simulated for one step at most.
const VISITS_MAX: f64 = 2e7;
