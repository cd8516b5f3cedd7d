//! `wsim simulate`: candidate plans on the traffic of a log, and the smallest that meets an objective.
//!
//! ```text
//! arguments ─▶ SimulateConfig, ReadConfig ─▶ read ─▶ profile ─▶ back-test, sweep ─▶ report ─▶ terminal, folder
//!          └─▶ synthetic (no log): a textbook queue, compared with its formula
//! ```

mod config;
mod synthetic;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;

use super::next_steps::{self, SameInput};
use super::observed_arg::{ObservedArgs, ObservedPlan};
use super::output::{Output, PrintArgs, RunFolder};
use super::progress::ProgressReporter;
use super::reading::{self, LogData, ReadArgs, ReadConfig};
use super::settings::SettingsArgs;
use super::{Exit, UsageError, interrupt};
use config::{Replications, SimulateConfig};
pub(super) use config::{cores, memory};
use wsim_advise::{self as advise, sweep};
use wsim_report::{AnalysisReport, SimulationReport};
use wsim_simulate::backtest::{Backtest, BacktestConfig, backtest};
use wsim_simulate::prepare::PrepareConfig;
use wsim_simulate::replications::{ReplicationConfig, Variation};
use wsim_simulate::time::Span;
use wsim_simulate::{MachineConfig, ModelError, StopFlag};
use wsim_trace::ingest::Progress;

/// Arguments of `wsim simulate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Simulate {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG|TRACE", required_unless_present = "synthetic")]
    logs: Vec<String>,

    /// Plan file or standard plan; repeatable [default: all standard plans]
    #[arg(long = "plan", value_name = "FILE|PRESET", help_heading = "Candidates")]
    plans: Vec<String>,
    /// Numbers of workers to try: 1..8, or 3
    #[arg(long, value_name = "RANGE", default_value = "1..8", value_parser = config::worker_counts, help_heading = "Candidates")]
    workers: config::WorkerCounts,
    /// RULE or RULE by KEY for every pool; repeatable [default: the plans' own]
    #[arg(long = "balance", value_name = "RULE", help_heading = "Candidates")]
    balances: Vec<String>,
    /// Target that a plan must meet (see --help)
    ///
    /// [default: busy < 70%, connections < 80%, p95 < twice that of the log, at least 500ms]
    #[arg(long, value_name = "TEXT", help_heading = "Candidates")]
    objective: Option<String>,

    /// Load as a multiple of that in the log: 1.5, people=1.5, activity=1.5 (see --help)
    ///
    /// A plain factor, or rooms=FACTOR: more rooms of the kind, with people of their own. people=FACTOR: more people in the same rooms, so
    /// that each piece of news wakes more. activity=FACTOR: the same people, more active. [default: 1]
    #[arg(long, value_name = "[KIND=]FACTOR", default_value = "1", value_parser = config::growth, hide_default_value = true, help_heading = "Simulation")]
    growth: config::Growth,
    /// Part of the log: peak (busiest hour), all, FROM..TO
    #[arg(long, value_name = "WINDOW", default_value = "peak", help_heading = "Simulation")]
    window: String,
    /// Number of replications, or minimum..maximum
    #[arg(long, value_name = "N|N..M", default_value = "10..40", value_parser = config::replications, help_heading = "Simulation")]
    replications: Replications,
    /// Database connections of each process (cp_max) [default: 5, or more where the log shows more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Simulation")]
    connections: Option<u32>,
    /// Cores shared by all processes and the database [default: not shared]
    ///
    /// By default each process has a core of its own, and the database is as fast as observed.
    #[arg(long, value_name = "N", value_parser = config::cores, help_heading = "Simulation")]
    cores: Option<f64>,
    /// Memory shared by all processes and the database, for the limits: 8GB [default: unknown]
    #[arg(long, value_name = "SIZE", value_parser = config::memory, help_heading = "Simulation")]
    memory: Option<f64>,
    /// Add response times as Synapse logs them to report.json
    #[arg(long, help_heading = "Simulation")]
    as_logged: bool,
    /// Same users in every replication, for comparison with a replay
    #[arg(long, help_heading = "Simulation")]
    no_resample: bool,
    /// Skip the back-test of the model on the log
    #[arg(long, help_heading = "Simulation")]
    no_backtest: bool,
    /// Simulate a synthetic workload instead of a log (see --help)
    #[arg(long, value_name = "WORDS|FILE", conflicts_with_all = ["logs", "plans", "balances"], help_heading = "Simulation")]
    synthetic: Option<String>,

    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    observed: ObservedArgs,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    tables: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  wsim simulate /var/log/matrix-synapse/ --process-cpu cpu.csv --objective 'p95 work < 500ms, busy < 70%'
  wsim simulate reports/access/trace.parquet --plan sync-split --plan my-plan.toml --workers 1..4
  wsim simulate trace.parquet --plan generic --balance least_conn --balance 'hash consistent by user' --growth 1.5
  wsim simulate --synthetic 'poisson rate=150 service=exp:5ms'";

