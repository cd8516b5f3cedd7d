//! Arguments, progress, exit codes: one file per subcommand.
//!
//! A subcommand turns its arguments into a configuration and calls the crates in order; the work is done there.

pub mod analyse;
pub mod audit;
pub mod configure;
pub mod emulate;
pub mod endpoints;
pub mod export;
pub mod generate;
mod interrupt;
pub mod merge;
mod next_steps;
mod output;
mod plan_arg;
mod progress;
pub mod provision;
mod reading;
pub mod replay;
pub mod report;
pub mod route;
pub mod simulate;
mod table_args;
mod time_range;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Exit status of the program, as listed in `wsim --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: an error.
    Failed,
    /// 2: the command line was wrong.
    Usage,
    /// 3: done, but an objective was missed or a run is void.
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
    /// Report capacity from logs: CPU demand, peaks, whether you need workers
    #[command(visible_alias = "analyze")]
    Analyse(Box<analyse::Analyse>),
    /// Simulate worker layouts on your traffic; recommend the smallest that meets your target
    Simulate(Box<simulate::Simulate>),
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
    /// Export the requests of a log as a schedule for another load generator
    Export(Box<export::Export>),
    /// Show which server of a pool a key goes to, by the proxy's exact rule
    Route(route::Route),
    /// Write proxy and Synapse configuration for a plan
    Configure(Box<configure::Configure>),
    /// Check proxy and Synapse configuration against the endpoint table
    Audit(Box<audit::Audit>),
    /// Print Synapse's worker endpoint table, explain a request, compare releases
    Endpoints(endpoints::Endpoints),
    /// Write shell completions and manual pages
    #[command(hide = true)]
    Generate(generate::Generate),
}

const ABOUT: &str = "Capacity planning for Synapse workers, from the logs you already have";

const AFTER: &str = "\
Exit status: 0 done, 1 failed, 2 usage error, 3 objective missed or run void.

Example:
  wsim analyse /var/log/nginx/matrix-access.log /var/log/matrix-synapse/homeserver.log";

/// Reads the command line and runs it.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too, as errors with exit code 0. A closed pipe is not reported.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    match run(arguments.command) {
        Ok(exit) => exit.into(),
        Err(error) if is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            let mut message = anstream::stderr();
            let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
            let _ = writeln!(message, "{style}error:{style:#} {error:#}");
            if error.is::<UsageError>() { Exit::Usage.into() } else { Exit::Failed.into() }
        }
    }
}

fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Analyse(arguments) => analyse::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
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
            generate::run(&arguments, Arguments::command(), &mut io::stdout().lock())?;
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
