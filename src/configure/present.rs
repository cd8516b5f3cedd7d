//! What a deployment has now, as far as a new configuration has to fit it: addresses, names, ports, the secret.
//!
//! A process that stays keeps its name and its addresses, so that its neighbours find it while others are replaced. Knows the processes of
//! Synapse's files, not how they are changed.

use std::collections::BTreeSet;

use super::address::Address;
use super::read::synapse::{Listener, SynapseFiles, SynapseProcess};
use super::read::tree::Value;

/// The processes of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// Where the main process serves clients; `None` if the files do not say.
    pub main: Option<Address>,
    pub main_replication: Option<Address>,
    pub main_metrics: Option<Address>,
    pub workers: Vec<PresentWorker>,
    /// Every port that some process listens at.
    pub ports: BTreeSet<u16>,
    /// Whether the files have `worker_replication_secret` or its file.
    pub has_secret: bool,
    /// Whether redis is switched on.
    pub has_redis: bool,
    /// `outbound_federation_restricted_to`.
    pub restricted: Vec<String>,
    /// `max_upload_size` in bytes.
    pub max_upload: Option<u64>,
}

/// A worker of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentWorker {
    pub name: String,
    /// `worker_app`.
    pub app: String,
    pub clients: Option<Address>,
    pub replication: Option<Address>,
    pub metrics: Option<Address>,
}

impl Present {
    /// The processes in Synapse's files. `main` is where the proxy sends requests for the main process, if it is known.
    pub fn of(files: &SynapseFiles, main: Option<&Address>) -> Self {
        let process = files.processes.iter().find(|process| process.file.is_none());
        let mapped = |name: &str| files.instances.iter().rev().find(|(own, ..)| own == name).map(|(_, address, _)| address.as_str());
        let address = |process: &SynapseProcess, has: &dyn Fn(&Listener) -> bool| {
            let listener = process.listeners.iter().find(|listener| has(listener))?;
            address(listener, host(process, files, main))
        };
        let replication = |process: &SynapseProcess| {
            let own = address(process, &is_replication);
            own.map(|own| mapped(&process.name).and_then(|text| Address::parse(text).ok()).unwrap_or(own))
        };
        let workers = files.processes.iter().filter(|process| process.file.is_some()).map(|process| PresentWorker {
            name: process.name.clone(),
            app: process.app.clone(),
            clients: address(process, &is_public),
            replication: replication(process),
            metrics: address(process, &is_metrics),
        });
        let ports = files.processes.iter().flat_map(|process| &process.listeners).filter_map(|listener| listener.port).collect();
        let is_set = |key: &str| files.setting(None, key).is_some_and(|(node, _)| node.value != Value::Null);
        Self {
            main: main.cloned().or_else(|| process.and_then(|process| address(process, &is_public))),
            main_replication: process.and_then(replication),
            main_metrics: process.and_then(|process| address(process, &is_metrics)),
            workers: workers.collect(),
            ports,
            has_secret: is_set("worker_replication_secret") || is_set("worker_replication_secret_path"),
            has_redis: files.redis.as_ref().is_some_and(|(enabled, _)| *enabled),
            restricted: files.setting(None, "outbound_federation_restricted_to").map(|(node, _)| node.texts()).unwrap_or_default(),
            max_upload: files.max_upload_size(),
        }
    }

    /// A worker by name.
    pub fn worker(&self, name: &str) -> Option<&PresentWorker> {
        self.workers.iter().find(|worker| worker.name == name)
    }
}

/// The workers of a background role: those that its setting names, or, without it, those of the old program for it.
pub(super) fn role(files: &SynapseFiles, setting: &str) -> Vec<String> {
    if let Some((_, names)) = files.background_roles.iter().find(|(own, _)| own == setting) {
        return names.names.iter().filter(|name| *name != "main" && *name != "master").cloned().collect();
    }
    let Some((_, old, app)) = OLD_ROLES.into_iter().find(|(own, ..)| *own == setting) else { return Vec::new() };
    // Without the old switch the main process has the role, and a worker of the old program does not start.
    let is_off = files.setting(None, old).is_some_and(|(node, _)| node.truth() == Some(false));
    let workers = files.processes.iter().filter(|process| process.app == app && is_off);
    workers.map(|process| process.name.clone()).collect()
}

