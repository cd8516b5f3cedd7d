//! The screen's reasons, in sentences that an administrator can act on.

use wsim_text::{list, plural, prose, quoted};

use super::findings::{Findings, SIGNIFICANT_SHARE};
use super::load::endpoint_facts;
use super::model::PlanSummary;
use super::words;
use wsim_plan::{CheckedPlan, Destination, Spread};
use wsim_profile::HeavyHitter;

/// Most important first.
pub(super) fn reasons(findings: &Findings<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(processes_seen(findings));
    reasons.extend(largest_groups(findings));
    reasons.extend(heavy_users(findings));
    reasons.extend(replication_limit(findings));
    reasons.extend(main_process(findings));
    reasons.extend(workers_needed(findings));
    reasons.extend(cost_of_workers(findings));
    reasons.extend(idle_long_polls(findings));
    reasons.extend(sliding_sync(findings));
    reasons.extend(heavy_room(findings));
    reasons
}

fn processes_seen(findings: &Findings<'_>) -> Option<String> {
    let profile = findings.profile;
    let names: Vec<String> = profile.processes.iter().map(|process| quoted(&process.name)).collect();
    if names.len() > 1 {
        let shown = if names.len() > NAMES_SHOWN {
            format!("{} and {} more", names[..NAMES_SHOWN].join(", "), names.len() - NAMES_SHOWN)
        } else {
            list(&names)
        };
        return Some(format!(
            "These logs come from {} processes ({shown}): the server has workers already, so \"one process\" is a calculation, not an observation.",
            names.len()
        ));
    }
    (profile.internal_requests > 0).then(|| {
        format!(
            "These logs hold {} between Synapse processes: the server has workers already, so \"one process\" is a calculation, not an observation.",
            plural(profile.internal_requests, "request", "requests")
        )
    })
}

fn largest_groups(findings: &Findings<'_>) -> Option<String> {
    let top: Vec<String> = findings
        .group_shares(|_| true)
        .into_iter()
        .take(3)
        .filter(|(_, share)| *share >= SIGNIFICANT_SHARE)
        .map(|(group, share)| format!("{} {}", words::group(group), prose::percent(share)))
        .collect();
    (!top.is_empty()).then(|| format!("Where the CPU goes at the peak: {}.", top.join(", ")))
}

/// Users and bridges that are so heavy that balancing by user stays uneven.
fn heavy_users(findings: &Findings<'_>) -> Vec<String> {
    let hitters = &findings.profile.heavy_hitters;
    let all = findings.peak_cores(|_| true) * findings.law.request_factor.value;
    let bridges = hitters.appservices.iter().map(|heavy| (heavy, "bridge"));
    let users = hitters.users.iter().map(|heavy| (heavy, "user"));
    let mut seen: Vec<&str> = Vec::new();
    let mut sentences = Vec::new();
    for (heavy, kind) in bridges.chain(users).filter(|(heavy, _)| heavy.share >= HEAVY_SHARE) {
        if !seen.contains(&heavy.name.as_str()) {
            seen.push(&heavy.name);
            sentences.extend(heavy_user(heavy, kind, heavy.share * all, findings));
        }
    }
    sentences
}

fn heavy_user(heavy: &HeavyHitter, kind: &str, cores: f64, findings: &Findings<'_>) -> Option<String> {
    let left = findings.law.left_for_requests(findings.config.objective.busy, 1.0).value;
    let subject = format!(
        "The {kind} {} causes {} of the load ({} at the peak)",
        quoted(&heavy.name),
        prose::percent(heavy.share),
        prose::cores(cores)
    );
    if cores > left {
        Some(format!(
            "{subject}, more than one worker may carry ({}): no number of workers balanced by user helps. Limit its rate, or give it a pool of its own, balanced round robin.",
            prose::cores(left.max(0.0))
        ))
    } else if cores >= HEAVY_CORES {
        Some(format!("{subject} and always lands on one worker when balanced by user: a worker of its own keeps it away from other users."))
    } else {
        None
    }
}

/// Where replication leaves little or nothing of a worker for requests.
fn replication_limit(findings: &Findings<'_>) -> Option<String> {
    let left = findings.law.left_for_requests(findings.config.objective.busy, 1.0);
    let share = prose::percent_range(findings.law.replication.plus(findings.law.rest));
    let events = findings.profile.events_per_second.peak;
    let consequence = if left.value <= 0.0 {
        "more workers cannot help, only fewer events or faster cores"
    } else if left.low <= 0.0 {
        "at the upper end of the uncertainty no number of workers is enough; measure it with --process-cpu"
    } else {
        return None;
    };
    Some(format!("At {events:.0} events/s replication and idle CPU take {share} of every worker: {consequence}."))
}

