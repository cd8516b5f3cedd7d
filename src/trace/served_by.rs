//! Which process served a request, whatever the proxies call that process.

use std::collections::{BTreeSet, HashMap};

use super::request::{NameId, Request, flag};
use super::store::Trace;

/// The processes behind the proxies' upstreams.
#[derive(Debug, Clone, Default)]
pub struct ServedBy {
    /// Upstreams whose process is known, from requests that proxy and process both logged or from the upstream's name
    /// (`backend/generic_worker1`).
    process_of_upstream: HashMap<NameId, NameId>,
    upstreams_known: bool,
}

impl ServedBy {
    pub fn from_trace(trace: &Trace) -> Self {
        if !trace.has_upstreams() {
            return Self::default();
        }
        let mut pairs: HashMap<(NameId, NameId), u32> = HashMap::new();
        let (mut upstreams, mut processes) = (BTreeSet::new(), HashMap::new());
        // Requests in both logs of which the proxy's names no upstream.
        let mut without_upstream: u64 = 0;
        for request in trace.requests() {
            if request.upstream.is_some() {
                upstreams.insert(request.upstream);
            }
            without_upstream += u64::from(request.has(flag::PROXY) && request.has(flag::SYNAPSE) && !request.upstream.is_some());
            if request.process.is_some() {
                processes.entry(trace.names.text(request.process)).or_insert(request.process);
                // A retried request was at several upstreams, of which the log names one.
                if request.upstream.is_some() && !request.has(flag::RETRIED) {
                    *pairs.entry((request.upstream, request.process)).or_default() += 1;
                }
            }
        }
        // Of two proxies one may log no upstreams: requests without one then reach Synapse like all others.
        let upstreams_known = !upstreams.is_empty() && without_upstream * UPSTREAM_ODDS <= pairs.values().sum::<u32>().into();
        let mut served_by = Self { process_of_upstream: HashMap::new(), upstreams_known };
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
    pub fn process_of(&self, request: &Request) -> NameId {
        if request.process.is_some() {
            return request.process;
        }
        self.process_of_upstream.get(&request.upstream).copied().unwrap_or(request.upstream)
    }

    /// Whether no process of Synapse had a part in a request: the proxy or another program answered.
    pub fn is_proxy_only(&self, request: &Request) -> bool {
        let proxy_only = request.has(flag::PROXY) && !request.has(flag::SYNAPSE);
        proxy_only && (request.has(flag::FOREIGN) || (self.upstreams_known && !request.upstream.is_some()))
    }

    /// Whether the process behind an upstream is known.
    pub fn knows(&self, upstream: NameId) -> bool {
        self.process_of_upstream.contains_key(&upstream)
    }
}

/// Requests with a known upstream for each request that is in both logs without one, from which on that one is an accident.
const UPSTREAM_ODDS: u64 = 10;
