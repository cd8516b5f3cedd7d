//! Fuzz target: `LogFormat` strings, and a line through what they compile to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{lines, logs::formats::apache::LogFormat, stamps};

fuzz_target!(|data: (&str, &[u8])| {
    if let Ok(format) = LogFormat::parse(data.0)
        && let Ok(mut parser) = format.parser("custom", stamps())
    {
        lines(&mut parser, data.1);
    }
});
