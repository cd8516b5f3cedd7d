//! A run second by second: when the target did not respond, and when the generator was late.
//!
//! Requests count in the second in which they were due. Whether the target responds is judged in tenths of a second, by the responses that came
//! and the requests that waited. Memory is 16 bytes a second for the one, 80 for the other. Invariant: an [`Episode`] ends after it began, and
//! episodes of one kind do not overlap.

use super::super::{End, Outcome, SkipReason};

/// A time in which something was wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    pub kind: EpisodeKind,
    /// Seconds since the run began.
    pub from_s: f64,
    /// Seconds since the run began.
    pub to_s: f64,
    /// Requests that failed, waited, were expected, or were late.
    pub requests: u64,
}

/// What was wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EpisodeKind {
    /// More than half of the requests failed.
    Failing,
    /// Requests waited, and none got a response.
    Frozen,
    /// An upstream gave no response while others did; its name. Text of the target: escape it on output.
    Silent(String),
    /// The generator sent a tenth of the requests or more too late.
    Late,
}

impl EpisodeKind {
    /// The kind's name in `report.json`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Frozen => "frozen",
            Self::Silent(_) => "silent",
            Self::Late => "late",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str, upstream: Option<String>) -> Option<Self> {
        match (name, upstream) {
            ("failing", _) => Some(Self::Failing),
            ("frozen", _) => Some(Self::Frozen),
            ("silent", Some(upstream)) => Some(Self::Silent(upstream)),
            ("late", _) => Some(Self::Late),
            _ => None,
        }
    }
}

impl Episode {
    pub fn seconds(&self) -> f64 {
        self.to_s - self.from_s
    }
}

/// How many requests the generator sent too late, with the seconds of [`EpisodeKind::Late`] apart. Adds up over shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LateCounts {
    /// Seconds in which requests were due.
    pub seconds: u64,
    /// Of these, seconds in which a tenth of the requests or more were late.
    pub late_seconds: u64,
    /// Requests of the other seconds.
    pub sent: u64,
    /// Of these, late ones.
    pub late: u64,
}

impl LateCounts {
    pub(super) fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.late_seconds += other.late_seconds;
        self.sent += other.sent;
        self.late += other.late;
    }
}

/// Counts while a run goes on.
#[derive(Debug)]
pub(super) struct Timeline {
    seconds: Vec<Second>,
    tenths: Vec<Tenth>,
    late_above_ns: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    sent: u32,
    failed: u32,
    late: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tenth {
    /// By how much the number of requests that wait for all of a tenth grows at its beginning.
    waiting_more: i32,
    answered: u32,
}

impl Timeline {
    /// Requests sent later than `late_above_ns` are late.
    pub(super) fn new(late_above_ns: u64) -> Self {
        Self { seconds: Vec::new(), tenths: Vec::new(), late_above_ns }
    }

    pub(super) fn add(&mut self, outcome: &Outcome) {
        match outcome.end {
            End::Skipped(reason) if reason != SkipReason::QueueFull => return,
            // What the generator lacked is no silence of the target.
            End::Failed(failure) if failure.is_generators() => return,
            _ => {}
        }
        let Some(second) = at(&mut self.seconds, outcome.due_ns / SECOND_NS) else { return };
        second.sent += 1;
        second.failed += u32::from(outcome.is_failure());
        second.late += u32::from(outcome.lateness_ns().is_some_and(|ns| ns > self.late_above_ns));
        // What waited while the generator stood still did not wait for the target.
        if outcome.long_poll || outcome.disturbed || matches!(outcome.end, End::Skipped(_)) {
            return;
        }
        let sent_ns = if outcome.sent_ns == 0 { outcome.due_ns } else { outcome.sent_ns };
        let (from, to) = (sent_ns.div_ceil(TENTH_NS), outcome.last_byte_ns / TENTH_NS);
        if from < to && at(&mut self.tenths, to).is_some() {
            if let Some(tenth) = at(&mut self.tenths, from) {
                tenth.waiting_more += 1;
            }
            if let Some(tenth) = at(&mut self.tenths, to) {
                tenth.waiting_more -= 1;
            }
        }
        if let (End::Completed, Some(tenth)) = (outcome.end, at(&mut self.tenths, to)) {
            tenth.answered += 1;
        }
    }

