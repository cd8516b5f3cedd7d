//! Plans that are balanced by something that clients write: a request header, or the address of the request.
//!
//! Clients choose such a key, so how evenly it spreads is not a property of the plan: a simulated ring may be lucky, and the next one not.

use wsim_plan::{CheckedPlan, Key};

/// Whether a pool of several workers is keyed by a request header or by the request's path.
pub(super) fn has_client_key(plan: &CheckedPlan) -> bool {
    (0..plan.pools.len()).filter(|index| plan.members(*index).len() > 1).any(|index| {
        let is_header = matches!(plan.rule(index).key, Some(Key::Uri | Key::Header(_)));
        // A forwarded address is an address to the simulation, and a header that anybody may send.
        is_header || plan.pools[index].balance.to_ascii_lowercase().replace('-', "_").contains("forwarded_for")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_plan::{Preset, PresetConfig};

    #[test]
    fn a_header_counts_only_where_it_decides() {
        let plan = |name: &str, n: u32| Preset::find(name).unwrap().plan(n, &PresetConfig::default()).unwrap();
        assert!(has_client_key(&plan("mdad-generic", 3)));
        assert!(!has_client_key(&plan("mdad-generic", 1)));
        assert!(!has_client_key(&plan("generic", 3)) && !has_client_key(&plan("synapse-docs", 3)));
    }
}
