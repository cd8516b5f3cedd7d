//! A plan as the simulation sees it: processes, pools, and the proxy's exact rules over the workload's identities.

mod keys;
mod router;

pub use router::{PlanRouters, Told};

use super::prepare::Prepared;
use super::station::{Cpu, Quota};
use super::time::Span;
use super::topology::{ProcessSpec, Topology, TopologyError};
use wsim_balance::{Algorithm, Nginx, Server, Setup};
use wsim_endpoints::Endpoint;
use wsim_plan::{BalancerError, Destination, Plan};

/// A plan ready to be simulated.
#[derive(Debug)]
pub struct Deployment {
    /// Processes (main first, then the plan's workers in order) and pools.
    pub topology: Topology,
    /// The balancing rules.
    pub routers: PlanRouters,
    /// Names of the topology's pools: `main`, the plan's pools in order, then `writers of STREAM`.
    pub names: Vec<String>,
}

/// Why a plan cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// A pool's rule or servers.
    #[error(transparent)]
    Balancer(#[from] BalancerError),
    /// Too many processes, or a pool without workers.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A stream is written by nobody that the plan starts.
    #[error("stream_writers.{stream} names {writer:?}, which the plan does not start")]
    Writer {
        /// Stream.
        stream: String,
        /// Name of the writer.
        writer: String,
    },
}

impl Deployment {
    /// Lays out a plan for a workload. `endpoints` are those that the workload's trace was classified with.
    ///
    /// # Errors
    /// The proxy does not have a pool's rule, a server cannot be read, a pool is empty.
    pub fn of(plan: &Plan, endpoints: &[Endpoint], prepared: &Prepared) -> Result<Self, DeployError> {
        let workers = plan.workers();
        let mut processes = vec![process("main", 1.0, plan, prepared)];
        processes.extend(workers.iter().map(|worker| process(&worker.name, worker.cpu, plan, prepared)));
        let mut layout = Layout { names: vec!["main".to_owned()], pools: vec![vec![0]], setups: vec![PoolSetup::only("main")] };
        for (index, pool) in plan.pools.iter().enumerate() {
            let setup = plan.balancer_setup(pool)?;
            let key = plan.rule(pool).ok().and_then(|rule| rule.key);
            let members = plan.members(index).into_iter().map(|(place, _)| number(place + 1)).collect();
            layout.add(&pool.name, members, PoolSetup { setup, key });
        }
        let mut streams = Vec::new();
        for (stream, writers) in &plan.stream_writers {
            let find = |name: &String| {
                let place = workers.iter().position(|worker| worker.name == *name);
                let unknown = || DeployError::Writer { stream: stream.clone(), writer: name.clone() };
                place.map(|place| number(place + 1)).ok_or_else(unknown)
            };
            let members = writers.names().iter().map(find).collect::<Result<Vec<u16>, _>>()?;
            if !members.is_empty() {
                streams.push((stream.as_str(), number(layout.pools.len()), members.clone()));
                layout.add(&format!("writers of {stream}"), members, PoolSetup::in_turn(writers.names()));
            }
        }
        let routes = endpoints.iter().map(|endpoint| match plan.route(endpoint) {
            Destination::Main => 0,
            Destination::Pool(pool) => number(pool + 1),
            Destination::Writer(stream) => streams.iter().find(|(name, ..)| *name == stream).map_or(0, |(_, pool, _)| *pool),
        });
        let persisters = streams.iter().find(|(name, ..)| *name == "events").map(|(.., members)| members.clone());
        let topology = Topology { processes, pools: layout.pools, routes: routes.collect(), persisters: persisters.unwrap_or_default() };
        topology.check()?;
        let routers = PlanRouters::new(layout.setups, &topology, prepared);
        Ok(Self { topology, routers, names: layout.names })
    }
}

struct Layout {
    names: Vec<String>,
    pools: Vec<Vec<u16>>,
    setups: Vec<PoolSetup>,
}

impl Layout {
    fn add(&mut self, name: &str, members: Vec<u16>, setup: PoolSetup) {
        self.names.push(name.to_owned());
        self.pools.push(members);
        self.setups.push(setup);
    }
}

/// A pool's rule with what it hashes.
#[derive(Debug, Clone)]
struct PoolSetup {
    setup: Setup,
    key: Option<wsim_plan::Key>,
}

impl PoolSetup {
    fn only(name: &str) -> Self {
        Self::in_turn(&[name.to_owned()])
    }

    fn in_turn(names: &[String]) -> Self {
        let servers = names.iter().enumerate().map(|(position, name)| Server::new(name, 1, position)).collect();
        Self { setup: Setup { algorithm: Algorithm::Nginx(Nginx::RoundRobin), servers, processes: 1 }, key: None }
    }
}

fn process(name: &str, cores: f64, plan: &Plan, prepared: &Prepared) -> ProcessSpec {
    ProcessSpec {
        name: name.to_owned(),
        cpu: cpu(cores, prepared.quota_period),
        connections: prepared.connections,
        background: prepared.background_of(name, &plan.duties),
    }
}

/// A plan's `cpu`: below 1 a container's limit in periods, above 1 a faster machine.
fn cpu(cores: f64, period: Span) -> Cpu {
    let cpu = Cpu::cores(cores);
    Cpu { quota: cpu.quota.map(|_| Quota { budget: period.scaled(cores.max(0.001)), period }), ..cpu }
}

fn number(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
