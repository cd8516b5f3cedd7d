//! The report of `wsim replay`: measurements beside the log and, if available, a prediction.
//!
//! Every format starts with whether the run is valid and how late the generator was, because all other figures depend on that.

mod html;
mod json;
mod judgement;
mod markdown;
mod merge_shards;
mod model;
mod pools;
mod read;
mod tables;
mod terminal;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod merge_shards_tests;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::charts::{self, Chart, PredictedFigure};
use crate::exporter::{Report, ReportError};
use crate::shared::table::Table;
use crate::shared::terminal::Style;

pub use json::SCHEMA;
pub use judgement::{JudgedTerm, judge};
pub use merge_shards::{MergeError, merge_shards};
pub(crate) use model::quantile;
pub use model::{LimitStep, LoadLimit, Predicted, ReplayReport, RunConditions};
pub use read::{ReadError, read};

impl Report for ReplayReport {
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
        let whole = self.measured.whole();
        let mut figures = Vec::new();
        for prediction in &self.predicted {
            let Some(group) = self.measured.groups.iter().chain([&whole]).find(|group| group.id == prediction.id) else { continue };
            for (label, predicted, quantile) in [("p50", prediction.p50, 0.5), ("p95", prediction.p95, 0.95)] {
                let measured = group.work.service.quantile_ns(quantile) as f64 / 1e6;
                let requests = group.work.completed;
                let counts = requests >= crate::shared::REQUESTS_FOR_ERRORS;
                let name = format!("{}, {label}", prediction.id);
                figures.push(PredictedFigure { name, predicted, measured, requests, counts, within_limit: None });
            }
        }
        let caption = "Response times by endpoint group: as the simulator predicts them for the plan, and as this run measured them.";
        charts::predicted_measured_chart(&figures, caption).into_iter().collect()
    }

    fn tables(&self) -> Vec<Table> {
        let mut tables = vec![
            tables::steps(self),
            tables::expected(self),
            tables::groups(self),
            tables::errors(self),
            tables::polls(self),
            tables::upstreams(self),
            tables::outcomes(self),
        ];
        tables.retain(|table| !table.is_empty());
        tables
    }

    fn terminal(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        terminal::terminal(out, self, style)
    }
}
