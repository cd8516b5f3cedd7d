//! Fuzz target: nginx configuration and its evaluator.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::route;
use wsim_fuzz::read::{NoFiles, nginx};

fuzz_target!(|text: &str| {
    if let Ok(proxy) = nginx::read(Path::new("nginx.conf"), text, &NoFiles) {
        route(&proxy);
    }
});
