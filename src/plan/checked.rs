//! A plan that passed the check, with everything that its text means worked out once.

use std::ops::Deref;

use serde::{Serialize, Serializer};

use super::balancer::BalancerError;
use super::model::Plan;
use super::rule::Rule;
use super::topology::{self, PoolMember, Worker};
use wsim_balance::Balancer;

/// A plan without faults, its parsed rules and its processes. [`Plan::check`] makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedPlan {
    plan: Plan,
    /// One for each pool.
    rules: Vec<Rule>,
    workers: Vec<Worker>,
    /// One list for each pool.
    members: Vec<Vec<PoolMember>>,
}

impl CheckedPlan {
    /// For [`Plan::check`], which parses one rule for each pool and checks the rest.
    pub(super) fn new(plan: Plan, rules: Vec<Rule>) -> Self {
        let workers = topology::workers(&plan);
        let members = plan.pools.iter().map(|pool| topology::members(pool, &workers)).collect();
        Self { plan, rules, workers, members }
    }

    /// The plan as data, to be changed and checked again.
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// The same plan for another Synapse release. The caller has checked the release.
    #[must_use]
    pub fn for_release(mut self, synapse: &str) -> Self {
        synapse.clone_into(&mut self.plan.synapse);
        self
    }

    /// The worker processes: those of the pools in order, then those that only write streams, then those that only have
    /// background roles.
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// Number of worker processes besides the main process.
    pub fn worker_count(&self) -> u32 {
        u32::try_from(self.workers.len()).unwrap_or(u32::MAX)
    }

    /// The servers of a pool, in configured order; empty for an index without a pool.
    pub fn members(&self, pool: usize) -> &[PoolMember] {
        self.members.get(pool).map(Vec::as_slice).unwrap_or_default()
    }

    /// The balancing rule of each pool, in the plan's order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The balancing rule of a pool.
    ///
    /// # Panics
    /// The plan has no pool of this index.
    pub fn rule(&self, pool: usize) -> &Rule {
        &self.rules[pool]
    }

    /// The balancer of a pool, with nothing in flight.
    ///
    /// # Errors
    /// The proxy does not have the pool's rule, or a server cannot be read.
    ///
    /// # Panics
    /// The plan has no pool of this index.
    pub fn balancer(&self, pool: usize) -> Result<Balancer, BalancerError> {
        Ok(Balancer::new(&self.plan.balancer_config(&self.plan.pools[pool])?))
    }
}

impl Deref for CheckedPlan {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl From<CheckedPlan> for Plan {
    fn from(checked: CheckedPlan) -> Self {
        checked.plan
    }
}

/// As the plan itself: the parsed parts follow from it.
impl Serialize for CheckedPlan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.plan.serialize(serializer)
    }
}
