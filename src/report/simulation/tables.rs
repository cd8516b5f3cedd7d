//! The tables of a simulation.

use super::model::{SimulationReport, backtest_counts, backtest_figures};
use crate::shared::plan_cells::{busiest_columns, plan_cells, plan_columns, result_cells, result_columns};
use crate::shared::table::{Cell, Column, Table, Tone};
use crate::shared::{REQUESTS_FOR_ERRORS, too_few};
use wsim_advise::PlanSummary;
use wsim_advise::sweep::{Latency, SimulatedPlan, StressCase, Sweep};
use wsim_simulate::backtest::{ComparedFigure, Figure};
use wsim_stats::Interval;
use wsim_text as text;

/// Every simulated plan, fewest workers first.
pub(super) fn candidates(report: &SimulationReport) -> Table {
    let sweep = &report.sweep;
    let row = |(index, candidate): (usize, &SimulatedPlan)| {
        let plan = &candidate.summary;
        let mark = match Some(index) {
            index if index == sweep.recommended => "recommended",
            index if index == sweep.runner_up => "runner-up",
            _ => "",
        };
        let time = |of: fn(&Latency) -> Interval| {
            candidate.response_times().map_or_else(|| untold(candidate.instead_of_times()), |times| Cell::range(of(times)))
        };
        let figures = [
            time(|times| times.mean),
            time(|times| times.p95),
            time(|times| times.p99),
            candidate.imbalance.as_ref().map_or_else(Cell::unknown, |imbalance| Cell::range(imbalance.factor)),
            Cell::range(plan.total_cores),
            Cell::count(u64::from(candidate.replications)),
        ];
        plan_cells(plan, mark).into_iter().chain(figures).chain(result_cells(plan.meets, &plan.reason)).collect()
    };
    let figures = [
        Column::number("Mean", "ms"),
        Column::number("p95", "ms"),
        Column::number("p99", "ms"),
        Column::number("Imbalance", "busiest/mean"),
        Column::number("Total CPU", "cores"),
        Column::number("Replications", ""),
    ];
    Table {
        id: "candidates",
        title: "Simulated plans",
        note: format!(
            "Response times of all requests, long-poll waiting excluded; busy at the peak, total CPU on average over the simulated time; 95 % intervals in brackets. Objective: {}. “yes”: met even at the upper end of the interval; “maybe”: met only by the best estimate.",
            sweep.objective
        ),
        columns: plan_columns().into_iter().chain(figures).chain(result_columns()).collect(),
        rows: sweep.candidates.iter().enumerate().map(row).collect(),
    }
}

/// In the place of a response time that nobody can tell.
fn untold(words: &str) -> Cell {
    Cell::text(words).with_tone(Tone::Bad)
}

/// Response times by group under one plan.
pub(super) fn groups(candidate: &SimulatedPlan) -> Table {
    let shown = candidate.groups.iter().filter(|_| candidate.response_times().is_some());
    let rows = shown.map(|group| {
        let latency = group.latency_ms;
        vec![
            Cell::text(&group.id),
            Cell::count(group.requests),
            Cell::range(latency.mean),
            Cell::range(latency.p50),
            Cell::range(latency.p95),
            Cell::range(latency.p99),
        ]
    });
    Table {
        id: "simulated-groups",
        title: "Response times by endpoint group",
        note: format!("Under {}, long-poll waiting excluded; 95 % intervals in brackets.", candidate.summary.plan.name),
        columns: vec![
            Column::text("Group"),
            Column::number("Requests", ""),
            Column::number("Mean", "ms"),
            Column::number("p50", "ms"),
            Column::number("p95", "ms"),
            Column::number("p99", "ms"),
        ],
        rows: rows.collect(),
    }
}

/// Every process of one plan.
pub(super) fn processes(plan: &PlanSummary) -> Table {
    let rows = plan.processes.iter().map(|process| {
        vec![
            Cell::text(&process.name),
            Cell::text(process.pool.clone().unwrap_or_default()),
            Cell::busy(process.peak),
            process.mean.map_or_else(Cell::unknown, Cell::share_range),
            process.connections.map_or_else(Cell::unknown, Cell::share_range),
            Cell::count(process.requests),
        ]
    });
    Table {
        id: "simulated-processes",
        title: "Processes",
        note: format!("Under {}; 95 % intervals in brackets.", plan.plan.name),
        columns: vec![
            Column::text("Process"),
            Column::text("Pool"),
            Column::number("Busy at the peak", "%"),
            Column::number("Busy on average", "%"),
            Column::number("Connections busy", "%"),
            Column::number("Requests", ""),
        ],
        rows: rows.collect(),
    }
}

