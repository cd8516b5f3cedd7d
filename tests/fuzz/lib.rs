//! What the fuzz targets share: the crates that read bytes from outside, and one driver each.

pub use wsim_configure::read;
pub use wsim_endpoints as endpoints;
pub use wsim_logs as logs;
pub use wsim_nginx as nginx;

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
