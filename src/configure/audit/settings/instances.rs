//! `instance_map`, the main process in it, and the listeners for replication behind it.

use super::super::super::read::SourceLocation;
use super::super::super::read::synapse::SynapseFiles;
use super::super::super::read::tree::{Node, Value};
use super::super::finding::Severity;
use super::report::Report;
use super::{Process, Since, workers};

/// The names in `instance_map` as a process knows them: since 1.84 a worker takes `main` for `master`.
pub(super) fn known_instances(process: &Process<'_>, release: &Since<'_>) -> Vec<String> {
    let map = process.get("instance_map").map(|(node, _)| node.entries()).unwrap_or_default();
    let renames = !process.is_main() && release.is_at_least("1.84");
    map.iter().map(|(name, _)| if renames && name == "main" { "master".to_owned() } else { name.clone() }).collect()
}

/// What the loader refuses.
pub(super) fn refused(process: &Process<'_>, release: &Since<'_>, report: &mut Report) {
    if let Some((_, at)) = process.get("worker_replication_port").filter(|_| release.is_at_least("1.67")) {
        let what = "worker_replication_port: direct replication over TCP ended with Synapse 1.67".to_owned();
        report.refuse(process.name(), "removed-setting", &at, [what, "remove it; workers use redis".to_owned()]);
    }
    if !process.is_main() && release.is_at_least("1.88") {
        for key in ["worker_replication_host", "worker_replication_http_port", "worker_replication_http_tls"] {
            if let Some((_, at)) = process.truthy(key) {
                let what = format!("{key} ended with Synapse 1.88");
                let fix = "remove it, and give instance_map an entry main with host and port".to_owned();
                report.refuse(process.name(), "removed-setting", &at, [what, fix]);
            }
        }
    }
    main_missing(process, release, report);
    entries(process, release, report);
    restricted(process, release, report);
}

fn main_missing(process: &Process<'_>, release: &Since<'_>, report: &mut Report) {
    if process.is_main() || !release.is_at_least("1.84") || !process.files.shared {
        return;
    }
    let map = process.get("instance_map");
    let entries = map.as_ref().map(|(node, _)| node.entries()).unwrap_or_default();
    if entries.iter().any(|(name, _)| name == "main") {
        return;
    }
    if !release.is_at_least("1.88") {
        let old = process.get("worker_replication_host").is_some() && process.get("worker_replication_http_port").is_some();
        if entries.is_empty() || old {
            return;
        }
    }
    let at = map.map_or_else(|| super::shared_place(process.files), |(_, at)| at);
    let what = "instance_map has no entry main".to_owned();
    let fix = "instance_map: main: with host and port of the main process's replication listener".to_owned();
    report.refuse(process.name(), "no-main-instance", &at, [what, fix]);
}

/// The addresses in `instance_map`.
fn entries(process: &Process<'_>, release: &Since<'_>, report: &mut Report) {
    let Some((map, at)) = process.get("instance_map") else { return };
    let is_nothing = map.value == Value::Null;
    if is_nothing && !release.is_at_least("1.82") {
        return;
    }
    if !matches!(map.value, Value::Map(_)) {
        let what = "instance_map has no entries".to_owned();
        report.refuse(process.name(), "bad-instance", &at, [what, "give it entries, or remove it".to_owned()]);
        return;
    }
    for (name, entry) in map.entries() {
        if let Some(fault) = entry_fault(entry, release) {
            let at = SourceLocation::new(&at.file, entry.line);
            let what = format!("{} in instance_map {fault}", name.escape_debug());
            report.refuse(process.name(), "bad-instance", &at, [what, "host: and port: (a number), or path: of a socket".to_owned()]);
        }
    }
}

