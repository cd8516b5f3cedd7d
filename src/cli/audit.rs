//! `wsim audit`: finds faults in configuration files.
//!
//! ```text
//! files ─▶ configuration or log? ─▶ configure::read ─▶ audit ─▶ findings (terminal, JSON), plan
//!                               └─▶ reading (logs) ─▶ traffic ┘
//! ```

mod print;
mod route;
pub(super) mod sort;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::reading::{self, ReadArgs, ReadConfig};
use super::{Exit, UsageError, interrupt};
use sort::Sorted;
use wsim_configure::audit::traffic::{Traffic, traffic};
use wsim_configure::audit::{self, AuditConfig, Severity};
use wsim_configure::read::{Among, Kind};
use wsim_endpoints::{Classifier, ClassifierConfig};
use wsim_folder::{replace_file, write_new_file};
use wsim_trace::ingest::Progress;

/// Arguments of `wsim audit`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Audit {
    /// Configuration files and folders of nginx, HAProxy, Caddy, Traefik, Apache, Envoy, Kubernetes and Synapse; optionally logs with the upstream
    #[arg(value_name = "CONFIG|LOG", required = true)]
    files: Vec<String>,
    /// Program that the configuration files belong to [default: detected]
    #[arg(long, value_name = "KIND", value_parser = ["nginx", "haproxy", "caddy", "caddy-json", "traefik", "apache", "envoy", "kubernetes", "synapse"])]
    kind: Option<String>,
    /// Address of the main process; repeatable [default: from Synapse's files, or from the requests that only it serves]
    #[arg(long, value_name = "HOST:PORT")]
    main: Vec<String>,
    /// Host name of the Matrix site [default: found by the rules and by Synapse's listeners]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Address of a server that is no Synapse process, such as matrix-authentication-service; repeatable
    #[arg(long, value_name = "HOST:PORT")]
    not_synapse: Vec<String>,
    /// Only show where a request goes and by which rule; repeatable; - reads one request per line
    #[arg(long, value_name = "METHOD PATH", allow_hyphen_values = true)]
    route: Vec<String>,
    /// Exit with status 3 if there are findings of this severity or worse
    #[arg(long, value_name = "SEVERITY", value_parser = ["hint", "warning", "error", "never"], default_value = "error")]
    fail_on: String,
    /// Write the plan that the configuration implements
    #[arg(long, value_name = "FILE")]
    plan_out: Option<PathBuf>,
    /// Replace an existing plan file
    #[arg(long)]
    force: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Print only errors
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    reading: ReadArgs,
}

