//! The tables of a comparison.

use super::model::{FigurePair, GroupPair, PairKind, RunKind, RunPair};
use super::pair::{ALL, P50_LIMIT, P95_LIMIT, REQUESTS_MIN};
use super::report::ComparisonReport;
use crate::shared::table::{Cell, Column, Table, Tone};
use crate::shared::{change, too_few};
use wsim_stats::Interval;
use wsim_text as text;

/// Predicted and measured response times by group.
pub(super) fn predictions(report: &ComparisonReport) -> Table {
    let mut columns = vec![
        Column::text("Group"),
        Column::number("Predicted p50", "ms"),
        Column::number("Measured p50", "ms"),
        Column::number("Error p50", "%"),
        Column::text("Covered p50"),
        Column::number("Predicted p95", "ms"),
        Column::number("Measured p95", "ms"),
        Column::number("Error p95", "%"),
        Column::text("Covered p95"),
        Column::number("Predicted rate", "requests/s"),
        Column::number("Measured rate", "requests/s"),
        Column::number("Error rate", "%"),
    ];
    let rows = rows(report, PairKind::Prediction, &mut columns, |pair| {
        pair.groups.iter().filter(|group| group.p50.is_known()).map(|group| {
            let mut row = vec![Cell::text(group.id.clone())];
            for (figure, limit) in [(&group.p50, P50_LIMIT), (&group.p95, P95_LIMIT)] {
                row.extend([ranged(figure.to), value(figure.from), judged(group, figure, limit), covered(figure)]);
            }
            row.extend([value(group.rate.to), value(group.rate.from), judged(group, &group.rate, RATE_LIMIT)]);
            row
        })
    });
    Table {
        id: "predicted-measured",
        title: "Predicted and measured response times by endpoint group",
        note: format!(
            "From the first byte sent to the last byte read, long-poll waiting excluded. Error: predicted / measured - 1. “Covered”: the predicted 95 % interval contains the measured value. Groups with fewer than {REQUESTS_MIN} requests are shown but do not count."
        ),
        columns,
        rows,
    }
}

/// Requests and CPU before and after, by group.
pub(super) fn traffic(report: &ComparisonReport) -> Table {
    let cpu = changes(report).any(|pair| pair.groups.iter().any(|group| group.cores.is_known()));
    let mut columns = vec![
        Column::text("Group"),
        Column::number("Requests before", ""),
        Column::number("Requests after", ""),
        Column::number("Rate before", "requests/s"),
        Column::number("Rate after", "requests/s"),
        Column::number("Rate change", "%"),
    ];
    if cpu {
        columns.extend([
            Column::number("CPU before", "cores"),
            Column::number("CPU after", "cores"),
            Column::number("CPU change", "%"),
            Column::number("CPU per request before", "ms"),
            Column::number("CPU per request after", "ms"),
            Column::text("CPU per request"),
        ]);
    }
    let rows = rows(report, PairKind::Change, &mut columns, |pair| {
        pair.groups.iter().map(|group| {
            let mut row = vec![Cell::text(group.id.clone()), count(group.requests.from), count(group.requests.to)];
            row.extend([value(group.rate.from), value(group.rate.to), change(&group.rate)]);
            if cpu {
                row.extend([value(group.cores.from), value(group.cores.to), change(&group.cores)]);
                row.extend([ranged(group.cpu_ms.from), ranged(group.cpu_ms.to), significant_change(&group.cpu_ms)]);
            }
            row
        })
    });
    Table { id: "traffic", title: "Traffic and CPU by endpoint group", note: String::new(), columns, rows }
}

