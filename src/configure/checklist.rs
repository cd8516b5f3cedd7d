//! CHECKLIST.md: the steps to install the files, in order, what to watch, and the way back.
//!
//! Figures are sums over the plan; the figures for one process are given with their source.

use std::fmt::Write as _;

use super::Context;
use super::cluster::Process;
use super::platform::{self, Steps};
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
    if context.config.platform.takes_files() {
        write_processes(&mut out, context);
    }
    write_resources(&mut out, workers.len() + 1);
    let platform = platform::steps(context);
    if context.config.present.is_some() {
        out.push_str("## Steps\n\nMIGRATION.md has the steps from the present deployment to this one, and the way back.\n\n");
    } else {
        write_steps(&mut out, context, proxy, &platform);
    }
    write_failures(&mut out, context, proxy);
    if context.config.present.is_none() {
        write_back(&mut out, context, proxy, &platform);
    }
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

fn write_steps(out: &mut String, context: &Context<'_>, proxy: &str, platform: &Steps) {
    let mut steps: Vec<String> = vec![
        "Save the current state: copy homeserver.yaml, the proxy's configuration and what starts the processes; back up the database."
            .to_owned(),
    ];
    steps.extend(platform.install.iter().cloned());
    steps.push(format!("{} {}", platform.restart_main, meanwhile(context)));
    steps.extend(platform.start_workers.iter().cloned());
    steps.push(format!("Only now let {proxy} send requests to the workers: {}", platform.proxy));
    steps.extend(platform.after.iter().cloned());
    steps.push("Watch for an hour: 5xx responses in the proxy's log, errors in each process's log, CPU of each process. Then run `wsim analyse` on the new logs.".to_owned());
    out.push_str("## Steps\n\n");
    for (number, step) in steps.iter().enumerate() {
        let _ = writeln!(out, "{}. {step}", number + 1);
    }
    out.push('\n');
}

/// What clients notice between the restart of the main process and the new rules of the proxy.
fn meanwhile(context: &Context<'_>) -> String {
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
    meanwhile
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

/// What happens when a worker, or a whole pool, does not respond.
fn write_failures(out: &mut String, context: &Context<'_>, proxy: &str) {
    if context.cluster.workers.is_empty() {
        return;
    }
    let (notices, status) = match context.config.proxy {
        ProxyKind::Nginx => {
            ("after three failed requests in five seconds, and tries it again five seconds later (it has no active checks)", "502")
        }
        ProxyKind::Haproxy => ("by asking /health every two seconds: after three failures it is out, after one success it is back", "503"),
        ProxyKind::Caddy => ("by asking /health every five seconds, and by three failed requests", "503"),
        ProxyKind::Traefik => ("by asking /health every five seconds", "503"),
        ProxyKind::Apache | ProxyKind::Envoy => ("by asking /health every five seconds: three failures, one success", "503"),
    };
    let _ = write!(
        out,
        "## When a worker fails\n\n\
         - **One of several:** {proxy} notices {notices}. Meanwhile a request that cannot connect goes to another worker of the pool; \
         users of a keyed rule move there with cold caches, and back.\n\
         - **All of a pool:** its requests get {status} until one responds; other pools are not affected. They do not go to the main \
         process, which would have to do in addition what it was relieved of. For a planned stop, let the pool's rules name the main \
         process and reload {proxy} first: it can serve everything but moved streams and media.\n"
    );
    if !context.plan.stream_writers.is_empty() {
        out.push_str("- **A stream writer:** what it writes fails until it is back, whatever the proxy does.\n");
    }
    out.push('\n');
}

fn write_back(out: &mut String, context: &Context<'_>, proxy: &str, platform: &Steps) {
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
        "1. Stop every process, including the workers: {}. No worker may keep running with the new settings.\n\
         2. Restore {}.\n\
         3. Start the main process, reload {proxy}. Redis can keep running.\n\n",
        platform.stop, platform.restore
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
