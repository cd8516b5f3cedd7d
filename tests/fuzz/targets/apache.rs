//! Fuzz target: Apache's `combined`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::apache, stamps};

fuzz_target!(|data: &[u8]| lines(&mut apache::combined(stamps()), data));
