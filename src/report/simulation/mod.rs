//! The report of `wsim simulate`. It contains the analysis of the same log, from which it takes inputs and confidence.
//!
//! ```text
//! analysis, sweep, back-test ─▶ SimulationReport ─▶ json, html, markdown, tables, charts ─▶ OutputFolder
//!                                               └─▶ terminal
//! ```

mod charts;
mod html;
mod json;
mod markdown;
mod model;
mod tables;
mod terminal;

#[cfg(test)]
pub(crate) mod fixture;

use std::io::{self, Write};

use crate::analysis::tables as analysis_tables;
use crate::charts::Chart;
use crate::exporter::{Report, ReportError};
use crate::shared::table::Table;
use crate::shared::terminal::Style;

pub use json::SCHEMA;
pub use model::SimulationReport;

impl Report for SimulationReport {
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
        let mut all = vec![tables::candidates(self)];
        if let Some((candidate, _)) = self.sweep.shown() {
            all.extend([tables::groups(candidate), tables::processes(&candidate.summary)]);
        }
        all.extend([tables::stress(&self.sweep), tables::discarded(&self.sweep), tables::backtest(self)]);
        all.extend([analysis_tables::inputs(&self.analysis), analysis_tables::malformed(&self.analysis)]);
        all.retain(|table| !table.is_empty());
        all
    }

    fn terminal(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        terminal::terminal(out, self, style)
    }
}
