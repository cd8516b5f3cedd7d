//! Fuzz target: nginx JSON formats by their key names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::nginx_json,
};

fuzz_target!(|data: &[u8]| lines(|| Box::new(nginx_json::NginxJson::guessed(stamps())), data));
