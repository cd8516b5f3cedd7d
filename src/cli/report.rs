//! `wsim report`: finished runs beside each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::output::{self, Print, command_line};
use super::{Exit, UsageError};
use wsim_report::RunFolder;
use wsim_report::comparison::{self, ComparisonReport, Run};

/// Arguments of `wsim report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Report {
    /// Folders that wsim analyse, simulate, replay or merge wrote; the first is the baseline
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// Which plan of a simulation counts [default: that of an emulated replay among the runs, else the recommended]
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Folder for runs
    #[arg(long, value_name = "DIR", default_value = "reports", help_heading = "Output")]
    out: PathBuf,
    /// Name of the comparison's folder
    #[arg(long, default_value = "comparison", help_heading = "Output")]
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

const EXAMPLES: &str = "\
Examples:
  wsim report reports/monday reports/tuesday
  wsim report reports/access-simulation reports/access-replay --name predicted";

const LONG: &str = "\
A simulation beside a replay, or beside an analysis of the replayed cluster's logs, is a prediction beside a measurement: errors by
endpoint group and process, and whether the predicted intervals cover what was measured. Any other two runs are before and after. Where
both figures have intervals, a difference within noise is said to be indistinguishable. Of more than two runs, the first is compared with
each of the others.

Examples:
  wsim report reports/monday reports/tuesday
  wsim report reports/access-simulation reports/access-replay --name predicted
  wsim report reports/access-simulation reports/replayed-cluster --plan 'sync-split 2'";

/// Runs the command.
///
/// # Errors
/// Fewer than two runs, a run that cannot be read, the report cannot be written.
pub fn run(arguments: &Report) -> anyhow::Result<Exit> {
    if arguments.runs.len() < 2 {
        let why =
            "one run has nothing to be compared with: give two or more folders, the baseline first (its own report is in report.html)";
        return Err(UsageError(why.to_owned()).into());
    }
    let texts = texts(&arguments.runs)?;
    let report = ComparisonReport::new(
        env!("CARGO_PKG_VERSION").to_owned(),
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command_line(),
        read(&texts, arguments.plan.as_deref())?,
    );
    let folder = RunFolder::create(&arguments.out, &arguments.name, arguments.force)?;
    folder.write_report(&report)?;
    let place = folder.finish()?;
    output::show(Print::of(arguments.json, arguments.quiet), &report, Some(&place))?;
    Ok(if report.runs.iter().all(|run| run.void.is_empty()) { Exit::Done } else { Exit::Missed })
}

/// `report.json` of each folder, with the folder's name.
fn texts(runs: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut seen: BTreeMap<PathBuf, &PathBuf> = BTreeMap::new();
    let mut texts = Vec::new();
    for run in runs {
        let path = run.join("report.json");
        if !run.exists() {
            anyhow::bail!("{}: no such folder", run.display());
        }
        if !path.is_file() {
            anyhow::bail!("{} has no report.json: give the folder of a finished run", run.display());
        }
        // Two ways to write one folder are still one.
        let whole = fs::canonicalize(run).with_context(|| format!("could not read {}", run.display()))?;
        if let Some(twin) = seen.insert(whole, run) {
            return Err(UsageError(format!("{} and {} are the same run: give each once", twin.display(), run.display())).into());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        texts.push((run.display().to_string(), text));
    }
    Ok(texts)
}

/// The runs; of a simulation the plan that was asked for, else the one that a replay among them had.
fn read(texts: &[(String, String)], plan: Option<&str>) -> anyhow::Result<Vec<Run>> {
    let one = |(name, text): &(String, String), plan: Option<&str>| {
        comparison::read(name, text, plan).with_context(|| Path::new(name).join("report.json").display().to_string())
    };
    if plan.is_some() {
        return texts.iter().map(|text| one(text, plan)).collect();
    }
    let runs = texts.iter().map(|text| one(text, None)).collect::<anyhow::Result<Vec<_>>>()?;
    let replayed = runs.iter().find(|run| run.target.is_some()).and_then(|run| run.plan.clone());
    // A simulation without that plan is compared all the same: its recommended plan may be what was built.
    let again = |(run, text): (Run, &(String, String))| comparison::read(&text.0, &text.1, replayed.as_deref()).unwrap_or(run);
    Ok(runs.into_iter().zip(texts).map(again).collect())
}
