//! Counts of a run in progress for Prometheus: text exposition format 0.0.4 over HTTP, on a thread of its own.
//!
//! Reads only what the recorder and the engine publish, so that the engine is not slowed. Labels hold endpoint groups, reasons and classes
//! of status, never text of the log or of the target.

mod serve;
mod text;

use std::sync::{Arc, Mutex};

pub use serve::{Listener, MetricsError, Page, Server};

use super::record::LiveStats;
use super::{LiveCounters, StopSignal};

/// The run that a scrape shows: the current one, if any.
#[derive(Debug, Default)]
pub struct MetricsRegistry(Mutex<Option<Source>>);

/// Where the figures of a run come from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The recorder's side, made by [`LiveStats::with_totals`].
    pub live_stats: Arc<LiveStats>,
    /// The engine's side.
    pub live: Arc<LiveCounters>,
    pub stop: Arc<StopSignal>,
    /// Requests of the whole schedule.
    pub scheduled: u64,
}

impl MetricsRegistry {
    /// Shows this run from now on.
    pub fn show(&self, source: Source) {
        if let Ok(mut index) = self.0.lock() {
            *index = Some(source);
        }
    }
}

impl Page for MetricsRegistry {
    /// Before the first run it says only that none is running.
    fn page(&self) -> String {
        let source = self.0.lock().map_or(None, |source| source.clone());
        text::page(source.as_ref())
    }
}
