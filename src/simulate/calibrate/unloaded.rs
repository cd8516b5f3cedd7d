//! The part of observed times that does not depend on load.
//!
//! Wall times and transaction times of a loaded process contain waits that the simulation produces itself; simulating
//! them as observed would count the waits twice. So the calibration window is simulated in its observed deployment:
//! once with no delays but CPU and queues, once with all of the observed delays and transaction times. Each class keeps
//! the share of them with which its simulated wall times match the logged ones (compared by their deciles on a
//! logarithmic scale, so that short times count as much as long ones).
//!
//! (The usual way, a regression of the unexplained time on concurrent CPU, left half to three quarters of it as delay
//! on a worker that makes no remote calls: concurrent CPU is measured too imprecisely, so its coefficient is
//! attenuated.)

use super::observed::ObservedDeployment;
use crate::engine::StopFlag;
use crate::engine::time::Span;
use crate::replications::{Candidate, ReplicationConfig, Scenario, Variation};
use crate::synapse::record::mark;
use crate::synapse::result::GroupResult;
use crate::synapse::topology::{Costs, TopologyError};
use crate::synapse::workload::Workload;
use wsim_stats::DurationHistogram;

/// Logged wall times of each class.
#[derive(Debug, Clone, Default)]
pub(super) struct WallTimes {
    /// Histograms by class.
    pub(super) by_class: Vec<DurationHistogram>,
    /// The times are from Synapse's log (else from a proxy's).
    pub(super) from_synapse: bool,
}

/// The share of each class; `None` if the fit is stopped early. `observed` has all of the observed delays and transaction times.
pub(super) fn fit_shares(
    observed: &ObservedDeployment,
    wall_times: &WallTimes,
    costs: &Costs,
    stop: &StopFlag,
) -> Result<Option<Vec<f64>>, TopologyError> {
    let mut observed = observed.clone();
    // The fit needs latencies by class.
    for (class, number) in observed.workload.classes.iter_mut().zip(0..) {
        class.group = number;
    }
    observed.workload.keep_first(RECORDS_MAX);
    let count = observed.workload.classes.len();
    let simulate = |shares: &[f64]| -> Result<Option<Vec<f64>>, TopologyError> {
        let mut workload = observed.workload.clone();
        scale_delays(&mut workload, shares);
        let config =
            ReplicationConfig { variation: Variation::Redrawn, as_logged: wall_times.from_synapse, ..ReplicationConfig::default() };
        let scenario = Scenario { workload: &workload, growth: 1.0, costs, seed: 0, config, stop };
        let run = scenario.once(Candidate { topology: &observed.topology, routers: &observed.routers }, 0, Span::ZERO)?;
        let times = |group: &GroupResult| level(if wall_times.from_synapse { &group.logged } else { &group.work });
        Ok(run.map(|run| (0..count).map(|class| run.groups.get(class).map_or(0.0, times)).collect()))
    };
    let (Some(without), Some(with)) = (simulate(&vec![0.0; count])?, simulate(&vec![1.0; count])?) else { return Ok(None) };
    let logged: Vec<(f64, f64)> = wall_times.by_class.iter().map(|times| (times.count() as f64, level(times))).collect();
    let mut shares = vec![0.0; count];
    let mut simulated_level = without.clone();
    for _ in 0..STEPS {
        shares = corrected(&shares, &logged, &simulated_level, &without, &with);
        let Some(level) = simulate(&shares)? else { return Ok(None) };
        simulated_level = level;
    }
    Ok(Some(corrected(&shares, &logged, &simulated_level, &without, &with)))
}

/// Level of a distribution of times: the mean of the logarithms of its deciles and of its 95th percentile.
fn level(times: &DurationHistogram) -> f64 {
    let logarithm = |quantile: &f64| (times.quantile_ms(*quantile) + RESOLUTION_MS).ln();
    QUANTILES.iter().map(logarithm).sum::<f64>() / QUANTILES.len() as f64
}

/// Multiplies delays and transaction times by the share of their class.
pub(super) fn scale_delays(workload: &mut Workload, shares: &[f64]) {
    for record in &mut workload.records {
        let share = shares.get(usize::from(record.class)).copied().unwrap_or(1.0);
        let scaled = |us: u32| Span::from_micros(us.into()).scaled(share).micros_u32();
        record.db_us = scaled(record.db_us);
        if !record.has(mark::LONG_POLL) {
            record.wait_us = scaled(record.wait_us);
        }
    }
}

/// A secant step per class. `logged` has the number of requests and the level of each class. Classes with few requests
/// are shrunk towards the common share.
fn corrected(shares: &[f64], logged: &[(f64, f64)], simulated: &[f64], without: &[f64], with: &[f64]) -> Vec<f64> {
    let fitted: Vec<Option<f64>> = (0..shares.len())
        .map(|class| {
            let (count, level) = logged.get(class).copied().unwrap_or_default();
            let range = with[class] - without[class];
            (count > 0.0 && range > LEVEL_MIN).then(|| (shares[class] + (level - simulated[class]) / range).clamp(0.0, 1.0))
        })
        .collect();
    let known = || fitted.iter().zip(logged).filter_map(|(share, (count, _))| Some(((*share)?, *count)));
    let (sum, weight) = known().fold((0.0, 0.0), |(sum, weight), (share, count)| (sum + share * count, weight + count));
    let common = if weight > 0.0 { sum / weight } else { 1.0 };
    let shrunk = |(share, (count, _)): (&Option<f64>, &(f64, f64))| {
        share.map_or(common, |share| (share * count + common * COMMON_WEIGHT) / (count + COMMON_WEIGHT))
    };
    fitted.iter().zip(logged).map(shrunk).collect()
}

const QUANTILES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
/// Resolution of Synapse's log.
const RESOLUTION_MS: f64 = 1.0;
/// A class has a share of its own only if its delays change the level by at least this.
const LEVEL_MIN: f64 = 0.01;
const STEPS: usize = 2;
/// Weight of the common share, in requests.
const COMMON_WEIGHT: f64 = 10.0;
/// Most requests that the fit simulates.
pub(super) const RECORDS_MAX: usize = 200_000;
