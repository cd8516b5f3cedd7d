//! Fuzz target: what detects a log's format through all layers around its lines, with and without `--log-format`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{lines_of, parts, text};
use wsim_fuzz::logs::{blocks, detect};

fuzz_target!(|data: &[u8]| {
    let [log, expression] = parts(data);
    let sample: Vec<&[u8]> = blocks::lines(log).take(20).collect();
    let log_format = (!expression.is_empty()).then(|| text(expression).to_owned());
    let config = detect::DetectConfig { log_format, ..detect::DetectConfig::default() };
    if let Ok(mut detection) = detect::detect(&sample, &config) {
        lines_of(detection.parser.as_mut(), log);
    }
});
