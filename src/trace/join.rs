//! A proxy's log and Synapse's logs of the same traffic: each request once, with the times of both.
//!
//! Two lines are the same request when they bear the same proxy-made id, or, where Synapse did not take the proxy's id, when
//! method and target are equal and they ended at about the same time. A line without a partner stays as it is: a proxy answers
//! some requests itself, and Synapse gets some that did not come through this proxy.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

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
}

/// Joins a sealed trace. With lines of only one side nothing changes and `None` comes back.
pub fn join(trace: Trace) -> (Trace, Option<JoinFacts>) {
    if !(trace.any_has(flag::PROXY) && trace.any_has(flag::SYNAPSE)) {
        return (trace, None);
    }
    let window_us = if trace.any_has(flag::NO_DURATION) { WINDOW_WITHOUT_DURATIONS_US } else { WINDOW_US };
    let mut joiner = Joiner { window_us, ..Joiner::default() };
    let mut joined = Trace::new();
    let (names, requests) = trace.into_parts();
    for request in requests {
        joiner.take(request, &mut joined);
    }
    joiner.finish(&mut joined);
    joined.names = names;
    joined.seal();
    (joined, Some(joiner.facts))
}

fn is_proxy(request: &Request) -> bool {
    request.has(flag::PROXY) && !request.has(flag::SYNAPSE)
}

fn is_synapse(request: &Request) -> bool {
    request.has(flag::SYNAPSE) && !request.has(flag::PROXY) && !request.has(flag::INTERNAL)
}

/// Walks the requests by time with a window of those that still wait for a partner.
#[derive(Debug, Default)]
struct Joiner {
    waiting: HashMap<u64, Request>,
    by_id: HashMap<u64, u64>,
    by_target: HashMap<u32, Vec<u64>>,
    order: VecDeque<(i64, u64)>,
    next: u64,
    window_us: i64,
    habits: Habits,
    facts: JoinFacts,
}

impl Joiner {
    fn take(&mut self, request: Request, out: &mut Trace) {
        self.settle_before(request.arrival_us.saturating_sub(self.window_us), out);
        if is_proxy(&request) {
            self.facts.proxy_requests += 1;
        } else if is_synapse(&request) {
            self.facts.synapse_requests += 1;
        } else {
            out.push(request);
            return;
        }
        if let Some(partner) = self.same_id(&request) {
            let other = self.release(partner);
            self.facts.by_request_id += 1;
            self.put_together(&request, &other, out);
            return;
        }
        let ticket = self.next;
        self.next += 1;
        if request.request_id != 0 {
            self.by_id.insert(request.request_id, ticket);
        }
        self.by_target.entry(request.match_hash).or_default().push(ticket);
        self.order.push_back((request.arrival_us, ticket));
        self.waiting.insert(ticket, request);
    }

    /// The waiting line of the other side with the same proxy-made id.
    fn same_id(&self, request: &Request) -> Option<u64> {
        let ticket = self.by_id.get(&request.request_id).filter(|_| request.request_id != 0)?;
        self.waiting.get(ticket).is_some_and(|other| is_proxy(other) != is_proxy(request)).then_some(*ticket)
    }

    /// The waiting line of the other side that is most like this one and to which no other line is more like. Asked when a line's
    /// time is over, so that whatever has the same id was put together before.
    fn most_alike(&self, request: &Request) -> Option<u64> {
        let mut candidates = self.alike(request);
        candidates.sort_unstable();
        let mut tried = candidates.into_iter().take(TRIES_MAX);
        tried.find_map(|(distance, ticket)| {
            let rival = self.waiting.get(&ticket).and_then(|other| self.alike(other).into_iter().min());
            rival.is_none_or(|(rival, _)| rival >= distance).then_some(ticket)
        })
    }

    /// Distances and tickets of waiting lines of the other side that may be the same request.
    fn alike(&self, request: &Request) -> Vec<(u64, u64)> {
        let proxy = is_proxy(request);
        let candidates = self.by_target.get(&request.match_hash).map_or(&[][..], Vec::as_slice);
        let rated = candidates.iter().take(CANDIDATES_MAX).filter_map(|ticket| {
            let other = self.waiting.get(ticket)?;
            // Where Synapse logged a proxy's id, only that id counts.
            let synapse_id = if proxy { other.request_id } else { request.request_id };
            let (upstream, process) = if proxy { (request.upstream, other.process) } else { (other.upstream, request.process) };
            let fits = is_proxy(other) != proxy && synapse_id == 0 && self.habits.allow(upstream, process);
            fits.then(|| (distance_us(request, other), *ticket))
        });
        rated.filter(|(distance, _)| *distance < DISTANCE_MAX_US).collect()
    }

    fn put_together(&mut self, one: &Request, other: &Request, out: &mut Trace) {
        self.facts.joined += 1;
        let (proxy, synapse) = if is_proxy(one) { (one, other) } else { (other, one) };
        self.habits.learn(proxy.upstream, synapse.process);
        out.push(merge(proxy, synapse));
    }

