//! The longest silence of each upstream: a process that no longer responds, while others do.
//!
//! The proxy names the upstream of a response, so a process that stopped is known by the responses that do not come. Silence alone proves
//! nothing, because requests come in waves; so it counts only with a witness: requests that failed meanwhile, that the proxy sent elsewhere
//! after an attempt, or that waited for the upstream through half of the silence.

use super::super::{End, Outcome};
use super::timeline::{Episode, EpisodeKind, Timeline};

/// The responses of one upstream.
#[derive(Debug, Clone, Default)]
pub(super) struct Silence {
    first_ns: u64,
    last_ns: u64,
    responses: u64,
    /// Responses of all upstreams at the last one of this.
    all_at_last: u64,
    longest: Gap,
    /// Responses that are still looked at for having waited through the longest gap.
    looked_at: u32,
    /// How often the proxy sent a request elsewhere after an attempt here.
    passed_over: u64,
}

/// A time without responses.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    from_ns: u64,
    to_ns: u64,
    /// Responses of other upstreams meanwhile.
    elsewhere: u64,
    /// Requests that waited for the upstream through half of it.
    waited: u64,
}

impl Gap {
    fn length_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }
}

impl Silence {
    /// Takes in a response of this upstream, in the order in which they come; `all` are the responses of all upstreams so far.
    pub(super) fn on_response(&mut self, outcome: &Outcome, all: u64) {
        if outcome.end != End::Completed || outcome.status >= 500 {
            return;
        }
        let at_ns = outcome.last_byte_ns;
        if self.responses == 0 {
            self.first_ns = at_ns;
        } else {
            let gap = Gap { from_ns: self.last_ns, to_ns: at_ns.max(self.last_ns), elsewhere: all - self.all_at_last, waited: 0 };
            if gap.length_ns() > self.longest.length_ns() {
                self.longest = gap;
                self.looked_at = LOOKED_AT;
            }
        }
        if self.looked_at > 0 && !outcome.long_poll {
            self.looked_at -= 1;
            let half_ns = self.longest.from_ns + self.longest.length_ns() / 2;
            self.longest.waited += u64::from(outcome.sent_ns < half_ns && at_ns >= self.longest.to_ns);
        }
        self.last_ns = self.last_ns.max(at_ns);
        self.responses += 1;
        self.all_at_last = all + 1;
    }

    pub(super) fn on_passed_over(&mut self) {
        self.passed_over += 1;
    }

    /// The silence as an episode, if there is a witness. `end_ns` is when the run ended, `all` are all responses.
    pub(super) fn episode(&self, name: &str, end_ns: u64, all: u64, timeline: &Timeline) -> Option<Episode> {
        let at_end = Gap { from_ns: self.last_ns, to_ns: end_ns.max(self.last_ns), elsewhere: all - self.all_at_last, waited: 0 };
        let gap = if at_end.length_ns() > self.longest.length_ns() { at_end } else { self.longest };
        let active_ns = end_ns.saturating_sub(self.first_ns).saturating_sub(gap.length_ns());
        if self.responses == 0 || active_ns == 0 || gap.length_ns() < LEAST_NS {
            return None;
        }
        let expected = self.responses as f64 / active_ns as f64 * gap.length_ns() as f64;
        let (from_s, to_s) = (gap.from_ns as f64 / 1e9, gap.to_ns as f64 / 1e9);
        let is_witnessed = self.passed_over > 0 || gap.waited >= WITNESSES || timeline.failed_within(from_s - 1.0, to_s) >= WITNESSES;
        let is_silent = expected >= EXPECTED_LEAST && gap.elsewhere as f64 >= EXPECTED_LEAST && is_witnessed;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
        is_silent.then(|| Episode { kind: EpisodeKind::Silent(name.to_owned()), from_s, to_s, requests: expected as u64 })
    }
}

/// A proxy or a process that is restarted within this time is not looked for.
const LEAST_NS: u64 = 3_000_000_000;
/// Responses that a silence must have lacked, and that others must have given meanwhile.
const EXPECTED_LEAST: f64 = 10.0;
/// Requests that must have failed or waited: one alone may have been slow.
const WITNESSES: u64 = 3;
/// Responses after a gap among which those that waited through it are looked for: they come at once when a process goes on.
const LOOKED_AT: u32 = 50;

#[cfg(test)]
mod tests {
    use super::super::tests::outcome;
    use super::*;
    use wsim_transport::Failure;

    /// A minute of two upstreams with ten responses a second each; those of `a` are delayed or lost by `change`.
    fn minute(change: impl Fn(u64, &mut Outcome)) -> Option<Episode> {
        let mut timeline = Timeline::new(u64::MAX);
        let mut all: Vec<(Outcome, bool)> = Vec::new();
        for number in 0..600_u64 {
            for is_a in [true, false] {
                let mut one = outcome(0, 0, 0, 0, End::Completed);
                one.sent_ns = number * 100_000_000 + 1;
                one.due_ns = one.sent_ns;
                one.last_byte_ns = one.sent_ns + 20_000_000;
                if is_a {
                    change(number * 100, &mut one);
                }
                all.push((one, is_a));
            }
        }
        all.sort_by_key(|(one, _)| one.last_byte_ns);
        let (mut silence, mut responses) = (Silence::default(), 0);
        for (one, is_a) in &all {
            timeline.add(one);
            if one.end != End::Completed {
                continue;
            }
            if *is_a {
                silence.on_response(one, responses);
            }
            responses += 1;
        }
        silence.episode("a", 60_000_000_000, responses, &timeline)
    }

    #[test]
    fn a_process_that_responds_all_the_time_is_not_silent() {
        assert_eq!(minute(|_, _| {}), None);
    }

    #[test]
    fn a_process_that_stops_until_the_end_is_silent_if_its_requests_fail() {
        let killed = minute(|at_ms, one| {
            if at_ms >= 24_000 {
                one.end = End::Failed(Failure::Timeout);
            }
        });
        let killed = killed.unwrap();
        assert!((23.5..24.1).contains(&killed.from_s) && killed.to_s == 60.0 && (300..400).contains(&killed.requests), "{killed:?}");
    }

    #[test]
    fn a_process_that_is_stopped_and_continued_is_silent_because_requests_waited() {
        let stopped = minute(|at_ms, one| {
            if (24_000..36_000).contains(&at_ms) {
                one.last_byte_ns = 36_000_000_000 + at_ms * 1000;
            }
        });
        let stopped = stopped.unwrap();
        assert!((23.5..24.1).contains(&stopped.from_s) && (35.9..36.2).contains(&stopped.to_s), "{stopped:?}");
    }

    #[test]
    fn a_process_without_requests_is_not_silent() {
        let idle = minute(|at_ms, one| {
            if at_ms >= 24_000 {
                // Nothing was sent to it.
                one.end = End::Skipped(super::super::super::SkipReason::Filtered);
            }
        });
        assert_eq!(idle, None);
    }
}
