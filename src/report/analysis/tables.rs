//! The tables of an analysis: columns, their order and their wording, independent of the format.

use super::model::AnalysisReport;
use crate::shared::plan_cells::{plan_cells, plan_columns, result_cells, result_columns};
use crate::shared::share;
use crate::shared::table::{Cell, Column, Table, Tone};
use crate::shared::vocabulary;
use wsim_advise::PlanSummary;
use wsim_endpoints::groups;
use wsim_profile::{GroupProfile, HeavyHitter, Peak, Quantiles};
use wsim_text as text;
use wsim_trace::ingest::LineTally;

/// Every table that has rows, in the order of the report.
pub(super) fn all(report: &AnalysisReport) -> Vec<Table> {
    let mut tables =
        vec![candidates(report), candidate_processes(report), peaks(report), groups(report), destinations(report), processes(report)];
    tables.extend(heavy_hitters(report));
    tables.extend([
        outcomes(report),
        dispersion(report),
        coverage(report),
        super::measured::measured(report),
        inputs(report),
        malformed(report),
    ]);
    tables.retain(|table| !table.is_empty());
    tables
}

/// Endpoint groups, largest share first.
pub(super) fn groups(report: &AnalysisReport) -> Table {
    let row = |group: &GroupProfile| {
        let quantile = |pick: fn(&Quantiles) -> f64| Cell::maybe(group.latency_ms.as_ref().map(pick), text::number);
        vec![
            Cell::text(&group.id).with_help(groups::description(&group.id)),
            Cell::count(group.requests),
            Cell::maybe(group.cpu_seconds, text::number),
            Cell::share_of(report.group_share(group), group.requests),
            group.cpu_ms.map_or_else(Cell::unknown, Cell::range),
            quantile(|q| q.p50),
            quantile(|q| q.p95),
            quantile(|q| q.p99),
            Cell::count(group.long_polls),
            errors(group.errors, group.requests),
            Cell::text(vocabulary::served_by(group)),
        ]
    };
    Table {
        id: "groups",
        title: "Endpoint groups",
        note: "p50, p95 and p99 are response times, long-poll waiting excluded. Errors: requests with a status of 500 or more, or without a response.".to_owned(),
        columns: vec![
            Column::text("Group"),
            Column::number("Requests", ""),
            Column::number("CPU", "s"),
            share_column(report.cpu_seconds().is_some()),
            Column::number("CPU per request", "ms"),
            Column::number("p50", "ms"),
            Column::number("p95", "ms"),
            Column::number("p99", "ms"),
            Column::number("Long polls", ""),
            Column::number("Errors", "%"),
            Column::text("May be served by"),
        ],
        rows: report.profile.groups.iter().map(row).collect(),
    }
}

/// Processes that may serve requests, according to the endpoint table.
pub(super) fn destinations(report: &AnalysisReport) -> Table {
    // Of the same whole as the shares of groups: requests between processes are a row of their own.
    let of_groups = |internal: bool| report.profile.groups.iter().filter(move |group| group.internal == internal);
    let between = of_groups(true).fold((0, None), |(requests, cpu), group| {
        (requests + group.requests, group.cpu_seconds.map_or(cpu, |seconds| Some(cpu.unwrap_or(0.0) + seconds)))
    });
    let between = (between.0 > 0).then_some(("between processes", between.0, between.1));
    let destinations = report.profile.destinations.iter();
    let all = destinations.map(|destination| (destination.id.as_str(), destination.requests, destination.cpu_seconds)).chain(between);
    let (requests, cpu) = (report.requests(), report.cpu_seconds().unwrap_or(0.0));
    let rows = all.map(|(id, of_requests, of_cpu)| {
        let share = if cpu > 0.0 { share(of_cpu.unwrap_or(0.0), cpu) } else { share(of_requests as f64, requests as f64) };
        vec![Cell::text(id), Cell::count(of_requests), Cell::maybe(of_cpu, text::number), Cell::share_of(share, of_requests)]
    });
    Table {
        id: "destinations",
        title: "Traffic that workers could serve",
        note: format!(
            "By the endpoint table of Synapse {}. “main”: requests that only the main process may serve, under every plan.",
            report.facts.synapse_version
        ),
        columns: vec![
            Column::text("Could be served by"),
            Column::number("Requests", ""),
            Column::number("CPU", "s"),
            share_column(cpu > 0.0),
        ],
        rows: rows.collect(),
    }
}

