//! The tables of a comparison.

use super::super::format;
use super::super::table::{Cell, Column, Table, Tone};
use super::ComparisonReport;
use super::model::{Figure, Kind, Pair, Sort};
use super::pair::{P50_LIMIT, P95_LIMIT, REQUESTS_MIN};
use wsim_stats::Interval;

/// Predicted beside measured, by group.
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
    let rows = rows(report, Kind::Prediction, &mut columns, |pair| {
        pair.groups.iter().filter(|group| group.p50.is_known()).map(|group| {
            let mut row = vec![Cell::text(group.id.clone())];
            for (figure, limit) in [(&group.p50, P50_LIMIT), (&group.p95, P95_LIMIT)] {
                row.extend([ranged(figure.to), value(figure.from), error(figure, limit), covered(figure)]);
            }
            row.extend([value(group.rate.to), value(group.rate.from), error(&group.rate, RATE_LIMIT)]);
            row
        })
    });
    Table {
        id: "predicted-measured",
        title: "Predicted and measured, by endpoint group",
        note: format!(
            "Time from the first byte sent to the last byte read, of work. Error: predicted over measured, less 1. “Covered”: the measured value lies in the predicted 95 % interval. Groups of fewer than {REQUESTS_MIN} requests are shown and not counted."
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
            Column::number("CPU of a request before", "ms"),
            Column::number("CPU of a request after", "ms"),
            Column::text("CPU of a request"),
        ]);
    }
    let rows = rows(report, Kind::Change, &mut columns, |pair| {
        pair.groups.iter().map(|group| {
            let mut row = vec![Cell::text(group.id.clone()), count(group.requests.from), count(group.requests.to)];
            row.extend([value(group.rate.from), value(group.rate.to), change(&group.rate)]);
            if cpu {
                row.extend([value(group.cores.from), value(group.cores.to), change(&group.cores)]);
                row.extend([ranged(group.cpu_ms.from), ranged(group.cpu_ms.to), judged(&group.cpu_ms)]);
            }
            row
        })
    });
    Table { id: "traffic", title: "Traffic and CPU, by endpoint group", note: String::new(), columns, rows }
}

/// Latency before and after, by group.
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
    let rows = rows(report, Kind::Change, &mut columns, |pair| {
        pair.groups.iter().filter(|group| group.p50.is_known()).map(|group| {
            let mut row = vec![Cell::text(group.id.clone())];
            for figure in [&group.p50, &group.p95, &group.p99] {
                row.extend([value(figure.from), value(figure.to), judged(figure)]);
            }
            row
        })
    });
    let replays = changes(report).any(|pair| [pair.from, pair.to].iter().all(|&place| report.runs[place].sort == Sort::Replay));
    let from = if replays { " Times of two replays count from the intended instant." } else { "" };
    Table {
        id: "latency",
        title: "Work latency, by endpoint group",
        note: format!(
            "“Indistinguishable”: nought lies in the 95 % interval of the difference, as far as the number of requests and of simulated runs tells. Where a run has no intervals only the change is said.{from}"
        ),
        columns,
        rows,
    }
}

/// Processes of both runs.
pub(super) fn processes(report: &ComparisonReport) -> Table {
    let busy = report.pairs.iter().any(|pair| pair.processes.iter().any(|process| process.utilisation.is_known()));
    let mut columns = vec![Column::text("Process")];
    if busy {
        columns.extend([Column::number("Busy A", "%"), Column::number("Busy B", "%"), Column::text("Busy B to A")]);
    }
    columns.extend([Column::number("Rate A", "requests/s"), Column::number("Rate B", "requests/s"), Column::number("Rate B to A", "%")]);
    let several = report.pairs.len() > 1;
    if several {
        columns.insert(0, Column::text("Runs"));
    }
    let mut rows = Vec::new();
    for pair in &report.pairs {
        for process in &pair.processes {
            let mut row = if several { vec![Cell::text(runs_of(pair))] } else { Vec::new() };
            row.push(Cell::log(&process.name));
            if busy {
                row.extend([share(process.utilisation.from), share(process.utilisation.to), judged(&process.utilisation)]);
            }
            row.extend([value(process.rate.from), value(process.rate.to), change(&process.rate)]);
            rows.push(row);
        }
    }
    Table {
        id: "processes",
        title: "Processes",
        note: "A is the run before, or measured; B the run after, or predicted. Utilisation is that of one core over the whole run: of the process where it was measured or simulated, of its request lines else. A replay knows its upstreams by the proxy's names and not their CPU: analyse the target's logs for that.".to_owned(),
        columns,
        rows,
    }
}

