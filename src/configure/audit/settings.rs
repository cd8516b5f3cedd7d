//! Synapse's own settings: stream writers, instance map, background roles, old names.
//!
//! Source: `synapse/config/workers.py`, docs/workers.md and docs/upgrade.md of the releases named.

use super::super::read::SourceLocation;
use super::super::read::synapse::SynapseFiles;
use super::finding::{Finding, Severity};
use wsim_endpoints::Release;
use wsim_plan::known::{WriterLimit, writer_limit};

/// Checks Synapse's files.
pub(super) fn check(cluster: &SynapseFiles, release: &Release, findings: &mut Vec<Finding>) {
    if cluster.processes.is_empty() && !cluster.shared {
        return;
    }
    writers(cluster, findings);
    background_roles(cluster, findings);
    apps(cluster, release, findings);
    old_settings(cluster, release, findings);
    redis(cluster, findings);
}

fn finding(code: &'static str, severity: Severity, at: &SourceLocation, words: [String; 3]) -> Finding {
    let [what, why, fix] = words;
    Finding { code, severity, at: Some(at.clone()), what, why, fix, examples: Vec::new(), requests: 0 }
}

fn writers(cluster: &SynapseFiles, findings: &mut Vec<Finding>) {
    for (stream, names) in &cluster.writers {
        match writer_limit(stream) {
            Some(WriterLimit::ExactlyOne) if names.names.len() > 1 => findings.push(finding(
                "several-writers",
                Severity::Error,
                &names.at,
                [
                    format!("stream_writers names {} writers for {}", names.names.len(), stream.escape_debug()),
                    "Synapse allows one writer and refuses to start".to_owned(),
                    "keep one of them".to_owned(),
                ],
            )),
            None => findings.push(finding(
                "unknown-stream",
                Severity::Warning,
                &names.at,
                [
                    format!("stream_writers names a stream {} that is not known here", stream.escape_debug()),
                    "Synapse ignores it, or it is newer than this program".to_owned(),
                    "check the name".to_owned(),
                ],
            )),
            _ => {}
        }
        for name in names.names.iter().filter(|name| *name != "main" && *name != "master") {
            if cluster.shared && !cluster.instances.iter().any(|(instance, ..)| instance == name) {
                findings.push(finding(
                    "writer-not-mapped",
                    Severity::Error,
                    &names.at,
                    [
                        format!("{} writes {} but is not in instance_map", name.escape_debug(), stream.escape_debug()),
                        "the other processes do not know where to send it work: Synapse refuses to start".to_owned(),
                        "add it to instance_map with the host and port of its replication listener".to_owned(),
                    ],
                ));
            }
            let Some(process) = cluster.process(name) else { continue };
            if !process.listeners.iter().any(|listener| listener.resources.iter().any(|resource| resource == "replication")) {
                findings.push(finding(
                    "missing-resource",
                    Severity::Error,
                    &process.at,
                    [
                        format!("{} writes {} but has no replication listener", name.escape_debug(), stream.escape_debug()),
                        "the other processes cannot reach it: sending, typing or receipts fail".to_owned(),
                        "add a listener of type http with resources: - names: [replication], on the port that instance_map names"
                            .to_owned(),
                    ],
                ));
            }
        }
    }
}

fn background_roles(cluster: &SynapseFiles, findings: &mut Vec<Finding>) {
    let workers = cluster.processes.iter().filter(|process| process.name != "main").count();
    for (setting, names) in &cluster.background_roles {
        for name in &names.names {
            if workers > 0 && cluster.process(name).is_none() && name != "main" && name != "master" {
                findings.push(finding(
                    "duty-of-nobody",
                    Severity::Error,
                    &names.at,
                    [
                        format!("{setting} names {}, but no worker file has that name", name.escape_debug()),
                        "no process does this work, because the main process leaves it to the named worker".to_owned(),
                        "correct the name, or add that worker's file to the audit".to_owned(),
                    ],
                ));
            }
        }
    }
}

