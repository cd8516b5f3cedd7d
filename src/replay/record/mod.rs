//! Measurements of a run: times by endpoint group and by upstream, as HDR histograms in ns.
//!
//! Four different times (Gil Tene, "How NOT to measure latency"): *lateness* of the generator; *service time*, first byte written to last byte
//! read; *response time*, from the intended instant, so that no delay is omitted; and the *original* time in the log. Long polls have a tally of
//! their own, because a sync that waits for new events is not slow. All other requests are *work*.
//!
//! Memory does not grow with the number of requests. Invariant: every outcome counts in exactly one group, and the measurements of shards add up
//! to those of the whole run.

mod histogram_bytes;
mod interval_log;
mod live_stats;
mod merge_interval_logs;
mod requests;
mod running_totals;
mod tally;
mod verdict;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

pub use interval_log::IntervalLogError;
pub use live_stats::{LiveStats, Window5s};
pub use merge_interval_logs::{MergeLogError, merge_interval_logs};
pub use requests::{COLUMNS as REQUEST_COLUMNS, RequestsError};
pub use running_totals::{BOUNDS_MS, GroupTotals, RunningTotals};
pub use tally::{LatencyHistogram, Tally};
pub use verdict::{VoidReason, VoidRules};

use wsim_trace::table::TableWriter;

use super::{End, Outcome, OutcomeTotals, Sink};
use interval_log::IntervalLog;
use live_stats::CurrentWindow;
use requests::{Names, Requests};

/// Measures outcomes, and writes the files beside the report.
pub struct Recorder {
    /// Index of each endpoint class's group, by the class's id.
    groups_of: Vec<usize>,
    measurements: Measurements,
    interval_log: Option<IntervalLog>,
    requests: Option<Requests>,
    live_stats: Option<(Arc<LiveStats>, CurrentWindow)>,
    /// `None` if not wanted.
    running_totals: Option<RunningTotals>,
    upstream_names: Option<Rename>,
}

type Rename = Box<dyn Fn(&str) -> String + Send>;

/// Why a file beside the report could not be written. The measurements are complete all the same.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    IntervalLog(#[from] IntervalLogError),
    #[error(transparent)]
    Requests(#[from] RequestsError),
}

/// All measurements of a run or a shard.
#[derive(Debug, Clone, Default)]
pub struct Measurements {
    /// In the order of the endpoint table.
    pub groups: Vec<Group>,
    /// In the order in which they were first seen.
    pub upstreams: Vec<Upstream>,
    pub totals: OutcomeTotals,
    /// Lateness of all requests that were sent, ns.
    pub lateness: LatencyHistogram,
    /// How long requests waited for earlier ones of their own lane, ns; only of those that did.
    pub held: LatencyHistogram,
    /// Responses 429 that were not 429 in the log.
    pub rate_limited: u64,
}

/// Measurements of an endpoint group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    pub id: String,
    /// All requests but long polls.
    pub work: Tally,
    /// Long polls.
    pub polls: Tally,
}

/// Measurements of an upstream.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// The proxy's name for it. Text of the target: escape it on output.
    pub name: String,
    /// Responses, including long polls.
    pub requests: u64,
    /// Service time of work, ns.
    pub service: LatencyHistogram,
}

