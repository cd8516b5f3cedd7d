//! The tables of a replay.

use super::judgement::status_words;
use super::model::ReplayReport;
use crate::shared::change::signed;
use crate::shared::share;
use crate::shared::table::{Cell, Column, Table, Tone};
use wsim_replay::SkipReason;
use wsim_replay::record::{LatencyHistogram, Tally};
use wsim_text as text;
use wsim_transport::Failure;

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
        Column::number("Errors", "%"),
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
            errors_of(tally),
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
                        Cell::number(format!("{}{}", signed(error), if inside { " (inside)" } else { "" }), error).with_tone(tone)
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
        note: "Response times are measured from the scheduled time of a request, service times from its first byte; long polls have a table of their own. “Errors”: no response, or a worse status than in the log. “Other status”: responses of another class (2xx, 4xx, …) than in the log.".to_owned(),
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
            errors_of(tally),
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
            Column::number("Errors", "%"),
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
            Cell::count(upstream.errors).with_tone(if upstream.errors > 0 { Tone::Warn } else { Tone::Plain }),
            Cell::count(upstream.passed_over).with_tone(if upstream.passed_over > 0 { Tone::Bad } else { Tone::Plain }),
        ]
    });
    Table {
        id: "upstreams",
        title: "Upstreams",
        note: "Named as in the proxy's response header; service times without long polls. “Passed over”: requests that the proxy sent elsewhere after an attempt here.".to_owned(),
        columns: vec![
            Column::text("Upstream"),
            Column::number("Responses", ""),
            Column::number("Share", "%"),
            Column::number("Service p50", "ms"),
            Column::number("Service p95", "ms"),
            Column::number("Errors", ""),
            Column::number("Passed over", ""),
        ],
        rows: rows.collect(),
    }
}

/// What was expected, beside what was measured.
pub(super) fn expected(report: &ReplayReport) -> Table {
    let rows = report.judged().into_iter().map(|term| {
        let (word, tone) = if term.met { ("met", Tone::Good) } else { ("missed", Tone::Bad) };
        vec![
            Cell::text(term.term),
            Cell::text(term.measured),
            Cell::text(word).with_tone(tone),
            term.cause.map_or_else(Cell::unknown, Cell::text),
        ]
    });
    Table {
        id: "expected",
        title: "Expected and measured",
        note: "Set by --expect. Errors: no response, or a worse status than in the log; failures: of these, no response or a 5xx; down: time in which the target or one of its upstreams did not respond.".to_owned(),
        columns: vec![Column::text("Expected"), Column::text("Measured"), Column::text("Result"), Column::text("Cause")],
        rows: rows.collect(),
    }
}

/// Errors that the log does not have, by group and kind, the most frequent first.
pub(super) fn errors(report: &ReplayReport) -> Table {
    let mut kinds: Vec<(u64, &str, String)> = Vec::new();
    for group in &report.measured.groups {
        for tally in [&group.work, &group.polls] {
            kinds.extend(tally.worse.iter().map(|((logged, status), count)| (*count, group.id.as_str(), status_words(*logged, *status))));
            let failed = tally.failed.iter().filter(|(name, _)| **name != Failure::Abandoned.name());
            kinds.extend(failed.map(|(name, count)| (*count, group.id.as_str(), reason_text(name))));
            if tally.queue_full > 0 {
                kinds.push((tally.queue_full, group.id.as_str(), reason_text(SkipReason::QueueFull.name())));
            }
        }
    }
    kinds.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2))));
    let sent = report.measured.totals.sent() as f64;
    let rows = kinds.into_iter().take(ERRORS_SHOWN).map(|(count, group, kind)| {
        vec![Cell::text(group), Cell::text(kind), Cell::count(count).with_tone(Tone::Bad), Cell::share(share(count as f64, sent))]
    });
    Table {
        id: "errors",
        title: "Errors that are not in the log",
        note: "Share: of all requests that were sent.".to_owned(),
        columns: vec![Column::text("Group"), Column::text("Error"), Column::number("Requests", ""), Column::number("Share", "%")],
        rows: rows.collect(),
    }
}

/// Rows of the table of errors.
const ERRORS_SHOWN: usize = 20;

/// The outcome of every scheduled request.
pub(super) fn outcomes(report: &ReplayReport) -> Table {
    let totals = &report.measured.totals;
    let scheduled = totals.scheduled();
    let cpu = |reason: &str| {
        let cpu = &report.measured.cpu;
        let us = cpu.skipped_us.get(reason)?;
        (cpu.logged_us > 0).then(|| *us as f64 / cpu.logged_us as f64 * 100.0)
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
            step.cause.clone().map_or_else(Cell::unknown, Cell::text),
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
            Column::text("Cause"),
        ],
        rows: rows.collect(),
    }
}

/// Why a request failed or was not sent, in words.
pub(super) fn reason_text(reason: &str) -> String {
    let failure = || Failure::ALL.into_iter().find(|failure| failure.name() == reason).map(|failure| failure.to_string());
    let skipped = SkipReason::from_name(reason).map(|reason| reason.describe().to_owned());
    skipped.or_else(failure).unwrap_or_else(|| reason.replace('_', " "))
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

fn errors_of(tally: &Tally) -> Cell {
    let share = tally.error_share();
    Cell::number(text::percent_number(share), share * 100.0).with_tone(if tally.errors > 0 { Tone::Bad } else { Tone::Plain })
}

fn differs(tally: &Tally) -> Cell {
    let share = share(tally.differs as f64, tally.completed as f64);
    Cell::number(text::percent_number(share), share * 100.0).with_tone(if share > 0.05 { Tone::Warn } else { Tone::Plain })
}
