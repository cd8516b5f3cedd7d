//! The charts of an analysis, with their captions.

use super::model::AnalysisReport;
use crate::charts::{self, Chart};
use wsim_text as text;

/// Every chart for which there is data.
pub(super) fn charts(report: &AnalysisReport) -> Vec<Chart> {
    if report.requests() == 0 {
        return Vec::new();
    }
    let mut charts = vec![demand(report), share(report), latency(report)];
    charts.extend(processes(report));
    charts.push(arrivals(report));
    charts.extend(latency_over_time(report));
    charts
}

fn demand(report: &AnalysisReport) -> Chart {
    let series = &report.profile.series;
    let unit = if series.cpu_seconds.is_empty() { "requests per second" } else { "CPU cores" };
    Chart {
        name: "demand-over-time",
        title: "Demand over time, by endpoint group",
        caption: format!(
            "Stacked, in {unit}, averaged over {}. The shaded band is the peak (busiest five minutes).",
            text::duration(series.bin_seconds)
        ),
        svg: charts::demand_over_time(&report.profile),
    }
}

fn share(report: &AnalysisReport) -> Chart {
    Chart {
        name: "share-by-group",
        title: "Share of CPU and of requests, by endpoint group",
        caption: "Of all requests, those between processes included. A group with a large share of requests may have a small share of CPU, and the other way round.".to_owned(),
        svg: charts::share_by_group(&report.profile),
    }
}

fn latency(report: &AnalysisReport) -> Chart {
    Chart {
        name: "latency-by-group",
        title: "Response times by endpoint group",
        caption: "Median to 99th percentile, with a mark at the 95th; logarithmic axis. Long-poll waiting is excluded and shown separately below.".to_owned(),
        svg: charts::latency_by_group(&report.profile),
    }
}

fn processes(report: &AnalysisReport) -> Option<Chart> {
    let (plan, recommended) = report.advice.shown()?;
    Some(Chart {
        name: "processes",
        title: if recommended {
            "CPU of each process at the peak, on one process and under the plan"
        } else {
            "CPU of each process at the peak, on one process and under the closest plan"
        },
        caption: "All bars on one basis: at the peak (busiest five minutes), background CPU included; 100 % is all CPU that the process may use. Whiskers show uncertainty.".to_owned(),
        svg: charts::processes(&report.advice.candidates, Some((plan, recommended)), report.advice.objective.busy),
    })
}

fn arrivals(report: &AnalysisReport) -> Chart {
    Chart {
        name: "arrivals",
        title: "When requests arrive",
        caption: if charts::covers_a_week_rhythm(&report.profile) {
            format!("Requests by weekday and hour ({}); a stronger colour means more requests.", report.facts.time_zone)
        } else {
            "Requests per second; the line is the mean.".to_owned()
        },
        svg: charts::arrivals(&report.profile),
    }
}

fn latency_over_time(report: &AnalysisReport) -> Option<Chart> {
    let known = report.profile.series.latency_heat.iter().flatten().any(|&count| count > 0);
    known.then(|| Chart {
        name: "latency-over-time",
        title: "Response times over time",
        caption: "Each column is a span of time, each row a range of response times; a stronger colour means more requests (logarithmic). Response times that rise at the peaks indicate queueing.".to_owned(),
        svg: charts::latency_over_time(&report.profile),
    })
}
