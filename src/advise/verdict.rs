//! The screen's verdict: keep one process, or what to split off first and why.

mod own;

use wsim_profile::{Deployment, WarningEffect};
use wsim_text::{list, plural, prose, quoted};

use super::findings::{Findings, has_workers};
use super::limits;
use super::model::{Decision, Meets, PlanSummary, Verdict, busiest};
use super::reasons::left_on_main;
use super::response_times::EstimatedTerm;
use super::words;
use own::own_deployment;

pub(super) fn verdict(findings: &Findings<'_>) -> Verdict {
    let (decision, text) = match (&findings.own, findings.recommended()) {
        (Some(own), recommended) => own_deployment(findings, own, recommended),
        (None, None) => (Decision::NoPlanMeets, no_plan_meets(findings)),
        (None, Some(candidate)) if candidate.workers > 0 => (Decision::AddWorkers, add_workers(findings, candidate)),
        (None, Some(candidate)) if has_workers(findings.profile) => (Decision::WorkersNotNeeded, workers_not_needed(findings, candidate)),
        (None, Some(candidate)) => (Decision::StayWithOneProcess, stay(findings, candidate)),
    };
    let reached = findings.own.is_none().then(|| limits::reached(findings.limits, findings.levers)).flatten();
    let text = reached.map_or_else(|| text.clone(), |reached| format!("{reached} {text}"));
    let text = format!("{text}{}", response_times(findings));
    let deployment = &findings.profile.deployment;
    let partial = deployment.warnings.iter().find(|warning| warning.effect == WarningEffect::Partial);
    let text = partial.map_or_else(|| text.clone(), |warning| format!("Partial picture: {}. {text}", warning.text));
    Verdict { decision, text }
}

/// The verdict and the confidence where the logs are of so little of the deployment that nothing can be said of the whole.
pub(super) fn too_partial(deployment: &Deployment) -> (Verdict, String) {
    let obstacles: Vec<&str> = deployment.obstacles().collect();
    let text = format!(
        "No verdict: {}. Give the logs of all Synapse processes, or the log of the proxy in front of them, of the same time.",
        obstacles.join("; ")
    );
    (Verdict { decision: Decision::Unknown, text }, obstacles.join("; "))
}

/// The verdict where no CPU demand is known.
pub(super) fn unknown() -> Verdict {
    Verdict {
        decision: Decision::Unknown,
        text:
            "No advice: these logs show no CPU time and not enough to infer it. Add Synapse's own log, or a proxy log with request times."
                .to_owned(),
    }
}

/// What can be said of the objective's response times without a simulation, and the command for what cannot.
fn response_times(findings: &Findings<'_>) -> String {
    let Some(shown) = findings.shown().filter(|shown| !shown.response_times.is_empty()) else { return String::new() };
    let told: Vec<String> = shown.response_times.iter().map(EstimatedTerm::text).collect();
    let name = if shown.workers == 0 { "one process".to_owned() } else { format!("plan {}", quoted(&shown.plan.name)) };
    let open: Vec<&str> = shown.response_times.iter().filter(|term| term.needs_simulation()).map(|term| term.term.as_str()).collect();
    let needs = match open.as_slice() {
        [] => String::new(),
        [one] => format!(" {one} needs a simulation: {}.", findings.config.simulate_command),
        several => format!(" {} need a simulation: {}.", list(several), findings.config.simulate_command),
    };
    format!(" Response times of {name} by an approximation: {}.{needs}", told.join("; "))
}

fn stay(findings: &Findings<'_>, candidate: &PlanSummary) -> String {
    let Some(main) = candidate.processes.first() else { return String::new() };
    let peak = words::peak(&findings.profile.peaks.five_minutes);
    format!(
        "The main process is {} at the {peak}, so one process is enough.{}{}",
        words::busy_share(main),
        growth(findings, candidate, "you need a worker"),
        caveat(findings, candidate)
    )
}

