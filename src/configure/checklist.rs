//! CHECKLIST.md: the steps to install the files, in order, what to watch, and the way back.
//!
//! Figures are sums over the plan; the figures for one process are given with their source.

use std::fmt::Write as _;

use super::Context;
use super::cluster::Process;
use super::routes::Target;
use wsim_plan::ProxyKind;
use wsim_text::plural;

/// Connections of each process to PostgreSQL: `cp_max` in the examples of Synapse's documentation.
pub const CONNECTIONS: usize = 10;
/// Connections that PostgreSQL reserves for its superuser, and a few for administrators.
const RESERVED: usize = 13;
/// Resident memory of a process in MiB, just started (measured with Synapse 1.163) and after a day with full caches (reported by
/// operators).
pub const MEMORY_MIB: (usize, usize) = (120, 500);

pub(super) fn text(context: &Context<'_>, warnings: &[String]) -> String {
    let mut out = format!("# Checklist: {}\n\n", context.plan.name.escape_debug().to_string().replace('<', "&lt;"));
    let workers = &context.cluster.workers;
    let proxy = context.config.proxy.name();
    let _ = write!(
        out,
        "For Synapse {} behind {proxy}: the main process and {}. Nothing here has been installed or started.\n\n",
        context.plan.synapse,
        plural(workers.len() as u64, "worker", "workers")
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
    out.push_str(
        "## Processes\n\n| process | serves at | replication at | stream writer for | background roles |\n|---|---|---|---|---|\n",
    );
    let cluster = context.cluster;
    let _ = writeln!(out, "| main | {} | {} | all other streams | all others |", cluster.main, cluster.main_replication);
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
    let count = plural(processes as u64, "process", "processes");
    let each = if processes == 1 { "" } else { " each" };
    let _ = write!(
        out,
        "## Before you begin: check the resources\n\n\
         - **Database connections.** {count} with up to {CONNECTIONS} connections{each} (`cp_max`; Synapse's default is 5): \
         {} at most. PostgreSQL's `max_connections` (100 by default) should be at least {}. Check it with `SHOW max_connections;`\n\
         - **Memory.** {count}: about {} MiB after the start ({fresh} MiB{each}, measured with Synapse 1.163), about {} MiB \
         with full caches ({warm} MiB{each}, a rule of thumb: it depends on `caches.global_factor`, and each process has its own caches).\n\
         - **Cores.** A process uses one core at most. More busy processes than cores compete for CPU.\n\n",
        processes * CONNECTIONS,
        processes * CONNECTIONS + RESERVED,
        processes * fresh,
        processes * warm,
    );
}

fn write_steps(out: &mut String, context: &Context<'_>, proxy: &str) {
    let installed = &context.config.installed;
    let workers = !context.cluster.workers.is_empty();
    let mut steps: Vec<String> = vec![
        "Save the current state: copy homeserver.yaml, the proxy's configuration and the units; back up the database.".to_owned(),
        format!(
            "Copy `synapse/` to `{installed}/synapse/`, readable by Synapse's user. Files with mode 0600 contain secrets: only that user may read them."
        ),
        "Merge `synapse/homeserver-additions.yaml` into homeserver.yaml by hand. Where workers.yaml has the same settings, it overrides them."
            .to_owned(),
    ];
    if workers {
        steps.push("Install and start Redis. It must not be reachable from other machines.".to_owned());
    }
    steps.push("Copy `systemd/*` to /etc/systemd/system/ and run `systemctl daemon-reload`. The unit of the main process replaces the unit of the package: compare them first.".to_owned());
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
            steps.push(format!("Check that each worker responds: {}.", checks.join(", ")));
        }
    }
    steps.push(format!("Only now let {proxy} send requests to the workers: {}", proxy_step(context.config.proxy)));
    steps.push("Enable the target, so that all processes start with the machine: `systemctl enable matrix-synapse.target`.".to_owned());
    steps.push("Watch for an hour: 5xx responses in the proxy's log, errors in each process's log, CPU of each process. Then run `wsim analyse` on the new logs.".to_owned());
    out.push_str("## Steps\n\n");
    for (number, step) in steps.iter().enumerate() {
        let _ = writeln!(out, "{}. {step}", number + 1);
    }
    out.push('\n');
}

