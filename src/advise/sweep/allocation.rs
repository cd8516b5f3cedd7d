//! Which candidates get further replications: those that can change the answer, and those that are shown with it.
//!
//! - Every candidate gets a first look of a few replications.
//! - A plan that is still open gets more, unless a smaller one is decided to meet the objective: the smallest such plan is recommended, so nothing
//!   larger can change the answer. Plans that are decided get none.
//! - The plan that would be recommended now, what may be as good with as many workers, the best plan with fewer, and the runner-up get as many as a
//!   report needs: their intervals are read one beside the other. Where the range of the inputs makes them wide, fewer replications are enough ([`narrowing`]).
//!
//! This is optimal computing budget allocation in its simplest form (Chen and Lee, "Stochastic Simulation Optimization", 2011): replications in
//! small batches to where mean and limit are close for the noise, on common random numbers. All candidates have replications 1, 2, 3 … in this
//! order, so any two are compared on those that both have.

use super::super::model::Meets;
use super::judge;
use super::model::SimulatedPlan;
use super::narrowing;
use super::outlook::Outlook;
use super::run_summary::RunSummary;
use wsim_simulate::replications::{REPLICATIONS_ENOUGH, ReplicationConfig};

/// Replications that every candidate gets: all of them where their number is fixed.
pub(super) fn first_look(config: &ReplicationConfig) -> u32 {
    let first = config.first_batch();
    if config.first >= config.most { first } else { first.min(FIRST_LOOK) }
}

/// The candidates that shall have more replications, by index, and how many in all; none if the answer is there.
pub(super) fn next(plans: &[SimulatedPlan], runs: &[&[RunSummary]], outlooks: &[Outlook], config: &ReplicationConfig) -> Vec<(usize, u32)> {
    let workers = |index: usize| plans[index].summary.workers;
    let enough = (0..plans.len()).filter(|index| outlooks[*index] == Outlook::Meets).map(workers).min().unwrap_or(u32::MAX);
    let mut open: Vec<usize> = (0..plans.len()).filter(|index| outlooks[*index] == Outlook::Open && workers(*index) <= enough).collect();
    open.sort_by(|a, b| workers(*a).cmp(&workers(*b)).then(plans[*a].summary.margin.total_cmp(&plans[*b].summary.margin)));
    open.truncate(TOGETHER);
    let is_wanted = |index: &usize| {
        let runs = runs[*index];
        let is_narrower_with_more = || narrowing::gain(&plans[*index], runs, enough_replications()) > WORTHWHILE;
        runs.len() < config.first_batch() as usize || !config.has_converged(runs) && is_narrower_with_more()
    };
    let mut chosen: Vec<usize> = finalists(plans, runs).into_iter().filter(is_wanted).chain(open).collect();
    chosen.sort_unstable();
    chosen.dedup();
    let count = |index: usize| u32::try_from(runs[index].len()).unwrap_or(u32::MAX);
    chosen.retain(|index| count(*index) < config.most);
    chosen.into_iter().map(|index| (index, next_count(count(index), config))).collect()
}

/// The [neighbourhood](neighbours) of the answer, and plans of as many workers that are hard to tell from the recommended one.
fn finalists(plans: &[SimulatedPlan], runs: &[&[RunSummary]]) -> Vec<usize> {
    let mut chosen = neighbours(plans, runs);
    if let Some(recommended) = judge::recommend(plans, runs) {
        let workers = plans[recommended].summary.workers;
        let equal = judge::order(plans).into_iter().filter(|index| {
            let plan = &plans[*index].summary;
            *index != recommended && plan.workers == workers && plan.meets == Meets::Yes
        });
        chosen.extend(equal.filter(|index| judge::is_close_call(plans, runs, *index, recommended)).take(RIVALS));
        chosen.sort_unstable();
        chosen.dedup();
    }
    chosen
}

