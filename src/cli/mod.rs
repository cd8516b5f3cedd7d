//! Arguments, progress, exit codes: one file per subcommand.
//!
//! A subcommand turns its arguments into a configuration and calls the crates in order; the work is done there.

pub mod analyse;
mod answer;
pub mod audit;
pub mod changed;
pub mod configure;
pub mod demo;
pub mod doctor;
pub mod emulate;
pub mod endpoints;
pub mod export;
mod gaps;
pub mod generate;
mod guard_args;
mod interrupt;
pub mod merge;
mod next_steps;
mod observed_arg;
mod on_log;
mod output;
mod plan_arg;
pub mod presets;
mod progress;
mod prometheus;
pub mod provision;
mod reading;
pub mod record;
pub mod replay;
pub mod report;
pub mod restart;
pub mod route;
mod settings;
mod short_help;
pub mod simulate;
pub mod size;
mod table_args;
mod time_range;
pub mod watch;
pub mod whatif;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use wsim_logs::redact;
use wsim_report::escape;

/// Exit status of the program, as listed in `wsim --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: an error.
    Failed,
    /// 2: the command line was wrong.
    Usage,
    /// 3: done, but an objective was missed, a run is void or an input is damaged.
    Missed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Missed => 3,
        })
    }
}

/// A command line that parses but makes no sense: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

#[derive(Debug, Parser)]
#[command(name = "wsim", version, about = ABOUT, after_help = AFTER, infer_long_args = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say from logs whether you need workers, which, how many: CPU demand, limits
    #[command(visible_alias = "analyze")]
    Analyse(Box<analyse::Analyse>),
    /// Say what your logs can answer, what is missing, and how to get it
    Doctor(Box<doctor::Doctor>),
    /// Show the figures of growing logs live: load, response times, headroom, alarms
    Watch(Box<watch::Watch>),
    /// Simulate worker layouts on your traffic; recommend the smallest that meets your target
    Simulate(Box<simulate::Simulate>),
    /// Estimate what a server without a log would need
    Size(Box<size::Size>),
    /// Compare the layouts of guides and playbooks on your log: CPU, memory, response times, cost
    Presets(Box<presets::Presets>),
    /// Say what changed between a good and a bad hour of a log
    Changed(Box<changed::Changed>),
    /// Say how long and how bad restarts are: of each process, and of all in several orders
    Restart(Box<restart::Restart>),
    /// Say what something else would change: presence off, a sender down, tokens, bots, a worker more
    #[command(name = "whatif")]
    WhatIf(Box<whatif::WhatIf>),
    /// Record CPU and memory of Synapse while a log is written, for --process-cpu
    Record(record::Record),
    /// Create what a replay needs on a test homeserver: users, rooms, keys; or remove it
    Provision(Box<provision::Provision>),
    /// Replay the traffic of a log against a test cluster
    Replay(Box<replay::Replay>),
    /// Run an emulated cluster as the target of a replay, without Synapse
    Emulate(Box<emulate::Emulate>),
    /// Merge the shards of one replay into one report
    Merge(merge::Merge),
    /// Compare finished runs: before and after, or predicted and measured
    Report(report::Report),
    /// Export a log as a schedule for another load generator
    Export(Box<export::Export>),
    /// Show which server of a pool a key goes to, by the proxy's exact rule
    Route(route::Route),
    /// Write proxy and Synapse configuration for a plan
    Configure(Box<configure::Configure>),
    /// Check where a configuration sends requests: proxy and Synapse, against the endpoint table
    Audit(Box<audit::Audit>),
    /// Print Synapse's worker endpoint table, explain a request, compare releases
    Endpoints(endpoints::Endpoints),
    /// Show what wsim does on a built-in log
    Demo(demo::Demo),
    /// Write shell completions and manual pages
    Generate(generate::Generate),
}

const ABOUT: &str = "Capacity planning for Synapse workers, from the logs you already have";

const AFTER: &str = "\
Exit status: 0 done, 1 failed, 2 usage error, 3 objective missed, run void or input damaged.

Example:
  wsim analyse /var/log/nginx/matrix-access.log /var/log/matrix-synapse/homeserver.log";

