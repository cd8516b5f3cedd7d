//! Fuzz target: what the kernel says of a process that a stranger started: its command line, its figures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::record::{Identity, Stat, identify};

fuzz_target!(|data: &[u8]| {
    let _ = Stat::parse(data);
    if let Some(Identity::Synapse { configuration, .. }) = identify(data) {
        assert!(configuration.len() <= data.len() && configuration.iter().all(|path| !path.is_empty()));
    }
});
