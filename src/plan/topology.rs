//! Which processes a plan starts, beside the main process.
//!
//! Invariant: one address is one process, however many pools name it (several nginx upstreams over the same workers are usual),
//! and a stream writer named like a pool's worker is that worker.

use super::model::{Plan, Pool};
use super::rule::{Rule, UnknownRule};
use super::server::{Server, ServerError};

/// One worker process.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Pool and number (`sync1`), or the own name of a stream writer or of one with [duties](super::Duties).
    pub name: String,
    /// Index of the first pool that names it; `None` for a process that serves no pool.
    pub pool: Option<usize>,
    /// Where it listens, if the plan says.
    pub address: Option<String>,
    /// Cores it may use.
    pub cpu: f64,
}

impl Pool {
    /// The servers in configured order: addresses with weights, or `name1`, `name2`, … where the plan only counts workers.
    pub fn servers(&self) -> Result<Vec<Server>, ServerError> {
        if self.servers.is_empty() {
            return Ok((1..=self.workers.unwrap_or(0)).map(|n| Server { name: format!("{}{n}", self.name), weight: 1 }).collect());
        }
        self.servers.iter().map(|text| Server::parse(text)).collect()
    }

    /// How many servers the pool has.
    pub fn size(&self) -> usize {
        if self.servers.is_empty() { self.workers.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)) } else { self.servers.len() }
    }
}

impl Plan {
    /// The worker processes: those of the pools in order, then those that only write streams, then those that only have duties.
    ///
    /// Servers that cannot be read are left out; [`Plan::check`] reports them.
    pub fn workers(&self) -> Vec<Worker> {
        let mut workers: Vec<Worker> = Vec::new();
        for (index, pool) in self.pools.iter().enumerate() {
            let named = pool.servers.is_empty();
            for (i, server) in pool.servers().unwrap_or_default().into_iter().enumerate() {
                let address = (!named).then_some(server.name);
                let known = address.is_some() && workers.iter().any(|worker| worker.address == address);
                if !known {
                    workers.push(Worker { name: format!("{}{}", pool.name, i + 1), pool: Some(index), address, cpu: pool.cpu });
                }
            }
        }
        let duties = self.duties.assigned().into_iter().flat_map(|(_, names)| names);
        for name in self.stream_writers.values().flat_map(|writers| writers.names()).chain(duties) {
            if !workers.iter().any(|worker| worker.name == *name) {
                workers.push(Worker { name: name.clone(), pool: None, address: None, cpu: 1.0 });
            }
        }
        workers
    }

    /// Worker processes beside the main process.
    pub fn worker_count(&self) -> u32 {
        u32::try_from(self.workers().len()).unwrap_or(u32::MAX)
    }

    /// For each server of a pool, in order, its weight and its place in [`Plan::workers`].
    pub fn members(&self, pool: usize) -> Vec<(usize, u32)> {
        let workers = self.workers();
        let Some(pool) = self.pools.get(pool) else { return Vec::new() };
        let servers = pool.servers().unwrap_or_default();
        servers
            .iter()
            .filter_map(|server| {
                let place = workers.iter().position(|worker| match &worker.address {
                    Some(address) => *address == server.name,
                    None => worker.name == server.name,
                })?;
                Some((place, server.weight))
            })
            .collect()
    }

    /// The balancing rule of a pool.
    ///
    /// # Errors
    /// The pool's `balance` or `key` means nothing.
    pub fn rule(&self, pool: &Pool) -> Result<Rule, UnknownRule> {
        Rule::of(pool, self.proxy.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Selector, Writers};

    fn pool(name: &str, servers: &[&str], workers: Option<u32>) -> Pool {
        Pool {
            name: name.to_owned(),
            endpoints: vec![Selector::Group("sync".to_owned())],
            servers: servers.iter().map(|server| (*server).to_owned()).collect(),
            workers,
            balance: "round robin".to_owned(),
            key: None,
            cpu: 1.0,
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
            duties: crate::Duties { pusher_instances: Some(Writers::One("pusher1".to_owned())), ..crate::Duties::default() },
        };
        let names: Vec<String> = plan.workers().into_iter().map(|worker| worker.name).collect();
        assert_eq!(names, ["sync1", "sync2", "media1", "persister1", "persister2", "pusher1"]);
        assert_eq!(plan.worker_count(), 6);
        assert_eq!(plan.members(0), [(0, 1), (1, 3)]);
        assert_eq!(plan.members(1), [(1, 1), (0, 1)]);
        assert_eq!(plan.members(2), [(2, 1)]);
        assert_eq!(plan.members(9), []);
    }
}
