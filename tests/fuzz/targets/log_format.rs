//! Fuzz target: `--log-format` of any server, and a line through what the expression compiles to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{lines_of, parts, stamps, text};
use wsim_fuzz::logs::formats::{envoy, expression, haproxy_format};

fuzz_target!(|data: &[u8]| {
    let [format, line] = parts(data);
    for parser in
        [expression::parser(text(format), stamps()), envoy::parser(text(format), stamps()), haproxy_format::parser(text(format), stamps())]
    {
        if let Ok(mut parser) = parser {
            lines_of(parser.as_mut(), line);
        }
    }
});
