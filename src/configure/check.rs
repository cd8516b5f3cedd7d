//! Checks that the texts of a plan are safe to write into configuration files.
//!
//! A plan is trusted, but a stray quote or line break would change the meaning of a file. Knows nothing of a proxy's syntax:
//! characters that end a word in any proxy's files are rejected.

use super::ConfigureError;
use wsim_plan::{CheckedPlan, Key, Pool, Rule, Selector};

/// # Errors
/// A text has such a character.
pub(super) fn check(plan: &CheckedPlan) -> Result<(), ConfigureError> {
    for (pool, rule) in plan.pools.iter().zip(plan.rules()) {
        check_pool(pool, rule)?;
    }
    Ok(())
}

fn check_pool(pool: &Pool, rule: &Rule) -> Result<(), ConfigureError> {
    let wrong = |what: &'static str, text: &str| ConfigureError::Text { pool: pool.name.clone(), what, text: text.to_owned() };
    let balance = pool.balance.trim_end_matches(';');
    if balance.chars().any(|c| c.is_control() || ";{}\"'`#\\".contains(c)) {
        return Err(wrong("balance", &pool.balance));
    }
    for selector in &pool.endpoints {
        if let Selector::Pattern { pattern, .. } = selector
            && pattern.chars().any(|c| c.is_control() || c == ' ')
        {
            return Err(wrong("pattern", pattern));
        }
    }
    for server in &pool.servers {
        if !server.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[]/=%".contains(c)) {
            return Err(wrong("server", server));
        }
    }
    match &rule.key {
        Some(Key::Header(name)) if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') => Err(wrong("header", name)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_plan::{Preset, PresetConfig};

    #[test]
    fn characters_that_end_a_word_of_a_configuration_file_are_rejected() {
        let plan = Preset::find("sync-split").unwrap().plan(2, &PresetConfig::default()).unwrap();
        assert!(check(&plan).is_ok());
        let refused = |change: &dyn Fn(&mut Pool)| {
            let mut plan = plan.clone().into_plan();
            change(&mut plan.pools[0]);
            let plan = plan.check().unwrap();
            assert!(matches!(check(&plan), Err(ConfigureError::Text { .. })), "{:?}", plan.pools[0]);
        };
        refused(&|pool| pool.balance = "hash $remote_addr; return 200".to_owned());
        refused(&|pool| pool.servers.push("a'b:80".to_owned()));
        refused(&|pool| pool.key = Some("header:x y".to_owned()));
        refused(&|pool| pool.endpoints.push(Selector::Pattern { pattern: "^/a\n".to_owned(), methods: Vec::new() }));
    }
}
