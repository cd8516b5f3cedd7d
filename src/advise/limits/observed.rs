//! The limits of the deployment that wrote the logs, from what they show of each process.

use super::super::own::OwnDeployment;
use super::connections::pool_share;
use super::{Limit, LimitInputs, LimitKind, NOTHING, machine, tightest, writers};
use wsim_profile::{DeployedRole, ProcessCoverage, ProcessProfile, Profile};
use wsim_stats::Interval;

/// The tightest limit of each kind over the processes of the logs, the first limit first.
///
/// A process's CPU is that of the verdict; where it is not known at the peak, that of its request lines, with the coverage factor and the idle CPU
/// added; or what was measured of the whole process.
pub(in super::super) fn observed(own: Option<&OwnDeployment<'_>>, inputs: &LimitInputs<'_>) -> Vec<Limit> {
    let LimitInputs { profile, law, pool, objective, .. } = *inputs;
    let rest = law.rest;
    let at_peak = |name: &str| {
        let process = own.and_then(|own| own.processes.iter().find(|process| process.process.name == name));
        process.map(|process| (process.busy, process.idle))
    };
    // Busiest first, so that of limits that are all far away it is the busiest process's that is named.
    let mut processes: Vec<&ProcessProfile> = profile.processes.iter().collect();
    processes.sort_by(|a, b| {
        let busy = |process: &ProcessProfile| at_peak(&process.name).map_or(0.0, |(busy, _)| busy.value);
        busy(b).total_cmp(&busy(a))
    });
    let mut limits = Vec::new();
    for process in processes {
        let kind = writers::kind(writers::is_sender_name(&process.name), is_persister(profile, &process.name));
        let share = at_peak(&process.name).or_else(|| Some((cpu(process, profile, rest)?, rest)));
        let limit = share.and_then(|(share, idle)| Limit::of_share(kind, &process.name, share, idle, objective.busy));
        limits.extend(limit.map(|limit| with_quantity(limit, profile)));
        let busy = process.database.map(|load| pool_share(load.busy, load.waiting, pool.connections));
        limits.extend(
            busy.and_then(|busy| Limit::of_share(LimitKind::Connections, &process.name, busy, NOTHING, objective.connections_or_default())),
        );
    }
    limits.extend(senders_without_requests(profile).filter_map(|sender| {
        let share = Interval::exact(sender.process_cpu_seconds / sender.seconds.max(1e-6)).scaled(peak_over_mean(profile));
        let limit = Limit::of_share(LimitKind::FederationSender, &sender.name, share, rest, objective.busy);
        limit.map(|limit| with_quantity(limit, profile))
    }));
    let total = own.map(|own| own.processes.iter().map(|process| process.busy.scaled(process.cpu.value)).fold(NOTHING, Interval::plus));
    limits.extend(machine::observed_limits(total, profile.deployment.processes.len(), inputs));
    tightest(limits)
}

/// Federation senders serve no requests, so that only counters of their CPU tell of them.
fn senders_without_requests(profile: &Profile) -> impl Iterator<Item = &ProcessCoverage> {
    let measured = profile.coverage.processes.iter().filter(|process| writers::is_sender_name(&process.name));
    measured.filter(|sender| !profile.processes.iter().any(|process| process.name == sender.name))
}

fn is_persister(profile: &Profile, name: &str) -> bool {
    let mut persisters = profile.deployment.processes.iter().filter(|process| process.role == DeployedRole::EventPersister);
    persisters.any(|process| process.name == name)
}

fn with_quantity(limit: Limit, profile: &Profile) -> Limit {
    let events = profile.events_per_second.peak;
    let persisters = profile.deployment.processes.iter().filter(|process| process.role == DeployedRole::EventPersister).count();
    match limit.kind {
        LimitKind::StreamWriter => limit.counting(events / persisters.max(1) as f64, "events a second"),
        LimitKind::FederationSender => limit.counting(events, "events a second, sent to other servers"),
        _ => limit,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScreenConfig;
    use crate::fixture::ProfileFixture;

    #[test]
    fn persisters_and_senders_of_the_deployment_have_limits_of_their_own() {
        let mut profile = ProfileFixture::new()
            .class("sync", 0.5, 10)
            .deployed("main", DeployedRole::Main, 0.2)
            .deployed("event_persister1", DeployedRole::EventPersister, 0.1)
            .events(4.0)
            .build();
        let seen = |name: &str| ProcessProfile {
            name: name.to_owned(),
            requests: 10,
            internal_requests: 10,
            cpu_seconds: Some(1.0),
            process_cpu_seconds: None,
            db_seconds: None,
            database: None,
            utilisation: Some(0.1),
        };
        profile.processes = vec![seen("main"), seen("event_persister1")];
        profile.coverage.processes = vec![ProcessCoverage {
            name: "federation_sender1".to_owned(),
            seconds: 100.0,
            process_cpu_seconds: 20.0,
            logged_cpu_seconds: 0.0,
        }];
        let advice = crate::screen(&profile, &ScreenConfig::default());
        let of = |kind| advice.limits.iter().find(|limit| limit.kind == kind).map(ToString::to_string).unwrap_or_default();
        let persister = of(LimitKind::StreamWriter);
        assert!(persister.starts_with("event_persister1's work as a stream writer") && persister.contains("4 of "), "{persister}");
        let sender = of(LimitKind::FederationSender);
        assert!(sender.starts_with("federation_sender1's work as a federation sender") && sender.contains("4 of "), "{sender}");
    }
}
