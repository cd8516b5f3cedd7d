//! Fuzz target: Traefik's and Synapse's YAML and TOML, and the labels of caddy-docker-proxy.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::route;
use wsim_fuzz::read::{NoFiles, caddy, synapse, traefik};

fuzz_target!(|text: &str| {
    for name in ["d.yaml", "d.toml"] {
        if let Ok(proxy) = traefik::read(&[(Path::new(name), text)]) {
            route(&proxy);
        }
    }
    if let Ok(proxy) = caddy::read_labels(&[(Path::new("compose.yaml"), text)], &NoFiles) {
        route(&proxy);
    }
    let _ = synapse::SynapseFiles::default().add(Path::new("w.yaml"), text);
});
