//! The process that an address means: by its port, and where processes share a port, as in containers, by its host.
//!
//! Owns the ways in which the name of a host contains that of a process. Knows nothing of proxies.

use wsim_http::Host;

use super::{Listener, SynapseFiles, SynapseProcess};

impl SynapseFiles {
    /// The process that listens at an address.
    ///
    /// The port decides, because host names differ between machines. Where several processes have one port, or where `instance_map` has the
    /// host for another process, the host decides. `None` if it does not tell.
    pub fn at(&self, address: &str) -> Option<&SynapseProcess> {
        let listening: Vec<&SynapseProcess> =
            self.processes.iter().filter(|process| process.listeners.iter().any(|listener| may_be_at(listener, address))).collect();
        let first = *listening.first()?;
        let Some((_, label)) = host_of(address) else { return Some(first) };
        let named = self.named(address).filter(|name| name.is_certain || listening.len() > 1 || self.process(name.name).is_none());
        if let Some(found) = named {
            let here = listening.iter().find(|process| process.name == found.name).copied();
            // A process that is known, and not at this port, lends its name to the machine of several.
            let lends = here.is_none() && listening.len() == 1 && self.process(found.name).is_some();
            return if lends { Some(first) } else { here };
        }
        let main = listening.iter().find(|process| process.name == MAIN).copied();
        match (main, label) {
            (None, _) | (_, None) => Some(first).filter(|_| listening.len() == 1),
            (Some(main), Some(label)) => self.may_be_main(&label, listening.len() > 1).then_some(main),
        }
    }

    /// The listener at an address.
    pub fn listener_at(&self, address: &str) -> Option<&Listener> {
        self.at(address)?.listeners.iter().find(|listener| may_be_at(listener, address))
    }

    /// Whether processes listen at the port of an address, and nothing tells which of them it means.
    pub fn is_ambiguous(&self, address: &str) -> bool {
        let is_number = host_of(address).is_some_and(|(_, label)| label.is_none());
        is_number
            && self.at(address).is_none()
            && self.processes.iter().flat_map(|process| &process.listeners).any(|own| own.is_at(address))
    }

    /// The process whose name the host of an address contains: of several the closest.
    fn named(&self, address: &str) -> Option<Named<'_>> {
        let (host, label) = host_of(address)?;
        let is_here = |address: &str| host_of(address).is_some_and(|(own, _)| own == host);
        let mapped = self.instances.iter().filter(|(_, own, _)| !host.is_this_machine() && is_here(own));
        let mapped: Vec<&str> = mapped.map(|(name, ..)| name.as_str()).collect();
        // A host of several processes tells none of them.
        if let [name] = mapped.as_slice() {
            return Some(Named { name, is_certain: true });
        }
        let label = label?;
        let processes = self.processes.iter().map(|process| process.name.as_str());
        let names = processes.chain(self.instances.iter().map(|(name, ..)| name.as_str()));
        let closest = names.filter_map(|name| Some((closeness(&label, name)?, name))).max_by_key(|(closeness, _)| *closeness)?;
        Some(Named { name: closest.1, is_certain: false })
    }

    /// Whether a host that contains the name of no process may be the main process's: by what the workers call it, if they do.
    fn may_be_main(&self, label: &str, is_shared: bool) -> bool {
        let mapped = self.instances.iter().filter(|(name, ..)| name == MAIN).map(|(_, address, _)| address.clone());
        let old = self.keys.iter().filter(|(key, ..)| key == "worker_replication_host");
        let old = old.filter_map(|(_, value, _)| value.as_ref().map(|host| format!("{host}:0")));
        let known: Vec<String> =
            mapped.chain(old).filter_map(|address| host_of(&address)?.1).filter(|label| label != "localhost").collect();
        if known.is_empty() {
            return !is_shared || MAIN_WORDS.iter().any(|word| label.contains(word));
        }
        // Its replication often has a name of its own, as in `matrix-synapse` and `matrix-synapse-replication`.
        known
            .iter()
            .any(|known| known == label || has_start(known, label) || MAIN_ENDS.iter().any(|end| label.strip_suffix(end) == Some(known)))
    }
}

/// Whether a listener is at an address: by its port or socket, or for a service's record, which has the port, by what it serves.
fn may_be_at(listener: &Listener, address: &str) -> bool {
    listener.is_at(address) || (address.starts_with('_') && ["client", "federation", "media"].iter().any(|name| listener.has(name)))
}

/// A process that a host names.
struct Named<'n> {
    name: &'n str,
    /// Whether `instance_map` says so.
    is_certain: bool,
}

/// The host of `host:port`, and of a name its first label in the spelling in which names are compared. `None` for a socket.
fn host_of(address: &str) -> Option<(Host, Option<String>)> {
    if address.starts_with("unix:") {
        return None;
    }
    let host = Host::read(address.as_bytes())?;
    let label = match &host {
        // The first labels of a service's record name the protocol: `_http._tcp.synapse.…`.
        Host::Name(name) if !host.is_this_machine() => Some(plain(name.split('.').find(|label| !label.starts_with('_')).unwrap_or(name))),
        _ => None,
    };
    Some((host, label))
}

