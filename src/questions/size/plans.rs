//! Plans on a synthesised trace: the usual sweep.

use serde::Serialize;

use super::SizeConfig;
use super::synthesis::Synthesis;
use wsim_advise::sweep::{self, NoProgress, SweepConfig, SweepError, SweepInput, WindowChoice, candidates};
use wsim_endpoints::Classifier;
use wsim_profile::Profile;
use wsim_simulate::ModelError;
use wsim_simulate::prepare::PrepareConfig;
use wsim_simulate::replications::ReplicationConfig;
use wsim_simulate::time::Span;
use wsim_stats::Interval;

/// What the sweep recommends for one draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulatedDraw {
    /// Share of the draws with less CPU.
    pub share: f64,
    pub requests_per_second: f64,
    /// The recommended plan; the closest one if none meets the objective.
    pub plan: String,
    pub workers: u32,
    pub meets: bool,
    /// Busy share of the busiest process at the peak.
    pub busy: Interval,
    pub busiest: String,
    /// `None` where work piles up.
    pub p95_ms: Option<Interval>,
    /// CPU of all processes of the plan, cores.
    pub cores: Interval,
}

/// The draws to simulate, as shares of all in order of their CPU.
pub(super) fn shares(count: u32) -> Vec<f64> {
    match count {
        0 => Vec::new(),
        1 => vec![0.5],
        count => (0..count).map(|number| 0.1 + 0.8 * f64::from(number) / f64::from(count - 1)).collect(),
    }
}

/// Index of the draw at a share.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index, not negative")]
pub(super) fn index_at(share: f64, count: usize) -> usize {
    ((share * count as f64) as usize).min(count.saturating_sub(1))
}

/// Sweeps the standard plans over one draw; `None` if it was interrupted.
pub(super) fn simulate(
    synthesis: &Synthesis,
    profile: &Profile,
    classifier: &Classifier,
    share: f64,
    config: &SizeConfig,
) -> Result<Option<SimulatedDraw>, SweepError> {
    if config.stop.is_set() {
        return Ok(None);
    }
    let prepare = PrepareConfig { threads: config.threads, stop: config.stop.clone(), ..PrepareConfig::default() };
    let (window, window_note) = sweep::choose_window(WindowChoice::All, profile);
    let input = SweepInput { trace: &synthesis.trace, endpoints: classifier.endpoints(), profile, prepare: &prepare, window };
    let replications = ReplicationConfig {
        first: REPLICATIONS,
        most: REPLICATIONS,
        warm_up: Span::from_seconds(sweep::warm_up_seconds(profile, window)),
        threads: config.threads,
        ..ReplicationConfig::default()
    };
    let sweep_config = SweepConfig {
        objective: config.objective.clone(),
        machine: config.machine,
        plans: config.plans.clone(),
        growth: 1.0,
        seed: config.seed,
        replications,
        model_error: ModelError::PRIOR,
        window_note,
    };
    let trials = candidates::standard_trials(&(1..=8), &config.plans);
    let swept = match sweep::compare(&input, trials, Vec::new(), &sweep_config, &NoProgress) {
        // Every standard plan is far beyond what it can carry: the screen has said so.
        Err(SweepError::NoPlans(_)) => return Ok(None),
        swept => swept?,
    };
    let Some((plan, is_recommended)) = swept.shown() else { return Ok(None) };
    let busiest = plan.summary.busiest();
    Ok(Some(SimulatedDraw {
        share,
        requests_per_second: profile.requests as f64 / synthesis.seconds,
        plan: plan.summary.plan.name.clone(),
        workers: plan.summary.workers,
        meets: is_recommended,
        busy: busiest.map_or(Interval::exact(0.0), |process| process.peak),
        busiest: busiest.map(|process| process.name.clone()).unwrap_or_default(),
        p95_ms: plan.response_times().map(|times| times.p95),
        cores: plan.summary.total_cores,
    }))
}

const REPLICATIONS: u32 = 10;
