//! Which process served a request, and which requests between processes hand over events.

use wsim_trace::{Names, Request, flag};

pub(super) use wsim_trace::ServedBy;

/// Whether a request is the replication RPC that hands an event to its persister (`/_synapse/replication/send_event/…`,
/// `send_events/…`, `fed_send_events/…`).
pub(super) fn is_persist_rpc(request: &Request, names: &Names) -> bool {
    request.has(flag::INTERNAL) && names.text(request.template).contains("send_event")
}