const LONG: &str = "\
Without --plan all standard plans are candidates, with every number of workers. The utilisation law discards those that \
cannot carry the load; the best of the others are simulated on the same traffic. Plans named by --plan are always simulated. \
The smallest plan whose 95 % interval meets the objective is recommended; exit status 3 means that none does.

Terms of an objective, joined by commas: `busy < 70%` (every process, in the five minutes in which all of them together use most CPU), `connections < 80%` (the \
database connections of every process in the five minutes in which they are busiest, waits for them taken into account), `p95 < 500ms` (all requests), `p99 sync < 2s` (one endpoint group; see `wsim endpoints`); mean, p50, p95, p99. Response times exclude \
long-poll waiting. A plan under which work piles up is not stable and fails, whatever the objective.

Rules for --balance are named as in the proxy's configuration: round robin, least_conn, hash consistent, random two, ip_hash and so on. \
Two more exist for comparison only, because no proxy has them: join the shortest busy queue, power of two on busy requests.

Synthetic workloads for --synthetic, as words or in a TOML file; times like 5ms, 250us, 1.5s.
Arrivals, one of:
  poisson rate=R
  deterministic rate=R
  erlang shape=K rate=R
  batch rate=R size=N
  mmpp rates=R1,R2 leaves=L1,L2
Service times, one of:
  service=exp:MEAN
  service=det:TIME
  service=erlang:SHAPE:MEAN
  service=hyperexp:SCV:MEAN
  service=lognormal:SCV:MEAN
  service=pareto:ALPHA:MEAN
Servers:
  servers=N
  balance=central|round-robin|random|jsq|power-of-D
  discipline=fcfs|ps

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
        if arguments.output.anonymise.wanted() {
            return Err(UsageError("--anonymise: a synthetic workload has no names".to_owned()).into());
        }
        return synthetic::run(words, arguments.reading.seed, &arguments.output);
    }
    let (reading, output) = (&arguments.reading, &arguments.output);
    let read_config = ReadConfig::new(&arguments.logs, reading)?.observed(&arguments.observed)?.with_output(output)?;
    let config = SimulateConfig::new(arguments)?.anonymised(read_config.anonymise.as_ref())?;
    let progress = Arc::new(Progress::default());
    interrupt::watch(&progress);
    let name = output.run_name(&arguments.logs, "-simulation");
    let folder = RunFolder::start(output, &name)?;
    let data = reading::read(&read_config, &progress)?;
    let same = SameInput::new(&read_config, &arguments.logs, &output.out.join(&name).join("trace.parquet"));
    let mut report = simulate(arguments, &config, &same, &data, &progress)?;
    if report.sweep.recommended.is_some_and(|index| report.sweep.candidates[index].summary.workers > 0) {
        let plan = output.out.join(&name).join("plan.toml");
        report.analysis.facts.next.insert(0, next_steps::configure(&plan, output.anonymise.wanted()));
    }
    output.deliver(arguments.tables.choice(), folder, &report, report.is_partial(), |folder| {
        if let Some((candidate, _)) = report.sweep.shown() {
            folder.write("plan.toml", candidate.summary.plan.to_toml())?;
        }
        if data.from_trace { Ok(()) } else { data.write_trace(folder) }
    })?;
    Ok(if report.sweep.recommended.is_some() { Exit::Done } else { Exit::Missed })
}

