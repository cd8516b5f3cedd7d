//! Listeners: what `parse_listener_def` in `synapse/config/server.py` refuses, ports that clash, sockets that cannot be opened.

use std::collections::BTreeMap;

use super::super::super::read::SourceLocation;
use super::super::super::read::synapse::{Listener, SynapseFiles};
use super::super::super::read::tree::{Node, Value};
use super::super::finding::Severity;
use super::report::Report;
use super::{Process, Since};

/// Listeners for which the loader fails. Every process reads the main process's list, too.
pub(super) fn refused(process: &Process<'_>, release: &Since<'_>, report: &mut Report) {
    for key in ["listeners", "worker_listeners"] {
        let Some((list, at)) = process.get(key) else { continue };
        match &list.value {
            Value::List(items) => {
                for item in items {
                    let at = SourceLocation::new(&at.file, item.line);
                    if let Some((what, fix)) = fault(item, release) {
                        report.refuse(process.name(), "bad-listener", &at, [what, fix]);
                    }
                }
            }
            Value::Map(entries) if entries.is_empty() && key == "worker_listeners" => {}
            _ => {
                let words = [format!("{key} is no list"), "write a list with a dash before each listener".to_owned()];
                report.refuse(process.name(), "bad-listener", &at, words);
            }
        }
    }
}

/// What the loader refuses about a listener, and the way out.
fn fault(listener: &Node, release: &Since<'_>) -> Option<(String, String)> {
    if !matches!(listener.value, Value::Map(_)) {
        return Some(("a listener that has no keys".to_owned(), "write port, type and resources".to_owned()));
    }
    let Some(kind) = listener.get("type").and_then(Node::text) else {
        return Some(("a listener without a type".to_owned(), "type: http".to_owned()));
    };
    if kind == "replication" {
        if !release.is_at_least("1.67") {
            return None;
        }
        let what = "a listener of type replication: direct replication over TCP ended with Synapse 1.67".to_owned();
        return Some((what, "type: http with resources: - names: [replication], and redis".to_owned()));
    }
    if !["http", "metrics", "manhole"].contains(&kind.as_str()) {
        return Some((format!("a listener of the type {}, which Synapse does not have", kind.escape_debug()), "type: http".to_owned()));
    }
    address_fault(listener, release).or_else(|| (kind == "http").then(|| resources_fault(listener, release)).flatten())
}

fn address_fault(listener: &Node, release: &Since<'_>) -> Option<(String, String)> {
    let (port, path) = (listener.get("port"), listener.get("path").filter(|_| release.is_at_least("1.81")));
    let is_null = |node: &Node| node.value == Value::Null;
    let (port, path) = (port.filter(|node| !is_null(node)), path.filter(|node| !is_null(node)));
    if port.is_some_and(|port| !matches!(port.value, Value::Int(_) | Value::Bool(_))) {
        return Some(("a listener whose port is no number".to_owned(), "port: 8008, without quotes".to_owned()));
    }
    if path.is_some_and(|path| !matches!(path.value, Value::Text(_))) {
        return Some(("a listener whose path is no text".to_owned(), "path: /run/matrix-synapse/main.sock".to_owned()));
    }
    match (port, path) {
        (Some(port), Some(_)) if port.number() != Some(0) => {
            Some(("a listener with both a port and a path".to_owned(), "keep one of them; write two listeners for both".to_owned()))
        }
        (None, None) => Some(("a listener with neither a port nor a path".to_owned(), "port: 8008".to_owned())),
        _ => None,
    }
}

fn resources_fault(listener: &Node, release: &Since<'_>) -> Option<(String, String)> {
    let resources = listener.get("resources")?;
    let Value::List(items) = &resources.value else {
        return Some(("a listener whose resources are no list".to_owned(), "resources: - names: [client, federation]".to_owned()));
    };
    for item in items {
        if let Some((key, _)) = item.entries().iter().find(|(key, _)| key != "names" && key != "compress") {
            return Some((format!("a resource with the key {}", key.escape_debug()), "only names and compress belong there".to_owned()));
        }
        let Some(names) = item.get("names") else {
            return Some(("a resource without names".to_owned(), "names: [client, federation]".to_owned()));
        };
        if let Value::Text(text) = &names.value {
            let what = format!("names: {} is one word, of which Synapse takes every letter for a resource", text.escape_debug());
            return Some((what, format!("names: [{}]", text.escape_debug())));
        }
        let is_known = |name: &String| RESOURCES.contains(&name.as_str()) || (name == "health" && release.is_at_least("1.78"));
        if let Some(name) = names.texts().iter().find(|name| !is_known(name)) {
            let what = format!("a listener with the resource {}, which Synapse does not have", name.escape_debug());
            return Some((what, format!("one of {}", RESOURCES[..9].join(", "))));
        }
    }
    None
}

