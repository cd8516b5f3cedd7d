//! Plans for these tests: addresses are given away by `wsim configure`, so that no port is fixed.

use std::net::TcpListener;

use wsim::configure::address::Address;
use wsim::configure::{Configuration, ConfigureConfig, configure};
use wsim::plan::{Plan, ProxyKind};

use super::net;

/// Everything of its own: initial syncs apart, streams with writers, events by room, inbound federation by address, media.
pub(super) const APART: &str = r#"
name = "everything apart"
synapse = "1.157"
[[pool]]
name = "initial"
endpoints = ["initial_sync"]
workers = 2
balance = "hash"
key = "user"
[[pool]]
name = "sync"
endpoints = ["sync", "sliding_sync"]
workers = 3
balance = "hash consistent"
key = "user"
[[pool]]
name = "event"
endpoints = ["event_sending", "pagination"]
workers = 3
balance = "hash consistent"
key = "room"
[[pool]]
name = "inbound"
endpoints = ["federation_send"]
workers = 2
balance = "hash"
key = "address"
[[pool]]
name = "reader"
endpoints = ["federation"]
workers = 2
balance = "hash"
key = "uri"
[[pool]]
name = "generic"
endpoints = ["client", "encryption", "registration_login", "user_directory", "delayed_events", "admin", "groups"]
workers = 2
balance = "least_conn"
[[pool]]
name = "media"
endpoints = ["media", "media_admin"]
workers = 1
[[pool]]
name = "login"
endpoints = ["sso_all", "sso_oidc", "sso_saml", "sso_cas"]
workers = 1
[stream_writers]
events = ["persister1", "persister2"]
typing = "writer1"
"#;

/// Workers for everything, no stream writer: what only reads a stream leaves the main process, what writes it stays.
pub(super) const GENERIC: &str = r#"
name = "generic workers"
synapse = "1.157"
[[pool]]
name = "generic"
endpoints = [
    "sync", "initial_sync", "event_sending", "pagination", "client", "encryption", "device_lists", "registration_login", "user_directory",
    "delayed_events", "receipts", "push_rules", "account_data", "presence", "admin", "quarantined_media_changes", "federation",
    "federation_send",
]
workers = 2
balance = "hash consistent"
key = "token"
"#;

/// HAProxy's own words, with weights, a ring, and a pattern of the plan's own.
pub(super) const HAPROXYS_WORDS: &str = r#"
name = "in HAProxy's words"
synapse = "1.157"
[proxy]
kind = "haproxy"
release = "2.6.12"
[[pool]]
name = "initial"
endpoints = ["initial_sync"]
workers = 2
balance = "balance hdr(X-Access-Token)"
[[pool]]
name = "sync"
endpoints = ["sync", "sliding_sync"]
workers = 3
balance = "balance hdr(X-Access-Token) hash-type consistent"
key = "user"
[[pool]]
name = "event"
endpoints = ["event_sending", "pagination"]
workers = 3
balance = "balance hdr(X-Matrix-Room) hash-type map-based djb2 avalanche"
[[pool]]
name = "inbound"
endpoints = ["federation_send"]
workers = 2
balance = "balance source"
[[pool]]
name = "reader"
endpoints = ["federation"]
workers = 2
balance = "balance uri whole"
[[pool]]
name = "generic"
endpoints = ["client", "encryption", "device_lists", "presence", "push_rules"]
workers = 2
balance = "leastconn"
"#;

/// Streams of which the release may have several writers, and those of which it may not.
pub(super) const MORE_WRITERS: &str = r#"
to_device = "writer1"
account_data = "writer2"
receipts = ["writer2", "writer3"]
presence = "writer2"
push_rules = "writer2"
device_lists = ["writer3", "writer4"]
"#;

/// The configuration, with a server at every address that it names.
pub(super) fn served(plan: &str, proxy: ProxyKind, release: &str) -> Configuration {
    let plan = Plan::from_toml(plan, "plan.toml").unwrap();
    for _ in 0..50 {
        let base_port = free_port();
        let config = ConfigureConfig {
            proxy,
            synapse: Some(release.to_owned()),
            main: Address::tcp("127.0.0.1", free_port()),
            main_replication: Address::tcp("127.0.0.1", free_port()),
            base_port,
            ..ConfigureConfig::default()
        };
        let Ok(configuration) = configure(&plan, &config) else { continue };
        let workers = configuration.cluster.workers.iter().filter_map(|process| process.clients.clone());
        let addresses: Vec<String> =
            std::iter::once(configuration.cluster.main.clone()).chain(workers).map(|address| address.to_string()).collect();
        if net::serve(&addresses) {
            return configuration;
        }
    }
    // The reason, if it was not the ports.
    panic!(
        "{:?}",
        configure(&plan, &ConfigureConfig { proxy, synapse: Some(release.to_owned()), ..ConfigureConfig::default() }).map(|_| "no free ports")
    );
}

/// A file of a configuration.
pub(super) fn file<'c>(configuration: &'c Configuration, path: &str) -> &'c str {
    let found = configuration.files.iter().find(|file| file.path == path);
    &found.unwrap_or_else(|| panic!("there is no {path}")).text
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
