//! The tables of a replay.

use super::super::format;
use super::super::table::{Cell, Column, Table, Tone};
use super::ReplayReport;
use wsim_replay::record::{Tally, Times};

/// Work by group: in the log, predicted, measured.
pub(super) fn groups(report: &ReplayReport) -> Table {
    let predicted = !report.predicted.is_empty();
    let mut columns = vec![
        Column::text("Group"),
        Column::number("Answered", ""),
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
            let found = report.predicted.iter().find(|one| one.id == group.id);
            for (interval, quantile) in [(found.map(|one| one.p50), 0.5), (found.map(|one| one.p95), 0.95)] {
                let measured = tally.service.quantile_ns(quantile) as f64 / 1e6;
                row.push(interval.map_or_else(|| Cell::text(format::UNKNOWN), |one| Cell::number(format::range(one), one.value)));
                row.push(match interval {
                    Some(one) if measured > 0.0 => {
                        let error = (one.value / measured - 1.0) * 100.0;
                        let inside = (one.low..=one.high).contains(&measured);
                        let tone = if error.abs() <= 10.0 || inside { Tone::Good } else { Tone::Warn };
                        Cell::number(format!("{error:+.0}{}", if inside { " (inside)" } else { "" }), error).with_tone(tone)
                    }
                    _ => Cell::text(format::UNKNOWN),
                });
            }
        }
        rows.push(row);
    }
    Table {
        id: "groups",
        title: "Work by endpoint group",
        note: "Response time counts from the instant at which the log's schedule wanted a request sent; service time from its first byte. “Other status”: answers of another class (2xx, 4xx, …) than the log's.".to_owned(),
        columns,
        rows,
    }
}

/// Long polls, which are no latency.
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
        note: "A sync that waits for news is not slow. How long it was parked depends on what else happened.".to_owned(),
        columns: vec![
            Column::text("Group"),
            Column::number("Answered", ""),
            Column::number("Log p50", "ms"),
            Column::number("Open p50", "ms"),
            Column::number("Open p95", "ms"),
            Column::number("Failed", ""),
            Column::number("Other status", "%"),
        ],
        rows: rows.collect(),
    }
}

/// Who answered.
pub(super) fn upstreams(report: &ReplayReport) -> Table {
    let all: u64 = report.measured.upstreams.iter().map(|upstream| upstream.requests).sum();
    let rows = report.measured.upstreams.iter().map(|upstream| {
        vec![
            Cell::log(&upstream.name),
            Cell::count(upstream.requests),
            Cell::share(format::share(upstream.requests as f64, all as f64)),
            ms(&upstream.service, 0.5),
            ms(&upstream.service, 0.95),
        ]
    });
    Table {
        id: "upstreams",
        title: "Who answered",
        note: "As the proxy names its upstreams in the answers; service time of work.".to_owned(),
        columns: vec![
            Column::text("Upstream"),
            Column::number("Answers", ""),
            Column::number("Share", "%"),
            Column::number("Service p50", "ms"),
            Column::number("Service p95", "ms"),
        ],
        rows: rows.collect(),
    }
}

/// Where everything went.
pub(super) fn account(report: &ReplayReport) -> Table {
    let account = &report.measured.account;
    let scheduled = account.scheduled();
    let cpu = |reason: &str| {
        let cpu = report.cpu.as_ref()?;
        let (_, seconds) = cpu.skipped_seconds.iter().find(|(name, _)| *name == reason)?;
        (cpu.logged_seconds > 0.0).then(|| seconds / cpu.logged_seconds * 100.0)
    };
    let row = |what: String, count: u64, cpu: Option<f64>| {
        let share = format::share(count as f64, scheduled as f64);
        vec![Cell::text(what), Cell::count(count), Cell::share(share), Cell::maybe(cpu, |share| format!("{share:.1}"))]
    };
    let mut rows = vec![row("scheduled".to_owned(), scheduled, None), row("answered".to_owned(), account.completed, None)];
    rows.extend(account.failed.iter().map(|(why, count)| row(format!("failed: {}", words(why)), *count, None)));
    rows.extend(account.skipped.iter().map(|(why, count)| row(format!("not sent: {}", words(why)), *count, cpu(why))));
    Table {
        id: "account",
        title: "Where everything went",
        note: "Scheduled = answered + failed + not sent. CPU is that of the logged requests.".to_owned(),
        columns: vec![
            Column::text("What became of it"),
            Column::number("Requests", ""),
            Column::number("Share", "%"),
            Column::number("Logged CPU", "%"),
        ],
        rows,
    }
}

/// Steps of a search for the limit.
pub(super) fn steps(report: &ReplayReport) -> Table {
    let rows = report.steps.iter().map(|step| {
        let (word, tone) = if step.holds { ("holds", Tone::Good) } else { ("broken", Tone::Bad) };
        vec![
            Cell::number(format!("{:.2}", step.load), step.load),
            Cell::number(format::number(step.rate), step.rate),
            Cell::number(format::milliseconds(step.p95_ms), step.p95_ms),
            Cell::text(word).with_tone(tone),
            Cell::text(step.why.clone()),
        ]
    });
    Table {
        id: "limit",
        title: "Search for the limit",
        note: "Load is users per logged user.".to_owned(),
        columns: vec![
            Column::number("Load", "×"),
            Column::number("Answered", "requests/s"),
            Column::number("p95 of work", "ms"),
            Column::text("Objective"),
            Column::text("Because"),
        ],
        rows: rows.collect(),
    }
}

/// A reason of the account, in words.
fn words(reason: &str) -> String {
    match reason {
        "write" => "changes state (--allow-writes)".to_owned(),
        "dangerous" => "cannot be undone (--allow-dangerous)".to_owned(),
        "never_sent" => "federation, administration, application services".to_owned(),
        "not_provisioned" => "needs what was not provisioned".to_owned(),
        "overtaken_sync" => "sync overtaken by the device's next".to_owned(),
        "queue_full" => "too many waited".to_owned(),
        "stopped" => "the run had ended".to_owned(),
        other => other.replace('_', " "),
    }
}

fn ms(times: &Times, quantile: f64) -> Cell {
    if times.count() == 0 {
        return Cell::text(format::UNKNOWN);
    }
    let ms = times.quantile_ns(quantile) as f64 / 1e6;
    Cell::number(format::number(ms), ms)
}

fn failed(tally: &Tally) -> Cell {
    let failed = tally.sent - tally.completed;
    Cell::count(failed).with_tone(if failed > 0 { Tone::Bad } else { Tone::Plain })
}

fn differs(tally: &Tally) -> Cell {
    let share = format::share(tally.differs as f64, tally.completed as f64);
    Cell::number(format::percent_number(share), share * 100.0).with_tone(if share > 0.05 { Tone::Warn } else { Tone::Plain })
}