    /// Failures among the requests due in these seconds.
    pub(super) fn failed_within(&self, from_s: f64, to_s: f64) -> u64 {
        let within = |second: usize| second as f64 + 1.0 > from_s && (second as f64) < to_s;
        self.seconds.iter().enumerate().filter(|(second, _)| within(*second)).map(|(_, counts)| u64::from(counts.failed)).sum()
    }

    pub(super) fn late_counts(&self) -> LateCounts {
        let mut counts = LateCounts::default();
        for second in self.seconds.iter().filter(|second| second.sent > 0) {
            counts.seconds += 1;
            if second.is_late() {
                counts.late_seconds += 1;
            } else {
                counts.sent += u64::from(second.sent);
                counts.late += u64::from(second.late);
            }
        }
        counts
    }

    /// The episodes of all requests, in the order of time.
    pub(super) fn episodes(&self) -> Vec<Episode> {
        let mut episodes = self.runs_of_seconds(&EpisodeKind::Failing, Second::is_failing, |second| second.failed);
        episodes.retain(|episode| episode.requests >= FAILED_LEAST);
        episodes.extend(self.runs_of_seconds(&EpisodeKind::Late, Second::is_late, |second| second.late));
        episodes.extend(self.frozen());
        episodes.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
        episodes
    }

    /// Seconds of a kind that follow each other; seconds without requests do not separate them.
    fn runs_of_seconds(&self, kind: &EpisodeKind, holds: fn(&Second) -> bool, count: fn(&Second) -> u32) -> Vec<Episode> {
        let mut episodes: Vec<Episode> = Vec::new();
        let mut goes_on = false;
        for (number, second) in self.seconds.iter().enumerate().filter(|(_, second)| second.sent > 0) {
            let holds = holds(second);
            let to_s = number as f64 + 1.0;
            match episodes.last_mut().filter(|_| goes_on && holds) {
                Some(episode) => {
                    episode.to_s = to_s;
                    episode.requests += u64::from(count(second));
                }
                None if holds => {
                    episodes.push(Episode { kind: kind.clone(), from_s: number as f64, to_s, requests: count(second).into() });
                }
                None => {}
            }
            goes_on = holds;
        }
        episodes
    }

    /// Times of a second or more without a response while requests waited. Until the first response nobody knows whether the target is slow or
    /// has stopped; if there never is one, every request fails, which is an episode of its own.
    fn frozen(&self) -> Vec<Episode> {
        let mut episodes: Vec<Episode> = Vec::new();
        let (mut waiting, mut most, mut from) = (0_i64, 0_i64, None);
        let first = self.tenths.iter().position(|tenth| tenth.answered > 0).unwrap_or(self.tenths.len());
        for (number, tenth) in self.tenths.iter().chain([&Tenth { waiting_more: 0, answered: 1 }]).enumerate() {
            waiting += i64::from(tenth.waiting_more);
            if number > first && tenth.answered == 0 && waiting >= WAITING_LEAST {
                from.get_or_insert(number);
                most = most.max(waiting);
                continue;
            }
            let Some(began) = from.take() else { continue };
            if number - began >= TENTHS_LEAST {
                let (from_s, to_s) = (began as f64 / 10.0, number as f64 / 10.0);
                episodes.push(Episode { kind: EpisodeKind::Frozen, from_s, to_s, requests: most.unsigned_abs() });
            }
            most = 0;
        }
        episodes
    }
}

impl Second {
    fn is_failing(&self) -> bool {
        self.failed * 2 > self.sent
    }

    fn is_late(&self) -> bool {
        self.late * LATE_SHARE_OF >= self.sent && self.late > 0
    }
}

/// The entry of a number, made if need be; `None` beyond a week.
fn at<T: Clone + Default>(entries: &mut Vec<T>, number: u64) -> Option<&mut T> {
    let number = usize::try_from(number).ok().filter(|number| *number < ENTRIES_MAX)?;
    if entries.len() <= number {
        entries.resize(number + 1, T::default());
    }
    entries.get_mut(number)
}

const SECOND_NS: u64 = 1_000_000_000;
const TENTH_NS: u64 = 100_000_000;
/// Tenths of a week.
const ENTRIES_MAX: usize = 7 * 86_400 * 10;
/// Fewer failures, one after another, may be chance.
const FAILED_LEAST: u64 = 3;
/// Requests that wait without a response before the target counts as frozen: a process that is busy with one or two of them is slow.
const WAITING_LEAST: i64 = 5;
/// Shortest time that counts as frozen, tenths of a second.
const TENTHS_LEAST: usize = 10;
/// A second is late if one in this many of its requests is.
const LATE_SHARE_OF: u32 = 10;

#[cfg(test)]
mod tests {
    use super::super::tests::outcome;
    use super::*;
    use wsim_transport::Failure;

