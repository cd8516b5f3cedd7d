//! The analytic screen: every standard plan with every number of workers, judged by the utilisation law at the busiest five minutes.
//!
//! Knows CPU and database connections, and response times by an approximation only. Costs are those of the simulation, and it shares no other
//! code with it.

use super::assumptions::assumptions;
use super::client_keys::has_client_key;
use super::confidence::confidence;
use super::config::ScreenConfig;
use super::findings::{Findings, has_workers};
use super::law::Law;
use super::limits::{self, ConnectionPool, Limit, LimitInputs, Pressure};
use super::load::{Load, Split, loads};
use super::model::{
    Advice, Confidence, ConfidenceLevel, Meets, PlanSummary, ProcessSummary, Verdict, busiest_connections, order_of_choice,
};
use super::own::OwnDeployment;
use super::reasons::reasons;
use super::response_times::ObservedTimes;
use super::verdict;
use super::words;
use wsim_plan::{CheckedPlan, Preset};
use wsim_profile::{DemandMethod, Profile};
use wsim_stats::Interval;
use wsim_text::{prose, quoted};

/// Screens the standard plans and recommends the smallest that meets the objective: for certain if one does, else at the best
/// estimate. Without any CPU demand in the profile there is nothing to screen, and the verdict says so.
pub fn screen(profile: &Profile, config: &ScreenConfig) -> Advice {
    if !demand_known(profile) {
        return no_advice(config, verdict::unknown(), "CPU demand is unknown".to_owned());
    }
    if profile.deployment.too_partial {
        let (verdict, why) = verdict::too_partial(&profile.deployment);
        return no_advice(config, verdict, why);
    }
    let law = config.law(profile);
    let pool = ConnectionPool::new(profile, config.connections);
    let mut candidates: Vec<PlanSummary> = standard_plans(config).map(|plan| summary(profile, (plan, None), config, &law, &pool)).collect();
    candidates.sort_by(|a, b| {
        let key =
            |candidate: &PlanSummary| ((candidate.workers, has_client_key(&candidate.plan)), (candidate.total_cores.value * 1e6).round());
        let ((workers_a, cores_a), (workers_b, cores_b)) = (key(a), key(b));
        workers_a.cmp(&workers_b).then(cores_a.total_cmp(&cores_b)).then(a.margin.total_cmp(&b.margin))
    });
    estimate_response_times(&mut candidates, profile, config, &law);
    let recommended = recommend(&candidates);
    let shown = recommended.or_else(|| closest(&candidates));
    let (limits, levers) = deployment_limits(profile, config);
    let findings = Findings {
        profile,
        config,
        law: &law,
        candidates: &candidates,
        recommended,
        shown,
        own: OwnDeployment::new(profile, &law),
        limits: &limits,
        levers: &levers,
    };
    Advice {
        objective: config.objective.clone(),
        recommended,
        shown,
        verdict: verdict::verdict(&findings),
        confidence: confidence(&findings),
        reasons: reasons(&findings),
        assumptions: assumptions(&findings),
        limits,
        levers,
        candidates,
    }
}

/// What one plan would do at the busiest five minutes. `split`: for a plan with patterns of its own or pools of some clients.
pub(super) fn judge(profile: &Profile, plan: CheckedPlan, split: Option<&Split>, config: &ScreenConfig) -> PlanSummary {
    summary(profile, (plan, split), config, &config.law(profile), &ConnectionPool::new(profile, config.connections))
}

/// Adds what can be said of the objective's response times to plans of which the first has no workers.
fn estimate_response_times(candidates: &mut [PlanSummary], profile: &Profile, config: &ScreenConfig, law: &Law) {
    let Some(alone) = candidates.first().and_then(|monolith| monolith.processes.first()).map(|main| main.peak) else { return };
    if config.objective.latencies.is_empty() {
        return;
    }
    let times = ObservedTimes::new(profile, law, OwnDeployment::new(profile, law).as_ref(), alone);
    for candidate in candidates {
        candidate.response_times = times.terms(candidate, &config.objective);
        for term in &candidate.response_times {
            candidate.meets = candidate.meets.max(term.meets);
            // What is unknown is no reason for or against a plan.
            if term.estimate_ms.is_some() && term.margin() > candidate.margin {
                (candidate.reason, candidate.margin) = (term.text(), term.margin());
            }
        }
    }
}

fn standard_plans(config: &ScreenConfig) -> impl Iterator<Item = CheckedPlan> {
    let counts = std::iter::once(0).chain(config.workers.clone().filter(|n| *n > 0));
    counts.flat_map(move |n| Preset::all().iter().filter_map(move |preset| preset.plan(n, &config.plans)))
}

