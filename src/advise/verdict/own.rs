//! The verdict about a deployment that has workers already: whether it is enough, what it could do without, what must change.

use super::super::findings::Findings;
use super::super::limits;
use super::super::model::{Decision, Meets, PlanSummary};
use super::super::own::{OwnDeployment, OwnProcess, Spare};
use super::super::words;
use wsim_profile::DeployedRole;
use wsim_stats::Interval;
use wsim_text::{list, plural, prose};

pub(super) fn own_deployment(findings: &Findings<'_>, own: &OwnDeployment<'_>, recommended: Option<&PlanSummary>) -> (Decision, String) {
    let limit = findings.config.objective.busy;
    let Some(busiest) = own.processes.first() else { return (Decision::Unknown, String::new()) };
    let yours = format!("Your {}", plural(own.processes.len() as u64, "process", "processes"));
    let at_peak = format!("at the {}", words::peak(&findings.profile.peaks.five_minutes));
    let busy = format!(
        "the busiest, {}, is {} busy{}{}",
        busiest.process.name,
        prose::percent(busiest.busy.value),
        prose::percent_spread(busiest.busy),
        busiest.of_limit()
    );
    let reached = findings.limits.iter().find(|reached| reached.is_reached() && !reached.is_cpu_of_process());
    if let Some(reached) = reached {
        let help = findings.levers.first().map_or_else(String::new, |lever| format!(" What helps: {lever}."));
        return (Decision::ChangeDeployment, format!("{yours} are not enough: {reached}. By CPU, {busy} {at_peak}.{help}"));
    }
    if busiest.busy.value >= limit {
        let change = change(findings, own, busiest, recommended);
        return (
            Decision::ChangeDeployment,
            format!("{yours} are not enough: {busy} {at_peak}, and the limit is {}. {change}{}", findings.busy_limit(), cost(findings)),
        );
    }
    let doubt = if busiest.busy.high >= limit {
        format!(" by the best estimate (the limit, {}, lies within the uncertainty)", findings.busy_limit())
    } else {
        String::new()
    };
    let spares: Vec<String> = own.spares(findings.law, limit).iter().map(spare_sentence).collect();
    let text = format!(
        "{yours} are enough{doubt}: {at_peak} {busy}.{}{}{}",
        growth(findings, own),
        spares.concat(),
        one_process(findings, recommended)
    );
    (Decision::KeepDeployment, text)
}

/// ` generic_worker3 could go: the other 2 would be 31 % busy each (27–40 %).`
fn spare_sentence(spare: &Spare<'_>) -> String {
    let busy = format!("{} busy{}", prose::percent(spare.busy.value), prose::percent_spread(spare.busy));
    let remain = match spare.remain.as_slice() {
        [only] => format!("{only} alone would be {busy}"),
        several => format!("the other {} would be {busy}, if evenly loaded", several.len()),
    };
    format!(" {} could go: {remain}.", list(&spare.could_go))
}

/// ` All of it would fit in one process, too: 31 % busy (27–40 %) by calculation.`
fn one_process(findings: &Findings<'_>, recommended: Option<&PlanSummary>) -> String {
    let candidate = recommended.filter(|candidate| candidate.workers == 0 && candidate.meets == Meets::Yes);
    candidate.and_then(|candidate| candidate.processes.first()).filter(|_| findings.shown().is_some()).map_or_else(String::new, |main| {
        format!(" By calculation even one process would do ({}); changing back is optional.", words::busy_share(main))
    })
}

/// ` The load can grow 3.1× before main passes 70 %.`
fn growth(findings: &Findings<'_>, own: &OwnDeployment<'_>) -> String {
    let limit = findings.config.objective.busy;
    let headroom = |process: &OwnProcess<'_>| limits::headroom(process.busy.value, process.idle.value, limit);
    let first = own.processes.iter().min_by(|a, b| headroom(a).total_cmp(&headroom(b)));
    let Some((process, factor)) = first.map(|process| (process, headroom(process))).filter(|(_, factor)| factor.is_finite()) else {
        return String::new();
    };
    match prose::factor(factor).as_str() {
        "1" => format!(" No headroom: any growth takes {} over {}.", process.process.name, findings.busy_limit()),
        _ => format!(" The load can grow {} before {} passes {}.", limits::multiple(factor), process.process.name, findings.busy_limit()),
    }
}

/// What to do about a process that only serves other processes: no plan divides the work of such a writer.
fn writer(findings: &Findings<'_>, name: &str) -> String {
    let most = findings.profile.between_processes.iter().max_by(|a, b| a.peak_cpu_seconds.total_cmp(&b.peak_cpu_seconds));
    let most = most.and_then(|endpoint| endpoint.stream.as_deref());
    let cause = if most == Some("presence") { ": turn presence off" } else { "" };
    format!("{name} serves other processes only, and no further worker takes work from it. Fewer such requests help{cause}.")
}

/// What to do about a process that is too busy.
fn change(findings: &Findings<'_>, own: &OwnDeployment<'_>, busiest: &OwnProcess<'_>, recommended: Option<&PlanSummary>) -> String {
    let limit = findings.config.objective.busy;
    let name = &busiest.process.name;
    if busiest.process.role == DeployedRole::Worker && busiest.process.requests == 0 {
        return writer(findings, name);
    }
    if busiest.process.role == DeployedRole::Worker
        && let Some((enough, busy)) = own.enough(busiest, findings.law, limit)
    {
        return more_workers(own, busiest, enough, busy);
    }
    if busiest.process.role == DeployedRole::EventPersister {
        return format!("Add an event persister beside {name}.");
    }
    match recommended.filter(|candidate| candidate.workers > 0) {
        Some(candidate) => {
            let moved: Vec<&str> = findings.groups_moved(&candidate.plan).iter().map(|(group, _)| words::group(group)).collect();
            let main =
                candidate.processes.first().map_or_else(String::new, |main| format!(", {} would be {}", name, words::busy_share(main)));
            format!(
                "Let workers serve {}: in plan \"{}\", with {}{main}.",
                list(&moved),
                candidate.plan.name,
                plural(candidate.workers.into(), "worker", "workers")
            )
        }
        None => "No standard plan is enough either: see the reasons.".to_owned(),
    }
}

fn more_workers(own: &OwnDeployment<'_>, busiest: &OwnProcess<'_>, enough: usize, busy: Interval) -> String {
    let now = own.peers(busiest);
    let each = format!("{} busy{}", prose::percent(busy.value), prose::percent_spread(busy));
    if enough <= now {
        return format!(
            "The load of {} is uneven: spread evenly, {} of {} would be enough, at {each}. Balance them by another rule, or give the heaviest user a worker.",
            plural(now as u64, "worker of this kind", "workers of this kind"),
            enough,
            now
        );
    }
    format!(
        "Add {} like {}: evenly loaded, each of the {enough} would be {each}.",
        plural((enough - now) as u64, "worker", "workers"),
        busiest.process.name
    )
}

/// ` Every further process costs 4 % of a core (2–8 %).`
fn cost(findings: &Findings<'_>) -> String {
    let each = findings.law.replication.plus(findings.law.rest);
    format!(" Every further process costs {} of a core in replication and idle CPU.", prose::percent_range(each))
}
