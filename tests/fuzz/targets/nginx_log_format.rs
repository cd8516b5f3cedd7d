//! Fuzz target: `log_format` strings, and a line through what they compile to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{lines_of, parts, stamps, text};
use wsim_fuzz::logs::formats::nginx::LogFormat;

fuzz_target!(|data: &[u8]| {
    let [format, line] = parts(data);
    if let Ok(format) = LogFormat::parse(text(format))
        && let Ok(mut parser) = format.parser("custom", stamps())
    {
        lines_of(&mut parser, line);
    }
});
