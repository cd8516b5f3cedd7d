//! The sweep: candidates simulated on common traffic, the smallest that meets the objective, and where its limits are.
//!
//! ```text
//! config       the traffic, and how to simulate it
//! candidates   standard plans × workers × rules, or those named ──▶ screen ──▶ trials; discarded plans with the reason
//! state        a look at every trial, then replications where they can change the answer
//! outlook      whether more replications could change what a plan is judged
//! narrowing    how much narrower more replications would make a plan's intervals
//! allocation   which trials get more replications
//! run_summary  the figures of one run, and a plan's figures over its runs
//! paired       a plan's runs under another load or assumption, from a few that are paired with runs there are
//! input_range  how uncertain they are because of what goes into the simulation
//! judge        each plan compared with the objective ──▶ recommended, runner-up, paired difference
//! stress       the recommended plan under growing load and other assumptions
//! remarks      what the plans cannot do as written, and which were refused
//! sentences    what an administrator can act on
//! ```
//!
//! Invariant: the work is limited by counts and never by a clock, so the same seed gives the same result.

mod against_screen;
mod allocation;
pub mod candidates;
mod config;
#[cfg(test)]
mod fixture;
mod input_range;
mod judge;
mod model;
mod narrowing;
mod outlook;
mod paired;
mod progress;
mod remarks;
mod run_summary;
mod sentences;
mod state;
mod stress;
mod window;

pub use candidates::{BalanceRule, Trial};
pub use config::{SweepConfig, SweepInput};
pub use model::*;
pub use progress::{NoProgress, ProgressListener};
pub use window::{WindowChoice, choose as choose_window, warm_up_seconds};

use super::config::ScreenConfig;
use super::limits::ConnectionPool;
use super::load::Split;
use super::model::{Decision, Verdict};
use super::objective::ObjectiveError;
use candidates::discard;
use input_range::InputRange;
use run_summary::RunSummary;
use state::SweepState;
use wsim_plan::CheckedPlan;
use wsim_simulate::parallel::in_parallel;
use wsim_simulate::prepare::PreparedWorkload;
use wsim_simulate::replications::Variation;
use wsim_simulate::topology::TopologyError;

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    #[error("no request to simulate in the window {0}")]
    Empty(String),
    /// Every candidate was discarded.
    #[error("no plan is left to simulate: {0}")]
    NoPlans(String),
    /// The objective names a group without requests in the window.
    #[error(transparent)]
    Group(#[from] ObjectiveError),
    /// A plan cannot be simulated.
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

/// Simulates trials and judges them. `discarded` are plans that never became a trial.
///
/// # Errors
/// There is nothing to simulate, or the objective names an unknown group.
pub fn sweep(
    input: &SweepInput<'_>,
    trials: Vec<Trial>,
    discarded: Vec<DiscardedPlan>,
    config: &SweepConfig,
    listener: &dyn ProgressListener,
) -> Result<Sweep, SweepError> {
    run(input, trials, discarded, config, listener, Stress::Tried)
}

/// The same without the recommended plan under growing load and other assumptions: for many comparisons of one kind.
///
/// # Errors
/// As [`sweep`].
pub fn compare(
    input: &SweepInput<'_>,
    trials: Vec<Trial>,
    discarded: Vec<DiscardedPlan>,
    config: &SweepConfig,
    listener: &dyn ProgressListener,
) -> Result<Sweep, SweepError> {
    run(input, trials, discarded, config, listener, Stress::LeftOut)
}

/// Whether the recommended plan is tried under growing load and other assumptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stress {
    Tried,
    LeftOut,
}

