//! Compares two runs, figure by figure.

use std::collections::BTreeSet;

use super::model::{FigurePair, GroupPair, Latencies, PairKind, ProcessPair, Run, RunGroup, RunKind, RunPair, RunProcess, Summary};
use crate::shared::REQUESTS_FOR_ERRORS;
use crate::shared::change::NOTICEABLE;
use wsim_stats::Interval;
use wsim_text as text;

/// Largest relative error of a well-predicted median.
pub const P50_LIMIT: f64 = 0.2;
/// Largest relative error of a well-predicted 95th percentile.
pub const P95_LIMIT: f64 = 0.3;
/// A group with fewer requests in either run is shown but does not count.
pub const REQUESTS_MIN: u64 = REQUESTS_FOR_ERRORS;
/// Id of all groups together.
pub(super) const ALL: &str = "all";

/// Compares the first of `runs` with the one at `index`.
pub(super) fn compare(runs: &[Run], index: usize) -> RunPair {
    let simulated = |index: usize| runs.get(index).is_some_and(|run| run.kind == RunKind::Simulation);
    let (kind, from, to) = match (simulated(0), simulated(index)) {
        (true, false) => (PairKind::Prediction, index, 0),
        (false, true) => (PairKind::Prediction, 0, index),
        _ => (PairKind::Change, 0, index),
    };
    let (a, b) = (&runs[from], &runs[to]);
    // Two replays are compared by times from the schedule; any other runs by times as the server sees them.
    let from_schedule = a.kind == RunKind::Replay && b.kind == RunKind::Replay;
    let groups: Vec<GroupPair> = ids(a, b).into_iter().filter_map(|id| group(a, b, &id, from_schedule)).collect();
    let processes = names(a, b).into_iter().map(|name| process(a, b, name)).collect();
    let summary = summary(&groups);
    let verdict = match kind {
        PairKind::Prediction => predicted(a, b, &summary),
        PairKind::Change => changed(a, b, &summary, groups.iter().find(|group| group.id == ALL)),
    };
    RunPair { kind, from, to, verdict, summary, groups, processes }
}

/// The ids of all groups, in the order of the first run; `all` last.
fn ids(a: &Run, b: &Run) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = a.groups.iter().chain(&b.groups).map(|group| group.id.clone());
    let mut ids: Vec<String> = all.filter(|id| seen.insert(id.clone())).collect();
    ids.sort_by_key(|id| id == ALL);
    ids
}

fn names<'a>(a: &'a Run, b: &'a Run) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    a.processes.iter().chain(&b.processes).map(|process| process.name.as_str()).filter(|name| seen.insert(*name)).collect()
}

fn group(a: &Run, b: &Run, id: &str, from_schedule: bool) -> Option<GroupPair> {
    let find = |run: &Run| run.groups.iter().find(|group| group.id == id).cloned();
    let (first, second) = (find(a), find(b));
    let requests = |group: &Option<RunGroup>| group.as_ref().map(|group| group.requests);
    if requests(&first).unwrap_or(0) + requests(&second).unwrap_or(0) == 0 {
        return None;
    }
    let both = |of: &dyn Fn(&RunGroup, &Run) -> Option<Interval>| {
        FigurePair::new(first.as_ref().and_then(|group| of(group, a)), second.as_ref().and_then(|group| of(group, b)))
    };
    // Response times in a homeserver's own log start later than in a proxy log. A simulation that knows both is compared with a log by
    // the times as logged.
    let logged = a.kind == RunKind::Analysis;
    let times = |group: &RunGroup| {
        let preferred = if from_schedule { group.response_ms } else { group.logged_ms.filter(|_| logged) };
        preferred.unwrap_or(group.service_ms)
    };
    let latency = |of: fn(&Latencies) -> Option<Interval>| both(&|group, _| of(&times(group)));
    let exact = |value: f64| Some(Interval::exact(value));
    Some(GroupPair {
        id: id.to_owned(),
        counts: id != ALL && [&first, &second].into_iter().all(|group| requests(group).is_some_and(|count| count >= REQUESTS_MIN)),
        requests: both(&|group, _| exact(group.requests as f64)),
        rate: both(&|group, run| exact(group.requests as f64 / run.seconds)),
        cores: both(&|group, run| exact(group.cpu_seconds? / run.seconds)),
        cpu_ms: both(&|group, _| group.cpu_ms),
        p50: latency(|times| times.p50),
        p95: latency(|times| times.p95),
        p99: latency(|times| times.p99),
        p95_bounds: both(&|group, _| group.p95_bounds.or(times(group).p95)),
    })
}

