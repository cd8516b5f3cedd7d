//! Plans for these tests. `wsim configure` assigns the addresses, so that no port is fixed.

use wsim::configure::address::Address;
use wsim::configure::{Configuration, ConfigureConfig, configure};
use wsim::plan::{Plan, ProxyKind};

use super::net;
use super::proxy::free_port;

/// A pool for each kind of endpoint: initial syncs, syncs by user, events by room, inbound federation by address, media; stream writers.
pub(super) const SEPARATE_POOLS: &str = r#"
name = "separate pools"
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

/// One pool for everything, no stream writer: requests that only read a stream go to the pool, requests that write it to the main process.
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

/// A plan whose balancing rules are HAProxy's own directives.
pub(super) const HAPROXY_RULES: &str = r#"
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

/// More stream writers, to be appended to a plan: streams that allow several writers have two, the others one.
pub(super) const MORE_WRITERS: &str = r#"
to_device = "writer1"
account_data = "writer2"
receipts = ["writer2", "writer3"]
presence = "writer2"
push_rules = "writer2"
device_lists = ["writer3", "writer4"]
"#;

/// Writes the configuration of a plan and starts a server at every address that it names.
pub(super) fn configure_and_serve(plan: &str, proxy: ProxyKind, release: &str) -> Configuration {
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
    // Shows the reason, if it was not the ports.
    panic!(
        "{:?}",
        configure(&plan, &ConfigureConfig { proxy, synapse: Some(release.to_owned()), ..ConfigureConfig::default() })
            .map(|_| "no free ports")
    );
}

/// The text of a file of a configuration.
pub(super) fn file<'c>(configuration: &'c Configuration, path: &str) -> &'c str {
    let found = configuration.files.iter().find(|file| file.path == path);
    &found.unwrap_or_else(|| panic!("there is no {path}")).text
}
