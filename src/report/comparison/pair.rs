//! Two runs, figure by figure.

use std::collections::BTreeSet;

use super::super::format;
use super::model::{Figure, GroupPair, Kind, Latencies, Pair, ProcessPair, Run, RunGroup, RunProcess, Sort, Summary};
use wsim_stats::Interval;

/// Relative error of a median that is still good.
pub const P50_LIMIT: f64 = 0.2;
/// Relative error of a 95th percentile that is still good.
pub const P95_LIMIT: f64 = 0.3;
/// Fewer requests in either run and a group is shown but not counted.
pub const REQUESTS_MIN: u64 = 50;
/// All groups together.
pub(super) const ALL: &str = "all";

/// The first of `runs` and the one at `place`.
pub(super) fn pair(runs: &[Run], place: usize) -> Pair {
    let simulated = |place: usize| runs.get(place).is_some_and(|run| run.sort == Sort::Simulation);
    let (kind, from, to) = match (simulated(0), simulated(place)) {
        (true, false) => (Kind::Prediction, place, 0),
        (false, true) => (Kind::Prediction, 0, place),
        _ => (Kind::Change, 0, place),
    };
    let (a, b) = (&runs[from], &runs[to]);
    // Two replays are held against their schedules; anything else against what the server sees.
    let intended = a.sort == Sort::Replay && b.sort == Sort::Replay;
    let groups: Vec<GroupPair> = ids(a, b).into_iter().filter_map(|id| group(a, b, &id, intended)).collect();
    let processes = names(a, b).into_iter().map(|name| process(a, b, name)).collect();
    let summary = summary(&groups);
    let verdict = match kind {
        Kind::Prediction => predicted(a, b, &summary),
        Kind::Change => changed(a, b, &summary, groups.iter().find(|group| group.id == ALL)),
    };
    Pair { kind, from, to, verdict, summary, groups, processes }
}

/// Group ids, in the order of the first run; `all` last.
fn ids(a: &Run, b: &Run) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = a.groups.iter().chain(&b.groups).map(|group| group.id.clone());
    let mut ids: Vec<String> = all.filter(|id| seen.insert(id.clone())).collect();
    ids.sort_by_key(|id| id == ALL);
    ids
}

fn names<'a>(a: &'a Run, b: &'a Run) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    a.processes.iter().chain(&b.processes).map(|one| one.name.as_str()).filter(|name| seen.insert(*name)).collect()
}

fn group(a: &Run, b: &Run, id: &str, intended: bool) -> Option<GroupPair> {
    let find = |run: &Run| run.groups.iter().find(|group| group.id == id).cloned();
    let (mine, theirs) = (find(a), find(b));
    let requests = |group: &Option<RunGroup>| group.as_ref().map(|group| group.requests);
    if requests(&mine).unwrap_or(0) + requests(&theirs).unwrap_or(0) == 0 {
        return None;
    }
    let both = |of: &dyn Fn(&RunGroup, &Run) -> Option<Interval>| {
        Figure::new(mine.as_ref().and_then(|group| of(group, a)), theirs.as_ref().and_then(|group| of(group, b)))
    };
    // A homeserver's own log starts its clock later than a proxy's; a simulation that knows both is held against the log with the log's.
    let logged = a.sort == Sort::Analysis;
    let times = |group: &RunGroup| {
        let other = if intended { group.response_ms } else { group.logged_ms.filter(|_| logged) };
        other.unwrap_or(group.service_ms)
    };
    let latency = |of: fn(&Latencies) -> Option<Interval>| both(&|group, _| of(&times(group)));
    let exact = |value: f64| Some(Interval::exact(value));
    Some(GroupPair {
        id: id.to_owned(),
        counts: id != ALL && [&mine, &theirs].into_iter().all(|group| requests(group).is_some_and(|count| count >= REQUESTS_MIN)),
        requests: both(&|group, _| exact(group.requests as f64)),
        rate: both(&|group, run| exact(group.requests as f64 / run.seconds)),
        cores: both(&|group, run| exact(group.cpu_seconds? / run.seconds)),
        cpu_ms: both(&|group, _| group.cpu_ms),
        p50: latency(|times| times.p50),
        p95: latency(|times| times.p95),
        p99: latency(|times| times.p99),
    })
}

