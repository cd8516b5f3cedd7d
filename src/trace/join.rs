//! Joins a proxy's log and Synapse's logs of the same traffic: each request once, with the times of both.
//!
//! Two lines are the same request if they have the same proxy-made id or, where Synapse did not take the proxy's id, if method and
//! target are equal and they ended at about the same time. A line without a partner stays as it is: a proxy answers some requests
//! itself, and Synapse gets some that did not come through this proxy.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::clocks::clock_offset_us;
use super::request::{NameId, Request, flag};
use super::store::Trace;

/// How a proxy's log and Synapse's logs were joined. `proxy_requests == joined + proxy_only`, and so for Synapse. The field names
/// are part of trace files and of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JoinFacts {
    #[serde(alias = "proxy")]
    pub proxy_requests: u64,
    /// Client and federation requests in Synapse's logs.
    #[serde(alias = "synapse")]
    pub synapse_requests: u64,
    /// Requests found in both, counted once.
    pub joined: u64,
    /// Requests that only the proxy logged: it answered them itself, or Synapse's log is missing.
    pub proxy_only: u64,
    /// Requests that only Synapse logged: they did not come through the proxy, or its log is missing.
    pub synapse_only: u64,
    /// The part of `joined` found by a request id in both logs; the others were found by method, target and time.
    pub by_request_id: u64,
    /// How far the proxy's clock is behind Synapse's, µs; the proxy's requests were moved by that. 0 if the clocks agree or nothing tells.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_offset_us: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(offset: &i64) -> bool {
    *offset == 0
}

/// Joins a sealed trace. A trace with lines of one side only is returned unchanged, with `None`.
pub fn join(trace: Trace) -> (Trace, Option<JoinFacts>) {
    if !(trace.any_has(flag::PROXY) && trace.any_has(flag::SYNAPSE)) {
        return (trace, None);
    }
    let clock_offset_us = clock_offset_us(&trace).unwrap_or(0);
    let trace = match clock_offset_us {
        0 => trace,
        _ => trace.filter_map(|request| {
            let by = if is_proxy(&request) { clock_offset_us } else { 0 };
            Some(Request { arrival_us: request.arrival_us.saturating_add(by), ..request })
        }),
    };
    let window_us = if trace.any_has(flag::NO_DURATION) { WINDOW_WITHOUT_DURATIONS_US } else { WINDOW_US };
    let mut joiner = Joiner { window_us, facts: JoinFacts { clock_offset_us, ..JoinFacts::default() }, ..Joiner::default() };
    let mut joined = Trace::new();
    let (names, requests) = trace.into_parts();
    for request in requests {
        joiner.add(request, &mut joined);
    }
    joiner.finish(&mut joined);
    joined.names = names;
    joined.seal();
    (joined, Some(joiner.facts))
}

pub(crate) fn is_proxy(request: &Request) -> bool {
    request.has(flag::PROXY) && !request.has(flag::SYNAPSE)
}

pub(crate) fn is_synapse(request: &Request) -> bool {
    request.has(flag::SYNAPSE) && !request.has(flag::PROXY) && !request.has(flag::INTERNAL)
}

/// Goes through the requests by time, with a window of lines that may still find a partner. Lines are numbered as they come.
#[derive(Debug, Default)]
struct Joiner {
    waiting: HashMap<u64, Request>,
    by_id: HashMap<u64, u64>,
    by_target: HashMap<u32, Vec<u64>>,
    order: VecDeque<(i64, u64)>,
    next: u64,
    window_us: i64,
    upstreams: UpstreamProcesses,
    facts: JoinFacts,
}

impl Joiner {
    fn add(&mut self, request: Request, out: &mut Trace) {
        self.decide_before(request.arrival_us.saturating_sub(self.window_us), out);
        if is_proxy(&request) {
            self.facts.proxy_requests += 1;
        } else if is_synapse(&request) {
            self.facts.synapse_requests += 1;
        } else {
            out.push(request);
            return;
        }
        if let Some(partner) = self.same_id(&request) {
            let other = self.remove(partner);
            self.facts.by_request_id += 1;
            self.join_pair(&request, &other, out);
            return;
        }
        let line = self.next;
        self.next += 1;
        if request.request_id != 0 {
            self.by_id.insert(request.request_id, line);
        }
        self.by_target.entry(request.match_hash).or_default().push(line);
        self.order.push_back((request.arrival_us, line));
        self.waiting.insert(line, request);
    }

    /// The waiting line of the other side with the same proxy-made id.
    fn same_id(&self, request: &Request) -> Option<u64> {
        let line = self.by_id.get(&request.request_id).filter(|_| request.request_id != 0)?;
        self.waiting.get(line).is_some_and(|other| is_proxy(other) != is_proxy(request)).then_some(*line)
    }

