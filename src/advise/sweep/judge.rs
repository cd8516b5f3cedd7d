//! Compares simulated plans with the objective, and chooses among them.

use super::super::client_keys::has_client_key;
use super::super::limits;
use super::super::limits::LimitInputs;
use super::super::model::{Meets, PlanSummary, busiest_connections, order_of_choice};
use super::super::objective::Objective;
use super::super::words;
use super::model::{Comparison, SimulatedPlan};
use super::run_summary::{RunSummary, difference};
use wsim_simulate::replications::LatencyFigures;
use wsim_stats::Interval;
use wsim_text::prose;

/// Plans whose work piles up come after all others that do not meet the objective.
const UNSTABLE_MARGIN: f64 = 1e3;

/// One term of the objective compared with a plan.
struct JudgedTerm {
    text: String,
    meets: Meets,
    /// Value over limit.
    margin: f64,
}

/// Sets whether the plan meets the objective, why, and by how much. A pool of connections is full as much sooner than its mean as by the
/// waits in the log: simulated transactions come less bunched than real ones. `peak_cores` are those of all processes at the observed load.
pub(super) fn judge(plan: &mut SimulatedPlan, peak_cores: Interval, inputs: &LimitInputs<'_>) {
    let (objective, burst) = (inputs.objective, inputs.pool.burst);
    for share in plan.summary.processes.iter_mut().filter_map(|process| process.connections.as_mut()) {
        let by_log = (share.low * burst).min(1.0);
        *share = Interval::new(share.value.max(by_log), share.low, share.high.max(by_log));
    }
    plan.summary.limits = limits::of_plan(&plan.summary.plan, &plan.summary.processes, peak_cores, inputs);
    let terms = terms(plan, objective);
    let worst = terms.iter().map(|term| term.meets).max().unwrap_or(Meets::No);
    plan.summary.meets = worst;
    plan.summary.margin = terms.iter().map(|term| term.margin).fold(0.0, f64::max);
    let reasons = terms.into_iter().filter(|term| worst == Meets::Yes || term.meets != Meets::Yes).map(|term| term.text);
    plan.summary.reason = reasons.collect::<Vec<_>>().join("; ");
}