fn main_process(findings: &Findings<'_>) -> Option<String> {
    let candidate = findings.recommended().filter(|candidate| candidate.workers > 0)?;
    let main = candidate.processes.first()?;
    let kept = findings.groups_on_main(&candidate.plan);
    (!kept.is_empty() && main.peak.value >= 0.1)
        .then(|| format!("The main process keeps {} and is {}.", left_on_main(findings, candidate), words::busy_share(main)))
}

/// The largest groups that a plan leaves on the main process, with their share of all CPU.
pub(super) fn left_on_main(findings: &Findings<'_>, candidate: &PlanSummary) -> String {
    let kept = findings.groups_on_main(&candidate.plan);
    let mut parts: Vec<String> =
        kept.iter().take(3).map(|(group, share)| format!("{} ({} of the CPU)", words::group(group), prose::percent(*share))).collect();
    if !candidate.plan.stream_writers.contains_key("events") && findings.law.persisting.value > 0.05 {
        parts.push(format!("persisting events ({})", prose::cores(findings.law.persisting.value)));
    }
    if parts.is_empty() { "nothing but replication and idle CPU".to_owned() } else { list(&parts) }
}

/// `N >= demand / (busy - replication - rest)` for all that the plan's pools take.
fn workers_needed(findings: &Findings<'_>) -> Option<String> {
    let left = findings.law.left_for_requests(findings.config.objective.busy, 1.0);
    let candidate = findings.shown().filter(|candidate| candidate.workers > 0)?;
    let moved = findings.peak_cores(|endpoint| matches!(candidate.plan.route(endpoint_facts(endpoint)), Destination::Pool(_)));
    let demand = findings.law.request_factor.scaled(moved);
    (left.value > 0.0 && demand.value > 0.0).then(|| {
        format!(
            "The requests of the workers need {} cores. A worker below {} has {} left for requests after replication and idle CPU. Minimum number of workers by this sum alone: {:.0}.",
            prose::range(demand, 2),
            findings.busy_limit(),
            prose::cores(left.value),
            (demand.value / left.value).ceil()
        )
    })
}

/// Total cores grow with every worker.
fn cost_of_workers(findings: &Findings<'_>) -> Option<String> {
    let candidate = findings.recommended().filter(|candidate| candidate.workers > 0)?;
    let monolith = findings.monolith()?;
    let each = findings.law.replication.plus(findings.law.rest);
    Some(format!(
        "Every further worker costs {} of a core in replication and idle CPU, whatever it serves: all processes together go from {} to {} cores.",
        prose::percent_range(each),
        prose::range(monolith.total_cores, 2),
        prose::range(candidate.total_cores, 2)
    ))
}

/// Balancing by open connections counts long polls that only wait.
fn idle_long_polls(findings: &Findings<'_>) -> Option<String> {
    let concurrency = &findings.profile.concurrency;
    let (waiting, active) = (concurrency.waiting_mean, concurrency.working_mean);
    if waiting < IDLE_POLLS || waiting < IDLE_PER_WORKING * active.max(0.1) {
        return None;
    }
    let uses_it = findings.recommended().is_some_and(|candidate| has_least_connections(&candidate.plan));
    let which = if uses_it { "as this plan's pools are" } else { "or any other rule that counts connections" };
    Some(format!(
        "Do not balance /sync with least_conn, {which}: most open connections are waiting long polls ({waiting:.0} waiting, {active:.1} active on average)."
    ))
}

fn has_least_connections(plan: &CheckedPlan) -> bool {
    plan.rules().iter().any(|rule| rule.spread == Spread::LeastBusy)
}

fn sliding_sync(findings: &Findings<'_>) -> Option<String> {
    let (_, share) = findings.group_shares(|_| true).into_iter().find(|(group, _)| *group == "sliding_sync")?;
    (share >= SIGNIFICANT_SHARE && !findings.config.plans.sliding_sync).then(|| {
        format!(
            "Sliding sync (Element X) takes {} of the CPU. Synapse's documentation lists no worker for it, so these plans leave it on the main process (except ess-helm); the sync workers can serve it.",
            prose::percent(share)
        )
    })
}

fn heavy_room(findings: &Findings<'_>) -> Option<String> {
    let room = findings.profile.heavy_hitters.rooms.iter().max_by(|a, b| a.share.total_cmp(&b.share))?;
    (room.share >= HEAVY_SHARE).then(|| {
        format!(
            "The room {} causes {} of the load. Balanced by room it always lands on one worker; balanced round robin, its senders create forks, and resolving them costs CPU that these numbers do not include.",
            quoted(&room.name),
            prose::percent(room.share)
        )
    })
}

/// A user, bridge or room is named from this share of all load.
const HEAVY_SHARE: f64 = 0.1;
/// A user that fits on a worker is named from this load, cores.
const HEAVY_CORES: f64 = 0.1;
/// Idle long polls from which balancing by connections is worth a warning, in all and per working request.
const IDLE_POLLS: f64 = 10.0;
const IDLE_PER_WORKING: f64 = 5.0;
const NAMES_SHOWN: usize = 6;