/// Reads the command line and runs it.
pub fn main() -> ExitCode {
    let words = match settings::expand(&Arguments::command()) {
        Ok(words) => words,
        Err(error) => return print_error(&error.into()),
    };
    let arguments = match parse(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = quoting_visibly(error);
            print_usage_error(&error);
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    interrupt::start();
    match run(arguments.command) {
        Ok(exit) => reading::damage::exit(exit).into(),
        Err(error) if is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) => print_error(&error),
    }
}

/// The one place where errors are printed. The names of files and texts of logs that errors repeat may hold a token or act on the terminal.
fn print_error(error: &anyhow::Error) -> ExitCode {
    let mut message = anstream::stderr();
    let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    let _ = writeln!(message, "{style}error:{style:#} {}", escape::message(&redact::scrubbed(format!("{error:#}"))));
    let is_usage = error.is::<UsageError>() || error.is::<settings::SettingsError>();
    if is_usage { Exit::Usage.into() } else { Exit::Failed.into() }
}

/// Prints what clap says of a command line, without the secrets in the words that it repeats. Help and version come this way too, as
/// errors with exit code 0. A closed pipe is not reported.
fn print_usage_error(error: &clap::Error) {
    if is_key_on_command_line(error) {
        let why = "error: --anonymise takes no key on the command line, where other users and the shell's history see it: put the key into a file \
                   and give --anonymise-key FILE";
        let _ = writeln!(anstream::stderr(), "{why}");
        return;
    }
    let plain = error.render().to_string();
    match redact::scrub(&plain) {
        Cow::Owned(scrubbed) if error.use_stderr() => drop(write!(anstream::stderr(), "{scrubbed}")),
        _ => drop(error.print()),
    }
}

/// The error for the same command line with its control characters escaped, because an error of the command line quotes it.
fn quoting_visibly(error: clap::Error) -> clap::Error {
    let given: Vec<String> = settings::command_line().iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let visible: Vec<String> = given.iter().map(|word| escape::visible(word).into_owned()).collect();
    if visible == given {
        return error;
    }
    parse(visible).err().unwrap_or_else(|| Arguments::command().error(error.kind(), escape::message(&error.to_string())))
}

/// Whether somebody wrote `--anonymise=KEY`, the form of earlier versions. clap's own message repeats the key.
fn is_key_on_command_line(error: &clap::Error) -> bool {
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    error.kind() == ErrorKind::TooManyValues && argument.is_some_and(|argument| argument == "--anonymise")
}

/// The command line, with short help on one screen.
fn parse(words: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Arguments, clap::Error> {
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let mut program = short_help::with_help(command(), &words);
    let matches = program.try_get_matches_from_mut(words)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut program))
}

/// The definition of the command line.
pub fn command() -> clap::Command {
    Arguments::command()
}

fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Analyse(arguments) => analyse::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Size(arguments) => size::run(&arguments),
        Command::Presets(arguments) => presets::run(&arguments),
        Command::Changed(arguments) => changed::run(&arguments),
        Command::Restart(arguments) => restart::run(&arguments),
        Command::WhatIf(arguments) => whatif::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Provision(arguments) => provision::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Emulate(arguments) => emulate::run(&arguments),
        Command::Merge(arguments) => merge::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Route(arguments) => {
            route::run(&arguments, &mut io::stdout().lock(), &mut io::stdin().lock())?;
            Ok(Exit::Done)
        }
        Command::Configure(arguments) => {
            configure::run(&arguments, &mut io::stdout().lock())?;
            Ok(Exit::Done)
        }
        Command::Generate(arguments) => {
            generate::run(&arguments, self::command(), &mut io::stdout().lock())?;
            Ok(Exit::Done)
        }
        Command::Endpoints(arguments) => {
            let stdout = io::stdout();
            endpoints::run(&arguments, &mut stdout.lock(), &mut io::stdin().lock())?;
            Ok(Exit::Done)
        }
    }
}

/// Whether output went into a pipe whose reader has ended (`wsim … | head`).
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe))
}

/// The largest `report.json` that is read: fifty times that of a month's log.
const REPORT_BYTES_MAX: usize = 32_000_000;

/// Whether standard error is a terminal, so that progress may be shown.
fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Columns of the terminal; without a terminal the value of `COLUMNS`, or 100.
fn terminal_width() -> usize {
    let from_environment =
        || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| (40..=400).contains(columns));
    terminal_size::terminal_size().map_or_else(|| from_environment().unwrap_or(100), |(terminal_size::Width(width), _)| usize::from(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
