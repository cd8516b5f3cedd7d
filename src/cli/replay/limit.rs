//! `--find-limit`: runs the loads of the search and judges them by the objective.

use std::io::Write as _;

use super::player::{Player, PlayerRun};
use wsim_advise::{Objective, Statistic};
use wsim_replay::limit::{Trial, find_limit};
use wsim_replay::record::{LatencyHistogram, Measurements};
use wsim_report::replay::LimitStep;

/// Searches for the limit. Returns the run at the largest load that held (else the first run), its load, and all steps.
pub(super) fn search(player: &Player<'_>, objective: &Objective) -> anyhow::Result<(PlayerRun, f64, Vec<LimitStep>)> {
    let mut steps = Vec::new();
    let limit = find_limit(player.config.traffic.load, |load| {
        let run = player.play(load, None)?;
        let step = judge(load, &run, objective);
        let holds = step.holds;
        steps.push(step);
        let is_last = player.stop.is_set() || run.finished.stopped.is_some();
        anyhow::Ok(Trial { run, holds, is_last })
    })?;
    if let Some((load, error)) = &limit.beyond {
        writeln!(std::io::stderr(), "the search ends at load {:.3}, which held; load {load:.3}: {error}", limit.load)?;
    }
    Ok((limit.run, limit.load, steps))
}

fn judge(load: f64, run: &PlayerRun, objective: &Objective) -> LimitStep {
    let work = run.measurements.whole().work;
    let violation = objective.latencies.iter().find_map(|term| {
        let times = response_times(&run.measurements, term.group.as_deref());
        let ms = statistic_ms(&times, term.statistic);
        (ms >= term.below_ms).then(|| format!("{term}: measured {ms:.1} ms"))
    });
    let why = run.void_reasons.first().cloned().or(violation);
    LimitStep {
        load,
        rate: run.measurements.totals.completed as f64 / run.finished.took.as_secs_f64().max(1e-9),
        p95_ms: work.response.quantile_ns(0.95) as f64 / 1e6,
        holds: why.is_none(),
        why: why.unwrap_or_else(|| "every term holds".to_owned()),
    }
}

/// Response times of a group's work, or of all work.
fn response_times(measurements: &Measurements, group: Option<&str>) -> LatencyHistogram {
    match group {
        None => measurements.whole().work.response,
        Some(id) => {
            let group = measurements.groups.iter().find(|group| group.id == id);
            group.map_or_else(LatencyHistogram::default, |group| group.work.response.clone())
        }
    }
}

fn statistic_ms(times: &LatencyHistogram, statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Mean => times.mean_ns() / 1e6,
        Statistic::P50 => times.quantile_ns(0.5) as f64 / 1e6,
        Statistic::P95 => times.quantile_ns(0.95) as f64 / 1e6,
        Statistic::P99 => times.quantile_ns(0.99) as f64 / 1e6,
    }
}
