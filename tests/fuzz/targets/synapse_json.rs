//! Fuzz target: Synapse's JSON logs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::synapse_json,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(synapse_json::SynapseJson::new(stamps())), data));
