//! Fuzz target: plan files; a plan that is read survives its own file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::plan::Plan;

fuzz_target!(|text: &str| {
    if let Ok(plan) = Plan::from_toml(text, "plan.toml") {
        let again = Plan::from_toml(&plan.to_toml(), "again.toml").expect("a written plan reads back");
        assert_eq!(again.workers().len(), plan.workers().len());
    }
});
