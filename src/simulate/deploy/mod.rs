//! From a plan to the input of the model: processes, pools, and the proxy's exact rules over the workload's identities.

mod keys;
mod router;
mod selection;

pub use router::PlanRouters;

use crate::calibrate::between_processes::local_shares;
use crate::calibrate::prepare::PreparedWorkload;
use crate::engine::time::Span;
use crate::station::{Cpu, Quota};
use crate::synapse::topology::{ProcessSpec, Topology, TopologyError};
use wsim_balance::{Algorithm, BalancerConfig, Nginx, Server};
use wsim_endpoints::Endpoint;
use wsim_plan::{BalancerError, CheckedPlan, Destination, Undecided};

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
        let mut processes = vec![process("main", 1.0, plan, prepared)];
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
        let topology =
            Topology { processes, pools: pools.members, routes, record_routes, persisters: persisters.unwrap_or_default(), local_shares };
        topology.check()?;
        let routers = PlanRouters::new(pools.configs, &topology, prepared);
        Ok(Self { topology, routers, pool_names: pools.names, remarks, numbers })
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

fn process(name: &str, cores: f64, plan: &CheckedPlan, prepared: &PreparedWorkload) -> ProcessSpec {
    ProcessSpec {
        name: name.to_owned(),
        cpu: cpu(cores, prepared.quota_period),
        connections: prepared.connections,
        background: prepared.background_of(name, &plan.background_roles),
    }
}

/// A plan's `cpu`: below 1 a container's CPU limit, above 1 a faster machine.
fn cpu(cores: f64, period: Span) -> Cpu {
    let cpu = Cpu::cores(cores);
    Cpu { quota: cpu.quota.map(|_| Quota { budget: period.scaled(cores.max(0.001)), period }), ..cpu }
}

fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
