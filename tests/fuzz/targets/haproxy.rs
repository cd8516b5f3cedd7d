//! Fuzz target: HAProxy's `option httplog`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::haproxy, stamps};

fuzz_target!(|data: &[u8]| lines(&mut haproxy::Haproxy::new(stamps()), data));
