//! One report model, many forms: terminal, HTML, Markdown, JSON, CSV, charts.
//!
//! ```text
//! profile, advice, run facts -> AnalysisReport -> json, html, markdown, csv, charts -> RunFolder
//!                                             `-> terminal
//! ```
//!
//! Knows nothing of where numbers came from. Every piece of log text is escaped here, in [`escape`].

mod account;
pub mod analysis;
pub mod charts;
pub mod comparison;
pub mod escape;
pub mod folder;
pub mod format;
mod forms;
mod grid;
pub mod html;
pub mod json;
pub mod markdown;
pub mod model;
mod page;
pub mod picture;
pub mod replay;
pub mod simulation;
pub mod table;
pub mod tables;
pub mod terminal;
pub mod words;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod schema_check;

pub use analysis::AnalysisReport;
pub use comparison::ComparisonReport;
pub use folder::{FolderError, RunFolder};
pub use forms::{Report, WriteError};
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use model::{Input, JoinFacts, MalformedExample, NextStep, RunFacts};
pub use replay::ReplayReport;
pub use simulation::SimulationReport;
pub use terminal::{Files, Style, terminal};

/// Why a form could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// JSON.
    #[error("could not write the report as JSON")]
    Json(#[from] serde_json::Error),
    /// HTML.
    #[error("could not write the report as HTML")]
    Html(#[from] askama::Error),
}
