//! Reports of finished runs as terminal text, HTML, Markdown, JSON, CSV and SVG charts.
//!
//! ```text
//! shared (tables, page, terminal, escaping) ◀── charts ◀── analysis ◀── simulation
//!                                                     ◀── replay   ◀── comparison ◀── trend
//! ```
//!
//! - [`exporter`]: the formats every report is written in, and the files of a run.
//! - [`analysis`], [`simulation`], [`replay`], [`comparison`]: one folder per kind of report, with one file per format.
//! - [`answer`]: answers to single questions, on a terminal and as JSON.
//! - [`trend`]: growth over several analyses.
//! - [`doctor`]: what inputs can answer, on a terminal and as JSON.
//! - [`charts`]: one file per chart.
//! - [`shared`]: what all reports use. Every piece of log text is made harmless in [`escape`].
//!
//! A report formats the results of the other crates and computes no figure that those crates could compute.

pub mod analysis;
pub mod answer;
pub mod charts;
pub mod comparison;
pub mod doctor;
pub mod exporter;
pub mod replay;
pub mod shared;
pub mod simulation;
pub mod trend;

pub use analysis::AnalysisReport;
pub use comparison::ComparisonReport;
pub use exporter::{Report, ReportError, WriteError, write_report};
pub use replay::ReplayReport;
pub use shared::escape;
pub use shared::run_facts::{NextStep, RunFacts};
pub use shared::terminal::{Style, TableChoice, TableName, WrittenFiles, written_files};
pub use simulation::SimulationReport;
pub use trend::TrendReport;
