//! `wsim merge`: the shards of one replay as one report.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::output::command_line;
use super::{Exit, terminal_width};
use crate::replay::record::join_hlogs;
use crate::report::replay::{self, ReplayReport};
use crate::report::{self, RunFolder};

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
    let place = write(folder, &whole)?;
    show(arguments, &whole, &place)?;
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

fn write(folder: RunFolder, report: &ReplayReport) -> anyhow::Result<PathBuf> {
    folder.write("report.json", replay::json(report)?)?;
    folder.write("report.md", replay::markdown(report))?;
    folder.write("report.html", replay::html(report)?)?;
    for chart in report.charts() {
        folder.write(&format!("charts/{}.svg", chart.name), &chart.svg)?;
    }
    for table in report.tables() {
        folder.write(&format!("tables/{}.csv", table.id), table.csv())?;
    }
    Ok(folder.finish()?)
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
    // Colour codes are always written; the stream takes them out where they are not wanted (NO_COLOR, no terminal).
    let style = report::Style { colour: true, width: terminal_width() };
    let files = ["report.html", "report.md", "report.json", "replay.hlog", "tables/", "charts/"];
    let names: Vec<&str> = files.into_iter().filter(|name| place.join(name).exists()).collect();
    replay::terminal(&mut out, report, Some(report::Files { folder: place, names: &names }), style)?;
    Ok(())
}
