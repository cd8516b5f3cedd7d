//! Fuzz target: bodies of responses, and what a replay learns from them for its next requests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::http::learn;

fuzz_target!(|data: &[u8]| learn(data));
