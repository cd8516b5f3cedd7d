//! `wsim analyse`: from logs to a report.
//!
//! ```text
//! arguments ─▶ Config ─▶ read ─▶ (join) ─▶ profile ─▶ advise ─▶ report ─▶ terminal, folder
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::output::{self, Output};
use super::reading::{self, Config, Read, Reading, told};
use super::{Exit, UsageError, interrupt};
use wsim_advise as advise;
use wsim_report::{AnalysisReport, NextStep, RunFolder};
use wsim_trace::ingest::Progress;

/// Arguments of `wsim analyse`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wsim analyse /var/log/nginx/matrix-access.log
  wsim analyse /var/log/matrix-synapse/ --process-cpu cpu.csv --synapse-version 1.157
  zcat access.log.*.gz | wsim analyse - --from yesterday --json", after_long_help = LONG)]
pub struct Analyse {
    /// Log files, folders, globs or `-`, compressed or not; or one trace.parquet of an earlier run
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<String>,

    #[command(flatten)]
    reading: Reading,
    /// What every process has to satisfy at the peak
    #[arg(long, value_name = "TEXT", default_value = "busy < 70%", help_heading = "Advice")]
    objective: String,
    #[command(flatten)]
    output: Output,
    /// Keep no requests: flat memory, no trace.parquet, no joining
    #[arg(long, conflicts_with_all = ["dedupe", "anonymise"], help_heading = "Output")]
    no_trace: bool,
}

const LONG: &str = "\
Formats for --format: nginx-combined nginx-main nginx-vhost nginx-json apache-common apache-combined apache-vhost haproxy
caddy traefik traefik-json synapse synapse-json.

What you get: a summary here, and a folder with report.html (open it), report.md, report.json, trace.parquet (the requests,
for every other command), plan.toml (the recommended plan) and charts/*.svg.

Utilisation is that of one CPU core: a Synapse process cannot use more. It is worked out from the CPU time in Synapse's
request log, times a coverage factor for what no request line shows; with a proxy's log alone it is inferred, which is good
for comparing plans and poor for counting workers. Give Synapse's own logs and --process-cpu where you can.

Examples:
  wsim analyse /var/log/nginx/matrix-access.log
  wsim analyse /var/log/matrix-synapse/ --process-cpu cpu.csv --synapse-version 1.157
  zcat access.log.*.gz | wsim analyse - --from yesterday --json";

/// Runs the command.
pub fn run(arguments: &Analyse) -> anyhow::Result<Exit> {
    let (reading, output) = (&arguments.reading, &arguments.output);
    let objective: Result<advise::Objective, _> = arguments.objective.parse().and_then(advise::Objective::without_latencies);
    let objective = objective.map_err(|error| UsageError(format!("--objective: {error}")))?;
    let config = Config::new(&arguments.logs, reading, output, !arguments.no_trace)?;
    let screen = advise::Settings { objective, plans: reading.plan_options(&config.synapse_version), ..advise::Settings::default() };
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let read = reading::read(&config, &progress)?;
    let advice = advise::screen(&read.profile, &screen);
    let report = AnalysisReport::new(
        told::facts(&read.told, next_steps(arguments, &read)),
        told::inputs(&read.told),
        told::malformed(&read.told),
        read.profile.clone(),
        advice,
    );
    let name = output.name.clone().unwrap_or_else(|| output::free_name(&output.out, &arguments.logs, "", output.force));
    let place = write(output, &report, &read, &name)?;
    output::show(output.print(), &report, Some(&place))?;
    Ok(if report.advice.recommended.is_some() { Exit::Done } else { Exit::Missed })
}

/// Writes the run's folder and says where it is.
fn write(output: &Output, report: &AnalysisReport, read: &Read, name: &str) -> anyhow::Result<PathBuf> {
    let folder = RunFolder::create(&output.out, name, output.force)?;
    interrupt::unfinished(Some(folder.path().to_owned()));
    folder.write_report(report)?;
    if let Some(shown) = report.shown() {
        folder.write("plan.toml", shown.candidate.plan.to_toml())?;
    }
    if let Some(trace) = &read.trace {
        wsim_parquet::write(trace, &read.told.header(&read.endpoints), &folder.path().join("trace.parquet"))?;
    }
    let place = folder.finish()?;
    interrupt::unfinished(None);
    Ok(place)
}

/// What to type next.
fn next_steps(arguments: &Analyse, read: &Read) -> Vec<NextStep> {
    let logs = output::shell_words(&arguments.logs);
    let mut steps = Vec::new();
    if read.profile.demand.method != "logged" {
        steps.push(NextStep {
            why: "measure CPU instead of inferring it: add Synapse's own logs".to_owned(),
            command: format!("wsim analyse {logs} /var/log/matrix-synapse/homeserver.log"),
        });
    } else if !read.profile.coverage.measured {
        steps.push(NextStep {
            why: "measure the CPU that no request line shows".to_owned(),
            command: format!("wsim analyse {logs} --process-cpu cpu.csv"),
        });
    }
    steps.push(NextStep { why: "simulate plans, with waiting times and error bars".to_owned(), command: format!("wsim simulate {logs}") });
    steps.push(NextStep { why: "see what a worker may serve".to_owned(), command: "wsim endpoints".to_owned() });
    steps
}
