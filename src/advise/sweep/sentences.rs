//! What a sweep says in sentences: the verdict first, then what an administrator can act on.

use super::super::model::Meets;
use super::super::words;
use super::model::{Case, Comparison, Simulated, Sweep};

/// Writes verdict, reasons and assumptions. `notes` are those of the preparation.
pub(super) fn write(sweep: &mut Sweep, notes: &[String]) {
    sweep.verdict = verdict(sweep);
    sweep.reasons = reasons(sweep);
    sweep.assumptions = assumptions(sweep, notes);
}

fn verdict(sweep: &Sweep) -> String {
    match sweep.shown() {
        Some((candidate, true)) if candidate.workers == 0 => {
            format!("Stay with one process: it keeps to {} at the {} peak.", sweep.objective, peak(sweep))
        }
        Some((candidate, true)) => {
            format!("{} ({}), {}, keeps to {}.", capital(&setup(candidate)), candidate.plan.name, rules(candidate), sweep.objective)
        }
        Some((candidate, false)) if candidate.meets == Meets::Maybe => format!(
            "No simulated plan keeps to {} for certain; the nearest, {} ({}), does at the best estimate.",
            sweep.objective,
            candidate.plan.name,
            setup(candidate)
        ),
        Some((candidate, false)) => format!(
            "No simulated plan keeps to {}; the nearest is {} ({}): {}.",
            sweep.objective,
            candidate.plan.name,
            setup(candidate),
            candidate.verdict
        ),
        None => "Nothing was simulated.".to_owned(),
    }
}

fn reasons(sweep: &Sweep) -> Vec<String> {
    let Some((candidate, recommended)) = sweep.shown() else { return Vec::new() };
    let mut reasons = vec![load(sweep, candidate)];
    if recommended {
        reasons.extend(smaller(sweep, candidate));
        reasons.extend(sweep.runner_up.and_then(|index| sweep.candidates.get(index)).zip(sweep.comparison).map(versus));
        reasons.extend(growing(sweep));
    }
    reasons.extend(uneven(candidate));
    reasons.extend(sensitive(sweep));
    reasons.extend(refused(candidate));
    reasons.extend(hopeless(sweep));
    reasons
}

/// `At the Monday … peak the busiest process, sync1, is 61 % busy (58-64); 95 of 100 requests are answered within 120 ms (…)`.
fn load(sweep: &Sweep, candidate: &Simulated) -> String {
    let busiest = candidate.busiest().map_or_else(String::new, |process| {
        format!("the busiest process, {}, is {} busy{}; ", process.name, words::percent(process.peak.value), range(process.peak))
    });
    format!(
        "At the {} peak {busiest}95 of 100 requests are answered within {} of work, 99 within {}; all processes together use {} cores.",
        peak(sweep),
        words::milliseconds_range(candidate.overall.p95),
        words::milliseconds_range(candidate.overall.p99),
        words::range(candidate.total_cores, 2)
    )
}

/// Why not fewer workers.
fn smaller(sweep: &Sweep, candidate: &Simulated) -> Option<String> {
    let fewer = |other: &&Simulated| other.workers < candidate.workers;
    let best = sweep.candidates.iter().filter(fewer).min_by(|a, b| a.margin.total_cmp(&b.margin));
    match best {
        Some(best) => {
            Some(format!("Fewer workers do not suffice: the best of them, {} ({}), has {}.", best.plan.name, setup(best), best.verdict))
        }
        None => sweep
            .discarded
            .iter()
            .find(|other| other.workers < candidate.workers && other.why.starts_with("hopeless"))
            .map(|other| format!("Fewer workers do not suffice: {} is {}.", other.plan, other.why)),
    }
}

fn versus((other, comparison): (&Simulated, Comparison)) -> String {
    let Comparison { mean_ms, p95_ms, indistinguishable, .. } = comparison;
    let name = format!("{} ({})", other.plan.name, setup(other));
    if indistinguishable {
        return format!(
            "Runner-up: {name}. On the same traffic the two are indistinguishable in latency; choose the one that is easier to run."
        );
    }
    let word = |ms: f64| if ms < 0.0 { "shorter" } else { "longer" };
    format!(
        "Runner-up: {name}. On the same traffic the recommended plan's mean is {} {} and its p95 {} {}{}.",
        words::milliseconds(mean_ms.value.abs()),
        word(mean_ms.value),
        words::milliseconds(p95_ms.value.abs()),
        word(p95_ms.value),
        if mean_ms.value > 0.0 { "; it is recommended because it is smaller or simpler" } else { "" }
    )
}

