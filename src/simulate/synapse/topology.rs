//! The simulated deployment: processes, pools, event persisters, and costs.

use std::sync::Arc;

use super::outages::Outages;
use super::record::Record;
use super::room_shards::RoomShards;
use crate::engine::time::Span;
use crate::station::database::Slowdown;
use crate::station::{Background, Cpu, Spread};

/// Processes and the routes of requests to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// The processes; the first is the main process.
    pub processes: Vec<ProcessSpec>,
    /// The pools: indices of processes, in the proxy's order. A process may be in several pools.
    pub pools: Vec<Vec<u16>>,
    /// Pool of each endpoint; endpoints beyond the end of the list go to pool 0.
    pub routes: Vec<u16>,
    /// Pool of each record of the workload, where endpoints alone do not say it; empty, and for records beyond its end: by endpoint.
    pub record_routes: Arc<[u16]>,
    /// Processes that write events, sharded by room; empty: the main process.
    pub persisters: Vec<u16>,
    /// Which of several persisters writes a room, as far as the ids of rooms are known; of any other room chance decides.
    pub room_shards: RoomShards,
    /// Share of each endpoint's requests between processes that the process of their cause serves itself, 0 to 1; endpoints beyond the end
    /// of the list: 0.
    pub local_shares: Vec<f64>,
    /// The machine that all processes and the database share; `None`: CPU is not shared.
    pub machine: Option<Machine>,
    /// Processes that are restarted during the run.
    pub outages: Outages,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ProcessSpec {
    pub name: String,
    /// CPU that the process may use.
    pub cpu: Cpu,
    /// Database connections (`cp_max`; Twisted's default is 5).
    pub connections: u32,
    /// Work without a request: timers, garbage collection, background roles.
    pub background: Background,
}

impl ProcessSpec {
    /// A process with a whole core, five connections and no background work.
    pub fn idle(name: &str) -> Self {
        Self { name: name.to_owned(), cpu: Cpu::CORE, connections: 5, background: Background::NONE }
    }
}

impl Topology {
    /// Equal processes in one pool that serves all endpoints; the first is also the main process.
    pub fn one_pool(processes: usize) -> Self {
        let numbers: Vec<u16> = (0..).take(processes.clamp(1, PROCESSES_MAX)).collect();
        let processes = numbers.iter().map(|n| ProcessSpec::idle(&format!("worker{}", n + 1))).collect();
        Self {
            processes,
            pools: vec![numbers],
            routes: Vec::new(),
            record_routes: Arc::default(),
            persisters: Vec::new(),
            room_shards: RoomShards::default(),
            local_shares: Vec::new(),
            machine: None,
            outages: Outages::NONE,
        }
    }

    /// The pool of a record, by its index in the workload.
    #[inline]
    pub fn pool_of(&self, index: u32, record: &Record) -> u16 {
        let by_endpoint = || self.routes.get(usize::from(record.endpoint)).copied().unwrap_or(0);
        self.record_routes.get(index as usize).copied().unwrap_or_else(by_endpoint)
    }

