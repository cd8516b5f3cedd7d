//! Fuzz target: Squid's native log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::squid::Squid,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(Squid::new(stamps())), data));
