//! Fuzz target: interval logs of shards.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{parts, text};
use wsim_fuzz::replay::record::merge_interval_logs;

fuzz_target!(|data: &[u8]| {
    let [one, other] = parts(data);
    if let Ok(merged) = merge_interval_logs(&[text(one).to_owned(), text(other).to_owned()]) {
        assert!(merge_interval_logs(&[merged]).is_ok(), "a merged log can be read");
    }
});
