//! Synapse's files of a deployment, rewritten for a configuration.
//!
//! Shared files lose what `workers.yaml` says from now on, and old settings that the release does not read or refuses; homeserver.yaml gets
//! the listeners and Redis that it lacks. The file of a worker that stays keeps everything that the plan does not decide: its log settings,
//! its caches, other listeners. Sources of what is old, and since when: Synapse's docs/upgrade.md and docs/workers.md.

use super::super::address::Address;
use super::super::cluster::Process;
use super::super::present::is_public;
use super::super::read::synapse::{Listener, SynapseFile, SynapseFiles};
use super::super::read::tree::{self, Node, Value};
use super::super::release::Known;
use super::super::synapse::{listener, metrics_listener};
use super::super::{Configuration, ConfigureConfig};
use super::edit::{YamlText, is_same};

/// A file before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub(super) before: String,
    /// The new text, or why it has to be written by hand.
    pub(super) after: Result<String, String>,
    /// What was changed, as phrases.
    pub(super) changes: Vec<String>,
}

impl Rewritten {
    pub(super) fn is_changed(&self) -> bool {
        self.after.as_ref().map_or(true, |after| *after != self.before)
    }
}

/// The input of a rewriting.
pub(super) struct Rewriter<'a> {
    pub(super) files: &'a SynapseFiles,
    pub(super) configuration: &'a Configuration,
    pub(super) config: &'a ConfigureConfig,
    pub(super) release: &'a Known,
}

/// A listener that a process needs.
struct Required {
    address: Address,
    resources: Vec<&'static str>,
    what: &'static str,
}

