//! A report in all its forms, whatever it is a report of.

use std::io::{self, Write};

use super::charts::{self, Chart};
use super::table::Table;
use super::terminal::{Files, Style};
use super::{AnalysisReport, ComparisonReport, FolderError, ReplayReport, ReportError, RunFolder, SimulationReport};
use super::{comparison, replay, simulation, tables};

/// What every report can be written as.
pub trait Report {
    /// `report.json`, by the schema of its kind.
    ///
    /// # Errors
    /// [`ReportError::Json`], which no value of a model makes it be.
    fn json(&self) -> Result<String, ReportError>;
    /// `report.md`.
    fn markdown(&self) -> String;
    /// `report.html`.
    ///
    /// # Errors
    /// [`ReportError::Html`], which no value of a model makes it be.
    fn html(&self) -> Result<String, ReportError>;
    /// Every chart for which there is data.
    fn charts(&self) -> Vec<Chart>;
    /// Every table that has rows.
    fn tables(&self) -> Vec<Table>;
    /// The summary for a terminal.
    ///
    /// # Errors
    /// Those of `out`.
    fn terminal(&self, out: &mut dyn Write, files: Option<Files<'_>>, style: Style) -> io::Result<()>;
}

/// Why a report is not in its folder.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A form could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file could not be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl RunFolder {
    /// Writes a report in all its forms: `report.json`, `report.md`, `report.html`, `charts/`, `tables/`.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write_report(&self, report: &dyn Report) -> Result<(), WriteError> {
        self.write("report.json", report.json()?)?;
        self.write("report.md", report.markdown())?;
        self.write("report.html", report.html()?)?;
        for chart in report.charts() {
            self.write(&format!("charts/{}.svg", chart.name), &chart.svg)?;
        }
        for table in report.tables() {
            self.write(&format!("tables/{}.csv", table.id), table.csv())?;
        }
        Ok(())
    }
}

impl Report for AnalysisReport {
    fn json(&self) -> Result<String, ReportError> {
        super::json(self)
    }
    fn markdown(&self) -> String {
        super::markdown(self)
    }
    fn html(&self) -> Result<String, ReportError> {
        super::html(self)
    }
    fn charts(&self) -> Vec<Chart> {
        charts::all(self)
    }
    fn tables(&self) -> Vec<Table> {
        tables::all(self)
    }
    fn terminal(&self, out: &mut dyn Write, files: Option<Files<'_>>, style: Style) -> io::Result<()> {
        super::terminal(out, self, files, style)
    }
}

/// The forms of a report whose module has a function for each.
macro_rules! report {
    ($report:ty, $module:ident) => {
        impl Report for $report {
            fn json(&self) -> Result<String, ReportError> {
                $module::json(self)
            }
            fn markdown(&self) -> String {
                $module::markdown(self)
            }
            fn html(&self) -> Result<String, ReportError> {
                $module::html(self)
            }
            fn charts(&self) -> Vec<Chart> {
                <$report>::charts(self)
            }
            fn tables(&self) -> Vec<Table> {
                <$report>::tables(self)
            }
            fn terminal(&self, out: &mut dyn Write, files: Option<Files<'_>>, style: Style) -> io::Result<()> {
                $module::terminal(out, self, files, style)
            }
        }
    };
}

report!(SimulationReport, simulation);
report!(ReplayReport, replay);
report!(ComparisonReport, comparison);
