//! The tables of an analysis: which columns, in which order, with which words.
//!
//! Knows nothing of forms.

use super::analysis::{self, AnalysisReport};
use super::format;
use super::table::{Cell, Column, Table, Tone};
use super::words;
use wsim_advise::{Candidate, Meets};
use wsim_profile::{Heavy, Peak};

/// Every table that has rows, in the order of a report.
pub fn all(report: &AnalysisReport) -> Vec<Table> {
    let mut tables =
        vec![candidates(report), candidate_processes(report), peaks(report), groups(report), destinations(report), processes(report)];
    tables.extend(heavy_hitters(report));
    tables.extend([outcomes(report), dispersion(report), coverage(report), inputs(report), malformed(report)]);
    tables.retain(|table| !table.is_empty());
    tables
}

/// Endpoint groups, heaviest first.
pub fn groups(report: &AnalysisReport) -> Table {
    let cpu = report.cpu_seconds();
    let whole = cpu.unwrap_or(report.requests() as f64);
    let rows = report.profile.groups.iter().map(|group| {
        let weight = if cpu.is_some() { group.cpu_seconds.unwrap_or(0.0) } else { group.requests as f64 };
        let share = format::share(weight, whole);
        let quantile = |pick: fn(&wsim_profile::Quantiles) -> f64| Cell::maybe(group.latency_ms.as_ref().map(pick), format::number);
        vec![
            Cell { text: group.id.clone(), help: words::group(&group.id), ..Cell::default() },
            Cell::count(group.requests),
            Cell::maybe(group.cpu_seconds, format::number),
            Cell::share(share),
            group.cpu_ms.map_or_else(|| Cell::text(format::UNKNOWN), |ms| Cell::number(format::range(ms), ms.value)),
            quantile(|q| q.p50),
            quantile(|q| q.p95),
            quantile(|q| q.p99),
            if group.long_polls == 0 { Cell::number("0", 0.0) } else { Cell::count(group.long_polls) },
            errors(group.errors, group.requests),
            Cell::text(words::served_by(group)),
        ]
    });
    Table {
        id: "groups",
        title: "Endpoint groups",
        note: "Latency is work latency: time parked in a long poll is not in it. Errors are answers of 500 and up, and requests without an answer.".to_owned(),
        columns: vec![
            Column::text("Group"),
            Column::number("Requests", ""),
            Column::number("CPU", "s"),
            Column::number(if cpu.is_some() { "Share of CPU" } else { "Share of requests" }, "%"),
            Column::number("CPU per request", "ms"),
            Column::number("p50", "ms"),
            Column::number("p95", "ms"),
            Column::number("p99", "ms"),
            Column::number("Long polls", ""),
            Column::number("Errors", "%"),
            Column::text("May be served by"),
        ],
        rows: rows.collect(),
    }
}

/// Where the endpoint table lets requests go.
pub fn destinations(report: &AnalysisReport) -> Table {
    let all = &report.profile.destinations;
    let requests: u64 = all.iter().map(|destination| destination.requests).sum();
    let cpu: f64 = all.iter().filter_map(|destination| destination.cpu_seconds).sum();
    let rows = all.iter().map(|destination| {
        let share = if cpu > 0.0 {
            format::share(destination.cpu_seconds.unwrap_or(0.0), cpu)
        } else {
            format::share(destination.requests as f64, requests as f64)
        };
        vec![
            Cell::text(&destination.id),
            Cell::count(destination.requests),
            Cell::maybe(destination.cpu_seconds, format::number),
            Cell::share(share),
        ]
    });
    Table {
        id: "destinations",
        title: "What could leave the main process",
        note: format!(
            "By the endpoint table of Synapse {}. “main” is what only the main process may serve: no plan takes it away.",
            report.facts.synapse_version
        ),
        columns: vec![
            Column::text("Could go to"),
            Column::number("Requests", ""),
            Column::number("CPU", "s"),
            Column::number(if cpu > 0.0 { "Share of CPU" } else { "Share of requests" }, "%"),
        ],
        rows: rows.collect(),
    }
}

