//! Reading logs into requests, on all cores.
//!
//! ```text
//! feed (files in order, decompression, blocks of whole lines; one worker at a time reads its next block)
//!   └─▶ workers (parse, classify, identify)
//!         ├─▶ the worker's own observer            without a trace: memory stays flat
//!         └─▶ builder (file order, one trace)     with a trace: about 40 bytes a request
//! ```
//!
//! Every line is counted once ([`LineTally`]); a malformed line is counted, not an error. The result does not depend on the
//! order in which the threads run.

mod builder;
mod identify;
mod kept_names;
mod line_tally;
mod live;
mod open;
mod passes;
mod same_requests;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use identify::UserKeys;
pub use kept_names::OtherNames;
pub use line_tally::{LineTally, MalformedExample};
pub use live::{LineReader, LiveLine};
pub use same_requests::{INPUTS_MAX as INPUTS_COMPARED, SameRequests};

use crate::causes::NewsSources;
use crate::{Names, Request, ServerNames, Trace};
use wsim_endpoints::Classifier;
use wsim_http::host::Host;
use wsim_logs::source::Source;

/// How to read logs.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// `--format`, `--log-format`, `--tz` and similar; the log's path is filled in for each file.
    pub detect: wsim_logs::detect::DetectConfig,
    /// Requests that arrived before this time are left out, µs since the epoch.
    pub from_us: Option<i64>,
    /// Requests that arrived at or after this time are left out, µs since the epoch.
    pub to_us: Option<i64>,
    /// Seed of the sub-second parts that are drawn.
    pub seed: u64,
    /// Leave out requests that an earlier file has too, in whatever format.
    pub dedupe: bool,
    /// The virtual hosts of Synapse: requests to others in a proxy's log are foreign. Empty: all hosts are Synapse's.
    pub hosts: Vec<Host>,
    /// Worker threads; at least one.
    pub threads: usize,
}

/// Receives requests as they are read, in no particular order.
pub trait Observer: Send {
    /// Called for every request. `names` resolves the ids of its names.
    fn observe(&mut self, request: &Request, names: &Names);

    /// Called before the ids of all requests since the last call become void, and after the last request.
    fn forget(&mut self, names: &Names);
}

/// Progress and interruption, shared with the thread that shows them.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes read so far, before decompression.
    pub bytes_read: Arc<AtomicU64>,
    /// Lines read so far.
    pub lines: AtomicU64,
    /// Set to end the reading after the current block; the requests read so far are kept.
    pub stop: Arc<AtomicBool>,
}

impl Progress {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The result of reading logs.
#[derive(Debug)]
pub struct Outcome {
    /// One for each input, in reading order.
    pub tallies: Vec<LineTally>,
    /// The requests, if they were to be kept.
    pub trace: Option<Trace>,
    /// How users were identified.
    pub user_keys: UserKeys,
    /// The server names in all lines, also of those outside the time range; empty if requests were not to be kept.
    pub server_names: ServerNames,
    /// Requests whose names were not kept, because there are too many.
    pub other_names: OtherNames,
    /// Inputs that hold the same requests, by a sample. If requests are not kept, also a proxy's and Synapse's, which nothing joins.
    pub same_requests: Vec<SameRequests>,
    /// What the logs say of the causes of long polls' wake-ups, for [`causes::find`](crate::causes::find); empty if requests were not to be
    /// kept.
    pub news: NewsSources,
    /// Reading was interrupted.
    pub partial: bool,
}

/// Why logs could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A named file that cannot be opened.
    #[error("{path}")]
    Open { path: String, source: std::io::Error },
    /// A named file that is not text.
    #[error("{path} is not a text log{}", kind.map_or_else(String::new, |kind| format!(" (looks like {kind})")))]
    NotText { path: String, kind: Option<&'static str> },
    /// A named file in no known format.
    #[error("{path}")]
    Format { path: String, source: wsim_logs::detect::DetectError },
}

/// Reads logs into a trace.
pub fn into_trace(sources: &[Source], config: &IngestConfig, classifier: &Classifier, progress: &Progress) -> Result<Outcome, IngestError> {
    builder::run(sources, config, classifier, progress)
}

/// Reads logs without keeping the requests: every thread passes its requests to its own observer.
pub fn into_observers<O: Observer>(
    sources: &[Source],
    config: &IngestConfig,
    classifier: &Classifier,
    progress: &Progress,
    observers: Vec<O>,
) -> Result<(Outcome, Vec<O>), IngestError> {
    worker::run_observers(sources, config, classifier, progress, observers)
}