    /// Checks that the parts refer to each other consistently.
    ///
    /// # Errors
    /// No process, an empty pool, a route to an unknown pool, or an unknown process.
    pub fn check(&self) -> Result<(), TopologyError> {
        let known = |process: &u16| usize::from(*process) < self.processes.len();
        if self.processes.is_empty() || self.processes.len() > PROCESSES_MAX {
            return Err(TopologyError::Processes(self.processes.len()));
        }
        if let Some(pool) = self.pools.iter().position(|members| members.is_empty() || !members.iter().all(known)) {
            return Err(TopologyError::Pool(pool));
        }
        if let Some(endpoint) = self.routes.iter().position(|pool| usize::from(*pool) >= self.pools.len()) {
            return Err(TopologyError::Route(endpoint));
        }
        if let Some(record) = self.record_routes.iter().position(|pool| usize::from(*pool) >= self.pools.len()) {
            return Err(TopologyError::RecordRoute(record));
        }
        if self.pools.is_empty() || !self.persisters.iter().all(known) {
            return Err(TopologyError::Persister);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    #[error("{0} processes: there must be at least one and at most 4096")]
    Processes(usize),
    #[error("pool {0} is empty or names a process that does not exist")]
    Pool(usize),
    #[error("endpoint {0} is routed to a pool that does not exist")]
    Route(usize),
    #[error("request {0} is routed to a pool that does not exist")]
    RecordRoute(usize),
    #[error("there is no pool, or an event persister names a process that does not exist")]
    Persister,
}

/// Costs that no request line shows, and how requests are cut into slices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// Multiplies the CPU of every request (for sensitivity; a₁ of the coverage fit).
    pub cpu_factor: f64,
    /// Multiplies the delays of all requests that do not depend on load, and the times of their transactions.
    pub delay_factor: f64,
    /// Unlogged CPU per logged second of CPU: the coverage factor less 1, as far as the terms below do not explain it.
    /// No request waits for it.
    pub unlogged_cpu: f64,
    /// Share of the unlogged CPU after the response rather than after each slice (encoding and writing the response, the log line). 0 to 1.
    pub unlogged_after_response: f64,
    /// Share of a request's CPU that its transactions use in database threads. The threads compete with the reactor for
    /// the GIL and hold their connection meanwhile; a thread with a connection requests the GIL before it sends its
    /// query. `None`: transactions need no CPU and start at once.
    pub thread_share: Option<f64>,
    /// CPU per event fetched from the database (a₂).
    pub fetched_event: Span,
    /// CPU per persisted event at every other process (c_rep, a₃).
    pub replication: Span,
    /// Time from the write to the events' arrival at the other processes.
    pub replication_delay: Span,
    /// CPU per event at its persister.
    pub persist_cpu: Span,
    /// Database time per batch of events, mean.
    pub persist_db: Span,
    /// Shape of the distribution of the database time per batch.
    pub persist_spread: Spread,
    /// Network time of the replication RPC between the event's sender and its persister, one way.
    pub rpc_delay: Span,
    /// CPU at the persister to receive an event from another process.
    pub rpc_cpu: Span,
    /// CPU at the receiver of any other request between processes for the HTTP around its work; saved where the work needs no request.
    pub hop_cpu: Span,
    /// CPU at the sender to receive the RPC's response.
    pub rpc_response_cpu: Span,
    pub slicing: Slicing,
    /// Transactions and event writes have exponential rather than constant lengths (for checks against theory).
    pub exponential_db: bool,
    /// How concurrent transactions slow each other down; `None`: they take as long as observed.
    pub slowdown: Option<Slowdown>,
    /// Most rounds of transactions. Requests with more run several transactions as one, with the same total time.
    pub rounds_max: u16,
}

impl Costs {
    /// No costs beside the request lines.
    pub const LOGGED: Self = Self {
        cpu_factor: 1.0,
        delay_factor: 1.0,
        unlogged_cpu: 0.0,
        unlogged_after_response: 0.0,
        thread_share: None,
        fetched_event: Span::ZERO,
        replication: Span::ZERO,
        replication_delay: Span::ZERO,
        persist_cpu: Span::ZERO,
        persist_db: Span::ZERO,
        persist_spread: Spread::CONSTANT,
        rpc_delay: Span::ZERO,
        rpc_cpu: Span::ZERO,
        hop_cpu: Span::ZERO,
        rpc_response_cpu: Span::ZERO,
        slicing: Slicing::Even,
        exponential_db: false,
        slowdown: None,
        rounds_max: 256,
    };
}

/// Cores that all processes and the database share evenly: processor sharing among the busy ones, which models Linux's
/// fair scheduler at the time scale of slices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Cores, more than 0.
    pub cores: f64,
    /// Share of a transaction's time in which the database uses CPU. 0 to 1.
    pub database: f64,
    /// Cores in constant use by proxy, Redis and operating system.
    pub others: f64,
}

impl Machine {
    /// The share of a core for each that needs one, with `processes` busy processes and `transactions` running transactions.
    pub fn share(&self, processes: f64, transactions: f64) -> f64 {
        let wanted = processes + transactions * self.database + self.others;
        if wanted > self.cores { self.cores / wanted } else { 1.0 }
    }
}

/// How a request's CPU is divided into slices between transactions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slicing {
    /// Equal slices.
    Even,
    /// The last slice has this share of the CPU (0 to 1; from the tick-time histogram), the others are equal.
    LastShare(f64),
    /// Exponential slices with equal means (for checks against theory).
    Exponential,
}

const PROCESSES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn inconsistent_references_are_an_error() {
        let good = Topology::one_pool(2);
        assert_eq!(good.check(), Ok(()));
        assert_eq!(Topology { pools: vec![vec![2]], ..good.clone() }.check(), Err(TopologyError::Pool(0)));
        assert_eq!(Topology { routes: vec![0, 1], ..good.clone() }.check(), Err(TopologyError::Route(1)));
        let beyond = Topology { record_routes: Arc::from([0, 1]), ..good.clone() };
        assert_eq!(beyond.check(), Err(TopologyError::RecordRoute(1)));
        assert_eq!(Topology { persisters: vec![9], ..good.clone() }.check(), Err(TopologyError::Persister));
        assert_eq!(Topology { processes: vec![], ..good }.check(), Err(TopologyError::Processes(0)));
    }

    proptest! {
        #[test]
        fn no_share_exceeds_a_core_and_all_shares_together_never_exceed_the_cores(
            (cores, database, others) in (0.1f64..64.0, 0.0f64..1.0, 0.0f64..8.0),
            (processes, transactions) in (0u32..50, 0u32..500),
        ) {
            let machine = Machine { cores, database, others };
            let (processes, transactions) = (f64::from(processes), f64::from(transactions));
            let share = machine.share(processes, transactions);
            prop_assert!(share > 0.0 && share <= 1.0, "{}", share);
            let used = share * (processes + transactions * database + others);
            prop_assert!(used <= cores * (1.0 + 1e-9), "{}", used);
            prop_assert!(share == 1.0 || used > cores * (1.0 - 1e-9), "no core is idle while there is demand: {}", used);
            prop_assert!(machine.share(processes + 1.0, transactions) <= share);
        }
    }
}
