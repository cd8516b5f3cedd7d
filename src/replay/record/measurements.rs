//! What is measured of a run or a shard. Shards add up.
//!
//! Knows nothing of how outcomes arrive ([`super::Recorder`]).

use std::collections::BTreeMap;

use super::super::{Outcome, OutcomeTotals};
use super::tally::{LatencyHistogram, Tally};
use super::timeline::{Episode, EpisodeKind, LateCounts};

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
    /// Delays on the way to the target.
    pub delays: Delays,
    /// Responses 429 that were not 429 in the log.
    pub rate_limited: u64,
    /// CPU time that the requests took in the log.
    pub cpu: CpuShare,
    /// When something was wrong, in the order of time.
    pub episodes: Vec<Episode>,
    /// Whether the generator was late now and then or all the time.
    pub late: LateCounts,
}

/// What delayed requests between the generator and the target. None of it is lateness.
#[derive(Debug, Clone, Default)]
pub struct Delays {
    /// Opening a new connection, without TLS, ns.
    pub connecting: LatencyHistogram,
    /// The TLS handshake of a new connection, ns.
    pub securing: LatencyHistogram,
    /// Waiting because as many connections were open as are allowed, ns; only of requests that waited for a millisecond or more.
    pub waited: LatencyHistogram,
    /// Requests that were sent again on a new connection.
    pub repeats: u64,
    /// Requests that waited or were in flight while the generator stood still.
    pub disturbed: u64,
}

impl Delays {
    pub(super) fn record(&mut self, outcome: &Outcome) {
        for (times, ns) in [(&mut self.connecting, outcome.connecting_ns()), (&mut self.securing, outcome.securing_ns())] {
            if let Some(ns) = ns {
                times.record(ns);
            }
        }
        if outcome.waited_ns() >= WAIT_LEAST_NS {
            self.waited.record(outcome.waited_ns());
        }
        self.repeats += u64::from(outcome.repeats);
        self.disturbed += u64::from(outcome.disturbed);
    }

    fn add(&mut self, other: &Self) {
        self.connecting.merge(&other.connecting);
        self.securing.merge(&other.securing);
        self.waited.merge(&other.waited);
        self.repeats += other.repeats;
        self.disturbed += other.disturbed;
    }
}

/// CPU time of the scheduled requests in the log, clones included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuShare {
    /// µs; 0 if the log has none.
    pub logged_us: u64,
    /// Of requests that were not sent, µs, by the name of the reason.
    pub skipped_us: BTreeMap<&'static str, u64>,
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
    /// Responses that are errors of the target.
    pub errors: u64,
    /// Requests that the proxy sent to another upstream after an attempt at this one.
    pub passed_over: u64,
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
            own.errors += other.errors;
            own.passed_over += other.passed_over;
        }
        self.totals.add(&other.totals);
        self.lateness.merge(&other.lateness);
        self.held.merge(&other.held);
        self.delays.add(&other.delays);
        self.rate_limited += other.rate_limited;
        self.cpu.logged_us += other.cpu.logged_us;
        for (reason, us) in &other.cpu.skipped_us {
            *self.cpu.skipped_us.entry(reason).or_default() += us;
        }
        self.late.add(other.late);
        self.episodes.extend(other.episodes.iter().cloned());
        self.episodes.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    }

    /// How long the target, or one of its upstreams, did not respond, s.
    pub fn down_seconds(&self) -> f64 {
        let mut down: Vec<(f64, f64)> = self
            .episodes
            .iter()
            .filter(|episode| episode.kind != EpisodeKind::Late)
            .map(|episode| (episode.from_s, episode.to_s))
            .collect();
        down.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Episodes of different kinds and shards overlap.
        down.into_iter().fold((0.0, 0.0), |(sum, until), (from, to): (f64, f64)| (sum + (to - from.max(until)).max(0.0), to.max(until))).0
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

/// A request that gets a connection at once does so some µs after it was taken up.
const WAIT_LEAST_NS: u64 = 1_000_000;