fn workers_not_needed(findings: &Findings<'_>, candidate: &PlanSummary) -> String {
    let Some(main) = candidate.processes.first() else { return String::new() };
    let profile = findings.profile;
    format!(
        "This traffic does not need your {}: one process would be about {} at the {}. Changing back is optional.{}{}",
        words::processes_seen(profile),
        words::busy_share(main),
        words::peak(&profile.peaks.five_minutes),
        growth(findings, candidate, "one process is too few"),
        caveat(findings, candidate)
    )
}

/// ` You can grow 5.6× (5.4× at the upper end of the uncertainty) before you need a worker.`
fn growth(findings: &Findings<'_>, candidate: &PlanSummary, limit: &str) -> String {
    if let Some(sooner) = sooner_than_cpu(candidate) {
        return sooner;
    }
    let Some(headroom) = findings.headroom(candidate) else { return String::new() };
    if headroom.factor.is_infinite() {
        return " No growth of this traffic needs a worker.".to_owned();
    }
    let (best, upper) = (limits::multiple(headroom.factor), limits::multiple(headroom.factor_at_upper_end));
    if prose::factor(headroom.factor) == "1" {
        return format!(" No headroom: any growth takes {} over {}.", words::the_process(headroom.process), findings.busy_limit());
    }
    let upper = if upper == best || headroom.factor_at_upper_end < 1.0 {
        String::new()
    } else {
        format!(" ({upper} at the upper end of the uncertainty)")
    };
    format!(" You can grow {best}{upper} before {limit}.")
}

/// ` You can grow 1.2× (0.9–1.5) before you reach the limit of the main process's database connections.`: where something else than a process's CPU
/// is the first limit of a plan.
fn sooner_than_cpu(candidate: &PlanSummary) -> Option<String> {
    let first = candidate.first_limit().filter(|limit| !limit.is_cpu_of_process())?;
    if first.is_reached() || first.has_no_room() {
        return Some(format!(" No headroom: the limit of {} is reached.", first.subject()));
    }
    let range = limits::range_of_times(first.headroom).map_or_else(String::new, |range| format!(" ({range})"));
    Some(format!(" You can grow {}{range} before you reach the limit of {}.", limits::multiple(first.headroom.value), first.subject()))
}

fn add_workers(findings: &Findings<'_>, candidate: &PlanSummary) -> String {
    let moved = findings.groups_moved(&candidate.plan);
    let what = match moved.as_slice() {
        [] => "streams and events first".to_owned(),
        groups if groups.len() > 3 => "what workers may serve".to_owned(),
        groups => format!("{} first", list(&groups.iter().map(|(group, _)| words::group(group)).collect::<Vec<_>>())),
    };
    let why = match moved.first().filter(|(group, _)| findings.has_share(group)) {
        Some((group, share)) => {
            let subject = if moved.len() == 1 { "it" } else { words::group(group) };
            format!("{subject} takes {} of the CPU", prose::percent(*share))
        }
        None => "the main process does too much".to_owned(),
    };
    let one_rule = !candidate.balance.contains(';');
    let rule = if one_rule { format!(", {}", candidate.balance) } else { String::new() };
    let main = |candidate: Option<&PlanSummary>| candidate.and_then(|c| c.processes.first()).map_or(0.0, |process| process.peak.value);
    let worker = candidate.processes.get(1..).and_then(busiest);
    format!(
        "Split off {what}: {why}. {} (plan {}{rule}) take{} the main process from {} to {} busy at the {}{}.{}{}",
        plural(candidate.workers.into(), "worker", "workers"),
        quoted(&candidate.plan.name),
        if candidate.workers == 1 { "s" } else { "" },
        prose::percent(main(findings.monolith())),
        prose::percent(main(Some(candidate))),
        words::peak(&findings.profile.peaks.five_minutes),
        worker.map_or_else(String::new, |worker| format!("; the busiest worker is {}", words::busy_share(worker))),
        growth_of_split(findings, candidate),
        caveat(findings, candidate)
    )
}

