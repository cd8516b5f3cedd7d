//! The deployment that wrote the logs: its processes, and every request at the process that served it.
//!
//! Invariant: each record's `endpoint` is the number of the process that served it, and pool n holds process n alone; so the
//! routes are the identity, and no rule decides anything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::prepare::Prepared;
use super::router::{Answer, Arriving, Router, Routers, Sent, ServerLoad};
use super::station::{Background, Cpu};
use super::topology::{ProcessSpec, Topology, TopologyError};
use super::workload::Workload;
use wsim_endpoints::Endpoint;
use wsim_trace::{NameId, Names, Request, Trace, flag};

/// The observed deployment with the requests pinned to its processes.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The prepared requests; `endpoint` is the number of the process.
    pub workload: Workload,
    /// Processes as logged (main first, then by name), one pool each.
    pub topology: Topology,
    /// Sends every request to its process.
    pub routers: Pinned,
}

/// Routers that have nothing to decide.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pinned;

impl Routers for Pinned {
    fn router(&self, _: usize, _: usize, _: u64) -> Box<dyn Router> {
        Box::new(Self)
    }
}

impl Router for Pinned {
    fn pick(&mut self, _: &Arriving<'_>, _: &[ServerLoad]) -> Answer {
        Answer::Sent(Sent::to(0))
    }
}

/// What is known of a process beside its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessFacts {
    /// What it may use of its machine.
    pub cpu: Cpu,
    /// Connections to the database.
    pub connections: u32,
    /// Work it does whatever comes.
    pub background: Background,
}

impl Observed {
    /// Takes the deployment from a trace. `facts` are of processes by name; others have a whole core and what `prepared` says.
    ///
    /// # Errors
    /// The logs name more processes than can be simulated.
    pub fn of(
        trace: &Trace,
        endpoints: &[Endpoint],
        prepared: &Prepared,
        facts: &BTreeMap<String, ProcessFacts>,
    ) -> Result<Self, TopologyError> {
        let numbers = Numbers::of(trace, &prepared.servers);
        let spec = |name: &String| {
            let known = facts.get(name).copied();
            let ProcessFacts { cpu, connections, background } = known.unwrap_or_else(|| prepared.facts_of(name, Cpu::CORE));
            ProcessSpec { name: name.clone(), cpu, connections, background }
        };
        let processes: Vec<ProcessSpec> = numbers.names.iter().map(spec).collect();
        let count = u16::try_from(processes.len()).unwrap_or(u16::MAX);
        let topology = Topology {
            processes,
            pools: (0..count).map(|number| vec![number]).collect(),
            routes: (0..count).collect(),
            persisters: numbers.persisters.clone(),
        };
        topology.check()?;
        let mut workload = prepared.workload.clone();
        let served = prepared.requests(trace, endpoints).map(|request| numbers.of_request(prepared.servers.of(&request)));
        for (record, process) in workload.records.iter_mut().zip(served) {
            record.endpoint = process;
        }
        Ok(Self { workload, topology, routers: Pinned })
    }
}

/// Which process served a request, whatever the proxies call it.
#[derive(Debug, Clone, Default)]
pub(super) struct Servers {
    /// Upstreams whose process is known, from requests that both logged or from the name (`backend/generic_worker1`).
    of_upstream: HashMap<NameId, NameId>,
    upstreams_known: bool,
}

impl Servers {
    pub(super) fn of_trace(trace: &Trace) -> Self {
        let mut pairs: HashMap<(NameId, NameId), u32> = HashMap::new();
        let (mut upstreams, mut processes) = (BTreeSet::new(), HashMap::new());
        for request in trace.requests() {
            if request.upstream.is_some() {
                upstreams.insert(request.upstream);
            }
            if request.process.is_some() {
                processes.entry(trace.names.text(request.process)).or_insert(request.process);
                // Of several that were tried the log names one.
                if request.upstream.is_some() && !request.has(flag::RETRIED) {
                    *pairs.entry((request.upstream, request.process)).or_default() += 1;
                }
            }
        }
        let mut servers = Self { of_upstream: HashMap::new(), upstreams_known: !upstreams.is_empty() };
        for upstream in upstreams {
            let seen = pairs.iter().filter(|((name, _), _)| *name == upstream).max_by_key(|((_, process), count)| (**count, *process));
            let named = || trace.names.text(upstream).rsplit('/').next().and_then(|name| processes.get(name)).copied();
            if let Some(process) = seen.map(|((_, process), _)| *process).or_else(named) {
                servers.of_upstream.insert(upstream, process);
            }
        }
        servers
    }