/// Whether a listener serves clients or other servers.
pub(super) fn is_public(listener: &Listener) -> bool {
    ["client", "federation", "media"].iter().any(|resource| listener.has(resource))
}

fn is_replication(listener: &Listener) -> bool {
    // A listener of the type "replication" speaks the old protocol over TCP and has no resources besides.
    listener.has("replication") && !listener.is_of_type("replication")
}

fn is_metrics(listener: &Listener) -> bool {
    listener.is_of_type("metrics")
}

/// The host under which other processes reach a process.
fn host<'f>(process: &'f SynapseProcess, files: &'f SynapseFiles, main: Option<&'f Address>) -> &'f str {
    let mapped = files.instances.iter().rev().find(|(own, ..)| *own == process.name);
    let of_main = match main {
        Some(Address::Tcp { host, .. }) if process.file.is_none() => Some(host.as_str()),
        _ => None,
    };
    let mapped = mapped.and_then(|(_, address, _)| address.rsplit_once(':')).map(|(host, _)| host);
    mapped.or(of_main).filter(|host| !host.is_empty() && !host.starts_with('/') && *host != "unix").unwrap_or("127.0.0.1")
}

fn address(listener: &Listener, host: &str) -> Option<Address> {
    if let Some(path) = &listener.path {
        return Some(Address::Unix(path.clone()));
    }
    let is_one = |bind: &&String| bind.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_ipv4() && !address.is_unspecified());
    let bound = listener.bind.iter().find(is_one).map(String::as_str);
    Some(Address::tcp(bound.unwrap_or(host), listener.port?))
}

/// Background roles that had a program of their own: the setting, the old switch, the old program.
const OLD_ROLES: [(&str, &str, &str); 4] = [
    ("federation_sender_instances", "send_federation", "synapse.app.federation_sender"),
    ("pusher_instances", "start_pushers", "synapse.app.pusher"),
    ("notify_appservices_from_worker", "notify_appservices", "synapse.app.appservice"),
    ("update_user_directory_from_worker", "update_user_directory", "synapse.app.user_dir"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn addresses_names_and_old_roles_are_those_of_the_files() {
        let mut files = SynapseFiles::default();
        let homeserver = "server_name: a\nlisteners:\n  - {port: 8008, type: http, bind_addresses: ['127.0.0.1'], resources: [{names: [client, federation]}]}\n  - {port: 9092, type: replication}\n  - {port: 9093, type: http, resources: [{names: [replication]}]}\nredis: {enabled: true}\nsend_federation: false\nstart_pushers: true\ninstance_map: {w1: {host: w1.local, port: 9101}}\n";
        files.add(Path::new("homeserver.yaml"), homeserver).unwrap();
        let w1 = "worker_app: synapse.app.generic_worker\nworker_name: w1\nworker_listeners:\n  - {port: 8083, type: http, resources: [{names: [client]}]}\n  - {port: 9101, type: http, resources: [{names: [replication]}]}\n";
        files.add(Path::new("w1.yaml"), w1).unwrap();
        files.add(Path::new("s1.yaml"), "worker_app: synapse.app.federation_sender\nworker_name: s1\n").unwrap();
        files.add(Path::new("p1.yaml"), "worker_app: synapse.app.pusher\nworker_name: p1\n").unwrap();
        let present = Present::of(&files, None);
        let text = |address: &Option<Address>| address.as_ref().map(ToString::to_string).unwrap_or_default();
        assert_eq!([text(&present.main), text(&present.main_replication)], ["127.0.0.1:8008", "127.0.0.1:9093"]);
        let worker = present.worker("w1").unwrap();
        assert_eq!([text(&worker.clients), text(&worker.replication)], ["w1.local:8083", "w1.local:9101"]);
        assert_eq!(present.ports, [8008, 8083, 9092, 9093, 9101].into());
        assert_eq!(role(&files, "federation_sender_instances"), ["s1"]);
        // Its old switch is on: the main process pushes.
        assert_eq!(role(&files, "pusher_instances"), Vec::<String>::new());
        assert!(present.has_redis && !present.has_secret && present.max_upload.is_none());
    }
}
