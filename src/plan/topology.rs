//! The processes that a plan starts, besides the main process.
//!
//! Invariant: one address is one process, however many pools name it (several nginx upstreams over the same workers are usual),
//! and a stream writer with the name of a pool's worker is that worker.

use super::cpu::Cpu;
use super::model::{Plan, Pool};
use super::server::{Server, ServerError};

/// One worker process.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its name in the pool, pool and number (`sync1`), or the own name of a stream writer or of a worker with [background
    /// roles](super::BackgroundRoles).
    pub name: String,
    /// Index of the first pool that names the worker; `None` for a process that serves no pool.
    pub pool: Option<usize>,
    /// The address it listens at, if the plan has one.
    pub address: Option<String>,
    /// CPU that it may use.
    pub cpu: Cpu,
}

/// A server of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolMember {
    /// Index in [`CheckedPlan::workers`](super::CheckedPlan::workers).
    pub worker: usize,
    /// Share relative to the other servers of the pool.
    pub weight: u32,
}

impl Pool {
    /// The servers in configured order: addresses with weights, or `name1`, `name2`, … where the plan only counts workers.
    ///
    /// # Errors
    /// A server is not `host:port`, `host:port=weight` or `unix:/path`.
    pub fn servers(&self) -> Result<Vec<Server>, ServerError> {
        if self.servers.is_empty() {
            return Ok((0..self.size()).map(|index| Server { name: self.worker_name(index), weight: 1 }).collect());
        }
        self.servers.iter().map(|text| Server::parse(text)).collect()
    }

    /// The name of the worker behind a server, by the server's index.
    pub fn worker_name(&self, index: usize) -> String {
        self.names.get(index).cloned().unwrap_or_else(|| format!("{}{}", self.name, index + 1))
    }

    /// CPU that each of its workers may use, unless the plan gives a worker a limit of its own.
    pub fn cpu(&self) -> Cpu {
        Cpu { cores: self.cpu, period_ms: self.cpu_period }
    }

    /// Number of servers in the pool.
    pub fn size(&self) -> usize {
        if self.servers.is_empty() { self.workers.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)) } else { self.servers.len() }
    }
}

impl Plan {
    /// CPU that the main process may use.
    pub fn cpu_of_main(&self) -> Cpu {
        self.own_cpu("main").unwrap_or(Cpu::CORE)
    }

    /// The limit that the plan gives a single process.
    fn own_cpu(&self, process: &str) -> Option<Cpu> {
        self.processes.get(process).map(|limit| limit.cpu())
    }
}

/// The worker processes of a plan, in the order of [`CheckedPlan::workers`](super::CheckedPlan::workers). Servers that cannot be
/// parsed are left out; the check reports them before.
pub(super) fn workers(plan: &Plan) -> Vec<Worker> {
    let mut workers: Vec<Worker> = Vec::new();
    for (index, pool) in plan.pools.iter().enumerate() {
        let named = pool.servers.is_empty();
        for (i, server) in pool.servers().unwrap_or_default().into_iter().enumerate() {
            let address = (!named).then_some(server.name);
            let known = address.is_some() && workers.iter().any(|worker| worker.address == address);
            if !known {
                let name = pool.worker_name(i);
                let cpu = plan.own_cpu(&name).unwrap_or_else(|| pool.cpu());
                workers.push(Worker { name, pool: Some(index), address, cpu });
            }
        }
    }
    let roles = plan.background_roles.assigned().into_iter().flat_map(|(_, names)| names);
    for name in plan.stream_writers.values().flat_map(|writers| writers.names()).chain(roles) {
        if !workers.iter().any(|worker| worker.name == *name) {
            workers.push(Worker { name: name.clone(), pool: None, address: None, cpu: plan.own_cpu(name).unwrap_or(Cpu::CORE) });
        }
    }
    workers
}

