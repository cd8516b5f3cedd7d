//! `wsim provision`: the users, rooms and keys on a test homeserver that a replay of a log needs; or their removal.
//!
//! ```text
//! logs ─▶ trace ─▶ survey ─▶ design ─▶ (dry run: counts) ─▶ target, manifest
//! ```

mod coverage;
mod told;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;

use super::output::Output;
use super::reading::{self, Config, Reading};
use super::{Exit, UsageError};
use wsim_matrix::provision::{self, Accounts, Wishes};
use wsim_matrix::{Manifest, Survey, domains};
use wsim_trace::ingest::Progress;
use wsim_transport::{Client, Connector, Settings, Target};

/// Arguments of `wsim provision`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Provision {
    /// Log files, folders, globs or `-`, compressed or not; or one trace.parquet of an earlier run
    #[arg(value_name = "LOG|TRACE", required_unless_present = "purge", conflicts_with = "purge")]
    logs: Vec<String>,

    /// The test homeserver: http://localhost:8008
    #[arg(long, value_name = "URL", value_parser = target, help_heading = "Target")]
    target: Target,
    /// File with the target's registration_shared_secret
    #[arg(long, value_name = "FILE", conflicts_with = "tokens", help_heading = "Target")]
    secret_file: Option<PathBuf>,
    /// File of accounts to use instead of making them: user id, tab, access token, one a line
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    tokens: Option<PathBuf>,
    /// Certificates to trust besides the system's, PEM
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    ca: Option<PathBuf>,
    /// Requests at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Target")]
    concurrency: u16,
    /// Go on although the log names this server, which is the target: type its name
    #[arg(long, value_name = "SERVER", help_heading = "Target")]
    allow_server: Option<String>,

    /// File that holds what was made, secret; continued if it exists
    #[arg(long, value_name = "FILE", default_value = "world.json", help_heading = "World")]
    world: PathBuf,
    /// Copies of the logged population, for replays with more load than was logged
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "World")]
    copies: u16,
    /// Messages in every room; more where the log pages further back
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "World")]
    history: u32,
    /// Only say what would be made, how long it may take, and what of the log could be replayed
    #[arg(long, conflicts_with = "purge", help_heading = "World")]
    dry_run: bool,
    /// Remove everything in the world file from the target: rooms, files, accounts
    #[arg(long, help_heading = "World")]
    purge: bool,

    /// Print the result as JSON and nothing else
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
  wsim provision access.log --target http://localhost:8008 --secret-file secret --dry-run
  wsim provision access.log --target http://localhost:8008 --secret-file secret
  wsim provision --target http://localhost:8008 --purge";

const LONG: &str = "\
Makes on a test homeserver what the logged requests need: a user for each logged user, a device for each of their agents, rooms with as many
members as were seen in them, messages, keys, files; and a marker room, without which `wsim replay` refuses a target. What was made stands in the
world file. It holds access tokens and is readable by its owner alone; users and rooms of the log are in it as salted hashes only.

A second run makes only what is missing: after an interruption, for another log, for more --copies. Rate limits are obeyed and lifted for
the users made, as far as Synapse lets an administrator; raise rc_login, rc_joins_per_room and rc_room_creation in the target's configuration, and
lower bcrypt_rounds to 4, or it takes long.

With --tokens nothing is registered: for targets whose accounts Matrix Authentication Service keeps.

Examples:
  wsim provision access.log --target http://localhost:8008 --secret-file secret --dry-run
  wsim provision access.log --target http://localhost:8008 --secret-file secret
  wsim provision --target http://localhost:8008 --purge";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the logs cannot be read, the target refuses.
