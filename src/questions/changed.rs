//! What changed between a good hour and a bad one: who and what explains the difference in CPU and in waiting, with its noise.
//!
//! ```text
//! requests ─▶ good pieces, bad ─▶ for each user, room, server, endpoint group, program: requests and costs a second
//!                                    └▶ difference = of the count + of the cost ─▶ beyond noise? ─▶ ranked
//! ```
//!
//! With rates r and means m the difference r₁m₁ − r₀m₀ is exactly (r₁ − r₀)(m₀ + m₁)/2 + (m₁ − m₀)(r₀ + r₁)/2 (Bennet 1920; both orders of changing
//! one after the other, averaged): how much comes from more requests, how much from dearer ones.
//!
//! Invariant: over the entries of one dimension (all of them, `nobody` included) the differences add up to that of all requests.

mod tally;

use serde::Serialize;

use tally::Tallies;
use wsim_endpoints::Endpoint;
use wsim_profile::Window;
use wsim_stats::student_t;
use wsim_trace::{Names, Trace};

/// What may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    User,
    Room,
    /// Other servers, by the origin of their requests; of clients their address.
    Peer,
    EndpointGroup,
    /// Families of user agents.
    Agent,
    /// Processes that served the requests.
    Process,
}

impl Dimension {
    pub const ALL: [Self; 6] = [Self::User, Self::Room, Self::Peer, Self::EndpointGroup, Self::Agent, Self::Process];

    /// What one of them is called.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Room => "room",
            Self::Peer => "server or address",
            Self::EndpointGroup => "endpoint group",
            Self::Agent => "program",
            Self::Process => "process",
        }
    }
}

/// A difference of one figure, per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    pub good: f64,
    pub bad: f64,
    /// The part that comes from more or fewer requests.
    pub of_count: f64,
    /// The part that comes from dearer or cheaper requests.
    pub of_cost: f64,
    /// Differences up to this, in either direction, are noise: nineteen of twenty windows like the good one differ by less, all entries of the
    /// dimension together.
    pub noise: f64,
}

impl Difference {
    pub fn change(&self) -> f64 {
        self.bad - self.good
    }

    pub fn is_beyond_noise(&self) -> bool {
        self.change().abs() > self.noise
    }
}

/// One user, room, …
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub dimension: Dimension,
    /// Text of a log: must be escaped. Empty: requests of nobody known.
    pub name: String,
    /// Requests per second.
    pub requests: [f64; 2],
    /// CPU of a request, ms; `None` without requests.
    pub cpu_ms: [Option<f64>; 2],
    /// Cores.
    pub cpu: Difference,
    /// Requests that wait at once: time of responses that is neither CPU nor a long poll's wait.
    pub waiting: Difference,
}

/// What changed.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    pub good: WindowFacts,
    pub bad: WindowFacts,
    pub cpu: Difference,
    pub waiting: Difference,
    /// Entries beyond noise of each dimension, most CPU first, at most ten of each.
    pub by_cpu: Vec<Entry>,
    /// The same by waiting.
    pub by_waiting: Vec<Entry>,
    /// The entry that explains most of the CPU, a single user, room or server before what many share; index into `by_cpu`.
    pub chief: Option<usize>,
    /// Whether the log shows CPU.
    pub has_cpu: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WindowFacts {
    pub start_us: i64,
    pub end_us: i64,
    /// Time that the log covers.
    pub seconds: f64,
    pub requests: u64,
    pub requests_per_second: f64,
}

/// Why nothing can be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangedError {
    #[error("no request in the {0} window: the log is from {1} to {2}")]
    Empty(&'static str, String, String),
    #[error("the windows overlap")]
    Overlap,
}

/// Compares two windows of a trace.
///
/// # Errors
/// A window without requests, or windows that overlap.
pub fn changed(trace: &Trace, endpoints: &[Endpoint], good: Window, bad: Window) -> Result<Changed, ChangedError> {
    if good.start_us < bad.end_us && bad.start_us < good.end_us {
        return Err(ChangedError::Overlap);
    }
    let tallies = Tallies::of(trace, endpoints, good, bad);
    let span = || {
        let mut ends = trace.requests().map(|request| request.arrival_us);
        let first = ends.next().unwrap_or(0);
        [first, ends.last().unwrap_or(first)].map(wsim_text::minute)
    };
    for (name, count) in [("good", tallies.all.good_requests()), ("bad", tallies.all.bad.requests)] {
        if count == 0 {
            let [first, last] = span();
            return Err(ChangedError::Empty(name, first, last));
        }
    }
    Ok(compare(&tallies, &trace.names, endpoints, good, bad))
}

