//! What a Prometheus that scrapes Synapse knows of its processes over the time of a log: CPU and memory as series, and what their CPU was used for.
//!
//! ```text
//! URL  ─▶ server (HTTP API) ─▶ answer ─┐
//! FILE ─▶ files ─▶ exposition ─────────┴─▶ Series ─▶ targets (which are Synapse's, of which server) ─▶ Measurements
//! ```
//!
//! Knows nothing of logs and plans. Invariants: labels and names are text of a stranger and are neither cleaned nor trusted here; a counter that falls was
//! reset by a restart and counts from zero again, as in Prometheus' `increase`.
//!
//! Names of metrics are those of Synapse 1.40 to 1.163 (`synapse/metrics/`, `synapse/http/request_metrics.py`, `synapse/storage/database.py`,
//! `synapse/replication/tcp/handler.py`) and of Python's `prometheus_client`. Its counters end in `_total` since release 0.4; releases of Synapse before
//! 1.73 may write both names.

#![warn(missing_docs)]

mod answer;
mod error;
mod exposition;
mod files;
mod measure;
mod pair;
mod server;
mod source;
mod targets;

pub use answer::parse_answer;
pub use error::PrometheusError;
pub use exposition::{Sample, parse_line};
pub use files::read_text;
pub use measure::{Measurements, ProcessMeasurement, Timing};
pub use pair::pair;
pub use source::{PrometheusConfig, measure};

use std::collections::BTreeMap;

/// Labels of a series, without the metric's name.
pub type Labels = BTreeMap<String, String>;

/// A span of time, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeSpan {
    /// The beginning.
    pub start: f64,
    /// The end, not before the beginning.
    pub end: f64,
}

impl TimeSpan {
    /// Length, at least a second.
    #[must_use]
    pub fn seconds(self) -> f64 {
        (self.end - self.start).max(1.0)
    }
}

/// One metric of one target over time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Name of the metric, without a `_total` at its end.
    pub name: String,
    /// Labels of the metric and of the target.
    pub labels: Labels,
    /// Seconds since 1970 and values.
    pub samples: Vec<(f64, f64)>,
}

impl Series {
    /// How much a counter grew within a span: the differences between the samples inside, those just before and just after taken in part.
    #[must_use]
    pub fn increase(&self, span: TimeSpan) -> f64 {
        let grown = |pair: &[(f64, f64)]| {
            let [(from, before), (to, after)] = pair else { return 0.0 };
            let growth = if after >= before { after - before } else { *after };
            let inside = (to.min(span.end) - from.max(span.start)).max(0.0);
            if to > from { growth * inside / (to - from) } else { 0.0 }
        };
        self.samples.windows(2).map(grown).sum()
    }

    /// The largest value of a gauge within a span.
    #[must_use]
    pub fn largest(&self, span: TimeSpan) -> Option<f64> {
        let inside = self.samples.iter().filter(|(time, _)| (span.start..=span.end).contains(time)).map(|(_, value)| *value);
        inside.max_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_grows_across_a_restart_and_in_parts_of_an_interval() {
        let series = Series { samples: vec![(0.0, 5.0), (10.0, 7.0), (20.0, 1.0), (30.0, 5.0)], ..Series::default() };
        assert_eq!(series.increase(TimeSpan { start: 0.0, end: 30.0 }), 2.0 + 1.0 + 4.0);
        assert_eq!(series.increase(TimeSpan { start: 5.0, end: 25.0 }), 1.0 + 1.0 + 2.0);
        assert_eq!(series.increase(TimeSpan { start: 40.0, end: 50.0 }), 0.0);
        assert_eq!(series.largest(TimeSpan { start: 5.0, end: 20.0 }), Some(7.0));
        assert_eq!(series.largest(TimeSpan { start: 11.0, end: 19.0 }), None);
    }
}
