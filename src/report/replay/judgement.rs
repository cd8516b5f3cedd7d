//! Whether a replay met what was expected of it, and who is to blame if not.
//!
//! Knows nothing of formats. Invariant: what was not measured, because nothing was sent or nothing came back, is never met.

use wsim_advise::{LatencyTerm, Measure, Objective, OutcomeTerm, Statistic};
use wsim_plan::Plan;
use wsim_replay::record::{Episode, EpisodeKind, Group, LatencyHistogram, Measurements, Tally};
use wsim_text as text;
use wsim_transport::Failure;

use super::pools::Pools;
use crate::shared::escape;

/// One term of what was expected, beside what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedTerm {
    /// As typed: `p95 work < 500ms`.
    pub term: String,
    /// In words: `720 ms`.
    pub measured: String,
    pub met: bool,
    /// About errors or failures, which a late generator does not change.
    pub is_of_errors: bool,
    /// The measured value over its limit: 1 and above is missed. Infinite if nothing was measured.
    pub ratio: f64,
    /// Who stands out, if anybody does: an upstream, a pool of the plan, or an endpoint group.
    pub cause: Option<String>,
}

/// Judges every term of an objective of replays. `plan` is that of the target, if it is known.
pub fn judge(measured: &Measurements, objective: &Objective, plan: Option<&Plan>) -> Vec<JudgedTerm> {
    let whole = measured.whole();
    let pools = Pools::of_plan(plan);
    let latencies = objective.latencies.iter().map(|term| judge_latency(measured, &whole, &pools, term));
    let outcomes = objective.outcomes.iter().map(|term| judge_outcome(measured, &whole, &pools, term));
    latencies.chain(outcomes).collect()
}

/// The group of a term; the whole for none.
fn group_of<'m>(measured: &'m Measurements, whole: &'m Group, id: Option<&str>) -> Option<&'m Group> {
    match id {
        None => Some(whole),
        Some(id) => measured.groups.iter().find(|group| group.id == id),
    }
}

fn judge_latency(measured: &Measurements, whole: &Group, pools: &Pools, term: &LatencyTerm) -> JudgedTerm {
    let times = group_of(measured, whole, term.group.as_deref()).map(|group| &group.work.response).filter(|times| times.count() > 0);
    let Some(times) = times else {
        return JudgedTerm {
            term: term.to_string(),
            measured: "no response".to_owned(),
            met: false,
            is_of_errors: false,
            ratio: f64::INFINITY,
            cause: None,
        };
    };
    let ms = statistic_ms(times, term.statistic);
    let met = ms < term.below_ms;
    JudgedTerm {
        term: term.to_string(),
        measured: text::milliseconds(ms),
        met,
        is_of_errors: false,
        ratio: ms / term.below_ms,
        cause: (!met).then(|| slow_part(measured, pools, term)).flatten(),
    }
}

fn statistic_ms(times: &LatencyHistogram, statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Mean => times.mean_ns() / 1e6,
        Statistic::P50 => times.quantile_ns(0.5) as f64 / 1e6,
        Statistic::P95 => times.quantile_ns(0.95) as f64 / 1e6,
        Statistic::P99 => times.quantile_ns(0.99) as f64 / 1e6,
    }
}

