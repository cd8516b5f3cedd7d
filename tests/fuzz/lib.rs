//! The modules that read bytes from outside, compiled alone.
#![allow(missing_docs, dead_code)]

#[path = "../../src/endpoints/mod.rs"]
pub mod endpoints;
#[path = "../../src/logs/mod.rs"]
pub mod logs;
#[path = "../../src/configure/read/mod.rs"]
pub mod read;

use logs::{Line, Parser, StampReader, Zone};

/// Every line of `data` through a parser: exactly one of three, never a panic, and a fork says the same.
pub fn lines(parser: &mut dyn Parser, data: &[u8]) {
    let mut fork = parser.fork();
    for line in logs::blocks::lines(data) {
        let one = format!("{:?}", parser.parse(line));
        assert_eq!(one, format!("{:?}", fork.parse(line)));
        if let Line::Malformed(why) = parser.parse(line) {
            assert!(why.column <= line.len(), "the column lies in the line");
        }
    }
}

/// Requests through every site of a proxy, and their keys: never a panic, always an end.
pub fn route(proxy: &read::Proxy) {
    for site in &proxy.sites {
        for (method, target) in [
            ("GET", "/"),
            ("GET", "/_matrix/client/v3/sync?since=s1"),
            ("PUT", "/_matrix/client/v3/rooms/!a%3Ab/send/m.room.message/1?access_token=syt_YWxpY2U_a_b"),
        ] {
            let request = read::Request::new(method, target).with_header("Authorization", "Bearer syt_YWxpY2U_a_b");
            let routed = site.route(&request);
            if let read::Answer::Pool(pool) = routed.answer {
                assert!(pool < proxy.pools.len(), "the pool exists");
            }
        }
    }
}

/// A reader of stamps in UTC.
pub fn stamps() -> StampReader {
    StampReader::new(Zone::utc())
}
