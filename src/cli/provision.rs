//! `wsim provision`: creates the users, rooms and keys that a replay needs on a test homeserver, or removes them.
//!
//! ```text
//! logs ─▶ trace ─▶ survey ─▶ design ─▶ (dry run: counts) ─▶ target, manifest
//! ```

mod summary;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;

use super::guard_args::GuardArgs;
use super::next_steps::{self, SameInput};
use super::progress::ProgressReporter;
use super::reading::{self, AnonymiseArgs, ReadArgs, ReadConfig};
use super::{Exit, UsageError};
use summary::{ProvisionSummary, WorldCounts};
use wsim_matrix::provision::{self, AccountSource, MissingItems, ProvisionConfig, WorldConfig};
use wsim_matrix::{CheckedTarget, KnownServers, Manifest, ReplayableShare, Survey, check_target};
use wsim_replay::guard::{Guard, Origin};
use wsim_report::NextStep;
use wsim_trace::Request;
use wsim_trace::ingest::Progress;
use wsim_transport::{Target, TransportConfig};

/// Arguments of `wsim provision`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Provision {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG|TRACE", required_unless_present = "purge", conflicts_with = "purge")]
    logs: Vec<String>,

    /// URL of the test homeserver: http://localhost:8008
    #[arg(long, value_name = "URL", value_parser = target, help_heading = "Target")]
    target: Target,
    /// File that contains the target's registration_shared_secret
    #[arg(long, value_name = "FILE", conflicts_with = "tokens", help_heading = "Target")]
    secret_file: Option<PathBuf>,
    /// File of existing accounts to use instead: user id, tab, access token on each line
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    tokens: Option<PathBuf>,
    /// Additional PEM certificates to trust
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    ca: Option<PathBuf>,
    /// Accept every certificate of the target: for test targets only
    #[arg(long, conflicts_with = "ca", help_heading = "Target")]
    insecure: bool,
    /// Concurrent requests
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Target")]
    concurrency: u16,
    #[command(flatten)]
    allowed: GuardArgs,

    /// World file, which lists what was created; secret; continued if it exists
    #[arg(long, value_name = "FILE", default_value = "world.json", help_heading = "World")]
    world: PathBuf,
    /// Copies of the logged users, for replays with a load above 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "World")]
    copies: u16,
    /// Messages in each room; more if the log reads further back
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "World")]
    history: u32,
    /// Show what would be created, how long it may take, and how much could be replayed; create nothing
    #[arg(long, conflicts_with = "purge", help_heading = "World")]
    dry_run: bool,
    /// Remove everything in the world file from the target
    #[arg(long, help_heading = "World")]
    purge: bool,

    #[command(flatten)]
    anonymise: AnonymiseArgs,
    /// Print the result as JSON
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
  wsim provision access.log --target http://localhost:8008 --secret-file secret --dry-run
  wsim provision access.log --target http://localhost:8008 --secret-file secret
  wsim provision --target http://localhost:8008 --purge";

const LONG: &str = "\
Creates what the logged requests need on a test homeserver: a user for each logged user, a device for each of a user's agents, rooms with as many \
members as in the log, messages, keys and files; and a marker room, without which `wsim replay` rejects a target. wsim sends nothing to a server \
that is in the log or to a public address, and nothing for a log that does not say which servers it is of. The world file lists what was \
created. It contains access tokens, so only its owner can read it; users and rooms of the log are in it as salted hashes.

A second run creates only what is missing: after an interruption, for another log, for more --copies. wsim obeys rate limits and lifts them for \
the new users, as far as Synapse lets an administrator. To save time, raise rc_login, rc_joins_per_room and rc_room_creation in the target's \
configuration and lower bcrypt_rounds to 4.

With --tokens nothing is registered: for targets with Matrix Authentication Service.

Examples:
  wsim provision access.log --target http://localhost:8008 --secret-file secret --dry-run
  wsim provision access.log --target http://localhost:8008 --secret-file secret
  wsim provision --target http://localhost:8008 --purge";

/// Runs the command.
///
/// # Errors
/// The arguments make no sense, the logs cannot be read, or the target does not do what is asked.
pub fn run(arguments: &Provision) -> anyhow::Result<Exit> {
    if arguments.purge {
        return purge(arguments);
    }
    let config = ReadConfig::new(&arguments.logs, &arguments.reading)?.quiet(arguments.quiet || arguments.json);
    let config = config.anonymised(&arguments.anonymise)?;
    let accounts = if arguments.dry_run { None } else { Some(accounts(arguments)?) };
    let data = reading::read(&config, &Arc::new(Progress::default()))?;
    let Some(trace) = &data.trace else { anyhow::bail!("no requests are left in the logs to provision for") };
    let requests: Vec<Request> = config.range.requests(trace).collect();
    let survey = Survey::from_rows(&trace.names, requests.iter().copied());
    let mut manifest = manifest(arguments)?;
    let world = WorldConfig { copies: arguments.copies, history: arguments.history, ..WorldConfig::default() };
    provision::design(&mut manifest, &survey, &trace.names, &world);
    let missing = MissingItems::from_manifest(&manifest);
    let replayable = |world: &Manifest| ReplayableShare::new(world, &trace.names, &requests, arguments.reading.seed);
    let Some(accounts) = accounts else {
        let replayable = replayable(&manifest.with_placeholder_ids());
        let summary = ProvisionSummary::of_dry_run(&manifest, &missing, arguments.concurrency.into(), &replayable);
        summary.print(arguments.json, arguments.quiet)?;
        return Ok(Exit::Done);
    };
    let same = SameInput::of_logs(&config, &arguments.logs);
    let began = Instant::now();
    let known = KnownServers::of_world(&manifest).with_accounts(&accounts);
    let config = provision_config(arguments, accounts);
    let origin = data.origin();
    in_runtime(async {
        let target = checked_target(arguments, origin, &known).await?;
        manifest.save(&config.path)?;
        let reporter = reporter(arguments);
        let done = provision::provision(&target, &mut manifest, &config, &|at| reporter.update(at.stage, at.done, at.total)).await;
        done.with_context(|| format!("what was created so far is in {}; the same command continues from there", arguments.world.display()))
    })?;
    let summary = ProvisionSummary::of_run(&manifest, &missing, began.elapsed(), &replayable(&manifest), &arguments.world);
    summary.print(arguments.json, arguments.quiet)?;
    if !arguments.json && !arguments.quiet {
        let command = same.command_with("replay", &[("world", &arguments.world.to_string_lossy())]);
        next_steps::say(&mut anstream::stdout().lock(), &[NextStep { why: "replay the log".to_owned(), command }])?;
    }
    Ok(Exit::Done)
}