fn judge_outcome(measured: &Measurements, whole: &Group, pools: &Pools, term: &OutcomeTerm) -> JudgedTerm {
    match term {
        OutcomeTerm::Down { below_s } => {
            let seconds = measured.down_seconds();
            let met = seconds < *below_s;
            let first = measured.episodes.iter().filter(|episode| episode.kind != EpisodeKind::Late).max_by(|a, b| {
                // The one that names a process says most.
                let names = |episode: &Episode| matches!(episode.kind, EpisodeKind::Silent(_));
                names(a).cmp(&names(b)).then(a.seconds().total_cmp(&b.seconds()))
            });
            JudgedTerm {
                term: term.to_string(),
                measured: if seconds > 0.0 { text::duration(seconds) } else { "never".to_owned() },
                met,
                is_of_errors: false,
                ratio: seconds / below_s,
                cause: first.filter(|_| !met).map(episode_sentence),
            }
        }
        OutcomeTerm::Share { measure, group, below } => {
            let Some(group) = group_of(measured, whole, group.as_deref()).filter(|group| sent(group) > 0) else {
                let measured = "nothing was sent".to_owned();
                return JudgedTerm { term: term.to_string(), measured, met: false, is_of_errors: true, ratio: f64::INFINITY, cause: None };
            };
            let count = |tally: &Tally| if *measure == Measure::Errors { tally.errors } else { tally.failures };
            let errors = count(&group.work) + count(&group.polls);
            let share = errors as f64 / sent(group) as f64;
            let met = share < *below;
            JudgedTerm {
                term: term.to_string(),
                measured: format!(
                    "{} ({} of {})",
                    text::percent(share),
                    text::count(errors),
                    text::plural(sent(group), "request", "requests")
                ),
                met,
                is_of_errors: true,
                ratio: share / below,
                cause: (!met).then(|| text::list(&error_kinds(group, *measure))).map(|kinds| {
                    let pool = || failing_pool(measured, pools, |group| count(&group.work) + count(&group.polls));
                    match failing_upstream(measured, pools).or_else(pool) {
                        Some(part) => format!("{kinds}; {part}"),
                        None => kinds,
                    }
                }),
            }
        }
    }
}

/// Requests that were sent, or should have been.
fn sent(group: &Group) -> u64 {
    [&group.work, &group.polls].iter().map(|tally| tally.sent + tally.queue_full).sum()
}

/// The most frequent kinds of error of a group: `319 times 401 instead of 200`.
fn error_kinds(group: &Group, measure: Measure) -> Vec<String> {
    let mut kinds: Vec<(u64, String)> = Vec::new();
    for tally in [&group.work, &group.polls] {
        for ((logged, status), count) in &tally.worse {
            if measure == Measure::Errors || *status >= 500 {
                kinds.push((*count, status_words(*logged, *status)));
            }
        }
        let failed = tally.failed.iter().filter(|(name, _)| **name != Failure::Abandoned.name());
        kinds.extend(failed.map(|(name, count)| (*count, super::tables::reason_text(name))));
        if tally.queue_full > 0 {
            kinds.push((tally.queue_full, "not sent because too many requests were waiting".to_owned()));
        }
    }
    let mut sums: Vec<(u64, String)> = Vec::new();
    for (count, kind) in kinds {
        match sums.iter_mut().find(|(_, known)| *known == kind) {
            Some((sum, _)) => *sum += count,
            None => sums.push((count, kind)),
        }
    }
    sums.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    sums.into_iter().take(KINDS_SHOWN).map(|(count, kind)| format!("{}× {kind}", text::count(count))).collect()
}

/// A status and the one in the log: `401 instead of 200`.
pub(super) fn status_words(logged: u16, status: u16) -> String {
    if logged == 0 { format!("{status}, unknown in the log") } else { format!("{status} instead of {logged}") }
}

/// The upstream that gave most of the errors, if it gave far more than its share of responses.
fn failing_upstream(measured: &Measurements, pools: &Pools) -> Option<String> {
    let shares = measured.upstreams.iter().map(|upstream| (upstream.name.as_str(), upstream.requests, upstream.errors));
    standing_out(shares).map(|(name, part, _)| format!("{} of them from {}", text::percent(part), with_pool(name, pools)))
}

/// The part of the plan whose requests ended in most of the errors, if these are far more than its share. Requests without a response have
/// no upstream, but they have an endpoint.
fn failing_pool(measured: &Measurements, pools: &Pools, errors: impl Fn(&Group) -> u64) -> Option<String> {
    let parts = parts(measured, pools, sent, errors);
    let (name, part, whole) = standing_out(parts.iter().copied())?;
    let (part, whole) = (text::percent(part), text::percent(whole));
    Some(format!("{part} of them are requests for {}, which has {whole} of all", shown(name)))
}

