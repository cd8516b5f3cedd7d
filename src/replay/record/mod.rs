//! What a run measured: times by endpoint group and by upstream, as HDR histograms in ns.
//!
//! Four times that are not the same (Gil Tene, "How NOT to measure latency"): *lateness*, the generator's own fault; *service time*, first byte
//! written to last byte read; *response time*, from the intended instant, so that nothing that delayed a request is left out; and the
//! *original* time in the log. Long polls have their own tally: a sync that waits for news is not slow.
//!
//! Flat in memory: two histograms per time and group, however many requests. Invariant: every outcome is in exactly one group's counts, and the
//! tallies of shards added are the tally of the whole.

mod figures;
mod glimpse;
mod hlog;
mod requests;
mod shards;
mod tally;
mod verdict;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

pub use figures::{BOUNDS_MS, Figures, GroupFigures};
pub use glimpse::{Glimpse, Recent};
pub use hlog::HlogError;
pub use requests::{COLUMNS as REQUEST_COLUMNS, RequestsError};
pub use shards::{ShardLogError, join_hlogs};
pub use tally::{Tally, Times};
pub use verdict::{VoidReason, VoidRules};

use wsim_trace::table::TableWriter;

use super::{Account, End, Outcome, Sink};
use glimpse::Span;
use hlog::Hlog;
use requests::{Names, Requests};

/// Takes in outcomes.
pub struct Recorder {
    /// Group of each endpoint class, by its number.
    groups_of: Vec<usize>,
    measured: Measured,
    hlog: Option<Hlog>,
    requests: Option<Requests>,
    glimpse: Option<(Arc<Glimpse>, Span)>,
    /// Kept only where somebody wants them.
    figures: Option<Figures>,
}

/// Why a file beside the measurements could not be written. The measurements are whole all the same.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The interval log.
    #[error(transparent)]
    Hlog(#[from] HlogError),
    /// The requests.
    #[error(transparent)]
    Requests(#[from] RequestsError),
}

/// Everything measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Endpoint groups in the order of the table, work and long polls apart.
    pub groups: Vec<Group>,
    /// Upstreams in the order in which they showed themselves.
    pub upstreams: Vec<Upstream>,
    /// Where everything went.
    pub account: Account,
    /// Lateness of everything sent, ns.
    pub lateness: Times,
    /// Time that requests waited for earlier ones of their own user, ns; of those that did.
    pub held: Times,
    /// Answers 429 where the log has none.
    pub limited: u64,
}

/// An endpoint group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Requests that work.
    pub work: Tally,
    /// Requests that wait for news.
    pub polls: Tally,
}

/// An upstream.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// As the proxy names it. Text of the target: escape where it is written.
    pub name: String,
    /// Answers, long polls too.
    pub requests: u64,
    /// Service time of work, ns.
    pub service: Times,
}