/// Processes or upstreams in the log.
pub(super) fn processes(report: &AnalysisReport) -> Table {
    let rows = report.profile.processes.iter().map(|process| {
        vec![
            Cell::log(&process.name),
            Cell::count(process.requests),
            Cell::count(process.internal_requests),
            Cell::maybe(process.cpu_seconds, text::number),
            Cell::maybe(process.process_cpu_seconds, text::number),
            Cell::maybe(process.db_seconds, text::number),
            process.utilisation.filter(|busy| busy.is_finite()).map_or_else(Cell::unknown, Cell::share),
        ]
    });
    Table {
        id: "processes",
        title: "Processes in the log",
        note:
            "Busy: CPU of request lines as a share of one core, averaged over the whole log. Background CPU is not included (see Coverage factor)."
                .to_owned(),
        columns: vec![
            Column::text("Process or upstream"),
            Column::number("Requests", ""),
            Column::number("From other processes", ""),
            Column::number("CPU of requests", "s"),
            Column::number("CPU of process", "s"),
            Column::number("Database", "s"),
            Column::number("Busy", "%"),
        ],
        rows: rows.collect(),
    }
}

/// One table for each kind of heavy hitter in the log.
pub(super) fn heavy_hitters(report: &AnalysisReport) -> Vec<Table> {
    let hitters = &report.profile.heavy_hitters;
    let kinds: [(&'static str, &'static str, &'static str, &[HeavyHitter]); 6] = [
        ("users", "Users", "User", &hitters.users),
        ("appservices", "Bridges and application services", "Sender", &hitters.appservices),
        ("rooms", "Rooms", "Room", &hitters.rooms),
        ("origins", "Remote servers", "Server", &hitters.origins),
        ("addresses", "Client addresses", "Address", &hitters.addresses),
        ("agents", "Clients", "User agent", &hitters.agents),
    ];
    let tables = kinds.into_iter().filter(|(.., heavies)| !heavies.is_empty()).map(|(id, title, label, heavies)| {
        let by_cpu = heavies.iter().any(|heavy| heavy.cpu_seconds.is_some());
        let row = |heavy: &HeavyHitter| {
            vec![
                Cell::log(&heavy.name),
                Cell::count(heavy.requests),
                Cell::maybe(heavy.cpu_seconds, text::number),
                Cell::share_of(heavy.share, heavy.requests),
            ]
        };
        Table {
            id,
            title,
            note: if hitters.estimated.iter().any(|kind| kind == id) { ESTIMATED.to_owned() } else { String::new() },
            columns: vec![Column::text(label), Column::number("Requests", ""), Column::number("CPU", "s"), share_column(by_cpu)],
            rows: heavies.iter().map(row).collect(),
        }
    });
    tables.collect()
}

/// Said of a list of more names than are counted one by one without a trace.
const ESTIMATED: &str =
    "Estimates: there are too many names to count each one without a trace. Shares are within about 0.01 percentage points.";

/// Every candidate, in the order of the advice.
pub(super) fn candidates(report: &AnalysisReport) -> Table {
    let row = |(index, plan): (usize, &PlanSummary)| {
        let mark = if report.advice.recommended == Some(index) { "recommended" } else { "" };
        let cores = Cell::range(plan.total_cores);
        plan_cells(plan, mark).into_iter().chain([cores]).chain(result_cells(plan.meets, &plan.reason)).collect()
    };
    Table {
        id: "candidates",
        title: "Candidate plans",
        note: format!(
            "At the peak. Objective: {}. “yes”: met even at the upper end of the uncertainty; “maybe”: met only by the best estimate.",
            report.advice.objective
        ),
        columns: plan_columns().into_iter().chain([Column::number("Total CPU", "cores")]).chain(result_columns()).collect(),
        rows: report.advice.candidates.iter().enumerate().map(row).collect(),
    }
}

/// Every process of every candidate.
pub(super) fn candidate_processes(report: &AnalysisReport) -> Table {
    let rows = report.advice.candidates.iter().flat_map(|candidate| {
        candidate.processes.iter().map(|process| {
            vec![
                Cell::text(&candidate.plan.name),
                Cell::text(&process.name),
                Cell::busy(process.peak),
                Cell::maybe(Some(process.requests_per_second), text::number),
                Cell::count(process.requests),
                Cell::text(process.limit.clone().unwrap_or_default()),
            ]
        })
    });
    Table {
        id: "candidate-processes",
        title: "Processes of all candidate plans",
        note: "Busy and rate at the peak; requests over the whole log.".to_owned(),
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

/// The busiest spans of time.
pub(super) fn peaks(report: &AnalysisReport) -> Table {
    let profile = &report.profile;
    let Peak { requests_per_second: mean_rate, cores: mean_cores, .. } = profile.peaks.mean;
    let row = |name: &str, peak: &Peak| {
        let times_mean = peak
            .cores
            .zip(mean_cores)
            .map_or_else(|| peak.requests_per_second / mean_rate.max(1e-9), |(cores, mean)| cores / mean.max(1e-9));
        vec![
            Cell::text(name),
            Cell::text(vocabulary::window(peak.window)),
            Cell::maybe(Some(peak.requests_per_second), text::number),
            Cell::maybe(peak.cores, text::number),
            Cell::maybe(Some(times_mean), |times| format!("{}×", text::number(times))),
        ]
    };
    let mean = vec![
        Cell::text("mean"),
        Cell::text("the whole log"),
        Cell::maybe(Some(mean_rate), text::number),
        Cell::maybe(mean_cores, text::number),
        Cell::number("1×", 1.0),
    ];
    let rows = if report.requests() == 0 {
        Vec::new()
    } else {
        let spans = PEAK_NAMES.into_iter().zip([&profile.peaks.one_minute, &profile.peaks.five_minutes, &profile.peaks.busy_hour]);
        spans.map(|(name, peak)| row(name, peak)).chain([mean]).collect()
    };
    Table {
        id: "peaks",
        title: "Peaks",
        note: format!(
            "Chosen by {}. CPU of all requests, those between processes included, as logged or inferred; background CPU is not included.",
            if profile.peaks.five_minutes.cores.is_some() { "CPU demand" } else { "requests" }
        ),
        columns: vec![
            Column::text("Span"),
            Column::text("When"),
            Column::number("Rate", "requests/s"),
            Column::number("CPU demand", "cores"),
            Column::number("Against the mean", ""),
        ],
        rows,
    }
}

/// Names of the spans of time in `wsim_profile::Peaks`, shortest first.
pub(super) const PEAK_NAMES: [&str; 3] = ["busiest minute", "busiest five minutes", "busiest hour"];

/// Requests by status.
pub(super) fn outcomes(report: &AnalysisReport) -> Table {
    let outcomes = &report.profile.outcomes;
    let all: u64 = outcomes.by_status.iter().map(|&(_, requests)| requests).sum();
    let rows = outcomes.by_status.iter().map(|&(status, requests)| {
        let name = if status == 0 { "none sent".to_owned() } else { status.to_string() };
        let status = Cell { value: Some(f64::from(status)), ..Cell::text(name) };
        vec![status, Cell::count(requests), Cell::share_of(share(requests as f64, all as f64), requests)]
    });
    Table {
        id: "outcomes",
        title: "Responses by status",
        note: format!(
            "{} disconnected before the response was complete. A proxy tried {} on more than one upstream.",
            text::plural(outcomes.aborted, "client", "clients"),
            text::plural(outcomes.retried, "request", "requests")
        ),
        columns: vec![Column::text("Status"), Column::number("Requests", ""), Column::number("Share", "%")],
        rows: rows.collect(),
    }
}

/// Burstiness by time scale.
pub(super) fn dispersion(report: &AnalysisReport) -> Table {
    let rows = report.profile.dispersion.iter().map(|scale| {
        vec![
            Cell::number(text::duration(scale.scale_seconds), scale.scale_seconds),
            Cell::count(scale.bins),
            Cell::maybe(Some(scale.arrivals), text::number),
            Cell::maybe(scale.work, text::number),
        ]
    });
    Table {
        id: "dispersion",
        title: "Burstiness",
        note: "Index of dispersion: 1 if requests arrive independently of each other; larger values mean bursts and daily variation."
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

/// Processes whose total CPU was measured.
pub(super) fn coverage(report: &AnalysisReport) -> Table {
    let rows = report.profile.coverage.processes.iter().map(|process| {
        // A process without requests has no factor.
        let factor = (process.logged_cpu_seconds > 0.0).then(|| process.process_cpu_seconds / process.logged_cpu_seconds);
        vec![
            Cell::log(&process.name),
            Cell::number(text::number(process.process_cpu_seconds), process.process_cpu_seconds),
            Cell::number(text::number(process.logged_cpu_seconds), process.logged_cpu_seconds),
            Cell::maybe(factor, text::number),
        ]
    });
    Table {
        id: "coverage",
        title: "Coverage factor",
        note: report.profile.coverage.note.clone(),
        columns: vec![
            Column::text("Process"),
            Column::number("CPU of process", "s"),
            Column::number("CPU of requests", "s"),
            Column::number("Factor", ""),
        ],
        rows: rows.collect(),
    }
}

/// The inputs of a page, which cannot show a hundred thousand: damaged ones first if there are too many.
pub(crate) fn inputs_of_page(report: &AnalysisReport) -> Table {
    let Some(more) = report.inputs.len().checked_sub(INPUTS_MAX).filter(|more| *more > 0) else { return inputs(report) };
    let (damaged, whole): (Vec<&LineTally>, Vec<&LineTally>) = report.inputs.iter().partition(|input| input.read_error.is_some());
    let mut table = table_of_inputs(damaged.into_iter().chain(whole).take(INPUTS_MAX));
    table.note.push_str(&format!(" {} more are in report.json.", text::count(more as u64)));
    table
}

const INPUTS_MAX: usize = 1000;

/// Every input with its line counts.
pub(crate) fn inputs(report: &AnalysisReport) -> Table {
    table_of_inputs(report.inputs.iter())
}

fn table_of_inputs<'a>(inputs: impl Iterator<Item = &'a LineTally>) -> Table {
    let rows = inputs.map(|input| {
        let note = vocabulary::input_note(input);
        let note = if note.is_empty() { note } else { format!("; {note}") };
        let begins_with_format = input.reason.starts_with(input.format.as_str());
        let evidence = if begins_with_format { input.reason.clone() } else { format!("{}: {}", input.format, input.reason) };
        vec![
            Cell::log(&input.path),
            Cell::text(format!("{evidence}{note}")),
            Cell::count(input.lines),
            Cell::count(input.requests),
            Cell::count(input.not_requests),
            Cell::count(input.malformed).with_tone(if input.malformed > 0 { Tone::Warn } else { Tone::Plain }),
            Cell::count(input.duplicates),
            Cell::number(text::bytes(input.bytes), input.bytes as f64),
            Cell::text(instant(input.first_us)),
            Cell::text(instant(input.last_us)),
        ]
    });
    Table {
        id: "inputs",
        title: "Input files",
        note: "Every physical line is counted once: lines = requests + other lines + malformed lines. Duplicates are requests that another input already contained.".to_owned(),
        columns: vec![
            Column::text("Input"),
            Column::text("Format, evidence and times"),
            Column::number("Lines", ""),
            Column::number("Requests", ""),
            Column::number("Other lines", ""),
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
pub(crate) fn malformed(report: &AnalysisReport) -> Table {
    let rows = report
        .malformed_examples()
        .map(|example| vec![Cell::log(&example.path), Cell::count(example.line), Cell::text(example.reason.clone())]);
    Table {
        id: "malformed",
        title: "Malformed lines",
        note: "A sample. The text of the lines is not shown, because logs contain private data.".to_owned(),
        columns: vec![Column::text("Input"), Column::number("Line", ""), Column::text("Problem")],
        rows: rows.collect(),
    }
}

/// The column of shares: of CPU if it is known, else of requests.
fn share_column(of_cpu: bool) -> Column {
    Column::number(if of_cpu { "Share of CPU" } else { "Share of requests" }, "%")
}

/// An instant to the second, as RFC 3339 with a space.
fn instant(micros: Option<i64>) -> String {
    micros.map_or_else(|| text::UNKNOWN.to_owned(), |micros| format!("{}Z", text::date_time(micros)))
}

fn errors(errors: u64, requests: u64) -> Cell {
    let share = share(errors as f64, requests as f64);
    if requests < wsim_advise::REQUESTS_FOR_SHARES {
        return Cell::text(if errors == 0 { text::percent_number(0.0) } else { format!("{errors} of {requests}") });
    }
    Cell::number(text::percent_number(share), share * 100.0).with_tone(if share >= 0.01 { Tone::Warn } else { Tone::Plain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

    #[test]
    fn a_page_shows_a_thousand_inputs_the_damaged_ones_first() {
        let mut report = fixture::report();
        let input = LineTally { read_error: None, ..report.inputs[0].clone() };
        report.inputs = vec![input; INPUTS_MAX + 5];
        report.inputs[INPUTS_MAX + 2].path = "damaged.log".to_owned();
        report.inputs[INPUTS_MAX + 2].read_error = Some("cut off".to_owned());
        let table = inputs_of_page(&report);
        assert_eq!((table.rows.len(), inputs(&report).rows.len()), (INPUTS_MAX, INPUTS_MAX + 5));
        assert!(format!("{:?}", table.rows[0]).contains("damaged.log"), "{:?}", table.rows[0]);
        assert!(table.note.ends_with("5 more are in report.json."), "{}", table.note);
    }

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
            // Of the same whole, in another division.
            let sum: f64 = destinations(&report).rows.iter().filter_map(|row| row[3].value).sum();
            assert!((sum - 100.0).abs() < 1e-6, "{sum}");
        }
    }

    #[test]
    fn a_share_of_a_few_requests_is_left_out() {
        let mut report = fixture::report();
        (report.profile.groups[0].requests, report.profile.groups[0].errors) = (19, 3);
        report.profile.heavy_hitters.users[0].requests = 19;
        let (groups, users) = (groups(&report), heavy_hitters(&report).remove(0));
        assert_eq!((groups.rows[0][3].text.as_str(), groups.rows[0][9].text.as_str()), ("–", "3 of 19"));
        assert_eq!((users.rows[0][3].text.as_str(), users.rows[0][3].bar), ("–", None));
        assert!(groups.rows[1][3].value.is_some());
    }

    #[test]
    fn the_recommended_plan_is_named_as_such_once() {
        let report = fixture::report();
        let named = candidates(&report).rows.iter().filter(|row| row[0].text.ends_with("(recommended)")).count();
        assert_eq!(named, 1);
    }
}
