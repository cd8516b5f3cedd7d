//! Which part of a plan served a request of a replay, for the verdict.
//!
//! Knows endpoint groups and upstreams by name. A group counts for a pool only if all its endpoints go to that pool, so that nothing is blamed for
//! what others served.

use std::collections::BTreeMap;

use wsim_endpoints::{Classifier, ClassifierConfig, table_for};
use wsim_plan::{CheckedPlan, Destination, Plan};

/// The pools and processes of a plan.
#[derive(Debug, Default)]
pub(super) struct Pools {
    /// `the pool sync`, by group.
    by_group: BTreeMap<String, String>,
    /// Name of the pool, by the worker's name and by its address.
    by_upstream: BTreeMap<String, String>,
}

impl Pools {
    /// Empty without a plan, and for one that cannot be read.
    pub(super) fn of_plan(plan: Option<&Plan>) -> Self {
        plan.and_then(|plan| plan.clone().check().ok()).map_or_else(Self::default, |plan| Self::of_checked(&plan))
    }

    fn of_checked(plan: &CheckedPlan) -> Self {
        let mut pools = Self::default();
        for worker in plan.workers() {
            if let Some(pool) = worker.pool.and_then(|index| plan.pools.get(index)) {
                for name in [Some(&worker.name), worker.address.as_ref()].into_iter().flatten() {
                    pools.by_upstream.insert(name.clone(), pool.name.clone());
                }
            }
        }
        let table = table_for(Some(&plan.synapse)).ok();
        let Some(classifier) = table.and_then(|table| Classifier::new(&table.table, &ClassifierConfig::default()).ok()) else {
            return pools;
        };
        let mut several = Vec::new();
        for endpoint in classifier.endpoints() {
            let server = match plan.route(endpoint) {
                Destination::Main => "the main process".to_owned(),
                Destination::Pool(index) => plan.pools.get(index).map_or_else(String::new, |pool| format!("the pool {}", pool.name)),
                Destination::Writer(stream) => format!("the writers of {stream}"),
            };
            let known = pools.by_group.entry(endpoint.group.clone()).or_insert_with(|| server.clone());
            if *known != server {
                several.push(endpoint.group.clone());
            }
        }
        for group in several {
            pools.by_group.remove(&group);
        }
        pools
    }

    /// The part of the plan that serves a whole endpoint group: `the pool sync`.
    pub(super) fn of_group(&self, group: &str) -> Option<&str> {
        self.by_group.get(group).map(String::as_str)
    }

    /// The pool of an upstream, by its name or address.
    pub(super) fn of_upstream(&self, name: &str) -> Option<&str> {
        self.by_upstream.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_upstreams_belong_to_the_parts_of_a_plan() {
        let text = "name = \"p\"\nsynapse = \"1.157\"\n[proxy]\nkind = \"nginx\"\n\
            [[pool]]\nname = \"reads\"\nendpoints = [\"sync\"]\nservers = [\"127.0.0.1:8013\"]\nnames = [\"reader1\"]\n";
        let plan = Plan::from_toml(text, "plan.toml").unwrap().into_plan();
        let pools = Pools::of_plan(Some(&plan));
        assert_eq!(pools.of_group("sync"), Some("the pool reads"));
        assert_eq!(pools.of_group("media"), Some("the main process"));
        assert_eq!((pools.of_upstream("reader1"), pools.of_upstream("127.0.0.1:8013")), (Some("reads"), Some("reads")));
        assert_eq!((pools.of_upstream("other"), Pools::of_plan(None).of_group("sync")), (None, None));
    }
}
