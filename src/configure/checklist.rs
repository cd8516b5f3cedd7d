//! CHECKLIST.md: what to do with the files, in which order, what to watch, and the way back.
//!
//! Figures are sums over the plan; the per-process ones are named with their source.

use std::fmt::Write as _;

use super::Context;
use super::cluster::Process;
use super::routes::Target;
use wsim_plan::ProxyKind;

/// Connections to PostgreSQL of each process: what the examples in Synapse's documentation set (`cp_max`).
pub const CONNECTIONS: usize = 10;
/// Connections that PostgreSQL keeps for its superuser, and a few for an administrator's own.
const RESERVED: usize = 13;
/// Resident memory of a process just started and after a day with caches, MiB: measured with Synapse 1.163, and what operators report.
pub const MEMORY_MIB: (usize, usize) = (120, 500);

pub(super) fn text(context: &Context<'_>, warnings: &[String]) -> String {
    let mut out = format!("# Checklist: {}\n\n", context.plan.name.replace(['\n', '\r'], " "));
    let workers = &context.cluster.workers;
    let proxy = context.settings.proxy.name();
    let _ = write!(
        out,
        "For Synapse {} behind {proxy}: the main process and {} {}. Nothing here has been installed or started.\n\n",
        context.plan.synapse,
        workers.len(),
        if workers.len() == 1 { "worker" } else { "workers" }
    );
    if !warnings.is_empty() {
        out.push_str("## Read first\n\n");
        for warning in warnings {
            let _ = writeln!(out, "- {warning}.");
        }
        out.push('\n');
    }
    write_processes(&mut out, context);
    write_resources(&mut out, workers.len() + 1);
    write_steps(&mut out, context, proxy);
    write_back(&mut out, context, proxy);
    write_later(&mut out, context);
    out
}

fn write_processes(out: &mut String, context: &Context<'_>) {
    out.push_str("## Processes\n\n| process | serves at | replication at | writes | named by |\n|---|---|---|---|---|\n");
    let cluster = context.cluster;
    let _ = writeln!(out, "| main | {} | {} | what no other writes | |", cluster.main, cluster.main_replication);
    let or_dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
    for process in &cluster.workers {
        let address = |address: &Option<super::address::Address>| or_dash(address.as_ref().map(ToString::to_string).unwrap_or_default());
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            process.name,
            address(&process.clients),
            address(&process.replication),
            or_dash(process.streams.join(", ")),
            or_dash(process.background_roles.join(", "))
        );
    }
    out.push('\n');
}

fn write_resources(out: &mut String, processes: usize) {
    let (fresh, warm) = MEMORY_MIB;
    let _ = write!(
        out,
        "## Before you begin: does it fit?\n\n\
         - **Database connections.** {processes} processes with up to {CONNECTIONS} connections each (`cp_max`; unset, Synapse takes 5): \
         {} at most. PostgreSQL's `max_connections` (100 unless changed) should be at least {}. Look: `SHOW max_connections;`\n\
         - **Memory.** {processes} processes: about {} MiB after the start ({fresh} MiB each, measured with Synapse 1.163), rather {} MiB \
         once caches are full ({warm} MiB each, a rule of thumb: `caches.global_factor` decides, and each process has its own caches).\n\
         - **Cores.** A process uses one core at most. More busy processes than cores only take turns.\n\n",
        processes * CONNECTIONS,
        processes * CONNECTIONS + RESERVED,
        processes * fresh,
        processes * warm,
    );
}

fn write_steps(out: &mut String, context: &Context<'_>, proxy: &str) {
    let installed = &context.settings.installed;
    let workers = !context.cluster.workers.is_empty();
    let mut steps: Vec<String> = vec![
        "Save what runs now: copy homeserver.yaml, the proxy's configuration and the units; take a backup of the database.".to_owned(),
        format!(
            "Copy `synapse/` to `{installed}/synapse/`, readable by Synapse's user. Files with mode 0600 hold secrets: give them to that user, and to nobody else."
        ),
        "Merge `synapse/homeserver-additions.yaml` into homeserver.yaml by hand. Settings that workers.yaml has too are replaced by it."
            .to_owned(),
    ];
    if workers {
        steps.push("Install and start Redis. It must not be reachable from outside.".to_owned());
    }
    steps.push("Copy `systemd/*` to /etc/systemd/system/ and run `systemctl daemon-reload`. The main process's unit replaces the package's; compare them first.".to_owned());
    steps.push(restart_step(context));
    if workers {
        let names: Vec<String> =
            context.cluster.workers.iter().map(|process: &Process| format!("matrix-synapse-worker@{}", process.name)).collect();
        steps.push(format!("Start the workers: `systemctl enable --now {}`.", names.join(" ")));
        let checks: Vec<String> = context
            .cluster
            .workers
            .iter()
            .filter_map(|process| process.clients.as_ref()?.host_port())
            .map(|address| format!("`curl -f http://{address}/health`"))
            .collect();
        if !checks.is_empty() {
            steps.push(format!("Ask each whether it serves: {}.", checks.join(", ")));
        }
    }
    steps.push(format!("Only now let {proxy} send them requests: {}", proxy_step(context.settings.proxy)));
    steps.push("Enable the target, so that all of it starts with the machine: `systemctl enable matrix-synapse.target`.".to_owned());
    steps.push("Watch for an hour: 5xx answers in the proxy's log, errors in each process's log, CPU of each process. Then run `wsim analyse` on the new logs.".to_owned());
    out.push_str("## Steps\n\n");
    for (number, step) in steps.iter().enumerate() {
        let _ = writeln!(out, "{}. {step}", number + 1);
    }
    out.push('\n');
}

