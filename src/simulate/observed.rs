//! The deployment that wrote the logs: its processes, and every request at the process that served it.
//!
//! Invariant: each record's `endpoint` is the number of the process that served it, and pool n holds process n alone; so the
//! routes are the identity, and no rule decides anything.

use std::collections::{BTreeMap, HashMap};

use super::prepare::Prepared;
use super::router::{Answer, Arriving, Router, Routers, Sent, ServerLoad};
use super::station::{Background, Cpu};
use super::topology::{ProcessSpec, Topology, TopologyError};
use super::workload::Workload;
use crate::endpoints::Endpoint;
use crate::trace::{NameId, Names, Request, Trace, flag};

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
        let numbers = Numbers::of(trace);
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
        let served = prepared.requests(trace, endpoints).map(|request| numbers.of_request(&request));
        for (record, process) in workload.records.iter_mut().zip(served) {
            record.endpoint = process;
        }
        Ok(Self { workload, topology, routers: Pinned })
    }
}

/// The name of the process that served a request, as far as logged; [`NameId::NONE`] if unknown.
pub(super) fn process_of(request: &Request) -> NameId {
    if request.process.is_some() { request.process } else { request.upstream }
}

/// Processes by number: main first, then by name.
struct Numbers {
    names: Vec<String>,
    by_id: HashMap<NameId, u16>,
    persisters: Vec<u16>,
}

impl Numbers {
    fn of(trace: &Trace) -> Self {
        let mut seen: BTreeMap<&str, (NameId, bool)> = BTreeMap::new();
        let mut known: HashMap<NameId, bool> = HashMap::new();
        for request in trace.requests() {
            let persists = is_hop(&request, &trace.names);
            *known.entry(process_of(&request)).or_default() |= persists;
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

    fn of_request(&self, request: &Request) -> u16 {
        self.by_id.get(&process_of(request)).copied().unwrap_or(0)
    }
}

/// Whether a request hands an event to its persister (`/_synapse/replication/send_event/…`, `send_events/…`, `fed_send_events/…`).
pub(super) fn is_hop(request: &Request, names: &Names) -> bool {
    request.has(flag::INTERNAL) && names.text(request.template).contains("send_event")
}

const MAIN: &str = "main";
