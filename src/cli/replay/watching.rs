//! How a run goes, on standard error if that is a terminal; and Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::stderr_is_terminal;
use wsim_replay::record::Glimpse;
use wsim_replay::{Live, Stop, StopReason};
use wsim_report::format;
use wsim_trace::ingest::Progress;

/// A bar until it is dropped.
pub(super) struct Watching {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    /// Shows `live` against `total` slots, and `glimpse`.
    pub(super) fn start(live: Arc<Live>, glimpse: Arc<Glimpse>, total: usize, quiet: bool) -> std::io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        if quiet || !stderr_is_terminal() {
            return Ok(Self { over, thread: None });
        }
        let ends = Arc::clone(&over);
        let thread = thread::Builder::new().name("watching".to_owned()).spawn(move || show(&live, &glimpse, total as u64, &ends))?;
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show(live: &Live, glimpse: &Glimpse, total: u64, over: &AtomicBool) {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} due, {msg}, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    while !over.load(Ordering::Relaxed) {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        bar.set_position(count(&live.due));
        bar.set_message(format!(
            "{} under way, {} waiting, {} ended, {} failed, {} not sent{}",
            count(&live.under_way),
            count(&live.waiting),
            count(&live.ended),
            count(&live.failed),
            count(&live.skipped),
            recent(glimpse)
        ));
        thread::sleep(TICK);
    }
    bar.finish_and_clear();
}

/// The last seconds in words; empty until there are any.
fn recent(glimpse: &Glimpse) -> String {
    let Some(recent) = glimpse.recent() else { return String::new() };
    let ms = |ns: u64| format::milliseconds(ns as f64 / 1e6);
    let work = recent.work_p95_ns.map_or_else(String::new, |ns| format!(", work p95 {}", ms(ns)));
    format!(", late p99 {}{work}", ms(recent.lateness_p99_ns))
}

/// Ends the run when Ctrl-C was pressed; `progress` hears of it first.
pub(super) fn stop_when_interrupted(progress: &Arc<Progress>, stop: &Arc<Stop>) {
    let (progress, stop) = (Arc::clone(progress), Arc::clone(stop));
    // Ends with the process; a run may be over long before.
    thread::spawn(move || {
        while !progress.stop.load(Ordering::Relaxed) {
            thread::sleep(TICK);
        }
        stop.set(StopReason::Interrupted);
    });
}

const TICK: Duration = Duration::from_millis(100);
