//! Which process served a request, whatever the proxies call that process.

use std::collections::{BTreeSet, HashMap};

use wsim_trace::{NameId, Names, Request, Trace, flag};

/// The processes behind the proxies' upstreams.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServedBy {
    /// Upstreams whose process is known, from requests that proxy and process both logged or from the upstream's name
    /// (`backend/generic_worker1`).
    process_of_upstream: HashMap<NameId, NameId>,
    upstreams_known: bool,
}

impl ServedBy {
    pub(super) fn from_trace(trace: &Trace) -> Self {
        let mut pairs: HashMap<(NameId, NameId), u32> = HashMap::new();
        let (mut upstreams, mut processes) = (BTreeSet::new(), HashMap::new());
        for request in trace.requests() {
            if request.upstream.is_some() {
                upstreams.insert(request.upstream);
            }
            if request.process.is_some() {
                processes.entry(trace.names.text(request.process)).or_insert(request.process);
                // A retried request was at several upstreams, of which the log names one.
                if request.upstream.is_some() && !request.has(flag::RETRIED) {
                    *pairs.entry((request.upstream, request.process)).or_default() += 1;
                }
            }
        }
        let mut served_by = Self { process_of_upstream: HashMap::new(), upstreams_known: !upstreams.is_empty() };
        for upstream in upstreams {
            let most_seen = pairs.iter().filter(|((name, _), _)| *name == upstream).max_by_key(|((_, process), count)| (**count, *process));
            let by_name = || trace.names.text(upstream).rsplit('/').next().and_then(|name| processes.get(name)).copied();
            if let Some(process) = most_seen.map(|((_, process), _)| *process).or_else(by_name) {
                served_by.process_of_upstream.insert(upstream, process);
            }
        }
        served_by
    }

    /// The process that served a request, else its upstream; [`NameId::NONE`] if neither was logged.
    pub(super) fn process_of(&self, request: &Request) -> NameId {
        if request.process.is_some() {
            return request.process;
        }
        self.process_of_upstream.get(&request.upstream).copied().unwrap_or(request.upstream)
    }

    /// Whether the proxy responded without any process.
    pub(super) fn is_proxy_only(&self, request: &Request) -> bool {
        self.upstreams_known && request.has(flag::PROXY) && !request.has(flag::SYNAPSE) && !request.upstream.is_some()
    }
}

/// Whether a request is the replication RPC that hands an event to its persister (`/_synapse/replication/send_event/…`,
/// `send_events/…`, `fed_send_events/…`).
pub(super) fn is_persist_rpc(request: &Request, names: &Names) -> bool {
    request.has(flag::INTERNAL) && names.text(request.template).contains("send_event")
}
