//! Settings that every process reads: `workers.yaml`, the secret, and additions to homeserver.yaml.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::cluster::Process;
use super::super::{Context, OutputFile};
use super::{heading, listener};

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let mut files = vec![
        OutputFile::new("synapse/workers.yaml", workers(context)),
        OutputFile::new("synapse/homeserver-additions.yaml", additions(context)),
    ];
    if context.release.has_replication_secret() && !context.cluster.workers.is_empty() {
        files.push(OutputFile { path: "synapse/replication-secret.yaml".to_owned(), text: secret(), secret: true });
    }
    files
}

/// `workers.yaml`.
fn workers(context: &Context<'_>) -> String {
    let mut out = heading(context, "Settings shared by all processes");
    out.push_str("# Every process reads this file after homeserver.yaml; settings here override those of the same name there.\n");
    if context.cluster.workers.is_empty() {
        out.push_str("\n# Empty, because the plan has no workers.\n{}\n");
        return out;
    }
    write_instance_map(&mut out, context);
    write_stream_writers(&mut out, context);
    write_background_roles(&mut out, context);
    write_media(&mut out, context);
    out
}

fn write_instance_map(out: &mut String, context: &Context<'_>) {
    let main = context.release.main_in_instance_map().then_some(("main", &context.cluster.main_replication));
    let writers = context.cluster.workers.iter().filter_map(|process| Some((process.name.as_str(), process.replication.as_ref()?)));
    let entries: Vec<_> = main.into_iter().chain(writers).collect();
    if entries.is_empty() {
        return;
    }
    out.push_str("\n# The replication addresses of the main process and of the stream writers. Other workers are not listed, so their number can\n# change without a restart of all processes.\n");
    out.push_str("instance_map:\n");
    for (name, address) in entries {
        let _ = writeln!(out, "  {name}:");
        match address {
            Address::Tcp { host, port } => drop(write!(out, "    host: '{host}'\n    port: {port}\n")),
            Address::Unix(path) => drop(writeln!(out, "    path: {path}")),
        }
    }
}

fn write_stream_writers(out: &mut String, context: &Context<'_>) {
    if context.plan.stream_writers.is_empty() {
        return;
    }
    out.push_str("\n# The writers of each stream. A change needs a restart of all processes at once: two writers that do not know of each other\n# would use the same positions twice.\nstream_writers:\n");
    for (stream, writers) in &context.plan.stream_writers {
        let _ = writeln!(out, "  {stream}: [{}]", writers.names().join(", "));
    }
}

fn write_background_roles(out: &mut String, context: &Context<'_>) {
    for (setting, names) in context.plan.background_roles.assigned() {
        let release = context.release;
        let list = format!("[{}]", names.join(", "));
        let one = names.first().map_or("", String::as_str);
        match setting {
            "federation_sender_instances" => {
                if !release.senders_are_generic() {
                    out.push_str("\n# This release needs a setting for the main process to stop sending.\nsend_federation: false\n");
                }
                let _ = write!(
                    out,
                    "\n# The workers that send to other servers; each destination belongs to one of them.\nfederation_sender_instances: {list}\n"
                );
                if release.has_outbound_federation_restricted_to() {
                    let _ = write!(
                        out,
                        "# To let only these reach other servers (they then need a replication listener and a place in instance_map):\n\
                         # outbound_federation_restricted_to: {list}\n"
                    );
                }
            }
            "pusher_instances" => {
                if !release.senders_are_generic() {
                    out.push_str("\n# This release needs a setting for the main process to stop pushing.\nstart_pushers: false\n");
                }
                let _ = write!(out, "\n# The workers that send pushes; each user belongs to one of them.\npusher_instances: {list}\n");
            }
            "update_user_directory_from_worker" if !release.background_roles_by_name() => {
                let _ =
                    write!(out, "\n# {one} updates the user directory (worker_app synapse.app.user_dir).\nupdate_user_directory: false\n");
            }
            "notify_appservices_from_worker" if !release.background_roles_by_name() => {
                let _ = write!(
                    out,
                    "\n# {one} sends events to bridges and bots (worker_app synapse.app.appservice).\nnotify_appservices: false\n"
                );
            }
            // Written with the media settings.
            "media_instance_running_background_jobs" => {}
            _ => drop(write!(out, "\n# {}\n{setting}: {one}\n", reason(setting))),
        }
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

fn write_media(out: &mut String, context: &Context<'_>) {
    let media: Vec<&Process> = context.cluster.workers.iter().filter(|process| process.has_media()).collect();
    let Some(first) = media.first() else { return };
    let named = context.plan.background_roles.media_instance_running_background_jobs.as_deref();
    let _ = write!(
        out,
        "\n# Media is served by {} only; their own files say `enable_media_repo: true`. One of them clears old media.\n\
         enable_media_repo: false\nmedia_instance_running_background_jobs: {}\n",
        media.iter().map(|process| process.name.as_str()).collect::<Vec<_>>().join(", "),
        named.unwrap_or(&first.name)
    );
}

/// The settings to merge into homeserver.yaml by hand, because another file cannot add to its lists.
fn additions(context: &Context<'_>) -> String {
    let mut out = heading(context, "Additions to homeserver.yaml");
    out.push_str("# Merge this by hand: `listeners` is a list, which a second file would replace as a whole.\n\n");
    if context.cluster.workers.is_empty() {
        out.push_str("# The main process for the proxy.\n");
    } else {
        let host = if context.cluster.is_one_machine { "localhost" } else { "redis" };
        let _ = write!(
            out,
            "# The processes communicate over Redis, and workers get each other's changes through nothing else.\nredis:\n  enabled: true\n"
        );
        if host == "redis" {
            out.push_str("  # The name of Redis' container or machine, as every process reaches it.\n");
        }
        let _ = write!(out, "  host: {host}\n  port: 6379\n\n");
    }
    out.push_str("listeners:\n  # For the proxy.\n");
    let request_id = context.release.has_request_id_header();
    out += &listener(&context.cluster.main, &["client", "federation"], true, 2, request_id);
    if !context.cluster.workers.is_empty() {
        out.push_str("  # For the workers. Neither the proxy nor other machines may reach this listener.\n");
        out += &listener(&context.cluster.main_replication, &["replication"], false, 2, false);
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
