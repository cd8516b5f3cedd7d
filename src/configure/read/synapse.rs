//! Synapse's own files: homeserver.yaml, shared configuration, worker files.
//!
//! Owns the meaning of the keys for processes; the audit judges them. Sources: `synapse/config/workers.py`,
//! `synapse/config/server.py`.

mod hosts;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::model::{ReadError, SourceLocation};
use super::tree::{self, Node, Value};

/// A process with its listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynapseProcess {
    /// `worker_name`; without one `worker_app`, as in Synapse; `main` for the main process.
    pub name: String,
    /// Whether the file has `worker_name`.
    pub is_named: bool,
    /// `worker_app`; empty for the main process.
    pub app: String,
    pub listeners: Vec<Listener>,
    /// `enable_media_repo` in its own file.
    pub media: Option<bool>,
    pub at: SourceLocation,
    /// The worker's own file, by its index in [`SynapseFiles::files`]; `None` for the main process.
    pub file: Option<usize>,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub port: Option<u16>,
    /// The path of a unix socket.
    pub path: Option<String>,
    /// `client`, `federation`, `media`, `replication`, …
    pub resources: Vec<String>,
    /// `bind_addresses` and `bind_address`; empty for all addresses.
    pub bind: Vec<String>,
    /// Whether `X-Forwarded-For` is read: if the file says so, and at sockets by default.
    pub x_forwarded: bool,
    /// `http`, `metrics`, `manhole`, `replication`; empty if the file does not say.
    pub kind: String,
    pub at: SourceLocation,
}

/// The value of a setting that names processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub names: Vec<String>,
    pub at: SourceLocation,
}

/// One of Synapse's files.
#[derive(Debug, Clone, PartialEq)]
pub struct SynapseFile {
    pub name: Arc<str>,
    pub root: Node,
    /// Whether it is the file of one worker.
    pub is_worker: bool,
    /// The lines of the text, for what a parser of YAML 1.1 reads otherwise.
    pub lines: Vec<String>,
}

/// The content of all of Synapse's files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SynapseFiles {
    pub files: Vec<SynapseFile>,
    /// In the order of the files.
    pub processes: Vec<SynapseProcess>,
    /// `instance_map`: the name of a process, and its `host:port`.
    pub instances: Vec<(String, String, SourceLocation)>,
    /// `stream_writers`.
    pub writers: Vec<(String, Names)>,
    /// The settings of background roles, by their names.
    pub background_roles: Vec<(String, Names)>,
    /// `redis.enabled`, if a file has it.
    pub redis: Option<(bool, SourceLocation)>,
    /// `enable_media_repo` of the shared configuration.
    pub media: Option<(bool, SourceLocation)>,
    /// All top-level keys with their values, to find deprecated ones.
    pub keys: Vec<(String, Option<String>, SourceLocation)>,
    /// Whether the shared configuration is among the files.
    pub shared: bool,
}

impl SynapseFiles {
    /// Adds a file.
    ///
    /// # Errors
    /// The text is not YAML, or no map.
    pub fn add(&mut self, path: &Path, text: &str) -> Result<(), ReadError> {
        let file: Arc<str> = path.to_string_lossy().into();
        let root = tree::yaml(&file, text)?;
        if !matches!(root.value, Value::Map(_) | Value::Null) {
            let message = "expected keys and values, as in homeserver.yaml".to_owned();
            return Err(ReadError::Syntax { at: SourceLocation::new(&file, root.line), message });
        }
        let at = |node: &Node| SourceLocation::new(&file, node.line);
        for (key, node) in root.entries() {
            self.keys.push((key.clone(), node.text(), at(node)));
        }
        let app = root.get("worker_app").and_then(Node::text).unwrap_or_default();
        // Synapse itself takes this name for the main process (`synapse/config/workers.py`).
        let is_main_app = app == "synapse.app.homeserver";
        let worker = root.get("worker_app").or_else(|| root.get("worker_name")).filter(|_| !is_main_app);
        let listeners = root.get(if worker.is_some() { "worker_listeners" } else { "listeners" });
        if worker.is_some() || listeners.is_some() {
            // Of two shared files with listeners the later one's take the place of all that the first has.
            if worker.is_none() {
                self.processes.retain(|process| process.file.is_some());
            }
            let named = root.get("worker_name").and_then(Node::text).filter(|name| !name.is_empty());
            self.processes.push(SynapseProcess {
                is_named: worker.is_none() || named.is_some(),
                name: if worker.is_some() { named.unwrap_or_else(|| app.clone()) } else { "main".to_owned() },
                app: if worker.is_some() { app } else { String::new() },
                listeners: listeners.map(Node::items).unwrap_or_default().iter().map(|node| listener(node, at(node))).collect(),
                media: root.get("enable_media_repo").and_then(Node::truth),
                at: worker.or(listeners).map_or_else(|| SourceLocation::new(&file, 0), &at),
                file: worker.is_some().then_some(self.files.len()),
            });
        }
        // An empty file, and one with nothing but secrets, say nothing of what others have: NixOS writes the rest itself.
        let is_secret = |(key, _): &(String, Node)| key.contains("secret") || key.ends_with("_key") || key.ends_with("_path");
        self.shared |= worker.is_none() && !root.entries().iter().all(is_secret);
        self.add_settings(&root, &at, worker.is_some());
        let lines = text.lines().map(str::to_owned).collect();
        self.files.push(SynapseFile { name: file, is_worker: worker.is_some(), root, lines });
        Ok(())
    }

