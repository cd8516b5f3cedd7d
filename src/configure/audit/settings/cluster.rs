//! The processes together: their names, the secret between them, and who reaches their listeners for replication.

use std::collections::BTreeMap;

use super::super::super::read::SourceLocation;
use super::super::super::read::synapse::{Listener, SynapseFiles, SynapseProcess};
use super::super::super::read::{RouteTarget, UpstreamServer};
use super::super::finding::Severity;
use super::super::keys;
use super::super::observe::Observed;
use super::report::Report;
use super::{Since, workers};

pub(super) fn check(observed: &Observed<'_>, release: &Since<'_>, report: &mut Report) {
    let files = observed.cluster();
    names(files, report);
    if release.is_at_least("1.26") {
        secret(files, report);
    }
    proxied(observed, report);
    main_uri(observed, release, report);
}

fn names(files: &SynapseFiles, report: &mut Report) {
    let mut known: BTreeMap<&str, &SynapseProcess> = BTreeMap::new();
    for process in workers(files) {
        if !process.is_named {
            report.add(
                "no-worker-name",
                Severity::Error,
                &process.at,
                [
                    "a worker without worker_name".to_owned(),
                    format!("Synapse calls it {}: no setting can name it, and two of them have one name", process.name.escape_debug()),
                    "worker_name: a name that no other worker has".to_owned(),
                ],
            );
        }
        if let Some(first) = known.insert(&process.name, process).filter(|_| process.is_named) {
            report.add(
                "worker-name-twice",
                Severity::Error,
                &process.at,
                [
                    format!("two workers are called {} (the other in {})", process.name.escape_debug(), first.at),
                    "they take each other's work: streams, pushes and transactions to other servers are sent twice or not at all"
                        .to_owned(),
                    "give each worker a name of its own".to_owned(),
                ],
            );
        }
        if ["main", "master"].contains(&process.name.as_str()) {
            report.add(
                "worker-name-twice",
                Severity::Error,
                &process.at,
                [
                    format!("a worker is called {}, which is the main process's name", process.name),
                    "the other processes take it for the main process, or the main process for it".to_owned(),
                    "give it another name".to_owned(),
                ],
            );
        }
    }
}

/// No secret between the processes.
fn secret(files: &SynapseFiles, report: &mut Report) {
    let has = |process: &SynapseProcess| {
        ["worker_replication_secret", "worker_replication_secret_path"].iter().any(|key| files.setting(process.file, key).is_some())
    };
    if workers(files).is_empty() || !files.is_complete() || files.processes.iter().any(has) {
        return;
    }
    let open =
        files.processes.iter().flat_map(|process| &process.listeners).find(|listener| listener.has("replication") && is_open(listener));
    let (severity, at, why) = match open {
        Some(listener) => (
            Severity::Warning,
            listener.at.clone(),
            "this listener for replication takes connections from every address, and whoever reaches it can write in any user's name",
        ),
        None => (Severity::Hint, super::shared_place(files), "whoever reaches a listener for replication can write in any user's name"),
    };
    let words = [
        "there is no worker_replication_secret".to_owned(),
        why.to_owned(),
        "set worker_replication_secret in the shared configuration; bind the listeners to 127.0.0.1 or to a network of their own"
            .to_owned(),
    ];
    report.add("no-replication-secret", severity, &at, words);
}

/// Whether a listener takes connections from other machines.
fn is_open(listener: &Listener) -> bool {
    listener.path.is_none() && (listener.bind.is_empty() || listener.bind.iter().any(|address| address == "0.0.0.0" || address == "::"))
}

/// The proxy passes on requests between the processes.
fn proxied(observed: &Observed<'_>, report: &mut Report) {
    let files = observed.cluster();
    for view in &observed.views {
        let proxy = &observed.configuration.proxies[view.proxy];
        let request = keys::typical_request("POST", "/_synapse/replication/send_event/x", view.host.as_deref());
        let routed = view.site.route(&request);
        let own;
        let servers = match &routed.target {
            RouteTarget::Pool(index) => proxy.pools.get(*index).map(|pool| pool.servers.as_slice()).unwrap_or_default(),
            RouteTarget::Server(address) => {
                own = [UpstreamServer { address: address.clone(), name: None, weight: 1 }];
                &own[..]
            }
            RouteTarget::Local(_) | RouteTarget::Unknown(_) => continue,
        };
        let listener = servers.iter().find_map(|server| files.listener_at(&server.address)).filter(|listener| listener.has("replication"));
        if let Some(listener) = listener {
            let at: SourceLocation = routed.rule.unwrap_or_else(|| view.site.location().clone());
            report.add(
                "replication-proxied",
                Severity::Error,
                &at,
                [
                    format!("requests to /_synapse/replication reach the listener of {} from outside", listener.at),
                    "these are the requests between Synapse's processes: whoever sends them can write in any user's name".to_owned(),
                    "give replication a listener of its own, and pass on only /_matrix and /_synapse/client".to_owned(),
                ],
            );
        }
    }
}

/// Before 1.73 a worker hands key uploads on to `worker_main_http_uri`.
fn main_uri(observed: &Observed<'_>, release: &Since<'_>, report: &mut Report) {
    if release.is_at_least("1.73") {
        return;
    }
    let files = observed.cluster();
    for observation in observed.observations.iter().filter(|observation| observation.example.target.contains("/keys/upload")) {
        let Some(pool) = observation.pool() else { continue };
        for server in &observed.pools[pool].pool.servers {
            let Some(process) = files.at(&server.address).filter(|process| process.file.is_some()) else { continue };
            if files.setting(process.file, "worker_main_http_uri").is_none() {
                report.add(
                    "no-main-uri",
                    Severity::Error,
                    &process.at,
                    [
                        format!("{} gets key uploads, but has no worker_main_http_uri", process.name.escape_debug()),
                        "until Synapse 1.72 a worker hands them on to this address: uploads of keys fail".to_owned(),
                        "worker_main_http_uri: http://127.0.0.1:8008 in this worker's file".to_owned(),
                    ],
                );
            }
        }
    }
}
