//! A trace as it would be without presence or without typing notices: their requests are gone, and so are the syncs that they woke.
//!
//! A poll that such news woke would have waited on: it is joined with the device's next poll, which then ends both, with the costs of the last. A
//! joined poll that would have waited beyond its timeout is answered at its timeout, as Synapse does, and waits anew.
//!
//! Knows what woke a poll from the trace ([`wsim_trace::causes`]); a poll whose cause is not known stays.

use std::collections::HashMap;

use serde::Serialize;

use wsim_endpoints::Endpoint;
use wsim_stats::random::{Purpose, draw, unit};
use wsim_trace::{NameId, Request, Trace, flag};

/// News of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    Presence,
    Typing,
}

impl News {
    /// As [`Request::news_stream`] numbers it.
    fn stream(self) -> u16 {
        match self {
            Self::Presence => 2,
            Self::Typing => 3,
        }
    }

    fn group(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Typing => "typing",
        }
    }

    /// Whether a request between processes is about nothing else (`synapse/replication/http`, `handlers/presence.py`).
    fn is_relay(self, template: &str) -> bool {
        self == Self::Presence && ["presence_set_state", "bump_presence_active_time"].iter().any(|name| template.contains(name))
    }

    pub fn word(self) -> &'static str {
        self.group()
    }
}

/// What the news costs in the log itself.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct NewsCosts {
    /// Requests of clients about it, and their CPU in seconds.
    pub own_requests: u64,
    pub own_cpu_seconds: f64,
    /// Requests of workers that relay a sync or a request to the writer, and their CPU in seconds.
    pub relayed: u64,
    pub relayed_cpu_seconds: f64,
    /// Polls that the news woke, and their CPU in seconds.
    pub woken: u64,
    pub woken_cpu_seconds: f64,
    /// Polls that were answered, by whatever, and how many of them have a known cause.
    pub polls: u64,
    pub polls_with_cause: u64,
    /// CPU of all requests, seconds.
    pub all_cpu_seconds: f64,
}

impl NewsCosts {
    /// Sums over a trace.
    pub fn of(trace: &Trace, endpoints: &[Endpoint], news: News) -> Self {
        let mut costs = Self::default();
        for request in trace.requests().filter(|request| !request.has(flag::FOREIGN)) {
            let cpu = f64::from(request.cpu_us) / 1e6;
            costs.all_cpu_seconds += cpu;
            if request.has(flag::LONG_POLL) {
                costs.polls += 1;
                costs.polls_with_cause += u64::from(request.news != 0);
                if request.news_stream == news.stream() {
                    costs.woken += 1;
                    costs.woken_cpu_seconds += cpu;
                }
            } else {
                match kind(&request, trace, endpoints, news) {
                    Kind::Own => {
                        costs.own_requests += 1;
                        costs.own_cpu_seconds += cpu;
                    }
                    Kind::Relay => {
                        costs.relayed += 1;
                        costs.relayed_cpu_seconds += cpu;
                    }
                    Kind::Other => {}
                }
            }
        }
        costs
    }

    /// Share of the CPU in the log's lines that goes when the news goes, at most: a joined poll takes none of it along.
    pub fn share(&self) -> f64 {
        let own = self.own_cpu_seconds + self.relayed_cpu_seconds + self.woken_cpu_seconds;
        if self.all_cpu_seconds > 0.0 { own / self.all_cpu_seconds } else { 0.0 }
    }
}

