//! The screen's reasons, in sentences that an administrator can act on.

use wsim_text::{list, plural, prose, quoted};

use super::findings::{ADVICE_CORES, Findings, REQUESTS_FOR_SHARES, SIGNIFICANT_SHARE};
use super::limits;
use super::load::endpoint_facts;
use super::model::PlanSummary;
use super::own::OwnProcess;
use super::words;
use wsim_plan::{CheckedPlan, Destination, Spread};
use wsim_profile::HeavyHitter;

/// Most important first.
pub(super) fn reasons(findings: &Findings<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(processes_seen(findings));
    reasons.extend(busier_at_another_time(findings));
    reasons.extend(limits::listed("the server as it is", findings.limits));
    reasons.extend(first_limit_help(findings));
    reasons.extend(limits_of_recommended(findings));
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

/// What helps against a first limit that growth reaches soon; the verdict says so of one that is reached.
fn first_limit_help(findings: &Findings<'_>) -> Option<String> {
    let first = findings.limits.first().filter(|limit| limit.headroom.low < SOON)?;
    let is_said = first.is_reached() && !first.is_cpu_of_process();
    (!is_said && !findings.levers.is_empty())
        .then(|| limits::help(findings.levers).replacen("What helps", "What helps against the first limit", 1))
}

fn limits_of_recommended(findings: &Findings<'_>) -> Option<String> {
    let candidate = findings.recommended().filter(|candidate| candidate.workers > 0)?;
    limits::listed(&format!("plan {}", quoted(&candidate.plan.name)), &candidate.limits)
}

/// How busy each process of a deployment with workers is; else that there are workers at all.
fn processes_seen(findings: &Findings<'_>) -> Option<String> {
    let profile = findings.profile;
    if let Some(own) = &findings.own {
        let busy = |process: &OwnProcess<'_>| format!("{} {}", quoted(&process.process.name), prose::percent(process.busy.value));
        let mut shown: Vec<String> = own.processes.iter().take(NAMES_SHOWN).map(busy).collect();
        let more = own.processes.len().saturating_sub(NAMES_SHOWN);
        shown.extend((more > 0).then(|| format!("{more} more less busy")));
        return Some(format!(
            "Your {} at the peak: {}. The standard plans below are calculated, not observed.",
            plural(own.processes.len() as u64, "process", "processes"),
            list(&shown)
        ));
    }
    (profile.internal_requests > 0).then(|| {
        format!(
            "These logs hold {} between Synapse processes: the server has workers already, so \"one process\" is a calculation, not an observation.",
            plural(profile.internal_requests, "request", "requests")
        )
    })
}

/// Processes whose own busiest five minutes are at another time than the peak of all: the peak says too little of them.
fn busier_at_another_time(findings: &Findings<'_>) -> Vec<String> {
    let Some(own) = &findings.own else { return Vec::new() };
    let busier = |process: &OwnProcess<'_>| {
        let (at_peak, own) = (process.process.peak_cores?, process.process.own_peak?);
        let cores = own.cores.filter(|cores| *cores >= at_peak * BUSIER_BY && cores - at_peak >= ADVICE_CORES)?;
        Some(format!(
            "{} is busier at another time: its requests take {} in the five minutes from {}, and {} at the peak of all processes. Look at that time on its own (--from, --to).",
            quoted(&process.process.name),
            prose::cores(cores),
            wsim_text::minute(own.window.start_us),
            prose::cores(at_peak)
        ))
    };
    own.processes.iter().filter_map(busier).take(NAMES_SHOWN).collect()
}

fn largest_groups(findings: &Findings<'_>) -> Option<String> {
    let top: Vec<String> = findings
        .group_shares(|_| true)
        .into_iter()
        .take(3)
        .filter(|(group, share)| *share >= SIGNIFICANT_SHARE && findings.has_share(group))
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
    let is_heavy = |heavy: &HeavyHitter| heavy.share >= HEAVY_SHARE && heavy.requests >= REQUESTS_FOR_SHARES;
    for (heavy, kind) in bridges.chain(users).filter(|(heavy, _)| is_heavy(heavy)) {
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
    } else if cores >= ADVICE_CORES {
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
    let named = |(group, share): &(&str, f64)| match findings.has_share(group) {
        true => format!("{} ({} of the CPU)", words::group(group), prose::percent(*share)),
        false => words::group(group).to_owned(),
    };
    let mut parts: Vec<String> = kept.iter().take(3).map(named).collect();
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
    (left.value > 0.0 && demand.value >= ADVICE_CORES).then(|| {
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
    let is_idle = findings.peak_cores(|_| true) * findings.law.request_factor.value < ADVICE_CORES;
    if is_idle || waiting < IDLE_POLLS || waiting < IDLE_PER_WORKING * active.max(0.1) {
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
    let cores = share * findings.peak_cores(|_| true) * findings.law.request_factor.value;
    (share >= SIGNIFICANT_SHARE && cores >= ADVICE_CORES && !findings.config.plans.sliding_sync).then(|| {
        format!(
            "Sliding sync (Element X) takes {} of the CPU. Synapse's documentation lists no worker for it, so these plans leave it on the main process (except ess-helm); the sync workers can serve it.",
            prose::percent(share)
        )
    })
}

fn heavy_room(findings: &Findings<'_>) -> Option<String> {
    let room = findings.profile.heavy_hitters.rooms.iter().max_by(|a, b| a.share.total_cmp(&b.share))?;
    let cores = room.share * findings.peak_cores(|_| true) * findings.law.request_factor.value;
    (room.share >= HEAVY_SHARE && room.requests >= REQUESTS_FOR_SHARES && cores >= ADVICE_CORES).then(|| {
        format!(
            "The room {} causes {} of the load. Balanced by room it always lands on one worker; balanced round robin, its senders create forks, and resolving them costs CPU that these numbers do not include.",
            quoted(&room.name),
            prose::percent(room.share)
        )
    })
}

/// A limit is near if the load may grow less than this.
const SOON: f64 = 2.0;
/// A user, bridge or room is named from this share of all load.
const HEAVY_SHARE: f64 = 0.1;
/// Idle long polls from which balancing by connections is worth a warning, in all and per working request.
const IDLE_POLLS: f64 = 10.0;
const IDLE_PER_WORKING: f64 = 5.0;
const NAMES_SHOWN: usize = 6;
/// A process is busier at another time from this factor on.
const BUSIER_BY: f64 = 1.25;
