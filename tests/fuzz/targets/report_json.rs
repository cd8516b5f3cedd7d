//! Fuzz target: `report.json` of any command, as `wsim report` and `wsim merge` read it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::report::{comparison, replay};

fuzz_target!(|text: &str| {
    let _ = comparison::read("run", text, None);
    if let Ok(report) = replay::read(text) {
        let _ = replay::merge_shards(vec![("a".to_owned(), report)]);
    }
});
