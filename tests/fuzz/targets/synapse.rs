//! Fuzz target: Synapse's request log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::synapse, stamps};

fuzz_target!(|data: &[u8]| lines(&mut synapse::Synapse::new(stamps()), data));
