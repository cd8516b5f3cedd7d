//! The table of what the CPU of processes was used for, where Prometheus measured it.

use super::model::AnalysisReport;
use crate::shared::table::{Cell, Column, Table};
use wsim_profile::MeasuredWork;
use wsim_text as text;

/// One row for each process that was measured.
pub(super) fn measured(report: &AnalysisReport) -> Table {
    Table {
        id: "measured",
        title: "CPU by kind of work",
        note: "From Prometheus, over the time of the log. Requests: what Synapse counts for its servlets. Background: work that no request line shows. The rest is \
               replication, garbage collection and the event loop itself. Event loop: share of the time in which the process's only thread for Python code worked. \
               Tick: time between two looks at its sockets, in which every request waits."
            .to_owned(),
        columns: vec![
            Column::text("Process"),
            Column::number("CPU", "cores"),
            Column::number("Requests", "%"),
            Column::number("Background", "%"),
            Column::text("Most background work"),
            Column::number("Event loop", "%"),
            Column::number("Tick p99", "ms"),
            Column::number("Wait for a connection", "ms"),
            Column::number("Oldest event waiting", "s"),
        ],
        rows: report.profile.deployment.measured.iter().map(row).collect(),
    }
}

fn row(work: &MeasuredWork) -> Vec<Cell> {
    let share = |seconds: f64| if work.cpu_seconds > 0.0 { Cell::share((seconds / work.cpu_seconds).min(1.0)) } else { Cell::unknown() };
    let cores = work.cpu_seconds / work.seconds.max(1.0);
    vec![
        Cell::log(&work.name),
        Cell::number(text::number(cores), cores),
        share(work.request_cpu_seconds),
        share(work.background_cpu_seconds),
        work.background.first().map_or_else(Cell::unknown, |(name, _)| Cell::log(name)),
        work.loop_busy.map_or_else(Cell::unknown, Cell::share),
        Cell::maybe(work.tick_p99_ms, text::number),
        Cell::maybe(work.connection_wait_ms, text::number),
        Cell::maybe(work.event_lag_seconds, text::number),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

    #[test]
    fn work_is_shown_as_shares_of_the_processs_cpu() {
        let mut report = fixture::report();
        assert!(measured(&report).is_empty(), "without Prometheus there is no table");
        report.profile.deployment.measured = vec![MeasuredWork {
            name: "main".to_owned(),
            seconds: 100.0,
            cpu_seconds: 50.0,
            request_cpu_seconds: 25.0,
            background_cpu_seconds: 10.0,
            background: vec![("persist_events".to_owned(), 9.0)],
            ..MeasuredWork::default()
        }];
        let table = measured(&report);
        assert_eq!(table.rows[0].len(), table.columns.len());
        let text = table.markdown();
        assert!(text.contains("0.5") && text.contains("persist_events") && text.contains("50"), "{text}");
    }
}
