//! The analytic screen: every standard plan with every number of workers, by the utilisation law at the busiest five minutes.
//!
//! Knows CPU only: no latency, no database, no memory. It stands before the simulator and shares no code with it.

use std::ops::RangeInclusive;

use super::confidence;
use super::law::{Costs, Law};
use super::load::{Load, loads};
use super::model::{Advice, Candidate, Meets, Process};
use super::objective::Objective;
use super::reasons::{self, Findings};
use super::words;
use wsim_plan::{Options, Plan, Preset};
use wsim_profile::Profile;
use wsim_stats::Interval;

/// What to screen for.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What every process must satisfy.
    pub objective: Objective,
    /// Worker counts to try; the plan without workers is always tried.
    pub workers: RangeInclusive<u32>,
    /// Prices of what no request line shows.
    pub costs: Costs,
    /// Release and sliding sync.
    pub plans: Options,
}

impl Default for Settings {
    fn default() -> Self {
        Self { objective: Objective::default(), workers: 1..=8, costs: Costs::default(), plans: Options::default() }
    }
}

/// Screens the standard plans and recommends the smallest that meets the objective: for certain if one does, else at the best
/// estimate. Without any CPU demand in the profile there is nothing to screen, and the verdict says so.
pub fn screen(profile: &Profile, settings: &Settings) -> Advice {
    if !demand_known(profile) {
        return no_demand(settings);
    }
    let law = Law::new(profile, &settings.costs);
    let mut candidates: Vec<Candidate> = standard_plans(settings).map(|plan| assess(profile, plan, settings, &law)).collect();
    candidates.sort_by(|a, b| {
        let key = |candidate: &Candidate| (candidate.workers, (candidate.total_cores.value * 1e6).round());
        let ((workers_a, cores_a), (workers_b, cores_b)) = (key(a), key(b));
        workers_a.cmp(&workers_b).then(cores_a.total_cmp(&cores_b)).then(worst(a).total_cmp(&worst(b)))
    });
    let recommended = recommend(&candidates);
    let findings = Findings { profile, settings, law: &law, candidates: &candidates, recommended };
    Advice {
        objective: settings.objective.to_string(),
        recommended,
        verdict: reasons::verdict(&findings),
        confidence: confidence::confidence(&findings),
        reasons: reasons::reasons(&findings),
        assumptions: reasons::assumptions(&findings),
        candidates,
    }
}

/// What one plan would do at the busiest five minutes.
pub fn judge(profile: &Profile, plan: Plan, settings: &Settings) -> Candidate {
    assess(profile, plan, settings, &Law::new(profile, &settings.costs))
}

/// How many times the load may grow, everything in proportion, until a process at this utilisation reaches the objective.
/// Its rest does not grow. Infinite for a process that does nothing; 0 if its rest alone is too much.
pub fn headroom(utilisation: f64, rest: f64, objective: &Objective) -> f64 {
    let (room, used) = (objective.busy - rest, utilisation - rest);
    if room <= 0.0 {
        0.0
    } else if used <= 0.0 {
        f64::INFINITY
    } else {
        room / used
    }
}

/// The process that is nearest to the objective, the first of equals.
pub fn busiest(candidate: &Candidate) -> Option<&Process> {
    busiest_of(&candidate.processes)
}

/// The busiest of some processes, the first of equals. Shares worked out on different ways differ in their last digits.
pub(super) fn busiest_of(processes: &[Process]) -> Option<&Process> {
    processes.iter().reduce(|best, process| if process.utilisation.value > best.utilisation.value + 1e-9 { process } else { best })
}

fn standard_plans(settings: &Settings) -> impl Iterator<Item = Plan> {
    let counts = std::iter::once(0).chain(settings.workers.clone().filter(|n| *n > 0));
    counts.flat_map(move |n| Preset::all().iter().filter_map(move |preset| preset.plan(n, &settings.plans)))
}