impl Recorder {
    /// A recorder; `groups` are the ids of the groups of all endpoint classes, in the order of the classes.
    pub fn new<'a>(groups: impl IntoIterator<Item = &'a str>) -> Self {
        let mut measurements = Measurements::default();
        let mut indices: BTreeMap<&str, usize> = BTreeMap::new();
        let groups_of = groups
            .into_iter()
            .map(|id| {
                *indices.entry(id).or_insert_with(|| {
                    measurements.groups.push(Group { id: id.to_owned(), ..Group::default() });
                    measurements.groups.len() - 1
                })
            })
            .collect();
        Self { groups_of, measurements, interval_log: None, requests: None, live_stats: None, running_totals: None, upstream_names: None }
    }

    /// Also writes an interval log: one line per second and group with responses.
    #[must_use]
    pub fn with_interval_log(mut self, out: Box<dyn Write + Send>, began: std::time::SystemTime) -> Self {
        self.interval_log = Some(IntervalLog::new(out, began, self.measurements.groups.iter().map(|group| group.id.clone()).collect()));
        self
    }

    /// Records upstreams under other names than those that the target says.
    #[must_use]
    pub fn with_upstream_names(mut self, rename: impl Fn(&str) -> String + Send + 'static) -> Self {
        self.upstream_names = Some(Box::new(rename));
        self
    }

    /// Also publishes live statistics during the run.
    #[must_use]
    pub fn with_live_stats(mut self, live_stats: Arc<LiveStats>) -> Self {
        self.running_totals = live_stats.wants_totals().then(|| RunningTotals::new(&self.measurements.groups));
        self.live_stats = Some((live_stats, CurrentWindow::default()));
        self
    }

    /// Also writes every outcome as a row of `table`, which has the columns [`REQUEST_COLUMNS`].
    #[must_use]
    pub fn with_requests(mut self, table: Box<dyn TableWriter>) -> Self {
        self.requests = Some(Requests::new(table));
        self
    }

    /// Finishes the files and returns the measurements.
    ///
    /// # Errors
    /// [`RecordError`], beside the measurements: a full disk does not lose them.
    pub fn finish(mut self) -> (Measurements, Result<(), RecordError>) {
        let log = self.interval_log.take().map_or(Ok(()), IntervalLog::finish);
        let requests = self.requests.take().map_or(Ok(()), |requests| requests.finish(&names(&self.measurements)));
        let written = log.map_err(RecordError::from).and(requests.map_err(RecordError::from));
        self.measurements.groups.retain(|group| group.work.scheduled + group.polls.scheduled > 0);
        (self.measurements, written)
    }

    fn add(&mut self, outcome: &Outcome) -> Result<(), RecordError> {
        let index = self.count(outcome);
        if let Some((live_stats, current_window)) = &mut self.live_stats {
            current_window.add(outcome, live_stats);
        }
        if let Some(running_totals) = &mut self.running_totals {
            running_totals.add(outcome, index);
        }
        if let Some(requests) = &mut self.requests
            && requests.add(outcome, index)
            && let Err(error) = requests.write(&names(&self.measurements))
        {
            self.requests = None;
            return Err(error.into());
        }
        match (&mut self.interval_log, outcome.response_ns()) {
            (Some(interval_log), Some(ns)) if !outcome.long_poll => interval_log.record(index, outcome.last_byte_ns, ns).map_err(|error| {
                self.interval_log = None;
                error.into()
            }),
            _ => Ok(()),
        }
    }

    /// Counts an outcome; returns the index of its group.
    fn count(&mut self, outcome: &Outcome) -> usize {
        let measurements = &mut self.measurements;
        measurements.totals.record(outcome.end);
        let index = self.groups_of.get(usize::from(outcome.endpoint.0)).copied().unwrap_or(0);
        if let Some(group) = measurements.groups.get_mut(index) {
            if outcome.long_poll { &mut group.polls } else { &mut group.work }.add(outcome);
        }
        if let Some(ns) = outcome.lateness_ns() {
            measurements.lateness.record(ns);
        }
        if outcome.due_ns > outcome.intended_ns {
            measurements.held.record(outcome.due_ns - outcome.intended_ns);
        }
        measurements.rate_limited += u64::from(outcome.status == 429 && outcome.original_status != 429);
        let known = usize::from(outcome.upstream).checked_sub(1).and_then(|index| measurements.upstreams.get_mut(index));
        if let (Some(upstream), End::Completed) = (known, outcome.end) {
            upstream.requests += 1;
            if let (Some(ns), false) = (outcome.service_ns(), outcome.long_poll) {
                upstream.service.record(ns);
            }
        }
        index
    }
}

/// The names of groups and upstreams by index.
fn names(measurements: &Measurements) -> Names<'_> {
    Names {
        groups: measurements.groups.iter().map(|group| group.id.as_str()).collect(),
        upstreams: measurements.upstreams.iter().map(|upstream| upstream.name.as_str()).collect(),
    }
}

impl Sink for Recorder {
    fn upstream(&mut self, number: u8, name: &str) {
        debug_assert_eq!(usize::from(number), self.measurements.upstreams.len() + 1, "upstreams are numbered in order");
        let name = self.upstream_names.as_ref().map_or_else(|| name.to_owned(), |rename| rename(name));
        self.measurements.upstreams.push(Upstream { name, ..Upstream::default() });
    }

    fn outcomes(&mut self, batch: &[Outcome]) -> Result<(), String> {
        let mut result = Ok(());
        for outcome in batch {
            // Counting goes on when a file cannot be written.
            if let Err(error) = self.add(outcome) {
                result = Err(error.to_string());
            }
        }
        if let (Some((live_stats, _)), Some(running_totals)) = (&self.live_stats, &self.running_totals) {
            live_stats.publish(running_totals);
        }
        result
    }
}

impl Measurements {
    /// Adds the measurements of another shard.
    pub fn add(&mut self, other: &Self) {
        for other in &other.groups {
            let index = self.groups.iter().position(|group| group.id == other.id).unwrap_or_else(|| {
                self.groups.push(Group { id: other.id.clone(), ..Group::default() });
                self.groups.len() - 1
            });
            let own = &mut self.groups[index];
            own.work.merge(&other.work);
            own.polls.merge(&other.polls);
        }
        for other in &other.upstreams {
            let index = self.upstreams.iter().position(|upstream| upstream.name == other.name).unwrap_or_else(|| {
                self.upstreams.push(Upstream { name: other.name.clone(), ..Upstream::default() });
                self.upstreams.len() - 1
            });
            let own = &mut self.upstreams[index];
            own.requests += other.requests;
            own.service.merge(&other.service);
        }
        self.totals.add(&other.totals);
        self.lateness.merge(&other.lateness);
        self.held.merge(&other.held);
        self.rate_limited += other.rate_limited;
    }

    /// All groups together.
    pub fn whole(&self) -> Group {
        let mut whole = Group { id: "all".to_owned(), ..Group::default() };
        for group in &self.groups {
            whole.work.merge(&group.work);
            whole.polls.merge(&group.polls);
        }
        whole
    }
}

#[cfg(test)]
mod tests;
