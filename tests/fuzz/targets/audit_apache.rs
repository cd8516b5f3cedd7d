//! Fuzz target: Apache's configuration and its evaluator.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::route;
use wsim_fuzz::read::{NoFiles, apache};

fuzz_target!(|text: &str| {
    if let Ok(proxy) = apache::read(Path::new("apache2.conf"), text, &NoFiles) {
        route(&proxy);
    }
});