    const MS: u64 = 1_000_000;

    /// Twenty requests a second for a minute, each answered after `service_ms`.
    fn minute(service_ms: impl Fn(u64) -> u64, late_ms: impl Fn(u64) -> u64, end: impl Fn(u64) -> End) -> Timeline {
        let mut timeline = Timeline::new(10 * MS);
        for number in 0..1200 {
            let at_ms = number * 50;
            let mut one = outcome(0, 0, 0, 0, end(at_ms));
            (one.intended_ns, one.due_ns, one.dispatched_ns, one.granted_ns) = (at_ms * MS, at_ms * MS, at_ms * MS, at_ms * MS);
            one.sent_ns = at_ms * MS + late_ms(at_ms) * MS + 1;
            one.last_byte_ns = one.sent_ns + service_ms(at_ms) * MS;
            timeline.add(&one);
        }
        timeline
    }

    fn kinds(timeline: &Timeline) -> Vec<(EpisodeKind, f64, f64)> {
        timeline.episodes().into_iter().map(|episode| (episode.kind, episode.from_s, episode.to_s)).collect()
    }

    #[test]
    fn a_good_run_has_no_episodes() {
        let timeline = minute(|_| 30, |_| 0, |_| End::Completed);
        assert_eq!(kinds(&timeline), []);
        assert_eq!(timeline.late_counts(), LateCounts { seconds: 60, late_seconds: 0, sent: 1200, late: 0 });
    }

    #[test]
    fn a_target_that_is_down_for_three_seconds_is_failing() {
        let down = |at_ms| if (20_300..23_300).contains(&at_ms) { End::Failed(Failure::Closed) } else { End::Completed };
        let timeline = minute(|_| 30, |_| 0, down);
        assert_eq!(kinds(&timeline), [(EpisodeKind::Failing, 20.0, 23.0)]);
        assert_eq!(timeline.failed_within(20.0, 24.0), 60);
        // Now and then a failure is no outage.
        let scattered = minute(|_| 30, |_| 0, |at_ms| if at_ms % 2000 == 0 { End::Failed(Failure::Closed) } else { End::Completed });
        assert_eq!(kinds(&scattered), []);
    }

    #[test]
    fn a_target_that_stops_for_three_seconds_is_frozen_and_a_slow_one_is_not() {
        let frozen = |at_ms| if (20_000..23_000).contains(&at_ms) { 23_000 - at_ms + 5 } else { 30 };
        let timeline = minute(frozen, |_| 0, |_| End::Completed);
        let [(EpisodeKind::Frozen, from, to)] = kinds(&timeline)[..] else { panic!("{:?}", timeline.episodes()) };
        assert!((20.2..20.5).contains(&from) && (22.9..23.2).contains(&to), "{from} to {to}");
        // Every request takes a second and a half, but some response comes in every tenth of a second.
        assert_eq!(kinds(&minute(|_| 1500, |_| 0, |_| End::Completed)), []);
    }

    #[test]
    fn a_generator_that_stops_for_a_second_is_late_in_that_second_only() {
        let timeline = minute(|_| 5, |at_ms| if (20_000..20_900).contains(&at_ms) { 20_900 - at_ms } else { 0 }, |_| End::Completed);
        assert_eq!(kinds(&timeline), [(EpisodeKind::Late, 20.0, 21.0)]);
        assert_eq!(timeline.late_counts(), LateCounts { seconds: 60, late_seconds: 1, sent: 1180, late: 0 });
    }

    #[test]
    fn requests_of_years_ahead_take_no_memory() {
        let mut timeline = Timeline::new(1);
        let mut one = outcome(0, 0, 0, 0, End::Completed);
        (one.due_ns, one.last_byte_ns) = (u64::MAX, u64::MAX);
        timeline.add(&one);
        assert!(timeline.seconds.is_empty() && timeline.tenths.is_empty());
    }
}
