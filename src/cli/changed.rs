//! `wsim changed`, which `wsim report --good … --bad …` is too: who and what explains a bad hour.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser};

use super::answer::AnswerArgs;
use super::output::Print;
use super::reading::{self, ReadArgs, ReadConfig};
use super::time_range::TimeRange;
use super::{Exit, UsageError, interrupt};
use wsim_profile::Window;
use wsim_questions::changed::{self, ChangedError};
use wsim_report::answer::Answer;
use wsim_trace::ingest::Progress;

/// Say what changed between a good and a bad hour of a log: users, rooms, servers, endpoints, programs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Changed {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG|TRACE", required = true)]
    logs: Vec<String>,
    /// The good time: FROM..TO
    #[arg(long, value_name = "FROM..TO")]
    good: String,
    /// The bad time: FROM..TO
    #[arg(long, value_name = "FROM..TO")]
    bad: String,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

const EXAMPLES: &str = "\
Example:
  wsim changed /var/log/matrix-synapse/ --good 2026-11-20T09:00..2026-11-20T12:00 --bad 2026-11-20T14:00..2026-11-20T15:00";

const LONG: &str = "\
The difference in CPU, and in requests that wait, is divided among users, rooms, other servers or addresses, endpoint groups, programs and processes: \
for each into what comes from more requests and what comes from dearer ones. Differences within the noise are left out; the noise is that of twelve \
pieces of the good time, so give a good time that is as long as you have, of the same hours of the day.

Example:
  wsim changed /var/log/matrix-synapse/ --good 2026-11-20T09:00..2026-11-20T12:00 --bad 2026-11-20T14:00..2026-11-20T15:00";

/// The command with the options that `wsim report` has, too.
#[derive(Debug, Parser)]
struct OfReport {
    #[command(flatten)]
    changed: Changed,
}

/// What `wsim report --good … --bad …` does.
///
/// # Errors
/// As [`run`].
pub(super) fn of_logs(logs: &[PathBuf], (good, bad): (&str, &str), print: Print) -> anyhow::Result<Exit> {
    let printing = match print {
        Print::Summary => None,
        Print::Json => Some("--json"),
        Print::Nothing => Some("--quiet"),
    };
    let options = ["wsim changed", "--good", good, "--bad", bad].into_iter().chain(printing).chain(["--"]).map(OsString::from);
    let words = options.chain(logs.iter().map(|log| log.clone().into_os_string()));
    run(&OfReport::try_parse_from(words).map_err(|error| UsageError(error.to_string()))?.changed)
}

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the log cannot be read, a window has no requests.
pub fn run(arguments: &Changed) -> anyhow::Result<Exit> {
    let zone = arguments.reading.zone()?;
    let window = |option: &'static str, text: &str| -> anyhow::Result<Window> {
        let ends = text.split_once("..").ok_or_else(|| UsageError(format!("{option}: {text:?} is not FROM..TO")))?;
        match TimeRange::parse((option, Some(ends.0)), (option, Some(ends.1)), &zone)? {
            TimeRange { from_us: Some(start_us), to_us: Some(end_us) } => Ok(Window { start_us, end_us }),
            _ => Err(UsageError(format!("{option}: {text:?} needs both ends")).into()),
        }
    };
    let (good, bad) = (window("--good", &arguments.good)?, window("--bad", &arguments.bad)?);
    let config = ReadConfig::new(&arguments.logs, &arguments.reading)?.quiet(arguments.answer.is_silent());
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let data = reading::read(&config, &progress)?;
    let Some(trace) = &data.trace else { anyhow::bail!("no requests are left in the logs to compare") };
    let found = changed::changed(trace, &data.endpoints, good, bad).map_err(|error| match error {
        ChangedError::Overlap => UsageError(format!("--good and --bad: {error}")).into(),
        ChangedError::Empty(..) => anyhow::Error::from(error),
    })?;
    arguments.answer.print("wsim.changed/1", &found, || Answer::of_changed(&found))?;
    Ok(Exit::Done)
}
