//! Drivers: bytes through a kind of reader, and what must hold afterwards.

pub mod http;

use std::cell::RefCell;

use super::logs::{self, Line, Parser, StampReader, Zone};
use super::read;

/// Every line of `data` through a parser: exactly one of three, never a panic, and a fork says the same.
///
/// The parsers stay from one input to the next, because making them costs more than a line. The fork skips lines, so that its caches differ.
pub fn lines(make: fn() -> Box<dyn Parser>, data: &[u8]) {
    thread_local! {
        static PARSERS: RefCell<Option<(Box<dyn Parser>, Box<dyn Parser>)>> = const { RefCell::new(None) };
    }
    PARSERS.with_borrow_mut(|parsers| {
        let (parser, fork) = parsers.get_or_insert_with(|| {
            let parser = make();
            let fork = parser.fork();
            (parser, fork)
        });
        check_lines(parser.as_mut(), fork.as_mut(), data);
    });
}

/// The same with a parser for this input only.
pub fn lines_of(parser: &mut dyn Parser, data: &[u8]) {
    let mut fork = parser.fork();
    check_lines(parser, fork.as_mut(), data);
}

fn check_lines(parser: &mut dyn Parser, fork: &mut dyn Parser, data: &[u8]) {
    for (number, line) in logs::blocks::lines(data).enumerate() {
        if let Some(update) = parser.update(line) {
            assert!(update.from <= update.to, "a stream moves on");
        }
        let parsed = parser.parse(line);
        match &parsed {
            Line::Malformed(why) => assert!(why.column <= line.len(), "the column lies in the line"),
            Line::Request(record) => {
                let _ = record.arrival_us();
            }
            Line::NotRequest => {}
        }
        if (number + line.len()) % 2 == 0 {
            assert_eq!(parsed, fork.parse(line));
        }
    }
}

/// Requests through every site of a proxy, and their keys: never a panic, always an end.
pub fn route(proxy: &read::Proxy) {
    for site in proxy.sites.iter().take(SITES_MAX) {
        for (method, target) in [
            ("GET", "/"),
            ("GET", "/_matrix/client/v3/sync?since=s1"),
            ("PUT", "/_matrix/client/v3/rooms/!a%3Ab/send/m.room.message/1?access_token=syt_YWxpY2U_a_b"),
        ] {
            let request = read::Request::new(method, target).with_header("Authorization", "Bearer syt_YWxpY2U_a_b");
            let routed = site.route(&request);
            if let read::RouteTarget::Pool(pool) = routed.target {
                assert!(pool < proxy.pools.len(), "the pool exists");
            }
        }
    }
}

/// A reader of stamps in UTC.
pub fn stamps() -> StampReader {
    StampReader::new(Zone::utc())
}

/// An input of several parts: they are divided by bytes 0xFF, which no UTF-8 text has.
pub fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0xff);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// The part of some bytes that is text.
pub fn text(data: &[u8]) -> &str {
    match std::str::from_utf8(data) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&data[..error.valid_up_to()]).unwrap_or_default(),
    }
}

const SITES_MAX: usize = 20;
