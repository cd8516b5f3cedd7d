//! The analytic screen: every standard plan with every number of workers, judged by the utilisation law at the busiest five minutes.
//!
//! Knows CPU only: no latency, no database, no memory. It is independent of the simulator and shares no code with it.

use super::assumptions::assumptions;
use super::confidence::confidence;
use super::config::ScreenConfig;
use super::findings::Findings;
use super::law::Law;
use super::load::{Load, loads};
use super::model::{Advice, Confidence, ConfidenceLevel, Meets, PlanSummary, ProcessSummary, order_of_choice};
use super::reasons::reasons;
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
        return no_demand(config);
    }
    let law = Law::new(profile, &config.costs);
    let mut candidates: Vec<PlanSummary> = standard_plans(config).map(|plan| summary(profile, plan, config, &law)).collect();
    candidates.sort_by(|a, b| {
        let key = |candidate: &PlanSummary| (candidate.workers, (candidate.total_cores.value * 1e6).round());
        let ((workers_a, cores_a), (workers_b, cores_b)) = (key(a), key(b));
        workers_a.cmp(&workers_b).then(cores_a.total_cmp(&cores_b)).then(a.margin.total_cmp(&b.margin))
    });
    let recommended = recommend(&candidates);
    let shown = recommended.or_else(|| closest(&candidates));
    let findings = Findings { profile, config, law: &law, candidates: &candidates, recommended, shown };
    Advice {
        objective: config.objective.clone(),
        recommended,
        shown,
        verdict: verdict::verdict(&findings),
        confidence: confidence(&findings),
        reasons: reasons(&findings),
        assumptions: assumptions(&findings),
        candidates,
    }
}

/// What one plan would do at the busiest five minutes.
pub(super) fn judge(profile: &Profile, plan: CheckedPlan, config: &ScreenConfig) -> PlanSummary {
    summary(profile, plan, config, &Law::new(profile, &config.costs))
}

fn standard_plans(config: &ScreenConfig) -> impl Iterator<Item = CheckedPlan> {
    let counts = std::iter::once(0).chain(config.workers.clone().filter(|n| *n > 0));
    counts.flat_map(move |n| Preset::all().iter().filter_map(move |preset| preset.plan(n, &config.plans)))
}

fn summary(profile: &Profile, plan: CheckedPlan, config: &ScreenConfig, law: &Law) -> PlanSummary {
    let busy = config.objective.busy;
    let mut total_cores = Interval::exact(0.0);
    let mut processes: Vec<ProcessSummary> = Vec::new();
    for load in loads(&plan, profile) {
        let cores = law.cores(&load.demand);
        total_cores = total_cores.plus(cores);
        processes.push(process(&load, cores, law, busy));
    }
    if let Some((_, workers)) = processes.split_first_mut() {
        order_within_pools(workers);
    }
    let mut summary = PlanSummary {
        workers: plan.worker_count(),
        balance: words::balance(&plan),
        plan,
        meets: Meets::busy(&processes, busy),
        reason: String::new(),
        margin: 0.0,
        processes,
        total_cores,
    };
    if let Some(busiest) = summary.busiest() {
        (summary.reason, summary.margin) = (words::busy(busiest), busiest.peak.value / busy);
    }
    summary
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

fn no_demand(config: &ScreenConfig) -> Advice {
    Advice {
        objective: config.objective.clone(),
        candidates: Vec::new(),
        recommended: None,
        shown: None,
        verdict: verdict::unknown(),
        confidence: Confidence { level: ConfidenceLevel::Low, why: "CPU demand is unknown".to_owned() },
        reasons: Vec::new(),
        assumptions: Vec::new(),
    }
}

/// A pinned user is worth naming from this share of its worker's load.
const PINNED_SHARE: f64 = 0.3;

#[cfg(test)]
mod tests;
