//! Stops a run when the target fails or limits rates.

use super::stop::StopReason;
use super::{End, Outcome};

/// When to stop a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerLimits {
    /// Largest share of requests that end in an error of the target ([`Outcome::is_error`]), 0 to 1.
    pub errors_max: f64,
    /// Largest share of requests that get a 429 which they did not get in the log, 0 to 1.
    pub rate_limited_max: f64,
    /// Requests that must have ended within the window before the shares are judged.
    pub requests_min: u64,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { errors_max: 0.5, rate_limited_max: 0.1, requests_min: 50 }
    }
}

/// Length of the window, s.
const WINDOW: usize = 10;

/// Counts of the last ten seconds, second by second.
#[derive(Debug)]
pub(super) struct Breaker {
    limits: BreakerLimits,
    seconds: [Counts; WINDOW],
    now: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    ended: u64,
    errors: u64,
    rate_limited: u64,
}

impl Breaker {
    pub(super) fn new(limits: BreakerLimits) -> Self {
        Self { limits, seconds: [Counts::default(); WINDOW], now: 0 }
    }

    /// Counts an outcome; returns the reason if the run must stop.
    pub(super) fn record(&mut self, outcome: &Outcome) -> Option<StopReason> {
        if matches!(outcome.end, End::Skipped(_)) {
            return None;
        }
        let second = outcome.last_byte_ns / 1_000_000_000;
        while self.now < second {
            // After a pause longer than the window, skips ahead: the window is empty then.
            self.now = (self.now + 1).max(second.saturating_sub(WINDOW as u64));
            self.seconds[index(self.now)] = Counts::default();
        }
        let counts = &mut self.seconds[index(self.now)];
        counts.ended += 1;
        let is_error = outcome.is_error();
        counts.errors += u64::from(is_error);
        counts.rate_limited += u64::from(outcome.status == 429 && outcome.original_status != 429);
        if is_error || outcome.status == 429 { self.verdict() } else { None }
    }

    fn verdict(&self) -> Option<StopReason> {
        let sum = |what: fn(&Counts) -> u64| self.seconds.iter().map(what).sum::<u64>();
        let ended = sum(|counts| counts.ended);
        if ended < self.limits.requests_min {
            return None;
        }
        let share = |part: u64| part as f64 / ended as f64;
        let (errors, rate_limited) = (share(sum(|counts| counts.errors)), share(sum(|counts| counts.rate_limited)));
        if rate_limited > self.limits.rate_limited_max {
            Some(StopReason::RateLimited { share: rate_limited })
        } else if errors > self.limits.errors_max {
            Some(StopReason::Errors { share: errors })
        } else {
            None
        }
    }
}

fn index(second: u64) -> usize {
    usize::try_from(second % WINDOW as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_transport::Failure;

    fn ended(second: u64, status: u16, original_status: u16) -> Outcome {
        let end = if status == 0 { End::Failed(Failure::Timeout) } else { End::Completed };
        Outcome { sent_ns: 1, first_byte_ns: 1, last_byte_ns: second * 1_000_000_000, status, original_status, ..Outcome::of_end(0, end) }
    }

    #[test]
    fn errors_that_were_in_the_log_do_not_stop_a_run() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        assert!((0..1000).all(|_| breaker.record(&ended(0, 502, 502)).is_none()));
        let stops = (0..1100).filter_map(|_| breaker.record(&ended(1, 502, 200))).count();
        assert!(stops > 0);
        let mut refused = Breaker::new(BreakerLimits::default());
        let stop = (0..60).find_map(|_| refused.record(&ended(1, 401, 200)));
        assert!(matches!(stop, Some(StopReason::Errors { .. })), "no request is let in: {stop:?}");
    }

    #[test]
    fn old_errors_are_forgotten() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        assert!((0..49).all(|_| breaker.record(&ended(0, 0, 200)).is_none()));
        assert!((0..40).all(|_| breaker.record(&ended(100, 0, 200)).is_none()));
        assert!((0..60).any(|_| breaker.record(&ended(105, 0, 200)).is_some()));
    }

    #[test]
    fn limited_rates_stop_a_run() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        assert!((0..80).all(|_| breaker.record(&ended(3, 200, 200)).is_none()));
        let reason = (0..20).find_map(|_| breaker.record(&ended(4, 429, 200)));
        assert!(matches!(reason, Some(StopReason::RateLimited { .. })), "{reason:?}");
    }
}
