//! What helps against a limit, cheapest first.

use super::{Limit, LimitKind};
use std::collections::BTreeMap;

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
        LimitKind::Cpu => {
            levers.extend(by_traffic(pressure));
            levers.push(split(pressure, |endpoint| endpoint.peak_cpu_seconds, "CPU"));
        }
        LimitKind::StreamWriter => levers.push("a worker of its own for the stream, or for events several writers".to_owned()),
        LimitKind::FederationSender => levers.push("more federation senders, among which Synapse shares the other servers".to_owned()),
        LimitKind::Memory => levers.push("more memory, or smaller caches".to_owned()),
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
        .filter(|(group, share)| *share >= WORTH_MOVING && group_may_move(pressure.profile, group))
        .take(2)
        .map(|(group, share)| format!("{} {} of the {of_what}", super::super::words::group(group), prose::percent(*share)))
        .collect();
    let action = if pressure.has_workers { "more workers" } else { "a split by kind" };
    if largest.is_empty() { action.to_owned() } else { format!("{action} ({})", wsim_text::list(&largest)) }
}

/// Less traffic of the kinds that can be switched off or avoided, where they weigh enough.
fn by_traffic(pressure: &Pressure<'_>) -> Vec<String> {
    let shares = shares(pressure.profile, |endpoint| endpoint.peak_cpu_seconds);
    let of = |wanted: &str| shares.iter().find(|(group, _)| *group == wanted).map_or(0.0, |(_, share)| *share);
    let joins = joins(pressure.profile);
    let mut levers = Vec::new();
    if of("presence") >= WORTH_AVOIDING {
        levers.push(format!("presence off ({} of the CPU)", prose::percent(of("presence"))));
    }
    if joins >= WORTH_AVOIDING {
        levers.push(format!("fewer joins of large rooms on other servers ({} of the CPU)", prose::percent(joins)));
    }
    levers
}

/// Share of the CPU at the peak that joins take.
fn joins(profile: &Profile) -> f64 {
    let is_join = |endpoint: &&EndpointProfile| endpoint.pattern.as_deref().is_some_and(|pattern| pattern.contains("join"));
    let cpu = |endpoints: &mut dyn Iterator<Item = &EndpointProfile>| endpoints.map(|endpoint| endpoint.peak_cpu_seconds).sum::<f64>();
    let all = cpu(&mut profile.endpoints.iter());
    if all > 0.0 { cpu(&mut profile.endpoints.iter().filter(is_join)) / all } else { 0.0 }
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

/// Whether a worker may serve some of the group.
fn group_may_move(profile: &Profile, group: &str) -> bool {
    profile.endpoints.iter().any(|endpoint| endpoint.group == group && (!endpoint.workers.is_empty() || endpoint.any_worker))
}

/// Transactions of a healthy database take a few milliseconds.
const SLOW_TRANSACTION_MS: f64 = 10.0;
const WORTH_MOVING: f64 = 0.1;
const WORTH_AVOIDING: f64 = 0.1;
