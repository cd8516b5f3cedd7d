//! Fuzz target: Traefik's JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::traefik_json,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(traefik_json::TraefikJson::new(stamps())), data));
