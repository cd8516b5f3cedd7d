//! Fuzz target: requests to the emulated homeserver.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::http::emulate;

fuzz_target!(|data: &[u8]| emulate(data));
