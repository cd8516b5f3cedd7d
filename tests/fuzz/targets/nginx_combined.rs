//! Fuzz target: nginx's `combined`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::nginx,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(nginx::combined(stamps())), data));