/// What breaks first.
fn growing(sweep: &Sweep) -> Option<String> {
    let steps = &sweep.growth_steps;
    let held = steps.iter().take_while(|case| case.meets == Meets::Yes).last();
    let broken = steps.iter().find(|case| case.meets == Meets::No).or_else(|| steps.iter().find(|case| case.meets == Meets::Maybe));
    let until = held.map_or_else(String::new, |case| format!("it holds at {} times this load; ", case.factor));
    let extrapolated =
        |factor: f64| if factor * sweep.growth > EXTRAPOLATED { " (beyond twice what was observed: an extrapolation)" } else { "" };
    match (held, broken) {
        (_, Some(case)) => Some(format!(
            "What breaks first when load grows: {until}at {} times {}{}.",
            case.factor,
            case.verdict,
            extrapolated(case.factor)
        )),
        (Some(held), None) => Some(format!(
            "It still holds at {} times this load, as far as was simulated{}; there the busiest process, {}, is {} busy.",
            held.factor,
            extrapolated(held.factor),
            held.busiest,
            words::percent(held.busy.value)
        )),
        (None, None) => None,
    }
}

fn uneven(candidate: &Simulated) -> Option<String> {
    let imbalance = candidate.imbalance.as_ref().filter(|imbalance| imbalance.factor.value >= UNEVEN)?;
    Some(format!(
        "The pool {} is uneven: its busiest worker does {} times the mean. A worker of its own for the heaviest users, or a rule that does not hash, evens it out.",
        imbalance.pool,
        words::range(imbalance.factor, 1)
    ))
}

fn sensitive(sweep: &Sweep) -> Option<String> {
    let fails: Vec<&Case> = sweep.sensitivity.iter().filter(|case| case.meets == Meets::No).collect();
    if sweep.sensitivity.is_empty() {
        return None;
    }
    if fails.is_empty() {
        return Some(
            "The answer stands with half and twice the CPU demand, and over the range of the CPU that no request line shows.".to_owned(),
        );
    }
    sweep.recommended?;
    let said: Vec<String> = fails.iter().map(|case| format!("with {} ({})", case.name, case.verdict)).collect();
    Some(format!("The answer turns {}.", words::list(&said)))
}

fn refused(candidate: &Simulated) -> Option<String> {
    (candidate.refused_share > 0.0).then(|| format!("The proxy refuses {} of all requests.", words::percent(candidate.refused_share)))
}

fn hopeless(sweep: &Sweep) -> Option<String> {
    let out: Vec<_> = sweep.discarded.iter().filter(|one| one.why.starts_with("hopeless")).collect();
    let first = out.first()?;
    Some(format!("{} plans were not worth simulating, {} for one: {}.", out.len(), first.plan, first.why))
}

fn assumptions(sweep: &Sweep, notes: &[String]) -> Vec<String> {
    let capped = sweep.candidates.iter().filter(|candidate| candidate.capped).count();
    let mut list = vec![format!(
        "Simulated: {}, {} to {}, {} requests, the first {:.0} s not measured; 95 % intervals over up to {} replications {}; seed {}.",
        sweep.window_note,
        words::instant(sweep.window.start_us),
        words::instant(sweep.window.end_us),
        sweep.requests,
        sweep.warm_up_seconds,
        sweep.replications,
        if sweep.resampled { "that resample users" } else { "of the observed users" },
        sweep.seed
    )];
    if (sweep.growth - 1.0).abs() > 1e-9 {
        list.push(format!("Load × {}: users were cloned, the clock was not touched.", words::factor(sweep.growth)));
    }
    if sweep.growth > EXTRAPOLATED {
        list.push("The load is more than twice what was observed: an extrapolation that no log backs.".to_owned());
    }
    if capped > 0 {
        list.push(format!(
            "For {capped} of {} candidates the number of replications and not the width of the intervals ended the runs (wanted: 5 % of the mean, 10 % of p95); --replications raises it.",
            sweep.candidates.len()
        ));
    }
    if sweep.candidates.iter().any(|candidate| candidate.extrapolated_share > 0.0) {
        list.push("Some transactions ran at a database concurrency that the log never shows: their times are extrapolated.".to_owned());
    }
    list.extend(notes.iter().cloned());
    list
}

/// `main process and 3 workers`.
fn setup(candidate: &Simulated) -> String {
    if candidate.workers == 0 { "main process only".to_owned() } else { format!("main process and {}", words::workers(candidate.workers)) }
}

fn rules(candidate: &Simulated) -> String {
    let keys: std::collections::BTreeSet<&str> = candidate.plan.pools.iter().filter_map(|pool| pool.key.as_deref()).collect();
    if keys.is_empty() {
        return candidate.balance.clone();
    }
    format!("keyed by {}", words::list(&keys.into_iter().map(str::to_owned).collect::<Vec<_>>()))
}

fn peak(sweep: &Sweep) -> String {
    words::weekday_instant(sweep.peak.start_us)
}

fn range(share: wsim_stats::Interval) -> String {
    words::percent_range(share).split_once(" (").map_or_else(String::new, |(_, range)| format!(" ({range}"))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Busiest over mean from which a pool is worth a sentence.
const UNEVEN: f64 = 1.3;
/// Growth beyond which a prediction is an extrapolation (the customary limit of capacity planning).
const EXTRAPOLATED: f64 = 2.0;
