//! How a sweep reports its progress.

/// Hears how far a sweep is, and can ask it to stop.
pub trait ProgressListener {
    /// `done` of `total` steps of a stage are finished.
    fn on_progress(&self, stage: &str, done: usize, total: usize);
    /// Whether to end early with the results so far.
    fn is_cancelled(&self) -> bool;
}

/// Ignores progress and never cancels.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl ProgressListener for NoProgress {
    fn on_progress(&self, _: &str, _: usize, _: usize) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}
