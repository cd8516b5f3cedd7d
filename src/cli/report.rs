//! `wsim report`: compares finished runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::output::{self, Print, RunFolder, VerboseArg, command_line};
use super::{Exit, REPORT_BYTES_MAX, UsageError, changed};
use wsim_logs::redact;
use wsim_report::TrendReport;
use wsim_report::comparison::{self, ComparisonReport, Run, RunKind};
use wsim_report::trend::{self, TrendRun};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Report {
    /// Folders that wsim analyse, simulate, replay or merge wrote; the first is the baseline
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// Plan of a simulation to compare [default: the plan of an emulated replay among the runs, else the recommended plan]
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// The good time of a log that is given in place of runs, for what changed (see `wsim changed`)
    #[arg(long, value_name = "FROM..TO", requires = "bad")]
    good: Option<String>,
    /// The bad time of that log
    #[arg(long, value_name = "FROM..TO", requires = "good")]
    bad: Option<String>,
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports", help_heading = "Output")]
    out: PathBuf,
    /// Name of the folder of the comparison
    #[arg(long, default_value = "comparison", help_heading = "Output")]
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

const EXAMPLES: &str = "\
Examples:
  wsim report reports/monday reports/tuesday
  wsim report reports/access-simulation reports/access-replay --name predicted
  wsim report reports/week-1 reports/week-2 reports/week-3 --name trend";

const LONG: &str = "\
The first run is the baseline and is compared with each of the others. A simulation and a replay, or a simulation and an analysis of the \
replayed cluster's logs, are compared as prediction and measurement: errors by endpoint group and process, and whether the predicted \
intervals contain the measured values. Any other two runs are compared as before and after. If both figures have an uncertainty, a \
difference within it is reported as indistinguishable.

Three and more analyses of different times have a trend: growth by endpoint group, a forecast with its 95 % prediction interval, and the week in which \
the objective breaks. Compare whole weeks, or at least the same days and hours.

Examples:
  wsim report reports/monday reports/tuesday
  wsim report reports/access-simulation reports/access-replay --name predicted
  wsim report reports/access-simulation reports/replayed-cluster --plan 'sync-split 2'
  wsim report reports/week-1 reports/week-2 reports/week-3 --name trend";

/// Runs the command.
///
/// # Errors
/// Fewer than two runs are given, a run cannot be read, or the report cannot be written.
pub fn run(arguments: &Report) -> anyhow::Result<Exit> {
    if let (Some(good), Some(bad)) = (&arguments.good, &arguments.bad) {
        return changed::of_logs(&arguments.runs, (good, bad), Print::of(arguments.json, arguments.quiet));
    }
    if arguments.runs.len() < 2 {
        let why =
            "a comparison needs two or more runs: give their folders, the baseline first (the report of one run is in its report.html)";
        return Err(UsageError(why.to_owned()).into());
    }
    let texts = texts(&arguments.runs)?;
    let wsim = env!("CARGO_PKG_VERSION").to_owned();
    let created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let print = (Print::of(arguments.json, arguments.quiet), arguments.tables.choice());
    let create = || RunFolder::create(&arguments.out, &arguments.name, arguments.force);
    if let Some(runs) = trend_runs(&texts) {
        let report = TrendReport::new(wsim, created, command_line(), runs);
        output::print_and_write(print, create()?, &report, false, |_| Ok(()))?;
        return Ok(Exit::Done);
    }
    let report = ComparisonReport::new(wsim, created, command_line(), read(&texts, arguments.plan.as_deref())?);
    output::print_and_write(print, create()?, &report, false, |_| Ok(()))?;
    Ok(if report.runs.iter().all(|run| run.void.is_empty()) { Exit::Done } else { Exit::Missed })
}

/// The runs of a trend: three or more, all of them analyses, of different times. `None` for any other runs, which are compared; the comparison says what is
/// wrong with a run, if something is.
fn trend_runs(texts: &[(String, String)]) -> Option<Vec<TrendRun>> {
    let runs: Vec<TrendRun> = texts.iter().map(|(name, text)| trend::read(name, text)).collect::<Result<_, _>>().ok()?;
    let starts: BTreeSet<i64> = runs.iter().map(|run| run.start_us).collect();
    (runs.len() >= TREND_FROM && starts.len() == runs.len()).then_some(runs)
}

/// Fewest analyses that have a trend.
const TREND_FROM: usize = 3;

/// The `report.json` of each folder, with the folder's name.
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
        // The same folder can be written in several ways.
        let canonical = fs::canonicalize(run).with_context(|| format!("could not read {}", run.display()))?;
        if let Some(duplicate) = seen.insert(canonical, run) {
            return Err(UsageError(format!("{} and {} are the same run: give each once", duplicate.display(), run.display())).into());
        }
        let text = wsim_text::read_text(&path, REPORT_BYTES_MAX).with_context(|| format!("could not read {}", path.display()))?;
        texts.push((redact::scrub_path(&run.to_string_lossy()).into_owned(), text));
    }
    Ok(texts)
}

/// Reads the runs. Of a simulation it takes the plan that the user named, by default the plan of a replay among the runs; a prediction for one
/// plan is not compared with a replay of another.
fn read(texts: &[(String, String)], plan: Option<&str>) -> anyhow::Result<Vec<Run>> {
    let read = |(name, text): &(String, String), plan: Option<&str>| {
        comparison::read(name, text, plan).with_context(|| Path::new(name).join("report.json").display().to_string())
    };
    let mut runs = texts.iter().map(|text| read(text, plan)).collect::<anyhow::Result<Vec<_>>>()?;
    let replayed = runs.iter().find(|run| run.kind == RunKind::Replay && run.plan.is_some()).cloned();
    if let (Some(replayed), None) = (replayed, plan) {
        for (run, text) in runs.iter_mut().zip(texts).filter(|(run, _)| run.kind == RunKind::Simulation) {
            if let Some(name) = comparison::name_in(&text.1, &replayed) {
                *run = read(text, Some(&name))?;
            }
        }
    }
    comparison::check_plans(&runs)?;
    Ok(runs)
}
