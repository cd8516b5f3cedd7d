//! Fuzz target: Synapse's JSON logs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::synapse_json, stamps};

fuzz_target!(|data: &[u8]| lines(&mut synapse_json::SynapseJson::new(stamps()), data));
