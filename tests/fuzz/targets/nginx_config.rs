//! Fuzz target: nginx configuration files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::logs::formats::nginx_config;

fuzz_target!(|text: &str| {
    let _ = nginx_config::parse(std::path::Path::new("nginx.conf"), text);
});