fn entry_fault(entry: &Node, release: &Since<'_>) -> Option<String> {
    if !matches!(entry.value, Value::Map(_)) {
        return Some("has no host and port".to_owned());
    }
    let (host, port) = (entry.get("host"), entry.get("port"));
    if !release.is_at_least("1.82") {
        let allowed: &[&str] = if release.is_at_least("1.72") { &["host", "port", "tls"] } else { &["host", "port"] };
        if let Some((key, _)) = entry.entries().iter().find(|(key, _)| !allowed.contains(&key.as_str())) {
            return Some(format!("has the key {}, which this release does not know", key.escape_debug()));
        }
        return (host.is_none() || port.is_none()).then(|| "has no host or no port".to_owned());
    }
    let has_path = release.is_at_least("1.89") && entry.get("path").is_some_and(|path| matches!(path.value, Value::Text(_)));
    let has_host = host.is_some_and(|host| matches!(host.value, Value::Text(_)));
    let has_port = port.is_some_and(|port| matches!(port.value, Value::Int(_)));
    if has_path || (has_host && has_port) {
        return None;
    }
    Some(match (host, port) {
        (None, _) => "has no host".to_owned(),
        (_, None) => "has no port".to_owned(),
        (Some(_), Some(_)) if !has_port => "has a port that is no number".to_owned(),
        _ => "has a host that is no text".to_owned(),
    })
}

/// `outbound_federation_restricted_to` without a secret or with an instance that is not in the map.
fn restricted(process: &Process<'_>, release: &Since<'_>, report: &mut Report) {
    let Some((list, at)) = process.truthy("outbound_federation_restricted_to").filter(|_| release.is_at_least("1.89")) else { return };
    let has_path = release.is_at_least("1.126") && process.truthy("worker_replication_secret_path").is_some();
    if process.truthy("worker_replication_secret").is_none() && !has_path && process.files.is_complete() {
        let what = "outbound_federation_restricted_to needs worker_replication_secret".to_owned();
        report.refuse(process.name(), "no-secret", &at, [what, "set worker_replication_secret in the shared configuration".to_owned()]);
        return;
    }
    let known = known_instances(process, release);
    for name in list.texts().iter().filter(|name| !known.contains(name)) {
        let what = format!("outbound_federation_restricted_to names {}, which is not in instance_map", name.escape_debug());
        let fix = "add it to instance_map with the host and port of its replication listener".to_owned();
        report.refuse(process.name(), "restricted-not-mapped", &at, [what, fix]);
    }
}

/// Entries that lead nowhere.
pub(super) fn check(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    for (name, address, at) in &files.instances {
        let Some(process) = files.process(name) else {
            if name != "main" && !workers(files).is_empty() {
                report.add(
                    "instance-of-nobody",
                    Severity::Warning,
                    at,
                    [
                        format!("instance_map has {}, but no worker file has that name", name.escape_debug()),
                        "requests between the processes to it fail, unless its file is missing here".to_owned(),
                        "correct the name, or add that worker's file to the audit".to_owned(),
                    ],
                );
            }
            continue;
        };
        let replication: Vec<_> = process.listeners.iter().filter(|listener| listener.has("replication")).collect();
        if replication.iter().any(|listener| listener.is_at(address)) {
            continue;
        }
        let ports: Vec<String> = replication
            .iter()
            .filter_map(|listener| listener.path.clone().or_else(|| listener.port.map(|port| port.to_string())))
            .collect();
        let there = if ports.is_empty() {
            "has no listener for replication".to_owned()
        } else {
            format!("listens for replication at {}", ports.join(", ").escape_debug())
        };
        report.add(
            "instance-address",
            Severity::Error,
            at,
            [
                format!("instance_map says {} for {}, which {there}", address.escape_debug(), name.escape_debug()),
                "the other processes cannot reach it: what they hand on to it fails".to_owned(),
                "a listener of type http with resources: - names: [replication] at the address that instance_map names".to_owned(),
            ],
        );
    }
    main_listener(files, release, report);
}

/// Workers hand work on to the main process, which needs a listener for that.
fn main_listener(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    if workers(files).is_empty() || !files.is_complete() {
        return;
    }
    let Some(main) = files.processes.iter().find(|process| process.file.is_none()) else { return };
    let listens = main.listeners.iter().any(|listener| listener.has("replication"));
    let is_in_map = files.instances.iter().any(|(name, ..)| name == "main");
    if listens || (is_in_map && release.is_at_least("1.84")) {
        return;
    }
    report.add(
        "main-without-replication",
        Severity::Error,
        &main.at,
        [
            "the main process has no listener for replication, but there are workers".to_owned(),
            "workers cannot hand on what only the main process does: logins, registrations and many writes fail".to_owned(),
            "a listener of type http with resources: - names: [replication], for example on 127.0.0.1:9093".to_owned(),
        ],
    );
}