fn compare(tallies: &Tallies, names: &Names, endpoints: &[Endpoint], good: Window, bad: Window) -> Changed {
    let facts = |window: Window, seconds: f64, requests: u64| WindowFacts {
        start_us: window.start_us,
        end_us: window.end_us,
        seconds,
        requests,
        requests_per_second: requests as f64 / seconds,
    };
    let overall = |figure: usize| tallies.difference(&tallies.all, figure, critical(1));
    let mut entries: Vec<Entry> = Vec::new();
    for dimension in Dimension::ALL {
        let of_dimension = tallies.of_dimension(dimension);
        let critical = critical(of_dimension.len());
        entries.extend(of_dimension.into_iter().map(|(key, tally)| Entry {
            dimension,
            name: if dimension == Dimension::EndpointGroup {
                endpoints.get(key as usize).map(|endpoint| endpoint.group.clone()).unwrap_or_default()
            } else {
                names.text(wsim_trace::NameId(key)).to_owned()
            },
            requests: tallies.rates(tally),
            cpu_ms: tallies.mean_cpu_ms(tally),
            cpu: tallies.difference(tally, CPU, critical),
            waiting: tallies.difference(tally, WAITING, critical),
        }));
    }
    let by_cpu = ranked(&entries, |entry| entry.cpu);
    let by_waiting = ranked(&entries, |entry| entry.waiting);
    let cpu = overall(CPU);
    Changed {
        good: facts(good, tallies.good_seconds(), tallies.all.good_requests()),
        bad: facts(bad, tallies.bad_seconds, tallies.all.bad.requests),
        chief: chief(&by_cpu, cpu.change()),
        cpu,
        waiting: overall(WAITING),
        by_cpu,
        by_waiting,
        has_cpu: tallies.has_cpu,
    }
}

/// Entries beyond noise, largest change of each dimension first; `nobody` is no entry.
fn ranked(entries: &[Entry], figure: fn(&Entry) -> Difference) -> Vec<Entry> {
    let mut ranked = Vec::new();
    for dimension in Dimension::ALL {
        let mut own: Vec<&Entry> = entries
            .iter()
            .filter(|entry| entry.dimension == dimension && !entry.name.is_empty() && figure(entry).is_beyond_noise())
            .collect();
        own.sort_by(|a, b| figure(b).change().abs().total_cmp(&figure(a).change().abs()).then(a.name.cmp(&b.name)));
        ranked.extend(own.into_iter().take(ENTRIES).cloned());
    }
    ranked
}

/// The entry to name first. A single actor counts before a group that many share, if it explains nearly as much.
fn chief(entries: &[Entry], all: f64) -> Option<usize> {
    let share = |entry: &Entry| if all.abs() > 0.0 { entry.cpu.change() / all } else { 0.0 };
    let of = |dimensions: &[Dimension]| {
        let own = entries.iter().enumerate().filter(|(_, entry)| dimensions.contains(&entry.dimension));
        own.max_by(|a, b| share(a.1).total_cmp(&share(b.1))).filter(|(_, entry)| share(entry) >= EXPLAINS)
    };
    let actor = of(&[Dimension::User, Dimension::Peer, Dimension::Room]);
    let kind = of(&[Dimension::EndpointGroup, Dimension::Agent]);
    match (actor, kind) {
        (Some(actor), Some(kind)) if share(actor.1) < NEARLY * share(kind.1) => Some(kind.0),
        (Some((index, _)), _) | (None, Some((index, _))) => Some(index),
        (None, None) => None,
    }
}

/// How many deviations a difference must have to be beyond the noise of so many entries (Bonferroni).
fn critical(entries: usize) -> f64 {
    student_t::quantile(1.0 - 0.025 / entries.max(1) as f64, (tally::PIECES - 1) as f64)
}

/// Figures of a [`tally`].
const CPU: usize = 0;
const WAITING: usize = 1;
/// Entries of a dimension that are kept.
const ENTRIES: usize = 10;
/// Share of the change from which an entry is worth naming.
const EXPLAINS: f64 = 0.2;
const NEARLY: f64 = 0.5;

#[cfg(test)]
mod tests;
