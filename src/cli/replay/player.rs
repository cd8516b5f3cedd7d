//! From a prepared replay to its report: checks the target, primes the devices, runs the schedule, writes the folder.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;

use super::super::output::RunFolder;
use super::super::provision::in_runtime;
use super::super::reading::LogData;
use super::super::{Exit, UsageError, interrupt};
use super::config::ReplayConfig;
use super::target::PreparedTarget;
use super::{Replay, limit, live, prepare};
use wsim_folder::create_private;
use wsim_matrix::{Script, prime_devices};
use wsim_parquet::table_file::TableFile;
use wsim_profile::Window;
use wsim_replay::metrics::{MetricsRegistry, Source};
use wsim_replay::record::{LiveStats, Measurements, REQUEST_COLUMNS, RecordError, Recorder, VoidReason, VoidRules};
use wsim_replay::{
    self as replay, EngineConfig, FinishedRun, LiveCounters, ReplayedRequests, Run, Schedule, StopReason, StopSignal, TrafficConfig,
};
use wsim_report::RunFacts;
use wsim_report::replay::{LimitStep, LoadLimit, Predicted, ReplayReport, RunConditions};
use wsim_trace::Trace;
use wsim_trace::anonymise::Key;
use wsim_trace::ingest::Progress;
use wsim_trace::table::TableWriter;

/// Plays the schedule, once or several times.
pub(super) struct Player<'a> {
    pub(super) arguments: &'a Replay,
    pub(super) config: &'a ReplayConfig,
    pub(super) data: &'a LogData,
    pub(super) trace: &'a Trace,
    pub(super) replayed: &'a ReplayedRequests,
    /// For each endpoint class, whether it is left out.
    pub(super) left_out: &'a [bool],
    pub(super) target: &'a PreparedTarget<'a>,
    /// Sentences about the time that no log covers.
    pub(super) left_out_time: Option<String>,
    pub(super) interruption: Arc<Interruption>,
    /// What `--metrics` serves.
    pub(super) metrics: Option<&'a MetricsRegistry>,
}

/// One run of a player.
pub(super) struct PlayerRun {
    pub(super) finished: FinishedRun,
    pub(super) measurements: Measurements,
    /// Why the interval log or the requests are not complete.
    written: Result<(), RecordError>,
    /// Empty for a valid run.
    pub(super) void_reasons: Vec<String>,
    /// Whether the run is void because the generator was too slow.
    pub(super) is_generator_late: bool,
    predicted: Vec<Predicted>,
    server_name: Option<String>,
    began: SystemTime,
}

impl PlayerRun {
    /// Why the target ended the run early, if it did.
    pub(super) fn stopped_by_target(&self) -> Option<String> {
        self.finished.stopped.as_ref().filter(|reason| reason.is_of_target()).map(ToString::to_string)
    }

    /// Whether the run was ended early for another reason.
    pub(super) fn is_interrupted(&self) -> bool {
        self.finished.stopped.as_ref().is_some_and(|reason| !reason.is_of_target())
    }
}

/// What the user's signal ends: the run in progress and all later ones. A run that its target ended says nothing of the next.
#[derive(Debug, Default)]
pub(super) struct Interruption {
    asked: AtomicBool,
    current: Mutex<Arc<StopSignal>>,
}

impl Interruption {
    /// The signal of a new run.
    fn start_run(&self) -> Arc<StopSignal> {
        let stop = Arc::new(StopSignal::default());
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&stop);
        if self.asked.load(Ordering::SeqCst) {
            stop.set(StopReason::Interrupted);
        }
        stop
    }

    /// Ends the run in progress.
    fn interrupt(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.current.lock().unwrap_or_else(PoisonError::into_inner).set(StopReason::Interrupted);
    }
}

