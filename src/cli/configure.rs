//! `wsim configure`: writes proxy and Synapse configuration for a plan.
//!
//! Connects `plan` and `configure` with the file system; the contents of the files come from `configure`.

mod present;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::plan_arg::PlanArg;
use super::settings::SettingsArgs;
use super::{UsageError, next_steps, output};
use present::Deployment;
use wsim_configure::address::Address;
use wsim_configure::cluster::Process;
use wsim_configure::extras::Extras;
use wsim_configure::migration::migrate;
use wsim_configure::platform::Platform;
use wsim_configure::{BASE_PORT, Configuration, ConfigureConfig, Redis, configure};
use wsim_folder::OutputFolder;
use wsim_plan::{CheckedPlan, PresetConfig, ProxyKind};
use wsim_report::escape;

/// Write proxy and Synapse configuration for a plan.
///
/// The folder gets the proxy's files, Synapse's shared settings and one file per worker, log settings, what starts the processes, the
/// plan as configured (every worker with an address, rules in the proxy's own words), and CHECKLIST.md with the steps. Nothing is
/// installed. `--for` says where Synapse runs: systemd units, a compose file, Kubernetes manifests, a NixOS module; or values for
/// ess-helm and variables for matrix-docker-ansible-deploy, which write the other files themselves. What a platform cannot express is
/// said. With --from the steps lead from the present deployment to the plan, and back (MIGRATION.md), and its files are rewritten.
/// `wsim audit` checks all of it except files for Apache, which it cannot read.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, after_long_help = EXAMPLE)]
pub struct Configure {
    /// Plan file, or a standard plan with its number of workers, such as sync-split:3
    #[arg(value_name = "PLAN")]
    pub plan: String,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where Synapse runs: systemd, compose, kubernetes, ess-helm, ansible (matrix-docker-ansible-deploy) or nixos
    #[arg(long = "for", value_name = "PLATFORM", default_value = "systemd")]
    pub platform: String,
    /// Proxy to write for: nginx, haproxy, caddy, traefik or apache [default: the plan's, or the platform's]
    #[arg(long, value_name = "NAME")]
    pub proxy: Option<String>,
    /// Folder to write; it must be empty or not exist yet
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Synapse release to write for [default: the plan's]
    #[arg(long, value_name = "RELEASE")]
    pub synapse_version: Option<String>,
    /// First port for workers and listeners without an address in the plan
    #[arg(long, value_name = "PORT", default_value_t = BASE_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub base_port: u16,
    /// Address at which the main process serves clients and federation [default: the present one, 127.0.0.1:8008, or synapse:8008 in
    /// containers]
    #[arg(long, value_name = "ADDRESS")]
    pub main: Option<String>,
    /// Address at which the main process serves replication [default: the present one, port 9093, or a socket with --sockets]
    #[arg(long, value_name = "ADDRESS")]
    pub main_replication: Option<String>,
    /// Present configuration of proxy and Synapse, to migrate from; repeatable: adds MIGRATION.md, rewritten files and diffs
    #[arg(long, value_name = "CONFIG", num_args = 1..)]
    pub from: Vec<String>,
    /// Folder of unix sockets, instead of ports, for workers and replication listeners without an address in the plan
    #[arg(long, value_name = "DIR")]
    pub sockets: Option<String>,
    /// Redis, as host:port or unix:/path [default: beside Synapse]
    #[arg(long, value_name = "ADDRESS")]
    pub redis: Option<String>,
    /// File with the password of Redis, as Synapse sees it
    #[arg(long, value_name = "FILE", requires = "redis")]
    pub redis_password_file: Option<String>,
    /// Folder that contains synapse/ where Synapse runs [default: /etc/matrix-synapse/wsim, or /wsim in containers]
    #[arg(long, value_name = "DIR")]
    pub installed: Option<String>,
    /// Add an X-Upstream header with the server's name to every response, for tests
    #[arg(long)]
    pub expose_upstream: bool,
    /// Add a listener for Prometheus to each process, and the scrape configuration
    #[arg(long)]
    pub metrics: bool,
    /// Offer HTTP/3 to clients
    #[arg(long)]
    pub http3: bool,
    /// Limit logins and registrations of one address
    #[arg(long)]
    pub rate_limits: bool,
    /// Largest upload, such as 200M, for the proxy and for Synapse [default: max_upload_size in the present files, or 50M]
    #[arg(long, value_name = "SIZE")]
    pub max_upload: Option<String>,
    /// Address of matrix-authentication-service, which then gets logins, logouts and refreshes
    #[arg(long, value_name = "ADDRESS")]
    pub auth_service: Option<String>,
    /// Replace a configuration that wsim wrote there before
    #[arg(long)]
    pub force: bool,
    /// Print the list of files and workers as JSON
    #[arg(long)]
    pub json: bool,
    /// Print only errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read or configured, or the folder cannot be written.
pub fn run(args: &Configure, out: &mut dyn Write) -> anyhow::Result<()> {
    let plan = PlanArg::parse(&args.plan)?.into_plan(&PresetConfig::default())?;
    let deployment = if args.from.is_empty() {
        None
    } else {
        Some(present::read(&args.from, args.synapse_version.as_deref().unwrap_or(&plan.synapse))?)
    };
    let config = config(args, &plan, deployment.as_ref())?;
    let mut configuration = configure(&plan, &config).with_context(|| args.plan.clone())?;
    if let Some(deployment) = &deployment {
        migrate(&mut configuration, &config, &deployment.files, &deployment.proxy)?;
    }
    let folder = written(args, &configuration)?;
    let mut warnings = plan.warnings();
    warnings.extend(configuration.warnings.iter().cloned());
    if args.json {
        let files = configuration.files.iter().map(|file| file.path.as_str()).collect();
        let workers = workers(&configuration);
        let report = Report { schema: "wsim.configuration/1", folder: &folder, synapse: &configuration.release, files, workers, warnings };
        serde_json::to_writer_pretty(&mut *out, &report)?;
        return Ok(writeln!(out)?);
    }
    if args.quiet {
        return Ok(());
    }
    for warning in &warnings {
        writeln!(out, "note: {}", escape::visible(warning))?;
    }
    for file in &configuration.files {
        writeln!(out, "{}{}", folder.join(&file.path).display(), if file.secret { "  (mode 0600)" } else { "" })?;
    }
    let first = if deployment.is_some() { "MIGRATION.md" } else { "CHECKLIST.md" };
    writeln!(out, "Start with {}.", folder.join(first).display())?;
    Ok(next_steps::say(out, &next_steps::after_configure(&folder, &args.plan, config.platform.takes_files()))?)
}

/// Writes the files and returns their folder.
fn written(args: &Configure, configuration: &Configuration) -> anyhow::Result<PathBuf> {
    let folder = OutputFolder::create_at(&args.out, args.force)?;
    for file in &configuration.files {
        if file.secret {
            let path = folder.final_path().join(&file.path);
            let secret = folder.create_private(&file.path)?.write_all(file.text.as_bytes());
            secret.with_context(|| format!("could not write {}", path.display()))?;
        } else {
            folder.write(&file.path, &file.text)?;
        }
    }
    output::finish_folder(folder, false)
}

fn config(args: &Configure, plan: &CheckedPlan, deployment: Option<&Deployment>) -> Result<ConfigureConfig, UsageError> {
    let platform = Platform::from_keyword(&args.platform).ok_or_else(|| {
        let known: Vec<&str> = Platform::ALL.iter().map(|platform| platform.keyword()).collect();
        UsageError(format!("--for: {:?} is not supported; choose one of {}", args.platform, known.join(", ")))
    })?;
    let address = |option: &str, text: &str| Address::parse(text).map_err(|error| UsageError(format!("{option}: {error}")));
    if deployment.is_some() && platform != Platform::Systemd {
        return Err(UsageError(format!("--from: the steps of a migration are written for systemd, not for {}", platform.name())));
    }
    if !platform.takes_files() && (args.http3 || args.rate_limits || args.max_upload.is_some() || args.auth_service.is_some()) {
        let name = platform.name();
        return Err(UsageError(format!("--http3, --rate-limits, --max-upload, --auth-service: {name} has settings of its own for them")));
    }
    let given = |option: &str, text: &Option<String>| text.as_deref().map(|text| address(option, text)).transpose();
    let present = deployment.map(|deployment| deployment.present.clone());
    let defaults = ConfigureConfig::on(platform);
    let sockets = args.sockets.as_deref().map(|text| path("--sockets", text)).transpose()?;
    let main = given("--main", &args.main)?.or_else(|| present.as_ref()?.main.clone());
    let main_replication = given("--main-replication", &args.main_replication)?.or_else(|| present.as_ref()?.main_replication.clone());
    let password_file = args.redis_password_file.as_deref().map(|text| path("--redis-password-file", text)).transpose()?;
    let redis = args.redis.as_deref().map(|text| address("--redis", text)).transpose()?;
    let by_plan = platform.own_proxy().unwrap_or(plan.proxy.kind);
    Ok(ConfigureConfig {
        proxy: args.proxy.as_deref().map_or(Ok(by_plan), proxy)?,
        synapse: args.synapse_version.clone(),
        main: main.unwrap_or(defaults.main),
        main_replication: main_replication.unwrap_or_else(|| platform.main_replication(sockets.as_deref())),
        base_port: args.base_port,
        expose_upstream: args.expose_upstream,
        installed: args.installed.as_deref().map_or(Ok(defaults.installed), |text| path("--installed", text))?,
        sockets,
        redis: redis.map(|address| Redis { address, password_file }),
        extras: Extras {
            metrics: args.metrics,
            http3: args.http3,
            rate_limits: args.rate_limits,
            max_upload: args.max_upload.as_deref().map(size).transpose()?,
            authentication_service: given("--auth-service", &args.auth_service)?,
        },
        present,
        platform,
    })
}

/// A size in bytes, as `max_upload_size` has it.
fn size(text: &str) -> Result<u64, UsageError> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) => (
            digits,
            if text.ends_with('K') {
                10
            } else if text.ends_with('M') {
                20
            } else {
                30
            },
        ),
        None => (text, 0),
    };
    let bytes = digits.parse::<u64>().ok().filter(|number| *number > 0).and_then(|number| number.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes <= 1 << 40).ok_or_else(|| UsageError(format!("--max-upload: {text:?} is not a size such as 50M or 2G")))
}

