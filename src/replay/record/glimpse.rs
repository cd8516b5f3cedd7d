//! How a run goes right now, for whoever watches: figures of the last five seconds and, if wanted, counts so far, made on the recorder's own thread.
//!
//! The sending thread never sees this. A reader waits at most for the copying of some numbers.

use std::sync::Mutex;

use super::super::Outcome;
use super::{Figures, Times};

/// Figures of the last whole [`SPAN_NS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// Median of lateness, ns.
    pub lateness_p50_ns: u64,
    /// 99th percentile of lateness, ns.
    pub lateness_p99_ns: u64,
    /// 95th percentile of the response time of work, ns; `None` without an answer.
    pub work_p95_ns: Option<u64>,
    /// Largest lateness, ns.
    pub lateness_max_ns: u64,
    /// Requests that were sent and ended.
    pub ended: u64,
}

impl Recent {
    /// Requests a second that were sent and ended.
    pub fn rate(&self) -> f64 {
        self.ended as f64 / (SPAN_NS as f64 / 1e9)
    }
}

/// Where the recorder leaves them.
#[derive(Debug, Default)]
pub struct Glimpse {
    recent: Mutex<Option<Recent>>,
    /// `None` if nobody wants them.
    figures: Option<Mutex<Figures>>,
}

/// What the figures are of, ns.
const SPAN_NS: u64 = 5_000_000_000;

impl Glimpse {
    /// One that has the counts so far, too.
    pub fn detailed() -> Self {
        Self { figures: Some(Mutex::default()), ..Self::default() }
    }

    /// The latest figures; `None` until there are any.
    pub fn recent(&self) -> Option<Recent> {
        self.recent.lock().map_or(None, |recent| *recent)
    }

    /// The counts so far; `None` unless made by [`Self::detailed`].
    pub fn figures(&self) -> Option<Figures> {
        self.figures.as_ref()?.lock().ok().map(|figures| figures.clone())
    }

    pub(super) fn wants_figures(&self) -> bool {
        self.figures.is_some()
    }

    pub(super) fn leave(&self, figures: &Figures) {
        if let Some(mut place) = self.figures.as_ref().and_then(|place| place.lock().ok()) {
            place.clone_from(figures);
        }
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
            if let (Some(recent), Ok(mut place)) = (whole.figures(), glimpse.recent.lock()) {
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
            lateness_p50_ns: self.lateness.quantile_ns(0.5),
            lateness_p99_ns: self.lateness.quantile_ns(0.99),
            lateness_max_ns: self.lateness.max_ns(),
            ended: self.lateness.count(),
            work_p95_ns: (self.work.count() > 0).then(|| self.work.quantile_ns(0.95)),
        })
    }
}