fn simulate(
    arguments: &Simulate,
    config: &SimulateConfig,
    same: &SameInput,
    data: &LogData,
    progress: &Progress,
) -> anyhow::Result<SimulationReport> {
    let reading = &arguments.reading;
    let Some(trace) = &data.trace else { anyhow::bail!("no requests are left in the logs to simulate") };
    let presets = data.preset_config();
    let (window, window_note) = sweep::choose_window(config.window, &data.profile);
    let prepare = PrepareConfig {
        process_cpu: data.process_cpu.clone(),
        connections: advise::limits::ConnectionPool::new(&data.profile, arguments.connections).connections,
        machine: MachineConfig { cores: arguments.cores, observed: data.observed.as_ref().and_then(ObservedPlan::machine) },
        threads: reading.threads(),
        stop: StopFlag::from(Arc::clone(&progress.stop)),
        ..PrepareConfig::default()
    };
    let input = sweep::SweepInput { trace, endpoints: &data.endpoints, profile: &data.profile, prepare: &prepare, window };
    let (trials, discarded) = config.trials(&presets)?;
    let Replications { first, most } = arguments.replications;
    let replications = ReplicationConfig {
        first,
        most,
        warm_up: Span::from_seconds(sweep::warm_up_seconds(&data.profile, window)),
        threads: reading.threads(),
        as_logged: arguments.as_logged,
        growth_kind: arguments.growth.kind,
        variation: if arguments.no_resample { Variation::Redrawn } else { Variation::Resampled },
        ..ReplicationConfig::default()
    };
    let observed_p95_ms = data.profile.work_ms.map(|times| times.p95);
    let objective = config.objective.clone().unwrap_or_else(|| advise::Objective::with_response_times(observed_p95_ms));
    let reporter = ProgressReporter::new("{bar:30} simulating, {msg} {pos} of {len}, {elapsed}", arguments.output.quiet);
    reporter.update("back-test", 0, 1);
    let (backtest, backtest_note) = backtest_on_log(arguments, &input);
    let sweep_config = sweep::SweepConfig {
        objective: objective.clone(),
        machine: advise::MachineLimits { cores: arguments.cores, memory: arguments.memory },
        plans: presets.clone(),
        growth: arguments.growth.factor,
        seed: reading.seed,
        replications,
        model_error: backtest.as_ref().map_or(ModelError::PRIOR, ModelError::from_backtest),
        window_note,
    };
    let watch = SweepProgress { reporter, progress };
    let sweep = sweep::sweep(&input, trials, discarded, &sweep_config, &watch)?;
    drop(watch);
    let screen = advise::ScreenConfig {
        objective: objective.without_latencies(),
        connections: arguments.connections,
        plans: presets,
        ..advise::ScreenConfig::default()
    };
    let advice = advise::screen(&data.profile, &screen);
    let facts = data.summary.run_facts(next_steps::better_input("simulate", same, &data.profile).into_iter().collect());
    let analysis = AnalysisReport { facts, inputs: data.summary.tallies.clone(), profile: data.profile.clone(), advice };
    Ok(SimulationReport { analysis, sweep, backtest, backtest_note })
}

/// Tests the model on the simulated part of the log; if that was not possible or not wanted, says why.
fn backtest_on_log(arguments: &Simulate, input: &sweep::SweepInput<'_>) -> (Option<Backtest>, Option<String>) {
    if arguments.no_backtest {
        return (None, Some("left out by --no-backtest".to_owned()));
    }
    let profile = wsim_profile::Profile { window: input.window, ..input.profile.clone() };
    let settings = BacktestConfig { replications: BACKTEST_REPLICATIONS, seed: arguments.reading.seed, ..BacktestConfig::default() };
    match backtest(input.trace, input.endpoints, &profile, input.prepare, &settings) {
        Ok(test) => (Some(test), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// Shows how far a sweep is, and ends it early at Ctrl-C.
struct SweepProgress<'p> {
    reporter: ProgressReporter,
    progress: &'p Progress,
}

impl sweep::ProgressListener for SweepProgress<'_> {
    fn on_progress(&self, stage: &str, done: usize, total: usize) {
        self.reporter.update(stage, done, total);
    }

    fn is_cancelled(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }
}

const BACKTEST_REPLICATIONS: u32 = 5;
