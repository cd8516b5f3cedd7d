//! The charts of a simulation, with their captions.

use super::model::SimulationReport;
use crate::charts::{self, Chart, PredictedFigure};
use wsim_advise::sweep::Sweep;
use wsim_simulate::backtest::{ComparedFigure, Figure};

/// Every chart for which there is data.
pub(super) fn charts(report: &SimulationReport) -> Vec<Chart> {
    let figures: Vec<PredictedFigure> = report.backtest.iter().flat_map(|test| &test.groups).filter_map(predicted_figure).collect();
    let caption = "Back-test: the observed deployment, simulated for time that was not used to fit the model, beside the log. Red: outside the limit. Grey: too few requests to count.";
    of_sweep(&report.sweep).into_iter().chain(charts::predicted_measured_chart(&figures, caption)).collect()
}

fn of_sweep(sweep: &Sweep) -> Vec<Chart> {
    if sweep.candidates.is_empty() {
        return Vec::new();
    }
    let mut charts = vec![
        Chart {
            name: "latency-by-workers",
            title: "Response time by number of workers",
            caption: "95th percentile over all requests, long-poll waiting excluded: a point with its 95 % interval for each plan that was simulated, a line for each kind of plan. Points of the same number of workers are beside each other."
                .to_owned(),
            svg: charts::latency_by_workers(sweep),
        },
        Chart {
            name: "simulated-processes",
            title: "CPU of each process",
            caption: "At the peak of each process; 100 % = one core. Whiskers show 95 % intervals.".to_owned(),
            svg: charts::simulated_processes(sweep),
        },
    ];
    if sweep.candidates.iter().any(|candidate| candidate.imbalance.is_some()) {
        charts.push(Chart {
            name: "imbalance",
            title: "Imbalance within pools",
            caption:
                "CPU of the busiest worker divided by the mean of its pool, for the most uneven pool of each plan; 1 means perfectly even."
                    .to_owned(),
            svg: charts::imbalance(sweep),
        });
    }
    if sweep.candidates.iter().any(|candidate| !candidate.working.is_empty()) {
        charts.push(Chart {
            name: "queue-over-time",
            title: "Requests in progress over time, by plan",
            caption: "In all processes together, waiting long polls excluded, with the traffic of the log; all panels have the same axes, and the vertical one is logarithmic, so that an overloaded plan does not flatten the others. A line that rises and stays high indicates a queue.".to_owned(),
            svg: charts::queue_over_time(sweep),
        });
    }
    charts
}

/// A response time of the back-test, for the chart; `None` for other figures.
fn predicted_figure(compared: &ComparedFigure) -> Option<PredictedFigure> {
    let label = match compared.figure {
        Figure::WorkP50 => "p50",
        Figure::WorkP95 => "p95",
        Figure::WaitP95 => "wait for database, p95",
        Figure::Throughput | Figure::Utilisation => return None,
    };
    Some(PredictedFigure {
        name: format!("{}, {label}", compared.name),
        predicted: compared.predicted,
        measured: compared.observed,
        requests: compared.requests,
        counts: compared.counts,
        within_limit: compared.counts.then(|| compared.within()),
    })
}
