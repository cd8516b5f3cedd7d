//! Fuzz target: Apache's `combined`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::apache,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(apache::combined(stamps())), data));
