//! Fuzz target: Traefik's common format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::traefik, stamps};

fuzz_target!(|data: &[u8]| lines(&mut traefik::common(stamps()), data));
