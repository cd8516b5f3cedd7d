//! Fuzz target: Kubernetes' manifests: their routes, and the files in them.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::route;
use wsim_fuzz::read::kubernetes;

fuzz_target!(|text: &str| {
    let path = Path::new("m.yaml");
    let _ = kubernetes::files(path, text);
    for passing in [&[][..], &["haproxy".to_owned()]] {
        for proxy in kubernetes::read(&[(path, text)], passing).unwrap_or_default() {
            route(&proxy);
        }
    }
});
