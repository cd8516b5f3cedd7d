//! What commands that simulate plans on a log share: its reading, and how to simulate.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;

use super::observed_arg::{ObservedArgs, ObservedPlan};
use super::progress::ProgressReporter;
use super::reading::{self, LogData, ReadArgs, ReadConfig};
use super::{UsageError, interrupt};
use wsim_advise::sweep::{self, ProgressListener, SweepConfig, SweepInput, WindowChoice};
use wsim_advise::{self as advise, MachineLimits, Objective};
use wsim_profile::{Profile, Window};
use wsim_simulate::prepare::PrepareConfig;
use wsim_simulate::replications::ReplicationConfig;
use wsim_simulate::time::Span;
use wsim_simulate::{MachineConfig, ModelError, StopFlag};
use wsim_trace::Trace;
use wsim_trace::ingest::Progress;

/// A log and how to simulate plans on it.
#[derive(Debug, Args)]
pub(super) struct OnLogArgs {
    /// Log files, folders, globs, `-` (stdin), compressed or not; or one trace.parquet
    #[arg(value_name = "LOG|TRACE", required = true)]
    pub(super) logs: Vec<String>,
    #[command(flatten)]
    pub(super) reading: ReadArgs,
    #[command(flatten)]
    observed: ObservedArgs,
    /// Target that a plan must meet (see `wsim simulate --help`)
    #[arg(long, value_name = "TEXT", help_heading = "Simulation")]
    objective: Option<String>,
    /// Replications of each plan
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1000), help_heading = "Simulation")]
    replications: u32,
    /// Database connections of each process (cp_max) [default: 5, or more where the log shows more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Simulation")]
    connections: Option<u32>,
    /// Cores shared by all processes and the database [default: not shared]
    #[arg(long, value_name = "N", value_parser = super::simulate::cores, help_heading = "Simulation")]
    cores: Option<f64>,
    /// Memory shared by all processes and the database: 8GB [default: unknown]
    #[arg(long, value_name = "SIZE", visible_alias = "machine-memory", value_parser = super::simulate::memory, help_heading = "Simulation")]
    pub(super) memory: Option<f64>,
}

/// A log that was read, and how to simulate it.
pub(super) struct OnLog {
    pub(super) data: LogData,
    pub(super) prepare: PrepareConfig,
    pub(super) config: SweepConfig,
    pub(super) watch: Watch,
    window: Window,
}

impl OnLogArgs {
    /// Reads the log.
    ///
    /// # Errors
    /// The command line makes no sense, the log cannot be read, or nothing in it can be simulated.
    pub(super) fn read(&self, is_silent: bool) -> anyhow::Result<OnLog> {
        let of_objective = |error| UsageError(format!("--objective: {error}"));
        let objective =
            self.objective.as_deref().map(|text| text.parse().and_then(Objective::for_plans)).transpose().map_err(of_objective)?;
        let config = ReadConfig::new(&self.logs, &self.reading)?.observed(&self.observed)?.quiet(is_silent);
        let progress = Arc::new(Progress::default());
        interrupt::watch(&progress);
        let data = reading::read(&config, &progress)?;
        if data.trace.is_none() {
            anyhow::bail!("no requests are left in the logs to simulate");
        }
        let (window, window_note) = sweep::choose_window(WindowChoice::Peak, &data.profile);
        let threads = self.reading.threads();
        let prepare = PrepareConfig {
            process_cpu: data.process_cpu.clone(),
            connections: advise::limits::ConnectionPool::new(&data.profile, self.connections).connections,
            machine: MachineConfig { cores: self.cores, observed: data.observed.as_ref().and_then(ObservedPlan::machine) },
            threads,
            stop: StopFlag::from(Arc::clone(&progress.stop)),
            ..PrepareConfig::default()
        };
        let replications = ReplicationConfig {
            first: self.replications,
            most: self.replications,
            warm_up: Span::from_seconds(sweep::warm_up_seconds(&data.profile, window)),
            threads,
            ..ReplicationConfig::default()
        };
        let p95 = data.profile.work_ms.map(|times| times.p95);
        let config = SweepConfig {
            objective: objective.unwrap_or_else(|| Objective::with_response_times(p95)),
            machine: MachineLimits { cores: self.cores, memory: self.memory },
            plans: data.preset_config(),
            growth: 1.0,
            seed: self.reading.seed,
            replications,
            model_error: ModelError::PRIOR,
            window_note,
        };
        let reporter = ProgressReporter::new("{bar:30} {msg} {pos} of {len}, {elapsed}", is_silent);
        Ok(OnLog { data, prepare, config, watch: Watch { reporter, progress }, window })
    }
}

impl OnLog {
    /// The requests.
    ///
    /// # Panics
    /// Never: reading fails without requests.
    #[expect(clippy::expect_used, reason = "reading fails without requests")]
    pub(super) fn trace(&self) -> &Trace {
        self.data.trace.as_ref().expect("reading fails without requests")
    }

    /// What a sweep is given.
    pub(super) fn input(&self) -> SweepInput<'_> {
        SweepInput {
            trace: self.trace(),
            endpoints: &self.data.endpoints,
            profile: &self.data.profile,
            prepare: &self.prepare,
            window: self.window,
        }
    }

    /// The profile of a changed trace.
    pub(super) fn profile_of(&self, trace: &Trace) -> Profile {
        let config = wsim_profile::ProfilerConfig::new(&*self.data.endpoints);
        let profiler = wsim_profile::profile_trace(trace, &config, self.prepare.threads);
        let inferred = profiler.logged_means();
        let inputs = wsim_profile::ProfileInputs {
            process_cpu: self.data.process_cpu.clone(),
            inferred,
            user_key: Some(self.data.summary.user_key.clone()),
            ..wsim_profile::ProfileInputs::default()
        };
        let mut profile = profiler.finish(&inputs);
        profile.deployment = self.data.profile.deployment.clone();
        profile
    }
}

/// Shows how far a simulation is, and ends it early at Ctrl-C.
pub(super) struct Watch {
    reporter: ProgressReporter,
    progress: Arc<Progress>,
}

impl ProgressListener for Watch {
    fn on_progress(&self, stage: &str, done: usize, total: usize) {
        self.reporter.update(stage, done, total);
    }

    fn is_cancelled(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }
}