impl Recorder {
    /// A recorder for endpoint classes whose groups are these, by number.
    pub fn new<'a>(groups: impl IntoIterator<Item = &'a str>) -> Self {
        let mut measured = Measured::default();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let groups_of = groups
            .into_iter()
            .map(|id| {
                *places.entry(id).or_insert_with(|| {
                    measured.groups.push(Group { id: id.to_owned(), ..Group::default() });
                    measured.groups.len() - 1
                })
            })
            .collect();
        Self { groups_of, measured, hlog: None, requests: None, glimpse: None, figures: None }
    }

    /// Writes an interval log beside: one line a second and group that had answers.
    #[must_use]
    pub fn with_hlog(mut self, out: Box<dyn Write + Send>, began: std::time::SystemTime) -> Self {
        self.hlog = Some(Hlog::new(out, began, self.measured.groups.iter().map(|group| group.id.clone()).collect()));
        self
    }

    /// Leaves figures of the last seconds there while the run goes on.
    #[must_use]
    pub fn with_glimpse(mut self, glimpse: Arc<Glimpse>) -> Self {
        self.figures = glimpse.wants_figures().then(|| Figures::new(&self.measured.groups));
        self.glimpse = Some((glimpse, Span::default()));
        self
    }

    /// Writes every request beside, as a row of a Parquet file.
    /// `table` has the columns [`REQUEST_COLUMNS`].
    #[must_use]
    pub fn with_requests(mut self, table: Box<dyn TableWriter>) -> Self {
        self.requests = Some(Requests::new(table));
        self
    }

    /// Ends the files and gives out what was measured.
    ///
    /// # Errors
    /// [`RecordError`] with what was measured: nothing is lost because a disk is full.
    pub fn finish(mut self) -> (Measured, Result<(), RecordError>) {
        let log = self.hlog.take().map_or(Ok(()), Hlog::finish);
        let requests = self.requests.take().map_or(Ok(()), |requests| requests.finish(&names(&self.measured)));
        let written = log.map_err(RecordError::from).and(requests.map_err(RecordError::from));
        self.measured.groups.retain(|group| group.work.scheduled + group.polls.scheduled > 0);
        (self.measured, written)
    }

    fn add(&mut self, outcome: &Outcome) -> Result<(), RecordError> {
        let place = self.count(outcome);
        if let Some((glimpse, span)) = &mut self.glimpse {
            span.add(outcome, glimpse);
        }
        if let Some(figures) = &mut self.figures {
            figures.add(outcome, place);
        }
        if let Some(requests) = &mut self.requests
            && requests.add(outcome, place)
            && let Err(error) = requests.write(&names(&self.measured))
        {
            self.requests = None;
            return Err(error.into());
        }
        match (&mut self.hlog, outcome.response_ns()) {
            (Some(hlog), Some(ns)) if !outcome.long_poll => hlog.record(place, outcome.last_byte_ns, ns).map_err(|error| {
                self.hlog = None;
                error.into()
            }),
            _ => Ok(()),
        }
    }

    /// Counts an outcome; the place of its group.
    fn count(&mut self, outcome: &Outcome) -> usize {
        let measured = &mut self.measured;
        measured.account.book(outcome.end);
        let place = self.groups_of.get(usize::from(outcome.endpoint.0)).copied().unwrap_or(0);
        if let Some(group) = measured.groups.get_mut(place) {
            if outcome.long_poll { &mut group.polls } else { &mut group.work }.add(outcome);
        }
        if let Some(ns) = outcome.lateness_ns() {
            measured.lateness.record(ns);
        }
        if outcome.due_ns > outcome.intended_ns {
            measured.held.record(outcome.due_ns - outcome.intended_ns);
        }
        measured.limited += u64::from(outcome.status == 429 && outcome.original_status != 429);
        let known = usize::from(outcome.upstream).checked_sub(1).and_then(|place| measured.upstreams.get_mut(place));
        if let (Some(upstream), End::Completed) = (known, outcome.end) {
            upstream.requests += 1;
            if let (Some(ns), false) = (outcome.service_ns(), outcome.long_poll) {
                upstream.service.record(ns);
            }
        }
        place
    }
}

/// Names of groups and upstreams by number.
fn names(measured: &Measured) -> Names<'_> {
    Names {
        groups: measured.groups.iter().map(|group| group.id.as_str()).collect(),
        upstreams: measured.upstreams.iter().map(|upstream| upstream.name.as_str()).collect(),
    }
}

impl Sink for Recorder {
    fn upstream(&mut self, number: u8, name: &str) {
        debug_assert_eq!(usize::from(number), self.measured.upstreams.len() + 1, "upstreams are numbered as they come");
        self.measured.upstreams.push(Upstream { name: name.to_owned(), ..Upstream::default() });
    }

    fn outcomes(&mut self, batch: &[Outcome]) -> Result<(), String> {
        let mut result = Ok(());
        for outcome in batch {
            // The account goes on when a file cannot.
            if let Err(error) = self.add(outcome) {
                result = Err(error.to_string());
            }
        }
        if let (Some((glimpse, _)), Some(figures)) = (&self.glimpse, &self.figures) {
            glimpse.leave(figures);
        }
        result
    }
}

impl Measured {
    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        for theirs in &other.groups {
            let place = self.groups.iter().position(|group| group.id == theirs.id).unwrap_or_else(|| {
                self.groups.push(Group { id: theirs.id.clone(), ..Group::default() });
                self.groups.len() - 1
            });
            let mine = &mut self.groups[place];
            mine.work.merge(&theirs.work);
            mine.polls.merge(&theirs.polls);
        }
        for theirs in &other.upstreams {
            let place = self.upstreams.iter().position(|upstream| upstream.name == theirs.name).unwrap_or_else(|| {
                self.upstreams.push(Upstream { name: theirs.name.clone(), ..Upstream::default() });
                self.upstreams.len() - 1
            });
            let mine = &mut self.upstreams[place];
            mine.requests += theirs.requests;
            mine.service.merge(&theirs.service);
        }
        self.account.add(&other.account);
        self.lateness.merge(&other.lateness);
        self.held.merge(&other.held);
        self.limited += other.limited;
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
