//! A progress bar on standard error, only if that is a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use wsim_trace::ingest::Progress;

/// Shows bytes read, rate and remaining time until dropped.
pub(super) struct Bar {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// A bar over `total` bytes of input; without a total (standard input) only counts are shown.
    pub(super) fn show(progress: &Arc<Progress>, total: Option<u64>) -> Self {
        let bar = match total {
            Some(total) => {
                ProgressBar::new(total).with_style(style("{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left, {msg}"))
            }
            None => ProgressBar::no_length().with_style(style("{spinner} {bytes}, {bytes_per_sec}, {msg}")),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let done = Arc::new(AtomicBool::new(false));
        let (progress, finished) = (Arc::clone(progress), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            while !finished.load(Ordering::Relaxed) {
                bar.set_position(progress.bytes_read.load(Ordering::Relaxed));
                bar.set_message(format!("{} lines", progress.lines.load(Ordering::Relaxed)));
                std::thread::park_timeout(Duration::from_millis(125));
            }
            bar.finish_and_clear();
        });
        Self { done, thread: Some(thread) }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
