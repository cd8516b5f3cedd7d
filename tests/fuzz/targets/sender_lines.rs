//! Fuzz target: lines of federation senders about transactions, of which whole logs are counted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::questions::federation::{FederationConfig, Outbound, federation, lines};

fuzz_target!(|data: &[u8]| {
    let mut outbound = Outbound::default();
    for line in data.split(|byte| *byte == b'\n') {
        if let Some((at, _)) = lines::read(line) {
            assert!(at >= -400_000_000_000_000_000);
        }
        outbound.add(line);
    }
    let config = FederationConfig { down_seconds: 60.0, senders: vec![1, 3], measured: None };
    if let Ok(found) = federation(&outbound, &config) {
        assert!(
            found
                .destinations
                .iter()
                .all(|other| (0.0..=1.0).contains(&other.busy) && other.catch_up_seconds.low <= other.catch_up_seconds.high)
        );
    }
});
