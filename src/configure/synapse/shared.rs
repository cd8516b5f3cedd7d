//! Settings that every process reads: `workers.yaml`, the secret, and additions to homeserver.yaml.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::cluster::Process;
use super::super::{Context, OutputFile};
use super::setting::{Setting, Value, yaml};
use super::{heading, listener, metrics_listener};

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let mut files = vec![
        OutputFile::new("synapse/workers.yaml", workers(context)),
        OutputFile::new("synapse/homeserver-additions.yaml", additions(context)),
    ];
    if context.writes_secret() {
        files.push(secret_file());
    }
    files
}

/// `workers.yaml`.
fn workers(context: &Context<'_>) -> String {
    let mut out = heading(context, "Settings shared by all processes");
    out.push_str("# Every process reads this file after homeserver.yaml; settings here override those of the same name there.\n");
    let settings = settings(context);
    if settings.is_empty() {
        out.push_str("\n# Empty, because the plan has no workers.\n{}\n");
    }
    out + &yaml(&settings)
}

/// The settings of every process: where the others are, who writes which stream, who has which background role, who serves media.
pub(crate) fn settings(context: &Context<'_>) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    if !context.cluster.workers.is_empty() {
        settings.extend(instance_map(context).into_iter().chain(stream_writers(context)));
        for (setting, names) in context.plan.background_roles.assigned() {
            settings.extend(background_role(context, setting, names));
        }
        settings.extend(media(context));
    }
    if context.config.extras.metrics {
        settings.push(Setting::new("enable_metrics", Value::Flag(true)).because("Each process has a listener for Prometheus."));
    }
    if let Some(bytes) = context.config.extras.max_upload {
        let size = if bytes.is_multiple_of(1 << 20) { Value::Text(format!("{}M", bytes >> 20)) } else { Value::Number(bytes) };
        settings.push(Setting::new("max_upload_size", size).because("The proxy accepts bodies of the same size."));
    }
    settings
}

fn instance_map(context: &Context<'_>) -> Option<Setting> {
    let main = context.release.main_in_instance_map().then_some(("main", &context.cluster.main_replication));
    let writers = context.cluster.workers.iter().filter_map(|process| Some((process.name.as_str(), process.replication.as_ref()?)));
    let entries: Vec<(String, Value)> = main
        .into_iter()
        .chain(writers)
        .map(|(name, address)| {
            let place = match address {
                Address::Tcp { host, port } => {
                    vec![("host".to_owned(), Value::text(host)), ("port".to_owned(), Value::Number(u64::from(*port)))]
                }
                Address::Unix(path) => vec![("path".to_owned(), Value::text(path))],
            };
            (name.to_owned(), Value::Map(place))
        })
        .collect();
    (!entries.is_empty()).then(|| {
        Setting::new("instance_map", Value::Map(entries))
            .because("The replication addresses of the main process and of the stream writers. Other workers are not listed, so their number can")
            .because("change without a restart of all processes.")
    })
}

fn stream_writers(context: &Context<'_>) -> Option<Setting> {
    let writers: Vec<(String, Value)> =
        context.plan.stream_writers.iter().map(|(stream, writers)| (stream.clone(), Value::names(writers.names()))).collect();
    (!writers.is_empty()).then(|| {
        Setting::new("stream_writers", Value::Map(writers))
            .because(
                "The writers of each stream. A change needs a restart of all processes at once: two writers that do not know of each other",
            )
            .because("would use the same positions twice.")
    })
}

fn background_role(context: &Context<'_>, role: &'static str, names: &[String]) -> Vec<Setting> {
    let release = context.release;
    let one = names.first().map_or("", String::as_str);
    let off = |name: &str, why: &str| Setting::new(name, Value::Flag(false)).because(why);
    match role {
        "federation_sender_instances" => {
            let mut senders = Setting::new(role, Value::names(names))
                .because("The workers that send to other servers; each destination belongs to one of them.");
            let present = context.config.present.as_ref().map(|present| present.restricted.as_slice()).unwrap_or_default();
            let restricted: Vec<String> = present.iter().filter(|name| context.cluster.worker(name).is_some()).cloned().collect();
            let has_restriction = release.has_outbound_federation_restricted_to();
            let restriction = (has_restriction && !restricted.is_empty()).then(|| {
                Setting::new("outbound_federation_restricted_to", Value::names(&restricted))
                    .because("As before, only these reach other servers.")
            });
            if has_restriction && restriction.is_none() {
                senders = senders
                    .followed_by(
                        "To let only these reach other servers (they then need a replication listener and a place in instance_map):"
                            .to_owned(),
                    )
                    .followed_by(format!("outbound_federation_restricted_to: [{}]", names.join(", ")));
            }
            let stop = off("send_federation", "This release needs a setting for the main process to stop sending.");
            (!release.senders_are_generic()).then_some(stop).into_iter().chain([senders]).chain(restriction).collect()
        }
        "pusher_instances" => {
            let pushers =
                Setting::new(role, Value::names(names)).because("The workers that send pushes; each user belongs to one of them.");
            let stop = off("start_pushers", "This release needs a setting for the main process to stop pushing.");
            (!release.senders_are_generic()).then_some(stop).into_iter().chain([pushers]).collect()
        }
        "update_user_directory_from_worker" if !release.background_roles_by_name() => {
            vec![off("update_user_directory", &format!("{one} updates the user directory (worker_app synapse.app.user_dir)."))]
        }
        "notify_appservices_from_worker" if !release.background_roles_by_name() => {
            vec![off("notify_appservices", &format!("{one} sends events to bridges and bots (worker_app synapse.app.appservice)."))]
        }
        // Among the settings of media.
        "media_instance_running_background_jobs" => Vec::new(),
        _ => vec![Setting::new(role, Value::text(one)).because(reason(role))],
    }
}

