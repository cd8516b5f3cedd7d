//! What part of observed times does not depend on load.
//!
//! Wall times and transaction times of a loaded process hold waiting that the simulation makes itself; simulating them as observed
//! would count it twice. So the calibrated time is simulated in its observed deployment: once with no delay but that of CPU and
//! queues, once with all of the observed delays and transaction times, and each class keeps the share of them with which its
//! wall times come out as logged (their deciles, on a logarithmic scale: short ones count as much as long ones).
//!
//! (A regression of the unexplained time on concurrent CPU, the usual way, left half to three quarters of it as delay on a
//! worker that asks nobody outside: concurrent CPU is seen too dimly, and its coefficient is attenuated.)

use super::super::observed::Observed;
use super::super::record::mark;
use super::super::result::GroupResult;
use super::super::run::{Candidate, ReplicationPlan, Scenario};
use super::super::time::Span;
use super::super::topology::{Costs, TopologyError};
use super::super::workload::Workload;
use wsim_stats::DurationHistogram;

/// Wall times of each class as logged.
#[derive(Debug, Clone, Default)]
pub(super) struct Walls {
    /// By number of the class.
    pub classes: Vec<DurationHistogram>,
    /// The times are Synapse's own (else a proxy's).
    pub logged: bool,
}

/// Share per class. `observed` holds all of the observed delays and transaction times.
pub(super) fn shares(observed: &Observed, walls: &Walls, costs: &Costs) -> Result<Vec<f64>, TopologyError> {
    let mut observed = observed.clone();
    // Latency is wanted by class.
    for (class, number) in observed.workload.classes.iter_mut().zip(0..) {
        class.group = number;
    }
    observed.workload.keep_first(RECORDS_MAX);
    let count = observed.workload.classes.len();
    let simulated = |shares: &[f64]| -> Result<Vec<f64>, TopologyError> {
        let mut workload = observed.workload.clone();
        scale(&mut workload, shares);
        let plan = ReplicationPlan { resample: false, as_logged: walls.logged, ..ReplicationPlan::default() };
        let scenario = Scenario { workload: &workload, growth: 1.0, costs, seed: 0, plan };
        let run = scenario.once(Candidate { topology: &observed.topology, routers: &observed.routers }, 0, Span::ZERO)?;
        let times = |group: &GroupResult| level(if walls.logged { &group.logged } else { &group.work });
        Ok((0..count).map(|class| run.groups.get(class).map_or(0.0, times)).collect())
    };
    let (without, with) = (simulated(&vec![0.0; count])?, simulated(&vec![1.0; count])?);
    let logged: Vec<(f64, f64)> = walls.classes.iter().map(|times| (times.count() as f64, level(times))).collect();
    let mut shares = vec![0.0; count];
    let mut now = without.clone();
    for _ in 0..STEPS {
        shares = corrected(&shares, &logged, &now, &without, &with);
        now = simulated(&shares)?;
    }
    Ok(corrected(&shares, &logged, &now, &without, &with))
}

/// Mean of the logarithms of the deciles (and the 95th percentile) of a distribution of times.
fn level(times: &DurationHistogram) -> f64 {
    let logarithm = |quantile: &f64| (times.quantile_ms(*quantile) + RESOLUTION_MS).ln();
    QUANTILES.iter().map(logarithm).sum::<f64>() / QUANTILES.len() as f64
}

/// Multiplies delays and transaction times by the share of their class.
pub(super) fn scale(workload: &mut Workload, shares: &[f64]) {
    for record in &mut workload.records {
        let share = shares.get(usize::from(record.class)).copied().unwrap_or(1.0);
        let scaled = |us: u32| Span::from_micros(us.into()).scaled(share).micros_u32();
        record.db_us = scaled(record.db_us);
        if !record.is(mark::POLL) {
            record.wait_us = scaled(record.wait_us);
        }
    }
}

/// A secant step per class. `logged`: requests and level of each. Classes with few requests lean on all together.
fn corrected(shares: &[f64], logged: &[(f64, f64)], now: &[f64], without: &[f64], with: &[f64]) -> Vec<f64> {
    let own: Vec<Option<f64>> = (0..shares.len())
        .map(|class| {
            let (count, level) = logged.get(class).copied().unwrap_or_default();
            let range = with[class] - without[class];
            (count > 0.0 && range > LEVEL_MIN).then(|| (shares[class] + (level - now[class]) / range).clamp(0.0, 1.0))
        })
        .collect();
    let known = || own.iter().zip(logged).filter_map(|(share, (count, _))| Some(((*share)?, *count)));
    let (sum, weight) = known().fold((0.0, 0.0), |(sum, weight), (share, count)| (sum + share * count, weight + count));
    let common = if weight > 0.0 { sum / weight } else { 1.0 };
    let shrunk = |(share, (count, _)): (&Option<f64>, &(f64, f64))| {
        share.map_or(common, |share| (share * count + common * COMMON_WEIGHT) / (count + COMMON_WEIGHT))
    };
    own.iter().zip(logged).map(shrunk).collect()
}

const QUANTILES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
/// Synapse logs whole ms.
const RESOLUTION_MS: f64 = 1.0;
/// Least difference that delays make, as a logarithm, for a class to have a share of its own.
const LEVEL_MIN: f64 = 0.01;
const STEPS: usize = 2;
/// Requests that the common share counts for.
const COMMON_WEIGHT: f64 = 10.0;
/// Requests that are simulated for this.
pub(super) const RECORDS_MAX: usize = 200_000;