fn process(a: &Run, b: &Run, name: &str) -> ProcessPair {
    fn find<'a>(run: &'a Run, name: &str) -> Option<&'a RunProcess> {
        run.processes.iter().find(|process| process.name == name)
    }
    let (first, second) = (find(a, name), find(b, name));
    let busy = |process: Option<&RunProcess>| process.and_then(|process| process.utilisation);
    let rate = |process: Option<&RunProcess>, run: &Run| process.map(|process| process.requests as f64 / run.seconds);
    ProcessPair {
        name: name.to_owned(),
        utilisation: FigurePair::new(busy(first), busy(second)),
        rate: FigurePair::exact(rate(first, a), rate(second, b)),
    }
}

fn summary(groups: &[GroupPair]) -> Summary {
    let counted: Vec<&GroupPair> = groups.iter().filter(|group| group.counts && group.p50.difference.is_some()).collect();
    let count = |holds: &dyn Fn(&GroupPair) -> bool| counted.iter().filter(|group| holds(group)).count() as u64;
    let within = |figure: &FigurePair, limit: f64| figure.relative.is_some_and(|error| error.abs() <= limit);
    // Where the uncertainty is unknown, a change that nobody notices is none.
    let is_small = |figure: &FigurePair| figure.relative.is_some_and(|change| change.abs() <= NOTICEABLE);
    let differs = |figure: &FigurePair| figure.indistinguishable.map_or_else(|| !is_small(figure), |same| !same);
    Summary {
        groups: count(&|_| true),
        slower: count(&|group| differs(&group.p95) && group.p95.relative.is_some_and(|change| change > 0.0)),
        faster: count(&|group| differs(&group.p95) && group.p95.relative.is_some_and(|change| change < 0.0)),
        indistinguishable: count(&|group| group.p95.indistinguishable == Some(true)),
        p50_within: count(&|group| within(&group.p50, P50_LIMIT)),
        p95_within: count(&|group| within(&group.p95, P95_LIMIT)),
        p50_covered: count(&|group| group.p50.covered == Some(true)),
        p95_covered: count(&|group| group.p95.covered == Some(true)),
    }
}

fn predicted(measured: &Run, simulated: &Run, summary: &Summary) -> String {
    let Summary { groups, p50_within, p95_within, p50_covered, p95_covered, .. } = *summary;
    let plan = simulated.plan.as_deref().unwrap_or(text::UNKNOWN);
    if groups == 0 {
        return format!(
            "No endpoint group has at least {REQUESTS_MIN} requests in both {} and {}, so the prediction cannot be judged",
            simulated.name, measured.name
        );
    }
    format!(
        "{} predicts plan {plan} against {}: {} compared; p50 within {} % in {p50_within}, p95 within {} % in {p95_within}; the predicted 95 % interval contains the measured p50 in {p50_covered}, the p95 in {p95_covered}",
        simulated.name,
        measured.name,
        text::plural(groups, "endpoint group", "endpoint groups"),
        text::percent_number(P50_LIMIT),
        text::percent_number(P95_LIMIT),
    )
}

fn changed(before: &Run, after: &Run, summary: &Summary, all: Option<&GroupPair>) -> String {
    let overall = match all.and_then(|all| Some((all.p95, all.p95.from?, all.p95.to?))) {
        Some((figure, _, _)) if figure.indistinguishable == Some(true) => "p95 unchanged within its uncertainty; ".to_owned(),
        Some((_, from, to)) => format!("p95 {} → {}; ", text::milliseconds(from.value), text::milliseconds(to.value)),
        None => String::new(),
    };
    let Summary { groups, slower, faster, indistinguishable, .. } = *summary;
    let groups = if groups == 0 {
        format!("no endpoint group has at least {REQUESTS_MIN} requests in both runs")
    } else {
        let part = |count: u64, words: &str| if count > 0 { format!(", {count} {words}") } else { String::new() };
        let small = groups.saturating_sub(slower + faster + indistinguishable);
        let unchanged =
            part(indistinguishable, "unchanged within the uncertainty") + &part(small, &format!("within {:.0} %", NOTICEABLE * 100.0));
        format!("p95 of {}: {slower} slower, {faster} faster{unchanged}", text::plural(groups, "endpoint group", "endpoint groups"))
    };
    format!("{} against {}: {overall}{groups}", after.name, before.name)
}
