//! What helps against a limit, cheapest first.

use super::{Limit, LimitKind, MACHINE};
use std::collections::BTreeMap;

use super::super::findings::{ADVICE_CORES, REQUESTS_FOR_SHARES};
use super::connections::ConnectionPool;
use wsim_profile::{EndpointProfile, Profile};
use wsim_text::prose;

/// What the levers are chosen by: the traffic, its transactions, and whether there are workers.
#[derive(Clone, Copy)]
pub(in super::super) struct Pressure<'a> {
    pub(in super::super) profile: &'a Profile,
    pub(in super::super) pool: &'a ConnectionPool,
    pub(in super::super) has_workers: bool,
}

/// What an administrator can do about a limit, cheapest first; never empty.
pub(in super::super) fn levers(limit: &Limit, pressure: &Pressure<'_>) -> Vec<String> {
    let mut levers = Vec::new();
    match limit.kind {
        LimitKind::Connections => {
            levers.push(format!("more connections (cp_max above {})", pressure.pool.words()));
            levers.push(faster_database(pressure));
            levers.push(split(pressure, |endpoint| endpoint.db_seconds, "time in transactions"));
        }
        LimitKind::Database => {
            levers.push(faster_database(pressure));
            levers.extend(by_traffic(pressure));
        }
        LimitKind::Cpu if limit.place == MACHINE => {
            levers.push("more cores, or a machine of its own for the database".to_owned());
            levers.extend(by_traffic(pressure));
        }
        LimitKind::Cpu => {
            levers.extend(by_traffic(pressure));
            levers.push(split(pressure, |endpoint| endpoint.peak_cpu_seconds, "CPU"));
        }
        LimitKind::StreamWriter => levers.push("a worker of its own for the stream, or for events several writers".to_owned()),
        LimitKind::FederationSender => levers.push("more federation senders, among which Synapse shares the other servers".to_owned()),
        LimitKind::Memory => levers.push("more memory, smaller caches (caches.global_factor), or fewer workers".to_owned()),
    }
    levers
}

fn faster_database(pressure: &Pressure<'_>) -> String {
    match pressure.pool.transaction_ms {
        Some(ms) if ms >= SLOW_TRANSACTION_MS => {
            format!("a faster database (a transaction takes {} on average)", prose::milliseconds(ms))
        }
        _ => "a faster database".to_owned(),
    }
}

/// More workers where the traffic is spread over some already, else a split by kind with the kinds that weigh most.
fn split(pressure: &Pressure<'_>, weight: fn(&EndpointProfile) -> f64, of_what: &str) -> String {
    let shares = shares(pressure.profile, weight);
    let largest: Vec<String> = shares
        .iter()
        .filter(|(group, share)| *share >= WORTH_MOVING && is_worth_naming(pressure.profile, group))
        .take(2)
        .map(|(group, share)| format!("{} {} of the {of_what}", super::super::words::group(group), prose::percent(*share)))
        .collect();
    let action = if pressure.has_workers { "more workers" } else { "a split by kind" };
    if largest.is_empty() { action.to_owned() } else { format!("{action} ({})", wsim_text::list(&largest)) }
}

/// Less traffic of the kinds that can be switched off or avoided, where they weigh enough.
fn by_traffic(pressure: &Pressure<'_>) -> Vec<String> {
    let presence = share_of(pressure.profile, |endpoint| endpoint.group == "presence" || is_about(endpoint, "presence"));
    let joins = share_of(pressure.profile, |endpoint| is_about(endpoint, "join"));
    let mut levers = Vec::new();
    // Less than a tenth of a core is not worth switching anything off.
    let worth_avoiding = WORTH_AVOIDING.max(ADVICE_CORES / peak_cores(pressure.profile).max(1e-9));
    if presence >= worth_avoiding {
        levers.push(format!("presence off ({} of the CPU)", prose::percent(presence)));
    }
    if joins >= worth_avoiding {
        levers.push(format!("fewer joins of large rooms on other servers ({} of the CPU)", prose::percent(joins)));
    }
    levers
}

fn is_about(endpoint: &EndpointProfile, word: &str) -> bool {
    endpoint.pattern.as_deref().is_some_and(|pattern| pattern.contains(word))
}