/// The plan that would be recommended now, the best one with fewer workers, and the runner-up. Without a plan that meets the objective: the closest to
/// it.
pub(super) fn neighbours(plans: &[SimulatedPlan], runs: &[&[RunSummary]]) -> Vec<usize> {
    let Some(recommended) = judge::recommend(plans, runs) else {
        return judge::order(plans).into_iter().take(CLOSEST).collect();
    };
    let workers = plans[recommended].summary.workers;
    let smaller = (0..plans.len()).filter(|index| plans[*index].summary.workers < workers);
    let smaller = smaller.min_by(|a, b| plans[*a].summary.margin.total_cmp(&plans[*b].summary.margin));
    let mut chosen: Vec<usize> = [Some(recommended), smaller, judge::runner_up(plans, recommended)].into_iter().flatten().collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// The number after `count`: the configured first batch, then what is enough for parameters, then half as many again.
fn next_count(count: u32, config: &ReplicationConfig) -> u32 {
    let enough = enough_replications();
    let next = if count < config.first_batch() {
        config.first_batch()
    } else if count < enough {
        enough
    } else {
        count + count / 2
    };
    next.min(config.most)
}

fn enough_replications() -> u32 {
    u32::try_from(REPLICATIONS_ENOUGH).unwrap_or(u32::MAX)
}

/// Intervals that all further replications together would narrow by less are shown as they are.
const WORTHWHILE: f64 = 1.02;
/// Replications after which it shows what is in question.
const FIRST_LOOK: u32 = 4;
/// Open plans that get replications at a time; others follow when these are decided.
const TOGETHER: usize = 4;
/// Plans of as many workers as the recommended one that get replications because they are hard to tell from it.
const RIVALS: usize = 2;
/// Plans that are shown where none meets the objective.
const CLOSEST: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::fixture::simulated;
    use super::*;
    use crate::model::Meets as Verdict;
    use wsim_plan::{Preset, PresetConfig};

    /// Plans with these workers, verdicts and outlooks, each with so many runs that differ by a tenth.
    fn wanted(plans: &[(u32, Verdict, Outlook, usize)]) -> Vec<(usize, u32)> {
        let plan =
            |workers| Preset::find(if workers == 0 { "monolith" } else { "sync-split" }).unwrap().plan(workers, &PresetConfig::default());
        let simulated: Vec<SimulatedPlan> =
            plans.iter().map(|(workers, meets, ..)| simulated(plan(*workers).unwrap(), *meets, 100.0, 400.0)).collect();
        let runs: Vec<Vec<RunSummary>> = plans
            .iter()
            .map(|(.., count)| {
                (0..*count).map(|run| if run % 2 == 0 { 90.0 } else { 110.0 }).map(|ms| RunSummary::with_times(ms, 4.0 * ms)).collect()
            })
            .collect();
        let outlooks: Vec<Outlook> = plans.iter().map(|(_, _, outlook, _)| *outlook).collect();
        let runs: Vec<&[RunSummary]> = runs.iter().map(Vec::as_slice).collect();
        next(&simulated, &runs, &outlooks, &ReplicationConfig { most: 40, ..ReplicationConfig::default() })
    }

    #[test]
    fn a_smaller_plan_that_is_open_gets_more_and_decided_plans_get_none() {
        use Outlook::{Meets, Misses, Open};
        use Verdict::{Maybe, No, Yes};
        let first_look =
            [(0, No, Misses, 4), (1, No, Misses, 4), (2, Maybe, Open, 4), (3, Yes, Meets, 4), (4, Yes, Meets, 4), (5, Yes, Meets, 4)];
        // The open plan, the recommended one, which has the open one as its neighbour, and the runner-up.
        assert_eq!(wanted(&first_look), [(2, 10), (3, 10), (4, 10)]);
        // The neighbours are shown with narrow intervals; the open plan goes on to the limit.
        let later = [(0, No, Misses, 4), (2, Maybe, Open, 24), (3, Yes, Meets, 40), (4, Yes, Meets, 40)];
        assert_eq!(wanted(&later), [(1, 36)]);
        let decided = [(0, No, Misses, 40), (2, Maybe, Misses, 40), (3, Yes, Meets, 40), (4, Yes, Meets, 40), (5, Maybe, Open, 4)];
        assert_eq!(wanted(&decided), [], "a larger plan cannot change the answer");
    }

    #[test]
    fn without_a_plan_that_meets_open_plans_and_the_closest_get_more() {
        use Outlook::{Misses, Open};
        use Verdict::{Maybe, No};
        assert_eq!(wanted(&[(0, No, Misses, 4), (1, Maybe, Open, 4), (2, Maybe, Misses, 40)]), [(0, 10), (1, 10)]);
    }

    #[test]
    fn the_first_look_is_short_unless_the_number_is_fixed() {
        let config = |first, most| ReplicationConfig { first, most, ..ReplicationConfig::default() };
        assert_eq!([config(10, 40), config(3, 40), config(20, 20), config(2, 2)].map(|config| first_look(&config)), [4, 3, 20, 2]);
        assert_eq!([4, 10, 16, 24, 36].map(|count| next_count(count, &config(10, 40))), [10, 16, 24, 36, 40]);
    }
}
