//! `wsim simulate`: what plans would do with the traffic of a log, and the smallest that meets an objective.
//!
//! ```text
//! arguments ─▶ Config ─▶ read ─▶ profile ─▶ sweep, back-test ─▶ report ─▶ terminal, folder
//!          └─▶ synthetic (no log): a textbook station beside its formula
//! ```

mod choices;
mod synthetic;
mod watching;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::output::{self, Output};
use super::reading::{self, Config, Read, Reading, told};
use super::{Exit, interrupt};
use choices::{Choices, Replications};
use wsim_advise::{self as advise, sweep};
use wsim_report::{AnalysisReport, NextStep, RunFolder, SimulationReport};
use wsim_simulate::backtest::{Backtest, BacktestSettings, backtest};
use wsim_simulate::prepare::PrepareSettings;
use wsim_simulate::run::ReplicationPlan;
use wsim_simulate::time::Span;
use wsim_trace::ingest::Progress;

/// Arguments of `wsim simulate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Simulate {
    /// Log files, folders, globs or `-`, compressed or not; or one trace.parquet of an earlier run
    #[arg(value_name = "LOG|TRACE", required_unless_present = "synthetic")]
    logs: Vec<String>,

    /// Plan file or standard plan to simulate, again for several [default: the standard plans]
    #[arg(long = "plan", value_name = "FILE|PRESET", help_heading = "Candidates")]
    plans: Vec<String>,
    /// Worker counts of standard plans: 1..8, or 3
    #[arg(long, value_name = "RANGE", default_value = "1..8", value_parser = choices::workers, help_heading = "Candidates")]
    workers: choices::Workers,
    /// Balancing rule for every pool, `RULE` or `RULE by KEY`, again for several [default: the plans' own]
    #[arg(long = "balance", value_name = "RULE", help_heading = "Candidates")]
    balances: Vec<String>,
    /// What a plan has to satisfy: `p95 work < 500ms, p99 sync < 2s, busy < 70%`
    #[arg(long, value_name = "TEXT", default_value = "busy < 70%", help_heading = "Candidates")]
    objective: String,

    /// Users per observed user
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, help_heading = "Simulation")]
    growth: f64,
    /// Part of the log: peak (the busiest hour), all, FROM..TO
    #[arg(long, value_name = "WINDOW", default_value = "peak", help_heading = "Simulation")]
    window: String,
    /// Replications: so many, or at least..at most
    #[arg(long, value_name = "N|N..M", default_value = "10..40", value_parser = choices::replications, help_heading = "Simulation")]
    replications: Replications,
    /// Database connections of every process (cp_max)
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Simulation")]
    connections: u32,
    /// Cores that all processes and the database share [default: a core for each process, and the database as observed]
    #[arg(long, value_name = "N", value_parser = choices::cores, help_heading = "Simulation")]
    cores: Option<f64>,
    /// Response times as Synapse's own log would give them too, in report.json: for comparing with a log
    #[arg(long, help_heading = "Simulation")]
    as_logged: bool,
    /// The observed users in every replication, none drawn anew: for comparing with a replay of the same log
    #[arg(long, help_heading = "Simulation")]
    no_resample: bool,
    /// Leave out the back-test of the model on the log
    #[arg(long, help_heading = "Simulation")]
    no_backtest: bool,
    /// A made-up workload instead of a log, beside its exact formula; words or a TOML file (see --help)
    #[arg(long, value_name = "WORDS|FILE", conflicts_with_all = ["logs", "plans", "balances"], help_heading = "Simulation")]
    synthetic: Option<String>,

    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  wsim simulate /var/log/matrix-synapse/ --process-cpu cpu.csv --objective 'p95 work < 500ms, busy < 70%'
  wsim simulate reports/access/trace.parquet --plan sync-split --plan my-plan.toml --workers 1..4
  wsim simulate trace.parquet --plan generic --balance least_conn --balance 'hash consistent by user' --growth 1.5
  wsim simulate --synthetic 'poisson rate=150 service=exp:5ms'";

const LONG: &str = "\
Without --plan the standard plans are tried with every number of workers: the utilisation law discards those that cannot
work, and the best of the others are simulated on common traffic. Plans named by --plan are all simulated. The smallest
plan that meets the objective with its 95 % interval is recommended; exit status 3 says that none does.

Terms of an objective, joined by commas: `busy < 70%` (every process, in its busiest five minutes), `p95 < 500ms` (all
requests), `p99 sync < 2s` (one endpoint group; see `wsim endpoints`); mean, p50, p95, p99. Time that a long poll waits for
news is not latency.

Rules for --balance are the proxy's own words: round robin, least_conn, hash consistent, random two, ip_hash, …, and two that
no proxy has, for comparison: join the shortest busy queue, power of two on busy requests.

Made-up workloads for --synthetic (times like 5ms, 250us, 1.5s):
  poisson rate=R | deterministic rate=R | erlang shape=K rate=R | batch rate=R size=N | mmpp rates=R1,R2 leaves=L1,L2
  service=exp:MEAN | det:TIME | erlang:SHAPE:MEAN | hyperexp:SCV:MEAN | lognormal:SCV:MEAN | pareto:ALPHA:MEAN
  servers=N  balance=central|round-robin|random|jsq|power-of-D  discipline=fcfs|ps

