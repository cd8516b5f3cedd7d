//! Fuzz target: JSON logs of programs with fixed keys, and the units that a sample of a log with other keys shows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{lines_of, stamps};
use wsim_fuzz::logs::formats::{json_names::Dialect, nginx_json::NginxJson};
use wsim_fuzz::logs::{Parser, blocks};

fuzz_target!(|data: &[u8]| {
    for dialect in [Dialect::Any, Dialect::Envoy, Dialect::Haproxy, Dialect::GoogleCloud, Dialect::Cloudflare, Dialect::Azure] {
        let mut parser = NginxJson::of(dialect, stamps());
        parser.study(&blocks::lines(data).take(20).collect::<Vec<_>>());
        let _ = parser.notes();
        lines_of(&mut parser, data);
    }
});
