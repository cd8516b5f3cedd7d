//! What the plans that a user named, and the one that is shown, cannot do as written; and which of those plans were refused.
//!
//! The sentences about a plan are those of [`wsim_plan::CheckedPlan::remarks`], as `wsim configure` prints them.

use super::candidates::Trial;
use super::model::Sweep;
use super::state::SweepState;
use wsim_endpoints::table_for;
use wsim_plan::CheckedPlan;
use wsim_text::plural;

/// The names of the plans that the user named.
pub(super) fn named(trials: &[Trial]) -> Vec<String> {
    trials.iter().filter(|trial| trial.named).map(|trial| trial.plan.name.clone()).collect()
}

pub(super) fn sentences(state: &SweepState<'_>, sweep: &Sweep, named: &[String]) -> Vec<String> {
    let refused = sweep.discarded.iter().filter(|discarded| named.contains(&discarded.plan));
    let mut sentences: Vec<String> =
        refused.map(|discarded| format!("Plan {} was not simulated: {}.", discarded.plan, discarded.why)).collect();
    let mut remarks: Vec<(String, Vec<&str>)> = Vec::new();
    for (index, candidate) in state.candidates.iter().enumerate() {
        if !candidate.trial.named && sweep.shown != Some(index) {
            continue;
        }
        let plan = &candidate.trial.plan;
        for remark in of_plan(plan).into_iter().chain(candidate.deployment.remarks.iter().cloned()) {
            match remarks.iter_mut().find(|(known, _)| *known == remark) {
                Some((_, plans)) => plans.push(&plan.name),
                None => remarks.push((remark, vec![&plan.name])),
            }
        }
    }
    sentences.extend(remarks.into_iter().map(|(remark, plans)| match plans.as_slice() {
        [one] => format!("Plan {one}: {remark}."),
        [first, others @ ..] => format!("Plan {first} and {}: {remark}.", plural(others.len() as u64, "other", "others")),
        [] => remark,
    }));
    sentences
}

/// A plan for a release without a table was refused before.
fn of_plan(plan: &CheckedPlan) -> Vec<String> {
    table_for(Some(&plan.synapse)).map_or_else(|_| plan.warnings(), |choice| plan.remarks(&choice.table))
}