    /// The names of the homeservers that shared files are for, and where they say so: more than one means files of several deployments.
    pub fn server_names(&self) -> BTreeMap<String, SourceLocation> {
        let shared = self.files.iter().filter(|file| !file.is_worker);
        let named = shared.filter_map(|file| {
            let node = file.root.get("server_name")?;
            Some((node.text()?, SourceLocation::new(&file.name, node.line)))
        });
        named.collect()
    }

    /// Of a setting in several shared files the last one counts as a whole, as in Synapse.
    fn add_settings(&mut self, root: &Node, at: &dyn Fn(&Node) -> SourceLocation, worker: bool) {
        let names = |node: &Node| Names { names: node.texts(), at: at(node) };
        if let Some(map) = root.get("instance_map") {
            if !worker {
                self.instances.clear();
            }
            for (name, node) in map.entries() {
                let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
                let address =
                    if text("path").is_empty() { format!("{}:{}", text("host"), text("port")) } else { format!("unix:{}", text("path")) };
                self.instances.push((name.clone(), address, at(node)));
            }
        }
        if let Some(writers) = root.get("stream_writers") {
            if !worker {
                self.writers.clear();
            }
            for (stream, node) in writers.entries() {
                self.writers.retain(|(own, _)| own != stream);
                self.writers.push((stream.clone(), names(node)));
            }
        }
        for key in BACKGROUND_ROLES {
            if let Some(node) = root.get(key) {
                self.background_roles.retain(|(own, _)| own != key);
                self.background_roles.push((key.to_owned(), names(node)));
            }
        }
        if let Some(node) = root.at(&["redis", "enabled"]) {
            self.redis = node.truth().map(|enabled| (enabled, at(node)));
        }
        if !worker && let Some(node) = root.get("enable_media_repo") {
            self.media = node.truth().map(|enabled| (enabled, at(node)));
        }
    }

    pub fn writers_of(&self, stream: &str) -> Option<&Names> {
        self.writers.iter().find(|(own, _)| own == stream).map(|(_, names)| names)
    }

    pub fn process(&self, name: &str) -> Option<&SynapseProcess> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// A setting as a process reads it: from its own file, else from the last shared file that has it.
    pub fn setting(&self, file: Option<usize>, key: &str) -> Option<(&Node, SourceLocation)> {
        let own = file.and_then(|index| self.files.get(index));
        let shared = self.files.iter().rev().filter(|file| !file.is_worker);
        own.into_iter().chain(shared).find_map(|file| {
            let node = file.root.get(key)?;
            Some((node, SourceLocation::new(&file.name, node.line)))
        })
    }

    /// Whether homeserver.yaml itself is among the files, so that a setting that is in none of them is not set.
    pub fn is_complete(&self) -> bool {
        self.files.iter().any(|file| !file.is_worker && file.root.get("server_name").is_some() && file.root.get("listeners").is_some())
    }

    /// `max_upload_size` in bytes.
    pub fn max_upload_size(&self) -> Option<u64> {
        let text = self.setting(None, "max_upload_size")?.0.text()?;
        let (digits, factor) = match text.as_bytes().last()? {
            b'K' => (text.get(..text.len() - 1)?, 1u64 << 10),
            b'M' => (text.get(..text.len() - 1)?, 1 << 20),
            b'G' => (text.get(..text.len() - 1)?, 1 << 30),
            b'T' => (text.get(..text.len() - 1)?, 1 << 40),
            _ => (text.as_str(), 1),
        };
        digits.parse::<u64>().ok()?.checked_mul(factor)
    }

    /// Whether matrix-authentication-service gives out the access tokens.
    pub fn has_authentication_service(&self) -> bool {
        let is_on = |node: Option<&Node>| node.and_then(|node| node.get("enabled")).and_then(Node::truth) == Some(true);
        let experimental = self.setting(None, "experimental_features").and_then(|(node, _)| node.get("msc3861"));
        is_on(self.setting(None, "matrix_authentication_service").map(|(node, _)| node)) || is_on(experimental)
    }
}

impl Listener {
    /// Whether the listener is the one at an address, by its port or socket.
    pub fn is_at(&self, address: &str) -> bool {
        match (address.strip_prefix("unix:"), &self.path, self.port) {
            (Some(path), Some(own), _) => path == own,
            (None, _, Some(port)) => address.rsplit_once(':').is_some_and(|(_, text)| text.parse() == Ok(port)),
            _ => false,
        }
    }