/// Response times before and after, by group.
pub(super) fn latencies(report: &ComparisonReport) -> Table {
    let mut columns = vec![
        Column::text("Group"),
        Column::number("p50 before", "ms"),
        Column::number("p50 after", "ms"),
        Column::text("p50"),
        Column::number("p95 before", "ms"),
        Column::number("p95 after", "ms"),
        Column::text("p95"),
        Column::number("p99 before", "ms"),
        Column::number("p99 after", "ms"),
        Column::text("p99"),
    ];
    let rows = rows(report, PairKind::Change, &mut columns, |pair| {
        pair.groups.iter().filter(|group| group.p50.is_known()).map(|group| {
            let mut row = vec![Cell::text(group.id.clone())];
            for figure in [&group.p50, &group.p95, &group.p99] {
                row.extend([value(figure.from), value(figure.to), change_of(group, figure)]);
            }
            row
        })
    });
    let replays = changes(report).any(|pair| [pair.from, pair.to].iter().all(|&index| report.runs[index].kind == RunKind::Replay));
    let start = if replays { " Response times of two replays are measured from the scheduled time of a request." } else { "" };
    Table {
        id: "latency",
        title: "Response times by endpoint group",
        note: format!(
            "Long-poll waiting excluded. “Indistinguishable”: the difference is within its uncertainty (its 95 % interval contains 0). If a run has no uncertainty, only the change is shown.{start}"
        ),
        columns,
        rows,
    }
}

/// Busy shares and rates by process.
pub(super) fn processes(report: &ComparisonReport) -> Table {
    let busy = report.pairs.iter().any(|pair| pair.processes.iter().any(|process| process.utilisation.is_known()));
    let mut columns = vec![Column::text("Process")];
    if busy {
        columns.extend([Column::number("Busy A", "%"), Column::number("Busy B", "%"), Column::text("Busy, B against A")]);
    }
    columns.extend([
        Column::number("Rate A", "requests/s"),
        Column::number("Rate B", "requests/s"),
        Column::number("Rate, B against A", "%"),
    ]);
    let several = report.pairs.len() > 1;
    if several {
        columns.insert(0, Column::text("Runs"));
    }
    let mut rows = Vec::new();
    for pair in &report.pairs {
        for process in &pair.processes {
            let mut row = if several { vec![Cell::text(run_numbers(pair))] } else { Vec::new() };
            row.push(Cell::log(&process.name));
            if busy {
                row.extend([share(process.utilisation.from), share(process.utilisation.to), significant_change(&process.utilisation)]);
            }
            row.extend([value(process.rate.from), value(process.rate.to), change(&process.rate)]);
            rows.push(row);
        }
    }
    Table {
        id: "processes",
        title: "Processes",
        note: "A: the run before, or the measurement. B: the run after, or the prediction. Busy: share of one core over the whole run, background CPU included if it was measured or simulated. A replay does not know the CPU of its target; to get it, analyse the target's logs.".to_owned(),
        columns,
        rows,
    }
}

/// The runs that were compared.
pub(super) fn runs(report: &ComparisonReport) -> Table {
    let rows = report.runs.iter().enumerate().map(|(index, run)| {
        let kind = match run.kind {
            RunKind::Analysis => "analysis",
            RunKind::Simulation => "simulation",
            RunKind::Replay => "replay",
        };
        vec![
            Cell::count(index as u64 + 1),
            Cell::text(run.name.clone()),
            Cell::text(if index == 0 { format!("{kind}, baseline") } else { kind.to_owned() }),
            Cell::text(run.plan.clone().or_else(|| run.target.clone()).unwrap_or_else(|| text::UNKNOWN.to_owned())),
            Cell::number(format!("× {}", text::tick(run.load)), run.load),
            Cell::number(text::number(run.seconds), run.seconds),
            Cell::text(if run.void.is_empty() { "valid" } else { "void" }).with_tone(if run.void.is_empty() {
                Tone::Good
            } else {
                Tone::Bad
            }),
            Cell::text(run.created.clone()),
        ]
    });
    Table {
        id: "runs",
        title: "Runs",
        note: String::new(),
        columns: vec![
            Column::number("No.", ""),
            Column::text("Run"),
            Column::text("Kind"),
            Column::text("Plan or target"),
            Column::number("Load", ""),
            Column::number("Length", "s"),
            Column::text("State"),
            Column::text("Created"),
        ],
        rows: rows.collect(),
    }
}

