//! Fuzz target: nginx configuration and its evaluator.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::read::{NoFiles, nginx};
use wsim_fuzz::route;

fuzz_target!(|text: &str| {
    if let Ok(proxy) = nginx::read(Path::new("nginx.conf"), text, &NoFiles) {
        route(&proxy);
    }
});