/// An absolute path that can stand in every file without quotes.
fn path(option: &str, text: &str) -> Result<String, UsageError> {
    let plain = |c: char| c.is_alphanumeric() || "/._-@+".contains(c);
    if !text.starts_with('/') || !text.chars().all(plain) {
        return Err(UsageError(format!("{option}: {text:?} is not an absolute path of letters, digits and . _ - @ +")));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn proxy(name: &str) -> Result<ProxyKind, UsageError> {
    ProxyKind::from_keyword(name)
        .filter(|kind| *kind != ProxyKind::Envoy)
        .ok_or_else(|| UsageError(format!("--proxy: {name:?} is not supported; choose nginx, haproxy, caddy, traefik or apache")))
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    folder: &'a Path,
    synapse: &'a str,
    files: Vec<&'a str>,
    workers: Vec<WorkerReport>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct WorkerReport {
    name: String,
    address: Option<String>,
    replication: Option<String>,
    streams: Vec<String>,
    #[serde(rename = "duties")]
    background_roles: Vec<&'static str>,
}

fn workers(configuration: &Configuration) -> Vec<WorkerReport> {
    let text = |address: &Option<Address>| address.as_ref().map(ToString::to_string);
    let worker = |process: &'_ Process| WorkerReport {
        name: process.name.clone(),
        address: text(&process.clients),
        replication: text(&process.replication),
        streams: process.streams.clone(),
        background_roles: process.background_roles.clone(),
    };
    configuration.cluster.workers.iter().map(worker).collect()
}

const EXAMPLE: &str = "\
Examples:
  wsim configure plan.toml --proxy nginx --out synapse-workers
  wsim configure synapse-docs:3 --proxy haproxy --metrics --out synapse-workers
  wsim configure plan.toml --from /etc/nginx /etc/matrix-synapse --out migration
  wsim configure plan.toml --for compose --out synapse-compose
  less synapse-workers/CHECKLIST.md";