/// Sums over the endpoint groups of each part of the plan; groups of several parts are left out.
fn parts<'p>(
    measured: &Measurements,
    pools: &'p Pools,
    all: impl Fn(&Group) -> u64,
    bad: impl Fn(&Group) -> u64,
) -> Vec<(&'p str, u64, u64)> {
    let mut sums: Vec<(&str, u64, u64)> = Vec::new();
    for group in &measured.groups {
        let Some(name) = pools.of_group(&group.id) else { continue };
        match sums.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, sum, sum_bad)) => (*sum, *sum_bad) = (*sum + all(group), *sum_bad + bad(group)),
            None => sums.push((name, all(group), bad(group))),
        }
    }
    sums
}

/// Who has most of the slow responses: an upstream, a part of the plan, or an endpoint group.
fn slow_part(measured: &Measurements, pools: &Pools, term: &LatencyTerm) -> Option<String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time that was typed")]
    let above_ns = (term.below_ms * 1e6) as u64;
    let slow_pool = || {
        let parts = parts(measured, pools, |group| group.work.response.count(), |group| group.work.response.above(above_ns));
        let (name, part, whole) = standing_out(parts.iter().copied())?;
        let (part, whole) = (text::percent(part), text::percent(whole));
        Some(format!("{}, with {part} of the slow responses and {whole} of all", shown(name)))
    };
    let pool = if term.group.is_none() { slow_pool() } else { None };
    let upstream = slow_upstream(measured, pools, above_ns);
    match (upstream, pool) {
        // One upstream that stands out says more than its pool, and a pool more than several upstreams alike.
        (Some((one, true)), _) => Some(one),
        (_, Some(pool)) => Some(pool),
        (Some((several, false)), None) => Some(several),
        (None, None) => slow_group(measured, term, above_ns),
    }
}

/// The upstream with most of the slow responses, if it has far more than its share; else all that have slow ones. And whether it is one.
fn slow_upstream(measured: &Measurements, pools: &Pools, above_ns: u64) -> Option<(String, bool)> {
    let times =
        measured.upstreams.iter().map(|upstream| (upstream.name.as_str(), upstream.service.count(), upstream.service.above(above_ns)));
    if let Some((name, part, whole)) = standing_out(times) {
        let (part, whole) = (text::percent(part), text::percent(whole));
        return Some((format!("{}, with {part} of the slow responses and {whole} of all", with_pool(name, pools)), true));
    }
    let slow: Vec<&str> =
        measured.upstreams.iter().filter(|upstream| upstream.service.above(above_ns) > 0).map(|upstream| upstream.name.as_str()).collect();
    match slow[..] {
        [] => None,
        [one] => Some((format!("{}, the only upstream with slow responses", with_pool(one, pools)), true)),
        _ if slow.len() <= NAMED_MAX => {
            let names: Vec<String> = slow.iter().map(|name| shown(name)).collect();
            Some((format!("{} alike", text::list(&names)), false))
        }
        _ => Some((format!("{} upstreams alike", slow.len()), false)),
    }
}