    /// The name of the process that served a request, as far as logged; [`NameId::NONE`] if unknown.
    pub(super) fn of(&self, request: &Request) -> NameId {
        if request.process.is_some() {
            return request.process;
        }
        self.of_upstream.get(&request.upstream).copied().unwrap_or(request.upstream)
    }

    /// Whether the proxy answered it alone.
    pub(super) fn is_nobodys(&self, request: &Request) -> bool {
        self.upstreams_known && request.has(flag::PROXY) && !request.has(flag::SYNAPSE) && !request.upstream.is_some()
    }
}

/// Processes by number: main first, then by name.
struct Numbers {
    names: Vec<String>,
    by_id: HashMap<NameId, u16>,
    persisters: Vec<u16>,
}

impl Numbers {
    fn of(trace: &Trace, servers: &Servers) -> Self {
        let mut seen: BTreeMap<&str, (NameId, bool)> = BTreeMap::new();
        let mut known: HashMap<NameId, bool> = HashMap::new();
        for request in trace.requests() {
            let persists = is_hop(&request, &trace.names);
            *known.entry(servers.of(&request)).or_default() |= persists;
        }
        for (id, persists) in known.into_iter().filter(|(id, _)| id.is_some()) {
            seen.insert(trace.names.text(id), (id, persists));
        }
        // Synapse writes events in the main process unless a persister is configured, so there is always one.
        let mut numbers = Self { names: vec![MAIN.to_owned()], by_id: HashMap::new(), persisters: Vec::new() };
        let alone = seen.len() == 1;
        for (name, (id, persists)) in seen {
            let number = if name == MAIN || alone {
                numbers.names[0] = name.to_owned();
                0
            } else {
                numbers.names.push(name.to_owned());
                u16::try_from(numbers.names.len() - 1).unwrap_or(u16::MAX)
            };
            numbers.by_id.insert(id, number);
            if persists {
                numbers.persisters.push(number);
            }
        }
        numbers
    }

    fn of_request(&self, process: NameId) -> u16 {
        self.by_id.get(&process).copied().unwrap_or(0)
    }
}

/// Whether a request hands an event to its persister (`/_synapse/replication/send_event/…`, `send_events/…`, `fed_send_events/…`).
pub(super) fn is_hop(request: &Request, names: &Names) -> bool {
    request.has(flag::INTERNAL) && names.text(request.template).contains("send_event")
}

const MAIN: &str = "main";

#[cfg(test)]
mod tests {
    use super::*;

    fn request(process: NameId, upstream: NameId) -> Request {
        let seen = if process.is_some() { flag::SYNAPSE } else { 0 };
        Request { process, upstream, flags: flag::PROXY | seen, ..Request::EMPTY }
    }

    #[test]
    fn upstreams_are_the_processes_that_answered_there() {
        let mut trace = Trace::new();
        let [worker, address, by_name, stranger] =
            ["generic_worker1", "127.0.0.1:8081", "sync/generic_worker1", "10.0.0.9:1"].map(|name| trace.names.intern(name.as_bytes()));
        trace.push(request(worker, address));
        for upstream in [by_name, stranger] {
            trace.push(request(NameId::NONE, upstream));
        }
        trace.seal();
        let servers = Servers::of_trace(&trace);
        let of = |upstream| servers.of(&request(NameId::NONE, upstream));
        assert_eq!([address, by_name, stranger].map(of), [worker, worker, stranger]);
        assert!(servers.is_nobodys(&request(NameId::NONE, NameId::NONE)));
        let numbers = Numbers::of(&trace, &servers);
        assert_eq!(numbers.names, ["main", "10.0.0.9:1", "generic_worker1"]);
    }

    #[test]
    fn a_process_alone_is_the_main_process() {
        let mut trace = Trace::new();
        let only = trace.names.intern(b"homeserver");
        trace.push(request(only, NameId::NONE));
        trace.seal();
        let numbers = Numbers::of(&trace, &Servers::of_trace(&trace));
        assert_eq!((numbers.names.as_slice(), numbers.of_request(only)), (["homeserver".to_owned()].as_slice(), 0));
    }
}
