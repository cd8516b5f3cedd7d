//! Fuzz target: Caddyfiles, Caddy's JSON, and their evaluator.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::route;
use wsim_fuzz::read::{NoFiles, caddy};

fuzz_target!(|text: &str| {
    if let Ok(proxy) = caddy::read(Path::new("Caddyfile"), text, &NoFiles) {
        route(&proxy);
    }
    if let Ok(proxy) = caddy::read_json(Path::new("caddy.json"), text) {
        route(&proxy);
    }
});