/// The plan under growth and under other assumptions.
pub(super) fn stress(sweep: &Sweep) -> Table {
    let row = |case: &StressCase| {
        let figures = [
            Cell::text(&case.name),
            Cell::text(&case.busiest),
            Cell::busy(case.busy),
            case.p95_ms.map_or_else(|| untold(case.instead_of_times()), Cell::range),
        ];
        figures.into_iter().chain(result_cells(case.meets, &case.reason)).collect()
    };
    let [process, busy] = busiest_columns();
    let figures = [Column::text("Case"), process, busy, Column::number("p95", "ms")];
    Table {
        id: "stress",
        title: "The plan under other loads and assumptions",
        note: format!(
            "Growth is {}. CPU demand and replication costs are varied because no log contains them in full.",
            sweep.growth_kind.description()
        ),
        columns: figures.into_iter().chain(result_columns()).collect(),
        rows: sweep.growth_steps.iter().chain(&sweep.sensitivity).map(row).collect(),
    }
}

/// Plans that were not simulated.
pub(super) fn discarded(sweep: &Sweep) -> Table {
    let rows = sweep.discarded.iter().map(|discarded| {
        vec![
            Cell::text(&discarded.plan),
            Cell::count(u64::from(discarded.workers)),
            Cell::text(&discarded.balance),
            Cell::text(&discarded.why),
        ]
    });
    Table {
        id: "discarded",
        title: "Plans that were not simulated",
        note: String::new(),
        columns: vec![Column::text("Plan"), Column::number("Workers", ""), Column::text("Balancing"), Column::text("Reason")],
        rows: rows.collect(),
    }
}

/// Simulated figures beside observed ones.
pub(super) fn backtest(report: &SimulationReport) -> Table {
    let row = |compared: &ComparedFigure| {
        let (name, scale) = figure_name(compared.figure);
        let (result, tone) = match (compared.counts, compared.within()) {
            (false, _) => (NOT_COUNTED, Tone::Plain),
            (true, true) => ("within", Tone::Good),
            (true, false) => ("outside", Tone::Warn),
        };
        vec![
            Cell::text(&compared.name),
            Cell::text(name),
            Cell::count(compared.requests),
            Cell::number(text::number(compared.observed * scale), compared.observed * scale),
            Cell::range(compared.predicted.scaled(scale)),
            error_cell(compared).with_tone(tone),
            Cell::number(format!("{:.0} %", compared.limit * 100.0), compared.limit * 100.0),
            Cell::text(result),
        ]
    };
    Table {
        id: "backtest",
        title: "Simulated and observed figures",
        note: "The observed deployment, simulated for time that was not used to fit the model. Usual limits: 10 % for utilisation and throughput, 30 % for response times. A figure does not count if it rests on too few requests or was not measured independently of the model.".to_owned(),
        columns: vec![
            Column::text("Process or group"),
            Column::text("Figure"),
            Column::number("Requests", ""),
            Column::number("Observed", ""),
            Column::number("Simulated", ""),
            Column::number("Error", ""),
            Column::number("Limit", ""),
            Column::text("Result"),
        ],
        rows: report.backtest.iter().flat_map(backtest_figures).map(row).collect(),
    }
}

/// The signed error in whole per cents; a dash where nothing was observed, words where too few requests were.
fn error_cell(compared: &ComparedFigure) -> Cell {
    if compared.observed <= 0.0 {
        return Cell::unknown();
    }
    if !compared.counts && is_of_requests(compared.figure) && compared.requests < REQUESTS_FOR_ERRORS {
        return Cell::text(too_few(compared.requests));
    }
    let percent = (compared.error * 100.0).round();
    let sign = if percent < 0.0 { "" } else { "+" };
    Cell::number(format!("{sign}{} %", text::tick(percent)), compared.error * 100.0)
}

