//! `wsim emulate`: an emulated cluster of a plan, with the costs of a log, until Ctrl-C.
//!
//! ```text
//! logs ─▶ trace, profile ─▶ demands ─┐
//! plan ──────────────────────────────┴─▶ cluster ─▶ Ctrl-C
//! ```

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use rand::TryRng;

use super::output::Output;
use super::reading::{self, Config, Reading};
use super::{Exit, UsageError, interrupt};
use wsim_emulate::{Cluster, Demands, Keys, Settings, WithoutRow};
use wsim_plan::{self as plan, Plan, Preset};
use wsim_simulate::prepare::PrepareSettings;
use wsim_trace::ingest::Progress;
use wsim_trace::{Request, flag};

/// Arguments of `wsim emulate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Emulate {
    /// Log files, folders, globs or `-`, compressed or not; or one trace.parquet of an earlier run: what requests cost
    #[arg(value_name = "LOG|TRACE", required = true)]
    logs: Vec<String>,

    /// The cluster: a plan file, or a standard plan like `generic` or `sync-split:3`
    #[arg(long, value_name = "FILE|PRESET", help_heading = "Cluster")]
    plan: String,
    /// Where it listens, on loopback
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8008", help_heading = "Cluster")]
    listen: SocketAddr,
    /// File with the registration's shared secret; made if it does not exist [default: a new file in the temporary folder]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    secret_file: Option<PathBuf>,
    /// What the homeserver calls itself
    #[arg(long, value_name = "NAME", default_value = "emulated.wsim.invalid", help_heading = "Cluster")]
    server_name: String,

    /// Print the address and the secret's file as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,

    #[command(flatten)]
    reading: Reading,
}

const EXAMPLES: &str = "\
Examples:
  wsim emulate --plan generic:2 access.log homeserver.log
  wsim emulate --plan plan.toml trace.parquet --listen 127.0.0.1:9000";

const LONG: &str = "\
Workers are emulated by the model that `wsim simulate` uses, on the wall clock: a request takes the CPU, database and waiting time of a logged
one of its kind, drawn at random, and queues at the worker that the plan's rule chooses. No CPU is burnt, so there may be more workers than cores.
Answers say in X-Upstream which worker they are of. The API is as much of Matrix as `wsim provision` and `wsim replay` need; nothing is kept on disk.

Examples:
  wsim emulate --plan generic:2 access.log homeserver.log
  wsim emulate --plan plan.toml trace.parquet --listen 127.0.0.1:9000";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the logs or the plan cannot be read, the address is taken.
pub fn run(arguments: &Emulate) -> anyhow::Result<Exit> {
    if !arguments.listen.ip().is_loopback() {
        let why = format!("--listen: {} is no loopback address, and an emulated cluster is for this machine alone", arguments.listen);
        return Err(UsageError(why).into());
    }
    let output = Output {
        anonymise: None,
        out: PathBuf::from("reports"),
        name: None,
        force: false,
        json: arguments.json,
        quiet: arguments.quiet || arguments.json,
    };
    let config = Config::new(&arguments.logs, &arguments.reading, &output, true)?;
    let plan = plan(&arguments.plan, &arguments.reading.plan_options(&config.synapse_version))?;
    let (secret, secret_file) = secret(arguments.secret_file.as_deref())?;
    let read = reading::read(&config, &Arc::new(Progress::default()))?;
    let Some(trace) = &read.trace else { anyhow::bail!("the logs left no requests that tell what requests cost") };
    let rows: Vec<Request> = config.window.requests(trace).filter(|request| !request.has(flag::INTERNAL)).collect();
    let prepare = PrepareSettings { process_cpu: config.process_cpu, ..PrepareSettings::default() };
    let demands = Demands::of(trace, &read.endpoints, &read.profile, &rows, &prepare);
    let settings = Settings {
        listen: arguments.listen,
        seed: arguments.reading.seed,
        secret,
        server_name: arguments.server_name.clone(),
        without_row: WithoutRow::Drawn,
        keys: Keys::OfRequest,
    };
    let cluster = Cluster::start(&plan, demands, settings)?;
    interrupt::wait(|| told(arguments, &plan, &cluster, &secret_file))?;
    cluster.stop();
    Ok(Exit::Done)
}