fn proxy_step(proxy: ProxyKind) -> &'static str {
    match proxy {
        ProxyKind::Nginx => {
            "copy wsim-maps.conf to /etc/nginx/conf.d/ and wsim-locations.conf to /etc/nginx/snippets/, include the latter in your site (example-site.conf shows how) in place of its own locations for Matrix, then `nginx -t && systemctl reload nginx`."
        }
        ProxyKind::Haproxy => {
            "merge haproxy.cfg into yours, or use it with your own `bind` lines and certificate, then `haproxy -c -f FILE && systemctl reload haproxy`."
        }
        ProxyKind::Caddy => "take the Caddyfile with your own site address, then `caddy validate --config FILE && systemctl reload caddy`.",
        ProxyKind::Traefik => {
            "put dynamic.yaml where the file provider looks, with your own entry points and rule for the host; Traefik reads it by itself. Its timeouts are in the static configuration: see the comment in static-additions.yaml."
        }
        ProxyKind::Apache => {
            "include wsim.conf in your site in place of its own ProxyPass lines for Matrix, enable the modules it names, then `apachectl -t && systemctl reload apache2`."
        }
        ProxyKind::Envoy => "",
    }
}

fn restart_step(context: &Context<'_>) -> String {
    let moved = moved_streams(context);
    let mut meanwhile = if context.cluster.workers.is_empty() {
        "Clients notice only the restart.".to_owned()
    } else if moved.is_empty() {
        "From now on it also listens for its workers; clients notice only the restart.".to_owned()
    } else {
        format!(
            "**From this restart until the proxy sends them to their writer, requests that write {} can fail**: the main process no longer \
             writes these streams, and refuses typing, to-device messages and push rules outright. Go through the next steps without a pause.",
            moved.join(", ")
        )
    };
    if context.cluster.workers.iter().any(Process::has_media) {
        meanwhile += " **Media is served again only when the proxy sends it to its worker.**";
    }
    format!("Restart the main process and look into its log. {meanwhile}")
}

/// Streams whose requests go to a writer.
fn moved_streams<'a>(context: &Context<'a>) -> Vec<&'a str> {
    let mut streams: Vec<&str> = Vec::new();
    for rule in context.routes.rules.iter().filter(|rule| matches!(rule.target, Target::Writers(_))) {
        if let Some(stream) = rule.stream.as_deref().filter(|stream| !streams.contains(stream)) {
            streams.push(stream);
        }
    }
    streams
}

fn write_back(out: &mut String, context: &Context<'_>, proxy: &str) {
    out.push_str("## The way back\n\n");
    if context.cluster.workers.is_empty() {
        let _ = writeln!(out, "Put {proxy}'s old configuration back and reload.\n");
        return;
    }
    let moved = moved_streams(context);
    let has_media = context.cluster.workers.iter().any(Process::has_media);
    let _ = write!(out, "Putting only {proxy}'s old configuration back, and leaving the processes as they are, ");
    if !moved.is_empty() {
        let _ = writeln!(
            out,
            "is not enough: requests that write {} would reach the main process, which does not write them now.\n",
            moved.join(", ")
        );
    } else if has_media {
        out.push_str("is not enough: media would reach the main process, whose media repository is off (workers.yaml).\n\n");
    } else {
        out.push_str("takes the requests from the workers: the main process can serve every one.\n\n");
    }
    let _ = write!(
        out,
        "1. Stop every process, workers too: `systemctl stop matrix-synapse.target`. No worker may run on with the old settings.\n\
         2. Put homeserver.yaml, the units and {proxy}'s configuration back; `systemctl daemon-reload`.\n\
         3. Start the main process, reload {proxy}. Redis may stay.\n\n"
    );
}

fn write_later(out: &mut String, context: &Context<'_>) {
    out.push_str("## What needs which restart\n\n| change | restart |\n|---|---|\n");
    out.push_str("| weights, balancing rules, timeouts | reload the proxy |\n");
    out.push_str("| one more worker in a pool | start it, then reload the proxy; a keyed rule then moves some users or rooms, whose caches are cold |\n");
    if !context.cluster.workers.is_empty() {
        out.push_str("| `stream_writers`, `instance_map`, number of event persisters | every process at once |\n");
        out.push_str("| federation senders, pushers and other duties | every process, so that no two do the same work |\n");
    }
    out.push_str("| Synapse itself | the main process first (it brings the database up to date), then the workers; write this configuration again for the new release |\n");
}
