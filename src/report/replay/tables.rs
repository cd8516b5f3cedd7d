//! The tables of a replay.

use super::model::ReplayReport;
use crate::shared::share;
use crate::shared::table::{Cell, Column, Table, Tone};
use wsim_replay::SkipReason;
use wsim_replay::record::{LatencyHistogram, Tally};
use wsim_text as text;

/// Response times by group: in the log, predicted, measured. Long-poll waiting is excluded.
pub(super) fn groups(report: &ReplayReport) -> Table {
    let predicted = !report.predicted.is_empty();
    let mut columns = vec![
        Column::text("Group"),
        Column::number("Completed", ""),
        Column::number("Log p50", "ms"),
        Column::number("Log p95", "ms"),
        Column::number("Response p50", "ms"),
        Column::number("Response p95", "ms"),
        Column::number("Response p99", "ms"),
        Column::number("Service p50", "ms"),
        Column::number("Service p95", "ms"),
        Column::number("Failed", ""),
        Column::number("Other status", "%"),
    ];
    if predicted {
        columns.extend([
            Column::number("Predicted p50", "ms"),
            Column::number("Error p50", "%"),
            Column::number("Predicted p95", "ms"),
            Column::number("Error p95", "%"),
        ]);
    }
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let whole = report.measured.whole();
    for group in report.measured.groups.iter().chain([&whole]).filter(|group| group.work.sent > 0) {
        let tally = &group.work;
        let mut row = vec![
            Cell::text(group.id.clone()),
            Cell::count(tally.completed),
            ms(&tally.original, 0.5),
            ms(&tally.original, 0.95),
            ms(&tally.response, 0.5),
            ms(&tally.response, 0.95),
            ms(&tally.response, 0.99),
            ms(&tally.service, 0.5),
            ms(&tally.service, 0.95),
            failed(tally),
            differs(tally),
        ];
        if predicted {
            let prediction = report.predicted.iter().find(|prediction| prediction.id == group.id);
            for (interval, quantile) in [(prediction.map(|group| group.p50), 0.5), (prediction.map(|group| group.p95), 0.95)] {
                let measured = tally.service.quantile_ns(quantile) as f64 / 1e6;
                row.push(interval.map_or_else(Cell::unknown, Cell::range));
                row.push(match interval {
                    Some(one) if measured > 0.0 => {
                        let error = (one.value / measured - 1.0) * 100.0;
                        let inside = (one.low..=one.high).contains(&measured);
                        let tone = if error.abs() <= 10.0 || inside { Tone::Good } else { Tone::Warn };
                        Cell::number(format!("{error:+.0}{}", if inside { " (inside)" } else { "" }), error).with_tone(tone)
                    }
                    _ => Cell::unknown(),
                });
            }
        }
        rows.push(row);
    }
    Table {
        id: "groups",
        title: "Response times by endpoint group",
        note: "Response times are measured from the scheduled time of a request, service times from its first byte; long polls have a table of their own. “Other status”: responses of another class (2xx, 4xx, …) than in the log.".to_owned(),
        columns,
        rows,
    }
}

/// Long polls, whose duration is mostly waiting.
pub(super) fn polls(report: &ReplayReport) -> Table {
    let rows = report.measured.groups.iter().filter(|group| group.polls.sent > 0).map(|group| {
        let tally = &group.polls;
        vec![
            Cell::text(group.id.clone()),
            Cell::count(tally.completed),
            ms(&tally.original, 0.5),
            ms(&tally.service, 0.5),
            ms(&tally.service, 0.95),
            failed(tally),
            differs(tally),
        ]
    });
    Table {
        id: "long-polls",
        title: "Long polls",
        note: "A long poll that waits for an event is not slow. How long it waits depends on the other traffic.".to_owned(),
        columns: vec![
            Column::text("Group"),
            Column::number("Completed", ""),
            Column::number("Log p50", "ms"),
            Column::number("Duration p50", "ms"),
            Column::number("Duration p95", "ms"),
            Column::number("Failed", ""),
            Column::number("Other status", "%"),
        ],
        rows: rows.collect(),
    }
}