/// What was compared.
pub(super) fn runs(report: &ComparisonReport) -> Table {
    let rows = report.runs.iter().enumerate().map(|(place, run)| {
        let sort = match run.sort {
            Sort::Analysis => "analysis",
            Sort::Simulation => "simulation",
            Sort::Replay => "replay",
        };
        vec![
            Cell::count(place as u64 + 1),
            Cell::text(run.name.clone()),
            Cell::text(if place == 0 { format!("{sort}, baseline") } else { sort.to_owned() }),
            Cell::text(run.plan.clone().or_else(|| run.target.clone()).unwrap_or_else(|| format::UNKNOWN.to_owned())),
            Cell::number(format!("× {}", format::tick(run.load)), run.load),
            Cell::number(format::number(run.seconds), run.seconds),
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
            Column::text("Made"),
        ],
        rows: rows.collect(),
    }
}

/// Rows of all pairs of a kind; a column that names them comes first if the baseline is compared with several.
fn rows<'a, I: Iterator<Item = Vec<Cell>>>(
    report: &'a ComparisonReport,
    kind: Kind,
    columns: &mut Vec<Column>,
    of: impl Fn(&'a Pair) -> I,
) -> Vec<Vec<Cell>> {
    let several = report.pairs.len() > 1;
    if several {
        columns.insert(0, Column::text("Runs"));
    }
    let mut rows = Vec::new();
    for pair in report.pairs.iter().filter(|pair| pair.kind == kind) {
        for mut row in of(pair) {
            if several {
                row.insert(0, Cell::text(runs_of(pair)));
            }
            rows.push(row);
        }
    }
    rows
}

fn changes(report: &ComparisonReport) -> impl Iterator<Item = &Pair> {
    report.pairs.iter().filter(|pair| pair.kind == Kind::Change)
}

/// The numbers that [`runs`] gives them: names are long.
fn runs_of(pair: &Pair) -> String {
    format!("{} → {}", pair.from + 1, pair.to + 1)
}

fn value(figure: Option<Interval>) -> Cell {
    Cell::maybe(figure.map(|one| one.value), format::number)
}

fn ranged(figure: Option<Interval>) -> Cell {
    figure.map_or_else(|| Cell::text(format::UNKNOWN), |one| Cell::number(format::range(one), one.value))
}

fn share(figure: Option<Interval>) -> Cell {
    figure.map_or_else(|| Cell::text(format::UNKNOWN), |one| Cell::number(format::percent_range_number(one), one.value * 100.0))
}

fn count(figure: Option<Interval>) -> Cell {
    Cell::maybe(figure.map(|one| one.value), |value| format!("{value:.0}"))
}

/// A relative change in a column of per cent.
fn change(figure: &Figure) -> Cell {
    figure.relative.map_or_else(|| Cell::text(format::UNKNOWN), |relative| Cell::number(signed(relative), relative * 100.0))
}

/// A relative change, or that there is none beyond noise.
fn judged(figure: &Figure) -> Cell {
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
        (None, _) => Cell::text(format::UNKNOWN),
    }
}

fn error(figure: &Figure, limit: f64) -> Cell {
    let Some(relative) = figure.relative else { return Cell::text(format::UNKNOWN) };
    let tone = if relative.abs() <= limit { Tone::Good } else { Tone::Warn };
    Cell::number(signed(relative), relative * 100.0).with_tone(tone)
}

fn covered(figure: &Figure) -> Cell {
    match figure.covered {
        Some(true) => Cell::text("yes").with_tone(Tone::Good),
        Some(false) => Cell::text("no").with_tone(Tone::Warn),
        None => Cell::text(format::UNKNOWN),
    }
}

fn signed(relative: f64) -> String {
    format!("{:+.0}", relative * 100.0)
}

/// As the back-test wants it of throughput.
const RATE_LIMIT: f64 = 0.1;
