//! Fuzz target: nginx's `combined`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::nginx, stamps};

fuzz_target!(|data: &[u8]| lines(&mut nginx::combined(stamps()), data));
