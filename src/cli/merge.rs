//! `wsim merge`: joins the shards of one replay.
//!
//! ```text
//! run folders ─▶ report.json each ─▶ join (exact: histograms are added) ─▶ one run folder
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::output::command_line;
use super::{Exit, UsageError, interrupt, terminal_width};
use crate::replay::record::join_hlogs;
use crate::report::replay::{self, ReplayReport};
use crate::report::{self, RunFolder};

/// Arguments of `wsim merge`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct Merge {
    /// Folders that `wsim replay --shard` wrote
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Folder for runs
    #[arg(long, value_name = "DIR", default_value = "reports", help_heading = "Output")]
    out: PathBuf,
    /// Name of the joined run's folder
    #[arg(long, default_value = "merged", help_heading = "Output")]
    name: String,
    /// Replace an earlier run of that name
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Print report.json and nothing else
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print nothing but errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

const EXAMPLE: &str = "\
All shards must be of one replay: the same target, part of the log, speed, load, seed and number of shards. Exit status 3: the result is void,
because a shard is or is missing.

Example:
  wsim merge reports/shard-0 reports/shard-1 reports/shard-2 --name monday";

/// Runs the command.
///
/// # Errors
/// A folder has no replay's report, the runs do not belong together, the result cannot be written.
pub fn run(arguments: &Merge) -> anyhow::Result<Exit> {
    let shards = arguments.runs.iter().map(|folder| read(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut joined = replay::join(&shards).map_err(|error| UsageError(error.to_string()))?;
    joined.facts.created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    joined.facts.command = command_line();
    let folder = RunFolder::create(&arguments.out, &arguments.name, arguments.force)?;
    interrupt::unfinished(Some(folder.path().to_owned()));
    super::replay::write_forms(&folder, &joined)?;
    folder.write("replay.hlog", hlogs(&arguments.runs)?)?;
    let place = folder.finish()?;
    interrupt::unfinished(None);
    show(arguments, &joined, &place)?;
    Ok(if joined.is_void() { Exit::Missed } else { Exit::Done })
}

fn read(folder: &Path) -> anyhow::Result<(String, ReplayReport)> {
    let path = folder.join("report.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let report = replay::read(&text).with_context(|| path.display().to_string())?;
    Ok((folder.display().to_string(), report))
}

fn hlogs(runs: &[PathBuf]) -> anyhow::Result<String> {
    let texts = runs
        .iter()
        .map(|run| {
            let path = run.join("replay.hlog");
            std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(join_hlogs(&texts))
}

fn show(arguments: &Merge, report: &ReplayReport, place: &Path) -> anyhow::Result<()> {
    if arguments.json {
        write!(std::io::stdout().lock(), "{}", replay::json(report)?)?;
        return Ok(());
    }
    if arguments.quiet {
        return Ok(());
    }
    let mut out = anstream::stdout().lock();
    let style = report::Style { colour: true, width: terminal_width() };
    let names = ["report.html", "report.md", "report.json", "replay.hlog", "tables/"];
    replay::terminal(&mut out, report, Some(report::Files { folder: place, names: &names }), style)?;
    Ok(())
}
