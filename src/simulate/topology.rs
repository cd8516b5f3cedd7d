//! What is simulated: processes, pools, who writes events, and what things cost.

use super::station::database::Slowdown;
use super::station::{Background, Cpu};
use super::time::Span;

/// Processes and how requests find them.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// The processes; the first is the main process.
    pub processes: Vec<ProcessSpec>,
    /// The pools: processes by index, in the proxy's order. A process may be in several.
    pub pools: Vec<Vec<u16>>,
    /// Pool of each endpoint; endpoints beyond the end go to pool 0.
    pub routes: Vec<u16>,
    /// Processes that write events, sharded by room; empty: the main process writes.
    pub persisters: Vec<u16>,
}

/// One process.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessSpec {
    /// Name, for people.
    pub name: String,
    /// What it may use of its machine.
    pub cpu: Cpu,
    /// Connections to the database (`cp_max`; Twisted's default is 5).
    pub connections: u32,
    /// Work it does whatever comes: timers, garbage collection, background tasks moved to it.
    pub background: Background,
}

impl ProcessSpec {
    /// A process with a whole core, Twisted's five connections and no work of its own.
    pub fn idle(name: &str) -> Self {
        Self { name: name.to_owned(), cpu: Cpu::CORE, connections: 5, background: Background::NONE }
    }
}

impl Topology {
    /// Equal processes in one pool that takes everything; the first is also the main process.
    pub fn one_pool(processes: usize) -> Self {
        let numbers: Vec<u16> = (0..).take(processes.clamp(1, PROCESSES_MAX)).collect();
        let processes = numbers.iter().map(|n| ProcessSpec::idle(&format!("worker{}", n + 1))).collect();
        Self { processes, pools: vec![numbers], routes: Vec::new(), persisters: Vec::new() }
    }

    /// What would make a run impossible.
    ///
    /// # Errors
    /// No process, an empty pool, a route to no pool, or the name of no process.
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
        if self.pools.is_empty() || !self.persisters.iter().all(known) {
            return Err(TopologyError::Persister);
        }
        Ok(())
    }
}

/// A topology that cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// None or too many.
    #[error("{0} processes: there must be at least one and at most 4096")]
    Processes(usize),
    /// A pool without processes, or with one that does not exist.
    #[error("pool {0} is empty or names a process that does not exist")]
    Pool(usize),
    /// A route to a pool that does not exist.
    #[error("endpoint {0} is routed to a pool that does not exist")]
    Route(usize),
    /// No pool at all, or a persister that does not exist.
    #[error("there is no pool, or an event persister names a process that does not exist")]
    Persister,
}

/// What things cost that no request line shows, and how requests are cut into slices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// Multiplies the CPU of every request (sensitivity; a₁ of the coverage fit).
    pub cpu_factor: f64,
    /// CPU that follows each logged second of CPU without being logged (coverage factor less 1, as far as the terms below do not
    /// explain it). Nobody waits for it.
    pub shadow: f64,
    /// Share of that which comes after the answer rather than after each slice (encoding and writing the answer, the log's line). 0 to 1.
    pub shadow_after: f64,
    /// Share of a request's CPU that its transactions burn in database threads, which compete with the reactor for the one
    /// interpreter and hold their connection meanwhile; a thread that has its connection waits for the interpreter first.
    /// `None`: transactions need no CPU and start at once.
    pub thread_share: Option<f64>,
    /// CPU per event fetched from the database (a₂).
    pub fetched_event: Span,
    /// CPU per persisted event on every other process (c_rep, a₃).
    pub replication: Span,
    /// From the write to its arrival at the other processes.
    pub replication_delay: Span,
    /// CPU per event at its persister.
    pub persist_cpu: Span,
    /// Database time per batch of events.
    pub persist_db: Span,
    /// Network and wrapping, one way, between the event's creator and its persister.
    pub hop_delay: Span,
    /// CPU at the persister to take an event from another process.
    pub hop_cpu: Span,
    /// CPU at the creator to take the answer.
    pub reply_cpu: Span,
    /// How a request's CPU is cut.
    pub slicing: Slicing,
    /// Transactions and event writes are exponential around their means rather than equal (for checks against theory).
    pub exponential_db: bool,
    /// How transactions slow each other down; `None`: they take as long as observed.
    pub slowdown: Option<Slowdown>,
    /// The machine that all processes and the database share; `None`: each has what it needs.
    pub machine: Option<Machine>,
    /// Requests with more transactions than this run several as one (keeps their total time).
    pub rounds_max: u16,
}

impl Costs {
    /// Only what request lines show.
    pub const LOGGED: Self = Self {
        cpu_factor: 1.0,
        shadow: 0.0,
        shadow_after: 0.0,
        thread_share: None,
        fetched_event: Span::ZERO,
        replication: Span::ZERO,
        replication_delay: Span::ZERO,
        persist_cpu: Span::ZERO,
        persist_db: Span::ZERO,
        hop_delay: Span::ZERO,
        hop_cpu: Span::ZERO,
        reply_cpu: Span::ZERO,
        slicing: Slicing::Even,
        exponential_db: false,
        slowdown: None,
        machine: None,
        rounds_max: 256,
    };
}

/// Cores that all processes and the database share evenly: processor sharing among those that want one (the model of Linux' fair scheduler
/// at the scale of slices).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Cores, more than 0.
    pub cores: f64,
    /// Share of the time of a transaction in which the database computes. 0 to 1.
    pub database: f64,
    /// Cores that others use all the time: proxy, Redis, operating system.
    pub others: f64,
}

impl Machine {
    /// What everybody who wants a core gets of one, with so many processes and transactions under way.
    pub fn share(&self, processes: f64, transactions: f64) -> f64 {
        let wanted = processes + transactions * self.database + self.others;
        if wanted > self.cores { self.cores / wanted } else { 1.0 }
    }
}

/// How a request's CPU is cut into slices between transactions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slicing {
    /// All equal.
    Even,
    /// The last slice holds this share of it all, the rest is even (0 to 1; from the tick-time histogram).
    LastHolds(f64),
    /// Each exponential around the even mean (for checks against theory).
    Exponential,
}

const PROCESSES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_names_nothing_is_refused() {
        let good = Topology::one_pool(2);
        assert_eq!(good.check(), Ok(()));
        assert_eq!(Topology { pools: vec![vec![2]], ..good.clone() }.check(), Err(TopologyError::Pool(0)));
        assert_eq!(Topology { routes: vec![0, 1], ..good.clone() }.check(), Err(TopologyError::Route(1)));
        assert_eq!(Topology { persisters: vec![9], ..good.clone() }.check(), Err(TopologyError::Persister));
        assert_eq!(Topology { processes: vec![], ..good }.check(), Err(TopologyError::Processes(0)));
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_a_core_and_all_together_no_more_than_there_are(
            (cores, database, others) in (0.1f64..64.0, 0.0f64..1.0, 0.0f64..8.0),
            (processes, transactions) in (0u32..50, 0u32..500),
        ) {
            let machine = Machine { cores, database, others };
            let (processes, transactions) = (f64::from(processes), f64::from(transactions));
            let share = machine.share(processes, transactions);
            prop_assert!(share > 0.0 && share <= 1.0, "{}", share);
            let used = share * (processes + transactions * database + others);
            prop_assert!(used <= cores * (1.0 + 1e-9), "{}", used);
            prop_assert!(share == 1.0 || used > cores * (1.0 - 1e-9), "nothing is left over while somebody wants it: {}", used);
            prop_assert!(machine.share(processes + 1.0, transactions) <= share);
        }
    }
}