/// Share of the CPU at the peak that some requests take, those between processes included.
fn share_of(profile: &Profile, is_counted: impl Fn(&EndpointProfile) -> bool) -> f64 {
    let (mut counted, mut all) = (0.0, 0.0);
    for endpoint in profile.endpoints.iter().chain(&profile.between_processes) {
        let cpu = endpoint.peak_cpu_seconds.max(0.0);
        all += cpu;
        counted += if is_counted(endpoint) { cpu } else { 0.0 };
    }
    if all > 0.0 { counted / all } else { 0.0 }
}

/// CPU of request lines at the peak, those between processes included, cores.
fn peak_cores(profile: &Profile) -> f64 {
    let endpoints = profile.endpoints.iter().chain(&profile.between_processes);
    endpoints.map(|endpoint| endpoint.peak_cpu_seconds.max(0.0)).sum::<f64>() / profile.peaks.five_minutes.window.seconds()
}

/// Share of each group, largest first.
fn shares(profile: &Profile, weight: fn(&EndpointProfile) -> f64) -> Vec<(&str, f64)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for endpoint in &profile.endpoints {
        *sums.entry(&endpoint.group).or_default() += weight(endpoint).max(0.0);
    }
    let all: f64 = sums.values().sum();
    let mut shares: Vec<(&str, f64)> = sums.into_iter().filter(|(_, sum)| *sum > 0.0).map(|(group, sum)| (group, sum / all)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

/// Whether a worker may serve some of the group, and its share is of many requests.
fn is_worth_naming(profile: &Profile, group: &str) -> bool {
    let endpoints = || profile.endpoints.iter().filter(|endpoint| endpoint.group == group);
    let may_move = endpoints().any(|endpoint| !endpoint.workers.is_empty() || endpoint.any_worker);
    may_move && endpoints().map(|endpoint| endpoint.peak_requests).sum::<u64>() >= REQUESTS_FOR_SHARES
}

/// Transactions of a healthy database take a few milliseconds.
const SLOW_TRANSACTION_MS: f64 = 10.0;
const WORTH_MOVING: f64 = 0.1;
const WORTH_AVOIDING: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ProfileFixture;
    use wsim_stats::Interval;

    fn of(kind: LimitKind, profile: &Profile, has_workers: bool) -> Vec<String> {
        let limit = Limit::new(kind, "main", Interval::exact(0.9));
        levers(&limit, &Pressure { profile, pool: &ConnectionPool::new(profile, None), has_workers })
    }

    #[test]
    fn traffic_that_can_be_avoided_comes_before_workers() {
        let profile = ProfileFixture::new().class("sync", 0.5, 10).main_only("presence", 0.3, 10).main_only("join", 0.2, 1).build();
        assert_eq!(
            of(LimitKind::Cpu, &profile, false),
            [
                "presence off (30 % of the CPU)",
                "fewer joins of large rooms on other servers (20 % of the CPU)",
                "a split by kind (/sync 50 % of the CPU)"
            ]
        );
        let calm = ProfileFixture::new().class("sync", 0.5, 10).build();
        assert_eq!(of(LimitKind::Cpu, &calm, true), ["more workers (/sync 100 % of the CPU)"]);
    }

    #[test]
    fn what_takes_less_than_a_tenth_of_a_core_is_not_worth_avoiding() {
        let profile = ProfileFixture::new().class("sync", 0.05, 10).main_only("presence", 0.04, 10).build();
        assert_eq!(of(LimitKind::Cpu, &profile, false), ["a split by kind (/sync 56 % of the CPU)"]);
        let few = ProfileFixture::new().class("sync", 0.5, 0).build();
        assert_eq!(of(LimitKind::Cpu, &few, false), ["a split by kind"], "a share of no requests");
    }

    #[test]
    fn connections_have_three_levers_and_writers_one() {
        let profile = ProfileFixture::new().class("sync", 0.5, 10).build();
        let connections = of(LimitKind::Connections, &profile, false);
        assert_eq!(connections.len(), 3, "{connections:?}");
        assert!(connections[0].contains("cp_max above the 5 that are assumed") && connections[1] == "a faster database", "{connections:?}");
        assert_eq!(of(LimitKind::StreamWriter, &profile, true).len(), 1);
        assert_eq!(of(LimitKind::FederationSender, &profile, true).len(), 1);
    }
}
