//! The tables of a simulation.

use super::super::format;
use super::super::table::{Cell, Column, Table, Tone};
use super::super::tables::meets;
use super::SimulationReport;
use wsim_advise::sweep::{Case, Simulated, Sweep};
use wsim_simulate::backtest::{Compared, Figure};
use wsim_stats::Interval;

/// Every simulated candidate, fewest workers first.
pub(super) fn candidates(report: &SimulationReport) -> Table {
    let sweep = &report.sweep;
    let row = |(index, candidate): (usize, &Simulated)| {
        let (word, tone) = meets(candidate.meets);
        let busiest = candidate.busiest();
        vec![
            Cell::text(marked(sweep, index, candidate)),
            Cell::count(u64::from(candidate.workers)),
            Cell::text(candidate.balance.clone()),
            Cell::text(busiest.map_or(format::UNKNOWN, |process| process.name.as_str())),
            busiest.map_or_else(
                || Cell::text(format::UNKNOWN),
                |process| Cell::number(format::percent_range_number(process.peak), process.peak.value * 100.0).with_bar(process.peak.value),
            ),
            interval(candidate.overall.mean),
            interval(candidate.overall.p95),
            interval(candidate.overall.p99),
            candidate.imbalance.as_ref().map_or_else(|| Cell::text(format::UNKNOWN), |imbalance| interval(imbalance.factor)),
            interval(candidate.total_cores),
            Cell::count(u64::from(candidate.replications)),
            Cell::text(word).with_tone(tone),
            Cell::text(candidate.verdict.clone()),
        ]
    };
    Table {
        id: "candidates",
        title: "Simulated plans",
        note: format!(
            "Work latency of all requests, busy share in the busiest five minutes; in brackets 95 % intervals over replications. Objective: {}. “yes” holds with the interval, “maybe” only at the best estimate.",
            sweep.objective
        ),
        columns: vec![
            Column::text("Plan"),
            Column::number("Workers", ""),
            Column::text("Balancing"),
            Column::text("Busiest process"),
            Column::number("Busy", "%"),
            Column::number("Mean", "ms"),
            Column::number("p95", "ms"),
            Column::number("p99", "ms"),
            Column::number("Imbalance", "busiest/mean"),
            Column::number("All processes", "cores"),
            Column::number("Replications", ""),
            Column::text("Meets"),
            Column::text("Because"),
        ],
        rows: sweep.candidates.iter().enumerate().map(row).collect(),
    }
}

