//! `--find-limit`: runs the loads of the search and judges them by what is expected.

use std::io::Write as _;

use super::player::{Player, PlayerRun};
use super::target::PreparedTarget;
use wsim_advise::{Objective, Statistic};
use wsim_plan::Plan;
use wsim_replay::limit::{Limit, Trial, find_limit};
use wsim_report::replay::{LimitStep, LoadLimit, judge};
use wsim_text as text;

/// A run at the limit, its load, and all steps with what they say.
type Found = (PlayerRun, f64, (Vec<LimitStep>, Option<LoadLimit>));

/// Searches for the limit. Returns a run at the largest load that held (else at the smallest load that was tried).
pub(super) fn search(player: &Player<'_>, objective: &Objective) -> anyhow::Result<Found> {
    let mut steps = Vec::new();
    let plan = player.target.plan();
    let limit = find_limit(player.config.traffic.load, |load| {
        let run = player.play(load, None)?;
        let (step, is_clear) = judged(load, &run, objective, plan.as_ref());
        announce(player, &step)?;
        let holds = step.holds;
        steps.push(step);
        // Where hardly any request succeeds, a smaller load does not help.
        let whole = run.measurements.whole();
        let errors = (whole.work.errors + whole.polls.errors) as f64;
        let is_last = run.is_interrupted() || errors > HOPELESS * run.measurements.totals.sent() as f64;
        anyhow::Ok(Trial { run, holds, is_clear, is_last })
    })?;
    let found = LoadLimit { predicted: predicted(player, objective, limit.load), ..load_limit(&limit, &steps) };
    Ok((limit.run, limit.load, (steps, Some(found))))
}

/// Says how a step went: a search takes as many times as long as the log.
fn announce(player: &Player<'_>, step: &LimitStep) -> std::io::Result<()> {
    if player.arguments.output.quiet {
        return Ok(());
    }
    let word = if step.holds { "met" } else { "missed" };
    writeln!(std::io::stderr(), "load {:.2}: {word}, {} requests/s: {}", step.load, text::number(step.rate), step.why)
}

/// The step of a run, and whether a repetition would say the same.
fn judged(load: f64, run: &PlayerRun, objective: &Objective, plan: Option<&Plan>) -> (LimitStep, bool) {
    let terms = judge(&run.measurements, objective, plan);
    let worst = terms.iter().max_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let ratio = worst.map_or(0.0, |term| term.ratio);
    let generator = run.is_generator_late.then(|| "the generator".to_owned());
    let (why, cause) = match (run.void_reasons.first(), run.stopped_by_target(), worst) {
        (Some(void), ..) => (Some(void.clone()), generator),
        (None, Some(stopped), worst) => (Some(stopped), worst.and_then(|term| term.cause.clone())),
        (None, None, Some(term)) if !term.met => (Some(format!("{}, but measured {}", term.term, term.measured)), term.cause.clone()),
        _ => (None, None),
    };
    let is_clear = run.void_reasons.is_empty() && (run.stopped_by_target().is_some() || !UNCLEAR.contains(&ratio));
    let work = run.measurements.whole().work;
    let closest = || worst.map_or_else(String::new, |term| format!("every term holds; closest is {}, with {}", term.term, term.measured));
    let step = LimitStep {
        load,
        rate: run.measurements.totals.completed as f64 / run.finished.took.as_secs_f64().max(1e-9),
        p95_ms: work.response.quantile_ns(0.95) as f64 / 1e6,
        holds: why.is_none(),
        why: why.unwrap_or_else(closest),
        cause,
    };
    (step, is_clear)
}

/// What the search found. A load at which the generator was too late is no limit of the target.
fn load_limit(limit: &Limit<PlayerRun, anyhow::Error>, steps: &[LimitStep]) -> LoadLimit {
    let broken = limit.broke.and_then(|load| steps.iter().rev().find(|step| step.load == load && !step.holds));
    let is_generator = broken.is_some_and(|step| step.cause.as_deref() == Some("the generator"));
    let sentence = |step: &LimitStep| match &step.cause {
        Some(cause) if !is_generator => format!("{}: {cause}", step.why),
        _ => step.why.clone(),
    };
    let beyond = limit.beyond.as_ref().map(|(load, error)| format!("load {load:.2} was not tried: {error:#}"));
    LoadLimit {
        value: limit.value,
        low: limit.low,
        high: limit.high.filter(|_| !is_generator),
        broke: broken.filter(|_| !is_generator).map(sentence),
        beyond: broken.filter(|_| is_generator).map(|step| format!("at {:.2}× {}", step.load, step.why)).or(beyond),
        predicted: None,
    }
}

/// The limit that the simulation predicts for the same users; `None` for a server, and if the objective has a term that is not predicted.
fn predicted(player: &Player<'_>, objective: &Objective, start_load: f64) -> Option<f64> {
    let PreparedTarget::Emulated(plan, _) = player.target else { return None };
    let holds = |load: f64| {
        let groups = plan.predict(load).ok()?;
        let holds = objective.latencies.iter().map(|term| {
            let group = groups.iter().find(|group| Some(&group.id) == term.group.as_ref())?;
            match term.statistic {
                Statistic::P50 => Some(group.p50.value < term.below_ms),
                Statistic::P95 => Some(group.p95.value < term.below_ms),
                Statistic::Mean | Statistic::P99 => None,
            }
        });
        holds.collect::<Option<Vec<bool>>>().filter(|holds| !holds.is_empty()).map(|holds| holds.into_iter().all(|holds| holds))
    };
    let limit = find_limit(start_load, |load| {
        let holds = holds(load).ok_or(())?;
        Ok::<_, ()>(Trial { run: (), holds, is_clear: true, is_last: false })
    });
    let limit = limit.ok()?;
    let (mut low, mut high) = (limit.value?, limit.broke?);
    for _ in 0..HALVINGS {
        let middle = f64::sqrt(low * high);
        *(if holds(middle)? { &mut low } else { &mut high }) = middle;
    }
    Some(f64::sqrt(low * high))
}

/// Halvings of a gap of 6 % that leave 1 %.
const HALVINGS: u32 = 3;
/// Share of errors from which on the search ends.
const HOPELESS: f64 = 0.9;
/// Ratios of a measured value to its limit that a repetition may move to the other side.
const UNCLEAR: std::ops::Range<f64> = 0.8..1.25;
