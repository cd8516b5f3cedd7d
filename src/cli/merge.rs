//! `wsim merge`: merges the shards of one replay into one report.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::output::{self, Print, RunFolder, VerboseArg, command_line};
use super::{Exit, REPORT_BYTES_MAX};
use wsim_folder::{OutputFolder, create_private};
use wsim_logs::redact;
use wsim_parquet::table_append::append;
use wsim_parquet::table_file::TableFile;
use wsim_parquet::table_reader::TableReader;
use wsim_replay::record::{MergeLogError, REQUEST_COLUMNS, REQUEST_INSTANTS, REQUESTS_SCHEMA, merge_interval_logs};
use wsim_report::replay::{self, ReplayReport};
use wsim_trace::table::TableWriter;

/// Arguments of `wsim merge`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, after_long_help = LONG)]
pub struct Merge {
    /// Run folders of `wsim replay --shard`, of all machines
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports", help_heading = "Output")]
    out: PathBuf,
    /// Name of the merged run's folder
    #[arg(long, default_value = "merged", help_heading = "Output")]
    name: String,
    /// Replace the run of this name
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Print only report.json
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    #[command(flatten)]
    tables: VerboseArg,
}

const EXAMPLE: &str = "\
Example:
  wsim merge reports/shard-0 reports/shard-1 reports/shard-2 --name monday";

const LONG: &str = "\
Counts and histograms are added exactly: the merged report is the one that a single machine would have written, with the interval log and the \
requests of all. The runs must be different shards of one run: the same log, filters, ramp, protocol and expectations, begun at the same time. If a shard is missing or void, the merged run is void (exit status 3), and the report says which shard it is.

Example:
  wsim merge reports/shard-0 reports/shard-1 reports/shard-2 --name monday";

/// Runs the command.
///
/// # Errors
/// A run cannot be read, the runs are not shards of one replay, or the report cannot be written.
pub fn run(arguments: &Merge) -> anyhow::Result<Exit> {
    let shards = arguments.runs.iter().map(|run| read(run)).collect::<anyhow::Result<Vec<_>>>()?;
    let began: Vec<Option<i64>> = shards.iter().map(|(_, report)| report.conditions.began_us).collect();
    let mut merged = replay::merge_shards(shards)?;
    merged.facts.command = command_line();
    merged.facts.created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    merged.facts.wsim = env!("CARGO_PKG_VERSION").to_owned();
    let folder = RunFolder::create(&arguments.out, &arguments.name, arguments.force)?;
    let log = interval_log(&arguments.runs)?;
    let requests = all_of(&arguments.runs, "requests.parquet")?;
    let print = (Print::of(arguments.json, arguments.quiet), arguments.tables.choice());
    output::print_and_write(print, folder, &merged, merged.facts.partial, |folder| {
        if let Some(text) = log {
            folder.write("replay.hlog", text)?;
        }
        requests.map_or(Ok(()), |paths| join_requests(&paths, &began, folder))
    })?;
    Ok(if merged.is_void() || merged.is_missed() { Exit::Missed } else { Exit::Done })
}

/// The name and the report of a run.
fn read(run: &Path) -> anyhow::Result<(String, ReplayReport)> {
    let path = run.join("report.json");
    let text = wsim_text::read_text(&path, REPORT_BYTES_MAX).with_context(|| format!("could not read {}", path.display()))?;
    let report = replay::read(&text).with_context(|| path.display().to_string())?;
    Ok((redact::scrub_path(&run.to_string_lossy()).into_owned(), report))
}

/// The merged interval log; `None` unless every run has one.
fn interval_log(runs: &[PathBuf]) -> anyhow::Result<Option<String>> {
    let Some(paths) = all_of(runs, "replay.hlog")? else { return Ok(None) };
    let read = |path: &PathBuf| wsim_text::read_text(path, HLOG_BYTES_MAX).with_context(|| format!("could not read {}", path.display()));
    let logs = paths.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let merged = merge_interval_logs(&logs).map_err(|error| match &error {
        MergeLogError::Line { index, .. } | MergeLogError::NoBaseTime { index, .. } | MergeLogError::Histogram { index, .. } => {
            let path = paths.get(*index).map_or_else(String::new, |path| path.display().to_string());
            anyhow::Error::from(error).context(path)
        }
        MergeLogError::Header(_) => error.into(),
    })?;
    Ok(Some(merged))
}

/// The files of this name in all runs; `None` if no run has one.
fn all_of(runs: &[PathBuf], name: &str) -> anyhow::Result<Option<Vec<PathBuf>>> {
    let paths: Vec<PathBuf> = runs.iter().map(|run| run.join(name)).collect();
    let missing: Vec<&PathBuf> = paths.iter().filter(|path| !path.is_file()).collect();
    match missing.first() {
        None => Ok(Some(paths)),
        Some(path) if missing.len() < paths.len() => {
            anyhow::bail!("{} is missing, although other shards have theirs: copy the whole folder of the run", path.display())
        }
        Some(_) => Ok(None),
    }
}

/// Joins the requests of all runs, shard after shard; instants count from the beginning of the earliest.
fn join_requests(paths: &[PathBuf], began: &[Option<i64>], folder: &OutputFolder) -> anyhow::Result<()> {
    let earliest = began.iter().flatten().min().copied();
    let written = folder.path().join("requests.parquet");
    let out = create_private(&written).with_context(|| format!("could not write {}", written.display()))?;
    let mut table: Box<dyn TableWriter> = Box::new(TableFile::new(out, &REQUEST_COLUMNS)?);
    for (path, began) in paths.iter().zip(began) {
        let shift_us = began.zip(earliest).map_or(0, |(began, earliest)| began.abs_diff(earliest));
        let shifted = (&REQUEST_INSTANTS[..], shift_us.saturating_mul(1000));
        append_file(path, &mut *table, shifted).with_context(|| path.display().to_string())?;
    }
    table.finish(REQUESTS_SCHEMA)?;
    Ok(())
}

fn append_file(path: &Path, table: &mut dyn TableWriter, shifted: (&[&str], u64)) -> anyhow::Result<()> {
    let mut from = TableReader::new(BufReader::new(File::open(path)?))?;
    Ok(append(&mut from, table, &REQUEST_COLUMNS, shifted)?)
}

/// A day of a line per second and endpoint group.
const HLOG_BYTES_MAX: usize = 500_000_000;