    /// The waiting line of the other side that is nearest to this one, unless it has a nearer line itself. Called when a line's window
    /// is over, so that lines with the same id have been joined before.
    fn best_partner(&self, request: &Request) -> Option<u64> {
        let mut candidates = self.candidates(request);
        candidates.sort_unstable();
        let mut tried = candidates.into_iter().take(TRIES_MAX);
        tried.find_map(|(distance, line)| {
            let nearest = self.waiting.get(&line).and_then(|other| self.candidates(other).into_iter().min());
            nearest.is_none_or(|(nearest, _)| nearest >= distance).then_some(line)
        })
    }

    /// The waiting lines of the other side that may be the same request, with their distances.
    fn candidates(&self, request: &Request) -> Vec<(u64, u64)> {
        let proxy = is_proxy(request);
        let candidates = self.by_target.get(&request.match_hash).map_or(&[][..], Vec::as_slice);
        let rated = candidates.iter().take(CANDIDATES_MAX).filter_map(|line| {
            let other = self.waiting.get(line)?;
            // A line of Synapse with a proxy's id is joined by that id only.
            let synapse_id = if proxy { other.request_id } else { request.request_id };
            let (upstream, process) = if proxy { (request.upstream, other.process) } else { (other.upstream, request.process) };
            let plausible = is_proxy(other) != proxy && synapse_id == 0 && self.upstreams.allow(upstream, process);
            plausible.then(|| (distance_us(request, other), *line))
        });
        rated.filter(|(distance, _)| *distance < DISTANCE_MAX_US).collect()
    }

    fn join_pair(&mut self, one: &Request, other: &Request, out: &mut Trace) {
        self.facts.joined += 1;
        let (proxy, synapse) = if is_proxy(one) { (one, other) } else { (other, one) };
        self.upstreams.record(proxy.upstream, synapse.process);
        out.push(merge(proxy, synapse));
    }

    fn remove(&mut self, line: u64) -> Request {
        #[expect(clippy::expect_used, reason = "every line in the indices is waiting")]
        let request = self.waiting.remove(&line).expect("a partner is waiting");
        if let Some(lines) = self.by_target.get_mut(&request.match_hash) {
            lines.retain(|&other| other != line);
            if lines.is_empty() {
                self.by_target.remove(&request.match_hash);
            }
        }
        if self.by_id.get(&request.request_id) == Some(&line) {
            self.by_id.remove(&request.request_id);
        }
        request
    }

    /// Decides about every line that arrived before `arrival_us`.
    fn decide_before(&mut self, arrival_us: i64, out: &mut Trace) {
        while let Some(&(at, line)) = self.order.front()
            && at < arrival_us
        {
            self.order.pop_front();
            if !self.waiting.contains_key(&line) {
                continue;
            }
            let request = self.remove(line);
            if let Some(partner) = self.best_partner(&request) {
                let other = self.remove(partner);
                self.join_pair(&request, &other, out);
            } else {
                self.count_alone(&request);
                out.push(request);
            }
        }
    }

    fn count_alone(&mut self, request: &Request) {
        if is_proxy(request) {
            self.facts.proxy_only += 1;
        } else {
            self.facts.synapse_only += 1;
        }
    }

    fn finish(&mut self, out: &mut Trace) {
        self.decide_before(i64::MAX, out);
    }
}

/// The processes that each upstream's requests were joined with. Several proxies in front of the same workers send equal requests
/// (`/versions`) at about the same time; the rule that an upstream is one process distinguishes them.
#[derive(Debug, Default)]
struct UpstreamProcesses {
    seen: HashMap<NameId, HashMap<NameId, u32>>,
}

impl UpstreamProcesses {
    fn record(&mut self, upstream: NameId, process: NameId) {
        *self.seen.entry(upstream).or_default().entry(process).or_default() += 1;
    }

    /// False if enough joined requests show that the upstream is another process. This also excludes requests without an upstream,
    /// which the proxy answered itself, if its log names upstreams at all.
    fn allow(&self, upstream: NameId, process: NameId) -> bool {
        let Some(processes) = self.seen.get(&upstream) else { return true };
        let total: u32 = processes.values().sum();
        let this = processes.get(&process).copied().unwrap_or(0);
        total < UPSTREAM_REQUESTS_MIN || this * UPSTREAM_ODDS >= total
    }
}

/// The distance of two lines: the difference between their ends, µs; a different status or size adds half a second or a second. When
/// the client left, the proxy's line ends at once and Synapse's when the handler is done, so that the starts are compared as well.
fn distance_us(a: &Request, b: &Request) -> u64 {
    let mut apart = end_us(a).abs_diff(end_us(b));
    if a.has(flag::ABORTED) || b.has(flag::ABORTED) {
        apart = apart.min(a.arrival_us.abs_diff(b.arrival_us));
    }
    let status = if a.status == b.status || a.has(flag::ABORTED) || b.has(flag::ABORTED) { 0 } else { 1_000_000 };
    let size = if a.bytes_sent == b.bytes_sent { 0 } else { 500_000 };
    // Synapse logs the address that the proxy forwarded, but a name for federation, which differs in all candidates alike.
    let peer = if a.peer == b.peer { 0 } else { 500_000 };
    apart + status + size + peer
}

