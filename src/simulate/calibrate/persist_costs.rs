//! What writing an event costs: the replication RPC to the persister, the persister's CPU, the database.
//!
//! With a persister's log the three are taken from its RPC lines; without one they are assumed, and bounded by how long the senders
//! waited.

use super::between_processes::HOP_CPU;
use crate::engine::time::Span;
use crate::synapse::topology::Costs;
use wsim_trace::Request;

/// The replication RPCs that handed events to persisters, as logged.
#[derive(Default)]
pub(super) struct PersistRpcs {
    cpu_us: u64,
    wall_us: Vec<u32>,
    /// Wall time of sending requests that their own lines do not explain, µs.
    unexplained_us: Vec<u32>,
}

impl PersistRpcs {
    /// Counts an RPC at its persister.
    pub(super) fn observe(&mut self, request: &Request) {
        self.cpu_us += u64::from(request.cpu_us);
        self.wall_us.push(request.wall_us);
    }

    /// Counts a client's request that made an event.
    pub(super) fn observe_sender(&mut self, request: &Request) {
        let explained = request.cpu_us.saturating_add(request.db_txn_us).saturating_add(request.db_sched_us);
        self.unexplained_us.push(request.wall_us.saturating_sub(explained));
    }
}

/// Seconds per written event.
pub(super) struct PersistCosts {
    rpc_cpu: f64,
    persist_cpu: f64,
    persist_db: f64,
    /// Number of RPCs that these costs come from; 0: they are assumed.
    pub(super) rpcs_seen: usize,
}

impl PersistCosts {
    /// `persist`: CPU of a persister for an event, s.
    pub(super) fn new(rpcs: &PersistRpcs, persist: f64) -> Self {
        let Some(median) = median_seconds(&rpcs.wall_us) else {
            // Writing takes no longer than the senders' unexplained wait.
            let most = median_seconds(&rpcs.unexplained_us).map_or(f64::INFINITY, |wait| (wait - 2.0 * RPC_DELAY - RPC_CPU).max(0.0));
            let persist_cpu = persist.min(most);
            return Self { rpc_cpu: RPC_CPU, persist_cpu, persist_db: PERSIST_DB.min(most - persist_cpu), rpcs_seen: 0 };
        };
        let rpc_cpu = rpcs.cpu_us as f64 / 1e6 / rpcs.wall_us.len() as f64;
        let persist_cpu = (persist - rpc_cpu).clamp(0.0, (median - rpc_cpu).max(0.0));
        Self { rpc_cpu, persist_cpu, persist_db: (median - rpc_cpu - persist_cpu).max(0.0), rpcs_seen: rpcs.wall_us.len() }
    }

    /// All of the persister's time for an event, s.
    pub(super) fn total(&self) -> f64 {
        self.rpc_cpu + self.persist_cpu + self.persist_db
    }

    /// CPU of the persister for an event that another process made, s.
    pub(super) fn cpu(&self) -> f64 {
        self.persist_cpu + if self.rpcs_seen > 0 { self.rpc_cpu } else { 0.0 }
    }

    pub(super) fn costs(&self) -> Costs {
        Costs {
            rpc_cpu: Span::from_seconds(self.rpc_cpu),
            persist_cpu: Span::from_seconds(self.persist_cpu),
            persist_db: Span::from_seconds(self.persist_db),
            rpc_delay: Span::from_seconds(RPC_DELAY),
            hop_cpu: Span::from_seconds(HOP_CPU.value),
            rpc_response_cpu: Span::from_seconds(RPC_RESPONSE_CPU),
            replication_delay: Span::from_seconds(RPC_DELAY),
            ..Costs::LOGGED
        }
    }
}

fn median_seconds(times_us: &[u32]) -> Option<f64> {
    let mut sorted = times_us.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map(|us| f64::from(*us) / 1e6)
}

/// CPU of a persister to receive an event, s; for logs without a persister's. Measured on one cluster.
const RPC_CPU: f64 = 0.001_6;
/// Database time to write an event, s; for logs without a persister's. Measured on one cluster.
const PERSIST_DB: f64 = 0.012;
/// Network time of an RPC, one way, s. Loopback.
const RPC_DELAY: f64 = 0.001;
/// CPU of the sender to receive the RPC's response, s. Assumed.
const RPC_RESPONSE_CPU: f64 = 0.000_5;
