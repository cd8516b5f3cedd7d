//! Fuzz target: Caddy's JSON and console forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::caddy, stamps};

fuzz_target!(|data: &[u8]| lines(&mut caddy::Caddy::new(stamps()), data));
