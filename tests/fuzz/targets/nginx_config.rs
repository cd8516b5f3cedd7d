//! Fuzz target: nginx configuration files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::nginx;

fuzz_target!(|text: &str| {
    let _ = nginx::parse(std::path::Path::new("nginx.conf"), text);
});
