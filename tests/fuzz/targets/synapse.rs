//! Fuzz target: Synapse's request log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::synapse,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(synapse::Synapse::new(stamps())), data));
