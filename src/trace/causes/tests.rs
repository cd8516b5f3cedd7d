use super::*;
use crate::request::{NameId, Request, flag};
use wsim_endpoints::Method;

/// A log of which the polls of some devices in one room and the sends are known.
struct Log {
    trace: Trace,
    sources: NewsSources,
}

impl Log {
    fn new() -> Self {
        Self { trace: Trace::new(), sources: NewsSources::default() }
    }

    fn poll(&mut self, user: u32, at_ms: i64, end_ms: i64, since: &str) {
        let since = self.sources.tokens.number(since.as_bytes());
        let ms = |ms: i64| u32::try_from(ms * 1000).unwrap();
        self.trace.push(Request {
            arrival_us: at_ms * 1000,
            wall_us: ms(end_ms - at_ms),
            cpu_us: 4000,
            timeout_ms: 30_000,
            user: NameId(user),
            since,
            status: 200,
            method: Method::Get,
            flags: flag::LONG_POLL | flag::COST | flag::WALL,
            ..Request::default()
        });
    }

    fn send(&mut self, at_ms: i64, end_ms: i64) {
        let template = self.trace.names.intern(b"/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}");
        let wall_us = u32::try_from((end_ms - at_ms) * 1000).unwrap();
        self.trace.push(Request { arrival_us: at_ms * 1000, wall_us, template, status: 200, method: Method::Put, ..Request::default() });
    }

    fn update(&mut self, stream: Stream, from: u64, to: u64, at_ms: i64) {
        self.sources.updates.push(StreamUpdate { stream, from, to, at_us: at_ms * 1000 });
    }

    /// (news, stream, woken after ms) of every request in order of arrival.
    fn found(mut self) -> Vec<(u32, u16, u32)> {
        self.trace.seal();
        let found = find(self.trace, self.sources);
        found.requests().inspect(|r| assert_eq!(r.since, 0)).map(|r| (r.news, r.news_stream, r.woken_us / 1000)).collect()
    }
}

/// Three users wait for one event, which a send makes; a receipt wakes one of them again.
fn herd() -> Log {
    let mut log = Log::new();
    for (user, at_ms, end_ms) in [(1, 0, 2050), (2, 100, 2090), (3, 200, 2120)] {
        log.poll(user, at_ms, end_ms, "s10_5_1_7_1_1_1_1");
    }
    log.send(1900, 2040);
    log.poll(1, 2060, 3030, "s11_5_1_7_1_1_1_1");
    log.poll(2, 2100, 32_104, "s11_5_1_7_1_1_1_1");
    log.poll(3, 2130, 32_134, "s11_5_1_7_1_1_1_1");
    log.poll(1, 3040, 33_044, "s11_5_1_8_1_1_1_1");
    log
}

#[test]
fn polls_with_one_update_are_one_herd_of_the_send_that_was_under_way() {
    let mut log = herd();
    log.update(Stream::Events, 10, 11, 2010);
    log.update(Stream::Receipts, 7, 8, 3000);
    let none = (0, 0, 0);
    let expected = [(1, 1, 2010), (1, 1, 1910), (1, 1, 1810), (1, 1, 0), (2, 4, 940), none, none, none];
    assert_eq!(log.found(), expected);
}

#[test]
fn herds_are_found_without_the_writers_lines() {
    let found = herd().found();
    assert_eq!(found[..4].iter().map(|(news, stream, _)| (*news, *stream)).collect::<Vec<_>>(), [(1, 1); 4]);
    // The first poll's work began at 2046 ms.
    assert_eq!(found[..3].iter().map(|(.., woken)| *woken).collect::<Vec<_>>(), [2046, 1946, 1846]);
    assert_eq!((found[4].0, found[4].1), (2, 4));
}

#[test]
fn news_before_the_poll_wakes_it_at_its_arrival() {
    let mut log = Log::new();
    log.poll(1, 500, 540, "s10_5_1");
    log.poll(1, 550, 30_554, "s12_5_1");
    log.update(Stream::Events, 10, 11, 400);
    log.update(Stream::Events, 11, 12, 450);
    assert_eq!(log.found()[0], (1, 1, 0));
}

#[test]
fn the_last_update_is_the_cause_and_a_timeout_has_none() {
    let mut log = Log::new();
    log.poll(1, 0, 1050, "s10_5_1");
    log.poll(1, 1060, 31_060, "s11_6_1");
    log.poll(1, 31_070, 31_100, "s12_6_1");
    log.update(Stream::Events, 10, 11, 900);
    log.update(Stream::Presence, 5, 6, 1000);
    log.update(Stream::Events, 11, 12, 5000);
    assert_eq!(log.found(), [(1, 2, 1000), (0, 0, 0), (0, 0, 0)]);
}

#[test]
fn two_devices_of_a_user_keep_their_own_tokens() {
    let mut log = Log::new();
    log.poll(1, 0, 1040, "s10_5_1");
    log.poll(1, 10, 2040, "s10_4_1");
    log.poll(1, 1050, 2050, "s11_5_1");
    log.poll(1, 2060, 32_070, "s12_5_1");
    log.poll(1, 2080, 2090, "s12_5_1");
    log.update(Stream::Events, 10, 11, 1000);
    log.update(Stream::Events, 11, 12, 2000);
    let news: Vec<u32> = log.found().into_iter().map(|(news, ..)| news).collect();
    assert_eq!(news[..3], [1, 2, 2]);
}

#[test]
fn a_trace_without_tokens_stays_as_it_is() {
    let mut log = Log::new();
    log.send(0, 10);
    assert_eq!(log.found(), [(0, 0, 0)]);
}
