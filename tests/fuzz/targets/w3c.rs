//! Fuzz target: W3C's extended log file format, with whatever header the data has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{lines_of, stamps};
use wsim_fuzz::logs::formats::w3c::W3c;
use wsim_fuzz::logs::{Parser, blocks};

fuzz_target!(|data: &[u8]| {
    let mut parser = W3c::new(stamps());
    parser.study(&blocks::lines(data).take(20).collect::<Vec<_>>());
    lines_of(&mut parser, data);
});