fn terms(plan: &SimulatedPlan, objective: &Objective) -> Vec<JudgedTerm> {
    let mut terms = Vec::new();
    // Work that piles up fails whatever the objective says, and its response times are those of the run's length.
    if let Some(unstable) = &plan.unstable {
        let (meets, margin) = if unstable.is_certain { (Meets::No, UNSTABLE_MARGIN) } else { (Meets::Maybe, 1.0) };
        terms.push(JudgedTerm { text: unstable.text(), meets, margin });
    }
    if let Some(busiest) = plan.summary.busiest() {
        let meets = Meets::busy(&plan.summary.processes, objective.busy);
        let text =
            format!("{} is {}{}", words::the_process(busiest), words::busy_share(busiest), over(meets, &prose::percent(objective.busy)));
        terms.push(JudgedTerm { text, meets, margin: busiest.peak.value / objective.busy });
    }
    if let Some((process, share)) = busiest_connections(&plan.summary.processes).filter(|_| objective.connections < 1.0) {
        let meets = Meets::connections(&plan.summary.processes, objective.connections);
        // Connections that are far from their limit are not worth a word.
        if meets != Meets::Yes {
            let over = over(meets, &prose::percent(objective.connections));
            let text = format!("{}{over}", words::connections_of(process, share));
            terms.push(JudgedTerm { text, meets, margin: share.value / objective.connections });
        }
    }
    let latencies = objective.latencies.iter().filter(|_| plan.is_stable());
    for term in latencies {
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
/// distinguished from it, or hardly differ, the one with the fewest pools, then the fewest cores. A plan that is keyed by what clients write is
/// chosen only where no other is enough.
pub(super) fn recommend(plans: &[SimulatedPlan], runs: &[&[RunSummary]]) -> Option<usize> {
    let meets = |index: &usize| plans[*index].summary.meets == Meets::Yes;
    let order = order(plans);
    let workers = plans[*order.first().filter(|index| meets(index))?].summary.workers;
    let mut equals: Vec<usize> = order.into_iter().filter(|index| meets(index) && plans[*index].summary.workers == workers).collect();
    // What clients write may fall on a ring by luck, so such a plan is chosen only where no other is enough.
    if equals.iter().any(|index| !has_client_key(&plans[*index].summary.plan)) {
        equals.retain(|index| !has_client_key(&plans[*index].summary.plan));
    }
    let best = *equals.first()?;
    let comparisons = equals.len().saturating_sub(1);
    let near = |difference: Interval, value: Interval| difference.value.abs() <= NEAR_TIE * value.value;
    let alike = |index: &usize| {
        let compared = compare(runs[*index], runs[best], comparisons);
        let overall = &plans[best].overall;
        *index == best || compared.indistinguishable || near(compared.mean_ms, overall.mean) && near(compared.p95_ms, overall.p95)
    };
    let simplicity = |index: &usize| {
        let PlanSummary { plan, total_cores, .. } = &plans[*index].summary;
        (plan.pools.len() + plan.stream_writers.len(), total_cores.value)
    };
    equals.into_iter().filter(alike).min_by(|a, b| {
        let (a, b) = (simplicity(a), simplicity(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    })
}

/// Whether it is open which of two plans with equally many workers would be chosen: their paired differences neither stay within what hardly
/// matters nor beyond it.
pub(super) fn is_close_call(plans: &[SimulatedPlan], runs: &[&[RunSummary]], index: usize, recommended: usize) -> bool {
    let compared = compare(runs[index], runs[recommended], 1);
    let overall = &plans[recommended].overall;
    let is_open = |difference: Interval, value: Interval| {
        let bound = NEAR_TIE * value.value;
        [-bound, bound].iter().any(|edge| (difference.low..=difference.high).contains(edge))
    };
    is_open(compared.mean_ms, overall.mean) || is_open(compared.p95_ms, overall.p95)
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

/// Response times that differ by less than this share are a near tie: another log of the same server would differ by more.
const NEAR_TIE: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::super::fixture::simulated;
    use super::*;
    use wsim_plan::{Preset, PresetConfig};

    /// Which of some standard plans with two workers is recommended, by their mean response times, ms, in four replications that differ by
    /// `noise` from each other; the 95th percentile is four times the mean.
    fn chosen(plans: &[(&str, f64)], noise: f64) -> String {
        let runs = |mean: f64, phase: usize| -> Vec<RunSummary> {
            (0..4)
                .map(|run| mean * (1.0 + noise * [0.0, 1.0, -1.0, 0.5][(run + phase) % 4]))
                .map(|ms| RunSummary::with_times(ms, 4.0 * ms))
                .collect()
        };
        let all: Vec<Vec<RunSummary>> = plans.iter().enumerate().map(|(phase, (_, mean))| runs(*mean, phase)).collect();
        let simulated: Vec<SimulatedPlan> = plans
            .iter()
            .map(|(name, mean)| {
                let plan = Preset::find(name).unwrap().plan(2, &PresetConfig::default()).unwrap();
                simulated(plan, Meets::Yes, *mean, 4.0 * mean)
            })
            .collect();
        let runs: Vec<&[RunSummary]> = all.iter().map(Vec::as_slice).collect();
        let index = recommend(&simulated, &runs).unwrap();
        simulated[index].summary.plan.name.clone()
    }

    #[test]
    fn of_plans_that_hardly_differ_the_simplest_is_recommended() {
        // Two pools against one, 5 % faster without any noise: another log would differ by more.
        assert_eq!(chosen(&[("initial-sync-apart", 100.0), ("sync-split", 105.0)], 0.0), "sync-split 2");
        assert_eq!(chosen(&[("sync-split", 105.0), ("initial-sync-apart", 100.0)], 0.0), "sync-split 2");
        // A fifth is worth a pool.
        assert_eq!(chosen(&[("initial-sync-apart", 100.0), ("sync-split", 125.0)], 0.0), "initial-sync-apart 2");
        // Unless nobody can tell it from noise.
        assert_eq!(chosen(&[("initial-sync-apart", 100.0), ("sync-split", 125.0)], 0.6), "sync-split 2");
    }

    #[test]
    fn a_plan_that_is_keyed_by_what_clients_write_is_chosen_only_where_no_other_is_enough() {
        assert_eq!(chosen(&[("mdad-generic", 50.0), ("sync-split", 100.0)], 0.0), "sync-split 2");
        assert_eq!(chosen(&[("mdad-generic", 50.0)], 0.0), "mdad-generic 2");
    }
}
