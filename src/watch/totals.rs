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

/// Counters by group and by process.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Totals {
    pub(crate) groups: BTreeMap<String, Count>,
    pub(crate) processes: BTreeMap<String, Count>,
}

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

fn count(counts: &mut BTreeMap<String, Count>, name: &str, request: &Request) {
    // Names are text of a log, of which there may be any number.
    let name = if counts.len() < NAMES_MAX || counts.contains_key(name) { name } else { "(others)" };
    if !counts.contains_key(name) {
        counts.insert(name.to_owned(), Count::default());
    }
    if let Some(count) = counts.get_mut(name) {
        count.requests += 1;
        count.errors += u64::from(request.status >= 500 || request.status == 0);
        count.cpu_us += u64::from(request.cpu_us);
    }
}

const NAMES_MAX: usize = 500;