/// Removes a world from its target.
fn purge(arguments: &Provision) -> anyhow::Result<Exit> {
    let mut manifest = Manifest::load(&arguments.world)?;
    let config = provision_config(arguments, AccountSource::Tokens(Vec::new()));
    let before = WorldCounts::of(&manifest);
    in_runtime(async {
        let target = checked_target(arguments, Origin::World, &KnownServers::of_world(&manifest)).await?;
        let reporter = reporter(arguments);
        provision::purge(&target, &mut manifest, &config, &|at| reporter.update(at.stage, at.done, at.total)).await?;
        Ok(())
    })?;
    std::fs::remove_file(&arguments.world).with_context(|| format!("could not delete {}", arguments.world.display()))?;
    summary::print_purged(&before, arguments.json, arguments.quiet)?;
    Ok(Exit::Done)
}

fn provision_config(arguments: &Provision, accounts: AccountSource) -> ProvisionConfig {
    ProvisionConfig { path: arguments.world.clone(), concurrency: arguments.concurrency.into(), accounts }
}

fn reporter(arguments: &Provision) -> ProgressReporter {
    ProgressReporter::new("{msg:22} {bar:30} {pos} of {len}, {eta} left", arguments.quiet || arguments.json)
}

/// The manifest in the world file, or that of a new world.
fn manifest(arguments: &Provision) -> anyhow::Result<Manifest> {
    if arguments.world.exists() {
        return Ok(Manifest::load(&arguments.world)?);
    }
    Ok(Manifest::new(&arguments.target.to_string(), random_bytes()?))
}

/// Unguessable bytes.
pub(super) fn random_bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    use rand::TryRng;
    let mut bytes = [0; N];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).context("the operating system provides no random numbers")?;
    Ok(bytes)
}

fn accounts(arguments: &Provision) -> anyhow::Result<AccountSource> {
    // A hundred thousand tokens.
    let read = |path: &Path| wsim_text::read_text(path, 10_000_000).with_context(|| format!("could not read {}", path.display()));
    match (&arguments.secret_file, &arguments.tokens) {
        (Some(path), _) => {
            let text = read(path)?;
            let secret = text.trim();
            if secret.is_empty() {
                let why = format!("{} is empty: it should contain the target's registration_shared_secret", path.display());
                return Err(UsageError(why).into());
            }
            Ok(AccountSource::Secret(secret.to_owned()))
        }
        (None, Some(path)) => Ok(AccountSource::Tokens(tokens(&read(path)?).with_context(|| path.display().to_string())?)),
        (None, None) => {
            let why = "give --secret-file FILE with the registration_shared_secret of the target's homeserver.yaml, or --tokens FILE";
            Err(UsageError(why.to_owned()).into())
        }
    }
}

/// Parses lines of user id, tab, token. Blank lines and those that start with `#` are skipped.
fn tokens(text: &str) -> Result<Vec<(String, String)>, UsageError> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, number)| {
            let (user, token) = line.split_once('\t').map(|(user, token)| (user.trim(), token.trim())).unwrap_or_default();
            // The line is secret, so the error does not quote it.
            if user.starts_with('@') && user.contains(':') && !token.is_empty() {
                Ok((user.to_owned(), token.to_owned()))
            } else {
                Err(UsageError(format!("line {number} is not a user id, a tab and a token")))
            }
        })
        .collect()
}

async fn checked_target(arguments: &Provision, origin: Origin, known: &KnownServers) -> anyhow::Result<CheckedTarget> {
    let config = TransportConfig {
        ca: arguments.ca.clone(),
        insecure: arguments.insecure,
        user_agent: concat!("wsim-provision/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..TransportConfig::default()
    };
    let guard = Guard::new(origin, arguments.allowed.overrides());
    Ok(check_target(arguments.target.clone(), config, guard, known).await?)
}

/// Runs a future to its end on this thread.
pub(super) fn in_runtime<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("could not start the runtime")?;
    runtime.block_on(future)
}

fn target(text: &str) -> Result<Target, String> {
    text.parse::<Target>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_parsed_by_line_and_never_quoted_in_an_error() {
        let read = tokens("# users\n@a:b\tsyt_1\n\n@c:d\tsyt_2\n").unwrap();
        assert_eq!(read, [("@a:b".to_owned(), "syt_1".to_owned()), ("@c:d".to_owned(), "syt_2".to_owned())]);
        for text in ["@a:b syt_secret", "a\tsyt_secret", "@a:b\t"] {
            let error = tokens(text).unwrap_err().to_string();
            assert_eq!(error, "line 1 is not a user id, a tab and a token");
        }
    }
}
