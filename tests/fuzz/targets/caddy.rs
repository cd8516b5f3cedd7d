//! Fuzz target: Caddy's JSON and console forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::caddy,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(caddy::Caddy::new(stamps())), data));
