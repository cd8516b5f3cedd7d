//! Names and phrases that the sentences share. Numbers are written by [`wsim_text`].

use wsim_profile::{Peak, Profile};
use wsim_stats::Interval;
use wsim_text::prose;

use super::model::ProcessSummary;
use wsim_plan::Plan;

/// `peak (five minutes from 2026-11-20 16:57 UTC)`.
pub(super) fn peak(peak: &Peak) -> String {
    let length = match peak.window.seconds().round() {
        s if s >= 295.0 => "five minutes".to_owned(),
        s if s >= 120.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{s:.0} seconds"),
    };
    format!("peak ({length} from {})", wsim_text::minute(peak.window.start_us))
}

/// `main process 84 % busy (61–120 %)`.
pub(super) fn busy(process: &ProcessSummary) -> String {
    format!("{} {}", process.title(), busy_share(process))
}

/// `84 % busy (61–120 %)`.
pub(super) fn busy_share(process: &ProcessSummary) -> String {
    format!("{} busy{}", prose::percent(process.peak.value), prose::percent_spread(process.peak))
}

/// `main process's database connections 84 % busy (68–84 %)`.
pub(super) fn connections(process: &ProcessSummary, share: Interval) -> String {
    format!("{}'s database connections {} busy{}", process.title(), prose::percent(share.value), prose::percent_spread(share))
}

/// `the main process's database connections are 84 % busy (68–84 %)`.
pub(super) fn connections_of(process: &ProcessSummary, share: Interval) -> String {
    format!("{}'s database connections are {} busy{}", the_process(process), prose::percent(share.value), prose::percent_spread(share))
}

/// What a sentence calls a process: `the main process`, `sync1`.
pub(super) fn the_process(process: &ProcessSummary) -> &str {
    if process.is_main() { "the main process" } else { &process.name }
}

/// The processes that the logs come from: `9 processes`, or `workers` if only requests between processes tell of them.
pub(super) fn processes_seen(profile: &Profile) -> String {
    match profile.deployment.processes.len() {
        0 | 1 => "workers".to_owned(),
        count => format!("{count} processes"),
    }
}

/// The balancing rules of a plan, each once: `sync: hash consistent by user; generic: round robin`.
pub(super) fn balance(plan: &Plan) -> String {
    let rule = |pool: &wsim_plan::Pool| match &pool.key {
        Some(key) => format!("{} by {key}", pool.balance),
        None => pool.balance.clone(),
    };
    let Some(first) = plan.pools.first().map(rule) else { return "none".to_owned() };
    if plan.pools.iter().all(|pool| rule(pool) == first) {
        return first;
    }
    plan.pools.iter().map(|pool| format!("{}: {}", pool.name, rule(pool))).collect::<Vec<_>>().join("; ")
}

/// What a sentence calls an endpoint group.
pub(super) fn group(id: &str) -> &str {
    match wsim_endpoints::groups::find(id) {
        // Replication by streams, which is background CPU, is another matter.
        Some(group) if group.id == "replication" => "requests between processes",
        group => group.map_or(id, |group| group.title),
    }
}
