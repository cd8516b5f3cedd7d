//! `wsim emulate`: runs an emulated cluster of a plan, with the costs of a log, until Ctrl-C.
//!
//! ```text
//! logs ─▶ trace, profile ─▶ demands ─┐
//! plan ──────────────────────────────┴─▶ cluster ─▶ Ctrl-C
//! ```

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::next_steps::{self, SameInput};
use super::plan_arg::PlanArg;
use super::provision::random_bytes;
use super::reading::{self, ReadArgs, ReadConfig};
use super::{Exit, UsageError, interrupt};
use wsim_emulate::{EmulatedCluster, EmulationConfig, KeySource, LoggedCosts, WithoutRow};
use wsim_folder::create_private;
use wsim_plan::CheckedPlan;
use wsim_profile::Profile;
use wsim_report::NextStep;
use wsim_simulate::prepare::PrepareConfig;
use wsim_text::{plural, prose};
use wsim_trace::ingest::Progress;
use wsim_trace::{Request, flag};

/// Arguments of `wsim emulate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Emulate {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG|TRACE", required = true)]
    logs: Vec<String>,

    /// Plan of the cluster: a file, or a standard plan like `generic:2`
    #[arg(long, value_name = "FILE|PRESET", help_heading = "Cluster")]
    plan: String,
    /// Loopback address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8008", help_heading = "Cluster")]
    listen: SocketAddr,
    /// File with the registration shared secret; created if missing [default: a new temporary file]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    secret_file: Option<PathBuf>,
    /// Name of the emulated homeserver
    #[arg(long, value_name = "NAME", default_value = "emulated.wsim.invalid", help_heading = "Cluster")]
    server_name: String,

    /// Print the address and the secret file as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    reading: ReadArgs,
}

const EXAMPLES: &str = "\
Examples:
  wsim emulate --plan generic:2 access.log homeserver.log
  wsim emulate --plan plan.toml trace.parquet --listen 127.0.0.1:9000";

const LONG: &str = "\
Emulates the workers with the model of `wsim simulate`, in real time: a request takes the CPU, database and waiting time of a random logged request of \
its kind, and queues at the worker that the plan's rule chooses. It uses no real CPU time, so there may be more workers than cores. The response \
header X-Upstream names the worker. The API covers what `wsim provision` and `wsim replay` need; nothing is stored on disk.

Examples:
  wsim emulate --plan generic:2 access.log homeserver.log
  wsim emulate --plan plan.toml trace.parquet --listen 127.0.0.1:9000";

/// Runs the command.
///
/// # Errors
/// The arguments make no sense, the logs or the plan cannot be read, or the address is in use.
pub fn run(arguments: &Emulate) -> anyhow::Result<Exit> {
    if !arguments.listen.ip().is_loopback() {
        let why = format!("--listen: {} is not a loopback address; an emulated cluster serves this machine only", arguments.listen);
        return Err(UsageError(why).into());
    }
    let config = ReadConfig::new(&arguments.logs, &arguments.reading)?.quiet(arguments.quiet || arguments.json);
    let plan = PlanArg::parse(&arguments.plan)?;
    let (secret, secret_file) = secret(arguments.secret_file.as_deref())?;
    let read = reading::read(&config, &Arc::new(Progress::default()))?;
    let plan = plan.into_plan(&read.summary.preset_config())?;
    let Some(trace) = &read.trace else { anyhow::bail!("no requests are left in the logs to learn costs from") };
    let rows: Vec<Request> = config.range.requests(trace).filter(|request| !request.has(flag::INTERNAL)).collect();
    let prepare = PrepareConfig { process_cpu: read.process_cpu.clone(), ..PrepareConfig::default() };
    let costs = LoggedCosts::from_trace(trace, &read.endpoints, &read.profile, &rows, &prepare);
    let emulation_config = EmulationConfig {
        listen: arguments.listen,
        seed: arguments.reading.seed,
        secret,
        server_name: arguments.server_name.clone(),
        without_row: WithoutRow::Drawn,
        key_source: KeySource::Request,
    };
    let cluster = EmulatedCluster::start(&plan, costs, emulation_config)?;
    let remark = without_requests_between_processes(&read.profile);
    let same = SameInput::of_logs(&config, &arguments.logs);
    interrupt::wait(|| announce(arguments, &plan, &cluster, (&same, &secret_file, remark.as_deref())))?;
    cluster.stop();
    Ok(Exit::Done)
}