/// Processes or upstreams in the log.
pub fn processes(report: &AnalysisReport) -> Table {
    let rows = report.profile.processes.iter().map(|process| {
        vec![
            Cell::log(&process.name),
            Cell::count(process.requests),
            Cell::count(process.internal_requests),
            Cell::maybe(process.cpu_seconds, format::number),
            Cell::maybe(process.process_cpu_seconds, format::number),
            Cell::maybe(process.db_seconds, format::number),
            process.utilisation.filter(|busy| busy.is_finite()).map_or_else(|| Cell::text(format::UNKNOWN), Cell::share),
        ]
    });
    Table {
        id: "processes",
        title: "Processes in the log",
        note: "Busy: CPU in request lines as a share of one core, mean over the whole log; the whole process uses more (see coverage)."
            .to_owned(),
        columns: vec![
            Column::text("Process or upstream"),
            Column::number("Requests", ""),
            Column::number("From other processes", ""),
            Column::number("CPU in lines", "s"),
            Column::number("CPU of process", "s"),
            Column::number("Database", "s"),
            Column::number("Busy", "%"),
        ],
        rows: rows.collect(),
    }
}

/// One table for each kind of heavy hitter that was seen.
pub fn heavy_hitters(report: &AnalysisReport) -> Vec<Table> {
    let hitters = &report.profile.heavy_hitters;
    let kinds: [(&'static str, &'static str, &'static str, &[Heavy]); 6] = [
        ("users", "Users", "User", &hitters.users),
        ("appservices", "Bridges and application services", "Sender", &hitters.appservices),
        ("rooms", "Rooms", "Room", &hitters.rooms),
        ("origins", "Remote servers", "Server", &hitters.origins),
        ("addresses", "Client addresses", "Address", &hitters.addresses),
        ("agents", "Clients", "User agent", &hitters.agents),
    ];
    let tables = kinds.into_iter().filter(|(.., heavies)| !heavies.is_empty()).map(|(id, title, label, heavies)| {
        let by_cpu = heavies.iter().any(|heavy| heavy.cpu_seconds.is_some());
        let row = |heavy: &Heavy| {
            vec![
                Cell::log(&heavy.name),
                Cell::count(heavy.requests),
                Cell::maybe(heavy.cpu_seconds, format::number),
                Cell::share(heavy.share),
            ]
        };
        Table {
            id,
            title,
            note: String::new(),
            columns: vec![
                Column::text(label),
                Column::number("Requests", ""),
                Column::number("CPU", "s"),
                Column::number(if by_cpu { "Share of CPU" } else { "Share of requests" }, "%"),
            ],
            rows: heavies.iter().map(row).collect(),
        }
    });
    tables.collect()
}

/// Every candidate, as the screen ordered them.
pub fn candidates(report: &AnalysisReport) -> Table {
    let row = |(index, candidate): (usize, &Candidate)| {
        let busiest = analysis::busiest(candidate);
        let (meets, tone) = meets(candidate.meets_objective);
        let name = if report.advice.recommended == Some(index) {
            format!("{} (recommended)", candidate.plan.name)
        } else {
            candidate.plan.name.clone()
        };
        vec![
            Cell::text(name),
            Cell::count(u64::from(candidate.workers)),
            Cell::text(candidate.balance.clone()),
            Cell::text(busiest.map_or(format::UNKNOWN, |process| process.name.as_str())),
            busiest.map_or_else(
                || Cell::text(format::UNKNOWN),
                |process| {
                    Cell::number(format::percent_range_number(process.utilisation), process.utilisation.value * 100.0)
                        .with_bar(process.utilisation.value)
                },
            ),
            Cell::number(format::range(candidate.total_cores), candidate.total_cores.value),
            Cell::text(meets).with_tone(tone),
            Cell::text(candidate.verdict.clone()),
        ]
    };
    Table {
        id: "candidates",
        title: "Candidate plans",
        note: format!(
            "At the busiest five minutes. Objective: {}. “yes” holds at the upper end of the range, “maybe” only at the best estimate.",
            report.advice.objective
        ),
        columns: vec![
            Column::text("Plan"),
            Column::number("Workers", ""),
            Column::text("Balancing"),
            Column::text("Busiest process"),
            Column::number("Busy", "%"),
            Column::number("All processes", "cores"),
            Column::text("Meets"),
            Column::text("Because"),
        ],
        rows: report.advice.candidates.iter().enumerate().map(row).collect(),
    }
}

/// Every process of every candidate.
pub fn candidate_processes(report: &AnalysisReport) -> Table {
    let rows = report.advice.candidates.iter().flat_map(|candidate| {
        candidate.processes.iter().map(|process| {
            vec![
                Cell::text(candidate.plan.name.clone()),
                Cell::text(process.name.clone()),
                Cell::number(format::percent_range_number(process.utilisation), process.utilisation.value * 100.0)
                    .with_bar(process.utilisation.value),
                Cell::maybe(Some(process.requests_per_second), format::number),
                Cell::count(process.requests),
                Cell::text(process.limit.clone().unwrap_or_default()),
            ]
        })
    });
    Table {
        id: "candidate-processes",
        title: "Every process of every candidate",
        note: "Busy and rate in the busiest five minutes, requests over the whole log.".to_owned(),
        columns: vec![
            Column::text("Plan"),
            Column::text("Process"),
            Column::number("Busy", "%"),
            Column::number("Rate", "requests/s"),
            Column::number("Requests", ""),
            Column::text("Limited by"),
        ],
        rows: rows.collect(),
    }
}

/// The busiest spans.
pub fn peaks(report: &AnalysisReport) -> Table {
    let profile = &report.profile;
    let mean_rate = profile.requests as f64 / profile.window.seconds();
    let mean_cores = report.cpu_seconds().map(|seconds| seconds / profile.window.seconds());
    let row = |name: &str, peak: &Peak| {
        let times = peak
            .cores
            .zip(mean_cores)
            .map_or_else(|| peak.requests_per_second / mean_rate.max(1e-9), |(cores, mean)| cores / mean.max(1e-9));
        vec![
            Cell::text(name),
            Cell::text(format::window(peak.window)),
            Cell::maybe(Some(peak.requests_per_second), format::number),
            Cell::maybe(peak.cores, format::number),
            Cell::maybe(Some(times), |times| format!("{} ×", format::number(times))),
        ]
    };
    let rows = if report.requests() == 0 {
        Vec::new()
    } else {
        let mut rows = vec![
            row("busiest minute", &profile.peaks.one_minute),
            row("busiest five minutes", &profile.peaks.five_minutes),
            row("busiest hour", &profile.peaks.busy_hour),
        ];
        rows.push(vec![
            Cell::text("mean"),
            Cell::text("the whole log"),
            Cell::maybe(Some(mean_rate), format::number),
            Cell::maybe(mean_cores, format::number),
            Cell::number("1 ×", 1.0),
        ]);
        rows
    };
    Table {
        id: "peaks",
        title: "Peaks",
        note: "Chosen by CPU demand where it is known, else by requests. CPU is what request lines show or what was inferred, before coverage.".to_owned(),
        columns: vec![Column::text("Span"), Column::text("When"), Column::number("Rate", "requests/s"), Column::number("CPU demand", "cores"), Column::number("Against the mean", "")],
        rows,
    }
}

/// Requests per status.
pub fn outcomes(report: &AnalysisReport) -> Table {
    let outcomes = &report.profile.outcomes;
    let all: u64 = outcomes.by_status.iter().map(|&(_, requests)| requests).sum();
    let rows = outcomes.by_status.iter().map(|&(status, requests)| {
        let share = format::share(requests as f64, all as f64);
        let name = if status == 0 { "none sent".to_owned() } else { status.to_string() };
        vec![Cell { value: Some(f64::from(status)), ..Cell::text(name) }, Cell::count(requests), Cell::share(share)]
    });
    Table {
        id: "outcomes",
        title: "Answers",
        note: format!(
            "{} left before the answer was complete; a proxy tried {} on more than one upstream.",
            format::plural(outcomes.aborted, "client", "clients"),
            format::plural(outcomes.retried, "request", "requests")
        ),
        columns: vec![Column::text("Status"), Column::number("Requests", ""), Column::number("Share", "%")],
        rows: rows.collect(),
    }
}

/// Burstiness.
pub fn dispersion(report: &AnalysisReport) -> Table {
    let rows = report.profile.dispersion.iter().map(|scale| {
        vec![
            Cell::number(format::duration(scale.scale_seconds), scale.scale_seconds),
            Cell::count(scale.bins),
            Cell::maybe(Some(scale.arrivals), format::number),
            Cell::maybe(scale.work, format::number),
        ]
    });
    Table {
        id: "dispersion",
        title: "Burstiness",
        note: "Index of dispersion: 1 if requests came independently of each other; growing values mean bursts and the rhythm of the day."
            .to_owned(),
        columns: vec![
            Column::number("Time scale", ""),
            Column::number("Bins", ""),
            Column::number("Arrivals", ""),
            Column::number("CPU demand", ""),
        ],
        rows: rows.collect(),
    }
}

/// Processes whose whole CPU was given.
pub fn coverage(report: &AnalysisReport) -> Table {
    let rows = report.profile.coverage.processes.iter().map(|process| {
        let factor = process.process_cpu_seconds / process.logged_cpu_seconds;
        vec![
            Cell::log(&process.name),
            Cell::number(format::number(process.process_cpu_seconds), process.process_cpu_seconds),
            Cell::number(format::number(process.logged_cpu_seconds), process.logged_cpu_seconds),
            Cell::maybe(Some(factor), format::number),
        ]
    });
    Table {
        id: "coverage",
        title: "Coverage",
        note: report.profile.coverage.note.clone(),
        columns: vec![
            Column::text("Process"),
            Column::number("CPU of process", "s"),
            Column::number("CPU in lines", "s"),
            Column::number("Factor", ""),
        ],
        rows: rows.collect(),
    }
}

/// The account of every line read.
pub fn inputs(report: &AnalysisReport) -> Table {
    let rows = report.inputs.iter().map(|input| {
        vec![
            Cell::log(&input.path),
            Cell::text(if input.time_note.is_empty() {
                format!("{}: {}", input.format, input.format_reason)
            } else {
                format!("{}: {}; {}", input.format, input.format_reason, input.time_note)
            }),
            Cell::count(input.lines),
            Cell::count(input.requests),
            Cell::count(input.not_requests),
            Cell::count(input.malformed).with_tone(if input.malformed > 0 { Tone::Warn } else { Tone::Plain }),
            Cell::count(input.duplicates),
            Cell::number(format::bytes(input.bytes), input.bytes as f64),
            Cell::text(instant(input.first.as_deref())),
            Cell::text(instant(input.last.as_deref())),
        ]
    });
    Table {
        id: "inputs",
        title: "Inputs",
        note: "Every physical line is counted once: lines = requests + not requests + malformed. Duplicates are requests that another input had already.".to_owned(),
        columns: vec![
            Column::text("Input"),
            Column::text("Format: why; stamps"),
            Column::number("Lines", ""),
            Column::number("Requests", ""),
            Column::number("Not requests", ""),
            Column::number("Malformed", ""),
            Column::number("Duplicates", ""),
            Column::number("Size", ""),
            Column::text("First arrival"),
            Column::text("Last arrival"),
        ],
        rows: rows.collect(),
    }
}

/// Examples of lines that could not be read.
pub fn malformed(report: &AnalysisReport) -> Table {
    let rows = report
        .malformed_examples
        .iter()
        .map(|example| vec![Cell::log(&example.path), Cell::count(example.line), Cell::text(example.reason.clone())]);
    Table {
        id: "malformed",
        title: "Malformed lines",
        note: "A sample. The text of the lines is not shown: logs are secret.".to_owned(),
        columns: vec![Column::text("Input"), Column::number("Line", ""), Column::text("What was wrong")],
        rows: rows.collect(),
    }
}

/// A word and its colour.
pub fn meets(meets: Meets) -> (&'static str, Tone) {
    match meets {
        Meets::Yes => ("yes", Tone::Good),
        Meets::Maybe => ("maybe", Tone::Warn),
        Meets::No => ("no", Tone::Bad),
    }
}

/// An RFC 3339 instant to the second.
fn instant(text: Option<&str>) -> String {
    match text {
        None => format::UNKNOWN.to_owned(),
        Some(text) if text.is_ascii() && text.len() > 19 && text.ends_with('Z') => format!("{}Z", text[..19].replace('T', " ")),
        Some(text) => text.to_owned(),
    }
}

fn errors(errors: u64, requests: u64) -> Cell {
    let share = format::share(errors as f64, requests as f64);
    Cell::number(format::percent_number(share), share * 100.0).with_tone(if share >= 0.01 { Tone::Warn } else { Tone::Plain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_row_has_a_cell_per_column() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            for table in all(&report) {
                assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.id);
            }
        }
    }

    #[test]
    fn shares_of_groups_add_up_to_the_whole() {
        for report in [fixture::report(), fixture::proxy_only()] {
            let sum: f64 = groups(&report).rows.iter().filter_map(|row| row[3].value).sum();
            assert!((sum - 100.0).abs() < 1e-6, "{sum}");
        }
    }

    #[test]
    fn the_recommended_plan_is_named_as_such_once() {
        let report = fixture::report();
        let named = candidates(&report).rows.iter().filter(|row| row[0].text.ends_with("(recommended)")).count();
        assert_eq!(named, 1);
    }
}
