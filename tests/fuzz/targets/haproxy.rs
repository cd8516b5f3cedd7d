//! Fuzz target: HAProxy's `option httplog`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::haproxy,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(haproxy::Haproxy::new(stamps())), data));
