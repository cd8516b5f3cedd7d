//! Fuzz target: Traefik's JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::traefik_json, stamps};

fuzz_target!(|data: &[u8]| lines(&mut traefik_json::TraefikJson::new(stamps()), data));
