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
mod measurements;
mod merge_interval_logs;
mod requests;
mod running_totals;
mod silence;
mod tally;
mod timeline;
mod verdict;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

pub use interval_log::IntervalLogError;
pub use live_stats::{LiveStats, Window5s};
pub use measurements::{CpuShare, Delays, Group, Measurements, Upstream};
pub use merge_interval_logs::{MergeLogError, merge_interval_logs};
pub use requests::{COLUMNS as REQUEST_COLUMNS, INSTANTS as REQUEST_INSTANTS, RequestsError, SCHEMA as REQUESTS_SCHEMA};
pub use running_totals::{BOUNDS_MS, GroupTotals, RunningTotals};
pub use tally::{LatencyHistogram, Tally};
pub use timeline::{Episode, EpisodeKind, LateCounts};
pub use verdict::{VoidReason, VoidRules};

use wsim_trace::table::TableWriter;

use super::{End, Outcome, Sink};
use interval_log::IntervalLog;
use live_stats::CurrentWindow;
use requests::{Names, Requests};
use silence::Silence;
use timeline::Timeline;

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
    /// What the target calls its upstreams, by their number, and which they are.
    named: Vec<Named>,
    /// In the order of the measurements' upstreams.
    silences: Vec<Silence>,
    /// Responses that some upstream gave.
    responses: u64,
    timeline: Timeline,
    /// CPU of each row in the log, µs; empty if the log has none.
    cpu_us: Arc<[u32]>,
    /// When the last request ended, ns.
    last_ns: u64,
    /// Why a file was given up.
    lost: Option<RecordError>,
}

