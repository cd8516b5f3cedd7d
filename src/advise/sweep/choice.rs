//! Judging candidates by the objective, and choosing among them.

use super::super::model::Meets;
use super::super::objective::Objective;
use super::super::words;
use super::digest::{Digest, difference};
use super::model::{Comparison, Simulated};
use wsim_stats::Interval;

/// One term of the objective held against a candidate.
struct Term {
    text: String,
    meets: Meets,
    /// Value over bound.
    margin: f64,
}

/// Sets whether the candidate meets the objective, why, and by how much.
pub(super) fn judge(candidate: &mut Simulated, objective: &Objective) {
    let terms = terms(candidate, objective);
    candidate.meets = terms.iter().map(|term| term.meets).max_by_key(|meets| rank(*meets)).unwrap_or(Meets::No);
    candidate.margin = terms.iter().map(|term| term.margin).fold(0.0, f64::max);
    let worst = candidate.meets;
    let said = terms.into_iter().filter(|term| worst == Meets::Yes || term.meets != Meets::Yes).map(|term| term.text);
    candidate.verdict = said.collect::<Vec<_>>().join("; ");
}

fn terms(candidate: &Simulated, objective: &Objective) -> Vec<Term> {
    let mut terms = Vec::new();
    if let Some(busiest) = candidate.busiest() {
        let worst = candidate.processes.iter().map(|process| process.peak.high).fold(0.0, f64::max);
        let meets = meets(Interval { high: worst.max(busiest.peak.value), ..busiest.peak }, objective.busy);
        let over = over(meets, &words::percent(objective.busy));
        let text = format!("{} {} busy{}{over}", name(&busiest.name), words::percent(busiest.peak.value), range(busiest.peak));
        terms.push(Term { text, meets, margin: busiest.peak.value / objective.busy });
    }
    for term in &objective.latencies {
        // A group that nobody asked for in the measured time was not late.
        let Some(value) = candidate.latency(term.group.as_deref(), term.statistic) else { continue };
        let meets = meets(value, term.below_ms);
        let what = term.group.as_deref().unwrap_or("work");
        let over = over(meets, &words::milliseconds(term.below_ms));
        let text = format!("{} {what} {}{over}", term.statistic.word(), words::milliseconds_range(value));
        terms.push(Term { text, meets, margin: value.value / term.below_ms });
    }
    terms
}

fn meets(value: Interval, below: f64) -> Meets {
    if value.high < below {
        Meets::Yes
    } else if value.value < below {
        Meets::Maybe
    } else {
        Meets::No
    }
}

fn over(meets: Meets, bound: &str) -> String {
    match meets {
        Meets::Yes => String::new(),
        Meets::Maybe => format!(", perhaps over {bound}"),
        Meets::No => format!(", over {bound}"),
    }
}

fn name(process: &str) -> &str {
    if process == "main" { "main process" } else { process }
}

/// ` (58-64)`, or nothing where it does not show.
fn range(share: Interval) -> String {
    words::percent_range(share).split_once(" (").map_or_else(String::new, |(_, range)| format!(" ({range}"))
}

fn rank(meets: Meets) -> u8 {
    match meets {
        Meets::Yes => 0,
        Meets::Maybe => 1,
        Meets::No => 2,
    }
}

/// Indices in the order in which plans would be chosen: those that meet first, then fewest workers, then quickest.
pub(super) fn order(candidates: &[Simulated]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&candidates[*a], &candidates[*b]);
        let key = |candidate: &Simulated| (rank(candidate.meets), if candidate.meets == Meets::No { 0 } else { candidate.workers });
        key(a).cmp(&key(b)).then(if a.meets == Meets::No {
            a.margin.total_cmp(&b.margin)
        } else {
            a.overall.mean.value.total_cmp(&b.overall.mean.value)
        })
    });
    order
}

/// The candidate that comes closest to the objective.
pub(super) fn closest(candidates: &[Simulated]) -> Option<usize> {
    order(candidates).first().copied()
}

/// The smallest plan that meets with its interval. Of equally many workers the quickest; of those that cannot be told from
/// it the one with the fewest pools, then the fewest cores.
pub(super) fn recommend(candidates: &[Simulated], digests: &[Vec<Digest>]) -> Option<usize> {
    let order = order(candidates);
    let best = *order.first().filter(|index| candidates[**index].meets == Meets::Yes)?;
    let equals: Vec<usize> = order
        .into_iter()
        .filter(|index| candidates[*index].meets == Meets::Yes && candidates[*index].workers == candidates[best].workers)
        .collect();
    let comparisons = equals.len().saturating_sub(1);
    let alike = |index: &usize| *index == best || compare(&digests[*index], &digests[best], comparisons).indistinguishable;
    let simplicity = |index: &usize| {
        let Simulated { plan, total_cores, .. } = &candidates[*index];
        (plan.pools.len() + plan.stream_writers.len(), total_cores.value)
    };
    equals.into_iter().filter(alike).min_by(|a, b| {
        let (a, b) = (simplicity(a), simplicity(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    })
}

/// The plan that would be chosen if the recommended one were not there.
pub(super) fn runner_up(candidates: &[Simulated], recommended: usize) -> Option<usize> {
    order(candidates).into_iter().find(|index| *index != recommended && candidates[*index].meets != Meets::No)
}

/// Paired differences; `comparisons` share the confidence out.
pub(super) fn compare(ours: &[Digest], theirs: &[Digest], comparisons: usize) -> Comparison {
    // Two figures decide, each counts as a comparison.
    let comparisons = comparisons.max(1) * 2;
    let mean_ms = finite(difference(ours, theirs, Digest::mean_ms, comparisons));
    let p95_ms = finite(difference(ours, theirs, Digest::p95_ms, comparisons));
    let busy = finite(difference(ours, theirs, Digest::busiest, comparisons));
    let holds_nought = |interval: Interval| interval.low <= 0.0 && interval.high >= 0.0;
    Comparison { mean_ms, p95_ms, busy, indistinguishable: holds_nought(mean_ms) && holds_nought(p95_ms) }
}

/// A single pair says nothing about the spread: an interval that is endless becomes one that holds nought.
fn finite(interval: Interval) -> Interval {
    let Interval { value, low, high } = interval;
    let bound = value.abs() * 2.0;
    Interval { value, low: if low.is_finite() { low } else { -bound }, high: if high.is_finite() { high } else { bound } }
}