impl Player<'_> {
    /// Plays the schedule once with this load. With `files`, writes the interval log and every request there.
    pub(super) fn play(&self, load: f64, files: Option<RunFiles>) -> anyhow::Result<PlayerRun> {
        let traffic = TrafficConfig { load, ..self.config.traffic };
        let target = self.target.start(load)?;
        let mut script = prepare::script(self.arguments, &target.world, self.trace, self.replayed);
        let schedule = self.schedule(&script, &traffic)?;
        let stop = self.interruption.start_run();
        in_runtime(async {
            tokio::select! {
                primed = prime_devices(&mut script, &target.checked.connector, &schedule) => Ok(primed?),
                () = stopped(&stop) => anyhow::bail!("interrupted before the first request was sent"),
            }
        })?;
        let (begin, began) = self.begin()?;
        let stats = Arc::new(if self.metrics.is_some() { LiveStats::with_totals() } else { LiveStats::default() });
        let recorder = self.recorder(&stats, began, files);
        let live = Arc::new(LiveCounters::default());
        let scheduled = schedule.slots.len() as u64;
        if let Some(metrics) = self.metrics {
            let (live_stats, live, stop) = (Arc::clone(&stats), Arc::clone(&live), Arc::clone(&stop));
            metrics.show(Source { live_stats, live, stop, scheduled });
        }
        let reporter = live::show(&live, &stats, scheduled, self.arguments.output.quiet || self.arguments.output.json);
        let run = Run {
            schedule: Arc::new(schedule),
            traffic,
            script: Box::new(script),
            connector: target.checked.connector.with_user_agent(&self.config.user_agent)?,
            sink: recorder,
            config: EngineConfig { send_row_header: target.cluster.is_some(), ..self.config.engine },
            begin,
            stop,
            live,
        };
        let (finished, recorder) = replay::run(run)?;
        drop(reporter);
        let (measurements, written) = recorder.finish();
        let void = VoidRules::default().judge(&measurements, &finished);
        let void_reasons = void.iter().map(ToString::to_string).collect();
        let is_generator_late = void.iter().any(VoidReason::is_of_generator);
        let (predicted, server_name) = (target.predicted.clone(), target.checked.server_name.clone());
        Ok(PlayerRun { finished, measurements, written, void_reasons, is_generator_late, predicted, server_name, began })
    }

    fn schedule(&self, script: &Script, traffic: &TrafficConfig) -> anyhow::Result<Schedule> {
        let schedule = Schedule::from_rows(self.replayed.rows(script, self.left_out), self.replayed.window_us, traffic);
        if schedule.slots.is_empty() {
            anyhow::bail!("nothing is left to send: the window, --only, --skip or the shard leave no request");
        }
        if schedule.copies > script.copies() {
            let (load, copies) = (traffic.load, schedule.copies);
            anyhow::bail!("load {load} needs {copies} copies of the users; `wsim provision --copies {copies}` creates the missing ones");
        }
        Ok(schedule)
    }

    fn recorder(&self, stats: &Arc<LiveStats>, began: SystemTime, files: Option<RunFiles>) -> Recorder {
        let groups = self.data.endpoints.iter().map(|endpoint| endpoint.group.as_str());
        let mut recorder = Recorder::new(groups).with_live_stats(Arc::clone(stats)).with_cpu(self.replayed.cpu_us());
        if let Some(key) = self.key_of_target() {
            let key = key.clone();
            recorder = recorder.with_upstream_names(move |name| key.upstream(name));
        }
        match files {
            Some(RunFiles { interval_log, requests }) => recorder.with_interval_log(interval_log, began).with_requests(requests),
            None => recorder,
        }
    }

    /// The key of pseudonyms for what a server says of itself; `None` if names are kept. The built-in cluster has no names of its own.
    fn key_of_target(&self) -> Option<&Key> {
        self.data.anonymiser.as_ref().filter(|_| !self.target.is_emulated()).map(|anonymiser| &anonymiser.key)
    }

    /// The instant of the schedule's offset 0, by both clocks.
    fn begin(&self) -> anyhow::Result<(Instant, SystemTime)> {
        let now = (Instant::now(), SystemTime::now());
        let ahead = match self.config.start_at {
            None => LEAD,
            Some(at) => at.duration_since(now.1).map_err(|_| UsageError("--start-at has passed".to_owned()))?,
        };
        Ok((now.0 + ahead, now.1 + ahead))
    }

    fn report(&self, run: PlayerRun, load: f64, (steps, limit): (Vec<LimitStep>, Option<LoadLimit>)) -> ReplayReport {
        let (arguments, config, summary, replayed) = (self.arguments, self.config, &self.data.summary, self.replayed);
        let facts = summary.run_facts(Vec::new());
        let shown = |name: &str| self.key_of_target().map_or_else(|| name.to_owned(), |key| key.server(name));
        let began_us = run.began.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok());
        ReplayReport {
            left_out_time: self.left_out_time.clone(),
            facts: RunFacts { partial: facts.partial || run.finished.stopped.is_some(), ..facts },
            target: shown(&self.target.shown()),
            plan: self.target.plan(),
            remarks: self.target.remarks().iter().cloned().chain(fewer_connections(&run.finished)).collect(),
            server_name: run.server_name.as_deref().map(shown),
            window: Window { start_us: replayed.start_us, end_us: replayed.end_us() },
            speed: arguments.speed,
            load,
            shard: arguments.shard,
            allowed: arguments.tier(),
            took_seconds: run.finished.took.as_secs_f64(),
            stopped: run.stopped_by_target(),
            measured: run.measurements,
            void_reasons: run.void_reasons,
            expected: config.expected.clone(),
            conditions: RunConditions {
                began_us,
                only: arguments.only.clone(),
                skip: arguments.skip.clone(),
                ramp_seconds: arguments.ramp,
                http2: arguments.http2,
                connections_max: Some(arguments.max_connections as u64),
                logged_requests: Some(replayed.requests.len() as u64),
            },
            predicted: run.predicted,
            steps,
            limit,
        }
    }
}