impl Rewriter<'_> {
    /// A file that several processes read.
    pub(super) fn shared(&self, index: usize) -> Rewritten {
        let file = &self.files.files[index];
        let before = text_of(file);
        let mut text = YamlText::new(&in_blocks(file, &before));
        let mut changes = Vec::new();
        for key in self.moved_keys() {
            if file.root.get(key).is_some() {
                text.remove(key);
                changes.push(self.removal(key, "workers.yaml"));
            }
        }
        let last_with = |key: &str| self.files.files.iter().rposition(|file| !file.is_worker && file.root.get(key).is_some());
        let mut problem = None;
        if last_with("listeners") == Some(index) {
            let listeners = self.files.processes.iter().find(|process| process.file.is_none()).map(|process| process.listeners.as_slice());
            let edited =
                self.listeners(&mut text, &file.root, "listeners", listeners.unwrap_or_default(), &self.required_of_main(), &mut changes);
            problem = edited.err();
        }
        let redis = last_with("redis").or_else(|| last_with("server_name"));
        let has_redis = self.config.present.as_ref().is_some_and(|present| present.has_redis);
        if redis == Some(index) && !self.configuration.cluster.workers.is_empty() && !has_redis {
            text.set("redis", &self.redis(file.root.get("redis")));
            changes.push("redis is switched on".to_owned());
        }
        finished(before, text, problem, changes)
    }

    /// The file of a worker that stays, from its old file and the generated one.
    pub(super) fn worker(&self, index: usize, process: &Process, generated: &str) -> Rewritten {
        let file = &self.files.files[index];
        let before = text_of(file);
        let mut text = YamlText::new(&in_blocks(file, &before));
        let mut changes = Vec::new();
        let new = YamlText::new(generated);
        let parsed = tree::yaml(&file.name, generated).unwrap_or(Node { value: Value::Null, line: 0 });
        for key in WORKER_KEYS {
            match (file.root.get(key), parsed.get(key)) {
                (Some(old), Some(new_value)) if is_same(old, new_value) => {}
                (_, Some(value)) => {
                    text.set(key, &new.block(key).unwrap_or_default());
                    changes.push(format!("{key}: {}", value.text().unwrap_or_default()));
                }
                (Some(_), None) => {
                    text.remove(key);
                    changes.push(self.removal(key, "workers.yaml"));
                }
                (None, None) => {}
            }
        }
        for key in self.moved_keys().into_iter().filter(|key| !WORKER_KEYS.contains(key)) {
            if file.root.get(key).is_some() {
                text.remove(key);
                changes.push(self.removal(key, "workers.yaml"));
            }
        }
        if file.root.get("worker_log_config").is_none()
            && let Some(block) = new.block("worker_log_config")
        {
            text.set("worker_log_config", &block);
        }
        let old = self.files.processes.iter().find(|own| own.file == Some(index)).map(|own| own.listeners.as_slice()).unwrap_or_default();
        let edited = self.listeners(&mut text, &file.root, "worker_listeners", old, &required_of_worker(process), &mut changes);
        finished(before, text, edited.err(), changes)
    }

    /// Where a setting that is removed has gone, or why.
    fn removal(&self, key: &str, place: &str) -> String {
        match why_removed(key) {
            Some((since, why)) if self.release.is_at_least(since) => format!("{key} is removed: {why}"),
            Some(_) if key.starts_with("worker_") => format!("{key} is in the workers' own files from now on"),
            _ => format!("{key} is in {place} from now on"),
        }
    }

    fn required_of_main(&self) -> Vec<Required> {
        let cluster = &self.configuration.cluster;
        let clients = Required { address: cluster.main.clone(), resources: vec!["client", "federation"], what: "the proxy" };
        let replication = Required { address: cluster.main_replication.clone(), resources: vec!["replication"], what: "the workers" };
        let metrics = cluster.main_metrics.iter().map(|address| Required {
            address: address.clone(),
            resources: vec!["metrics"],
            what: "Prometheus",
        });
        std::iter::once(clients).chain((!cluster.workers.is_empty()).then_some(replication)).chain(metrics).collect()
    }

    /// Changes a list of listeners to have what is required: what is there and suffices stays as it is written.
    fn listeners(
        &self,
        text: &mut YamlText,
        root: &Node,
        key: &str,
        old: &[Listener],
        required: &[Required],
        changes: &mut Vec<String>,
    ) -> Result<(), String> {
        let (mut replaced, mut added): (Vec<(usize, Option<String>)>, Vec<String>) = (Vec::new(), Vec::new());
        let indent = text.items(key).map_or(2, |(_, column)| column);
        // The plan gives a worker its addresses. The main process may have more listeners than the plan knows of.
        let is_of_worker = key == "worker_listeners";
        for (index, listener) in old.iter().enumerate() {
            let is_required = required.iter().any(|required| listener.is_at(&required.address.to_string()));
            let is_served = is_public(listener) || listener.has("replication");
            if is_of_worker && is_served && !is_required && !listener.is_of_type("replication") {
                replaced.push((index, None));
                let port = listener.port.map_or_else(|| listener.path.clone().unwrap_or_default(), |port| format!("port {port}"));
                changes.push(format!("the listener at {port} is removed: the plan has another address"));
            } else if listener.is_of_type("replication") && self.release.is_at_least("1.67") {
                replaced.push((index, None));
                changes.push("the listener of type replication is removed: Synapse 1.67 and later refuse it".to_owned());
            }
        }
        for required in required {
            let item = self.item(required, indent);
            match old.iter().position(|listener| listener.is_at(&required.address.to_string())) {
                Some(index) if required.resources.iter().all(|resource| old[index].has(resource)) => {}
                Some(index) => {
                    replaced.push((index, Some(item)));
                    changes.push(format!("the listener at {} also serves {}", required.address, required.resources.join(", ")));
                }
                None => {
                    added.push(item);
                    changes.push(format!("a listener for {} at {}", required.what, required.address));
                }
            }
        }
        if replaced.is_empty() && added.is_empty() {
            return Ok(());
        }
        if root.get(key).is_none_or(|node| node.items().is_empty()) {
            text.set(key, &format!("{key}:\n{}", added.concat()));
            return Ok(());
        }
        if added.is_empty() && replaced.len() == old.len() && replaced.iter().all(|(_, new)| new.is_none()) {
            text.remove(key);
            return Ok(());
        }
        if text.change_items(key, &replaced, &added) {
            return Ok(());
        }
        // In one line, or in another style than a list with dashes: JSON is YAML, too.
        let Some(node) = root.get(key) else { return Ok(()) };
        let mut out = format!("{key}:\n");
        for (index, item) in node.items().iter().enumerate() {
            match replaced.iter().find(|(own, _)| *own == index) {
                Some((_, new)) => out += &new.clone().unwrap_or_default(),
                None => out += &format!("  - {}\n", json(item)),
            }
        }
        text.set(key, &(out + &added.concat()));
        Ok(())
    }

    fn item(&self, required: &Required, indent: usize) -> String {
        if required.resources == ["metrics"] {
            return metrics_listener(&required.address, indent);
        }
        let is_public = required.resources != ["replication"];
        listener(&required.address, &required.resources, is_public, indent, is_public && self.release.has_request_id_header())
    }

    /// `redis` with what the file says besides.
    fn redis(&self, old: Option<&Node>) -> String {
        let mut out = "redis:\n  enabled: true\n".to_owned();
        let entries = old.map(Node::entries).unwrap_or_default();
        for (key, value) in entries.iter().filter(|(key, _)| key != "enabled") {
            out += &format!("  {}: {}\n", quoted(key), json(value));
        }
        if !entries.iter().any(|(key, _)| key == "host" || key == "path") {
            out += if self.configuration.cluster.is_one_machine { "  host: localhost\n" } else { "  host: redis\n" };
        }
        out
    }

    /// The settings that `workers.yaml` has from now on, and old ones.
    fn moved_keys(&self) -> Vec<&'static str> {
        let mut keys = SHARED_KEYS.to_vec();
        let serves_media = |process: &&super::super::read::synapse::SynapseProcess| {
            process.app == "synapse.app.media_repository" || process.listeners.iter().any(|listener| listener.has("media"))
        };
        let workers = self.files.processes.iter().filter(|process| process.file.is_some());
        // A homeserver without any media stays one.
        if workers.into_iter().any(|process| serves_media(&process)) || self.configuration.cluster.workers.iter().any(Process::has_media) {
            keys.push("enable_media_repo");
        }
        let extras = &self.config.extras;
        keys.extend(extras.metrics.then_some("enable_metrics"));
        keys.extend(extras.max_upload.map(|_| "max_upload_size"));
        keys
    }
}

