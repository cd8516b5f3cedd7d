//! Fuzz target: Traefik's common format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::traefik,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(traefik::common(stamps())), data));
