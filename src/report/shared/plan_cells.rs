//! Words, cells and rows that describe a plan, the same for estimated and for simulated plans.

use super::table::{Cell, Column, Table, Tone};
use super::vocabulary;
use wsim_advise::{Meets, PlanSummary, ProcessSummary};
use wsim_plan::{CheckedPlan, Plan, Pool};
use wsim_text as text;

/// Whether an objective is met, as a word and its colour.
pub(crate) fn meets_text(meets: Meets) -> (&'static str, Tone) {
    match meets {
        Meets::Yes => ("yes", Tone::Good),
        Meets::Maybe => ("maybe", Tone::Warn),
        Meets::No => ("no", Tone::Bad),
    }
}

/// The first columns of a table of plans; [`plan_cells`] fills them.
pub(crate) fn plan_columns() -> [Column; 6] {
    let [process, busy] = busiest_columns();
    [Column::text("Plan"), Column::number("Workers", ""), Column::text("Balancing"), process, busy, Column::text("First limit")]
}

/// The first cells of a plan in a table. `mark` says that the plan is recommended or the runner-up; it may be empty.
pub(crate) fn plan_cells(plan: &PlanSummary, mark: &str) -> [Cell; 6] {
    let mark = if mark.is_empty() { String::new() } else { format!(" ({mark})") };
    let [process, busy] = match plan.busiest() {
        Some(process) => [Cell::text(&process.name), Cell::busy(process.peak)],
        None => [Cell::unknown(), Cell::unknown()],
    };
    let name = Cell::text(format!("{}{mark}", plan.plan.name));
    [name, Cell::count(u64::from(plan.workers)), Cell::text(&plan.balance), process, busy, first_limit(plan)]
}

/// What a plan runs out of first, and at what factor of the load.
fn first_limit(plan: &PlanSummary) -> Cell {
    plan.first_limit().map_or_else(Cell::unknown, |limit| Cell::text(limit.in_a_table()))
}

/// The columns of the busiest process.
pub(crate) fn busiest_columns() -> [Column; 2] {
    [Column::text("Busiest process"), Column::number("Busy", "%")]
}

/// The last columns of a table of plans; [`result_cells`] fills them.
pub(crate) fn result_columns() -> [Column; 2] {
    [Column::text("Meets"), Column::text("Reason")]
}

/// Whether a plan meets the objective, and why.
pub(crate) fn result_cells(meets: Meets, reason: &str) -> [Cell; 2] {
    let (word, tone) = meets_text(meets);
    [Cell::text(word).with_tone(tone), Cell::text(reason)]
}

/// Name and busy share of the busiest process, for a terminal; empty for a plan without processes.
pub(crate) fn busiest_texts(plan: &PlanSummary) -> (String, String) {
    plan.busiest().map_or_else(Default::default, |process| (process.name.clone(), text::percent_range(process.peak)))
}

/// The requests that the main process serves under a plan.
pub(crate) fn served_by_main(plan: &Plan) -> &'static str {
    if plan.pools.is_empty() { "everything" } else { "everything else" }
}

/// Indices of the pools that a process serves, in the order of the plan; several may share it.
pub(crate) fn pools_of(plan: &CheckedPlan, process: &ProcessSummary) -> Vec<usize> {
    let serves = |pool: &usize| {
        plan.members(*pool).iter().any(|member| plan.workers().get(member.worker).is_some_and(|worker| worker.name == process.name))
    };
    (0..plan.pools.len()).filter(serves).collect()
}

/// Every process with the requests that it serves, for `report.md`, which has no diagram.
pub(crate) fn process_table(plan: &PlanSummary) -> Table {
    let row = |process: &ProcessSummary| {
        let pools: Vec<&Pool> = pools_of(&plan.plan, process).into_iter().filter_map(|pool| plan.plan.pools.get(pool)).collect();
        let mut rules: Vec<String> = pools.iter().map(|pool| vocabulary::balancing_rule(pool)).collect();
        rules.dedup();
        let serves = match pools[..] {
            [_, ..] => pools.iter().flat_map(|pool| &pool.endpoints).map(vocabulary::selector).collect::<Vec<_>>().join(", "),
            [] if process.is_main() => served_by_main(&plan.plan).to_owned(),
            [] => "streams".to_owned(),
        };
        vec![
            Cell::text(&process.name),
            Cell::text(serves),
            Cell::text(rules.join("; ")),
            Cell::text(text::percent_range(process.peak)),
            Cell::text(process.limit.clone().unwrap_or_default()),
        ]
    };
    Table {
        id: "plan",
        title: "",
        note: String::new(),
        columns: vec![
            Column::text("Process"),
            Column::text("Serves"),
            Column::text("Balancing"),
            Column::number("Busy (uncertainty)", ""),
            Column::text("Limited by"),
        ],
        rows: plan.processes.iter().map(row).collect(),
    }
}
