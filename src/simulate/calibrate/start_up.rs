//! How much at the start of a log is start-up: caches are cold, and what piled up meanwhile is worked off.
//!
//! A restarted worker near saturation needs 15 to 40 s (docs/model.md). Start-up are the spells of five seconds at the beginning (but for the first, in which
//! the backlog builds up) with more requests at work than any later spell. Of a log that begins at any other time this cuts a spell or two in one case of as
//! many as there are spells, which does no harm.

use crate::engine::time::Span;
use wsim_profile::Window;
use wsim_trace::{Request, Trace, flag};

/// Length of the start-up in a window, at most a third of it. Spells begin with the first request.
pub(super) fn start_up(trace: &Trace, window: Window) -> Span {
    let in_window = |request: &Request| request.has(flag::WALL) && request.arrival_us >= window.start_us;
    let Some(first) = trace.requests().find(in_window) else { return Span::ZERO };
    let before = (first.arrival_us - window.start_us) as f64 / 1e6;
    let window = Window { start_us: first.arrival_us, ..window };
    let seconds = window.seconds().min(LOOKED_AT_SECONDS);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few minutes")]
    let spells = (seconds / SPELL_SECONDS) as usize;
    let mut at_work = vec![0.0; spells];
    #[expect(clippy::cast_possible_truncation, reason = "a few minutes")]
    let end_us = window.start_us.saturating_add((spells as f64 * SPELL_SECONDS * 1e6) as i64);
    let within = trace.requests().take_while(|request| request.arrival_us < end_us);
    for request in within.filter(in_window) {
        let start = request.arrival_us.saturating_add(request.long_poll_wait_us().into()) - window.start_us;
        let (start, length) = (start as f64 / 1e6, f64::from(request.work_us()) / 1e6);
        add(&mut at_work, start, start + length);
    }
    let settled = |first: usize| at_work[first + 1..].iter().any(|later| *later >= at_work[first]);
    // In the first spell the backlog may only build up.
    let from = usize::from(spells > 1 && settled(0));
    let long = (from..spells.saturating_sub(1) / 3).take_while(|spell| !settled(*spell)).count();
    let cut = if long > 0 { from + long } else { 0 };
    if cut == 0 { Span::ZERO } else { Span::from_seconds(before + cut as f64 * SPELL_SECONDS) }
}

/// Adds a time at work to the spells that it overlaps.
fn add(at_work: &mut [f64], start: f64, end: f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and cut at the number of spells")]
    let first = (start / SPELL_SECONDS).max(0.0) as usize;
    for (number, spell) in (first..).zip(at_work.iter_mut().skip(first)) {
        let (from, until) = (number as f64 * SPELL_SECONDS, (number + 1) as f64 * SPELL_SECONDS);
        if end <= from {
            break;
        }
        *spell += end.min(until) - start.max(from);
    }
}

const SPELL_SECONDS: f64 = 5.0;
const LOOKED_AT_SECONDS: f64 = 600.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of the given seconds of work, one in each second.
    fn log(work: impl Fn(i64) -> f64) -> (Trace, Window) {
        let mut trace = Trace::new();
        for second in 0..100 {
            let wall_us = Span::from_seconds(work(second)).micros_u32();
            trace.push(Request { arrival_us: second * 1_000_000, wall_us, flags: flag::WALL, ..Request::default() });
        }
        trace.seal();
        (trace, Window { start_us: 0, end_us: 100_000_000 })
    }

    #[test]
    fn a_backlog_at_the_start_is_start_up_and_a_later_one_is_not() {
        let length = |work: &dyn Fn(i64) -> f64| {
            let (trace, window) = log(work);
            start_up(&trace, window).seconds()
        };
        assert_eq!(length(&|second| if second < 14 { 5.0 - second as f64 * 0.2 } else { 0.5 + (second % 3) as f64 * 0.1 }), 20.0);
        assert_eq!(
            length(&|second| if second < 2 {
                0.1
            } else if second < 14 {
                5.0 - second as f64 * 0.2
            } else {
                0.5
            }),
            20.0,
            "it builds up first"
        );
        assert_eq!(length(&|second| if (50..60).contains(&second) { 6.0 } else { 0.5 }), 0.0);
        assert_eq!(length(&|_| 0.5), 0.0, "nothing is above the rest");
        assert_eq!(length(&|second| 10.0 / (second + 1) as f64), 30.0, "at most a third");
    }
}
