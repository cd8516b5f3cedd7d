//! Old applications and settings, by the release in which they became old.

use super::super::super::read::synapse::SynapseFiles;
use super::super::finding::Severity;
use super::report::Report;
use super::{Since, workers};

pub(super) fn check(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    for process in workers(files) {
        let app = process.app.strip_prefix("synapse.app.").unwrap_or(&process.app);
        if !process.app.is_empty() && !APPS.contains(&app) {
            report.add(
                "unknown-app",
                Severity::Error,
                &process.at,
                [
                    format!("{} runs {}, which Synapse does not have", process.name.escape_debug(), process.app.escape_debug()),
                    "the worker does not start".to_owned(),
                    "worker_app: synapse.app.generic_worker".to_owned(),
                ],
            );
        }
        let Some((_, since, migration)) = OLD_APPS.iter().find(|(old, since, _)| *old == app && release.is_at_least(since)) else {
            continue;
        };
        report.add(
            "deprecated-app",
            Severity::Warning,
            &process.at,
            [
                format!("{} runs synapse.app.{app}, an old application", process.name.escape_debug()),
                format!("since Synapse {since} a generic worker does the same, and its settings say what it does"),
                format!("worker_app: synapse.app.generic_worker{migration}"),
            ],
        );
    }
    for (key, value, at) in &files.keys {
        let old = OLD_SETTINGS.iter().find(|(old, wanted, ..)| old == key && (wanted.is_empty() || value.as_deref() == Some(*wanted)));
        let Some((_, _, since, until, effect, migration)) = old else { continue };
        if !release.is_at_least(since) || until.is_some_and(|until| release.is_at_least(until)) {
            continue;
        }
        let words = [format!("{key} is an old setting"), format!("{effect} (since Synapse {since})"), (*migration).to_owned()];
        report.add("deprecated-setting", Severity::Warning, at, words);
    }
}

/// Every application that `synapse/app/generic_worker.py` accepts.
const APPS: [&str; 11] = [
    "appservice",
    "client_reader",
    "event_creator",
    "federation_reader",
    "federation_sender",
    "frontend_proxy",
    "generic_worker",
    "media_repository",
    "pusher",
    "synchrotron",
    "user_dir",
];

/// Old applications, the release whose document calls them historical or deprecated, and the settings that replace them.
/// `synapse.app.media_repository` is none of them.
const OLD_APPS: [(&str, &str, &str); 9] = [
    ("synchrotron", "1.18", ""),
    ("client_reader", "1.18", ""),
    ("federation_reader", "1.18", ""),
    ("event_creator", "1.18", ""),
    ("frontend_proxy", "1.67", ""),
    ("pusher", "1.74", ", and pusher_instances: [NAME] in the shared configuration instead of start_pushers: false"),
    ("federation_sender", "1.74", ", and federation_sender_instances: [NAME] instead of send_federation: false"),
    ("appservice", "1.59", ", and notify_appservices_from_worker: NAME instead of notify_appservices: false"),
    ("user_dir", "1.59", ", and update_user_directory_from_worker: NAME instead of update_user_directory: false"),
];

/// Old settings: the key, the value with an effect (empty for any), the release that made it old, the release that refuses it, the effect,
/// and the replacement.
type OldSetting = (&'static str, &'static str, &'static str, Option<&'static str>, &'static str, &'static str);
const OLD_SETTINGS: [OldSetting; 8] = [
    ("start_pushers", "false", "1.59", None, STILL_WORKS, "pusher_instances: [NAME] in the shared configuration"),
    ("send_federation", "false", "1.59", None, STILL_WORKS, "federation_sender_instances: [NAME] in the shared configuration"),
    ("notify_appservices", "false", "1.59", None, STILL_WORKS, "notify_appservices_from_worker: NAME in the shared configuration"),
    ("update_user_directory", "false", "1.59", None, STILL_WORKS, "update_user_directory_from_worker: NAME in the shared configuration"),
    ("worker_replication_host", "", "1.84", Some("1.88"), UNTIL_88, "an entry main with host and port in instance_map"),
    ("worker_replication_http_port", "", "1.84", Some("1.88"), UNTIL_88, "an entry main with host and port in instance_map"),
    (
        "worker_replication_port",
        "",
        "1.18",
        Some("1.67"),
        "redis replaces it, and Synapse 1.67 refuses it",
        "redis, and no worker_replication_port",
    ),
    ("worker_main_http_uri", "", "1.73", None, "Synapse ignores it, and says so in its log", "nothing: remove it"),
];
const STILL_WORKS: &str = "still works, and says so in Synapse's log";
const UNTIL_88: &str = "works until Synapse 1.87, and 1.88 refuses to start with it";
