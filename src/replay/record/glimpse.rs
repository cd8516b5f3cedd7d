//! How a run goes right now, for whoever watches: two figures of the last five seconds, made on the recorder's own thread.
//!
//! The sending thread never sees this. A reader waits at most for the copying of two numbers.

use std::sync::Mutex;

use super::super::Outcome;
use super::Times;

/// Figures of the last whole [`SPAN_NS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// 99th percentile of lateness, ns.
    pub lateness_p99_ns: u64,
    /// 95th percentile of the response time of work, ns; `None` without an answer.
    pub work_p95_ns: Option<u64>,
}

/// Where the recorder leaves them.
#[derive(Debug, Default)]
pub struct Glimpse(Mutex<Option<Recent>>);

/// What the figures are of, ns.
const SPAN_NS: u64 = 5_000_000_000;

impl Glimpse {
    /// The latest figures; `None` until there are any.
    pub fn recent(&self) -> Option<Recent> {
        self.0.lock().map_or(None, |recent| *recent)
    }
}

/// The span at hand.
#[derive(Debug, Default)]
pub(super) struct Span {
    /// Its number, counted from the run's beginning.
    number: u64,
    lateness: Times,
    work: Times,
}

impl Span {
    /// Takes in an outcome; the first of a later span hands the old one over.
    pub(super) fn add(&mut self, outcome: &Outcome, glimpse: &Glimpse) {
        let Some(lateness) = outcome.lateness_ns() else { return };
        let number = outcome.last_byte_ns / SPAN_NS;
        // Outcomes come nearly in order: one of an earlier span counts in this.
        if number > self.number {
            let whole = std::mem::take(self);
            self.number = number;
            if let (Some(recent), Ok(mut place)) = (whole.figures(), glimpse.0.lock()) {
                *place = Some(recent);
            }
        }
        self.lateness.record(lateness);
        if let (Some(response), false) = (outcome.response_ns(), outcome.long_poll) {
            self.work.record(response);
        }
    }

    fn figures(&self) -> Option<Recent> {
        (self.lateness.count() > 0).then(|| Recent {
            lateness_p99_ns: self.lateness.quantile_ns(0.99),
            work_p95_ns: (self.work.count() > 0).then(|| self.work.quantile_ns(0.95)),
        })
    }
}