/// What an emulated cluster leaves out of logs with requests between Synapse's processes; `None` if they have none.
pub(super) fn without_requests_between_processes(profile: &Profile) -> Option<String> {
    let lines = &profile.between_processes;
    let requests: u64 = lines.iter().map(|line| line.requests).sum();
    let cores = lines.iter().map(|line| line.cpu_seconds).sum::<f64>() / profile.observed_seconds();
    (requests > 0).then(|| {
        format!(
            "the emulated cluster plays requests of clients and servers only: {} between processes are left out ({} on average), so that the processes that serve them are less busy than simulated",
            plural(requests, "request", "requests"),
            prose::cores(cores)
        )
    })
}

/// Prints the address, how to provision the cluster, and what it leaves out.
fn announce(
    arguments: &Emulate,
    plan: &CheckedPlan,
    cluster: &EmulatedCluster,
    (same, secret_file, remark): (&SameInput, &Path, Option<&str>),
) -> anyhow::Result<()> {
    let url = format!("http://{}", cluster.address());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let remarks: Vec<&str> = remark.into_iter().collect();
        let facts = serde_json::json!({
            "url": url, "secret_file": secret_file, "plan": plan.name, "processes": cluster.processes(), "remarks": remarks
        });
        writeln!(out, "{facts}")?;
    } else if !arguments.quiet {
        writeln!(out, "{url}  {}: {}", plan.name, plural(cluster.processes().len() as u64, "process", "processes"))?;
        if let Some(remark) = remark {
            writeln!(out, "Note: {remark}.")?;
        }
        let secret_file = secret_file.to_string_lossy();
        let step = |why: &str, command: String| NextStep { why: why.to_owned(), command };
        next_steps::say(
            &mut out,
            &[
                step(
                    "create the accounts and rooms of the log there",
                    same.command_with("provision", &[("target", &url), ("secret-file", &secret_file)]),
                ),
                step("then replay it", same.command_with("replay", &[("target", &url), ("world", "world.json")])),
            ],
        )?;
        writeln!(out, "Stop it with Ctrl-C.")?;
    }
    Ok(out.flush()?)
}

/// The shared secret and its file. A missing file is created, readable by its owner only.
fn secret(path: Option<&Path>) -> anyhow::Result<(String, PathBuf)> {
    if let Some(path) = path.filter(|path| path.exists()) {
        let text = wsim_text::read_text(path, 100_000).with_context(|| format!("could not read {}", path.display()))?;
        let secret = text.trim().to_owned();
        if secret.is_empty() {
            anyhow::bail!("{} is empty: it should contain the registration shared secret", path.display());
        }
        return Ok((secret, path.to_owned()));
    }
    let secret = new_secret()?;
    let write = |mut file: &std::fs::File| file.write_all(format!("{secret}\n").as_bytes());
    let path = match path {
        Some(path) => {
            let file = create_private(path).with_context(|| format!("could not write {}", path.display()))?;
            write(&file)?;
            path.to_owned()
        }
        None => {
            // Temporary files are readable by their owner only.
            let file = tempfile::Builder::new().prefix("wsim-secret-").tempfile().context("could not create a file for the secret")?;
            write(file.as_file())?;
            file.into_temp_path().keep().context("could not keep the secret file")?
        }
    };
    Ok((secret, path))
}

pub(super) fn new_secret() -> anyhow::Result<String> {
    Ok(random_bytes::<24>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_created_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let (first, _) = secret(Some(&path)).unwrap();
        assert_eq!((first.len(), &secret(Some(&path)).unwrap().0), (48, &first));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(secret(Some(&path)).is_err());
    }
}