pub(crate) fn end_us(request: &Request) -> i64 {
    let duration =
        if is_proxy(request) { i64::from(request.proxy_us) } else { i64::from(request.wall_us) + i64::from(request.send_us.max(0)) };
    request.arrival_us.saturating_add(duration)
}

/// One request from two lines: the work from Synapse's, the client from the proxy's.
fn merge(proxy: &Request, synapse: &Request) -> Request {
    let precise = !proxy.has(flag::DRAWN) && !proxy.has(flag::NO_DURATION);
    Request {
        arrival_us: if precise { proxy.arrival_us } else { synapse.arrival_us },
        proxy_us: proxy.proxy_us,
        upstream: proxy.upstream,
        bytes_received: proxy.bytes_received.max(synapse.bytes_received),
        peer: if synapse.peer.is_some() { synapse.peer } else { proxy.peer },
        user: if synapse.user.is_some() || synapse.peer.is_some() { synapse.user } else { proxy.user },
        agent: if synapse.agent.is_some() { synapse.agent } else { proxy.agent },
        since: if synapse.since != 0 { synapse.since } else { proxy.since },
        request_id: if proxy.request_id != 0 { proxy.request_id } else { synapse.request_id },
        flags: synapse.flags
            | (proxy.flags & (flag::PROXY_TIME | flag::PROXY | flag::ABORTED | flag::QUERY | flag::APPSERVICE | flag::RETRIED))
            | if precise { proxy.flags & flag::DRAWN } else { 0 },
        ..*synapse
    }
}

/// How long a line may wait for its partner: the proxy's line starts before an upload, Synapse's after it.
const WINDOW_US: i64 = 60_000_000;

/// The same if proxy lines have no duration: a long poll is then sorted by its end in the proxy's log, by its start in Synapse's.
const WINDOW_WITHOUT_DURATIONS_US: i64 = 240_000_000;

/// Lines with the same target that are considered for one line. The partner is among the nearest, so that more would not help.
const CANDIDATES_MAX: usize = 256;

/// Joined requests after which an upstream's process is known; a process with less than one in [`UPSTREAM_ODDS`] of them is an error.
const UPSTREAM_REQUESTS_MIN: u32 = 20;
const UPSTREAM_ODDS: u32 = 10;

/// Candidates that are checked for a nearer line of their own.
const TRIES_MAX: usize = 8;

/// Lines of this distance or more are not the same request: stamps of whole seconds differ by one at most.
pub(crate) const DISTANCE_MAX_US: u64 = 2_600_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request_at;

    fn proxy(at: i64, hash: u32, id: u64) -> Request {
        Request { proxy_us: 10_000, match_hash: hash, request_id: id, flags: flag::PROXY | flag::PROXY_TIME, ..request_at(at) }
    }

    fn synapse(at: i64, hash: u32, id: u64) -> Request {
        Request { wall_us: 9_000, cpu_us: 3_000, match_hash: hash, request_id: id, flags: flag::SYNAPSE | flag::COST, ..request_at(at) }
    }

    fn joined(rows: &[Request]) -> (Vec<Request>, JoinFacts) {
        let mut trace = Trace::new();
        for &row in rows {
            trace.push(row);
        }
        trace.seal();
        let (trace, facts) = join(trace);
        (trace.requests().collect(), facts.unwrap())
    }

    #[test]
    fn a_request_in_both_logs_is_one_request_with_the_times_of_both() {
        let (rows, facts) = joined(&[proxy(1000, 7, 0), synapse(1500, 7, 0)]);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].arrival_us, rows[0].proxy_us, rows[0].wall_us, rows[0].cpu_us), (1000, 10_000, 9_000, 3_000));
        assert_eq!(facts, JoinFacts { proxy_requests: 1, synapse_requests: 1, joined: 1, ..JoinFacts::default() });
    }

    #[test]
    fn the_nearest_of_equal_requests_is_joined_and_the_others_stay() {
        let rows = [proxy(0, 7, 0), proxy(900_000, 7, 0), synapse(901_000, 7, 0), proxy(50_000_000, 7, 0), synapse(0, 8, 0)];
        let (rows, facts) = joined(&rows);
        assert_eq!(rows.len(), 4);
        assert_eq!((facts.joined, facts.proxy_only, facts.synapse_only), (1, 2, 1));
        assert!(rows.iter().any(|r| r.arrival_us == 900_000 && r.has(flag::SYNAPSE)));
    }

    #[test]
    fn a_proxy_made_id_decides_alone() {
        let (_, facts) = joined(&[proxy(0, 7, 1), proxy(10, 7, 2), synapse(20, 9, 2), synapse(30, 7, 3)]);
        assert_eq!((facts.joined, facts.by_request_id, facts.proxy_only, facts.synapse_only), (1, 1, 1, 1));
    }

    #[test]
    fn requests_between_synapse_processes_pass_through() {
        let inner = Request { flags: flag::SYNAPSE | flag::INTERNAL, ..synapse(5, 7, 0) };
        let (rows, facts) = joined(&[proxy(0, 7, 0), inner, synapse(30, 7, 0)]);
        assert_eq!((rows.len(), facts.joined, facts.synapse_requests), (2, 1, 1));
    }
}
