//! What a sweep says in sentences: the verdict first, then what an administrator can act on.

use super::super::findings::has_workers;
use super::super::model::{Decision, Meets, PlanSummary, Verdict};
use super::super::words;
use super::model::{Comparison, SimulatedPlan, StressCase, Sweep};
use wsim_profile::Profile;
use wsim_text::{list, minute, plural, prose, weekday_minute};

/// Writes verdict, reasons and assumptions. `notes` are those of the preparation.
pub(super) fn write(sweep: &mut Sweep, profile: &Profile, notes: &[String]) {
    sweep.verdict = verdict(sweep, profile);
    sweep.reasons = reasons(sweep);
    sweep.assumptions = assumptions(sweep, notes);
}

fn verdict(sweep: &Sweep, profile: &Profile) -> Verdict {
    let Some((simulated, recommended)) = sweep.shown() else {
        return Verdict { decision: Decision::Unknown, text: "Nothing was simulated.".to_owned() };
    };
    let plan = &simulated.summary;
    let objective = &sweep.objective;
    let (decision, text) = match (recommended, plan.workers) {
        (true, 0) if has_workers(profile) => (
            Decision::WorkersNotNeeded,
            format!(
                "This traffic does not need your {}: one process meets the objective ({objective}) at the {} peak. Changing back is optional.",
                words::processes_seen(profile),
                peak(sweep)
            ),
        ),
        (true, 0) => (Decision::StayWithOneProcess, format!("One process meets the objective ({objective}) at the {} peak.", peak(sweep))),
        (true, _) => (
            Decision::AddWorkers,
            format!("The {} ({}), {}, meet the objective ({objective}).", plan.layout(), plan.plan.name, balancing(plan)),
        ),
        (false, _) if plan.meets == Meets::Maybe => (
            Decision::NoPlanMeets,
            format!(
                "No simulated plan meets the objective ({objective}) for certain. The closest, {} ({}), does by the best estimate.",
                plan.plan.name,
                plan.layout()
            ),
        ),
        (false, _) => (
            Decision::NoPlanMeets,
            format!(
                "No simulated plan meets the objective ({objective}). The closest is {} ({}): {}.",
                plan.plan.name,
                plan.layout(),
                plan.reason
            ),
        ),
    };
    Verdict { decision, text }
}

fn reasons(sweep: &Sweep) -> Vec<String> {
    let Some((plan, recommended)) = sweep.shown() else { return Vec::new() };
    let mut reasons = vec![at_the_peak(sweep, plan)];
    if recommended {
        reasons.extend(fewer_workers(sweep, &plan.summary));
        reasons.extend(sweep.runner_up.and_then(|index| sweep.candidates.get(index)).zip(sweep.comparison).map(runner_up));
        reasons.extend(growth(sweep));
    }
    reasons.extend(uneven_pool(plan));
    reasons.extend(sensitivity(sweep));
    reasons.extend(rejected(plan));
    reasons.extend(overloaded(sweep));
    reasons
}

/// `At the Monday … peak the busiest process, sync1, is 61 % busy (58–64 %). Response times: p95 120 ms (…), …`.
fn at_the_peak(sweep: &Sweep, plan: &SimulatedPlan) -> String {
    let busiest = plan.summary.busiest().map_or_else(String::new, |process| {
        format!("At the {} peak the busiest process, {}, is {}. ", peak(sweep), process.name, words::busy_share(process))
    });
    format!(
        "{busiest}Response times: p95 {}, p99 {}, long-poll waiting excluded. All processes together use {} cores.",
        prose::milliseconds_range(plan.overall.p95),
        prose::milliseconds_range(plan.overall.p99),
        prose::range(plan.summary.total_cores, 2)
    )
}

fn fewer_workers(sweep: &Sweep, plan: &PlanSummary) -> Option<String> {
    let smaller = sweep.candidates.iter().map(|candidate| &candidate.summary).filter(|other| other.workers < plan.workers);
    match smaller.min_by(|a, b| a.margin.total_cmp(&b.margin)) {
        Some(best) => {
            Some(format!("Fewer workers are not enough. The best such plan is {} ({}): {}.", best.plan.name, best.layout(), best.reason))
        }
        None => sweep
            .discarded
            .iter()
            .find(|other| other.workers < plan.workers && other.overloaded)
            .map(|other| format!("Fewer workers are not enough. {}: {}.", wsim_text::capital(&other.plan), other.why)),
    }
}

fn runner_up((other, comparison): (&SimulatedPlan, Comparison)) -> String {
    let Comparison { mean_ms, p95_ms, indistinguishable, .. } = comparison;
    let name = format!("{} ({})", other.summary.plan.name, other.summary.layout());
    if indistinguishable {
        return format!(
            "Runner-up: {name}. On the same traffic its response times cannot be distinguished from the recommended plan's; choose the one that is easier to run."
        );
    }
    let change = |ms: f64| format!("{} {}", prose::milliseconds(ms.abs()), if ms < 0.0 { "shorter" } else { "longer" });
    format!(
        "Runner-up: {name}. On the same traffic the recommended plan's mean response time is {} and its p95 {}{}.",
        change(mean_ms.value),
        change(p95_ms.value),
        if mean_ms.value > 0.0 { "; it is recommended because it is smaller or simpler" } else { "" }
    )
}