Examples:
  wsim simulate /var/log/matrix-synapse/ --process-cpu cpu.csv --objective 'p95 work < 500ms, busy < 70%'
  wsim simulate reports/access/trace.parquet --plan sync-split --plan my-plan.toml --workers 1..4
  wsim simulate trace.parquet --plan generic --balance least_conn --balance 'hash consistent by user' --growth 1.5
  wsim simulate --synthetic 'poisson rate=150 service=exp:5ms'";

/// Runs the command.
///
/// # Errors
/// The command line makes no sense, the logs cannot be read, there is nothing to simulate, the report cannot be written.
pub fn run(arguments: &Simulate) -> anyhow::Result<Exit> {
    if let Some(words) = &arguments.synthetic {
        return synthetic::run(words, arguments.reading.seed, &arguments.output);
    }
    let (reading, output) = (&arguments.reading, &arguments.output);
    let choices = Choices::new(arguments)?;
    let config = Config::new(&arguments.logs, reading, output, true)?;
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let read = reading::read(&config, &progress)?;
    let report = simulated(arguments, &choices, &config, &read, &progress)?;
    let name = output.name.clone().unwrap_or_else(|| output::free_name(&output.out, &arguments.logs, "-simulation", output.force));
    let place = write(output, &report, &read, &name)?;
    output::show(output.print(), &report, Some(&place))?;
    Ok(if report.sweep.recommended.is_some() { Exit::Done } else { Exit::Missed })
}

fn simulated(
    arguments: &Simulate,
    choices: &Choices,
    config: &Config,
    read: &Read,
    progress: &Arc<Progress>,
) -> anyhow::Result<SimulationReport> {
    let reading = &arguments.reading;
    let Some(trace) = &read.trace else { anyhow::bail!("the logs left no requests to simulate") };
    let options = reading.plan_options(&read.told.synapse_version);
    let (window, window_note) = sweep::choose_window(choices.window, &read.profile);
    let prepare = PrepareSettings {
        process_cpu: config.process_cpu.clone(),
        connections: arguments.connections,
        cores: arguments.cores,
        ..PrepareSettings::default()
    };
    let subject = sweep::Subject { trace, endpoints: &read.endpoints, profile: &read.profile, prepare: &prepare, window };
    let (trials, discarded) = choices.trials(&options)?;
    let Replications { first, most } = arguments.replications;
    let replications = ReplicationPlan {
        first,
        most,
        warm_up: Span::from_seconds(sweep::warm_up_seconds(window)),
        threads: reading.threads(),
        as_logged: arguments.as_logged,
        resample: !arguments.no_resample,
        ..ReplicationPlan::default()
    };
    let settings = sweep::SweepSettings {
        objective: choices.objective.clone(),
        plans: options.clone(),
        growth: arguments.growth,
        seed: reading.seed,
        replications,
        window_note,
    };
    let watching = watching::Watching::new(progress, arguments.output.quiet);
    let found = sweep::sweep(&subject, trials, discarded, &settings, &watching)?;
    drop(watching);
    let (tested, note) = test(arguments, &subject);
    let screen = advise::Settings { objective: choices.objective.clone(), plans: options, ..advise::Settings::default() };
    let advice = advise::screen(&read.profile, &screen);
    let facts = told::facts(&read.told, next_steps(arguments, read));
    let analysis = AnalysisReport::new(facts, told::inputs(&read.told), told::malformed(&read.told), read.profile.clone(), advice);
    Ok(SimulationReport { analysis, sweep: found, backtest: tested, backtest_note: note })
}

/// The model against the simulated part of the log; or why not.
fn test(arguments: &Simulate, subject: &sweep::Subject<'_>) -> (Option<Backtest>, Option<String>) {
    if arguments.no_backtest {
        return (None, Some("left out by --no-backtest".to_owned()));
    }
    let profile = wsim_profile::Profile { window: subject.window, ..subject.profile.clone() };
    let how = BacktestSettings { replications: BACKTEST_REPLICATIONS, seed: arguments.reading.seed, ..BacktestSettings::default() };
    match backtest(subject.trace, subject.endpoints, &profile, subject.prepare, &how) {
        Ok(test) => (Some(test), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

fn write(output: &Output, report: &SimulationReport, read: &Read, name: &str) -> anyhow::Result<PathBuf> {
    let folder = RunFolder::create(&output.out, name, output.force)?;
    interrupt::unfinished(Some(folder.path().to_owned()));
    folder.write_report(report)?;
    if let Some((candidate, _)) = report.sweep.shown() {
        folder.write("plan.toml", candidate.plan.to_toml())?;
    }
    if let Some(trace) = read.trace.as_ref().filter(|_| !read.from_trace) {
        wsim_parquet::write(trace, &read.told.header(&read.endpoints), &folder.path().join("trace.parquet"))?;
    }
    let place = folder.finish()?;
    interrupt::unfinished(None);
    Ok(place)
}

/// What to type next.
fn next_steps(arguments: &Simulate, read: &Read) -> Vec<NextStep> {
    let logs = output::shell_words(&arguments.logs);
    if read.profile.demand.method != "logged" {
        return vec![NextStep {
            why: "measure CPU instead of inferring it: add Synapse's own logs".to_owned(),
            command: format!("wsim simulate {logs} /var/log/matrix-synapse/homeserver.log"),
        }];
    }
    if !read.profile.coverage.measured {
        return vec![NextStep {
            why: "measure the CPU that no request line shows".to_owned(),
            command: format!("wsim simulate {logs} --process-cpu cpu.csv"),
        }];
    }
    Vec::new()
}

const BACKTEST_REPLICATIONS: u32 = 5;
