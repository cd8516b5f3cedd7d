//! The report of `wsim analyse`: inputs, traffic and advice.
//!
//! ```text
//! profile, advice, run facts ─▶ AnalysisReport ─▶ json, html, markdown, tables, charts ─▶ OutputFolder
//!                                             └─▶ terminal
//! ```

mod charts;
mod html;
mod json;
mod line_prose;
mod markdown;
mod measured;
mod model;
pub(crate) mod tables;
mod terminal;

#[cfg(test)]
pub(crate) mod fixture;

use std::io::{self, Write};

use crate::charts::Chart;
use crate::exporter::{Report, ReportError};
use crate::shared::table::Table;
use crate::shared::terminal::Style;

pub use json::SCHEMA;
pub(crate) use line_prose::line_prose;
pub use model::{AnalysisReport, Totals};
pub(crate) use terminal::write_inputs;

impl Report for AnalysisReport {
    fn json(&self) -> Result<String, ReportError> {
        json::json(self)
    }

    fn markdown(&self) -> String {
        markdown::markdown(self)
    }

    fn html(&self) -> Result<String, ReportError> {
        html::html(self)
    }

    fn charts(&self) -> Vec<Chart> {
        charts::charts(self)
    }

    fn tables(&self) -> Vec<Table> {
        tables::all(self)
    }

    fn terminal(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        terminal::terminal(out, self, style)
    }
}