/// The servers of a pool among the plan's workers.
pub(super) fn members(pool: &Pool, workers: &[Worker]) -> Vec<PoolMember> {
    let member = |server: Server| {
        let worker = workers.iter().position(|worker| match &worker.address {
            Some(address) => *address == server.name,
            None => worker.name == server.name,
        })?;
        Some(PoolMember { worker, weight: server.weight })
    };
    pool.servers().unwrap_or_default().into_iter().filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Selector;
    use crate::writers::Writers;

    fn pool(name: &str, servers: &[&str], workers: Option<u32>) -> Pool {
        Pool {
            name: name.to_owned(),
            endpoints: vec![Selector::Group("sync".to_owned())],
            servers: servers.iter().map(|server| (*server).to_owned()).collect(),
            workers,
            balance: "round robin".to_owned(),
            key: None,
            cpu: 1.0,
            ..Pool::default()
        }
    }

    #[test]
    fn two_pools_over_the_same_addresses_are_two_processes_not_four() {
        let plan = Plan {
            name: String::new(),
            synapse: "1.157".to_owned(),
            proxy: crate::Proxy::default(),
            pools: vec![pool("sync", &["a:1", "a:2=3"], None), pool("event", &["a:2", "a:1"], None), pool("media", &[], Some(1))],
            stream_writers: [
                ("typing".to_owned(), Writers::One("sync1".to_owned())),
                ("events".to_owned(), Writers::Several(vec!["persister1".to_owned(), "persister2".to_owned()])),
            ]
            .into(),
            background_roles: crate::BackgroundRoles {
                pusher_instances: Some(Writers::One("pusher1".to_owned())),
                ..crate::BackgroundRoles::default()
            },
            ..Plan::default()
        };
        let plan = plan.check().unwrap();
        let names: Vec<&str> = plan.workers().iter().map(|worker| worker.name.as_str()).collect();
        let members = |pool| plan.members(pool).iter().map(|member| (member.worker, member.weight)).collect::<Vec<_>>();
        assert_eq!(names, ["sync1", "sync2", "media1", "persister1", "persister2", "pusher1"]);
        assert_eq!(plan.worker_count(), 6);
        assert_eq!(members(0), [(0, 1), (1, 3)]);
        assert_eq!(members(1), [(1, 1), (0, 1)]);
        assert_eq!(members(2), [(2, 1)]);
        assert_eq!(members(9), []);
    }

    #[test]
    fn workers_have_the_names_of_the_pool_and_writers_of_these_names_are_the_same_workers() {
        let named =
            |names: &[&str]| Pool { names: names.iter().map(|name| (*name).to_owned()).collect(), ..pool("sync", &["a:1", "a:2"], None) };
        let plan = |pools: Vec<Pool>| Plan {
            synapse: "1.157".to_owned(),
            pools,
            stream_writers: [("typing".to_owned(), Writers::One("reader-a".to_owned()))].into(),
            ..Plan::default()
        };
        let checked = plan(vec![named(&["reader-a"]), pool("event", &["a:1"], None), pool("media", &[], Some(1))]).check().unwrap();
        let names: Vec<&str> = checked.workers().iter().map(|worker| worker.name.as_str()).collect();
        assert_eq!(names, ["reader-a", "sync2", "media1"]);
        let counted = Pool { names: vec!["reader-a".to_owned(), "b".to_owned()], ..pool("media", &[], Some(3)) };
        let checked = plan(vec![counted]).check().unwrap();
        assert_eq!(
            checked.members(0).iter().map(|member| checked.workers()[member.worker].name.as_str()).collect::<Vec<_>>(),
            ["reader-a", "b", "media3"]
        );
        for wrong in [&["a", "b", "c"][..], &["a", "a"], &["main"], &["a b"]] {
            assert!(plan(vec![named(wrong)]).check().unwrap_err().to_string().contains("names"), "{wrong:?}");
        }
        let other = Pool { names: vec!["x".to_owned()], ..pool("event", &["a:1"], None) };
        assert!(plan(vec![named(&["reader-a"]), other]).check().unwrap_err().to_string().contains("a worker has one name"));
    }
}
