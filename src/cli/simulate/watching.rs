//! How far a sweep is, on standard error if that is a terminal; and whether Ctrl-C ends it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::stderr_is_terminal;
use wsim_advise::sweep::Watch;
use wsim_trace::ingest::Progress;

/// A bar until it is dropped.
pub(super) struct Watching {
    bar: Option<ProgressBar>,
    progress: Arc<Progress>,
}

impl Watching {
    pub(super) fn new(progress: &Arc<Progress>, quiet: bool) -> Self {
        let bar = (!quiet && stderr_is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template("{bar:30} simulating, {msg} {pos} of {len}, {elapsed}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, progress: Arc::clone(progress) }
    }
}

impl Watch for Watching {
    fn at(&self, stage: &str, done: usize, all: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message(stage.to_owned());
            bar.tick();
        }
    }

    fn stopped(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