const EXAMPLES: &str = "\
Examples:
  wsim audit /etc/nginx/nginx.conf /etc/matrix-synapse/ --synapse-version 1.157
  wsim audit haproxy.cfg homeserver.yaml workers/*.yaml --fail-on warning
  wsim audit nginx.conf /var/log/nginx/matrix-access.log /var/log/matrix-synapse/ --plan-out plan.toml
  wsim audit /etc/nginx --host matrix.example.org --route 'GET /_matrix/client/v3/sync'";

const LONG: &str = "\
Turns every row of the endpoint table into example requests and evaluates them by the proxy's own rules of precedence. Rules \
that cannot be evaluated (programs, look-around in patterns) are reported with file and line. With Synapse's files, the audit \
also checks listeners, stream writers and background roles. docs/audit.md lists the findings.

Severities: error (requests fail), warning (works badly, or only under some conditions), hint (could be better).

Examples:
  wsim audit /etc/nginx/nginx.conf /etc/matrix-synapse/ --synapse-version 1.157
  wsim audit haproxy.cfg homeserver.yaml workers/*.yaml --fail-on warning
  wsim audit nginx.conf /var/log/nginx/matrix-access.log /var/log/matrix-synapse/ --plan-out plan.toml
  wsim audit /etc/nginx --host matrix.example.org --route 'GET /_matrix/client/v3/sync'";

#[derive(Serialize)]
struct Json<'j> {
    schema: &'static str,
    wsim: &'static str,
    #[serde(flatten)]
    audit: &'j audit::Audit,
    logs: Option<&'j Traffic>,
    plan: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// A file cannot be read, or no file is a configuration.
pub fn run(arguments: &Audit) -> anyhow::Result<Exit> {
    let choice = arguments.reading.table.select()?;
    let classifier = Classifier::new(&choice.table, &ClassifierConfig::default())?;
    let sorted = sort::sort(&arguments.files, arguments.kind.as_deref())?;
    check_enough(&sorted)?;
    let Sorted { configurations, logs, .. } = &sorted;
    let sources: Vec<(Kind, &Path, &str)> =
        configurations.iter().map(|(kind, path, text)| (*kind, path.as_path(), text.as_str())).collect();
    let files = Among::new(&sorted.given).with_texts(&sorted.held);
    let configuration = audit::read(&sources, &files)?;
    let audit_config = AuditConfig {
        main: arguments.main.clone(),
        host: arguments.host.clone(),
        not_synapse: arguments.not_synapse.clone(),
        notes: sorted.not_read.clone(),
        unreadable: sorted.broken.clone(),
    };
    if !arguments.route.is_empty() {
        let requests = route::requests(&arguments.route, &mut std::io::stdin().lock())?;
        let answers = audit::route::routes(&configuration, &classifier, &audit_config, &requests);
        return route::print(&mut anstream::stdout().lock(), &answers, &files, arguments.json);
    }
    let audited = audit::audit(&configuration, &choice, &classifier, &audit_config);
    let traffic = if logs.is_empty() { None } else { Some(read_logs(arguments, logs, &configuration, &audited)?) };
    if let (Some(path), Some(derived)) = (&arguments.plan_out, &audited.plan) {
        write_plan(path, &derived.plan.to_toml(), arguments.force)?;
    }
    show(arguments, &audited, traffic.as_ref())?;
    let limit = Severity::from_word(&arguments.fail_on);
    let failed = limit.is_some_and(|limit| audited.findings.iter().any(|finding| finding.severity >= limit));
    Ok(if failed { Exit::Missed } else { Exit::Done })
}

/// Whether some file is a configuration that routes or belongs to Synapse.
fn check_enough(sorted: &Sorted) -> Result<(), UsageError> {
    if sorted.configurations.is_empty() {
        let reasons = sorted.not_read.iter().map(|note| format!("{}: {}", note.at, note.text));
        let reasons: Vec<String> = reasons.chain(sorted.broken.iter().map(|(_, why)| why.clone())).collect();
        return Err(UsageError(if reasons.is_empty() {
            "none of the files is a known configuration; name the program with --kind".to_owned()
        } else {
            reasons.join("; ")
        }));
    }
    match sorted.configurations.first().filter(|_| sorted.configurations.iter().all(|(kind, ..)| *kind == Kind::TraefikStatic)) {
        Some((_, path, _)) => Err(UsageError(format!(
            "{} is Traefik's static configuration, which routes nothing; name the file that its file provider reads, too",
            path.display()
        ))),
        None => Ok(()),
    }
}

fn read_logs(arguments: &Audit, logs: &[String], configuration: &audit::Configuration, audited: &audit::Audit) -> anyhow::Result<Traffic> {
    let config = ReadConfig::new(logs, &arguments.reading)?.quiet(arguments.quiet);
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let read = reading::read(&config, &progress)?;
    let Some(trace) = &read.trace else { anyhow::bail!("the logs contain no requests") };
    let mut main = arguments.main.clone();
    main.extend(audited.main_addresses.iter().cloned());
    Ok(traffic(trace, &read.endpoints, &configuration.cluster, &main))
}

fn write_plan(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let written = if force { replace_file(path, text.as_bytes()) } else { write_new_file(path, text.as_bytes()) };
    written.with_context(|| format!("{}: cannot be written (--force replaces an existing file)", path.display()))
}

fn show(arguments: &Audit, audited: &audit::Audit, traffic: Option<&Traffic>) -> anyhow::Result<()> {
    if arguments.json {
        let plan = audited.plan.as_ref().map(|derived| derived.plan.to_toml());
        let json = Json { schema: "wsim.audit/1", wsim: env!("CARGO_PKG_VERSION"), audit: audited, logs: traffic, plan };
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &json)?;
        writeln!(out)?;
    } else if !arguments.quiet {
        print::print(&mut anstream::stdout().lock(), audited, traffic)?;
    }
    Ok(())
}
