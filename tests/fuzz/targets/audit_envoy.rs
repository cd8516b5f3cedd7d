//! Fuzz target: Envoy's configuration and its evaluator.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::route;
use wsim_fuzz::read::envoy;

fuzz_target!(|text: &str| {
    if let Ok(proxy) = envoy::read(Path::new("envoy.yaml"), text) {
        route(&proxy);
    }
});
