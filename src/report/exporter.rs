//! The formats that every report is written in.
//!
//! Each kind of report implements [`Report`] in its own folder. Knows nothing of the content of a report.

use std::io::{self, Write};

use crate::charts::Chart;
use crate::shared::table::Table;
use crate::shared::terminal::Style;
use wsim_folder::{FolderError, OutputFolder};

/// A report that can be written in every format.
pub trait Report {
    /// Returns `report.json`, which conforms to the schema of this kind of report.
    ///
    /// # Errors
    /// [`ReportError::Json`]; no value of a report causes it.
    fn json(&self) -> Result<String, ReportError>;

    /// Returns `report.md`.
    fn markdown(&self) -> String;

    /// Returns `report.html`.
    ///
    /// # Errors
    /// [`ReportError::Html`]; no value of a report causes it.
    fn html(&self) -> Result<String, ReportError>;

    /// Returns every chart for which there is data.
    fn charts(&self) -> Vec<Chart>;

    /// Returns every table that has rows, in the order of the report.
    fn tables(&self) -> Vec<Table>;

    /// Writes the summary for a terminal. Where its files are is said when they are written, by [`written_files`](crate::written_files).
    ///
    /// # Errors
    /// Those of `out`.
    fn terminal(&self, out: &mut dyn Write, style: Style) -> io::Result<()>;
}

/// Why a format could not be produced.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("could not write the report as JSON")]
    Json(#[from] serde_json::Error),
    #[error("could not write the report as HTML")]
    Html(#[from] askama::Error),
}

/// Why a report could not be written to its folder.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Writes a report in every format: `report.json`, `report.md`, `report.html`, `charts/`, `tables/`.
///
/// # Errors
/// [`WriteError`] if a format or a file could not be written.
pub fn write_report(folder: &OutputFolder, report: &dyn Report) -> Result<(), WriteError> {
    folder.write("report.json", report.json()?)?;
    folder.write("report.md", report.markdown())?;
    folder.write("report.html", report.html()?)?;
    for chart in report.charts() {
        folder.write(&format!("charts/{}.svg", chart.name), &chart.svg)?;
    }
    for table in report.tables() {
        folder.write(&format!("tables/{}.csv", table.id), table.csv())?;
    }
    Ok(())
}

/// The summary as a terminal of `width` columns without colours shows it.
#[cfg(test)]
pub(crate) fn printed(report: &dyn Report, width: usize) -> String {
    use crate::shared::terminal::TableChoice;
    let mut out = Vec::new();
    report.terminal(&mut out, Style { colour: false, width, tables: TableChoice::ALL }).unwrap();
    String::from_utf8(out).unwrap()
}
