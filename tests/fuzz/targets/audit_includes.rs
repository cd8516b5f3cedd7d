//! Fuzz target: configurations of several files that include each other.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{parts, route, text};
use wsim_fuzz::files::FewFiles;
use wsim_fuzz::read::{caddy, haproxy, nginx};

fuzz_target!(|data: &[u8]| {
    let [main, a, b, c]: [&[u8]; 4] = parts(data);
    let (main, files) = (text(main), FewFiles([a, b, c].map(text).to_vec()));
    let read = [
        nginx::read(Path::new("nginx.conf"), main, &files),
        caddy::read(Path::new("Caddyfile"), main, &files),
        haproxy::read(Path::new("haproxy.cfg"), main, &files),
    ];
    read.iter().flatten().for_each(route);
});
