//! What a plan may do, but probably should not: one sentence each.

use std::collections::BTreeMap;

use super::checked::CheckedPlan;
use super::known;
use super::model::{Pool, Selector};
use super::rule::Spread;

impl CheckedPlan {
    /// Parts of the plan that are allowed but probably unintended, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut owner: BTreeMap<&Selector, &str> = BTreeMap::new();
        for (index, pool) in self.pools.iter().enumerate() {
            for selector in &pool.endpoints {
                if let Some(first) = owner.get(selector) {
                    warnings.push(format!("pools {first:?} and {:?} both take {}; the first gets it", pool.name, describe(selector)));
                    continue;
                }
                // A pool of some clients leaves the others to the next pool.
                if !pool.selects_clients() {
                    owner.insert(selector, &pool.name);
                }
                if let Selector::Group(group) = selector {
                    warnings.extend(group_warning(pool, group));
                }
            }
            if self.rule(index).spread == Spread::LeastBusy && takes_sync(pool) {
                warnings.push(format!(
                    "pool {:?} balances /sync by requests in progress: waiting long polls count too, so the rule evens out clients, not load",
                    pool.name
                ));
            }
            if pool.size() > 1 && takes(pool, "pagination") && !self.rule(index).is_keyed_by_room() {
                warnings.push(format!(
                    "pool {:?} names pagination, but its rule does not keep a room on one worker: /messages stays on the main process",
                    pool.name
                ));
            }
        }
        warnings
    }
}

fn group_warning(pool: &Pool, group: &str) -> Option<String> {
    if known::is_main_only(group) {
        return Some(format!("pool {:?} names {group}, which only the main process serves: it stays there", pool.name));
    }
    (group == "sliding_sync").then(|| {
        format!(
            "pool {:?} takes sliding_sync, which no release's worker document lists; it works on generic workers, but that is your choice",
            pool.name
        )
    })
}

fn takes_sync(pool: &Pool) -> bool {
    takes(pool, "sync") || takes(pool, "sliding_sync")
}

fn takes(pool: &Pool, group: &str) -> bool {
    pool.endpoints.iter().any(|selector| matches!(selector, Selector::Group(name) if name == group))
}

fn describe(selector: &Selector) -> String {
    match selector {
        Selector::Group(group) => format!("group {group}"),
        Selector::Pattern { pattern, .. } => format!("pattern {pattern:?}"),
    }
}