    /// Whether the listener has a type.
    pub fn is_of_type(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// Whether the listener has a resource.
    pub fn has(&self, resource: &str) -> bool {
        self.resources.iter().any(|own| own == resource)
    }
}

fn listener(node: &Node, at: SourceLocation) -> Listener {
    let resources = node.get("resources").map(Node::items).unwrap_or_default();
    let mut names: Vec<String> = resources.iter().flat_map(|resource| resource.get("names").map(Node::texts).unwrap_or_default()).collect();
    if let Some(kind) = node.get("type").and_then(Node::text).filter(|kind| kind == "replication" || kind == "metrics") {
        names.push(kind);
    }
    let path = node.get("path").and_then(Node::text);
    let mut bind = node.get("bind_addresses").map(Node::texts).unwrap_or_default();
    bind.extend(node.get("bind_address").and_then(Node::text));
    Listener {
        port: node.get("port").and_then(Node::number).and_then(|port| port.try_into().ok()),
        x_forwarded: node.get("x_forwarded").and_then(Node::truth).unwrap_or(path.is_some()),
        kind: node.get("type").and_then(Node::text).unwrap_or_default(),
        path,
        resources: names,
        bind,
        at,
    }
}

const BACKGROUND_ROLES: [&str; 6] = [
    "federation_sender_instances",
    "pusher_instances",
    "run_background_tasks_on",
    "update_user_directory_from_worker",
    "notify_appservices_from_worker",
    "media_instance_running_background_jobs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_found_by_their_listeners() {
        let mut cluster = SynapseFiles::default();
        let homeserver = "server_name: a\nlisteners:\n  - port: 8008\n    resources:\n      - names: [client, federation]\nstream_writers:\n  typing: w1\n  events: [w1, w2]\ninstance_map:\n  main: {host: localhost, port: 9093}\n";
        cluster.add(Path::new("homeserver.yaml"), homeserver).unwrap();
        let worker = "worker_app: synapse.app.generic_worker\nworker_name: w1\nworker_listeners:\n  - type: http\n    port: 8083\n    resources: [{names: [client]}]\n";
        cluster.add(Path::new("w1.yaml"), worker).unwrap();
        assert_eq!(cluster.at("127.0.0.1:8083").unwrap().name, "w1");
        assert_eq!(cluster.at("10.0.0.1:8008").unwrap().name, "main");
        assert_eq!(cluster.writers_of("events").unwrap().names, ["w1", "w2"]);
        assert_eq!(cluster.writers_of("typing").unwrap().at.to_string(), "homeserver.yaml:7");
        assert_eq!(cluster.instances[0].1, "localhost:9093");
        assert!(cluster.at("127.0.0.1:9999").is_none() && cluster.shared);
    }

    #[test]
    fn the_main_process_may_have_an_application_name() {
        let mut cluster = SynapseFiles::default();
        let text =
            "worker_app: synapse.app.homeserver\nserver_name: a\nlisteners: [{port: 8008, type: http, resources: [{names: [client]}]}]\n";
        cluster.add(Path::new("homeserver.yaml"), text).unwrap();
        assert_eq!((cluster.processes[0].name.as_str(), cluster.processes[0].app.as_str()), ("main", ""));
        assert!(cluster.shared && cluster.is_complete());
        assert!(cluster.add(Path::new("list.yaml"), "- a\n").is_err());
    }

    #[test]
    fn of_two_files_with_listeners_the_last_counts_and_names_of_several_homeservers_are_known() {
        let mut cluster = SynapseFiles::default();
        cluster.add(Path::new("a.yaml"), "server_name: a\nlisteners: [{port: 8008, type: http}]\n").unwrap();
        cluster.add(Path::new("b.yaml"), "server_name: b\nlisteners: [{port: 8008, type: http}]\n").unwrap();
        assert_eq!((cluster.processes.len(), cluster.server_names().len()), (1, 2));
        assert_eq!(&*cluster.processes[0].at.file, "b.yaml");
    }

    #[test]
    fn secrets_alone_are_no_shared_configuration() {
        let mut cluster = SynapseFiles::default();
        cluster.add(Path::new("secret.yaml"), "worker_replication_secret: a\n").unwrap();
        assert!(!cluster.shared);
        cluster.add(Path::new("shared.yaml"), "worker_replication_secret: a\ninstance_map: {}\n").unwrap();
        assert!(cluster.shared);
    }

    #[test]
    fn the_last_shared_file_with_a_setting_counts() {
        let mut cluster = SynapseFiles::default();
        cluster.add(Path::new("a.yaml"), "max_upload_size: 50M\nstream_writers: {typing: a, events: a}\n").unwrap();
        cluster.add(Path::new("b.yaml"), "max_upload_size: 1G\nmax_upload_size: 100M\nstream_writers: {typing: b}\n").unwrap();
        cluster.add(Path::new("w.yaml"), "worker_app: synapse.app.generic_worker\nworker_name: w\nmax_upload_size: 1M\n").unwrap();
        assert_eq!(cluster.max_upload_size(), Some(100 << 20));
        assert!(cluster.writers_of("events").is_none());
        let worker = cluster.process("w").unwrap().file;
        assert_eq!(cluster.setting(worker, "max_upload_size").unwrap().0.text().unwrap(), "1M");
        assert_eq!(cluster.setting(worker, "stream_writers").unwrap().1.to_string(), "b.yaml:3");
    }
}