/// Work latency by group under one plan.
pub(super) fn groups(candidate: &Simulated) -> Table {
    let rows = candidate.groups.iter().map(|group| {
        let latency = group.latency_ms;
        vec![
            Cell::text(group.id.clone()),
            Cell::count(group.requests),
            interval(latency.mean),
            interval(latency.p50),
            interval(latency.p95),
            interval(latency.p99),
        ]
    });
    Table {
        id: "simulated-groups",
        title: "Work latency by endpoint group",
        note: format!("Under {}; time parked in long polls is not in it. In brackets 95 % intervals.", candidate.plan.name),
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
pub(super) fn processes(candidate: &Simulated) -> Table {
    let rows = candidate.processes.iter().map(|process| {
        vec![
            Cell::text(process.name.clone()),
            Cell::text(process.pool.clone().unwrap_or_default()),
            Cell::number(format::percent_range_number(process.peak), process.peak.value * 100.0).with_bar(process.peak.value),
            Cell::number(format::percent_range_number(process.utilisation), process.utilisation.value * 100.0),
            Cell::count(process.requests),
        ]
    });
    Table {
        id: "simulated-processes",
        title: "Processes",
        note: format!("Under {}.", candidate.plan.name),
        columns: vec![
            Column::text("Process"),
            Column::text("Pool"),
            Column::number("Busy at the peak", "%"),
            Column::number("Busy on average", "%"),
            Column::number("Requests", ""),
        ],
        rows: rows.collect(),
    }
}

/// Growth and other assumptions.
pub(super) fn stress(sweep: &Sweep) -> Table {
    let row = |case: &Case| {
        let (word, tone) = meets(case.meets);
        vec![
            Cell::text(case.name.clone()),
            Cell::text(case.busiest.clone()),
            Cell::number(format::percent_range_number(case.busy), case.busy.value * 100.0).with_bar(case.busy.value),
            interval(case.p95_ms),
            Cell::text(word).with_tone(tone),
            Cell::text(case.verdict.clone()),
        ]
    };
    Table {
        id: "stress",
        title: "The plan under other loads and assumptions",
        note: "Load grows by cloning users; demand and replication are varied because no log shows all of them.".to_owned(),
        columns: vec![
            Column::text("Case"),
            Column::text("Busiest process"),
            Column::number("Busy", "%"),
            Column::number("p95", "ms"),
            Column::text("Meets"),
            Column::text("Because"),
        ],
        rows: sweep.growth_steps.iter().chain(&sweep.sensitivity).map(row).collect(),
    }
}

/// Plans that were not simulated.
pub(super) fn discarded(sweep: &Sweep) -> Table {
    let rows = sweep.discarded.iter().map(|one| {
        vec![
            Cell::text(one.plan.clone()),
            Cell::count(u64::from(one.workers)),
            Cell::text(one.balance.clone()),
            Cell::text(one.why.clone()),
        ]
    });
    Table {
        id: "discarded",
        title: "Plans that were not simulated",
        note: String::new(),
        columns: vec![Column::text("Plan"), Column::number("Workers", ""), Column::text("Balancing"), Column::text("Because")],
        rows: rows.collect(),
    }
}

/// Predictions beside observations.
pub(super) fn backtest(report: &SimulationReport) -> Table {
    let compared = report.backtest.iter().flat_map(|test| std::iter::once(&test.throughput).chain(&test.processes).chain(&test.groups));
    let row = |one: &Compared| {
        let (name, scale) = figure(one.figure);
        let tone = if one.within() { Tone::Good } else { Tone::Warn };
        vec![
            Cell::text(one.name.clone()),
            Cell::text(name),
            Cell::count(one.requests),
            Cell::number(format::number(one.observed * scale), one.observed * scale),
            interval(one.predicted.scaled(scale)),
            Cell::number(format!("{:+.0} %", one.error * 100.0), one.error * 100.0).with_tone(if one.counts { tone } else { Tone::Plain }),
            Cell::number(format!("{:.0} %", one.limit * 100.0), one.limit * 100.0),
            Cell::text(if one.counts { if one.within() { "within" } else { "outside" } } else { "not counted" }),
        ]
    };
    Table {
        id: "backtest",
        title: "The model against the log",
        note: "The observed deployment, simulated on time it was not calibrated on. Customary limits: 10 % on utilisation and throughput, 30 % on response times. Figures over too few requests, or without a measurement apart from the model, do not count.".to_owned(),
        columns: vec![
            Column::text("Of"),
            Column::text("Figure"),
            Column::number("Requests", ""),
            Column::number("Observed", ""),
            Column::number("Simulated", ""),
            Column::number("Error", ""),
            Column::number("Limit", ""),
            Column::text("Verdict"),
        ],
        rows: compared.map(row).collect(),
    }
}

/// A sentence on the back-test.
pub(super) fn backtest_sentence(report: &SimulationReport) -> String {
    match (&report.backtest, &report.backtest_note) {
        (Some(test), _) => {
            let (outside, counted) = super::figures(test);
            let verdict = if test.passed { "all".to_owned() } else { (counted - outside).to_string() };
            format!("Back-test on the log itself: {verdict} of {counted} figures that count are within their limits.")
        }
        (None, Some(why)) => format!("No back-test: {why}."),
        (None, None) => "No back-test.".to_owned(),
    }
}

fn figure(figure: Figure) -> (&'static str, f64) {
    match figure {
        Figure::Throughput => ("requests/s", 1.0),
        Figure::Utilisation => ("busy, %", 100.0),
        Figure::WorkP50 => ("work p50, ms", 1.0),
        Figure::WorkP95 => ("work p95, ms", 1.0),
        Figure::WaitP95 => ("wait for a database connection p95, ms", 1.0),
    }
}

/// The plan's name with what it is.
pub(super) fn marked(sweep: &Sweep, index: usize, candidate: &Simulated) -> String {
    let name = &candidate.plan.name;
    if sweep.recommended == Some(index) {
        format!("{name} (recommended)")
    } else if sweep.runner_up == Some(index) {
        format!("{name} (runner-up)")
    } else {
        name.clone()
    }
}

fn interval(interval: Interval) -> Cell {
    Cell::number(format::range(interval), interval.value)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn every_row_has_a_cell_per_column() {
        let report = fixture::report();
        let (shown, _) = report.sweep.shown().unwrap();
        let tables =
            [candidates(&report), groups(shown), processes(shown), stress(&report.sweep), discarded(&report.sweep), backtest(&report)];
        for table in tables {
            assert!(!table.is_empty(), "{}", table.id);
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.id);
        }
        assert_eq!(backtest_sentence(&report), "Back-test on the log itself: 3 of 4 figures that count are within their limits.");
    }
}
