//! `wsim merge`: the shards of one replay as one report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::Exit;
use super::output::{self, Print, command_line};
use wsim_replay::record::join_hlogs;
use wsim_report::RunFolder;
use wsim_report::replay::{self, ReplayReport};

/// Arguments of `wsim merge`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, after_long_help = LONG)]
pub struct Merge {
    /// Folders that `wsim replay --shard` wrote, of all machines
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
Example:
  wsim merge reports/shard-0 reports/shard-1 reports/shard-2 --name monday";

const LONG: &str = "\
Counts and histograms are added exactly: the joined report is what one machine would have written. The runs must be different shards of
the same replay. A shard that is missing or void makes the whole void (exit status 3), and the report says which.

Example:
  wsim merge reports/shard-0 reports/shard-1 reports/shard-2 --name monday";

/// Runs the command.
///
/// # Errors
/// A run cannot be read, the runs are not shards of one replay, the report cannot be written.
pub fn run(arguments: &Merge) -> anyhow::Result<Exit> {
    let shards = arguments.runs.iter().map(|run| read(run)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut whole = replay::join(shards)?;
    whole.facts.command = command_line();
    whole.facts.created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    whole.facts.wsim = env!("CARGO_PKG_VERSION").to_owned();
    let folder = RunFolder::create(&arguments.out, &arguments.name, arguments.force)?;
    if let Some(text) = hlog(&arguments.runs)? {
        folder.write("replay.hlog", text)?;
    }
    folder.write_report(&whole)?;
    let place = folder.finish()?;
    output::show(Print::of(arguments.json, arguments.quiet), &whole, Some(&place))?;
    Ok(if whole.is_void() { Exit::Missed } else { Exit::Done })
}

/// A run's report with its name.
fn read(run: &Path) -> anyhow::Result<(String, ReplayReport)> {
    let path = run.join("report.json");
    let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let report = replay::read(&text).with_context(|| path.display().to_string())?;
    Ok((run.display().to_string(), report))
}

/// The interval logs as one; `None` unless every run has one.
fn hlog(runs: &[PathBuf]) -> anyhow::Result<Option<String>> {
    let paths: Vec<PathBuf> = runs.iter().map(|run| run.join("replay.hlog")).collect();
    if !paths.iter().all(|path| path.is_file()) {
        return Ok(None);
    }
    let read = |path: &PathBuf| fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()));
    let logs = paths.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let joined = join_hlogs(&logs).map_err(|error| {
        let path = paths.get(error.log - 1).map_or_else(String::new, |path| path.display().to_string());
        anyhow::Error::from(error).context(path)
    })?;
    Ok(Some(joined))
}