    fn release(&mut self, ticket: u64) -> Request {
        #[expect(clippy::expect_used, reason = "tickets in the indexes are waiting")]
        let request = self.waiting.remove(&ticket).expect("a partner is waiting");
        if let Some(tickets) = self.by_target.get_mut(&request.match_hash) {
            tickets.retain(|&other| other != ticket);
            if tickets.is_empty() {
                self.by_target.remove(&request.match_hash);
            }
        }
        if self.by_id.get(&request.request_id) == Some(&ticket) {
            self.by_id.remove(&request.request_id);
        }
        request
    }

    /// Decides about every line that arrived before `arrival_us`.
    fn settle_before(&mut self, arrival_us: i64, out: &mut Trace) {
        while let Some(&(at, ticket)) = self.order.front()
            && at < arrival_us
        {
            self.order.pop_front();
            if !self.waiting.contains_key(&ticket) {
                continue;
            }
            let request = self.release(ticket);
            if let Some(partner) = self.most_alike(&request) {
                let other = self.release(partner);
                self.put_together(&request, &other, out);
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
        self.settle_before(i64::MAX, out);
    }
}

/// Which process each upstream turned out to be. Several proxies before the same workers send equal requests (`/versions`) at
/// about the same time; what keeps them apart is that an upstream is one process.
#[derive(Debug, Default)]
struct Habits {
    seen: HashMap<NameId, HashMap<NameId, u32>>,
}

impl Habits {
    fn learn(&mut self, upstream: NameId, process: NameId) {
        *self.seen.entry(upstream).or_default().entry(process).or_default() += 1;
    }

    /// False once an upstream has been seen often enough to know that it is another process. A proxy that answered itself (no
    /// upstream) has no line in any Synapse log, if its log names upstreams at all.
    fn allow(&self, upstream: NameId, process: NameId) -> bool {
        let Some(processes) = self.seen.get(&upstream) else { return true };
        let total: u32 = processes.values().sum();
        let this = processes.get(&process).copied().unwrap_or(0);
        total < HABIT_MIN || this * HABIT_ODDS >= total
    }
}

/// How unlike two lines are, in µs of difference between their ends; other status or size weighs like a second or two.
/// A client that left ends the proxy's line at once and Synapse's only when the handler is done, so then the starts count too.
fn distance_us(a: &Request, b: &Request) -> u64 {
    let mut apart = end_us(a).abs_diff(end_us(b));
    if a.has(flag::ABORTED) || b.has(flag::ABORTED) {
        apart = apart.min(a.arrival_us.abs_diff(b.arrival_us));
    }
    let status = if a.status == b.status || a.has(flag::ABORTED) || b.has(flag::ABORTED) { 0 } else { 1_000_000 };
    let size = if a.bytes_sent == b.bytes_sent { 0 } else { 500_000 };
    // Synapse logs the address that the proxy forwarded. Federation, where it logs a name, is unlike throughout.
    let peer = if a.peer == b.peer { 0 } else { 500_000 };
    apart + status + size + peer
}

fn end_us(request: &Request) -> i64 {
    let lasted =
        if is_proxy(request) { i64::from(request.proxy_us) } else { i64::from(request.wall_us) + i64::from(request.send_us.max(0)) };
    request.arrival_us.saturating_add(lasted)
}

/// One request from two lines: the work as Synapse tells it, the client as the proxy saw it.
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
        request_id: if proxy.request_id != 0 { proxy.request_id } else { synapse.request_id },
        flags: synapse.flags
            | (proxy.flags & (flag::PROXY_TIME | flag::PROXY | flag::ABORTED | flag::QUERY | flag::APPSERVICE | flag::RETRIED))
            | if precise { proxy.flags & flag::DRAWN } else { 0 },
        ..*synapse
    }
}

/// How long a line waits for its partner: the proxy's line begins before an upload, Synapse's after it.
const WINDOW_US: i64 = 60_000_000;

/// The same where proxy lines have no duration: a long poll is then sorted by its end there, by its start here.
const WINDOW_WITHOUT_DURATIONS_US: i64 = 240_000_000;

/// Lines with one target that are looked at for one partner. Equal requests stand side by side, so that more would not help.
const CANDIDATES_MAX: usize = 256;

/// Joined requests after which an upstream's process is known, and how rare another one must be to be an error.
const HABIT_MIN: u32 = 20;
const HABIT_ODDS: u32 = 10;

/// Candidates that are asked whether they have a nearer line of their own.
const TRIES_MAX: usize = 8;

/// Lines that are less alike than this are not the same request: stamps of whole seconds differ by one at most.
const DISTANCE_MAX_US: u64 = 2_600_000;

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
    fn the_nearest_of_equal_requests_is_taken_and_the_rest_stays() {
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
