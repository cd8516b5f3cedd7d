//! Arbitrary requests for property tests of this crate and, by path, of `parquet`.

use proptest::prelude::*;
use wsim_endpoints::{EndpointId, Method};

use super::{NameId, Request};

/// Any request with names below 10.
pub(crate) fn any_request() -> impl Strategy<Value = Request> {
    let times = (any::<i64>(), any::<u32>(), any::<i32>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
    let names = proptest::array::uniform7(0u32..10);
    let rest = (any::<[u32; 7]>(), any::<u64>(), any::<u32>(), any::<u16>(), 0u16..1000, 0u8..8, any::<u16>());
    (times, names, rest).prop_map(|(t, n, (counts, request_id, match_hash, endpoint, status, method, flags))| Request {
        arrival_us: t.0,
        wall_us: t.1,
        send_us: t.2,
        proxy_us: t.3,
        cpu_us: t.4,
        db_sched_us: t.5,
        db_txn_us: t.6,
        db_count: counts[0],
        events: counts[1],
        bytes_sent: counts[2],
        bytes_received: counts[3],
        timeout_ms: counts[4],
        user: NameId(n[0]),
        room: NameId(n[1]),
        peer: NameId(n[2]),
        template: NameId(n[3]),
        agent: NameId(n[4]),
        process: NameId(n[5]),
        upstream: NameId(n[6]),
        request_id,
        match_hash,
        since: 0,
        news: counts[5],
        news_stream: u16::try_from(counts[5] % 9).unwrap_or(0),
        woken_us: counts[6],
        endpoint: EndpointId(endpoint),
        status,
        method: Method::from_number(method),
        flags,
    })
}
