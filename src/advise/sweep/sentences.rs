//! What a sweep says in sentences: the verdict first, then what an administrator can act on.

use super::super::findings::{ADVICE_CORES, has_workers};
use super::super::limits;
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
    let text = match limits::reached(&sweep.limits, &sweep.levers) {
        Some(reached) => format!("{reached} {text}"),
        None => text,
    };
    Verdict { decision, text }
}

fn reasons(sweep: &Sweep) -> Vec<String> {
    let Some((plan, recommended)) = sweep.shown() else { return Vec::new() };
    let mut reasons = vec![at_the_peak(sweep, plan)];
    reasons.extend(limits::listed("the server as it is, by its log", &sweep.limits));
    if limits::reached(&sweep.limits, &sweep.levers).is_none() && sweep.limits.first().is_some_and(|limit| limit.headroom.low < SOON) {
        reasons.push(limits::help(&sweep.levers).replacen("What helps", "What helps against the first limit", 1));
    }
    reasons.extend(limits::listed(&format!("{} as simulated", plan.summary.plan.name), &plan.summary.limits));
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
    let times = match plan.response_times() {
        Some(times) => format!(
            "Response times: p95 {}, p99 {}, long-poll waiting excluded.",
            prose::milliseconds_range(times.p95),
            prose::milliseconds_range(times.p99)
        ),
        None if plan.is_stable() => {
            "How long requests take nobody can tell: the load is so near to what the plan carries that work piles up in some replications."
                .to_owned()
        }
        None => "Work piles up, so response times grow as long as the load lasts.".to_owned(),
    };
    format!("{busiest}{times} All processes together use {} cores.", prose::range(plan.summary.total_cores, 2))
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
            "The plan still meets the objective at {}× {}, the most that was simulated{}: the busiest process, {}, is then {} busy.",
            held.factor,
            sweep.growth_kind.amount(),
            extrapolated(held.factor),
            held.busiest,
            prose::percent(held.busy.value)
        )),
        (held, Some(failed)) => {
            let held = held.map_or_else(String::new, |held| format!("You can grow {}×. ", held.factor));
            let amount = sweep.growth_kind.amount();
            Some(format!("{held}First limit: at {}× {amount} {}{}.", failed.factor, failed.reason, extrapolated(failed.factor)))
        }
    }
}

fn uneven_pool(plan: &SimulatedPlan) -> Option<String> {
    let imbalance = plan.imbalance.as_ref().filter(|imbalance| imbalance.factor.value >= UNEVEN)?;
    let members = plan.summary.processes.iter().filter(|process| process.pool.as_ref() == Some(&imbalance.pool));
    let busiest = members.map(|process| process.peak.value).fold(0.0, f64::max);
    if busiest < ADVICE_CORES {
        return None;
    }
    Some(format!(
        "The pool {} is uneven: its busiest worker does {} times the mean. A worker of its own for the heaviest users, or a rule without a key, evens it out.",
        imbalance.pool,
        prose::range(imbalance.factor, 1)
    ))
}

fn sensitivity(sweep: &Sweep) -> Option<String> {
    let cases = &sweep.sensitivity;
    if cases.is_empty() {
        return None;
    }
    let (plan, recommended) = sweep.shown()?;
    let such = |meets: Meets| cases.iter().filter(move |case| case.meets == meets);
    let with = |cases: Vec<&StressCase>| list(&cases.iter().map(|case| format!("{} ({})", case.name, case.reason)).collect::<Vec<_>>());
    if !recommended {
        let met: Vec<&StressCase> = such(Meets::Yes).collect();
        let changes = !met.is_empty() && plan.summary.meets != Meets::Yes;
        return changes.then(|| format!("The estimate matters: with {} the plan meets the objective.", with(met)));
    }
    let (failing, doubtful): (Vec<_>, Vec<_>) = (such(Meets::No).collect(), such(Meets::Maybe).collect());
    if failing.is_empty() && doubtful.is_empty() {
        // Of a sweep that was interrupted some cases are missing.
        return (!sweep.partial).then(|| {
            "The verdict is the same with half and twice the CPU demand, and over the whole uncertainty of background CPU.".to_owned()
        });
    }
    let mut parts = Vec::new();
    if !failing.is_empty() {
        let is_enough = match plan.summary.workers {
            0 => "one process is not enough".to_owned(),
            1 => "1 worker is not enough".to_owned(),
            workers => format!("{workers} workers are not enough"),
        };
        parts.push(format!("with {} {is_enough}", with(failing)));
    }
    if !doubtful.is_empty() {
        let is_enough = match plan.summary.workers {
            0 => "one process may not be enough".to_owned(),
            1 => "1 worker may not be enough".to_owned(),
            workers => format!("{workers} workers may not be enough"),
        };
        parts.push(format!("with {} {is_enough}", with(doubtful)));
    }
    Some(format!("The estimate matters: {}.", parts.join("; ")))
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
        "Simulated: {}, {} to {}, {}; the first {:.0} s are not measured. Ranges join the 95 % interval over up to {} replications {} with the range of what goes in (CPU per request, CPU that no request line shows); seed {}.",
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
        assumptions.push(format!("Load × {}: {}, in the same time.", prose::factor(sweep.growth), sweep.growth_kind.description()));
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

/// A limit is near if the load may grow less than this.
const SOON: f64 = 2.0;
/// Busiest member over mean from which a pool is called uneven.
const UNEVEN: f64 = 1.3;
/// Growth beyond which a prediction is an extrapolation (the customary limit of capacity planning).
const EXTRAPOLATED: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::model::Sweep;
    use super::*;
    use wsim_plan::{Preset, PresetConfig};
    use wsim_stats::Interval;

    fn sweep(cases: &[(&str, Meets)], recommended: bool) -> Sweep {
        let monolith = Preset::find("monolith").unwrap().plan(0, &PresetConfig::default()).unwrap();
        let zero = Interval::exact(0.0);
        let case = |(name, meets): &(&str, Meets)| StressCase {
            name: (*name).to_owned(),
            factor: 1.0,
            meets: *meets,
            reason: "main is busy".to_owned(),
            busy: zero,
            busiest: "main".to_owned(),
            p95_ms: Some(zero),
            stable: true,
        };
        let sweep = fixture::sweep(vec![fixture::simulated(monolith, Meets::Yes, 0.0, 0.0)], recommended.then_some(0));
        Sweep { sensitivity: cases.iter().map(case).collect(), ..sweep }
    }

    #[test]
    fn a_verdict_is_the_same_only_if_every_case_meets_the_objective() {
        let same = sweep(&[("CPU demand × 2", Meets::Yes)], true);
        assert!(sensitivity(&same).unwrap().starts_with("The verdict is the same"));
        let interrupted = Sweep { partial: true, ..same };
        assert_eq!(sensitivity(&interrupted), None, "cases are missing");
        let doubtful = sensitivity(&sweep(&[("CPU demand × 0.5", Meets::Yes), ("CPU demand × 2", Meets::Maybe)], true)).unwrap();
        assert_eq!(doubtful, "The estimate matters: with CPU demand × 2 (main is busy) one process may not be enough.");
        let both = sensitivity(&sweep(&[("background CPU high", Meets::Maybe), ("CPU demand × 2", Meets::No)], true)).unwrap();
        assert!(both.contains("CPU demand × 2 (main is busy) one process is not enough; with background CPU high"), "{both}");
    }
}
