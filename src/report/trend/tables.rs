//! The tables of a trend.

use super::fit::Form;
use super::model::{AHEAD_WEEKS, Trend, TrendReport, TrendRun, Unit};
use crate::shared::table::{Cell, Column, Table, Tone};
use wsim_stats::Interval;
use wsim_text as text;

/// Growth and forecast of each group; all groups together first.
pub(super) fn growth(report: &TrendReport) -> Table {
    let row = |trend: &Trend| {
        let first = trend.values.iter().flatten().next().copied();
        let last = trend.values.iter().flatten().last().copied();
        let mut row = vec![
            Cell::text(trend.id.clone()),
            Cell::maybe(first, text::number),
            Cell::maybe(last, text::number),
            trend.growth_per_week.map_or_else(Cell::unknown, growth_cell),
        ];
        let forecast = |weeks: u32| trend.forecasts.iter().find(|forecast| forecast.weeks_ahead == weeks).map(|forecast| forecast.value);
        row.extend(AHEAD_WEEKS.map(|weeks| forecast(weeks).map_or_else(Cell::unknown, Cell::range)));
        row.push(Cell::text(match trend.form {
            Some(Form::Linear) => "linear",
            Some(Form::LogLinear) => "log-linear",
            None => "",
        }));
        row
    };
    let unit = report.unit.name();
    let ahead = ["In 4 weeks", "In 13 weeks", "In 26 weeks", "In 52 weeks"];
    let columns =
        [Column::text("Group"), Column::number("First run", unit), Column::number("Last run", unit), Column::number("Growth a week", "%")];
    let measured = match report.unit {
        Unit::Cores => "CPU of the requests, cores on average over the log",
        Unit::RequestsPerSecond => "Requests per second on average over the log",
    };
    Table {
        id: "growth",
        title: "Growth by endpoint group",
        note: format!(
            "{measured}. Growth: of the value at the last run. 95 % intervals in brackets: of the growth, and of a new run (prediction interval)."
        ),
        columns: columns.into_iter().chain(ahead.map(|label| Column::number(label, unit))).chain([Column::text("Form")]).collect(),
        rows: std::iter::once(&report.all).chain(&report.groups).map(row).collect(),
    }
}

fn growth_cell(growth: Interval) -> Cell {
    let percent = |share: f64| format!("{:+.1}", share * 100.0);
    let words = format!("{} ({} to {})", percent(growth.value), percent(growth.low), percent(growth.high));
    let tone = if growth.low > 0.0 { Tone::Warn } else { Tone::Plain };
    Cell::number(words, growth.value * 100.0).with_tone(tone)
}

/// The runs, oldest first.
pub(super) fn runs(report: &TrendReport) -> Table {
    let row = |run: &TrendRun| {
        let requests: u64 = run.groups.iter().map(|group| group.requests).sum();
        vec![
            Cell::text(run.name.clone()),
            Cell::text(text::date_time(run.start_us)),
            Cell::number(text::duration(run.seconds), run.seconds),
            Cell::count(requests),
            Cell::maybe(Some(requests as f64 / run.seconds), text::number),
            Cell::text(run.limit.clone().unwrap_or_default()),
            Cell::maybe(run.used.map(|used| used * 100.0), |percent| text::percent_number(percent / 100.0)),
        ]
    };
    Table {
        id: "runs",
        title: "Runs",
        note: "Used: the part of the first limit that the load of the log takes; at 100 % the objective breaks.".to_owned(),
        columns: vec![
            Column::text("Run"),
            Column::text("Start (UTC)"),
            Column::number("Length", ""),
            Column::number("Requests", ""),
            Column::number("Rate", "requests/s"),
            Column::text("First limit"),
            Column::number("Used", "%"),
        ],
        rows: report.runs.iter().map(row).collect(),
    }
}