/// Requests and service times by upstream.
pub(super) fn upstreams(report: &ReplayReport) -> Table {
    let all: u64 = report.measured.upstreams.iter().map(|upstream| upstream.requests).sum();
    let rows = report.measured.upstreams.iter().map(|upstream| {
        vec![
            Cell::log(&upstream.name),
            Cell::count(upstream.requests),
            Cell::share(share(upstream.requests as f64, all as f64)),
            ms(&upstream.service, 0.5),
            ms(&upstream.service, 0.95),
        ]
    });
    Table {
        id: "upstreams",
        title: "Upstreams",
        note: "Named as in the proxy's response header; service times without long polls.".to_owned(),
        columns: vec![
            Column::text("Upstream"),
            Column::number("Responses", ""),
            Column::number("Share", "%"),
            Column::number("Service p50", "ms"),
            Column::number("Service p95", "ms"),
        ],
        rows: rows.collect(),
    }
}

/// The outcome of every scheduled request.
pub(super) fn outcomes(report: &ReplayReport) -> Table {
    let totals = &report.measured.totals;
    let scheduled = totals.scheduled();
    let cpu = |reason: &str| {
        let cpu = report.cpu.as_ref()?;
        let (_, seconds) = cpu.skipped_seconds.iter().find(|(name, _)| *name == reason)?;
        (cpu.logged_seconds > 0.0).then(|| seconds / cpu.logged_seconds * 100.0)
    };
    let row = |what: String, count: u64, cpu: Option<f64>| {
        let share = share(count as f64, scheduled as f64);
        vec![Cell::text(what), Cell::count(count), Cell::share(share), Cell::maybe(cpu, |percent| text::percent_number(percent / 100.0))]
    };
    let mut rows = vec![row("scheduled".to_owned(), scheduled, None), row("completed".to_owned(), totals.completed, None)];
    rows.extend(totals.failed.iter().map(|(why, count)| row(format!("failed: {}", reason_text(why)), *count, None)));
    rows.extend(totals.skipped.iter().map(|(why, count)| row(format!("not sent: {}", reason_text(why)), *count, cpu(why))));
    Table {
        id: "outcomes",
        title: "Outcomes",
        note: "Scheduled = completed + failed + not sent. CPU: of these requests in the log.".to_owned(),
        columns: vec![
            Column::text("Outcome"),
            Column::number("Requests", ""),
            Column::number("Share", "%"),
            Column::number("CPU in the log", "%"),
        ],
        rows,
    }
}

/// Steps of a search for the limit.
pub(super) fn steps(report: &ReplayReport) -> Table {
    let rows = report.steps.iter().map(|step| {
        let (word, tone) = if step.holds { ("met", Tone::Good) } else { ("missed", Tone::Bad) };
        vec![
            Cell::number(format!("{:.2}", step.load), step.load),
            Cell::number(text::number(step.rate), step.rate),
            Cell::number(text::milliseconds(step.p95_ms), step.p95_ms),
            Cell::text(word).with_tone(tone),
            Cell::text(step.why.clone()),
        ]
    });
    Table {
        id: "limit",
        title: "Search for the limit",
        note: "Load: users per user of the log.".to_owned(),
        columns: vec![
            Column::number("Load", "×"),
            Column::number("Completed", "requests/s"),
            Column::number("p95", "ms"),
            Column::text("Objective"),
            Column::text("Reason"),
        ],
        rows: rows.collect(),
    }
}

/// Why a request failed or was not sent, in words.
fn reason_text(reason: &str) -> String {
    SkipReason::from_name(reason).map_or_else(|| reason.replace('_', " "), |reason| reason.describe().to_owned())
}

fn ms(times: &LatencyHistogram, quantile: f64) -> Cell {
    if times.count() == 0 {
        return Cell::unknown();
    }
    let ms = times.quantile_ns(quantile) as f64 / 1e6;
    Cell::number(text::number(ms), ms)
}

fn failed(tally: &Tally) -> Cell {
    let failed = tally.sent - tally.completed;
    Cell::count(failed).with_tone(if failed > 0 { Tone::Bad } else { Tone::Plain })
}

fn differs(tally: &Tally) -> Cell {
    let share = share(tally.differs as f64, tally.completed as f64);
    Cell::number(text::percent_number(share), share * 100.0).with_tone(if share > 0.05 { Tone::Warn } else { Tone::Plain })
}