/// ` You can grow 1.2× before sync1 passes 70 %.`
fn growth_of_split(findings: &Findings<'_>, candidate: &PlanSummary) -> String {
    if let Some(sooner) = sooner_than_cpu(candidate) {
        return sooner;
    }
    let Some(headroom) = findings.headroom(candidate).filter(|headroom| headroom.factor.is_finite()) else { return String::new() };
    let (process, limit) = (words::the_process(headroom.process), findings.busy_limit());
    match prose::factor(headroom.factor).as_str() {
        "1" => format!(" No headroom: any growth takes {process} over {limit}."),
        _ => format!(" You can grow {} before {process} passes {limit}.", limits::multiple(headroom.factor)),
    }
}

/// What a `Maybe` leaves open, and which plan would be certain; or that a smaller plan might do.
fn caveat(findings: &Findings<'_>, candidate: &PlanSummary) -> String {
    let by_shares = |candidate: &PlanSummary| {
        let objective = &findings.config.objective;
        Meets::busy(&candidate.processes, objective.busy).max(Meets::connections(&candidate.processes, objective.connections))
    };
    if candidate.meets == Meets::Maybe {
        if by_shares(candidate) == Meets::Yes {
            return String::new();
        }
        let upper = candidate.processes.iter().max_by(|a, b| a.peak.high.total_cmp(&b.peak.high));
        return upper.map_or_else(String::new, |process| {
            format!(
                " This is the best estimate: at the upper end of the uncertainty {} would be {} busy, and no standard plan is certain to stay below {}.",
                words::the_process(process),
                prose::percent(process.peak.high),
                findings.busy_limit()
            )
        });
    }
    let is_enough = |other: &&PlanSummary| other.meets == Meets::Maybe && by_shares(other) == Meets::Maybe;
    let smaller = findings.candidates.iter().filter(is_enough).find(|other| other.workers < candidate.workers);
    smaller.map_or_else(String::new, |other| {
        let name = if other.workers == 0 { "one process".to_owned() } else { format!("plan {}", quoted(&other.plan.name)) };
        format!(" By the best estimate {name} would be enough: {}.", other.reason)
    })
}

fn no_plan_meets(findings: &Findings<'_>) -> String {
    let limit = findings.busy_limit();
    let left = findings.law.left_for_requests(findings.config.objective.busy, 1.0);
    if left.value <= 0.0 {
        return format!(
            "No number of workers is enough: at {:.0} events/s replication and idle CPU alone take {} of every worker, which leaves nothing of {limit} for requests.",
            findings.profile.events_per_second.peak,
            prose::percent(findings.law.replication.plus(findings.law.rest).value),
        );
    }
    if let Some(late) = findings.shown().and_then(|shown| missed_by_times(findings, shown)) {
        return late;
    }
    let Some((candidate, process)) = findings.shown().and_then(|candidate| Some((candidate, candidate.busiest()?))) else {
        return format!("No standard plan keeps every process below {limit}.");
    };
    let why = match &process.limit {
        Some(limit) => format!(", because {limit} and one worker must carry it"),
        None if process.is_main() => format!(", because no pool may take {}", left_on_main(findings, candidate)),
        None => String::new(),
    };
    format!(
        "No standard plan with up to {} keeps every process below {limit}. In the closest, {}, {} is {}{why}.",
        plural((*findings.config.workers.end()).into(), "worker", "workers"),
        quoted(&candidate.plan.name),
        words::the_process(process),
        words::busy_share(process),
    )
}

/// That the closest plan misses the objective by its response times alone.
fn missed_by_times(findings: &Findings<'_>, shown: &PlanSummary) -> Option<String> {
    let objective = &findings.config.objective;
    let by_shares = Meets::busy(&shown.processes, objective.busy).max(Meets::connections(&shown.processes, objective.connections));
    let late = shown.response_times.iter().find(|term| term.meets == Meets::No).filter(|_| by_shares != Meets::No)?;
    Some(format!(
        "No standard plan with up to {} meets the objective: even in the closest, {}, {} is out of reach.",
        plural((*findings.config.workers.end()).into(), "worker", "workers"),
        quoted(&shown.plan.name),
        late.term
    ))
}
