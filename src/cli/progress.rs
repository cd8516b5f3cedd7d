//! Progress on standard error, for every command that takes more than a moment.
//!
//! Owns the bar: nothing is drawn if standard error is not a terminal or `--quiet` was given. Knows nothing of what is counted: a
//! command either reports each step ([`ProgressReporter::update`]) or lets a thread read its counters ([`ProgressReporter::polled`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::stderr_is_terminal;

/// A progress bar that is removed when dropped. Templates are those of indicatif.
pub(super) struct ProgressReporter {
    bar: ProgressBar,
    poller: Option<Poller>,
}

impl ProgressReporter {
    /// A bar that [`update`](Self::update) moves.
    pub(super) fn new(template: &str, quiet: bool) -> Self {
        let target = if is_shown(quiet) { ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND) } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: ProgressBar::with_draw_target(None, target).with_style(style), poller: None }
    }

    /// A bar that follows `read`: position and message, read from a thread of its own until the reporter is dropped. Without a
    /// `total` the template should show counts only.
    pub(super) fn polled(template: &str, total: Option<u64>, quiet: bool, read: impl Fn() -> (u64, String) + Send + 'static) -> Self {
        let mut reporter = Self::new(template, quiet);
        if let Some(total) = total {
            reporter.bar.set_length(total);
        }
        if is_shown(quiet) {
            reporter.poller = Poller::start(reporter.bar.clone(), read);
        }
        reporter
    }

    /// Shows that `done` of `total` steps of `stage` are finished. Each stage starts a new estimate of the remaining time.
    pub(super) fn update(&self, stage: &str, done: usize, total: usize) {
        if self.bar.message() != stage {
            self.bar.reset_eta();
            self.bar.set_message(stage.to_owned());
        }
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.tick();
    }
}

impl Drop for ProgressReporter {
    fn drop(&mut self) {
        drop(self.poller.take()); // before the bar goes, so that the thread does not draw another
        self.bar.finish_and_clear();
    }
}

/// The thread of a polled bar; dropping it ends the thread.
struct Poller {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Poller {
    /// `None` if the system gives no thread: the command then runs without progress.
    fn start(bar: ProgressBar, read: impl Fn() -> (u64, String) + Send + 'static) -> Option<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let poll = move || {
            while !stopped.load(Ordering::Relaxed) {
                let (position, message) = read();
                bar.set_position(position);
                bar.set_message(message);
                thread::park_timeout(POLL_INTERVAL);
            }
        };
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(poll).ok()?;
        Some(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn is_shown(quiet: bool) -> bool {
    !quiet && stderr_is_terminal()
}

const FRAMES_PER_SECOND: u8 = 8;
const POLL_INTERVAL: Duration = Duration::from_millis(125);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reporter_follows_stages_without_a_terminal_too() {
        let reporter = ProgressReporter::new("{msg} {pos} of {len}", true);
        reporter.update("users", 1, 3);
        reporter.update("rooms", 0, 7);
        assert_eq!((reporter.bar.message().as_str(), reporter.bar.position(), reporter.bar.length()), ("rooms", 0, Some(7)));
    }

    #[test]
    fn a_poller_reads_until_it_is_dropped() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let poller = Poller::start(ProgressBar::hidden(), move || {
            let _ = sender.send(());
            (1, String::new())
        });
        receiver.recv().unwrap();
        drop(poller);
        assert!(receiver.into_iter().count() < 1000, "the sender is gone, so the thread has ended");
    }
}
