//! Live statistics, shared between the recorder's thread and readers (progress bar, `/metrics`): figures of the last five seconds and, if
//! wanted, totals so far.
//!
//! The engine's thread is not involved. A reader blocks the recorder at most while some numbers are copied.

use std::sync::Mutex;

use super::super::Outcome;
use super::{LatencyHistogram, RunningTotals};

/// Figures of the last complete five seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window5s {
    /// Median lateness, ns.
    pub lateness_p50_ns: u64,
    /// 99th percentile of lateness, ns.
    pub lateness_p99_ns: u64,
    /// 95th percentile of the response time without long polls, ns; `None` without a response.
    pub work_p95_ns: Option<u64>,
    /// Largest lateness, ns.
    pub lateness_max_ns: u64,
    /// Requests that were sent and ended.
    pub ended: u64,
    /// Of these, errors of the target.
    pub errors: u64,
}

impl Window5s {
    /// Requests per second that were sent and ended.
    pub fn rate(&self) -> f64 {
        self.ended as f64 / (WINDOW_NS as f64 / 1e9)
    }
}

/// What the recorder publishes.
#[derive(Debug, Default)]
pub struct LiveStats {
    last_window: Mutex<Option<Window5s>>,
    /// `None` if totals are not wanted.
    totals: Option<Mutex<RunningTotals>>,
}

/// Length of a window, ns.
const WINDOW_NS: u64 = 5_000_000_000;

impl LiveStats {
    /// Statistics that include totals so far.
    pub fn with_totals() -> Self {
        Self { totals: Some(Mutex::default()), ..Self::default() }
    }

    /// The latest complete window; `None` in the first five seconds.
    pub fn last_window(&self) -> Option<Window5s> {
        self.last_window.lock().map_or(None, |window| *window)
    }

    /// Totals so far; `None` unless made by [`Self::with_totals`].
    pub fn totals(&self) -> Option<RunningTotals> {
        self.totals.as_ref()?.lock().ok().map(|totals| totals.clone())
    }

    pub(super) fn wants_totals(&self) -> bool {
        self.totals.is_some()
    }

    pub(super) fn publish(&self, totals: &RunningTotals) {
        if let Some(mut published) = self.totals.as_ref().and_then(|totals| totals.lock().ok()) {
            published.clone_from(totals);
        }
    }
}

/// The window that is being filled.
#[derive(Debug, Default)]
pub(super) struct CurrentWindow {
    /// Windows are numbered from the run's beginning.
    number: u64,
    lateness: LatencyHistogram,
    work: LatencyHistogram,
    errors: u64,
}

impl CurrentWindow {
    /// Adds an outcome; the first of a later window publishes the one before.
    pub(super) fn add(&mut self, outcome: &Outcome, live_stats: &LiveStats) {
        let Some(lateness) = outcome.lateness_ns() else { return };
        let number = outcome.last_byte_ns / WINDOW_NS;
        // Outcomes arrive almost in order; one of an earlier window counts in this one.
        if number > self.number {
            let complete = std::mem::take(self);
            self.number = number;
            if let (Some(window), Ok(mut published)) = (complete.summarise(), live_stats.last_window.lock()) {
                *published = Some(window);
            }
        }
        self.lateness.record(lateness);
        self.errors += u64::from(outcome.is_error());
        if let (Some(response), false) = (outcome.response_ns(), outcome.long_poll) {
            self.work.record(response);
        }
    }

    fn summarise(&self) -> Option<Window5s> {
        (self.lateness.count() > 0).then(|| Window5s {
            lateness_p50_ns: self.lateness.quantile_ns(0.5),
            lateness_p99_ns: self.lateness.quantile_ns(0.99),
            lateness_max_ns: self.lateness.max_ns(),
            ended: self.lateness.count(),
            errors: self.errors,
            work_p95_ns: (self.work.count() > 0).then(|| self.work.quantile_ns(0.95)),
        })
    }
}