/// The rows of all pairs of a kind. If the baseline is compared with several runs, a column that names the runs is inserted.
fn rows<'a, I: Iterator<Item = Vec<Cell>>>(
    report: &'a ComparisonReport,
    kind: PairKind,
    columns: &mut Vec<Column>,
    rows_of: impl Fn(&'a RunPair) -> I,
) -> Vec<Vec<Cell>> {
    let several = report.pairs.len() > 1;
    if several {
        columns.insert(0, Column::text("Runs"));
    }
    let mut rows = Vec::new();
    for pair in report.pairs.iter().filter(|pair| pair.kind == kind) {
        for mut row in rows_of(pair) {
            if several {
                row.insert(0, Cell::text(run_numbers(pair)));
            }
            rows.push(row);
        }
    }
    rows
}

fn changes(report: &ComparisonReport) -> impl Iterator<Item = &RunPair> {
    report.pairs.iter().filter(|pair| pair.kind == PairKind::Change)
}

/// The numbers of the two runs in the table [`runs`], because their names are long.
fn run_numbers(pair: &RunPair) -> String {
    format!("{} → {}", pair.from + 1, pair.to + 1)
}

fn value(figure: Option<Interval>) -> Cell {
    Cell::maybe(figure.map(|interval| interval.value), text::number)
}

fn ranged(figure: Option<Interval>) -> Cell {
    figure.map_or_else(Cell::unknown, Cell::range)
}

fn share(figure: Option<Interval>) -> Cell {
    figure.map_or_else(Cell::unknown, Cell::share_range)
}

fn count(figure: Option<Interval>) -> Cell {
    Cell::maybe(figure.map(|interval| interval.value), |value| format!("{value:.0}"))
}

/// A relative change in a column of percentages.
fn change(figure: &FigurePair) -> Cell {
    figure.relative.map_or_else(Cell::unknown, |relative| Cell::number(signed(relative), relative * 100.0))
}

/// The change of a group's response time; in words if it rests on too few requests.
fn change_of(group: &GroupPair, figure: &FigurePair) -> Cell {
    let is_enough = group.counts || group.id == ALL || figure.relative.is_none();
    if is_enough { significant_change(figure) } else { Cell::text(too_few(super::least_requests(group))) }
}

/// A relative change, or that there is none beyond the uncertainty.
fn significant_change(figure: &FigurePair) -> Cell {
    match (figure.relative, figure.indistinguishable) {
        (Some(relative), Some(true)) => Cell::text(format!("indistinguishable ({} %)", signed(relative))),
        (Some(relative), _) => {
            let tone = if relative.abs() < 0.05 {
                Tone::Plain
            } else if relative > 0.0 {
                Tone::Warn
            } else {
                Tone::Good
            };
            Cell::text(format!("{} %", signed(relative))).with_tone(tone)
        }
        (None, _) => Cell::unknown(),
    }
}

/// The error of a group's figure; in words if it rests on too few requests.
fn judged(group: &GroupPair, figure: &FigurePair, limit: f64) -> Cell {
    let is_enough = group.counts || group.id == ALL || figure.relative.is_none();
    if is_enough { error(figure, limit) } else { Cell::text(too_few(super::least_requests(group))) }
}

fn error(figure: &FigurePair, limit: f64) -> Cell {
    let Some(relative) = figure.relative else { return Cell::unknown() };
    let tone = if relative.abs() <= limit { Tone::Good } else { Tone::Warn };
    Cell::number(signed(relative), relative * 100.0).with_tone(tone)
}

fn covered(figure: &FigurePair) -> Cell {
    match figure.covered {
        Some(true) => Cell::text("yes").with_tone(Tone::Good),
        Some(false) => Cell::text("no").with_tone(Tone::Warn),
        None => Cell::unknown(),
    }
}

fn signed(relative: f64) -> String {
    change::signed(relative * 100.0)
}

/// Largest relative error of a well-predicted rate, as in the back-test of a simulation.
const RATE_LIMIT: f64 = 0.1;
