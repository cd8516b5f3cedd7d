//! What a terminal shows while a replay runs: one line, of the last seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::progress::ProgressReporter;
use wsim_replay::LiveCounters;
use wsim_replay::record::{LiveStats, Window5s};
use wsim_text as text;

/// Shows how far a run is, what is in flight, and the rate, errors, response times and lateness of the last seconds.
pub(super) fn show(live: &Arc<LiveCounters>, stats: &Arc<LiveStats>, scheduled: u64, quiet: bool) -> ProgressReporter {
    let (live, stats) = (Arc::clone(live), Arc::clone(stats));
    ProgressReporter::polled("{bar:20} {pos} of {len} due, {msg}, {elapsed}", Some(scheduled), quiet, move || {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (in_flight, waiting, failed) = (count(&live.in_flight), count(&live.waiting), count(&live.failed));
        (count(&live.due), line(in_flight, waiting, failed, stats.last_window()))
    })
}

fn line(in_flight: u64, waiting: u64, failed: u64, window: Option<Window5s>) -> String {
    let counts = format!("{in_flight} in flight, {waiting} waiting, {failed} failed");
    let Some(window) = window else { return counts };
    let ms = |ns: u64| text::milliseconds(ns as f64 / 1e6);
    let errors = text::percent(window.errors as f64 / window.ended.max(1) as f64);
    let work = window.work_p95_ns.map_or_else(String::new, |ns| format!(", work p95 {}", ms(ns)));
    format!("{counts} | {} requests/s, errors {errors}{work}, late p99 {}", text::number(window.rate()), ms(window.lateness_p99_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_figures_of_the_last_seconds_once_there_are_any() {
        assert_eq!(line(3, 1, 0, None), "3 in flight, 1 waiting, 0 failed");
        let window = Window5s {
            lateness_p50_ns: 30_000,
            lateness_p99_ns: 400_000,
            lateness_max_ns: 500_000,
            work_p95_ns: Some(45_000_000),
            ended: 250,
            errors: 5,
        };
        let shown = line(3, 1, 2, Some(window));
        assert_eq!(shown, "3 in flight, 1 waiting, 2 failed | 50.0 requests/s, errors 2.0 %, work p95 45.0 ms, late p99 0.40 ms");
    }
}