/// Up to which growth the plan meets the objective, and what fails beyond it.
fn growth(sweep: &Sweep) -> Option<String> {
    let steps = &sweep.growth_steps;
    let held = steps.iter().take_while(|case| case.meets == Meets::Yes).last();
    let failed = steps.iter().find(|case| case.meets == Meets::No).or_else(|| steps.iter().find(|case| case.meets == Meets::Maybe));
    let extrapolated = |factor: f64| {
        if factor * sweep.growth > EXTRAPOLATED { " (an extrapolation beyond twice the observed load)" } else { "" }
    };
    match (held, failed) {
        (None, None) => None,
        (Some(held), None) => Some(format!(
            "The plan still meets the objective at {}× this load, the most that was simulated{}: the busiest process, {}, is then {} busy.",
            held.factor,
            extrapolated(held.factor),
            held.busiest,
            prose::percent(held.busy.value)
        )),
        (held, Some(failed)) => {
            let held = held.map_or_else(String::new, |held| format!("You can grow {}×. ", held.factor));
            Some(format!("{held}First limit: at {}× this load {}{}.", failed.factor, failed.reason, extrapolated(failed.factor)))
        }
    }
}

fn uneven_pool(plan: &SimulatedPlan) -> Option<String> {
    let imbalance = plan.imbalance.as_ref().filter(|imbalance| imbalance.factor.value >= UNEVEN)?;
    Some(format!(
        "The pool {} is uneven: its busiest worker does {} times the mean. A worker of its own for the heaviest users, or a rule without a key, evens it out.",
        imbalance.pool,
        prose::range(imbalance.factor, 1)
    ))
}

fn sensitivity(sweep: &Sweep) -> Option<String> {
    let failing: Vec<&StressCase> = sweep.sensitivity.iter().filter(|case| case.meets == Meets::No).collect();
    if sweep.sensitivity.is_empty() {
        return None;
    }
    if failing.is_empty() {
        return Some(
            "The verdict is the same with half and twice the CPU demand, and over the whole uncertainty of background CPU.".to_owned(),
        );
    }
    let (plan, _) = sweep.shown().filter(|(_, recommended)| *recommended)?;
    let is_enough = match plan.summary.workers {
        0 => "one process is not enough".to_owned(),
        1 => "1 worker is not enough".to_owned(),
        workers => format!("{workers} workers are not enough"),
    };
    let cases: Vec<String> = failing.iter().map(|case| format!("{} ({})", case.name, case.reason)).collect();
    Some(format!("The estimate matters: with {} {is_enough}.", list(&cases)))
}

fn rejected(plan: &SimulatedPlan) -> Option<String> {
    (plan.rejected_share > 0.0).then(|| format!("The proxy rejects {} of all requests.", prose::percent(plan.rejected_share)))
}

fn overloaded(sweep: &Sweep) -> Option<String> {
    let overloaded: Vec<_> = sweep.discarded.iter().filter(|plan| plan.overloaded).collect();
    let first = overloaded.first()?;
    let plans = plural(overloaded.len() as u64, "plan was", "plans were");
    Some(format!("{plans} too overloaded to simulate, for example {}: {}.", first.plan, first.why))
}

fn assumptions(sweep: &Sweep, notes: &[String]) -> Vec<String> {
    let capped = sweep.candidates.iter().filter(|candidate| candidate.capped).count();
    let mut assumptions = vec![format!(
        "Simulated: {}, {} to {}, {}; the first {:.0} s are not measured. Intervals are 95 % over up to {} replications {}; seed {}.",
        sweep.window_note,
        minute(sweep.window.start_us),
        minute(sweep.window.end_us),
        plural(sweep.requests, "request", "requests"),
        sweep.warm_up_seconds,
        sweep.replications,
        if sweep.resampled { "that resample users" } else { "of the observed users" },
        sweep.seed
    )];
    if (sweep.growth - 1.0).abs() > 1e-9 {
        assumptions.push(format!("Load × {}: more users, the same time span.", prose::factor(sweep.growth)));
    }
    if sweep.growth > EXTRAPOLATED {
        assumptions.push("The load is more than twice what was observed: an extrapolation that no log supports.".to_owned());
    }
    if capped > 0 {
        assumptions.push(format!(
            "For {capped} of {} the limit on replications ended the runs before the intervals were narrow enough (5 % of the mean, 10 % of p95); --replications raises it.",
            plural(sweep.candidates.len() as u64, "candidate", "candidates")
        ));
    }
    if sweep.candidates.iter().any(|candidate| candidate.extrapolated_share > 0.0) {
        assumptions
            .push("Some transactions ran at a database concurrency that the log never shows: their times are extrapolated.".to_owned());
    }
    assumptions.extend(notes.iter().cloned());
    assumptions
}

/// `keyed by user`, or the balancing rules where no pool has a key.
fn balancing(plan: &PlanSummary) -> String {
    let keys: std::collections::BTreeSet<&str> = plan.plan.pools.iter().filter_map(|pool| pool.key.as_deref()).collect();
    if keys.is_empty() {
        return plan.balance.clone();
    }
    format!("keyed by {}", list(&keys.into_iter().collect::<Vec<_>>()))
}

fn peak(sweep: &Sweep) -> String {
    weekday_minute(sweep.peak.start_us)
}

/// Busiest member over mean from which a pool is called uneven.
const UNEVEN: f64 = 1.3;
/// Growth beyond which a prediction is an extrapolation (the customary limit of capacity planning).
const EXTRAPOLATED: f64 = 2.0;