fn run(
    input: &SweepInput<'_>,
    trials: Vec<Trial>,
    mut discarded: Vec<DiscardedPlan>,
    config: &SweepConfig,
    listener: &dyn ProgressListener,
    stress: Stress,
) -> Result<Sweep, SweepError> {
    listener.on_progress("calibration", 0, 1);
    let prepared = PreparedWorkload::new(input.trace, input.endpoints, input.profile, input.window, input.prepare);
    // An interrupted preparation is incomplete: nothing is simulated then.
    if !listener.is_cancelled() {
        check(&prepared, input, config)?;
    }
    let screen = ScreenConfig {
        // Response times are simulated.
        objective: config.objective.without_latencies(),
        machine: config.machine,
        plans: config.plans.clone(),
        costs: Some(prepared.unlogged.clone()),
        ..ScreenConfig::default()
    };
    let split = |plan: &CheckedPlan| Split::of(plan, input.trace, input.endpoints, input.profile.peaks.five_minutes.window);
    let named = remarks::named(&trials);
    let are_standard = trials.iter().all(|trial| !trial.named);
    let screened = candidates::screen_trials(trials, input.profile, split, &screen, candidates_max(&prepared, config));
    discarded.extend(screened.discarded);
    let law = screen.law(input.profile);
    let mut state = SweepState::new(input, config, &prepared, law);
    let deployed: Vec<&Trial> = screened.trials.iter().collect();
    let deployed = in_parallel(&deployed, config.replications.threads, |trial| state::deploy(&trial.plan, input, &prepared, config.growth));
    for (trial, deployed) in screened.trials.into_iter().zip(deployed) {
        match deployed {
            Ok(deployment) => {
                let range = InputRange::new((&trial.plan, split(&trial.plan).as_ref()), input.profile, &state.law, config.model_error)
                    .contended(deployment.contention);
                state.add(trial, deployment, range);
            }
            Err(error) => discarded.push(discard(&trial.plan, error.to_string())),
        }
    }
    state.first_round(screened.fewest_workers, listener)?;
    let ends = stress::InputEnds::new(&state, listener);
    stress::input_ranges(&mut state, ends.as_ref(), listener)?;
    // What was enough without the range of the inputs may not be with it.
    state.look(listener)?;
    discarded.extend(state.discard_larger());
    if state.candidates.is_empty() && !state.partial {
        let why = discarded.first().map_or_else(|| "none was named".to_owned(), |first| format!("{}: {}", first.plan, first.why));
        return Err(SweepError::NoPlans(why));
    }
    state.final_round(listener)?;
    stress::input_ranges(&mut state, ends.as_ref(), listener)?;
    drop(ends);
    let mut sweep = results(&state, discarded);
    let too_partial = input.profile.deployment.too_partial;
    if too_partial {
        (sweep.recommended, sweep.runner_up, sweep.comparison) = (None, None, None);
    }
    let shown = sweep.shown.unwrap_or(0);
    if stress == Stress::Tried && sweep.recommended.is_some() {
        sweep.growth_steps = stress::growth(&state, shown, listener)?;
    }
    if stress == Stress::Tried && sweep.shown.is_some() {
        sweep.sensitivity = stress::sensitivity(&state, shown, listener)?;
    }
    sweep.partial |= listener.is_cancelled();
    let connections = Some(input.prepare.connections).filter(|given| *given != ConnectionPool::new(input.profile, None).connections);
    let screen = ScreenConfig { connections, ..screen };
    (sweep.limits, sweep.levers) = super::screen::deployment_limits(input.profile, &screen);
    sentences::write(&mut sweep, input.profile, &prepared.notes);
    if too_partial {
        sweep.verdict = super::verdict::too_partial(&input.profile.deployment).0;
    }
    if are_standard {
        let difference = against_screen::difference(&sweep, input.profile, &screen);
        sweep.reasons.extend(difference);
    }
    let said = remarks::sentences(&state, &sweep, &named);
    sweep.reasons.extend(said);
    Ok(sweep)
}

/// The judged candidates, without stress and sentences.
fn results(state: &SweepState<'_>, discarded: Vec<DiscardedPlan>) -> Sweep {
    let SweepState { input, config, prepared, .. } = state;
    let candidates = state.judged();
    let runs: Vec<&[RunSummary]> = state.candidates.iter().map(|candidate| candidate.runs.as_slice()).collect();
    let recommended = judge::recommend(&candidates, &runs);
    let runner_up = recommended.and_then(|index| judge::runner_up(&candidates, index));
    Sweep {
        objective: config.objective.clone(),
        seed: config.seed,
        growth: config.growth,
        growth_kind: config.replications.growth_kind,
        wakeups: prepared.wakeups.clone(),
        window: input.window,
        peak: window::peak(input.profile, input.window),
        window_note: config.window_note.clone(),
        requests: prepared.workload.records.len() as u64,
        partial: state.partial,
        replications: candidates.iter().map(|candidate| candidate.replications).max().unwrap_or(0),
        resampled: config.replications.variation == Variation::Resampled,
        warm_up_seconds: state.warm_up.seconds(),
        measured_seconds: state.measured_seconds(),
        shown: recommended.or_else(|| judge::order(&candidates).first().copied()),
        recommended,
        runner_up,
        comparison: recommended.zip(runner_up).map(|(chosen, other)| judge::compare(runs[chosen], runs[other], 1)),
        limits: Vec::new(),
        levers: Vec::new(),
        candidates,
        discarded,
        growth_steps: Vec::new(),
        sensitivity: Vec::new(),
        verdict: Verdict { decision: Decision::Unknown, text: String::new() },
        reasons: Vec::new(),
        assumptions: Vec::new(),
    }
}

fn check(prepared: &PreparedWorkload, input: &SweepInput<'_>, config: &SweepConfig) -> Result<(), SweepError> {
    if prepared.workload.records.is_empty() {
        return Err(SweepError::Empty(wsim_text::minute(input.window.start_us)));
    }
    let classes = &prepared.workload.classes;
    let mut present: Vec<&str> = prepared
        .workload
        .records
        .iter()
        .filter_map(|record| prepared.groups.get(usize::from(classes.get(usize::from(record.class))?.group)))
        .map(String::as_str)
        .collect();
    present.sort_unstable();
    present.dedup();
    Ok(config.objective.check_groups(&present)?)
}

/// As many as the work allows, at least six.
fn candidates_max(prepared: &PreparedWorkload, config: &SweepConfig) -> usize {
    let each = prepared.workload.records.len() as f64 * config.growth.max(0.01) * f64::from(config.replications.first.max(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let fits = (REQUESTS_MAX / each).clamp(CANDIDATES_MIN, CANDIDATES_MAX) as usize;
    fits
}

/// Requests simulated in the first round at most: one to three minutes of a core.
const REQUESTS_MAX: f64 = 4e7;
const CANDIDATES_MIN: f64 = 6.0;
const CANDIDATES_MAX: f64 = 32.0;

#[cfg(test)]
mod tests;
