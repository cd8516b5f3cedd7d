//! Fuzz target: a format inferred from lines, which must compile or be none, and the lines through it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{lines_of, stamps};
use wsim_fuzz::logs::blocks;
use wsim_fuzz::logs::formats::{inferred, nginx::LogFormat};

fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = blocks::lines(data).take(20).collect();
    if let Some(found) = inferred::infer(&lines, None)
        && let Ok(format) = LogFormat::parse(&found.text)
        && let Ok(mut parser) = format.parser("inferred", stamps())
    {
        lines_of(&mut parser, data);
    }
});