fn required_of_worker(process: &Process) -> Vec<Required> {
    let clients = process.clients.iter().map(|address| Required {
        address: address.clone(),
        resources: process.resources.iter().map(|resource| resource.word()).collect(),
        what: "the proxy",
    });
    let replication = process.replication.iter().map(|address| Required {
        address: address.clone(),
        resources: vec!["replication"],
        what: "the other processes",
    });
    let metrics =
        process.metrics.iter().map(|address| Required { address: address.clone(), resources: vec!["metrics"], what: "Prometheus" });
    clients.chain(replication).chain(metrics).collect()
}

fn finished(before: String, text: YamlText, problem: Option<String>, changes: Vec<String>) -> Rewritten {
    let after = match problem {
        Some(problem) => Err(problem),
        None => text.finish(),
    };
    Rewritten { before, after, changes }
}

fn text_of(file: &SynapseFile) -> String {
    file.lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Why an old setting is gone, and the first release for which that holds.
fn why_removed(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "worker_replication_host" | "worker_replication_http_port" | "worker_replication_http_tls" => {
            ("1.84", "since 1.84 workers find the main process by its entry in instance_map, and 1.88 refuses the old setting")
        }
        "worker_replication_port" => ("1.18", "Redis took the place of replication over TCP, which ended with 1.67"),
        "worker_main_http_uri" => ("1.73", "it is not read since 1.73"),
        "start_pushers" => ("1.33", "pusher_instances says who pushes"),
        "send_federation" => ("1.33", "federation_sender_instances says who sends"),
        "notify_appservices" => ("1.59", "notify_appservices_from_worker says who notifies bridges"),
        "update_user_directory" => ("1.59", "update_user_directory_from_worker says who updates the directory"),
        _ => return None,
    })
}

/// A value as JSON, which is YAML.
fn json(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{}: {}", quoted(key), json(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Float(number) => format!("{number:?}"),
        Value::Bool(_) | Value::Int(_) => node.text().unwrap_or_default(),
    }
}

/// A text in double quotes, in which JSON and YAML agree. What YAML 1.1 reads as true or false stays as it is written.
fn quoted(text: &str) -> String {
    let is_truth = ["yes", "no", "on", "off"].iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_truth { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// The text of a file; of JSON, which YAML includes, the same with each key on a line of its own.
fn in_blocks(file: &SynapseFile, text: &str) -> String {
    if !text.trim_start().starts_with('{') || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return text.to_owned();
    }
    file.root.entries().iter().map(|(key, value)| format!("{}: {}\n", serde_json::Value::from(key.as_str()), json(value))).collect()
}

/// Settings of all processes that `workers.yaml` has or that are old.
const SHARED_KEYS: [&str; 18] = [
    "instance_map",
    "stream_writers",
    "run_background_tasks_on",
    "update_user_directory_from_worker",
    "notify_appservices_from_worker",
    "pusher_instances",
    "federation_sender_instances",
    "media_instance_running_background_jobs",
    "outbound_federation_restricted_to",
    "start_pushers",
    "send_federation",
    "notify_appservices",
    "update_user_directory",
    "worker_replication_host",
    "worker_replication_http_port",
    "worker_replication_http_tls",
    "worker_replication_port",
    "worker_main_http_uri",
];

/// Settings of a worker's own file that the plan decides.
const WORKER_KEYS: [&str; 8] = [
    "worker_app",
    "worker_name",
    "worker_replication_host",
    "worker_replication_http_port",
    "worker_replication_http_tls",
    "worker_replication_port",
    "worker_main_http_uri",
    "enable_media_repo",
];
