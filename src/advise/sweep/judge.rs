//! Compares simulated plans with the objective, and chooses among them.

use super::super::model::{Meets, PlanSummary, order_of_choice};
use super::super::objective::Objective;
use super::super::words;
use super::model::{Comparison, SimulatedPlan};
use super::run_summary::{RunSummary, difference};
use wsim_simulate::replications::LatencyFigures;
use wsim_stats::Interval;
use wsim_text::prose;

/// One term of the objective compared with a plan.
struct JudgedTerm {
    text: String,
    meets: Meets,
    /// Value over limit.
    margin: f64,
}

/// Sets whether the plan meets the objective, why, and by how much.
pub(super) fn judge(plan: &mut SimulatedPlan, objective: &Objective) {
    let terms = terms(plan, objective);
    let worst = terms.iter().map(|term| term.meets).max().unwrap_or(Meets::No);
    plan.summary.meets = worst;
    plan.summary.margin = terms.iter().map(|term| term.margin).fold(0.0, f64::max);
    let reasons = terms.into_iter().filter(|term| worst == Meets::Yes || term.meets != Meets::Yes).map(|term| term.text);
    plan.summary.reason = reasons.collect::<Vec<_>>().join("; ");
}

fn terms(plan: &SimulatedPlan, objective: &Objective) -> Vec<JudgedTerm> {
    let mut terms = Vec::new();
    if let Some(busiest) = plan.summary.busiest() {
        let meets = Meets::busy(&plan.summary.processes, objective.busy);
        let text =
            format!("{} is {}{}", words::the_process(busiest), words::busy_share(busiest), over(meets, &prose::percent(objective.busy)));
        terms.push(JudgedTerm { text, meets, margin: busiest.peak.value / objective.busy });
    }
    for term in &objective.latencies {
        // A group without requests in the measured time cannot be late.
        let Some(value) = plan.latency(term.group.as_deref(), term.statistic) else { continue };
        let meets = Meets::limit(value, term.below_ms);
        let subject = term.group.as_deref().unwrap_or("work");
        let over = over(meets, &prose::milliseconds(term.below_ms));
        let text = format!("{} {subject} is {}{over}", term.statistic.word(), prose::milliseconds_range(value));
        terms.push(JudgedTerm { text, meets, margin: value.value / term.below_ms });
    }
    terms
}

fn over(meets: Meets, limit: &str) -> String {
    match meets {
        Meets::Yes => String::new(),
        Meets::Maybe => format!(", perhaps over {limit}"),
        Meets::No => format!(", over {limit}"),
    }
}

/// Indices in the order in which plans would be chosen; the first is the closest to the objective.
pub(super) fn order(plans: &[SimulatedPlan]) -> Vec<usize> {
    let summaries: Vec<(&PlanSummary, f64)> = plans.iter().map(|plan| (&plan.summary, plan.overall.mean.value)).collect();
    order_of_choice(&summaries)
}

/// The smallest plan that meets the objective with its interval. Of equally many workers the fastest; of those that cannot be
/// distinguished from it the one with the fewest pools, then the fewest cores.
pub(super) fn recommend(plans: &[SimulatedPlan], runs: &[&[RunSummary]]) -> Option<usize> {
    let meets = |index: &usize| plans[*index].summary.meets == Meets::Yes;
    let order = order(plans);
    let best = *order.first().filter(|index| meets(index))?;
    let equals: Vec<usize> =
        order.into_iter().filter(|index| meets(index) && plans[*index].summary.workers == plans[best].summary.workers).collect();
    let comparisons = equals.len().saturating_sub(1);
    let alike = |index: &usize| *index == best || compare(runs[*index], runs[best], comparisons).indistinguishable;
    let simplicity = |index: &usize| {
        let PlanSummary { plan, total_cores, .. } = &plans[*index].summary;
        (plan.pools.len() + plan.stream_writers.len(), total_cores.value)
    };
    equals.into_iter().filter(alike).min_by(|a, b| {
        let (a, b) = (simplicity(a), simplicity(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    })
}

/// The next plan in [`order`] that meets the objective or may meet it.
pub(super) fn runner_up(plans: &[SimulatedPlan], recommended: usize) -> Option<usize> {
    order(plans).into_iter().find(|index| *index != recommended && plans[*index].summary.meets != Meets::No)
}

/// Paired differences. The permitted error is divided among twice the `comparisons`, because two figures decide each.
pub(super) fn compare(plan: &[RunSummary], baseline: &[RunSummary], comparisons: usize) -> Comparison {
    // Two figures decide, each counts as a comparison.
    let comparisons = comparisons.max(1) * 2;
    let mean_ms = finite(difference(plan, baseline, LatencyFigures::mean_ms, comparisons));
    let p95_ms = finite(difference(plan, baseline, LatencyFigures::p95_ms, comparisons));
    let busy = finite(difference(plan, baseline, RunSummary::highest_peak, comparisons));
    let contains_zero = |interval: Interval| interval.low <= 0.0 && interval.high >= 0.0;
    Comparison { mean_ms, p95_ms, busy, indistinguishable: contains_zero(mean_ms) && contains_zero(p95_ms) }
}

/// A single pair says nothing about the spread: an infinite interval becomes a finite one that contains zero.
fn finite(interval: Interval) -> Interval {
    let Interval { value, low, high } = interval;
    let bound = value.abs() * 2.0;
    Interval { value, low: if low.is_finite() { low } else { -bound }, high: if high.is_finite() { high } else { bound } }
}
