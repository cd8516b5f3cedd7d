//! One file for each worker: name, program, listeners and log settings.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::cluster::Process;
use super::super::{Context, OutputFile};
use super::{heading, listener, metrics_listener};

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    context
        .cluster
        .workers
        .iter()
        .map(|process| OutputFile::new(format!("synapse/workers/{}.yaml", process.name), worker(context, process)))
        .collect()
}

fn worker(context: &Context<'_>, process: &Process) -> String {
    let release = context.release;
    let mut out = heading(context, &format!("Worker {}", process.name));
    let _ = writeln!(out, "# {}", purpose(context, process));
    let _ = write!(out, "\nworker_app: {}\nworker_name: {}\n", process.app, process.name);
    let replication = &context.cluster.main_replication;
    if !release.main_in_instance_map()
        && let Address::Tcp { host, port } = replication
    {
        let _ = write!(
            out,
            "\n# The replication address of the main process.\nworker_replication_host: '{host}'\nworker_replication_http_port: {port}\n"
        );
    }
    if release.needs_main_http_uri()
        && process.clients.is_some()
        && let Some(main) = context.cluster.main.host_port()
    {
        let _ = write!(out, "\n# The worker passes key uploads on to the main process.\nworker_main_http_uri: http://{main}\n");
    }
    if process.has_media() {
        out.push_str("\n# workers.yaml disables it for all other processes.\nenable_media_repo: true\n");
    }
    if process.clients.is_some() || process.replication.is_some() || process.metrics.is_some() {
        out.push_str("\nworker_listeners:\n");
    }
    if let Some(address) = &process.clients {
        let names: Vec<&str> = process.resources.iter().map(|resource| resource.word()).collect();
        out.push_str("  # For the proxy.\n");
        out += &listener(address, &names, true, 2, release.has_request_id_header());
    }
    if let Some(address) = &process.replication {
        out.push_str(
            "  # For the other processes, which send their writes here. Neither the proxy nor other machines may reach this listener.\n",
        );
        out += &listener(address, &["replication"], false, 2, false);
    }
    if let Some(address) = &process.metrics {
        out.push_str("  # For Prometheus.\n");
        out += &metrics_listener(address, 2);
    }
    let _ = write!(out, "\nworker_log_config: {}/synapse/log/{}.yaml\n", context.config.installed, process.name);
    out
}

/// The purpose of a worker, in one line.
fn purpose(context: &Context<'_>, process: &Process) -> String {
    let mut parts = Vec::new();
    let pools: Vec<&str> = context
        .plan
        .pools
        .iter()
        .enumerate()
        .filter(|(index, _)| context.cluster.names(context.plan, &super::super::routes::Target::Pool(*index)).contains(&process.name))
        .map(|(_, pool)| pool.name.as_str())
        .collect();
    if !pools.is_empty() {
        parts.push(format!("serves {}", pools.join(", ")));
    }
    if !process.streams.is_empty() {
        parts.push(format!("writes {}", process.streams.join(", ")));
    }
    if !process.background_roles.is_empty() {
        parts.push(format!("has the background roles {}", process.background_roles.join(", ")));
    }
    let text = parts.join("; ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}