fn summary(
    profile: &Profile,
    (plan, split): (CheckedPlan, Option<&Split>),
    config: &ScreenConfig,
    law: &Law,
    pool: &ConnectionPool,
) -> PlanSummary {
    let objective = &config.objective;
    let busy = objective.busy;
    let connections = pool.shares(&plan, split);
    let mut total_cores = Interval::exact(0.0);
    let mut processes: Vec<ProcessSummary> = Vec::new();
    for (index, load) in loads_with_background(&plan, split, profile, law).into_iter().enumerate() {
        let cores = law.cores(&load.demand);
        total_cores = total_cores.plus(law.cores_in_total(&load.demand));
        let connections = connections.get(index).copied();
        processes.push(ProcessSummary { connections, ..process(&load, cores, law, busy) });
    }
    if let Some((_, workers)) = processes.split_first_mut() {
        order_within_pools(workers);
    }
    let mut summary = PlanSummary {
        workers: plan.worker_count(),
        balance: words::balance(&plan),
        meets: Meets::busy(&processes, busy).max(Meets::connections(&processes, objective.connections)),
        limits: limits::of_plan(&plan, &processes, total_cores, &limit_inputs(profile, config, law, pool)),
        response_times: Vec::new(),
        plan,
        reason: String::new(),
        margin: 0.0,
        processes,
        total_cores,
    };
    if let Some(busiest) = summary.busiest() {
        (summary.reason, summary.margin) = (words::busy(busiest), busiest.peak.value / busy);
    }
    let of_connections = busiest_connections(&summary.processes).map(|(process, share)| (words::connections(process, share), share));
    if let Some((reason, share)) = of_connections
        && share.value / objective.connections > summary.margin
    {
        (summary.reason, summary.margin) = (reason, share.value / objective.connections);
    }
    summary
}

fn limit_inputs<'a>(profile: &'a Profile, config: &'a ScreenConfig, law: &'a Law, pool: &'a ConnectionPool) -> LimitInputs<'a> {
    LimitInputs { profile, law, pool, machine: config.machine.or_told(profile), objective: &config.objective, growth: 1.0 }
}

/// The limits of the deployment that wrote the logs, and what helps against the first. A single process is the plan without workers.
pub(super) fn deployment_limits(profile: &Profile, config: &ScreenConfig) -> (Vec<Limit>, Vec<String>) {
    if !demand_known(profile) {
        return (Vec::new(), Vec::new());
    }
    let (law, pool) = (config.law(profile), ConnectionPool::new(profile, config.connections));
    let has_workers = has_workers(profile);
    let monolith = (!has_workers).then(|| Preset::all().iter().find_map(|preset| preset.plan(0, &config.plans))).flatten();
    let limits = match monolith {
        Some(plan) => summary(profile, (plan, None), config, &law, &pool).limits,
        None => limits::observed(OwnDeployment::new(profile, &law).as_ref(), &limit_inputs(profile, config, &law, &pool)),
    };
    let pressure = Pressure { profile, pool: &pool, has_workers };
    let levers = limits.first().map(|limit| limits::levers(limit, &pressure)).unwrap_or_default();
    (limits, levers)
}

/// The load of every process, background work of its own included.
pub(super) fn loads_with_background<'a>(plan: &CheckedPlan, split: Option<&Split>, profile: &'a Profile, law: &Law) -> Vec<Load<'a>> {
    let mut loads = loads(plan, profile, split);
    for load in &mut loads {
        load.demand.background = law.background(&load.name, &plan.background_roles);
    }
    loads
}

fn process(load: &Load<'_>, cores: Interval, law: &Law, busy: f64) -> ProcessSummary {
    let limit = load.pinned.and_then(|(heavy, pinned)| {
        let alone = pinned * law.request_factor.value;
        let matters = alone >= busy * load.cpu || alone >= cores.value * PINNED_SHARE;
        matters.then(|| format!("{} alone needs {}", quoted(&heavy.name), prose::cores(alone)))
    });
    ProcessSummary {
        name: load.name.clone(),
        role: load.role,
        pool: load.pool.clone(),
        peak: cores.scaled(1.0 / load.cpu),
        mean: None,
        idle: law.rest.plus(Interval::exact(load.demand.background)).scaled(1.0 / load.cpu),
        connections: None,
        requests_per_second: load.requests_per_second,
        requests: load.requests,
        limit,
    }
}

/// Busiest first within each pool; pools stay in the plan's order.
fn order_within_pools(workers: &mut [ProcessSummary]) {
    for pool in workers.chunk_by_mut(|a, b| a.pool == b.pool) {
        let rounded = |process: &ProcessSummary| (process.peak.value * 1e9).round();
        pool.sort_by(|a, b| rounded(b).total_cmp(&rounded(a)));
    }
}

/// The first that meets for certain, else the first that meets at the best estimate.
fn recommend(candidates: &[PlanSummary]) -> Option<usize> {
    let first = |meets: Meets| candidates.iter().position(|candidate| candidate.meets == meets);
    first(Meets::Yes).or_else(|| first(Meets::Maybe))
}

fn closest(candidates: &[PlanSummary]) -> Option<usize> {
    let plans: Vec<(&PlanSummary, f64)> = candidates.iter().map(|candidate| (candidate, 0.0)).collect();
    order_of_choice(&plans).first().copied()
}

pub(super) fn demand_known(profile: &Profile) -> bool {
    profile.demand.method != DemandMethod::None && profile.endpoints.iter().any(|endpoint| endpoint.peak_cpu_seconds > 0.0)
}

fn no_advice(config: &ScreenConfig, verdict: Verdict, why: String) -> Advice {
    Advice {
        objective: config.objective.clone(),
        candidates: Vec::new(),
        recommended: None,
        shown: None,
        limits: Vec::new(),
        levers: Vec::new(),
        verdict,
        confidence: Confidence { level: ConfidenceLevel::Low, why },
        reasons: Vec::new(),
        assumptions: Vec::new(),
    }
}

/// A pinned user is worth naming from this share of its worker's load.
const PINNED_SHARE: f64 = 0.3;

#[cfg(test)]
mod tests;
