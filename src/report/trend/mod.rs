//! The report of `wsim report` over three and more analyses: growth, forecast, and the week in which the objective breaks.
//!
//! ```text
//! report.json of each analysis ─▶ TrendRun ─▶ Fit of each figure ─▶ TrendReport ─▶ json, html, markdown, csv, chart, terminal
//! ```
//!
//! Knows nothing of logs, only what the reports contain.

mod fit;
mod json;
mod model;
mod read;
mod tables;

#[cfg(test)]
pub(crate) use tests::report as fixture;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::charts::{self, Chart, GrowthData};
use crate::comparison::html::ComparisonPage;
use crate::exporter::{Report, ReportError};
use crate::shared::markdown;
use crate::shared::page::{self, PageFrame, Paper, parts, sentence};
use crate::shared::table::{Table, Tone};
use crate::shared::terminal::{ColumnView, Style, TableChoice, TerminalWriter, bold, dim, tone_style};
use crate::shared::verdict::VerdictSection;
use wsim_text as text;

pub use fit::{Fit, Form};
pub use json::SCHEMA;
pub use model::{Break, Forecast, Trend, TrendReport, TrendRun, TrendRunGroup, Unit};
pub use read::{TrendReadError, read};

impl Report for TrendReport {
    fn json(&self) -> Result<String, ReportError> {
        json::json(self)
    }

    fn markdown(&self) -> String {
        let mut out = String::new();
        markdown::push(&mut out, &format!("# {}", markdown::sentence(&self.verdict())));
        markdown::push(&mut out, &markdown::list(&self.doubts(), false));
        for table in self.tables() {
            markdown::section(&mut out, &table, 2);
        }
        markdown::push(&mut out, "## Method");
        for paragraph in METHOD {
            markdown::push(&mut out, &markdown::sentence(paragraph));
        }
        markdown::push(&mut out, "## Command");
        markdown::push(&mut out, &markdown::code_block(&self.command));
        out
    }

    fn html(&self) -> Result<String, ReportError> {
        let runs = text::plural(self.runs.len() as u64, "run", "runs");
        let charts = self.charts();
        let frame = PageFrame::from_several_runs("trend", &self.wsim, &self.created, runs).with_contents([
            ("compared", "Growth", true),
            ("charts", "Charts", !charts.is_empty()),
            ("method", "Method", true),
            ("terms", "Terms", true),
        ]);
        let verdict = VerdictSection {
            headline: sentence(&self.verdict()),
            tone: self.tone().class(),
            lead: self.doubts().iter().map(|doubt| sentence(&format!("{doubt}."))).collect(),
            ..VerdictSection::default()
        };
        page::render(&ComparisonPage {
            frame,
            verdict,
            heading: "Growth",
            charts,
            tables: parts(&mut Paper::new(), 2, self.tables()),
            command: sentence(&self.command),
            created: format!("{} by wsim {}", self.created, self.wsim),
            method: METHOD.to_vec(),
        })
    }

    fn charts(&self) -> Vec<Chart> {
        let mut charts = Vec::new();
        if let Some(used) = &self.used {
            charts.push(Chart {
                name: "limit-over-time",
                title: "Share of the first limit that is used",
                caption: "A point for each run, the fitted trend, and the 95 % prediction interval of a new run as a band. At the dashed line (100 %) the objective breaks.".to_owned(),
                svg: self.drawn("limit-over-time", "Share of the first limit", None, used),
            });
        }
        charts.push(Chart {
            name: "load-over-time",
            title: "Load of all endpoint groups",
            caption: format!(
                "In {}. A point for each run, the fitted trend, and the 95 % prediction interval of a new run as a band.",
                self.unit.name()
            ),
            svg: self.drawn("load-over-time", "Load", Some(self.unit.name()), &self.all),
        });
        charts
    }

    fn tables(&self) -> Vec<Table> {
        vec![tables::growth(self), tables::runs(self)]
    }

    fn terminal(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let mut terminal = TerminalWriter::new(out, style);
        let head = format!("wsim {} · trend over {}", self.wsim, text::plural(self.runs.len() as u64, "analysis", "analyses"));
        terminal.paragraph(0, &head, dim())?;
        terminal.empty_line()?;
        let emphasis = if self.tone() == Tone::Bad { tone_style(Tone::Bad) } else { bold() };
        terminal.paragraph(0, &format!("{}.", self.verdict()), emphasis)?;
        for doubt in self.doubts() {
            terminal.paragraph(0, &format!("{doubt}."), tone_style(Tone::Warn))?;
        }
        let shows = |column: &crate::shared::table::Column| !HIDDEN.contains(&column.label);
        let head = |column: &crate::shared::table::Column| match column.unit {
            "" => column.label.to_owned(),
            unit => format!("{} {unit}", column.label),
        };
        let view = ColumnView { shows: &shows, head: &head, cell: &|_, cell| cell.text.clone(), cell_columns: 32 };
        let is_brief = style.tables == TableChoice::NONE;
        for mut table in self.tables().into_iter().take(if is_brief { 1 } else { usize::MAX }) {
            table.rows.truncate(if is_brief { ROWS_MAX } else { usize::MAX });
            terminal.table(&table, "", &view)?;
        }
        Ok(())
    }
}

impl TrendReport {
    fn drawn(&self, name: &'static str, title: &'static str, unit: Option<&'static str>, trend: &Trend) -> String {
        let runs = self.runs.iter().zip(&trend.values).filter_map(|(run, value)| Some((run.start_us, run.end_us, (*value)?)));
        charts::growth(&GrowthData { name, title, unit, runs: runs.collect(), expected_at: &|at_us| trend.expected_at(at_us) })
    }

    fn tone(&self) -> Tone {
        match &self.breaks {
            Some(breaks) if breaks.already || breaks.expected.is_some() => Tone::Bad,
            Some(breaks) if breaks.earliest.is_some() => Tone::Warn,
            _ => Tone::Plain,
        }
    }
}

/// Rows that a terminal shows of a table.
const ROWS_MAX: usize = 10;
/// Columns that a terminal does not show.
const HIDDEN: [&str; 5] = ["First run", "In 26 weeks", "In 52 weeks", "Form", "Length"];

/// How the trend is computed, and its limits.
const METHOD: [&str; 2] = [
    "Each run is one observation at the middle of its log. A straight line over time is fitted to the values by least squares (linear), or to their logarithms where there are four runs or more and these predict each run clearly better from the others (log-linear: growth by a constant factor). Bands and brackets are 95\u{a0}% prediction intervals by Student's t with as many degrees of freedom as runs, less two. The objective breaks in the week in which the load takes all of the first limit: expected by the fitted trend, at the earliest and latest by the ends of the interval.",
    "Limits: the runs are taken as independent and alike (the same days of the week, the same hours, the same release and processes). Season, holidays, a new room or bridge, and a change of the deployment are not known. Three runs leave one degree of freedom, so that hardly anything is certain. A trend says nothing of a time further ahead than the runs reach back.",
];
