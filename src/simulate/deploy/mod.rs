//! From a plan to the input of the model: processes, pools, and the proxy's exact rules over the workload's identities.

mod keys;
mod router;
mod selection;

pub use router::PlanRouters;

use crate::calibrate::between_processes::local_shares;
use crate::calibrate::limits::{cold_start_factor, limited};
use crate::calibrate::machine::cpu_of_processes;
use crate::calibrate::prepare::PreparedWorkload;
use crate::synapse::outages::Outages;
use crate::synapse::room_shards::RoomShards;
use crate::synapse::topology::{ProcessSpec, Topology, TopologyError};
use wsim_balance::{Algorithm, BalancerConfig, Nginx, Server};
use wsim_endpoints::Endpoint;
use wsim_plan::{BalancerError, CheckedPlan, Destination, Undecided};
use wsim_stats::Interval;

/// A plan in the form that the model simulates.
#[derive(Debug)]
pub struct Deployment {
    /// Processes (main first, then the plan's workers in order) and pools.
    pub topology: Topology,
    pub routers: PlanRouters,
    /// Names of the topology's pools: `main`, the plan's pools in order, then `writers of STREAM`.
    pub pool_names: Vec<String>,
    /// What the log says about the plan's own patterns and pools of some clients, one sentence each.
    pub remarks: Vec<String>,
    /// The topology's numbers of the plan's destinations.
    pub numbers: PoolNumbers,
    /// CPU of a request over that of the same request in the log, because another number of processes is at work on the machine; 1 where no machine
    /// is shared.
    pub contention: Interval,
}

/// The numbers of a plan's destinations in its topology.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolNumbers {
    /// By stream.
    writers: Vec<(String, u16)>,
}

impl PoolNumbers {
    /// The pool of a destination, by its index in [`Topology::pools`].
    pub fn of(&self, destination: &Destination) -> u16 {
        match destination {
            Destination::Main => 0,
            Destination::Pool(pool) => narrow(pool + 1),
            Destination::Writer(stream) => self.writers.iter().find(|(name, _)| name == stream).map_or(0, |(_, pool)| *pool),
        }
    }
}

