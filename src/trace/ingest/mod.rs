//! Reading logs into requests, on all cores.
//!
//! ```text
//! feed (files in order, decompression, blocks of whole lines; one worker at a time reads its next block)
//!   └─▶ workers (parse, classify, identify)
//!         ├─▶ observer of the worker's own        without a trace: memory stays flat
//!         └─▶ builder (file order, one trace)     with a trace: about 40 bytes a request
//! ```
//!
//! Every line is counted once ([`Account`]); a bad line is data. The result is the same however the threads run.

mod account;
mod builder;
mod identify;
mod open;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use account::{Account, Example};
pub use identify::UserKeys;

use crate::{Names, Request, Trace};
use wsim_endpoints::Classifier;
use wsim_logs::source::Source;

/// How to read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--format`, `--log-format`, `--tz` and the like; the log's path is filled in for each file.
    pub choices: wsim_logs::detect::Choices,
    /// Requests that arrived before this are left out, µs since the epoch.
    pub from_us: Option<i64>,
    /// Requests that arrived at or after this are left out.
    pub to_us: Option<i64>,
    /// Seed of drawn sub-second parts.
    pub seed: u64,
    /// Leave out lines that stand in an earlier file too.
    pub dedupe: bool,
    /// Worker threads; at least one.
    pub threads: usize,
}

/// Takes requests as they are read, in no particular order.
pub trait Observer: Send {
    /// One request; `names` gives its names their text and is valid for this call only.
    fn observe(&mut self, request: &Request, names: &Names);
}

/// Progress and interruption, shared with the thread that shows them.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the files as they lie on the disk that were read so far.
    pub bytes_read: Arc<AtomicU64>,
    /// Lines read so far.
    pub lines: AtomicU64,
    /// Set to end the reading after the block at hand; what was read is kept.
    pub stop: AtomicBool,
}

impl Progress {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What came of the logs.
#[derive(Debug)]
pub struct Outcome {
    /// One account for each input, in reading order.
    pub accounts: Vec<Account>,
    /// The requests, if they were to be kept.
    pub trace: Option<Trace>,
    /// How users were told apart.
    pub user_keys: UserKeys,
    /// Reading was interrupted.
    pub partial: bool,
}

/// Why logs could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A named file that cannot be opened.
    #[error("{path}")]
    Open {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A named file in no known format.
    #[error("{path}")]
    Format {
        /// The file.
        path: String,
        /// What was tried.
        source: wsim_logs::detect::DetectError,
    },
}

/// Reads logs into a trace.
pub fn into_trace(sources: &[Source], settings: &Settings, classifier: &Classifier, progress: &Progress) -> Result<Outcome, IngestError> {
    builder::run(sources, settings, classifier, progress)
}

/// Reads logs past observers, one for each thread, keeping nothing.
pub fn past_observers<O: Observer>(
    sources: &[Source],
    settings: &Settings,
    classifier: &Classifier,
    progress: &Progress,
    observers: Vec<O>,
) -> Result<(Outcome, Vec<O>), IngestError> {
    worker::run_observers(sources, settings, classifier, progress, observers)
}
