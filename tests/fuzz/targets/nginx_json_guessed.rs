//! Fuzz target: nginx JSON formats by their key names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::nginx_json, stamps};

fuzz_target!(|data: &[u8]| lines(&mut nginx_json::NginxJson::guessed(stamps()), data));
