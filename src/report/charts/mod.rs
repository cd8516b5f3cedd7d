//! Charts: one file each, a profile or an advice in, an SVG out.
//!
//! Each SVG stands alone (white paper, dark ink) and also fits into the page, whose style makes the paper transparent and
//! the ink the colour of the text. Colours are Paul Tol's "bright" scheme (Tol 2021, SRON/EPS/TN/09-002), told apart by
//! colour-blind readers and on light and dark ground; what a colour says is also said by place or text.

mod arrivals;
mod canvas;
mod compared;
mod demand_over_time;
mod imbalance;
mod latency_by_group;
mod latency_by_workers;
mod latency_over_time;
mod log_axis;
mod processes;
mod queue_over_time;
mod share_by_group;
mod time_axis;

pub use arrivals::arrivals;
pub use compared::{Pair, compared};
pub use demand_over_time::demand_over_time;
pub use imbalance::imbalance;
pub use latency_by_group::latency_by_group;
pub use latency_by_workers::latency_by_workers;
pub use latency_over_time::latency_over_time;
pub use processes::{processes, simulated_processes};
pub use queue_over_time::queue_over_time;
pub use share_by_group::share_by_group;

use super::analysis::AnalysisReport;
use wsim_advise::sweep::Sweep;

/// A chart with its words.
#[derive(Debug, Clone)]
pub struct Chart {
    /// File name without `.svg`, also the id in the page.
    pub name: &'static str,
    /// Heading.
    pub title: &'static str,
    /// How to read it, one or two sentences.
    pub caption: String,
    /// The picture.
    pub svg: String,
}

/// Every chart for which there is data.
pub fn all(report: &AnalysisReport) -> Vec<Chart> {
    let profile = &report.profile;
    if report.requests() == 0 {
        return Vec::new();
    }
    let unit = if profile.series.cpu_seconds.is_empty() { "requests per second" } else { "CPU cores" };
    let mut charts = vec![
        Chart {
            name: "demand-over-time",
            title: "Demand over time, by endpoint group",
            caption: format!("Stacked, in {unit}, mean over bins of {}. A shaded band is the busiest five minutes of a longer log.", super::format::duration(profile.series.bin_seconds)),
            svg: demand_over_time(profile),
        },
        Chart {
            name: "share-by-group",
            title: "Share by endpoint group",
            caption: "Many requests are not much work, and the other way round: compare the two bars of a group.".to_owned(),
            svg: share_by_group(profile),
        },
        Chart {
            name: "latency-by-group",
            title: "Work latency by endpoint group",
            caption: "From median to 99th percentile, with the 95th marked; logarithmic axis. Time that a long poll waits for news is not latency and stands apart below.".to_owned(),
            svg: latency_by_group(profile),
        },
    ];
    if let Some(shown) = report.shown() {
        charts.push(Chart {
            name: "processes",
            title: if shown.recommended { "Processes before and after" } else { "Processes before, and under the closest plan" },
            caption: "Busy share of one core, in the busiest five minutes where nothing else is said; the whisker is the range that the inputs leave.".to_owned(),
            svg: processes(profile, &report.advice),
        });
    }
    charts.push(Chart {
        name: "arrivals",
        title: "When requests arrive",
        caption: if arrivals::by_weekday(profile) {
            format!("Requests by weekday and hour ({}): the stronger the colour, the more.", report.facts.time_zone)
        } else {
            "Requests per second over the log; the line is the mean.".to_owned()
        },
        svg: arrivals(profile),
    });
    if profile.series.latency_heat.iter().flatten().any(|&count| count > 0) {
        charts.push(Chart {
            name: "latency-over-time",
            title: "Work latency over time",
            caption: "Each column is a span of time, each row a range of latency: the stronger the colour, the more requests (logarithmic). A band that rises at the peaks is queueing.".to_owned(),
            svg: latency_over_time(profile),
        });
    }
    charts
}

/// Every chart of a sweep for which there is data.
pub fn of_sweep(sweep: &Sweep) -> Vec<Chart> {
    if sweep.candidates.is_empty() {
        return Vec::new();
    }
    let mut charts = vec![
        Chart {
            name: "latency-by-workers",
            title: "Work latency against the number of workers",
            caption:
                "95th percentile over all requests, a line per strategy; bands are 95 % intervals over replications; logarithmic axis."
                    .to_owned(),
            svg: latency_by_workers(sweep),
        },
        Chart {
            name: "simulated-processes",
            title: "How busy every process is",
            caption: "In its busiest five minutes, with 95 % intervals, against the objective.".to_owned(),
            svg: simulated_processes(sweep),
        },
    ];
    if sweep.candidates.iter().any(|candidate| candidate.imbalance.is_some()) {
        charts.push(Chart {
            name: "imbalance",
            title: "How uneven the pools are",
            caption: "CPU of the busiest worker over the mean of its pool, in the most uneven pool of each plan: 1 is even.".to_owned(),
            svg: imbalance(sweep),
        });
    }
    if sweep.candidates.iter().any(|candidate| !candidate.working.is_empty()) {
        charts.push(Chart {
            name: "queue-over-time",
            title: "Requests at work over time, by plan",
            caption: "In all processes together, long polls that wait for news left out, with the traffic as observed; the same axes in every panel. A line that climbs and stays up is a queue.".to_owned(),
            svg: queue_over_time(sweep),
        });
    }
    charts
}

/// Predictions beside measurements, if there are both. `caption` says what was predicted and what is fine.
pub fn of_pairs(pairs: &[Pair], caption: &str) -> Option<Chart> {
    (!pairs.is_empty()).then(|| Chart {
        name: "compared",
        title: "Predicted against measured",
        caption: format!("{caption} Logarithmic axis."),
        svg: compared(pairs),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_chart_stands_alone_and_is_inert() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            for chart in all(&report) {
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
    fn charts_of_a_sweep_stand_alone_and_bear_odd_numbers() {
        let mut odd = crate::simulation::fixture::out_of_reach();
        for candidate in &mut odd.sweep.candidates {
            candidate.overall.p95 = wsim_stats::Interval { value: f64::NAN, low: f64::NAN, high: f64::INFINITY };
            candidate.working = vec![f64::NAN, 0.0];
        }
        for report in [crate::simulation::fixture::report(), odd] {
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
    fn charts_bear_absent_and_odd_numbers() {
        let mut report = fixture::report();
        report.profile.series = wsim_profile::Series::default();
        for group in &mut report.profile.groups {
            group.latency_ms = None;
            group.parked_ms = None;
            group.cpu_seconds = Some(f64::NAN);
        }
        for candidate in &mut report.advice.candidates {
            for process in &mut candidate.processes {
                process.utilisation = wsim_stats::Interval::new(f64::INFINITY, 0.0, f64::INFINITY);
            }
        }
        let charts = all(&report);
        assert!(charts.len() >= 4);
        assert!(charts.iter().all(|chart| !chart.svg.contains("NaN")));
    }

    #[test]
    fn charts_of_the_week_are_written_where_asked() {
        let Some(folder) = std::env::var_os("WSIM_KEEP") else { return };
        let folder = std::path::Path::new(&folder).join("charts");
        std::fs::create_dir_all(&folder).unwrap();
        for (prefix, report) in [("", fixture::report()), ("proxy-", fixture::proxy_only())] {
            for chart in all(&report) {
                std::fs::write(folder.join(format!("{prefix}{}.svg", chart.name)), chart.svg).unwrap();
            }
        }
    }
}
