//! A size with the habits of another server: its log, with more or fewer people of the same kind.
//!
//! People of another server may be half or twice as active, so that the load is simulated three times.

use serde::Serialize;

use wsim_advise::sweep::{self, ProgressListener, SweepConfig, SweepError, SweepInput, candidates};
use wsim_stats::Interval;

/// What a server of so many users like those of a log would need.
#[derive(Debug, Clone, Serialize)]
pub struct Like {
    pub users: u32,
    /// Users of the log's server.
    pub like_users: u32,
    pub seed: u64,
    /// Half as active, as active and twice as active as those of the log.
    pub loads: Vec<LikeLoad>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LikeLoad {
    /// Activity of a user over that of one of the log.
    pub activity: f64,
    /// Load over that of the log.
    pub factor: f64,
    pub requests_per_second: f64,
    /// The smallest plan that meets the objective for certain; the closest one if none does.
    pub plan: String,
    pub workers: u32,
    pub meets: bool,
    /// CPU of all processes, cores.
    pub cores: Interval,
    pub busiest: String,
    pub busy: Interval,
    /// `None` where work piles up.
    pub p95_ms: Option<Interval>,
}

/// Sizes a server of `users` like the `like_users` of the log. Loads beyond a hundred times that of the log are left out.
///
/// # Errors
/// There is nothing to simulate.
pub fn like(
    input: &SweepInput<'_>,
    users: u32,
    like_users: u32,
    config: &SweepConfig,
    listener: &dyn ProgressListener,
) -> Result<Like, SweepError> {
    let ratio = f64::from(users) / f64::from(like_users.max(1));
    let mut loads = Vec::new();
    for activity in ACTIVITIES {
        let factor = ratio * activity;
        if !(FACTOR_MIN..=FACTOR_MAX).contains(&factor) || listener.is_cancelled() {
            continue;
        }
        let config = SweepConfig { growth: factor, ..config.clone() };
        let trials = candidates::standard_trials(&(1..=8), &config.plans);
        let sweep = match sweep::compare(input, trials, Vec::new(), &config, listener) {
            Err(SweepError::NoPlans(_)) => continue,
            sweep => sweep?,
        };
        let Some((plan, meets)) = sweep.shown() else { continue };
        let busiest = plan.summary.busiest();
        loads.push(LikeLoad {
            activity,
            factor,
            requests_per_second: factor * input.profile.peaks.busy_hour.requests_per_second,
            plan: plan.summary.plan.name.clone(),
            workers: plan.summary.workers,
            meets,
            cores: plan.summary.total_cores,
            busiest: busiest.map(|process| process.name.clone()).unwrap_or_default(),
            busy: busiest.map_or(Interval::exact(0.0), |process| process.peak),
            p95_ms: plan.response_times().map(|times| times.p95),
        });
    }
    Ok(Like { users, like_users, seed: config.seed, loads })
}

const ACTIVITIES: [f64; 3] = [0.5, 1.0, 2.0];
const FACTOR_MIN: f64 = 0.01;
const FACTOR_MAX: f64 = 100.0;