pub fn run(arguments: &Provision) -> anyhow::Result<Exit> {
    if arguments.purge {
        return purge(arguments);
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
    let accounts = if arguments.dry_run { None } else { Some(accounts(arguments)?) };
    let progress = Arc::new(Progress::default());
    let read = reading::read(&config, &progress)?;
    let Some(trace) = &read.trace else { anyhow::bail!("the logs left no requests to provision for") };
    let survey = Survey::of(&trace.names, config.window.requests(trace));
    let mut manifest = manifest(arguments)?;
    provision::design(
        &mut manifest,
        &survey,
        &trace.names,
        &Wishes { copies: arguments.copies, history: arguments.history, ..Wishes::default() },
    );
    let missing = provision::gaps(&manifest);
    let covered = |world: &Manifest| coverage::Coverage::new(world, trace, config.window, arguments.reading.seed);
    let Some(accounts) = accounts else {
        let coverage = covered(&manifest.imagined());
        let told = told::Told::planned(&manifest, &missing, arguments.concurrency.into(), &coverage);
        told.show(arguments.json, arguments.quiet)?;
        return Ok(Exit::Done);
    };
    let logged = domains(trace);
    let began = Instant::now();
    let settings = provision::Settings {
        path: arguments.world.clone(),
        concurrency: arguments.concurrency.into(),
        accounts,
        forbidden: logged.into_iter().filter(|name| Some(name) != arguments.allow_server.as_ref()).collect(),
    };
    in_runtime(async {
        let client = client(arguments).await?;
        manifest.save(&settings.path)?;
        let watching = told::Watching::new(arguments.quiet || arguments.json);
        provision::provision(&client, &mut manifest, &settings, &|progress| watching.show(progress)).await?;
        Ok(())
    })
    .with_context(|| format!("what was made so far stands in {}; the same command goes on from there", arguments.world.display()))?;
    let told = told::Told::made(&manifest, &missing, began.elapsed(), &covered(&manifest), &arguments.world);
    told.show(arguments.json, arguments.quiet)?;
    Ok(Exit::Done)
}

/// Removes a world.
fn purge(arguments: &Provision) -> anyhow::Result<Exit> {
    let mut manifest = Manifest::load(&arguments.world)?;
    let settings = provision::Settings {
        path: arguments.world.clone(),
        concurrency: arguments.concurrency.into(),
        accounts: Accounts::Tokens(Vec::new()),
        forbidden: BTreeSet::new(),
    };
    let before = told::Counts::of(&manifest);
    in_runtime(async {
        let client = client(arguments).await?;
        let watching = told::Watching::new(arguments.quiet || arguments.json);
        provision::purge(&client, &mut manifest, &settings, &|progress| watching.show(progress)).await?;
        Ok(())
    })?;
    std::fs::remove_file(&arguments.world).with_context(|| format!("could not delete {}", arguments.world.display()))?;
    told::purged(&before, arguments.json, arguments.quiet)?;
    Ok(Exit::Done)
}

/// The world file, or a new world.
fn manifest(arguments: &Provision) -> anyhow::Result<Manifest> {
    if arguments.world.exists() {
        return Ok(Manifest::load(&arguments.world)?);
    }
    Ok(Manifest::new(&arguments.target.to_string(), random()?))
}

/// Bytes nobody can guess.
pub(super) fn random() -> anyhow::Result<[u8; 16]> {
    use rand::TryRng;
    let mut bytes = [0; 16];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).context("the operating system gives no random numbers")?;
    Ok(bytes)
}

fn accounts(arguments: &Provision) -> anyhow::Result<Accounts> {
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()));
    match (&arguments.secret_file, &arguments.tokens) {
        (Some(path), _) => {
            let secret = read(path)?;
            let secret = secret.trim();
            if secret.is_empty() {
                return Err(
                    UsageError(format!("{} is empty: it should hold the target's registration_shared_secret", path.display())).into()
                );
            }
            Ok(Accounts::Secret(secret.to_owned()))
        }
        (None, Some(path)) => Ok(Accounts::Tokens(tokens(&read(path)?).with_context(|| path.display().to_string())?)),
        (None, None) => Err(UsageError("give --secret-file or --tokens".to_owned()).into()),
    }
}

/// Lines of user id, tab, token. Blank lines and those that begin with `#` are passed over.
fn tokens(text: &str) -> Result<Vec<(String, String)>, UsageError> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, number)| {
            let (user, token) = line.split_once('\t').map(|(user, token)| (user.trim(), token.trim())).unwrap_or_default();
            // The line itself is secret.
            if user.starts_with('@') && user.contains(':') && !token.is_empty() {
                Ok((user.to_owned(), token.to_owned()))
            } else {
                Err(UsageError(format!("line {number} is not a user id, a tab and a token")))
            }
        })
        .collect()
}

async fn client(arguments: &Provision) -> anyhow::Result<Client> {
    let settings = Settings {
        ca: arguments.ca.clone(),
        user_agent: concat!("wsim-provision/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..Settings::default()
    };
    Ok(Client::new(Connector::new(arguments.target.clone(), settings).await?))
}

fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("could not start the runtime")?;
    runtime.block_on(work)
}

fn target(text: &str) -> Result<Target, String> {
    text.parse::<Target>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_line_by_line_and_never_repeated_in_an_error() {
        let read = tokens("# users\n@a:b\tsyt_1\n\n@c:d\tsyt_2\n").unwrap();
        assert_eq!(read, [("@a:b".to_owned(), "syt_1".to_owned()), ("@c:d".to_owned(), "syt_2".to_owned())]);
        for text in ["@a:b syt_secret", "a\tsyt_secret", "@a:b\t"] {
            let error = tokens(text).unwrap_err().to_string();
            assert_eq!(error, "line 1 is not a user id, a tab and a token");
        }
    }
}