/// The trace with only a share of some news, 0 to 1. Which of it stays is a matter of the seed.
#[must_use]
pub fn with_share(trace: Trace, endpoints: &[Endpoint], news: News, share: f64, seed: u64) -> Trace {
    let is_kept = |identity: u64| unit(draw(seed, Purpose::Users, identity)) <= share;
    let mut devices: HashMap<(NameId, NameId, NameId), Joined> = HashMap::new();
    let mut rest: Vec<Request> = Vec::new();
    let mut kinds: HashMap<NameId, bool> = HashMap::new();
    let relays: Vec<NameId> = relay_templates(&trace, news, &mut kinds);
    let trace = trace.filter_map(|request| {
        if !request.has(flag::LONG_POLL) {
            let is_own =
                group_of(&request, endpoints) == news.group() && !request.has(flag::INTERNAL) || relays.contains(&request.template);
            // A user whose client sets no presence sets none at all: all of one user's go together.
            return (!is_own || is_kept(u64::from(request.user.0) | 1 << 40)).then_some(request);
        }
        let key = (request.user, if request.user.is_some() { NameId::NONE } else { request.peer }, request.agent);
        let before = devices.remove(&key);
        let request = match before {
            Some(open) => open.join(request, &mut rest),
            None => request,
        };
        if request.news_stream == news.stream() && !is_kept(u64::from(request.news)) {
            devices.insert(key, Joined(request));
            return None;
        }
        Some(request)
    });
    // A poll that waits at the end waits for its timeout.
    let mut left: Vec<Joined> = devices.into_values().collect();
    left.sort_by_key(|open| (open.0.arrival_us, open.0.user));
    rest.extend(left.into_iter().map(|open| open.timed_out()));
    let mut trace = trace;
    rest.into_iter().for_each(|request| trace.push(request));
    trace.seal();
    trace
}

/// A poll that waits on.
struct Joined(Request);

impl Joined {
    /// The poll that ends when the next one of the device ends; those that ran into their timeout before that go to `rest`.
    fn join(self, next: Request, rest: &mut Vec<Request>) -> Request {
        let mut open = self.0;
        let timeout = i64::from(if open.timeout_ms == 0 { USUAL_TIMEOUT_MS } else { open.timeout_ms }) * 1000;
        let answered = next.arrival_us + i64::from(next.long_poll_wait_us());
        if next.arrival_us < open.arrival_us || next.arrival_us - open.arrival_us > GONE_US {
            // The device was away in between: its poll ended by itself.
            rest.push(Joined(open).timed_out());
            return next;
        }
        while answered - open.arrival_us > timeout {
            rest.push(Joined(open).timed_out());
            open.arrival_us += timeout + AWAY_US;
        }
        // How much earlier the joined poll begins than the next one; later, if a timeout lies in between.
        let earlier = next.arrival_us - open.arrival_us;
        let longer = |time: u32| u32::try_from((i64::from(time) + earlier).max(0)).unwrap_or(u32::MAX);
        Request {
            arrival_us: open.arrival_us,
            wall_us: longer(next.wall_us),
            woken_us: if next.news != 0 { longer(next.woken_us) } else { 0 },
            ..next
        }
    }

    /// The poll as it ends without news: it has little to do.
    fn timed_out(self) -> Request {
        let open = self.0;
        let timeout_ms = if open.timeout_ms == 0 { USUAL_TIMEOUT_MS } else { open.timeout_ms };
        let cpu_us = open.cpu_us / 3;
        Request {
            cpu_us,
            db_txn_us: 0,
            db_sched_us: 0,
            db_count: 0,
            events: 0,
            wall_us: timeout_ms.saturating_mul(1000).saturating_add(cpu_us),
            timeout_ms,
            news: 0,
            news_stream: 0,
            woken_us: 0,
            ..open
        }
    }
}

enum Kind {
    Own,
    Relay,
    Other,
}

fn kind(request: &Request, trace: &Trace, endpoints: &[Endpoint], news: News) -> Kind {
    if request.has(flag::INTERNAL) {
        if news.is_relay(trace.names.text(request.template)) { Kind::Relay } else { Kind::Other }
    } else if group_of(request, endpoints) == news.group() {
        Kind::Own
    } else {
        Kind::Other
    }
}

fn group_of<'e>(request: &Request, endpoints: &'e [Endpoint]) -> &'e str {
    endpoints.get(usize::from(request.endpoint.0)).map_or("", |endpoint| endpoint.group.as_str())
}

/// The templates of requests that relay such news.
fn relay_templates(trace: &Trace, news: News, seen: &mut HashMap<NameId, bool>) -> Vec<NameId> {
    for request in trace.requests().filter(|request| request.has(flag::INTERNAL)) {
        seen.entry(request.template).or_insert_with(|| news.is_relay(trace.names.text(request.template)));
    }
    seen.iter().filter(|(_, is_relay)| **is_relay).map(|(template, _)| *template).collect()
}