/// Names of Kubernetes have no `_`.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// How closely a host's first label names a process: as a whole, at its end, with a number behind, in its middle; then by length.
fn closeness(label: &str, name: &str) -> Option<(usize, usize)> {
    let spellings = if name == MAIN { vec![MAIN.to_owned(), "master".to_owned()] } else { vec![plain(name)] };
    let of = |name: &str| {
        if name.is_empty() {
            return None;
        }
        let (before, after) = label.split_at(label.match_indices(name).map(|(at, _)| at).find(|at| {
            let end = at + name.len();
            (*at == 0 || label.as_bytes().get(at - 1) == Some(&b'-')) && matches!(label.as_bytes().get(end), None | Some(b'-'))
        })?);
        let after = after.strip_prefix(name)?;
        let is_number = after.strip_prefix('-').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
        let rank = match (before, after) {
            ("", "") => 3,
            (_, "") => 2,
            _ if is_number => 1,
            _ => 0,
        };
        Some((rank, name.len()))
    };
    spellings.iter().filter_map(|name| of(name)).max()
}

/// Whether a name is another one with more words behind.
fn has_start(name: &str, start: &str) -> bool {
    name.strip_prefix(start).is_some_and(|rest| rest.starts_with('-'))
}

const MAIN: &str = "main";
const MAIN_WORDS: [&str; 3] = ["synapse", "matrix", "homeserver"];
const MAIN_ENDS: [&str; 4] = ["-main", "-http", "-client", "-federation"];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A cluster in which every process listens at 8080.
    fn pods(main_host: &str, workers: &[&str]) -> SynapseFiles {
        let mut files = SynapseFiles::default();
        let listener = "{port: 8080, type: http, resources: [{names: [client]}]}";
        let main = format!("server_name: a\nlisteners: [{listener}]\ninstance_map:\n  main: {{host: {main_host}, port: 9093}}\n");
        files.add(Path::new("homeserver.yaml"), &main).unwrap();
        for name in workers {
            let text = format!("worker_app: synapse.app.generic_worker\nworker_name: {name}\nworker_listeners: [{listener}]\n");
            files.add(Path::new(&format!("{name}.yaml")), &text).unwrap();
        }
        files
    }

    fn at<'f>(files: &'f SynapseFiles, host: &str) -> Option<&'f str> {
        files.at(&format!("{host}:8080")).map(|process| process.name.as_str())
    }

    #[test]
    fn pods_with_one_port_are_told_apart_by_their_names() {
        let files = pods("matrix-synapse-replication", &["generic_worker1", "generic_worker10", "typing", "typing-2"]);
        for (host, name) in [
            ("matrix-synapse", Some("main")),
            ("matrix-synapse-main.matrix.svc.cluster.local", Some("main")),
            ("generic-worker1", Some("generic_worker1")),
            ("matrix-synapse-generic-worker10.matrix.svc", Some("generic_worker10")),
            ("matrix-synapse-typing-0.matrix-synapse-typing", Some("typing")),
            ("matrix-synapse-typing-2", Some("typing-2")),
            ("_http._tcp.matrix-synapse-typing.matrix.svc", Some("typing")),
            ("matrix-synapse-presence", None),
            ("10.1.2.3", None),
        ] {
            assert_eq!(at(&files, host), name, "{host}");
        }
        assert!(files.is_ambiguous("10.1.2.3:8080") && !files.is_ambiguous("matrix-synapse-presence:8080"));
    }

    #[test]
    fn the_only_process_at_a_port_is_meant_unless_the_host_is_anothers() {
        let alone = pods("synapse", &[]);
        assert_eq!([at(&alone, "synapse"), at(&alone, "127.0.0.1"), at(&alone, "synapse-sync-1")], [Some("main"), Some("main"), None]);
        let local = pods("localhost", &[]);
        assert_eq!([at(&local, "matrix.example.org"), at(&local, "10.0.0.1")], [Some("main"), Some("main")]);
        let mut two = pods("10.0.0.1", &["w1"]);
        two.add(Path::new("shared.yaml"), "instance_map:\n  main: {host: 10.0.0.1, port: 9093}\n  w1: {host: 10.0.0.2, port: 9093}\n")
            .unwrap();
        assert_eq!([at(&two, "10.0.0.1"), at(&two, "10.0.0.2"), at(&two, "10.0.0.3")], [Some("main"), Some("w1"), None]);
    }

    #[test]
    fn a_machine_may_be_called_like_one_of_its_processes() {
        let mut files = SynapseFiles::default();
        for (name, port) in [("worker1", 8081), ("worker2", 8082)] {
            let text =
                format!("worker_name: {name}\nworker_app: synapse.app.generic_worker\nworker_listeners: [{{port: {port}, type: http}}]\n");
            files.add(Path::new(&format!("{name}.yaml")), &text).unwrap();
        }
        assert_eq!(files.at("worker1:8082").unwrap().name, "worker2");
        assert_eq!(files.at("worker1:8081").unwrap().name, "worker1");
    }
}