/// Listeners that are read and cannot work.
pub(super) fn check(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    socket_modes(files, release, report);
    clashes(files, report);
}

/// `mode: 0o666`: PyYAML reads YAML 1.1, where this is a text, and Twisted wants a number.
fn socket_modes(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    if !release.is_at_least("1.89") {
        return;
    }
    for file in &files.files {
        let lists = ["listeners", "worker_listeners"].into_iter().filter_map(|key| file.root.get(key));
        for listener in lists.flat_map(Node::items) {
            let Some(mode) = listener.get("mode") else { continue };
            let line = file.lines.get(mode.line.saturating_sub(1)).map_or("", String::as_str);
            let written = line.split("mode:").nth(1).unwrap_or_default().trim_start();
            let is_text = matches!(mode.value, Value::Text(_)) || written.starts_with("0o");
            if is_text {
                report.add(
                    "socket-mode",
                    Severity::Error,
                    &SourceLocation::new(&file.name, mode.line),
                    [
                        "the mode of this socket is a text for Synapse, whose YAML has no 0o".to_owned(),
                        "the process stops with a TypeError when it opens the socket".to_owned(),
                        "mode: 0666, or no mode, which means the same".to_owned(),
                    ],
                );
            }
        }
    }
}

/// Two listeners at one address of one machine.
fn clashes(files: &SynapseFiles, report: &mut Report) {
    let one_machine = is_one_machine(files);
    let mut taken: BTreeMap<String, (&str, &Listener)> = BTreeMap::new();
    for process in &files.processes {
        for listener in &process.listeners {
            let key = match (&listener.path, listener.port) {
                (Some(path), _) => path.clone(),
                (None, Some(port)) => port.to_string(),
                (None, None) => continue,
            };
            let Some((other, first)) = taken.get(&key) else {
                taken.insert(key, (process.name.as_str(), listener));
                continue;
            };
            if (*other != process.name && !one_machine && listener.path.is_none()) || !binds_overlap(first, listener) {
                continue;
            }
            report.add(
                "port-twice",
                Severity::Error,
                &listener.at,
                [
                    format!("{} and {} both listen at {}", other.escape_debug(), process.name.escape_debug(), key.escape_debug()),
                    "the second of them to start fails: the address is in use".to_owned(),
                    "give each listener an address of its own".to_owned(),
                ],
            );
        }
    }
}

fn binds_overlap(first: &Listener, second: &Listener) -> bool {
    let is_any = |listener: &Listener| listener.bind.is_empty() || listener.bind.iter().any(|own| own == "0.0.0.0" || own == "::");
    let plain = |address: &String| if address == "localhost" { "127.0.0.1".to_owned() } else { address.clone() };
    is_any(first) || is_any(second) || first.bind.iter().any(|own| second.bind.iter().any(|other| plain(own) == plain(other)))
}

/// Whether all processes run on one machine, by `instance_map`: every address is a loopback address, or a socket where systems have theirs.
/// Sockets elsewhere may be in a volume that containers share.
fn is_one_machine(files: &SynapseFiles) -> bool {
    const LOOPBACK: [&str; 6] = ["127.", "localhost:", "[::1]:", "::1:", "unix:/run/", "unix:/var/run/"];
    let is_loopback = |address: &str| LOOPBACK.iter().any(|start| address.starts_with(start));
    !files.instances.is_empty() && files.instances.iter().all(|(_, address, _)| is_loopback(address))
}

/// All but the last two, which are only taken by old releases.
const RESOURCES: [&str; 10] =
    ["client", "consent", "federation", "keys", "media", "metrics", "openid", "replication", "static", "webclient"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn sockets_in_a_volume_may_be_those_of_containers() {
        let is_one = |path: &str| {
            let mut files = SynapseFiles::default();
            files.add(Path::new("homeserver.yaml"), &format!("instance_map:\n  main: {{path: {path}}}\n")).unwrap();
            is_one_machine(&files)
        };
        assert!(is_one("/run/matrix-synapse/main.sock") && !is_one("/sockets/main.sock"));
    }
}