/// The result of the back-test in a sentence.
pub(super) fn backtest_sentence(report: &SimulationReport) -> String {
    match (&report.backtest, &report.backtest_note) {
        (Some(test), _) => {
            let counts = backtest_counts(test);
            let within = if test.passed { "all".to_owned() } else { (counts.counted - counts.outside).to_string() };
            format!("Back-test on this log: {within} of {} figures are within their limits.", counts.counted)
        }
        (None, Some(why)) => format!("No back-test: {why}."),
        (None, None) => "No back-test.".to_owned(),
    }
}

/// The back-test in words: how many figures are right, how far response times are off in general, and what is furthest off.
pub(super) fn backtest_prose(report: &SimulationReport) -> Vec<String> {
    let mut prose = vec![backtest_sentence(report)];
    let Some(test) = &report.backtest else { return prose };
    let counted: Vec<&ComparedFigure> = backtest_figures(test).filter(|figure| figure.counts && figure.error.is_finite()).collect();
    let mut times: Vec<f64> = counted.iter().filter(|figure| is_of_requests(figure.figure)).map(|figure| figure.error.abs()).collect();
    times.sort_by(f64::total_cmp);
    if let Some(median) = times.get(times.len() / 2) {
        let direction = counted.iter().filter(|figure| is_of_requests(figure.figure)).map(|figure| figure.error.signum()).sum::<f64>();
        let tends = if direction.abs() < times.len() as f64 * 0.5 {
            ""
        } else if direction > 0.0 {
            "; the model tends to be too slow"
        } else {
            "; the model tends to be too fast"
        };
        prose.push(format!(
            "Response times were off by {} at the median of {}{tends}.",
            text::percent(*median),
            text::plural(times.len() as u64, "figure", "figures")
        ));
    }
    let worst = counted.iter().max_by(|a, b| (a.error.abs() / a.limit).total_cmp(&(b.error.abs() / b.limit)));
    prose.extend(worst.filter(|figure| !figure.within()).map(|figure| {
        let (name, scale) = figure_name(figure.figure);
        format!(
            "Furthest off: {} of {}, {} simulated and {} observed, {}.",
            name.split(',').next().unwrap_or(name),
            figure.name,
            text::number(figure.predicted.value * scale),
            text::number(figure.observed * scale),
            error_words(figure.error)
        )
    }));
    let left_out = backtest_figures(test).filter(|figure| !figure.counts).count();
    if left_out > 0 {
        let figures = text::plural(left_out as u64, "figure", "figures");
        prose.push(format!(
            "{figures} rest on fewer than {REQUESTS_FOR_ERRORS} requests or were not measured by themselves, and do not count."
        ));
    }
    prose
}

/// `60 % too high`, `2.1 times too high`, `40 % too low`.
fn error_words(error: f64) -> String {
    match error {
        error if error >= 1.0 => format!("{} times too high", text::number(error + 1.0)),
        error if error >= 0.0 => format!("{} too high", text::percent(error)),
        error => format!("{} too low", text::percent(-error)),
    }
}

/// Whether a figure is a time of requests, of which there can be too few.
fn is_of_requests(figure: Figure) -> bool {
    matches!(figure, Figure::WorkP50 | Figure::WorkP95 | Figure::WaitP95)
}

/// The figure with its unit, and the factor from its value to that unit.
fn figure_name(figure: Figure) -> (&'static str, f64) {
    match figure {
        Figure::Throughput => ("requests/s", 1.0),
        Figure::Utilisation => ("busy, %", 100.0),
        Figure::WorkP50 => ("response time p50, ms", 1.0),
        Figure::WorkP95 => ("response time p95, ms", 1.0),
        Figure::WaitP95 => ("wait for a database connection p95, ms", 1.0),
    }
}

/// Result of a figure that does not count.
pub(super) const NOT_COUNTED: &str = "not counted";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::fixture;

    #[test]
    fn every_row_has_a_cell_per_column() {
        let report = fixture::report();
        let (shown, _) = report.sweep.shown().unwrap();
        let tables = [
            candidates(&report),
            groups(shown),
            processes(&shown.summary),
            stress(&report.sweep),
            discarded(&report.sweep),
            backtest(&report),
        ];
        for table in tables {
            assert!(!table.is_empty(), "{}", table.id);
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.id);
        }
        assert_eq!(backtest_sentence(&report), "Back-test on this log: 3 of 4 figures are within their limits.");
    }
}
