//! Short constructors for the tests of this crate.

use std::sync::Arc;

use wsim_endpoints::{Endpoint, Method};
use wsim_trace::{Request, flag};

/// A request with an arrival time only.
pub(super) fn request(arrival_us: i64) -> Request {
    Request { arrival_us, status: 200, method: Method::Get, ..Request::default() }
}

/// A request as Synapse logs it.
pub(super) fn costed(arrival_us: i64, wall_us: u32, cpu_us: u32) -> Request {
    Request { wall_us, cpu_us, flags: flag::WALL | flag::COST | flag::SYNAPSE, ..request(arrival_us) }
}

/// A request as a proxy logs it.
pub(super) fn timed(arrival_us: i64, wall_us: u32) -> Request {
    Request { wall_us, flags: flag::WALL | flag::PROXY, ..request(arrival_us) }
}

pub(super) fn endpoint(group: &str, workers: &[&str], stream: Option<&str>) -> Endpoint {
    Endpoint {
        group: group.to_owned(),
        workers: workers.iter().map(|&w| w.to_owned()).collect(),
        stream: stream.map(str::to_owned),
        condition: None,
        any_worker: false,
        pattern: (group == "replication").then(|| "^/_synapse/replication/send_events?/".to_owned()),
        internal: group == "replication",
    }
}

/// 0 sync, 1 event sending, 2 typing (stream), 3 client_other (main), 4 federation_send, 5 media, 6 replication.
pub(super) fn table() -> Arc<[Endpoint]> {
    let generic = &["generic_worker"];
    [
        endpoint("sync", generic, None),
        endpoint("event_sending", generic, None),
        endpoint("typing", generic, Some("typing")),
        endpoint("client_other", &[], None),
        endpoint("federation_send", generic, None),
        endpoint("media", &["media_repository"], None),
        endpoint("replication", &[], None),
    ]
    .into()
}