fn reason(setting: &str) -> &'static str {
    match setting {
        "run_background_tasks_on" => "The worker that cleans up the database, counts statistics and removes expired messages.",
        "update_user_directory_from_worker" => "The worker that updates the user directory.",
        "notify_appservices_from_worker" => "The worker that sends events to bridges and bots.",
        _ => "The worker of this background role.",
    }
}

fn media(context: &Context<'_>) -> Vec<Setting> {
    let media: Vec<&Process> = context.cluster.workers.iter().filter(|process| process.has_media()).collect();
    let Some(first) = media.first() else { return Vec::new() };
    let named = context.plan.background_roles.media_instance_running_background_jobs.as_deref();
    let names: Vec<&str> = media.iter().map(|process| process.name.as_str()).collect();
    let off = Setting::new("enable_media_repo", Value::Flag(false))
        .because(&format!("Media is served by {} only; their own files say `enable_media_repo: true`.", names.join(", ")));
    let jobs = Setting::new("media_instance_running_background_jobs", Value::text(named.unwrap_or(&first.name)))
        .because("The one of them that clears old media.");
    vec![off, jobs]
}

/// How the processes reach Redis; `None` without workers.
pub(crate) fn redis(context: &Context<'_>) -> Option<Setting> {
    if context.cluster.workers.is_empty() {
        return None;
    }
    let mut entries = vec![("enabled".to_owned(), Value::Flag(true))];
    let mut setting = Setting::new("redis", Value::Flag(true))
        .because("The processes communicate over Redis, and workers get each other's changes through nothing else.");
    match context.config.redis.as_ref().map(|redis| &redis.address) {
        Some(Address::Unix(path)) => entries.push(("path".to_owned(), Value::text(path))),
        Some(Address::Tcp { host, port }) => {
            entries.extend([("host".to_owned(), Value::text(host)), ("port".to_owned(), Value::Number(u64::from(*port)))]);
        }
        None => {
            let host = if context.cluster.is_one_machine { "localhost" } else { "redis" };
            if host == "redis" {
                setting = setting.because("The host is the name of Redis' container or machine, as every process reaches it.");
            }
            entries.extend([("host".to_owned(), Value::text(host)), ("port".to_owned(), Value::Number(6379))]);
        }
    }
    if let Some(file) = context.config.redis.as_ref().and_then(|redis| redis.password_file.as_deref()) {
        entries.push(("password_path".to_owned(), Value::text(file)));
    }
    setting.value = Value::Map(entries);
    Some(setting)
}

/// What belongs to homeserver.yaml: Redis, and `listeners`, a list that a second file replaces as a whole.
fn additions(context: &Context<'_>) -> String {
    let mut out = heading(context, "Additions to homeserver.yaml");
    if context.config.platform.has_containers() {
        out.push_str("# Every process reads this file after homeserver.yaml. `listeners` and `redis` replace those there as a whole: add your own here.\n");
    } else {
        out.push_str("# Merge this by hand: `listeners` is a list, which a second file would replace as a whole.\n");
    }
    out += &yaml(redis(context).as_slice());
    if context.config.platform.has_containers() {
        let log = Setting::new("log_config", Value::Text(format!("{}/synapse/log.yaml", context.config.installed)));
        out += &yaml(&[log.because("Workers have log settings of their own.")]);
    }
    let what = if context.cluster.workers.is_empty() { "# The main process for the proxy.\n" } else { "" };
    let _ = write!(out, "\n{what}listeners:\n  # For the proxy.\n");
    let request_id = context.release.has_request_id_header();
    out += &listener(&context.cluster.main, &["client", "federation"], true, 2, request_id);
    if !context.cluster.workers.is_empty() {
        out.push_str("  # For the workers. Neither the proxy nor other machines may reach this listener.\n");
        out += &listener(&context.cluster.main_replication, &["replication"], false, 2, false);
    }
    if let Some(address) = &context.cluster.main_metrics {
        out.push_str("  # For Prometheus.\n");
        out += &metrics_listener(address, 2);
    }
    if !context.cluster.workers.is_empty() {
        let _ = write!(
            out,
            "\n# Every process has its own connections to PostgreSQL: {} processes with up to cp_max connections each. See CHECKLIST.md for max_connections.\n\
             # database:\n#   args:\n#     cp_min: 5\n#     cp_max: {}\n",
            context.cluster.workers.len() + 1,
            super::super::checklist::CONNECTIONS
        );
    }
    out
}

/// The file of the secret that Synapse's processes share.
pub(crate) fn secret_file() -> OutputFile {
    OutputFile { path: "synapse/replication-secret.yaml".to_owned(), text: secret(), secret: true }
}

/// A new secret for every configuration.
fn secret() -> String {
    use sha2::{Digest, Sha256};
    use std::hash::{BuildHasher, RandomState};
    let mut hash = Sha256::new();
    // The standard library's hash maps get 128 random bits each from the operating system.
    for number in 0..4_u64 {
        hash.update(RandomState::new().hash_one(number).to_le_bytes());
        hash.update(RandomState::new().hash_one(number).to_le_bytes());
    }
    let text: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "# The password between Synapse's processes. Only Synapse's user may read it; keep it out of repositories.\n\
         worker_replication_secret: {text}\n"
    )
}
