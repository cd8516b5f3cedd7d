//! What changes between the processes of a deployment and those of a configuration.
//!
//! Knows processes, streams, background roles and addresses, not files. Invariant: a process of the deployment is either kept, by its name,
//! or removed, and one of the configuration either kept or added.

use std::collections::BTreeMap;

use super::super::Configuration;
use super::super::address::Address;
use super::super::present::{Present, role};
use super::super::read::synapse::SynapseFiles;
use wsim_plan::background_roles::SETTINGS;

/// What changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) kept: Vec<String>,
    /// Streams with other writers than before.
    pub(super) streams: Vec<Moved>,
    /// Background roles with other workers than before.
    pub(super) roles: Vec<Moved>,
    /// Processes that stay and get another replication address.
    pub(super) readdressed: Vec<String>,
    /// Workers that stay and get another address for the proxy.
    pub(super) moved: Vec<String>,
    /// Whether the processes share a secret that they did not have.
    pub(super) gets_secret: bool,
    /// Whether redis has to be switched on.
    pub(super) gets_redis: bool,
    /// Whether media leave the main process, or come back to it.
    pub(super) media: bool,
}

/// Work that other processes do from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    /// The stream, or the setting of the role.
    pub(super) what: String,
    /// `main` for the main process.
    pub(super) from: Vec<String>,
    pub(super) to: Vec<String>,
}

impl Difference {
    pub(super) fn new(files: &SynapseFiles, present: &Present, configuration: &Configuration) -> Self {
        let cluster = &configuration.cluster;
        let is_new = |name: &str| cluster.worker(name).is_some();
        let (kept, removed) = present.workers.iter().map(|worker| worker.name.clone()).partition(|name| is_new(name));
        let added = cluster.workers.iter().map(|process| process.name.clone()).filter(|name| present.worker(name).is_none()).collect();
        let had_workers = !present.workers.is_empty();
        let has_workers = !cluster.workers.is_empty();
        let readdressed = files.instances.iter().filter(|(name, address, _)| {
            let now = if name == "main" {
                Some(&cluster.main_replication)
            } else {
                cluster.worker(name).and_then(|process| process.replication.as_ref())
            };
            now.is_some_and(|now| now.resolved().to_string() != resolved(address))
        });
        let had_media = had_media(files);
        let moved = present.workers.iter().filter(|worker| {
            let now = cluster.worker(&worker.name).and_then(|process| process.clients.as_ref());
            worker.clients.as_ref().zip(now).is_some_and(|(before, now)| !is_same_place(before, now))
        });
        Self {
            added,
            removed,
            kept,
            streams: streams(files, configuration),
            roles: roles(files, configuration),
            readdressed: readdressed.map(|(name, ..)| name.clone()).collect(),
            moved: moved.map(|worker| worker.name.clone()).collect(),
            gets_secret: had_workers && has_workers && !present.has_secret && configuration.release_has_secret(),
            gets_redis: has_workers && !present.has_redis,
            media: had_media != cluster.workers.iter().any(super::super::cluster::Process::has_media),
        }
    }

    /// Whether some process of the deployment would not understand one of the configuration: then all stop before any starts.
    pub(super) fn reasons_to_stop(&self) -> Vec<String> {
        if self.removed.is_empty() && self.kept.is_empty() {
            return Vec::new();
        }
        let mut reasons = Vec::new();
        if !self.streams.is_empty() {
            let streams: Vec<&str> = self.streams.iter().map(|moved| moved.what.as_str()).collect();
            reasons.push(format!(
                "{} {} other writers, and two processes that write one stream without knowing of each other use the same positions twice",
                streams.join(", "),
                if streams.len() == 1 { "gets" } else { "get" }
            ));
        }
        if !self.readdressed.is_empty() {
            reasons.push(format!("{} will be found at another replication address", self.readdressed.join(", ")));
        }
        if self.gets_secret {
            reasons.push("the processes get a secret, and refuse each other while only some have it".to_owned());
        }
        if self.gets_redis {
            reasons.push("the processes communicate over Redis from now on".to_owned());
        }
        let moves_between_workers =
            |moved: &&Moved| moved.from.iter().any(|name| name != "main") && moved.to.iter().any(|name| self.added.contains(name));
        if let Some(moved) = self.roles.iter().find(moves_between_workers) {
            reasons.push(format!("{} goes from one worker to another, and two must not do it at once", moved.what));
        }
        reasons
    }

    /// Whether no process changes.
    pub(super) fn is_proxy_only(&self) -> bool {
        Self { kept: Vec::new(), ..self.clone() } == Self::default()
    }
}

/// Whether two addresses of one process are the same listener: hosts differ between those who know it.
fn is_same_place(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Tcp { port: a, .. }, Address::Tcp { port: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

fn resolved(address: &str) -> String {
    address.strip_prefix("localhost:").map_or_else(|| address.to_owned(), |port| format!("127.0.0.1:{port}"))
}

/// Whether a worker serves media now, and the main process does not.
fn had_media(files: &SynapseFiles) -> bool {
    let is_off = files.media.as_ref().is_some_and(|(enabled, _)| !*enabled);
    is_off && files.processes.iter().any(|process| process.file.is_some() && process.listeners.iter().any(|listener| listener.has("media")))
}

fn streams(files: &SynapseFiles, configuration: &Configuration) -> Vec<Moved> {
    let mut both: BTreeMap<&str, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for (stream, names) in &files.writers {
        let names = names.names.iter().map(|name| if name == "master" { "main".to_owned() } else { name.clone() });
        both.entry(stream).or_default().0 = names.collect();
    }
    for (stream, writers) in &configuration.plan.stream_writers {
        both.entry(stream).or_default().1 = writers.names().to_vec();
    }
    both.into_iter().filter_map(|(stream, (from, to))| moved(stream, from, to)).collect()
}

fn roles(files: &SynapseFiles, configuration: &Configuration) -> Vec<Moved> {
    let new = |setting: &str| configuration.plan.background_roles.workers(setting).map(<[String]>::to_vec).unwrap_or_default();
    // Who clears old media follows from who has them.
    let settings = SETTINGS.into_iter().filter(|setting| *setting != "media_instance_running_background_jobs");
    settings.filter_map(|setting| moved(setting, role(files, setting), new(setting))).collect()
}

fn moved(what: &str, from: Vec<String>, to: Vec<String>) -> Option<Moved> {
    let or_main = |names: Vec<String>| if names.is_empty() { vec!["main".to_owned()] } else { names };
    let (from, to) = (or_main(from), or_main(to));
    (from != to).then(|| Moved { what: what.to_owned(), from, to })
}