fn process(a: &Run, b: &Run, name: &str) -> ProcessPair {
    let find = |run: &Run| run.processes.iter().find(|one| one.name == name).cloned();
    let (mine, theirs) = (find(a), find(b));
    let busy = |one: &Option<RunProcess>| one.as_ref().and_then(|one| one.utilisation);
    let rate = |one: &Option<RunProcess>, run: &Run| one.as_ref().map(|one| one.requests as f64 / run.seconds);
    ProcessPair {
        name: name.to_owned(),
        utilisation: Figure::new(busy(&mine), busy(&theirs)),
        rate: Figure::plain(rate(&mine, a), rate(&theirs, b)),
    }
}

fn summary(groups: &[GroupPair]) -> Summary {
    let counted: Vec<&GroupPair> = groups.iter().filter(|group| group.counts && group.p50.difference.is_some()).collect();
    let count = |holds: &dyn Fn(&GroupPair) -> bool| counted.iter().filter(|group| holds(group)).count() as u64;
    let within = |figure: &Figure, limit: f64| figure.relative.is_some_and(|error| error.abs() <= limit);
    let beyond = |figure: &Figure| figure.indistinguishable != Some(true);
    Summary {
        groups: count(&|_| true),
        slower: count(&|group| beyond(&group.p95) && group.p95.relative.is_some_and(|change| change > 0.0)),
        faster: count(&|group| beyond(&group.p95) && group.p95.relative.is_some_and(|change| change < 0.0)),
        indistinguishable: count(&|group| group.p95.indistinguishable == Some(true)),
        p50_within: count(&|group| within(&group.p50, P50_LIMIT)),
        p95_within: count(&|group| within(&group.p95, P95_LIMIT)),
        p50_covered: count(&|group| group.p50.covered == Some(true)),
        p95_covered: count(&|group| group.p95.covered == Some(true)),
    }
}

fn predicted(measured: &Run, simulated: &Run, summary: &Summary) -> String {
    let Summary { groups, p50_within, p95_within, p50_covered, p95_covered, .. } = *summary;
    let plan = simulated.plan.as_deref().unwrap_or("the plan");
    if groups == 0 {
        return format!(
            "No endpoint group has {REQUESTS_MIN} and more requests in both {} and {}, so nothing is said of the prediction",
            simulated.name, measured.name
        );
    }
    format!(
        "The simulation {} predicts for {plan} the median of {p50_within} of {} within {} % of {}, and the p95 of {p95_within} within {} %; the predicted interval covers {p50_covered} medians and {p95_covered} p95",
        simulated.name,
        format::plural(groups, "group", "groups"),
        format::percent_number(P50_LIMIT),
        measured.name,
        format::percent_number(P95_LIMIT),
    )
}

fn changed(before: &Run, after: &Run, summary: &Summary, all: Option<&GroupPair>) -> String {
    let whole = match all.and_then(|all| Some((all.p95, all.p95.from?, all.p95.to?))) {
        Some((figure, _, _)) if figure.indistinguishable == Some(true) => "p95 of all work is indistinguishable".to_owned(),
        Some((_, from, to)) => {
            format!("p95 of all work goes from {} to {}", format::milliseconds(from.value), format::milliseconds(to.value))
        }
        None => "requests compared group by group".to_owned(),
    };
    let noise = if summary.indistinguishable > 0 { format!(", {} indistinguishable", summary.indistinguishable) } else { String::new() };
    format!(
        "From {} to {}: {whole}; by their p95, of {} {} slower, {} faster{noise}",
        before.name,
        after.name,
        format::plural(summary.groups, "group", "groups"),
        summary.slower,
        summary.faster
    )
}