/// Why a plan cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// The rule or the servers of a pool.
    #[error(transparent)]
    Balancer(#[from] BalancerError),
    /// Too many processes, or a pool without workers.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The writer of a stream is no worker of the plan.
    #[error("stream_writers.{stream} names {writer:?}, which the plan does not start")]
    Writer { stream: String, writer: String },
    /// The log does not say which requests the plan selects.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

impl Deployment {
    /// Deploys a plan for a workload. `endpoints` are those that the workload's trace was classified with.
    ///
    /// # Errors
    /// The proxy does not have a pool's rule, a server cannot be read, a pool is empty.
    pub fn from_plan(plan: &CheckedPlan, endpoints: &[Endpoint], prepared: &PreparedWorkload) -> Result<Self, DeployError> {
        let workers = plan.workers();
        let mut processes = vec![process("main", plan.cpu_of_main(), plan, prepared)];
        processes.extend(workers.iter().map(|worker| process(&worker.name, worker.cpu, plan, prepared)));
        let mut pools = Pools { names: vec!["main".to_owned()], members: vec![vec![0]], configs: vec![PoolConfig::single("main")] };
        for (index, pool) in plan.pools.iter().enumerate() {
            let balancer = plan.balancer_config(pool)?;
            let key = plan.rule(index).key.clone();
            let members = plan.members(index).iter().map(|member| narrow(member.worker + 1)).collect();
            pools.add(&pool.name, members, PoolConfig { balancer, key });
        }
        let mut streams = Vec::new();
        for (stream, writers) in &plan.stream_writers {
            let find = |name: &String| {
                let index = workers.iter().position(|worker| worker.name == *name);
                let unknown = || DeployError::Writer { stream: stream.clone(), writer: name.clone() };
                index.map(|index| narrow(index + 1)).ok_or_else(unknown)
            };
            let members = writers.names().iter().map(find).collect::<Result<Vec<u16>, _>>()?;
            if !members.is_empty() {
                streams.push((stream.as_str(), narrow(pools.members.len()), members.clone()));
                pools.add(&format!("writers of {stream}"), members, PoolConfig::round_robin(writers.names()));
            }
        }
        let writers = streams.iter().map(|(name, pool, _)| ((*name).to_owned(), *pool)).collect();
        let numbers = PoolNumbers { writers };
        let routes: Vec<u16> = endpoints.iter().map(|endpoint| numbers.of(&plan.route(endpoint))).collect();
        let selection = selection::select(plan, endpoints, prepared)?;
        let (destinations, remarks) = selection.map(|selection| (selection.destinations, selection.remarks)).unwrap_or_default();
        let record_routes = destinations.iter().map(|destination| numbers.of(destination)).collect();
        let local_shares = local_shares(endpoints, &prepared.workload.records, &routes, &pools.members);
        let persisters = streams.iter().find(|(name, ..)| *name == "events").map(|(.., members)| members.clone());
        let persisters = persisters.unwrap_or_default();
        let mut topology = Topology {
            processes,
            pools: pools.members,
            routes,
            record_routes,
            room_shards: RoomShards::new(&prepared.workload.records, &prepared.names, persisters.len()),
            persisters,
            local_shares,
            machine: prepared.machine.of_plan(plan.machine.as_ref()),
            outages: Outages::NONE,
        };
        topology.check()?;
        let serves = |index: usize| {
            if index == 0 { plan.pools.is_empty() } else { workers.get(index - 1).is_some_and(|worker| worker.pool.is_some()) }
        };
        start_cold(&mut topology, serves, prepared);
        let contention = slow_down(&mut topology, plan, prepared);
        let mut remarks = remarks;
        remarks.extend(contention_remark(contention));
        let routers = PlanRouters::new(pools.configs, &topology, prepared);
        Ok(Self { topology, routers, pool_names: pools.names, remarks, numbers, contention })
    }
}

struct Pools {
    names: Vec<String>,
    members: Vec<Vec<u16>>,
    configs: Vec<PoolConfig>,
}

impl Pools {
    fn add(&mut self, name: &str, members: Vec<u16>, config: PoolConfig) {
        self.names.push(name.to_owned());
        self.members.push(members);
        self.configs.push(config);
    }
}

/// A pool's rule and the key that it hashes.
#[derive(Debug, Clone)]
struct PoolConfig {
    balancer: BalancerConfig,
    key: Option<wsim_plan::Key>,
}

impl PoolConfig {
    fn single(name: &str) -> Self {
        Self::round_robin(&[name.to_owned()])
    }

    fn round_robin(names: &[String]) -> Self {
        let servers = names.iter().enumerate().map(|(position, name)| Server::new(name, 1, position)).collect();
        Self { balancer: BalancerConfig { algorithm: Algorithm::Nginx(Nginx::RoundRobin), servers, processes: 1 }, key: None }
    }
}

/// Makes processes that serve clients slower or faster where their quota ends more or less often than those of the processes in the log.
fn start_cold(topology: &mut Topology, serves: impl Fn(usize) -> bool, prepared: &PreparedWorkload) {
    for (_, process) in topology.processes.iter_mut().enumerate().filter(|(index, _)| serves(*index)) {
        process.cpu.speed *= prepared.cold_start / cold_start_factor(process.cpu);
    }
}

/// Makes all processes slower by the contention of their machine; returns the factor on their CPU.
fn slow_down(topology: &mut Topology, plan: &CheckedPlan, prepared: &PreparedWorkload) -> Interval {
    let PreparedWorkload { workload, costs, machine, time, .. } = prepared;
    let cpu = || cpu_of_processes(workload, topology, costs, time.seconds()).into_iter();
    let contention = if topology.machine.is_some() { machine.slowdown(plan.machine.as_ref(), cpu()) } else { Interval::exact(1.0) };
    topology.processes.iter_mut().for_each(|process| process.cpu.speed /= contention.value);
    contention
}

/// What is worth saying of a machine's contention.
fn contention_remark(contention: Interval) -> Option<String> {
    let Interval { value, low, high } = contention;
    let percent = |factor: f64| format!("{:+.0} %", (factor - 1.0) * 100.0);
    ((value - 1.0).abs() >= CONTENTION_TOLD).then(|| {
        format!(
            "the number of processes at work on the machine changes the CPU of every request by {} ({} to {}) against the log",
            percent(value),
            percent(low),
            percent(high)
        )
    })
}

fn process(name: &str, cpu: wsim_plan::Cpu, plan: &CheckedPlan, prepared: &PreparedWorkload) -> ProcessSpec {
    ProcessSpec {
        name: name.to_owned(),
        cpu: limited(cpu.cores, cpu.period_ms),
        connections: prepared.connections,
        background: prepared.background_of(name, &plan.background_roles),
    }
}

/// A smaller change of CPU per request is not worth a sentence.
const CONTENTION_TOLD: f64 = 0.02;

fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
