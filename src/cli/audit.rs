//! `wsim audit`: finds faults in configuration files.
//!
//! ```text
//! files ─▶ configuration or log? ─▶ configure::read ─▶ audit ─▶ findings (terminal, JSON), plan
//!                               └─▶ reading (logs) ─▶ traffic ┘
//! ```

mod print;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::reading::{self, ReadArgs, ReadConfig};
use super::{Exit, UsageError, interrupt};
use wsim_configure::audit::traffic::{Traffic, traffic};
use wsim_configure::audit::{self, AuditConfig, Severity};
use wsim_configure::read::{Disk, Kind, detect};
use wsim_endpoints::{Classifier, ClassifierConfig};
use wsim_folder::{replace_file, write_new_file};
use wsim_trace::ingest::Progress;

/// Arguments of `wsim audit`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Audit {
    /// Configuration files and folders of nginx, HAProxy, Caddy, Traefik and Synapse; optionally logs with the upstream
    #[arg(value_name = "CONFIG|LOG", required = true)]
    files: Vec<String>,
    /// Program that the configuration files belong to [default: detected]
    #[arg(long, value_name = "KIND", value_parser = ["nginx", "haproxy", "caddy", "caddy-json", "traefik", "synapse"])]
    kind: Option<String>,
    /// Address of the main process; repeatable [default: from Synapse's files, or from the requests that only it serves]
    #[arg(long, value_name = "HOST:PORT")]
    main: Vec<String>,
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
  wsim audit nginx.conf /var/log/nginx/matrix-access.log /var/log/matrix-synapse/ --plan-out plan.toml";

const LONG: &str = "\
Turns every row of the endpoint table into example requests and evaluates them by the proxy's own rules of precedence. Rules \
that cannot be evaluated (programs, look-around in patterns) are reported with file and line. With Synapse's files, the audit \
also checks listeners, stream writers and background roles. docs/audit.md lists the findings.

Severities: error (requests fail), warning (works badly, or only under some conditions), hint (could be better).

Examples:
  wsim audit /etc/nginx/nginx.conf /etc/matrix-synapse/ --synapse-version 1.157
  wsim audit haproxy.cfg homeserver.yaml workers/*.yaml --fail-on warning
  wsim audit nginx.conf /var/log/nginx/matrix-access.log /var/log/matrix-synapse/ --plan-out plan.toml";

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
    let Sorted { configurations, logs } = sort(arguments)?;
    if configurations.is_empty() {
        return Err(UsageError("none of the files is a known configuration; name the program with --kind".to_owned()).into());
    }
    if let Some((_, path, _)) = configurations.first().filter(|_| configurations.iter().all(|(kind, ..)| *kind == Kind::TraefikStatic)) {
        let text = format!(
            "{} is Traefik's static configuration, which routes nothing; name the file that its file provider reads, too",
            path.display()
        );
        return Err(UsageError(text).into());
    }
    let sources: Vec<(Kind, &Path, &str)> =
        configurations.iter().map(|(kind, path, text)| (*kind, path.as_path(), text.as_str())).collect();
    let configuration = audit::read(&sources, &Disk)?;
    let audit_config = AuditConfig { main: arguments.main.clone() };
    let audited = audit::audit(&configuration, &choice, &classifier, &audit_config);
    let traffic = if logs.is_empty() { None } else { Some(read_logs(arguments, &logs, &configuration, &audited)?) };
    if let (Some(path), Some(derived)) = (&arguments.plan_out, &audited.plan) {
        write_plan(path, &derived.plan.to_toml(), arguments.force)?;
    }
    show(arguments, &audited, traffic.as_ref())?;
    let limit = Severity::from_word(&arguments.fail_on);
    let failed = limit.is_some_and(|limit| audited.findings.iter().any(|finding| finding.severity >= limit));
    Ok(if failed { Exit::Missed } else { Exit::Done })
}

struct Sorted {
    configurations: Vec<(Kind, PathBuf, String)>,
    logs: Vec<String>,
}

/// Separates configuration files from logs.
fn sort(arguments: &Audit) -> anyhow::Result<Sorted> {
    let kind = arguments.kind.as_deref().and_then(Kind::from_keyword);
    let mut sorted = Sorted { configurations: Vec::new(), logs: Vec::new() };
    for argument in &arguments.files {
        let path = Path::new(argument);
        let before = sorted.configurations.len();
        if path.is_dir() {
            for file in folder(path, 0)? {
                if let Some((kind, text)) = configuration(&file, None)? {
                    sorted.configurations.push((kind, file, text));
                }
            }
        } else if argument != "-" && path.is_file() {
            let kind = kind.filter(|kind| *kind == Kind::Synapse || !is_synapse_yaml(path));
            if let Some((kind, text)) = configuration(path, kind)? {
                sorted.configurations.push((kind, path.to_owned(), text));
            }
        }
        if sorted.configurations.len() == before {
            let is_pattern = argument == "-" || argument.contains(['*', '?', '[']);
            if !is_pattern && !path.exists() {
                return Err(UsageError(format!("{argument}: no such file or folder")).into());
            }
            sorted.logs.push(argument.clone());
        }
    }
    Ok(sorted)
}

/// Whether a file is Synapse's, so that a proxy in `--kind` does not apply to it.
fn is_synapse_yaml(path: &Path) -> bool {
    matches!(configuration(path, None), Ok(Some((Kind::Synapse, _))))
}

/// The kind and text of a configuration file; `None` for anything else, such as a log.
fn configuration(path: &Path, kind: Option<Kind>) -> anyhow::Result<Option<(Kind, String)>> {
    let size = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if name.contains(".log") || name.ends_with(".parquet") {
        return Ok(None);
    }
    // A large file without the name of a configuration is a log.
    if size > SIZE_MAX && kind.is_none() && !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Ok(None);
    }
    if size > SIZE_MAX {
        let most = wsim_text::size_limit(SIZE_MAX);
        anyhow::bail!("{} is larger than {most}, and no configuration is: name the file with the site for Matrix", path.display());
    }
    let text = String::from_utf8_lossy(&std::fs::read(path).with_context(|| path.display().to_string())?).into_owned();
    Ok(kind.or_else(|| detect(path, &text)).map(|kind| (kind, text)))
}

fn folder(path: &Path, depth: usize) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).with_context(|| path.display().to_string())?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries.into_iter().take(FILES_MAX) {
        if entry.is_dir() && depth < DEPTH_MAX {
            files.append(&mut folder(&entry, depth + 1)?);
        } else if entry.is_file() {
            files.push(entry);
        }
    }
    Ok(files)
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

const SIZE_MAX: u64 = wsim_configure::read::BYTES_MAX as u64;
const ENDINGS: [&str; 8] = [".conf", ".cfg", ".yaml", ".yml", ".toml", ".json", ".map", "caddyfile"];
const FILES_MAX: usize = 2000;
const DEPTH_MAX: usize = 4;
