//! Fuzz target: metrics as Synapse and Prometheus write them, and Prometheus' answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::prometheus::{parse_answer, read_text};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(all) = read_text(&text, 1.0, "main") {
        assert!(all.iter().all(|series| !series.name.is_empty() || series.samples.is_empty() || text.trim_start().starts_with('{')));
    }
    let _ = parse_answer(data);
});
