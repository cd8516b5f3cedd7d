//! Fuzz target: HAProxy configuration and its evaluator.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::route;
use wsim_fuzz::read::{NoFiles, haproxy};

fuzz_target!(|text: &str| {
    if let Ok(proxy) = haproxy::read(Path::new("haproxy.cfg"), text, &NoFiles) {
        route(&proxy);
    }
});