/// Of (name, requests, bad ones) the name whose share of the bad ones is at least 1.5 times its share of all and at least half; with both
/// shares.
fn standing_out<'n>(parts: impl Iterator<Item = (&'n str, u64, u64)> + Clone) -> Option<(&'n str, f64, f64)> {
    let (all, bad) = parts.clone().fold((0, 0), |(all, bad), (_, requests, wrong)| (all + requests, bad + wrong));
    if all == 0 || bad == 0 {
        return None;
    }
    let shares = parts.map(|(name, requests, wrong)| (name, wrong as f64 / bad as f64, requests as f64 / all as f64));
    shares.filter(|(_, part, whole)| *part >= 0.5 && *part >= 1.5 * whole).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Where no upstream is named: the group with most of the slow responses.
fn slow_group(measured: &Measurements, term: &LatencyTerm, above_ns: u64) -> Option<String> {
    if term.group.is_some() {
        return None;
    }
    let slow = measured.groups.iter().map(|group| (group.work.response.above(above_ns), &group.id));
    slow.max()
        .filter(|(count, _)| *count > 0)
        .map(|(count, id)| format!("{} of {id}", text::plural(count, "slow response", "slow responses")))
}

/// A time in which something was wrong, in a sentence.
pub(super) fn episode_sentence(episode: &Episode) -> String {
    let time = format!("from {} to {}", second(episode.from_s), second(episode.to_s));
    let count = text::count(episode.requests);
    match &episode.kind {
        EpisodeKind::Failing => format!("{time} most requests failed ({count})"),
        EpisodeKind::Frozen => format!("{time} the target gave no response while up to {count} requests waited"),
        EpisodeKind::Silent(name) => format!("upstream {} gave no response {time}, where about {count} were due", shown(name)),
        EpisodeKind::Late => format!("{time} the generator was late ({})", text::plural(episode.requests, "request", "requests")),
    }
}

/// An instant of the run.
fn second(seconds: f64) -> String {
    format!("{} s", text::tick((seconds * 10.0).round() / 10.0))
}

/// An upstream, and the pool of the plan that it is in.
fn with_pool(name: &str, pools: &Pools) -> String {
    match pools.of_upstream(name) {
        Some(pool) => format!("{} (pool {})", shown(name), shown(pool)),
        None => shown(name),
    }
}

/// The target's text, at a readable length.
fn shown(name: &str) -> String {
    escape::page(name, 60)
}

const KINDS_SHOWN: usize = 3;
/// Upstreams that are named if no one stands out.
const NAMED_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn judged(measured: &Measurements, text: &str) -> Vec<JudgedTerm> {
        judge(measured, &text.parse::<Objective>().unwrap(), None)
    }

    #[test]
    fn terms_are_met_or_missed_by_what_was_measured() {
        let measured = fixture::report().measured;
        let terms = judged(&measured, "p95 work < 10s, p50 media < 1ms, errors < 100%, errors < 1%, failures < 0.1%, down < 1s");
        assert_eq!(terms.iter().map(|term| term.met).collect::<Vec<_>>(), [true, false, true, false, false, true], "{terms:#?}");
        assert!(terms.iter().all(|term| term.met == (term.ratio < 1.0)));
        assert_eq!(terms[3].measured, "2.2 % (2 of 90 requests)");
        let cause = terms[3].cause.as_deref().unwrap_or_default();
        assert!(cause.starts_with("1× 404 instead of 200 and 1× no complete response in time; 100 % of them from "), "{terms:#?}");
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let nothing = Measurements::default();
        let terms = judge(&nothing, &Objective::of_replays(), None);
        assert_eq!(terms.iter().map(|term| term.met).collect::<Vec<_>>(), [false, false, true]);
        assert!(judged(&fixture::report().measured, "p95 presence < 1s, errors presence < 1%").iter().all(|term| !term.met));
    }

    #[test]
    fn the_upstream_that_stands_out_is_named() {
        let parts = [("a", 500, 90), ("b", 500, 5)];
        assert_eq!(standing_out(parts.into_iter()).map(|(name, ..)| name), Some("a"));
        assert_eq!(standing_out([("a", 500, 50), ("b", 500, 45)].into_iter()), None);
        assert_eq!(standing_out([("a", 500, 0)].into_iter()), None);
        assert_eq!(standing_out([("a", 500, 500)].into_iter()), None, "all there is");
    }

    #[test]
    fn episodes_are_told_in_sentences() {
        let episode = |kind| Episode { kind, from_s: 23.94, to_s: 60.0, requests: 1360 };
        assert_eq!(
            episode_sentence(&episode(EpisodeKind::Silent("127.0.0.1:18011".to_owned()))),
            "upstream 127.0.0.1:18011 gave no response from 23.9 s to 60 s, where about 1,360 were due"
        );
        assert_eq!(episode_sentence(&episode(EpisodeKind::Failing)), "from 23.9 s to 60 s most requests failed (1,360)");
    }
}
