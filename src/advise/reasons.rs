//! What the numbers mean: the verdict, the reasons, the assumptions, in sentences an administrator can act on.

use std::collections::BTreeMap;

use super::law::Law;
use super::load::facts;
use super::model::{Candidate, Meets, Process};
use super::screen::{Settings, busiest, busiest_of, headroom};
use super::words;
use wsim_plan::{Destination, Plan, Rule, Spread};
use wsim_profile::{EndpointProfile, Heavy, Profile};

/// Everything the sentences speak of.
pub(super) struct Findings<'a> {
    pub(super) profile: &'a Profile,
    pub(super) settings: &'a Settings,
    pub(super) law: &'a Law,
    /// Sorted, the plan without workers first.
    pub(super) candidates: &'a [Candidate],
    pub(super) recommended: Option<usize>,
}

impl<'a> Findings<'a> {
    /// The recommended plan.
    pub(super) fn chosen(&self) -> Option<&'a Candidate> {
        self.recommended.and_then(|index| self.candidates.get(index))
    }

    /// The plan whose busiest process is least busy.
    fn nearest(&self) -> Option<&'a Candidate> {
        let worst = |candidate: &Candidate| busiest(candidate).map_or(f64::INFINITY, |process| process.utilisation.value);
        self.candidates.iter().min_by(|a, b| worst(a).total_cmp(&worst(b)))
    }

    fn monolith(&self) -> Option<&'a Candidate> {
        self.candidates.iter().find(|candidate| candidate.workers == 0)
    }

    fn objective(&self) -> String {
        words::percent(self.settings.objective.busy)
    }

    /// How far the load may grow, and which process stops it.
    fn headroom<'c>(&self, candidate: &'c Candidate) -> Option<(f64, f64, &'c Process)> {
        let first = candidate.processes.iter().map(|process| {
            let factor = |busy: f64, rest: f64| headroom(busy, rest / cpu_of(candidate, process), &self.settings.objective);
            (factor(process.utilisation.value, self.law.rest.value), factor(process.utilisation.high, self.law.rest.high), process)
        });
        first.min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// One sentence or two: stay, or what to split first and why.
pub(super) fn verdict(findings: &Findings<'_>) -> String {
    match findings.chosen() {
        None => nothing_meets(findings),
        Some(candidate) if candidate.workers == 0 => stay(findings, candidate),
        Some(candidate) => split(findings, candidate),
    }
}

fn stay(findings: &Findings<'_>, candidate: &Candidate) -> String {
    let Some(main) = candidate.processes.first() else { return String::new() };
    let peak = words::peak(&findings.profile.peaks.five_minutes);
    let state = format!("Stay with one process: the main process is {} busy in its {peak}", words::percent_range(main.utilisation));
    let growth = match findings.headroom(candidate) {
        Some((factor, _, _)) if factor.is_infinite() => "nothing needs splitting".to_owned(),
        Some((factor, sure, _)) => {
            let upper = if words::factor(sure) == words::factor(factor) || sure < 1.0 {
                String::new()
            } else {
                format!(" ({} at the upper end of the range)", words::factor(sure))
            };
            format!("nothing needs splitting below {} times this load{upper}", words::factor(factor))
        }
        None => return state,
    };
    format!("{state}; {growth}.{}", caveat(findings, candidate))
}

fn split(findings: &Findings<'_>, candidate: &Candidate) -> String {
    let moved = moved_groups(findings.profile, &candidate.plan);
    let what = match moved.as_slice() {
        [] => "streams and events first".to_owned(),
        groups if groups.len() > 3 => "what workers may serve".to_owned(),
        groups => format!("{} first", words::list(&groups.iter().map(|(group, _)| words::group(group).to_owned()).collect::<Vec<_>>())),
    };
    let one_rule = !candidate.balance.contains(';');
    let rule = if one_rule { format!(", {}", candidate.balance) } else { String::new() };
    let why = match moved.first() {
        Some((group, share)) => {
            let subject = if moved.len() == 1 { "it" } else { words::group(group) };
            format!("{subject} makes {} of the CPU", words::percent(*share))
        }
        None => "the main process does too much".to_owned(),
    };
    let main = |candidate: Option<&Candidate>| candidate.and_then(|c| c.processes.first()).map_or(0.0, |process| process.utilisation.value);
    let (before, after) = (main(findings.monolith()), main(Some(candidate)));
    let mut text = format!(
        "Split off {what}: {why}; {} (plan {}{rule}) take{} the main process from {} to {} busy in the {}",
        words::workers(candidate.workers),
        words::quoted(&candidate.plan.name),
        if candidate.workers == 1 { "s" } else { "" },
        words::percent(before),
        words::percent(after),
        words::peak(&findings.profile.peaks.five_minutes),
    );
    if let Some(worker) = candidate.processes.get(1..).and_then(busiest_of) {
        text.push_str(&format!(", the busiest worker to {}", words::percent_range(worker.utilisation)));
    }
    text.push('.');
    if let Some((factor, _, process)) = findings.headroom(candidate).filter(|(factor, _, _)| factor.is_finite()) {
        text.push_str(&format!(
            " This holds up to {} times this load; then {} passes {} first.",
            words::factor(factor),
            process_name(process),
            findings.objective()
        ));
    }
    text.push_str(&caveat(findings, candidate));
    text
}

/// What a `Maybe` leaves open, and which plan would be sure; or that a cheaper one might do.
fn caveat(findings: &Findings<'_>, candidate: &Candidate) -> String {
    if candidate.meets_objective == Meets::Maybe {
        let upper = candidate.processes.iter().max_by(|a, b| a.utilisation.high.total_cmp(&b.utilisation.high));
        return upper.map_or_else(String::new, |process| {
            format!(
                " That is the best estimate: at the upper end of the range {} would be {} busy, and no standard plan is sure to stay below {}.",
                process_name(process),
                words::percent(process.utilisation.high),
                findings.objective()
            )
        });
    }
    let cheaper = findings.candidates.iter().find(|other| other.meets_objective == Meets::Maybe && other.workers < candidate.workers);
    cheaper.map_or_else(String::new, |other| {
        let name = if other.workers == 0 { "one process".to_owned() } else { format!("plan {}", words::quoted(&other.plan.name)) };
        format!(" At the best estimate {name} would do ({}).", other.verdict)
    })
}

fn nothing_meets(findings: &Findings<'_>) -> String {
    let objective = findings.objective();
    let room = findings.law.room_for_requests(findings.settings.objective.busy, 1.0);
    if room.value <= 0.0 {
        return format!(
            "No number of workers suffices: at {:.0} events/s replication and rest alone take {} of every worker, so nothing of {objective} is left for requests.",
            findings.profile.events_per_second.peak,
            words::percent(findings.law.replication.plus(findings.law.rest).value),
        );
    }
    let Some((candidate, process)) = findings.nearest().and_then(|candidate| Some((candidate, busiest(candidate)?))) else {
        return format!("No standard plan keeps every process below {objective}.");
    };
    let most = findings.settings.workers.end();
    let why = match &process.limit {
        Some(limit) => format!(": {limit}, and one worker must carry it"),
        None if process.name == "main" => format!(": no pool may take {}", leftovers(findings, candidate)),
        None => String::new(),
    };
    format!(
        "No standard plan with up to {} keeps every process below {objective}: in the nearest, {}, {} is {} busy{why}.",
        words::workers(*most),
        words::quoted(&candidate.plan.name),
        process_name(process),
        words::percent_range(process.utilisation),
    )
}

/// Reasons an administrator can act on, most important first.
pub(super) fn reasons(findings: &Findings<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(seen_workers(findings));
    reasons.extend(biggest_groups(findings));
    reasons.extend(heavy_users(findings));
    reasons.extend(replication_wall(findings));
    reasons.extend(main_leftovers(findings));
    reasons.extend(workers_needed(findings));
    reasons.extend(price_of_workers(findings));
    reasons.extend(parked_polls(findings));
    reasons.extend(sliding_sync(findings));
    reasons.extend(hot_room(findings));
    reasons
}

/// What the numbers rest on, one sentence each.
pub(super) fn assumptions(findings: &Findings<'_>) -> Vec<String> {
    let Findings { profile, law, settings, .. } = findings;
    let costs = &settings.costs;
    let peak = &profile.peaks.five_minutes;
    let events = profile.events_per_second.peak;
    let mut list = vec![
        format!(
            "The plans are judged at the {}, chosen by CPU demand: {:.1} requests/s, {:.1} events/s.",
            words::peak(peak),
            peak.requests_per_second,
            events
        ),
        format!("CPU per request: {} ({}); multiplied by {}.", profile.demand.method, profile.demand.note.trim_end_matches('.'), words::range(profile.demand.range, 2)),
        coverage(profile, law),
        format!(
            "Every process of a plan with workers spends {} ms of CPU on replication per event ({} of a core here); a prior: published 3 to 6 ms, small servers less.",
            words::range(costs.replication_ms, 1),
            words::percent_range(law.replication)
        ),
        format!(
            "Persisting takes {} ms of CPU per event ({} of a core here), on the main process or on event persisters; a prior from one small cluster.",
            words::range(costs.persisting_ms, 0),
            words::percent_range(law.persisting)
        ),
        format!("Every process uses {} of a core at rest; measured 1 to 3 % on one small cluster.", words::percent_range(costs.rest)),
        "In pools balanced in turn or by requests in progress an initial sync costs 1.5 (1-2) times, other syncs 1 (1-2) times as much, as caches are cold; one cluster's measurement and a default range.".to_owned(),
        "CPU only: waiting for the database, memory and response times are not in these numbers; outgoing federation and push count as the main process's.".to_owned(),
    ];
    list.insert(3, skew(profile));
    list
}

fn coverage(profile: &Profile, law: &Law) -> String {
    let factor = words::range(profile.coverage.factor, 2);
    let source = if profile.coverage.measured { "measured" } else { "a prior, not measured here" };
    let net = if words::range(law.kappa, 2) == factor {
        String::new()
    } else {
        format!(" {} without the fixed costs below, which are counted apart.", words::range(law.kappa, 2))
    };
    format!("A process uses {factor} times the CPU of its request lines ({source}).{net}")
}

fn skew(profile: &Profile) -> String {
    let hitters = &profile.heavy_hitters;
    let users = match hitters.user_hhi {
        Some(hhi) => format!("{} users, concentration (sum of squared shares) {hhi:.3}", hitters.distinct_users),
        None => "users unknown, so their concentration counts as none".to_owned(),
    };
    format!(
        "The busiest worker of a keyed pool is taken at its expected share, 1/N * (1 + CV * sqrt(2 ln N)): {users}; users told apart by {}.",
        hitters.user_key
    )
}

fn seen_workers(findings: &Findings<'_>) -> Option<String> {
    let profile = findings.profile;
    let names: Vec<String> = profile.processes.iter().map(|process| words::quoted(&process.name)).collect();
    let shown = |names: &[String]| {
        if names.len() > 6 { format!("{} and {} more", names[..6].join(", "), names.len() - 6) } else { words::list(names) }
    };
    if names.len() > 1 {
        return Some(format!(
            "These logs come from {} processes ({}): the server has workers already, and \"one process\" here is a calculation, not what was seen.",
            names.len(),
            shown(&names)
        ));
    }
    (profile.internal_requests > 0).then(|| {
        format!(
            "{} requests between Synapse processes are in these logs: the server has workers already, and \"one process\" here is a calculation.",
            profile.internal_requests
        )
    })
}

fn biggest_groups(findings: &Findings<'_>) -> Option<String> {
    let shares = group_shares(findings.profile, |_| true);
    let top: Vec<String> = shares
        .iter()
        .take(3)
        .filter(|(_, share)| *share >= 0.05)
        .map(|(group, share)| format!("{} {}", words::group(group), words::percent(*share)))
        .collect();
    (!top.is_empty()).then(|| format!("Where the CPU goes at the peak: {}.", top.join(", ")))
}

/// A user or bridge that balancing cannot divide.
fn heavy_users(findings: &Findings<'_>) -> Vec<String> {
    let hitters = &findings.profile.heavy_hitters;
    let busy = findings.settings.objective.busy;
    let all: f64 = peak_cores(findings.profile, |_| true) * findings.law.request_factor.value;
    let mut seen: Vec<&str> = Vec::new();
    let mut sentences = Vec::new();
    for (heavy, kind) in hitters.appservices.iter().map(|heavy| (heavy, "bridge")).chain(hitters.users.iter().map(|heavy| (heavy, "user")))
    {
        if heavy.share < HEAVY_SHARE || seen.contains(&heavy.name.as_str()) {
            continue;
        }
        seen.push(&heavy.name);
        sentences.push(heavy_sentence(heavy, kind, all, busy, findings));
    }
    sentences
}

fn heavy_sentence(heavy: &Heavy, kind: &str, all: f64, busy: f64, findings: &Findings<'_>) -> String {
    let need = heavy.share * all;
    let who =
        format!("The {kind} {} makes {} of the load, {} at the peak", words::name(heavy), words::percent(heavy.share), words::cores(need));
    let room = findings.law.room_for_requests(busy, 1.0).value;
    if need > room {
        format!(
            "{who}: more than one worker may carry ({}), so no number of workers balanced by user helps; slow it down, or give it workers of its own in turn.",
            words::cores(room.max(0.0))
        )
    } else {
        format!("{who}: balanced by user it stays on one worker; a worker of its own keeps it away from people.")
    }
}

/// Where replication alone leaves little or nothing.
fn replication_wall(findings: &Findings<'_>) -> Option<String> {
    let room = findings.law.room_for_requests(findings.settings.objective.busy, 1.0);
    let share = words::percent_range(findings.law.replication.plus(findings.law.rest));
    let events = findings.profile.events_per_second.peak;
    if room.value <= 0.0 {
        Some(format!(
            "At {events:.0} events/s replication and rest take {share} of every worker: more workers cannot help, only fewer events or faster cores."
        ))
    } else if room.low <= 0.0 {
        Some(format!(
            "At {events:.0} events/s replication and rest take {share} of every worker: at the upper end no number of workers suffices; measure it (--process-cpu)."
        ))
    } else {
        None
    }
}

fn main_leftovers(findings: &Findings<'_>) -> Option<String> {
    let candidate = findings.chosen().filter(|candidate| candidate.workers > 0)?;
    let main = candidate.processes.first()?;
    let kept = group_shares(findings.profile, |endpoint| candidate.plan.route(facts(endpoint)) == Destination::Main);
    (!kept.is_empty() && main.utilisation.value >= 0.1)
        .then(|| format!("The main process keeps {} ({} busy).", leftovers(findings, candidate), words::percent_range(main.utilisation)))
}

/// The largest groups that stay on the main process, with their share of all CPU.
fn leftovers(findings: &Findings<'_>, candidate: &Candidate) -> String {
    let kept = group_shares(findings.profile, |endpoint| candidate.plan.route(facts(endpoint)) == Destination::Main);
    let mut parts: Vec<String> =
        kept.iter().take(3).map(|(group, share)| format!("{} ({} of the CPU)", words::group(group), words::percent(*share))).collect();
    if !candidate.plan.stream_writers.contains_key("events") && findings.law.persisting.value > 0.05 {
        parts.push(format!("persisting events ({})", words::cores(findings.law.persisting.value)));
    }
    if parts.is_empty() { "nothing but replication and its rest".to_owned() } else { words::list(&parts) }
}

/// `N >= A / (busy - replication - rest)` for all that generic workers may take.
fn workers_needed(findings: &Findings<'_>) -> Option<String> {
    let room = findings.law.room_for_requests(findings.settings.objective.busy, 1.0);
    let candidate = findings.chosen().or_else(|| findings.nearest()).filter(|candidate| candidate.workers > 0)?;
    let moved = peak_cores(findings.profile, |endpoint| matches!(candidate.plan.route(facts(endpoint)), Destination::Pool(_)));
    let demand = findings.law.request_factor.scaled(moved);
    (room.value > 0.0 && demand.value > 0.0).then(|| {
        format!(
            "What the workers take needs {} cores; one worker below {} has {} left for it beside replication and rest, so at least {:.0} by that sum alone.",
            words::range(demand, 2),
            findings.objective(),
            words::cores(room.value),
            (demand.value / room.value).ceil()
        )
    })
}

/// Total cores grow with every worker.
fn price_of_workers(findings: &Findings<'_>) -> Option<String> {
    let candidate = findings.chosen().filter(|candidate| candidate.workers > 0)?;
    let alone = findings.monolith()?;
    let each = findings.law.replication.plus(findings.law.rest);
    Some(format!(
        "Every further worker costs {} of a core in replication and rest, whatever it serves: all processes together go from {} to {} cores.",
        words::percent_range(each),
        words::range(alone.total_cores, 2),
        words::range(candidate.total_cores, 2)
    ))
}

fn parked_polls(findings: &Findings<'_>) -> Option<String> {
    let concurrency = &findings.profile.concurrency;
    if concurrency.parked_mean < PARKED_PER_WORKING * concurrency.working_mean.max(0.1) {
        return None;
    }
    let blind = findings.chosen().is_some_and(|candidate| uses_least_busy(&candidate.plan));
    let warning = if blind { "this plan's least-connections pools" } else { "least_conn and its like" };
    Some(format!(
        "{:.0} long polls are parked for every {:.1} requests at work: {warning} would count clients, not load; keep them away from /sync.",
        concurrency.parked_mean, concurrency.working_mean
    ))
}

fn uses_least_busy(plan: &Plan) -> bool {
    plan.pools.iter().any(|pool| Rule::of(pool, plan.proxy.kind).is_ok_and(|rule| rule.spread == Spread::LeastBusy))
}

fn sliding_sync(findings: &Findings<'_>) -> Option<String> {
    let share = group_shares(findings.profile, |_| true).into_iter().find(|(group, _)| group == "sliding_sync")?.1;
    (share >= 0.05 && !findings.settings.plans.sliding_sync).then(|| {
        format!(
            "Sliding sync makes {} of the CPU and stands in no release's worker table, so these plans leave it on the main process (except ess-helm); it can be sent to the sync workers.",
            words::percent(share)
        )
    })
}

fn hot_room(findings: &Findings<'_>) -> Option<String> {
    let room = findings.profile.heavy_hitters.rooms.iter().max_by(|a, b| a.share.total_cmp(&b.share))?;
    (room.share >= HEAVY_SHARE).then(|| {
        format!(
            "The room {} makes {} of the load: by room it stays on one worker; in turn its senders collide and leave forks that cost state resolution, which no number here shows.",
            words::name(room),
            words::percent(room.share)
        )
    })
}

/// Share of all request CPU per group at the peak, largest first, over the classes that `keep` admits.
fn group_shares(profile: &Profile, keep: impl Fn(&EndpointProfile) -> bool) -> Vec<(String, f64)> {
    let all: f64 = profile.endpoints.iter().map(|endpoint| endpoint.peak_cpu_seconds.max(0.0)).sum();
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for endpoint in profile.endpoints.iter().filter(|endpoint| keep(endpoint)) {
        *sums.entry(&endpoint.group).or_default() += endpoint.peak_cpu_seconds.max(0.0);
    }
    let mut shares: Vec<(String, f64)> =
        sums.into_iter().filter(|(_, sum)| *sum > 0.0).map(|(group, sum)| (group.to_owned(), sum / all)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

/// The groups that a plan takes off the main process and that matter (5 % of the CPU), largest first.
fn moved_groups(profile: &Profile, plan: &Plan) -> Vec<(String, f64)> {
    let mut moved = group_shares(profile, |endpoint| plan.route(facts(endpoint)) != Destination::Main);
    let matter = moved.iter().filter(|(_, share)| *share >= 0.05).count().max(1);
    moved.truncate(matter);
    moved
}

fn peak_cores(profile: &Profile, keep: impl Fn(&EndpointProfile) -> bool) -> f64 {
    let sum: f64 = profile.endpoints.iter().filter(|endpoint| keep(endpoint)).map(|endpoint| endpoint.peak_cpu_seconds.max(0.0)).sum();
    sum / profile.peaks.five_minutes.window.seconds()
}

fn process_name(process: &Process) -> &str {
    if process.name == "main" { "the main process" } else { &process.name }
}

fn cpu_of(candidate: &Candidate, process: &Process) -> f64 {
    candidate.plan.workers().into_iter().find(|worker| worker.name == process.name).map_or(1.0, |worker| worker.cpu)
}

/// A user, bridge or room is named from this share of all load.
const HEAVY_SHARE: f64 = 0.1;
/// Parked polls per request at work from which counting connections is blind.
const PARKED_PER_WORKING: f64 = 5.0;
