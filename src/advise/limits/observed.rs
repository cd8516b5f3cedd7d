//! The limits of the deployment that wrote the logs, from what they show of each process.

use super::super::objective::Objective;
use super::super::own::OwnDeployment;
use super::connections::{ConnectionPool, pool_share};
use super::{Limit, LimitKind, NOTHING, tightest};
use wsim_profile::{ProcessProfile, Profile};
use wsim_stats::Interval;

/// The tightest limit of each kind over the processes of the logs, the first limit first.
///
/// A process's CPU is that of the verdict; where it is not known at the peak, that of its request lines, with the coverage factor and the idle CPU
/// `rest` added; or what was measured of the whole process.
pub(in super::super) fn observed(
    profile: &Profile,
    pool: &ConnectionPool,
    own: Option<&OwnDeployment<'_>>,
    rest: Interval,
    objective: &Objective,
) -> Vec<Limit> {
    let at_peak =
        |name: &str| own.and_then(|own| own.processes.iter().find(|process| process.process.name == name)).map(|process| process.busy);
    let mut limits = Vec::new();
    for process in &profile.processes {
        let kind = LimitKind::of_process(&process.name, false);
        let share = at_peak(&process.name).or_else(|| cpu(process, profile, rest));
        limits.extend(share.and_then(|share| Limit::of_share(kind, &process.name, share, rest, objective.busy)));
        let busy = process.database.map(|load| pool_share(load.busy, load.waiting, pool.connections));
        limits.extend(
            busy.and_then(|busy| Limit::of_share(LimitKind::Connections, &process.name, busy, NOTHING, objective.connections_or_default())),
        );
    }
    tightest(limits)
}

/// Busy share of a process at the peak; `None` where its CPU is unknown.
fn cpu(process: &ProcessProfile, profile: &Profile, rest: Interval) -> Option<Interval> {
    let peak = peak_over_mean(profile);
    if let Some(seconds) = process.process_cpu_seconds {
        return Some(Interval::exact(seconds / profile.observed_seconds().max(1e-6)).scaled(peak));
    }
    let lines = process.utilisation? * peak;
    let factor = profile.coverage.factor;
    Some(factor.scaled(lines).plus(rest))
}

/// CPU at the busiest five minutes over the mean, at least 1.
fn peak_over_mean(profile: &Profile) -> f64 {
    let mean = profile.endpoints.iter().map(|endpoint| endpoint.cpu_seconds).sum::<f64>() / profile.observed_seconds().max(1e-6);
    let peak = profile.peaks.five_minutes.cores.unwrap_or(0.0);
    if mean > 0.0 { (peak / mean).max(1.0) } else { 1.0 }
}
