//! Synapse's own files: homeserver.yaml, shared configuration, worker files.
//!
//! Owns the meaning of the keys for processes; the audit judges them. Sources: `synapse/config/workers.py`,
//! `synapse/config/server.py`.

use std::path::Path;
use std::sync::Arc;

use super::model::{ReadError, SourceLocation};
use super::tree::{self, Node};

/// A process with its listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynapseProcess {
    /// `worker_name`; `main` for the main process.
    pub name: String,
    /// `worker_app`; empty for the main process.
    pub app: String,
    pub listeners: Vec<Listener>,
    /// `enable_media_repo` in its own file.
    pub media: Option<bool>,
    pub at: SourceLocation,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub port: Option<u16>,
    /// The path of a unix socket.
    pub path: Option<String>,
    /// `client`, `federation`, `media`, `replication`, …
    pub resources: Vec<String>,
    pub at: SourceLocation,
}

/// The value of a setting that names processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub names: Vec<String>,
    pub at: SourceLocation,
}

/// The content of all of Synapse's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SynapseFiles {
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
    /// The text is not YAML.
    pub fn add(&mut self, path: &Path, text: &str) -> Result<(), ReadError> {
        let file: Arc<str> = path.to_string_lossy().into();
        let root = tree::yaml(&file, text)?;
        let at = |node: &Node| SourceLocation::new(&file, node.line);
        for (key, node) in root.entries() {
            self.keys.push((key.clone(), node.text(), at(node)));
        }
        let worker = root.get("worker_app").or_else(|| root.get("worker_name"));
        let listeners = root.get(if worker.is_some() { "worker_listeners" } else { "listeners" });
        let text = |key: &str| root.get(key).and_then(Node::text).unwrap_or_default();
        if worker.is_some() || listeners.is_some() {
            self.processes.push(SynapseProcess {
                name: if worker.is_some() { text("worker_name") } else { "main".to_owned() },
                app: text("worker_app"),
                listeners: listeners.map(Node::items).unwrap_or_default().iter().map(|node| listener(node, at(node))).collect(),
                media: root.get("enable_media_repo").and_then(Node::truth),
                at: worker.or(listeners).map_or_else(|| SourceLocation::new(&file, 0), &at),
            });
        }
        if worker.is_none() {
            self.shared = true;
        }
        self.add_shared(&root, &at, worker.is_some());
        Ok(())
    }

    fn add_shared(&mut self, root: &Node, at: &dyn Fn(&Node) -> SourceLocation, worker: bool) {
        let names = |node: &Node| Names { names: node.texts(), at: at(node) };
        for (name, node) in root.get("instance_map").map(Node::entries).unwrap_or_default() {
            let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
            let address =
                if text("path").is_empty() { format!("{}:{}", text("host"), text("port")) } else { format!("unix:{}", text("path")) };
            self.instances.push((name.clone(), address, at(node)));
        }
        for (stream, node) in root.get("stream_writers").map(Node::entries).unwrap_or_default() {
            self.writers.push((stream.clone(), names(node)));
        }
        for key in BACKGROUND_ROLES {
            if let Some(node) = root.get(key) {
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

    /// The process that listens at an address. It is found by port or socket, because host names differ between machines.
    ///
    /// `None` if several processes listen at this port on different machines, because `instance_map` cannot distinguish them either.
    pub fn at(&self, address: &str) -> Option<&SynapseProcess> {
        let listens = |process: &&SynapseProcess| process.listeners.iter().any(|listener| listener.is_at(address));
        let mut found = self.processes.iter().filter(listens);
        let first = found.next()?;
        if found.next().is_none() {
            return Some(first);
        }
        // In containers every worker has the same port, and the host is the name of the worker.
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        self.processes.iter().filter(listens).find(|process| host == process.name || host.ends_with(&format!("-{}", process.name)))
    }

    pub fn process(&self, name: &str) -> Option<&SynapseProcess> {
        self.processes.iter().find(|process| process.name == name)
    }
}

impl Listener {
    fn is_at(&self, address: &str) -> bool {
        match (address.strip_prefix("unix:"), &self.path, self.port) {
            (Some(path), Some(own), _) => path == own,
            (None, _, Some(port)) => address.rsplit_once(':').is_some_and(|(_, text)| text.parse() == Ok(port)),
            _ => false,
        }
    }
}

fn listener(node: &Node, at: SourceLocation) -> Listener {
    let resources = node.get("resources").map(Node::items).unwrap_or_default();
    let mut names: Vec<String> = resources.iter().flat_map(|resource| resource.get("names").map(Node::texts).unwrap_or_default()).collect();
    if let Some(kind) = node.get("type").and_then(Node::text).filter(|kind| kind == "replication" || kind == "metrics") {
        names.push(kind);
    }
    Listener {
        port: node.get("port").and_then(Node::number).and_then(|port| port.try_into().ok()),
        path: node.get("path").and_then(Node::text),
        resources: names,
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
}
