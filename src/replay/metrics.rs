//! A run's counts for Prometheus while it goes on: text exposition format 0.0.4 over HTTP, on a thread of its own.
//!
//! Reads what the recorder and the engine leave for watchers and nothing else, so the sending thread never notices. No label holds text of
//! the log or of the target: only endpoint groups, reasons and classes of status.

mod serve;
mod text;

use std::sync::{Arc, Mutex};

pub use serve::{Listener, MetricsError, Server};

use super::record::Glimpse;
use super::{Live, Stop};

/// What a scrape shows: the run that is under way, if one is.
#[derive(Debug, Default)]
pub struct Board(Mutex<Option<Source>>);

/// A run to be watched.
#[derive(Debug, Clone)]
pub struct Source {
    /// The recorder's side; it must have been made by [`Glimpse::detailed`].
    pub glimpse: Arc<Glimpse>,
    /// The engine's side.
    pub live: Arc<Live>,
    /// Whether it was ended early, and why.
    pub stop: Arc<Stop>,
    /// Slots of its schedule.
    pub scheduled: u64,
}

impl Board {
    /// From now on this run is shown.
    pub fn show(&self, source: Source) {
        if let Ok(mut place) = self.0.lock() {
            *place = Some(source);
        }
    }

    /// The page; before the first run it says only that there is none.
    pub fn page(&self) -> String {
        let source = self.0.lock().map_or(None, |source| source.clone());
        text::page(source.as_ref())
    }
}
