//! Charts: one file for each, from results of the other crates to an SVG.
//!
//! Each SVG is complete by itself (white paper, dark ink) and also fits into the page, whose style makes the paper transparent and
//! gives the ink the colour of the text. Colours are Paul Tol's "bright" scheme (Tol 2021, SRON/EPS/TN/09-002), which colour-blind
//! readers can distinguish on light and dark backgrounds; every meaning of a colour is also shown by position or text.
//!
//! Captions are in the folder of the report that shows the chart.

mod arrivals;
mod canvas;
mod demand_over_time;
mod growth;
mod imbalance;
mod labels;
mod latency_by_group;
mod latency_by_workers;
mod latency_over_time;
mod log_axis;
mod predicted_measured;
mod processes;
mod queue_over_time;
mod share_by_group;
mod time_axis;

#[cfg(test)]
mod overlap;

pub use arrivals::{arrivals, covers_a_week_rhythm};
pub use demand_over_time::demand_over_time;
pub use growth::{GrowthData, growth};
pub use imbalance::imbalance;
pub use latency_by_group::latency_by_group;
pub use latency_by_workers::latency_by_workers;
pub use latency_over_time::latency_over_time;
pub use predicted_measured::{PredictedFigure, predicted_measured};
pub use processes::{processes, simulated_processes};
pub use queue_over_time::queue_over_time;
pub use share_by_group::share_by_group;

/// A chart with its texts.
#[derive(Debug, Clone)]
pub struct Chart {
    /// File name without `.svg`, also the id in the page.
    pub name: &'static str,
    pub title: &'static str,
    /// How to read the chart, in one or two sentences.
    pub caption: String,
    pub svg: String,
}

/// The chart of predicted and measured figures; `None` if there are none. `caption` says what was predicted and what the colours mean.
pub(crate) fn predicted_measured_chart(figures: &[PredictedFigure], caption: &str) -> Option<Chart> {
    (!figures.is_empty()).then(|| Chart {
        name: "compared",
        title: "Predicted and measured",
        caption: format!("{caption} Logarithmic axis."),
        svg: predicted_measured(figures),
    })
}

#[cfg(test)]
mod tests {
    use crate::analysis::fixture;
    use crate::exporter::Report;

    #[test]
    fn every_chart_stands_alone_and_is_inert() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            for chart in report.charts() {
                let svg = &chart.svg;
                assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{}", chart.name);
                assert!(svg.contains("<title") && svg.contains("<desc"), "{} has no text alternative", chart.name);
                assert!(!svg.contains("<script") && !svg.contains("http://evil") && !svg.contains("onerror=alert(1)>"), "{}", chart.name);
                assert!(!svg.contains('\x1b') && !svg.contains('\u{202e}'), "{}", chart.name);
                assert!(svg.len() < 400_000, "{} has {} bytes", chart.name, svg.len());
            }
        }
    }

    #[test]
    fn charts_of_a_sweep_stand_alone_and_can_show_non_finite_numbers() {
        let mut non_finite = crate::simulation::fixture::out_of_reach();
        for candidate in &mut non_finite.sweep.candidates {
            candidate.overall.p95 = wsim_stats::Interval { value: f64::NAN, low: f64::NAN, high: f64::INFINITY };
            candidate.working = vec![f64::NAN, 0.0];
        }
        for report in [crate::simulation::fixture::report(), non_finite] {
            let charts = report.charts();
            assert!((4..=5).contains(&charts.len()), "{}", charts.len());
            for chart in charts {
                let svg = &chart.svg;
                assert!(svg.starts_with("<svg ") && svg.contains("<desc") && !svg.contains("NaN"), "{}", chart.name);
                assert!(!svg.contains("<script") && !svg.contains("onerror=alert(1)>"), "{}", chart.name);
                assert!(svg.len() < 400_000, "{} has {} bytes", chart.name, svg.len());
            }
        }
    }

    #[test]
    fn charts_can_show_missing_and_non_finite_numbers() {
        let mut report = fixture::report();
        report.profile.series = wsim_profile::Series::default();
        for group in &mut report.profile.groups {
            group.latency_ms = None;
            group.waiting_ms = None;
            group.cpu_seconds = Some(f64::NAN);
        }
        for candidate in &mut report.advice.candidates {
            for process in &mut candidate.processes {
                process.peak = wsim_stats::Interval::new(f64::INFINITY, 0.0, f64::INFINITY);
            }
        }
        let charts = report.charts();
        assert!(charts.len() >= 4);
        assert!(charts.iter().all(|chart| !chart.svg.contains("NaN")));
    }

    #[test]
    fn charts_are_written_to_the_folder_in_wsim_keep() {
        let Some(folder) = std::env::var_os("WSIM_KEEP") else { return };
        let folder = std::path::Path::new(&folder).join("charts");
        std::fs::create_dir_all(&folder).unwrap();
        for (prefix, report) in [("", fixture::report()), ("proxy-", fixture::proxy_only())] {
            for chart in report.charts() {
                std::fs::write(folder.join(format!("{prefix}{}.svg", chart.name)), chart.svg).unwrap();
            }
        }
    }
}