fn apps(cluster: &SynapseFiles, release: &Release, findings: &mut Vec<Finding>) {
    let generic_since: Release = "1.12.0".parse().unwrap_or_else(|_| Release::oldest());
    for process in &cluster.processes {
        let Some((app, migration)) = OLD_APPS.iter().find(|(app, _)| process.app == format!("synapse.app.{app}")) else { continue };
        if *release < generic_since {
            continue;
        }
        findings.push(finding(
            "deprecated-app",
            Severity::Warning,
            &process.at,
            [
                format!("{} runs synapse.app.{app}, an old application", process.name.escape_debug()),
                "it is an old name of the generic worker, which a later release removes".to_owned(),
                format!("worker_app: synapse.app.generic_worker{migration}"),
            ],
        ));
    }
}

fn old_settings(cluster: &SynapseFiles, release: &Release, findings: &mut Vec<Finding>) {
    for (key, value, at) in &cluster.keys {
        let Some((_, _, since, migration)) =
            OLD_SETTINGS.iter().find(|(old, wanted, ..)| old == key && (wanted.is_empty() || value.as_deref() == Some(*wanted)))
        else {
            continue;
        };
        if since.parse::<Release>().is_ok_and(|since| *release >= since) {
            findings.push(finding(
                "deprecated-setting",
                Severity::Warning,
                at,
                [
                    format!("{key} is an old setting"),
                    format!("replaced in Synapse {since}; later releases ignore it or refuse to start"),
                    (*migration).to_owned(),
                ],
            ));
        }
    }
}

fn redis(cluster: &SynapseFiles, findings: &mut Vec<Finding>) {
    let workers = cluster.processes.iter().any(|process| !process.app.is_empty() && process.app != "synapse.app.homeserver");
    if let (true, Some((false, at))) = (workers, &cluster.redis) {
        findings.push(finding(
            "no-redis",
            Severity::Error,
            at,
            [
                "redis is not enabled, but there are workers".to_owned(),
                "workers get each other's changes through redis only".to_owned(),
                "redis: enabled: true".to_owned(),
            ],
        ));
    }
}

/// Old applications and the settings that replace them.
const OLD_APPS: [(&str, &str); 10] = [
    ("pusher", ", and pusher_instances: [NAME] in the shared configuration instead of start_pushers: false"),
    ("appservice", ", and notify_appservices_from_worker: NAME instead of notify_appservices: false"),
    ("federation_sender", ", and federation_sender_instances: [NAME] instead of send_federation: false"),
    ("media_repository", ", enable_media_repo: true in its own file, and media_instance_running_background_jobs: NAME"),
    ("user_dir", ", and update_user_directory_from_worker: NAME instead of update_user_directory: false"),
    ("frontend_proxy", ""),
    ("synchrotron", ""),
    ("client_reader", ""),
    ("federation_reader", ""),
    ("event_creator", ""),
];

/// Old settings: the key, the value with an effect (empty for any), the release that replaced it, and the replacement.
const OLD_SETTINGS: [(&str, &str, &str, &str); 8] = [
    ("start_pushers", "false", "1.59", "pusher_instances: [NAME] in the shared configuration"),
    ("send_federation", "false", "1.59", "federation_sender_instances: [NAME] in the shared configuration"),
    ("notify_appservices", "false", "1.59", "notify_appservices_from_worker: NAME in the shared configuration"),
    ("update_user_directory", "false", "1.59", "update_user_directory_from_worker: NAME in the shared configuration"),
    ("worker_replication_host", "", "1.84", "an entry main with host and port in instance_map of the shared configuration"),
    ("worker_replication_port", "", "1.30", "redis, and an entry main in instance_map"),
    ("worker_replication_http_port", "", "1.84", "an entry main with host and port in instance_map of the shared configuration"),
    ("worker_main_http_uri", "", "1.67", "nothing: remove it"),
];