/// That the machine allows fewer connections than were wanted.
fn fewer_connections(finished: &FinishedRun) -> Option<String> {
    let allowed = finished.connections_allowed?;
    Some(format!(
        "this machine allows {allowed} connections at once, fewer than --max-connections: raise its limit on open files (ulimit -n)"
    ))
}

/// Plays, and writes and prints the report.
pub(super) fn play(player: &Player<'_>, progress: &Arc<Progress>) -> anyhow::Result<Exit> {
    let (arguments, config) = (player.arguments, player.config);
    let output = &arguments.output;
    let mut folder = RunFolder::start(output, &output.run_name(&arguments.logs, "-replay"))?;
    let interruption = Arc::clone(&player.interruption);
    interrupt::on_stop(progress, move || interruption.interrupt());
    let (mut run, load, steps) = if config.is_search {
        limit::search(player, &config.expected)?
    } else {
        (player.play(config.traffic.load, folder.begin_files(RunFiles::create))?, config.traffic.load, (Vec::new(), None))
    };
    let written = std::mem::replace(&mut run.written, Ok(()));
    let report = player.report(run, load, steps);
    // A run cannot be repeated exactly, so its figures are printed even if the disk is full.
    output.deliver(arguments.tables.choice(), folder, &report, report.facts.partial, |_| Ok(written?))?;
    let is_found = report.limit.as_ref().is_none_or(|limit| limit.value.is_some());
    Ok(if report.is_void() || report.is_missed() || !is_found { Exit::Missed } else { Exit::Done })
}

/// Ends when the run is stopped.
async fn stopped(stop: &StopSignal) {
    while !stop.is_set() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Files that are written while a run goes on.
pub(super) struct RunFiles {
    interval_log: Box<dyn Write + Send>,
    requests: Box<dyn TableWriter>,
}

impl RunFiles {
    fn create(folder: &Path) -> anyhow::Result<Self> {
        let interval_log = Box::new(BufWriter::new(create_file(folder, "replay.hlog")?));
        let requests = Box::new(TableFile::new(create_file(folder, "requests.parquet")?, &REQUEST_COLUMNS)?);
        Ok(Self { interval_log, requests })
    }
}

fn create_file(folder: &Path, name: &str) -> anyhow::Result<File> {
    let path = folder.join(name);
    create_private(&path).with_context(|| format!("could not write {}", path.display()))
}

/// Between the last preparation and the first request.
const LEAD: Duration = Duration::from_millis(200);