/// A name that the target gave, resolved.
struct Named {
    name: String,
    /// Index of the upstream that responded.
    responded: usize,
    /// Indices of those that the proxy tried before.
    passed_over: Vec<usize>,
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
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a constant")]
        let late_above_ns = (VoidRules::default().lateness_p99_ms * 1e6) as u64;
        Self {
            groups_of,
            measurements,
            interval_log: None,
            requests: None,
            live_stats: None,
            running_totals: None,
            upstream_names: None,
            named: Vec::new(),
            silences: Vec::new(),
            responses: 0,
            timeline: Timeline::new(late_above_ns),
            cpu_us: Arc::new([]),
            last_ns: 0,
            lost: None,
        }
    }

    /// Also counts the CPU time of requests, which took this in the log, µs, by row.
    #[must_use]
    pub fn with_cpu(mut self, cpu_us: Arc<[u32]>) -> Self {
        self.cpu_us = cpu_us;
        self
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
    /// [`RecordError`], beside the measurements, which are complete: a full disk costs the files only.
    pub fn finish(mut self) -> (Measurements, Result<(), RecordError>) {
        let log = self.interval_log.take().map_or(Ok(()), IntervalLog::finish);
        let requests = self.requests.take().map_or(Ok(()), |requests| requests.finish(&names(&self.measurements, &self.named)));
        let written = log.map_err(RecordError::from).and(requests.map_err(RecordError::from));
        let written = self.lost.take().map_or(written, Err);
        self.measurements.groups.retain(|group| group.work.scheduled + group.polls.scheduled > 0);
        self.measurements.episodes = self.timeline.episodes();
        let upstreams = self.measurements.upstreams.iter().zip(&self.silences);
        let silent =
            upstreams.filter_map(|(upstream, silence)| silence.episode(&upstream.name, self.last_ns, self.responses, &self.timeline));
        self.measurements.episodes.extend(silent);
        self.measurements.episodes.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
        self.measurements.late = self.timeline.late_counts();
        (self.measurements, written)
    }

    fn add(&mut self, outcome: &Outcome) {
        let index = self.count(outcome);
        if let Some((live_stats, current_window)) = &mut self.live_stats {
            current_window.add(outcome, live_stats);
        }
        if let Some(running_totals) = &mut self.running_totals {
            running_totals.add(outcome, index);
        }
        if let Some(requests) = &mut self.requests
            && requests.add(outcome, index)
            && let Err(error) = requests.write(&names(&self.measurements, &self.named))
        {
            self.requests = None;
            self.lost.get_or_insert(error.into());
        }
        if let (Some(interval_log), Some(ns), false) = (&mut self.interval_log, outcome.response_ns(), outcome.long_poll)
            && let Err(error) = interval_log.record(index, outcome.last_byte_ns, ns)
        {
            self.interval_log = None;
            self.lost.get_or_insert(error.into());
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
        if !matches!(outcome.end, End::Skipped(_)) {
            measurements.delays.record(outcome);
        }
        if outcome.due_ns > outcome.intended_ns {
            measurements.held.record(outcome.due_ns - outcome.intended_ns);
        }
        measurements.rate_limited += u64::from(outcome.status == 429 && outcome.original_status != 429);
        let cpu_us = u64::from(self.cpu_us.get(outcome.row as usize).copied().unwrap_or(0));
        measurements.cpu.logged_us += cpu_us;
        if let End::Skipped(reason) = outcome.end {
            *measurements.cpu.skipped_us.entry(reason.name()).or_default() += cpu_us;
        } else {
            self.last_ns = self.last_ns.max(outcome.last_byte_ns);
        }
        self.timeline.add(outcome);
        let named = usize::from(outcome.upstream).checked_sub(1).and_then(|number| self.named.get(number));
        if let (Some(named), End::Completed) = (named, outcome.end) {
            count_upstream(outcome, named, &mut measurements.upstreams, &mut self.silences, self.responses);
            self.responses += 1;
        }
        index
    }

    /// The index of an upstream of this name.
    fn upstream_index(&mut self, name: &str) -> usize {
        let name = self.upstream_names.as_ref().map_or_else(|| name.to_owned(), |rename| rename(name));
        let upstreams = &mut self.measurements.upstreams;
        upstreams.iter().position(|upstream| upstream.name == name).unwrap_or_else(|| {
            upstreams.push(Upstream { name, ..Upstream::default() });
            self.silences.push(Silence::default());
            upstreams.len() - 1
        })
    }
}

/// Counts a response of an upstream, and the attempts at others before it.
fn count_upstream(outcome: &Outcome, named: &Named, upstreams: &mut [Upstream], silences: &mut [Silence], responses: u64) {
    if let (Some(upstream), Some(silence)) = (upstreams.get_mut(named.responded), silences.get_mut(named.responded)) {
        upstream.requests += 1;
        upstream.errors += u64::from(outcome.is_error());
        if let (Some(ns), false) = (outcome.service_ns(), outcome.long_poll) {
            upstream.service.record(ns);
        }
        silence.on_response(outcome, responses);
    }
    for index in &named.passed_over {
        if let (Some(upstream), Some(silence)) = (upstreams.get_mut(*index), silences.get_mut(*index)) {
            upstream.passed_over += 1;
            silence.on_passed_over();
        }
    }
}

/// The names of groups and upstreams by index.
fn names<'n>(measurements: &'n Measurements, named: &'n [Named]) -> Names<'n> {
    Names {
        groups: measurements.groups.iter().map(|group| group.id.as_str()).collect(),
        upstreams: named.iter().map(|named| named.name.as_str()).collect(),
    }
}

impl Sink for Recorder {
    fn upstream(&mut self, number: u8, name: &str) {
        debug_assert_eq!(usize::from(number), self.named.len() + 1, "upstreams are numbered in order");
        // nginx names all upstreams that it tried, the one that responded last: `10.0.0.1:80, 10.0.0.2:80`, with ` : ` after a redirect of its own.
        let tried: Vec<&str> = name.split(',').flat_map(|part| part.split(" : ")).map(str::trim).filter(|part| !part.is_empty()).collect();
        let mut passed_over: Vec<usize> = tried.iter().take(TRIED_MAX).map(|name| self.upstream_index(name)).collect();
        let responded = passed_over.pop().unwrap_or_else(|| self.upstream_index(name));
        let names: Vec<&str> = passed_over
            .iter()
            .chain([&responded])
            .filter_map(|index| Some(self.measurements.upstreams.get(*index)?.name.as_str()))
            .collect();
        let name = names.join(", ");
        self.named.push(Named { name, responded, passed_over });
    }

    fn outcomes(&mut self, batch: &[Outcome]) {
        for outcome in batch {
            self.add(outcome);
        }
        if let (Some((live_stats, _)), Some(running_totals)) = (&self.live_stats, &self.running_totals) {
            live_stats.publish(running_totals);
        }
    }

    /// Brings the files beside the report up to date. A file that cannot be written is given up.
    fn flush(&mut self, now_ns: u64) {
        if let Some(Err(error)) = self.interval_log.as_mut().map(|interval_log| interval_log.flush(now_ns)) {
            self.interval_log = None;
            self.lost.get_or_insert(error.into());
        }
        let names = names(&self.measurements, &self.named);
        if let Some(Err(error)) = self.requests.as_mut().map(|requests| requests.checkpoint(&names)) {
            self.requests = None;
            self.lost.get_or_insert(error.into());
        }
    }
}

/// Attempts of a proxy that are told apart; a name is text of the target.
const TRIED_MAX: usize = 16;

#[cfg(test)]
mod tests;
