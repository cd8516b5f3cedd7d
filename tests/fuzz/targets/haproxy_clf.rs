//! Fuzz target: HAProxy's `option httplog clf`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::haproxy,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(haproxy::clf(stamps())), data));