fn proxy_step(proxy: ProxyKind) -> &'static str {
    match proxy {
        ProxyKind::Nginx => {
            "copy wsim-maps.conf to /etc/nginx/conf.d/ and wsim-locations.conf to /etc/nginx/snippets/, include the latter in your site (see example-site.conf) instead of its own locations for Matrix, then `nginx -t && systemctl reload nginx`."
        }
        ProxyKind::Haproxy => {
            "merge haproxy.cfg into yours, or use it with your own `bind` lines and certificate, then `haproxy -c -f FILE && systemctl reload haproxy`."
        }
        ProxyKind::Caddy => "use the Caddyfile with your own site address, then `caddy validate --config FILE && systemctl reload caddy`.",
        ProxyKind::Traefik => {
            "copy dynamic.yaml to the folder of the file provider, with your own entry points and rule for the host; Traefik reloads it without a restart. Timeouts belong to the static configuration: see the comment in static-additions.yaml."
        }
        ProxyKind::Apache => {
            "include wsim.conf in your site instead of its own ProxyPass lines for Matrix, enable the modules it names, then `apachectl -t && systemctl reload apache2`."
        }
        ProxyKind::Envoy => "",
    }
}

fn restart_step(context: &Context<'_>) -> String {
    let moved = moved_streams(context);
    let mut meanwhile = if context.cluster.workers.is_empty() {
        "Clients notice only the restart.".to_owned()
    } else if moved.is_empty() {
        "From now on it also accepts connections from workers; clients notice only the restart.".to_owned()
    } else {
        format!(
            "**Requests that write {} can fail from this restart until the proxy sends them to their writer**: the main process no longer \
             writes these streams, and rejects typing, to-device messages and push rules. Do the next steps without a pause.",
            moved.join(", ")
        )
    };
    if context.cluster.workers.iter().any(Process::has_media) {
        meanwhile += " **Media requests fail until the proxy sends them to the media worker.**";
    }
    format!("Restart the main process and check its log. {meanwhile}")
}

/// The streams whose requests the proxy sends to a writer.
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
        let _ = writeln!(out, "Restore {proxy}'s old configuration and reload it.\n");
        return;
    }
    let moved = moved_streams(context);
    let has_media = context.cluster.workers.iter().any(Process::has_media);
    let _ = write!(out, "Restoring only {proxy}'s old configuration, with the processes left as they are, ");
    if !moved.is_empty() {
        let _ = writeln!(
            out,
            "is not enough: requests that write {} would reach the main process, which no longer writes them.\n",
            moved.join(", ")
        );
    } else if has_media {
        out.push_str("is not enough: media requests would reach the main process, whose media repository is disabled (workers.yaml).\n\n");
    } else {
        out.push_str("is enough: all requests go to the main process again, which can serve them.\n\n");
    }
    let _ = write!(
        out,
        "1. Stop every process, including the workers: `systemctl stop matrix-synapse.target`. No worker may keep running with the new settings.\n\
         2. Restore homeserver.yaml, the units and {proxy}'s configuration; `systemctl daemon-reload`.\n\
         3. Start the main process, reload {proxy}. Redis can keep running.\n\n"
    );
}

fn write_later(out: &mut String, context: &Context<'_>) {
    out.push_str("## Restarts after later changes\n\n| change | restart |\n|---|---|\n");
    out.push_str("| weights, balancing rules, timeouts | reload the proxy |\n");
    out.push_str("| one more worker in a pool | start it, then reload the proxy; a keyed rule then moves some users or rooms to servers with cold caches |\n");
    if !context.cluster.workers.is_empty() {
        out.push_str("| `stream_writers`, `instance_map`, number of event persisters | every process at once |\n");
        out.push_str("| federation senders, pushers and other background roles | every process, so that no two do the same work |\n");
    }
    out.push_str("| Synapse release | the main process first (it updates the database), then the workers; run `wsim configure` again for the new release |\n");
}
