//! Counters since the start, for metrics: they only grow.

use std::collections::BTreeMap;

use wsim_endpoints::Endpoint;
use wsim_trace::{Names, Request, flag};

/// Requests and their CPU.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Count {
    pub(crate) requests: u64,
    /// Responses of 500 and up, and none.
    pub(crate) errors: u64,
    pub(crate) cpu_us: u64,
}

/// Counters by group and by process, for lines of proxies and of Synapse: a request that both log is in both.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Totals {
    pub(crate) groups: Counts,
    pub(crate) processes: Counts,
}

/// By name and by whose line it is.
pub(crate) type Counts = BTreeMap<(String, &'static str), Count>;

impl Totals {
    pub(crate) fn add(&mut self, request: &Request, endpoints: &[Endpoint], names: &Names) {
        let group = endpoints.get(usize::from(request.endpoint.0)).map_or("other", |endpoint| endpoint.group.as_str());
        let group = if request.has(flag::INTERNAL) { "between processes" } else { group };
        count(&mut self.groups, group, request);
        let process = if request.process.is_some() { request.process } else { request.upstream };
        if process.is_some() {
            count(&mut self.processes, names.text(process), request);
        }
    }
}

fn count(counts: &mut Counts, name: &str, request: &Request) {
    let whose = if request.has(flag::SYNAPSE) { "synapse" } else { "proxy" };
    let key = (name.to_owned(), whose);
    // Names are text of a log, of which there may be any number.
    let key = if counts.len() < NAMES_MAX || counts.contains_key(&key) { key } else { ("(others)".to_owned(), whose) };
    let count = counts.entry(key).or_default();
    count.requests += 1;
    count.errors += u64::from(request.status >= 500 || request.status == 0);
    count.cpu_us += u64::from(request.cpu_us);
}

const NAMES_MAX: usize = 500;