/// The timeout of most clients.
const USUAL_TIMEOUT_MS: u32 = 30_000;
/// A pause after which a device was away.
const GONE_US: i64 = 120_000_000;
/// From a response to the next poll.
const AWAY_US: i64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_endpoints::EndpointId;

    fn endpoints() -> Vec<Endpoint> {
        ["sync", "presence"]
            .map(|group| Endpoint {
                group: group.to_owned(),
                workers: Vec::new(),
                stream: None,
                condition: None,
                any_worker: false,
                pattern: None,
                internal: false,
            })
            .to_vec()
    }

    /// Polls of one device: (arrival, wait, stream), seconds.
    fn trace(polls: &[(i64, u32, u16)]) -> Trace {
        let mut trace = Trace::new();
        let user = trace.names.intern(b"@a:example.org");
        for (number, (at, wait, stream)) in (1..).zip(polls) {
            let woken_us = if *stream == 0 { 0 } else { wait * 1_000_000 };
            trace.push(Request {
                arrival_us: at * 1_000_000,
                user,
                wall_us: wait * 1_000_000 + 9_000,
                cpu_us: 9_000,
                woken_us,
                news: if *stream == 0 { 0 } else { number },
                news_stream: *stream,
                timeout_ms: 30_000,
                flags: flag::LONG_POLL | flag::WALL | flag::COST,
                ..Request::default()
            });
        }
        trace.push(Request {
            arrival_us: 5_000_000,
            user,
            endpoint: EndpointId(1),
            cpu_us: 2_000,
            flags: flag::COST,
            ..Request::default()
        });
        trace.seal();
        trace
    }

    fn polls(trace: &Trace) -> Vec<(i64, u32, u16)> {
        let polls = trace.requests().filter(|request| request.has(flag::LONG_POLL));
        polls.map(|poll| (poll.arrival_us / 1_000_000, poll.long_poll_wait_us() / 1_000_000, poll.news_stream)).collect()
    }

    #[test]
    fn a_poll_that_presence_woke_waits_for_the_next_news() {
        let log = [(0, 4, 2), (5, 3, 1), (9, 2, 2), (12, 1, 2), (14, 6, 4)];
        let costs = NewsCosts::of(&trace(&log), &endpoints(), News::Presence);
        assert_eq!((costs.own_requests, costs.woken, costs.polls, costs.polls_with_cause), (1, 3, 5, 5));
        let off = with_share(trace(&log), &endpoints(), News::Presence, 0.0, 1);
        // From 0 s to the event at 8 s, then from 9 s to the receipt at 20 s.
        assert_eq!(polls(&off), [(0, 8, 1), (9, 11, 4)]);
        assert_eq!(off.len(), 2, "the request about presence is gone");
        assert_eq!(polls(&with_share(trace(&log), &endpoints(), News::Presence, 1.0, 1)), log);
        assert_eq!(polls(&with_share(trace(&log), &endpoints(), News::Typing, 0.0, 1)), log);
    }

    #[test]
    fn a_joined_poll_is_answered_at_its_timeout() {
        // Presence at 4 s, 25 s and 50 s; an event at 70 s.
        let off = with_share(trace(&[(0, 4, 2), (5, 20, 2), (26, 24, 2), (51, 19, 1)]), &endpoints(), News::Presence, 0.0, 1);
        // Timeouts at 30 s and, a tenth of a second later begun, at 60.1 s; the last poll begins at 60.2 s and ends with the event.
        assert_eq!(polls(&off), [(0, 30, 0), (30, 30, 0), (60, 9, 1)]);
        // And one that nothing wakes any more.
        assert_eq!(polls(&with_share(trace(&[(0, 4, 2)]), &endpoints(), News::Presence, 0.0, 1)), [(0, 30, 0)]);
    }

    #[test]
    fn half_of_the_news_leaves_half_of_the_wake_ups() {
        let log: Vec<(i64, u32, u16)> = (0..2000).map(|number| (number * 10, 9, 2)).collect();
        let half = with_share(trace(&log), &endpoints(), News::Presence, 0.5, 3);
        let woken = polls(&half).iter().filter(|poll| poll.2 == 2).count();
        assert!((900..1100).contains(&woken), "{woken}");
    }
}
