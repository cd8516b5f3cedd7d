//! `wsim demo`: a built-in log, its report, and a replay of half a minute of it, by the commands that a user would type.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Parser};

use super::output::{self, shell_words};
use super::{Arguments, Exit, settings};
use wsim_folder::OutputFolder;
use wsim_report::escape;

/// Show what wsim does on a built-in log: a report, and a replay against an emulated cluster.
///
/// The log is `samples/one-worker` of wsim's sources: 100 seconds of a real server with one worker, which a container holds to a quarter of a
/// core. It is written to a folder of its own, so that every command that is shown can be typed again.
#[derive(Debug, Args)]
pub struct Demo {
    /// Folder of the log and the reports
    #[arg(long, value_name = "DIR", default_value = "reports", help_heading = "Output")]
    out: PathBuf,
    /// Replace what an earlier demo wrote
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Leave out the replay, which takes half a minute
    #[arg(long, help_heading = "Output")]
    no_replay: bool,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

/// The files of the log, as in `samples/one-worker`.
const FILES: [(&str, &[u8]); 7] = [
    ("logs/nginx-rich.log.gz", include_bytes!("../../samples/one-worker/nginx-rich.log.gz")),
    ("logs/synapse-main.log.gz", include_bytes!("../../samples/one-worker/synapse-main.log.gz")),
    ("logs/synapse-generic_worker1.log.gz", include_bytes!("../../samples/one-worker/synapse-generic_worker1.log.gz")),
    ("logs/synapse-stream_writer1.log.gz", include_bytes!("../../samples/one-worker/synapse-stream_writer1.log.gz")),
    ("logs/synapse-event_persister1.log.gz", include_bytes!("../../samples/one-worker/synapse-event_persister1.log.gz")),
    ("process-cpu.csv", include_bytes!("../../samples/one-worker/process-cpu.csv")),
    ("observed.toml", include_bytes!("../../samples/one-worker/observed.toml")),
];

/// Runs the command.
///
/// # Errors
/// The log or a report cannot be written.
pub fn run(arguments: &Demo) -> anyhow::Result<Exit> {
    let folder = OutputFolder::create(&arguments.out, "demo-log", arguments.force)?;
    for (name, bytes) in FILES {
        folder.write(name, bytes)?;
    }
    let folder = output::finish_folder(folder, false)?;
    let log = folder.join("logs");
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let inputs = [text_of(&log), "--process-cpu".to_owned(), file("process-cpu.csv"), "--observed".to_owned(), file("observed.toml")];
    let analyse = ["analyse".to_owned()].into_iter().chain(inputs);
    step(arguments, "What the log of a server says", analyse.chain(run_options(arguments, "demo")))?;
    if arguments.no_replay {
        return Ok(Exit::Done);
    }
    let replay = ["replay", &text_of(&log), "--target", "emulated", "--plan", "generic:2", "--to", REPLAY_TO].map(str::to_owned);
    let title = "Half a minute of it, sent to an emulated cluster with two workers";
    step(arguments, title, replay.into_iter().chain(run_options(arguments, "demo-replay")))?;
    Ok(Exit::Done)
}

fn run_options(arguments: &Demo, name: &str) -> impl Iterator<Item = String> {
    let words = ["--out".to_owned(), text_of(&arguments.out), "--name".to_owned(), name.to_owned()];
    let flags = [(arguments.force, "--force"), (arguments.quiet, "--quiet")];
    words.into_iter().chain(flags.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag.to_owned()))
}

/// Says what a command is for, shows it, and runs it.
fn step(arguments: &Demo, title: &str, words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let words: Vec<String> = ["wsim".to_owned()].into_iter().chain(words).collect();
    if !arguments.quiet {
        let mut out = anstream::stdout().lock();
        let bold = anstyle::Style::new().bold();
        writeln!(out, "\n{bold}{title}{bold:#}\n$ {}\n", escape::visible(&shell_words(&words)))?;
    }
    // So that what is proposed next has the options of this step.
    settings::begin_step(&words);
    // A missed objective is a result, and the demo's.
    super::run(Arguments::try_parse_from(words)?.command)?;
    Ok(())
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Half a minute after the beginning of the log.
const REPLAY_TO: &str = "2026-11-20T17:34:37Z";
