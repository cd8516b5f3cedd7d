//! Fuzz target: responses of a homeserver, byte by byte, as the load generator reads them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::http::exchange;

fuzz_target!(|data: &[u8]| exchange(data));
