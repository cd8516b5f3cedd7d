//! The deployment that wrote the logs: its processes, and every request at the process that served it.
//!
//! Invariant: each record's `endpoint` is the index of the process that served it, and pool n holds process n alone. So the routes are the
//! identity, and no balancing rule decides anything.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::served_by::{ServedBy, is_persist_rpc};
use crate::synapse::outages::Outages;
use crate::synapse::room_shards::RoomShards;
use crate::synapse::router::{Arrival, Router, Routers, RoutingDecision, ServerLoad};
use crate::synapse::topology::{ProcessSpec, Topology, TopologyError};
use crate::synapse::workload::Workload;
use wsim_balance::ServerSlot;
use wsim_trace::{NameId, Trace};

/// The observed deployment with the requests pinned to its processes.
#[derive(Debug, Clone)]
pub(super) struct ObservedDeployment {
    /// The prepared requests; `endpoint` is the index of the process.
    pub(super) workload: Workload,
    /// Processes as logged (main first, then by name), one pool each.
    pub(super) topology: Topology,
    pub(super) routers: PinnedRouters,
}

/// Routers of pools of one process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PinnedRouters;

impl Routers for PinnedRouters {
    fn router(&self, _: usize, _: usize, _: u64) -> Box<dyn Router> {
        Box::new(Self)
    }
}

impl Router for PinnedRouters {
    fn route(&mut self, _: &Arrival<'_>, _: &[ServerLoad]) -> RoutingDecision {
        RoutingDecision::Server(ServerSlot::new(0, 0))
    }
}

impl ObservedDeployment {
    /// `served` names the process that served each of the workload's records, in their order; `spec` describes a process by its name.
    ///
    /// # Errors
    /// The logs name more processes than can be simulated.
    pub(super) fn new(
        trace: &Trace,
        served_by: &ServedBy,
        mut workload: Workload,
        served: impl Iterator<Item = NameId>,
        spec: impl Fn(&str) -> ProcessSpec,
    ) -> Result<Self, TopologyError> {
        let indices = ProcessIndices::from_trace(trace, served_by);
        let processes: Vec<ProcessSpec> = indices.names.iter().map(|name| spec(name)).collect();
        let count = u16::try_from(processes.len()).unwrap_or(u16::MAX);
        let topology = Topology {
            processes,
            pools: (0..count).map(|index| vec![index]).collect(),
            routes: (0..count).collect(),
            record_routes: Arc::default(),
            persisters: indices.persisters.clone(),
            room_shards: RoomShards::new(&workload.records, &trace.names, indices.persisters.len()),
            local_shares: Vec::new(),
            machine: None,
            outages: Outages::NONE,
        };
        topology.check()?;
        for (record, process) in workload.records.iter_mut().zip(served) {
            record.endpoint = indices.index_of(process);
        }
        Ok(Self { workload, topology, routers: PinnedRouters })
    }
}

/// The processes of a trace by index: main first, then by name.
struct ProcessIndices {
    names: Vec<String>,
    by_id: HashMap<NameId, u16>,
    persisters: Vec<u16>,
}

impl ProcessIndices {
    fn from_trace(trace: &Trace, served_by: &ServedBy) -> Self {
        let mut seen: BTreeMap<&str, (NameId, bool)> = BTreeMap::new();
        let mut known: HashMap<NameId, bool> = HashMap::new();
        for request in trace.requests() {
            let persists = is_persist_rpc(&request, &trace.names);
            *known.entry(served_by.process_of(&request)).or_default() |= persists;
        }
        for (id, persists) in known.into_iter().filter(|(id, _)| id.is_some()) {
            seen.insert(trace.names.text(id), (id, persists));
        }
        // Synapse writes events in the main process unless a persister is configured, so there always is a main process.
        let mut indices = Self { names: vec![MAIN.to_owned()], by_id: HashMap::new(), persisters: Vec::new() };
        let is_only = seen.len() == 1;
        for (name, (id, persists)) in seen {
            let index = if name == MAIN || is_only {
                indices.names[0] = name.to_owned();
                0
            } else {
                indices.names.push(name.to_owned());
                u16::try_from(indices.names.len() - 1).unwrap_or(u16::MAX)
            };
            indices.by_id.insert(id, index);
            if persists {
                indices.persisters.push(index);
            }
        }
        indices
    }

    fn index_of(&self, process: NameId) -> u16 {
        self.by_id.get(&process).copied().unwrap_or(0)
    }
}

const MAIN: &str = "main";

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_trace::{Request, flag};

    fn request(process: NameId, upstream: NameId) -> Request {
        let logged = if process.is_some() { flag::SYNAPSE } else { 0 };
        Request { process, upstream, flags: flag::PROXY | logged, ..Request::default() }
    }

    #[test]
    fn upstreams_are_the_processes_that_responded_there() {
        let mut trace = Trace::new();
        let [worker, address, by_name, unknown] =
            ["generic_worker1", "127.0.0.1:8081", "sync/generic_worker1", "10.0.0.9:1"].map(|name| trace.names.intern(name.as_bytes()));
        trace.push(request(worker, address));
        for upstream in [by_name, unknown] {
            trace.push(request(NameId::NONE, upstream));
        }
        trace.seal();
        let served_by = ServedBy::from_trace(&trace);
        let of = |upstream| served_by.process_of(&request(NameId::NONE, upstream));
        assert_eq!([address, by_name, unknown].map(of), [worker, worker, unknown]);
        assert!(served_by.is_proxy_only(&request(NameId::NONE, NameId::NONE)));
        let indices = ProcessIndices::from_trace(&trace, &served_by);
        assert_eq!(indices.names, ["main", "10.0.0.9:1", "generic_worker1"]);
    }

    #[test]
    fn a_single_process_is_the_main_process() {
        let mut trace = Trace::new();
        let only = trace.names.intern(b"homeserver");
        trace.push(request(only, NameId::NONE));
        trace.seal();
        let indices = ProcessIndices::from_trace(&trace, &ServedBy::from_trace(&trace));
        assert_eq!((indices.names.as_slice(), indices.index_of(only)), (["homeserver".to_owned()].as_slice(), 0));
    }
}