/// Where it is, on standard output.
fn told(arguments: &Emulate, plan: &Plan, cluster: &Cluster, secret_file: &Path) -> anyhow::Result<()> {
    let url = format!("http://{}", cluster.address());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let facts = serde_json::json!({"url": url, "secret_file": secret_file, "plan": plan.name, "processes": cluster.processes()});
        writeln!(out, "{facts}")?;
    } else if !arguments.quiet {
        writeln!(out, "{url}  {}: {} processes", plan.name, cluster.processes().len())?;
        writeln!(out, "wsim provision LOG --target {url} --secret-file {}", secret_file.display())?;
        writeln!(out, "Ctrl-C stops it.")?;
    }
    Ok(out.flush()?)
}

/// `sync-split:3`, `generic`, or a file.
pub(super) fn plan(text: &str, options: &plan::Options) -> anyhow::Result<Plan> {
    let (name, count) = match text.rsplit_once([' ', ':']) {
        Some((name, count)) if count.parse::<u32>().is_ok() => (name, count.parse().ok()),
        _ => (text, None),
    };
    match Preset::find(name) {
        Ok(preset) => {
            let workers: u32 = count.unwrap_or_else(|| *preset.workers.start());
            let why = || UsageError(format!("--plan: {name} is made for {} to {} workers", preset.workers.start(), preset.workers.end()));
            Ok(preset.plan(workers, options).ok_or_else(why)?)
        }
        Err(unknown) if !(text.contains(['/', '.']) || Path::new(text).exists()) => {
            Err(UsageError(format!("--plan: {unknown}; a plan file ends in .toml")).into())
        }
        Err(_) => {
            let content = std::fs::read_to_string(text).with_context(|| format!("could not read the plan {text}"))?;
            Ok(Plan::from_toml(&content, text)?)
        }
    }
}

/// The shared secret and the file it stands in, which is made for its owner alone where there is none.
fn secret(path: Option<&Path>) -> anyhow::Result<(String, PathBuf)> {
    if let Some(path) = path.filter(|path| path.exists()) {
        let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        let secret = text.trim().to_owned();
        if secret.is_empty() {
            anyhow::bail!("{} is empty: it should hold the registration's shared secret", path.display());
        }
        return Ok((secret, path.to_owned()));
    }
    let secret = new_secret()?;
    let write = |mut file: &std::fs::File| file.write_all(format!("{secret}\n").as_bytes());
    let path = match path {
        Some(path) => {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(path).with_context(|| format!("could not write {}", path.display()))?;
            write(&file)?;
            path.to_owned()
        }
        None => {
            // Temporary files are made for their owner alone.
            let file = tempfile::Builder::new().prefix("wsim-secret-").tempfile().context("could not make a file for the secret")?;
            write(file.as_file())?;
            file.into_temp_path().keep().context("could not keep the secret's file")?
        }
    };
    Ok((secret, path))
}

pub(super) fn new_secret() -> anyhow::Result<String> {
    let mut bytes = [0; 24];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).context("the operating system gives no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
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

    #[test]
    fn a_plan_is_a_preset_or_a_file() {
        let options = plan::Options::default();
        assert_eq!(
            plan("sync-split:3", &options).unwrap().workers().len(),
            Preset::find("sync-split").unwrap().plan(3, &options).unwrap().workers().len()
        );
        assert!(plan("sync-spilt:3", &options).unwrap_err().to_string().contains("did you mean"));
        assert!(plan("/none/plan.toml", &options).is_err());
    }
}
