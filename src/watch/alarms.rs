//! Which terms of an objective the last minutes miss.

use serde::Serialize;

use wsim_advise::{LatencyTerm, Limit, LimitKind, Measure, Objective, OutcomeTerm, Statistic};
use wsim_profile::{GroupProfile, Profile, Quantiles};
use wsim_text::prose;

/// A term that is missed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarm {
    /// The term as it was written: `p95 sync < 500ms`.
    pub term: String,
    /// What is so now: `p95 sync is 812 ms`. May contain text of a log.
    pub text: String,
}

/// The terms that are missed. A response time or a share is judged from [`REQUESTS_MIN`] requests on.
pub(crate) fn alarms(objective: &Objective, profile: &Profile, limits: &[Limit]) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = limits.iter().filter_map(|limit| exceeded(objective, limit)).collect();
    alarms.extend(objective.latencies.iter().filter_map(|term| too_slow(term, profile)));
    alarms.extend(objective.outcomes.iter().filter_map(|term| too_many_errors(term, profile)));
    alarms
}

fn exceeded(objective: &Objective, limit: &Limit) -> Option<Alarm> {
    // The objective says how busy a process may be; other limits are shown as headroom.
    let term = match limit.kind {
        LimitKind::Cpu | LimitKind::StreamWriter | LimitKind::FederationSender if objective.busy < 1.0 => {
            format!("busy < {}", prose::percent(objective.busy))
        }
        LimitKind::Connections if objective.connections < 1.0 => format!("connections < {}", prose::percent(objective.connections)),
        _ => return None,
    };
    let below = if limit.kind == LimitKind::Connections { objective.connections } else { objective.busy };
    let used = below / limit.headroom.value.max(0.01);
    (limit.headroom.value < 1.0)
        .then(|| Alarm { term, text: format!("{} of {} at {}", limit.kind.words(), limit.place, prose::percent(used)) })
}

fn too_slow(term: &LatencyTerm, profile: &Profile) -> Option<Alarm> {
    let (count, quantiles) = match &term.group {
        None => (profile.requests, profile.work_ms?),
        Some(group) => {
            let group = find(group, profile)?;
            (group.requests, group.latency_ms?)
        }
    };
    let value = statistic(term.statistic, &quantiles);
    let name = format!("{} {}", term.statistic.word(), term.group.as_deref().unwrap_or("work"));
    (count >= REQUESTS_MIN && value >= term.below_ms).then(|| Alarm {
        term: format!("{name} < {}", prose::milliseconds(term.below_ms)),
        text: format!("{name} is {}", prose::milliseconds(value)),
    })
}

fn statistic(statistic: Statistic, quantiles: &Quantiles) -> f64 {
    match statistic {
        Statistic::Mean => quantiles.mean,
        Statistic::P50 => quantiles.p50,
        Statistic::P95 => quantiles.p95,
        Statistic::P99 => quantiles.p99,
    }
}

/// Of a log there is nothing to compare a status with: every response of 500 and up is an error, and so is none.
fn too_many_errors(term: &OutcomeTerm, profile: &Profile) -> Option<Alarm> {
    let OutcomeTerm::Share { measure, group, below } = term else { return None };
    let groups = profile.groups.iter().filter(|one| !one.internal && group.as_ref().is_none_or(|group| one.id == *group));
    let (requests, errors) = groups.fold((0, 0), |(requests, errors), group| (requests + group.requests, errors + group.errors));
    let share = errors as f64 / requests.max(1) as f64;
    let word = match measure {
        Measure::Errors => "errors",
        Measure::Failures => "failures",
    };
    let name = group.as_ref().map_or_else(|| word.to_owned(), |group| format!("{word} {group}"));
    (requests >= REQUESTS_MIN && share >= *below)
        .then(|| Alarm { term: format!("{name} < {}", prose::percent(*below)), text: format!("{name}: {}", prose::percent(share)) })
}

fn find<'p>(group: &str, profile: &'p Profile) -> Option<&'p GroupProfile> {
    profile.groups.iter().find(|one| one.id == group)
}

/// Fewer say little of a percentile.
const REQUESTS_MIN: u64 = 20;