fn assess(profile: &Profile, plan: Plan, settings: &Settings, law: &Law) -> Candidate {
    let busy = settings.objective.busy;
    let mut total_cores = Interval::exact(0.0);
    let mut processes: Vec<Process> = Vec::new();
    for load in loads(&plan, profile) {
        let cores = law.cores(&load.duties);
        total_cores = total_cores.plus(cores);
        processes.push(process(&load, cores, law, busy));
    }
    if let Some((_, workers)) = processes.split_first_mut() {
        order_within_pools(workers);
    }
    let meets = if processes.iter().all(|process| process.utilisation.high < busy) {
        Meets::Yes
    } else if processes.iter().all(|process| process.utilisation.value < busy) {
        Meets::Maybe
    } else {
        Meets::No
    };
    let mut candidate = Candidate {
        workers: plan.worker_count(),
        balance: balance_words(&plan),
        plan,
        meets_objective: meets,
        verdict: String::new(),
        processes,
        total_cores,
    };
    candidate.verdict = busiest(&candidate).map(describe).unwrap_or_default();
    candidate
}

fn process(load: &Load<'_>, cores: Interval, law: &Law, busy: f64) -> Process {
    let limit = load.pinned.and_then(|(heavy, pinned)| {
        let alone = pinned * law.request_factor.value;
        let matters = alone >= busy * load.cpu || alone >= cores.value * PINNED_SHARE;
        matters.then(|| format!("{} alone needs {}", words::name(heavy), words::cores(alone)))
    });
    Process {
        name: load.name.clone(),
        pool: load.pool.clone(),
        utilisation: cores.scaled(1.0 / load.cpu),
        requests_per_second: load.requests_per_second,
        requests: load.requests,
        limit,
    }
}

/// Busiest first within each pool; pools stay in the plan's order.
fn order_within_pools(workers: &mut [Process]) {
    for pool in workers.chunk_by_mut(|a, b| a.pool == b.pool) {
        let digits = |process: &Process| (process.utilisation.value * 1e9).round();
        pool.sort_by(|a, b| digits(b).total_cmp(&digits(a)));
    }
}

/// `main process 84 % busy (61-120)`.
fn describe(process: &Process) -> String {
    let name = if process.name == "main" { "main process" } else { &process.name };
    let Interval { value, low, high } = process.utilisation;
    let range = words::percent_range(Interval { value, low, high });
    match range.split_once(" (") {
        Some((value, range)) => format!("{name} {value} busy ({range}"),
        None => format!("{name} {range} busy"),
    }
}

/// The rules in words, each once: `sync: hash consistent by user; generic: round robin`.
pub(super) fn balance_words(plan: &Plan) -> String {
    if plan.pools.is_empty() {
        return "none".to_owned();
    }
    let rule = |pool: &wsim_plan::Pool| match &pool.key {
        Some(key) => format!("{} by {key}", pool.balance),
        None => pool.balance.clone(),
    };
    let first = rule(&plan.pools[0]);
    if plan.pools.iter().all(|pool| rule(pool) == first) {
        return first;
    }
    plan.pools.iter().map(|pool| format!("{}: {}", pool.name, rule(pool))).collect::<Vec<_>>().join("; ")
}

/// The first that meets for certain, else the first that meets at the best estimate.
fn recommend(candidates: &[Candidate]) -> Option<usize> {
    let first = |meets: Meets| candidates.iter().position(|candidate| candidate.meets_objective == meets);
    first(Meets::Yes).or_else(|| first(Meets::Maybe))
}

fn worst(candidate: &Candidate) -> f64 {
    busiest(candidate).map_or(0.0, |process| process.utilisation.value)
}

pub(super) fn demand_known(profile: &Profile) -> bool {
    profile.demand.method != "none" && profile.endpoints.iter().any(|endpoint| endpoint.peak_cpu_seconds > 0.0)
}

fn no_demand(settings: &Settings) -> Advice {
    Advice {
        objective: settings.objective.to_string(),
        candidates: Vec::new(),
        recommended: None,
        verdict:
            "No advice: these logs show no CPU time and not enough to infer it; add Synapse's own log, or a proxy log with request times."
                .to_owned(),
        confidence: super::model::Confidence { level: "low".to_owned(), why: "CPU demand is unknown".to_owned() },
        reasons: Vec::new(),
        assumptions: Vec::new(),
    }
}

/// A pinned user is worth naming from this share of its worker's load.
const PINNED_SHARE: f64 = 0.3;

#[cfg(test)]
mod tests;
