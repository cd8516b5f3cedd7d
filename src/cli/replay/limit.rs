//! `--find-limit`: the largest load at which an objective holds, measured.
//!
//! Load grows by half from step to step until the objective breaks or the copies of users run out, then the gap is halved a few times. Each
//! step is a whole run of the window, on a target that is never restarted: what one step leaves behind (caches, backlog) the next one meets.

use std::io::Write as _;

use super::running::{Outcome, Player};
use wsim_advise::{Objective, Statistic};
use wsim_replay::record::{Measured, Times};
use wsim_report::replay::LimitStep;

/// Steps up at most.
const UP: usize = 12;
/// Halvings of the gap.
const HALVINGS: usize = 3;
const GROWTH: f64 = 1.5;

/// Looks for the limit. Gives back the run at the largest load that held (else the first), its load, and all steps.
pub(super) fn find(player: &Player<'_>, objective: &Objective) -> anyhow::Result<(Outcome, f64, Vec<LimitStep>)> {
    let mut steps = Vec::new();
    let mut best: Option<(Outcome, f64)> = None;
    let (mut load, mut low, mut high) = (player.choices.shape.load, None, None);
    for number in 0..UP + HALVINGS {
        let outcome = match player.play(load, None) {
            Ok(outcome) => outcome,
            // Out of copies on the way up: the largest load that could be made has held, and the limit lies beyond it.
            Err(error) if best.is_some() && high.is_none() => {
                writeln!(std::io::stderr(), "the search ends at load {:.3}, which held; load {load:.3}: {error}", low.unwrap_or(load))?;
                break;
            }
            Err(error) => return Err(error),
        };
        let step = judge(load, &outcome, objective);
        let (holds, stopped) = (step.holds, outcome.finished.stopped.is_some());
        steps.push(step);
        if holds {
            low = Some(load);
            best = Some((outcome, load));
        } else {
            high = Some(load);
            if best.is_none() {
                best = Some((outcome, load));
            }
        }
        if player.stop.is_set() || stopped {
            break;
        }
        load = match (low, high) {
            (Some(low), None) if number < UP => low * GROWTH,
            (Some(low), Some(high)) if high / low > 1.05 => (low * high).sqrt(),
            _ => break,
        };
        if steps.iter().filter(|step| !step.holds).count() + usize::from(high.is_some()) > HALVINGS + 1 {
            break;
        }
    }
    let Some((outcome, load)) = best else { anyhow::bail!("no run was made") };
    Ok((outcome, load, steps))
}

fn judge(load: f64, outcome: &Outcome, objective: &Objective) -> LimitStep {
    let measured = &outcome.measured;
    let whole = measured.whole().work;
    let rate = measured.account.completed as f64 / outcome.finished.took.as_secs_f64().max(1e-9);
    let broken = objective.latencies.iter().find_map(|term| {
        let times = times(measured, term.group.as_deref());
        let ms = statistic(&times, term.statistic);
        (ms >= term.below_ms).then(|| format!("{term}: measured {ms:.1} ms"))
    });
    let why = match (&broken, outcome.void.first()) {
        (_, Some(void)) => Some(void.clone()),
        (Some(broken), None) => Some(broken.clone()),
        (None, None) => None,
    };
    LimitStep {
        load,
        rate,
        p95_ms: whole.response.quantile_ns(0.95) as f64 / 1e6,
        holds: why.is_none(),
        why: why.unwrap_or_else(|| "every term holds".to_owned()),
    }
}

/// Response times of a group's work, or of all work.
fn times(measured: &Measured, group: Option<&str>) -> Times {
    match group {
        None => measured.whole().work.response,
        Some(id) => measured.groups.iter().find(|group| group.id == id).map_or_else(Times::default, |group| group.work.response.clone()),
    }
}

fn statistic(times: &Times, statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Mean => times.mean_ns() / 1e6,
        Statistic::P50 => times.quantile_ns(0.5) as f64 / 1e6,
        Statistic::P95 => times.quantile_ns(0.95) as f64 / 1e6,
        Statistic::P99 => times.quantile_ns(0.99) as f64 / 1e6,
    }
}
