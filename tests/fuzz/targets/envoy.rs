//! Fuzz target: Envoy's and Istio's text formats.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{lines_of, stamps};
use wsim_fuzz::logs::formats::envoy;

fuzz_target!(|data: &[u8]| {
    for mut parser in envoy::text_parsers(&stamps()) {
        lines_of(parser.as_mut(), data);
    }
});
