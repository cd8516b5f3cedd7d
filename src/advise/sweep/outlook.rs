//! What the replications so far say of a plan: whether it meets the objective, and whether more of them could say otherwise.
//!
//! A plan meets the objective with the upper end of each figure's interval. That end has a part that replications narrow and a part that they do
//! not: the range of the inputs and the error of the model. So where the end will be after the last replication is estimated, with its standard error,
//! and a plan is decided once that estimate is further from the limit than its error. Replications of a decided plan cannot change the answer
//! (feasibility determination: Szechtman and Yücesan, "A new perspective on feasibility determination", 2008).

use super::super::model::Meets;
use super::super::objective::{Objective, Statistic};
use super::model::SimulatedPlan;
use super::narrowing::Spread;
use super::run_summary::RunSummary;
use wsim_stats::Interval;

/// Whether a plan meets the objective, as far as more replications could tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It does, and more replications will hardly say otherwise.
    Meets,
    /// More replications may decide it.
    Open,
    /// It does not for certain, and more replications will hardly say otherwise.
    Misses,
}

/// The outlook of a judged plan over its runs, of which there may be `most`.
pub(super) fn outlook(plan: &SimulatedPlan, runs: &[RunSummary], objective: &Objective, group_ids: &[String], most: u32) -> Outlook {
    if !plan.is_stable() {
        return Outlook::Misses;
    }
    let figures = figures(plan, runs, objective, group_ids);
    let worst = figures.iter().map(|figure| figure.outlook(most)).max_by_key(|outlook| *outlook as u8);
    match worst.unwrap_or(Outlook::Meets) {
        // Work piles up in some runs: others may not have that.
        Outlook::Meets if plan.summary.meets != Meets::Yes => Outlook::Open,
        worst => worst,
    }
}

/// A figure that the objective limits.
#[derive(Debug, Clone, Copy)]
struct LimitedFigure {
    /// Value and upper end over the limit.
    value: f64,
    high: f64,
    spread: Spread,
}

impl LimitedFigure {
    fn new(judged: Interval, limit: f64, of_runs: impl Iterator<Item = f64>) -> Self {
        let logarithms: Vec<f64> = of_runs.map(|value| (value / limit).max(NEGLIGIBLE).ln()).collect();
        Self { value: judged.value / limit, high: judged.high / limit, spread: Spread::of(&logarithms) }
    }

    fn outlook(&self, most: u32) -> Outlook {
        let Self { value, high, spread } = *self;
        let Spread { deviation, runs } = spread;
        let n = runs as f64;
        if runs >= most as usize || value <= 0.0 {
            return if high < 1.0 { Outlook::Meets } else { Outlook::Misses };
        }
        if !deviation.is_finite() {
            return Outlook::Open;
        }
        let noise_then = spread.half_width_of(most);
        let whole_then = spread.whole_then((high / value).ln().max(0.0), most);
        let end_then = value.ln() + whole_then;
        // The end depends on the deviation by the share that the noise has in the whole.
        let by_deviation = if whole_then > 0.0 { noise_then * noise_then / whole_then } else { 0.0 };
        let error = (deviation * deviation / n + by_deviation * by_deviation / (2.0 * (n - 1.0).max(1.0))).sqrt();
        if end_then > DECIDED * error && high >= 1.0 || end_then >= 0.0 && error == 0.0 {
            Outlook::Misses
        } else if end_then < -DECIDED * error && high < 1.0 {
            Outlook::Meets
        } else {
            Outlook::Open
        }
    }
}

fn figures(plan: &SimulatedPlan, runs: &[RunSummary], objective: &Objective, group_ids: &[String]) -> Vec<LimitedFigure> {
    let processes = || plan.summary.processes.iter().enumerate();
    let busy = processes()
        .map(|(index, process)| LimitedFigure::new(process.peak, objective.busy, runs.iter().filter_map(move |run| run.peak_of(index))));
    let connections = processes().filter(|_| objective.connections < 1.0).filter_map(|(index, process)| {
        let of_runs = runs.iter().filter_map(move |run| run.connections_of(index));
        Some(LimitedFigure::new(process.connections?, objective.connections, of_runs))
    });
    let latencies = objective.latencies.iter().filter_map(|term| {
        let judged = plan.latency(term.group.as_deref(), term.statistic)?;
        let index = term.group.as_deref().map(|group| group_ids.iter().position(|id| id == group));
        let number = statistic_index(term.statistic);
        let of_run = move |run: &RunSummary| match index {
            None => Some(run.overall_ms()[number]),
            Some(group) => Some(run.group_ms(group?)?[number]),
        };
        Some(LimitedFigure::new(judged, term.below_ms, runs.iter().filter_map(of_run)))
    });
    busy.chain(connections).chain(latencies).collect()
}

/// The place of a statistic among those of a run.
fn statistic_index(statistic: Statistic) -> usize {
    match statistic {
        Statistic::Mean => 0,
        Statistic::P50 => 1,
        Statistic::P95 => 2,
        Statistic::P99 => 3,
    }
}

/// Values below this share of the limit count as that: how they differ says nothing about reaching it.
const NEGLIGIBLE: f64 = 0.01;
/// Standard errors from a limit at which a plan is decided: one decision in forty is wrong.
const DECIDED: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A figure of `runs` runs with this mean over its limit and deviation, and a range of other causes.
    fn figure(mean: f64, deviation: f64, other: f64, runs: usize) -> LimitedFigure {
        let spread = Spread { deviation, runs };
        LimitedFigure { value: mean, high: mean * spread.half_width().hypot(other).exp(), spread }
    }

    #[test]
    fn a_figure_is_decided_where_more_runs_can_hardly_change_the_answer() {
        assert_eq!(figure(0.3, 0.1, 0.0, 4).outlook(40), Outlook::Meets);
        assert_eq!(figure(1.4, 0.1, 0.0, 4).outlook(40), Outlook::Misses);
        // With four runs the end is at 0.75 · exp(3.56 · 0.1) = 1.07, with forty at 0.75 · exp(2.05 · 0.1) = 0.92.
        let near = figure(0.75, 0.1, 0.0, 4);
        assert!(near.high > 1.0);
        assert_eq!(near.outlook(40), Outlook::Open);
        assert_eq!(figure(0.75, 0.1, 0.0, 24).outlook(40), Outlook::Meets);
        // What inputs and model leave open, no number of runs will tell.
        assert_eq!(figure(0.9, 0.02, 0.4, 4).outlook(40), Outlook::Misses);
        assert_eq!(figure(0.99, 0.0, 0.0, 4).outlook(40), Outlook::Meets);
        assert_eq!(figure(1.0, 0.0, 0.0, 4).outlook(40), Outlook::Misses, "a limit is exclusive");
    }

    #[test]
    fn the_last_replication_decides() {
        for (runs, most) in [(4, 4), (40, 40)] {
            let at_the_edge = figure(0.8, 0.1, 0.0, runs);
            assert_eq!(at_the_edge.outlook(most), if at_the_edge.high < 1.0 { Outlook::Meets } else { Outlook::Misses });
        }
        let one = LimitedFigure::new(Interval::exact(0.5), 1.0, [0.5].into_iter());
        assert_eq!((one.outlook(1), one.outlook(2)), (Outlook::Meets, Outlook::Open), "one run shows no spread");
    }
}
