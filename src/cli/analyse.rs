//! `wsim analyse`: from logs to a report.
//!
//! ```text
//! arguments ─▶ ReadConfig ─▶ read ─▶ (join) ─▶ profile ─▶ advise ─▶ report ─▶ terminal, folder
//! ```

use std::sync::Arc;

use clap::Args;

use super::next_steps::{self, SameInput};
use super::observed_arg::ObservedArgs;
use super::output::{Output, PrintArgs, RunFolder};
use super::reading::{self, ReadArgs, ReadConfig};
use super::settings::SettingsArgs;
use super::{Exit, UsageError, interrupt};
use wsim_advise as advise;
use wsim_report::{AnalysisReport, NextStep};
use wsim_trace::ingest::Progress;

/// Arguments of `wsim analyse`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wsim analyse /var/log/nginx/matrix-access.log
  wsim analyse /var/log/matrix-synapse/ --process-cpu cpu.csv --synapse-version 1.157
  zcat access.log.*.gz | wsim analyse - --from yesterday --json", after_long_help = LONG)]
pub struct Analyse {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<String>,

    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    observed: ObservedArgs,
    /// Target that a plan must meet at the peak (see `wsim simulate --help`)
    #[arg(long, value_name = "TEXT", default_value = "busy < 70%, connections < 80%", help_heading = "Advice")]
    objective: String,
    /// Database connections of each process (cp_max) [default: 5, or more where the log shows more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Advice")]
    connections: Option<u32>,
    /// Cores shared by all processes and the database, for the limits [default: unknown]
    #[arg(long, value_name = "N", value_parser = super::simulate::cores, help_heading = "Advice")]
    cores: Option<f64>,
    /// Memory shared by all processes and the database, for the limits: 8GB [default: unknown]
    #[arg(long, value_name = "SIZE", value_parser = super::simulate::memory, help_heading = "Advice")]
    memory: Option<f64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    tables: PrintArgs,
    /// Do not keep requests: flat memory, no trace.parquet, no joining
    #[arg(long, conflicts_with_all = ["dedupe", "anonymise", "anonymise_key"], help_heading = "Output")]
    no_trace: bool,
}

const LONG: &str = "\
Formats for --format: nginx-combined nginx-main nginx-vhost nginx-json apache-common apache-combined apache-vhost haproxy \
caddy traefik traefik-json synapse synapse-json.

Output: a summary on the terminal, and a folder with report.html (open it), report.md, report.json, trace.parquet (the requests, \
for the other commands), plan.toml (the recommended plan) and charts/*.svg.

Utilisation is that of one CPU core, because a Synapse process cannot use more. It is the CPU time in Synapse's request log, \
times a coverage factor for background CPU. From a proxy's log alone CPU is inferred: good for comparing plans, poor for \
counting workers. Give Synapse's own logs and --process-cpu where you can.

Examples:
  wsim analyse /var/log/nginx/matrix-access.log
  wsim analyse /var/log/matrix-synapse/ --process-cpu cpu.csv --synapse-version 1.157
  zcat access.log.*.gz | wsim analyse - --from yesterday --json";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the logs cannot be read, the report cannot be written.
pub fn run(arguments: &Analyse) -> anyhow::Result<Exit> {
    let (reading, output) = (&arguments.reading, &arguments.output);
    let of_objective = |error| UsageError(format!("--objective: {error}"));
    let objective: advise::Objective = arguments.objective.parse().and_then(advise::Objective::for_plans).map_err(of_objective)?;
    let config =
        ReadConfig::new(&arguments.logs, reading)?.observed(&arguments.observed)?.with_output(output)?.keep_requests(!arguments.no_trace);
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let name = output.run_name(&arguments.logs, "");
    let folder = RunFolder::start(output, &name)?;
    let data = reading::read(&config, &progress)?;
    let groups: Vec<&str> = data.profile.groups.iter().filter(|group| !group.internal).map(|group| group.id.as_str()).collect();
    objective.check_groups(&groups).map_err(of_objective)?;
    let same = SameInput::new(&config, &arguments.logs, &output.out.join(&name).join("trace.parquet"));
    let simulate = same.command("simulate");
    let screen = advise::ScreenConfig {
        objective,
        connections: arguments.connections,
        machine: advise::MachineLimits { cores: arguments.cores, memory: arguments.memory },
        simulate_command: simulate.clone(),
        plans: data.preset_config(),
        ..advise::ScreenConfig::default()
    };
    let doctor = data.profile.deployment.too_partial.then(|| same.command("doctor"));
    let next = next_steps(doctor, simulate, next_steps::better_input("analyse", &same, &data.profile));
    let report = AnalysisReport {
        facts: data.summary.run_facts(next),
        inputs: data.summary.tallies.clone(),
        profile: data.profile.clone(),
        advice: advise::screen(&data.profile, &screen),
    };
    output.deliver(arguments.tables.choice(), folder, &report, report.facts.partial, |folder| {
        if let Some((shown, _)) = report.advice.shown() {
            folder.write("plan.toml", shown.plan.to_toml())?;
        }
        data.write_trace(folder)
    })?;
    Ok(if report.advice.recommended.is_some() { Exit::Done } else { Exit::Missed })
}

/// `doctor` where there is no verdict.
fn next_steps(doctor: Option<String>, simulate: String, better_input: Option<NextStep>) -> Vec<NextStep> {
    let mut steps: Vec<NextStep> =
        doctor.map(|command| NextStep { why: "see what is missing, and how to get it".to_owned(), command }).into_iter().collect();
    steps.push(NextStep { why: "simulate plans, with waiting times and error bars".to_owned(), command: simulate });
    steps.extend(better_input);
    steps.push(NextStep { why: "see what a worker may serve".to_owned(), command: "wsim endpoints".to_owned() });
    steps
}
