//! From a prepared replay to its report: checks the target, primes the devices, runs the schedule, writes the folder.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;

use super::super::progress::ProgressReporter;
use super::super::provision::in_runtime;
use super::super::reading::{LogData, ReadConfig};
use super::super::{Exit, UsageError, interrupt, output};
use super::config::{ReplayConfig, TargetChoice};
use super::emulated::{self, Emulated};
use super::{Replay, limit, prepare};
use wsim_emulate::EmulatedCluster;
use wsim_folder::{OutputFolder, create_private};
use wsim_matrix::{CheckedTarget, KnownServers, Manifest, Script, check_target, prime_devices, provision};
use wsim_parquet::table_file::TableFile;
use wsim_plan::Plan;
use wsim_profile::Window;
use wsim_replay::guard::Guard;
use wsim_replay::metrics::{MetricsRegistry, Source};
use wsim_replay::record::{LiveStats, Measurements, REQUEST_COLUMNS, Recorder, VoidRules};
use wsim_replay::{
    self as replay, EngineConfig, FinishedRun, LiveCounters, ReplayedRequests, Run, Schedule, StopReason, StopSignal, TrafficConfig,
};
use wsim_report::replay::{LimitStep, Predicted, ReplayReport};
use wsim_report::{RunFacts, write_report};
use wsim_trace::Trace;
use wsim_trace::anonymise::Key;
use wsim_trace::ingest::Progress;

/// A target that was checked and has a world.
pub(super) struct PreparedTarget {
    checked: CheckedTarget,
    world: Manifest,
    /// As the report names it.
    shown: String,
    /// The built-in cluster, while it runs. It gets the row of each request in a header.
    emulated: Option<EmulatedCluster>,
    /// The plan of the built-in cluster, and what it cannot do as written.
    plan: Option<Plan>,
    remarks: Vec<String>,
    predicted: Vec<Predicted>,
}

impl PreparedTarget {
    /// Checks the target and reads its world, or starts the built-in cluster.
    pub(super) fn new(
        arguments: &Replay,
        config: &ReplayConfig,
        read_config: &ReadConfig,
        data: &LogData,
        trace: &Trace,
        replayed: &ReplayedRequests,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let TargetChoice::Server(target) = &config.target else {
            let emulated = emulated::start(arguments, config, read_config, data, trace, replayed, progress)?;
            let Emulated { cluster, checked, world, plan, remarks, predicted } = emulated;
            let shown = format!("emulated: {}", plan.name);
            return Ok(Self { checked, world, shown, emulated: Some(cluster), plan: Some(plan.into_plan()), remarks, predicted });
        };
        let Some(path) = &arguments.world else {
            return Err(UsageError(format!(
                "--world is missing: `wsim provision LOG --target {target}` creates the accounts that a replay needs, and writes the file"
            ))
            .into());
        };
        let world = prepare::world_of(path, target)?;
        let shown = target.to_string();
        let guard = Guard::new(data.origin(), config.overrides.clone());
        let checked = in_runtime(async {
            let checked = check_target(target.clone(), config.transport.clone(), guard, &KnownServers::of_world(&world)).await?;
            let mut client = wsim_transport::Client::new(checked.connector.clone());
            if !provision::has_marker_room(&mut client, &world).await? {
                anyhow::bail!("{shown} does not have the marker room of {}: run wsim provision first", path.display());
            }
            Ok(checked)
        })?;
        Ok(Self { checked, world, shown, emulated: None, plan: None, remarks: Vec::new(), predicted: Vec::new() })
    }
}

/// Plays the schedule, once or several times.
pub(super) struct Player<'a> {
    pub(super) arguments: &'a Replay,
    pub(super) config: &'a ReplayConfig,
    pub(super) data: &'a LogData,
    pub(super) trace: &'a Trace,
    pub(super) replayed: &'a ReplayedRequests,
    /// For each endpoint class, whether it is left out.
    pub(super) left_out: &'a [bool],
    pub(super) target: &'a PreparedTarget,
    /// Sentences about the time that no log covers.
    pub(super) left_out_time: Option<String>,
    pub(super) stop: Arc<StopSignal>,
    /// What `--metrics` serves.
    pub(super) metrics: Option<&'a MetricsRegistry>,
}

/// One run of a player.
pub(super) struct PlayerRun {
    pub(super) finished: FinishedRun,
    pub(super) measurements: Measurements,
    /// Empty for a valid run.
    pub(super) void_reasons: Vec<String>,
}

impl Player<'_> {
    /// Plays the schedule once with this load. With a `folder`, writes the interval log and every request there.
    pub(super) fn play(&self, load: f64, folder: Option<&Path>) -> anyhow::Result<PlayerRun> {
        let traffic = TrafficConfig { load, ..self.config.traffic };
        let mut script = self.script();
        let schedule = self.schedule(&script, &traffic)?;
        in_runtime(async { Ok(prime_devices(&mut script, &self.target.checked.connector, &schedule).await?) })?;
        let (begin, began) = self.begin()?;
        let stats = Arc::new(if self.metrics.is_some() { LiveStats::with_totals() } else { LiveStats::default() });
        let recorder = self.recorder(&stats, began, folder)?;
        let live = Arc::new(LiveCounters::default());
        let scheduled = schedule.slots.len() as u64;
        if let Some(metrics) = self.metrics {
            let (live_stats, live, stop) = (Arc::clone(&stats), Arc::clone(&live), Arc::clone(&self.stop));
            metrics.show(Source { live_stats, live, stop, scheduled });
        }
        let reporter = show_progress(&live, &stats, scheduled, self.arguments.output.quiet || self.arguments.output.json);
        let run = Run {
            schedule: Arc::new(schedule),
            traffic,
            script: Box::new(script),
            connector: self.target.checked.connector.with_user_agent(&self.config.user_agent)?,
            sink: recorder,
            config: EngineConfig { send_row_header: self.target.emulated.is_some(), ..self.config.engine },
            begin,
            stop: Arc::clone(&self.stop),
            live,
        };
        let (finished, recorder) = replay::run(run)?;
        drop(reporter);
        let (measurements, written) = recorder.finish();
        let mut void_reasons: Vec<String> = VoidRules::default().judge(&measurements, &finished).iter().map(ToString::to_string).collect();
        if let Err(error) = written {
            void_reasons.push(error.to_string());
        }
        Ok(PlayerRun { finished, measurements, void_reasons })
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

    fn recorder(&self, stats: &Arc<LiveStats>, began: SystemTime, folder: Option<&Path>) -> anyhow::Result<Recorder> {
        let groups = self.data.endpoints.iter().map(|endpoint| endpoint.group.as_str());
        let mut recorder = Recorder::new(groups).with_live_stats(Arc::clone(stats));
        if let Some(key) = self.key_of_target() {
            let key = key.clone();
            recorder = recorder.with_upstream_names(move |name| key.upstream(name));
        }
        let Some(folder) = folder else { return Ok(recorder) };
        let table = TableFile::new(create(folder, "requests.parquet")?, &REQUEST_COLUMNS)?;
        Ok(recorder.with_interval_log(create(folder, "replay.hlog")?, began).with_requests(Box::new(table)))
    }

    /// The key of pseudonyms for what a server says of itself; `None` if names are kept. The built-in cluster has no names of its own.
    fn key_of_target(&self) -> Option<&Key> {
        self.data.anonymiser.as_ref().filter(|_| self.target.emulated.is_none()).map(|anonymiser| &anonymiser.key)
    }

    fn script(&self) -> Script {
        prepare::script(self.arguments, &self.target.world, self.trace, self.replayed)
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

    fn report(&self, run: PlayerRun, load: f64, steps: Vec<LimitStep>) -> ReplayReport {
        let (arguments, summary, replayed) = (self.arguments, &self.data.summary, self.replayed);
        let rows = replayed.rows(&self.script(), self.left_out);
        let facts = summary.run_facts(Vec::new());
        let shown = |name: &str| self.key_of_target().map_or_else(|| name.to_owned(), |key| key.server(name));
        ReplayReport {
            left_out_time: self.left_out_time.clone(),
            facts: RunFacts { partial: facts.partial || run.finished.stopped.is_some(), ..facts },
            target: shown(&self.target.shown),
            plan: self.target.plan.clone(),
            remarks: self.target.remarks.clone(),
            server_name: self.target.checked.server_name.as_deref().map(shown),
            window: Window { start_us: replayed.start_us, end_us: replayed.end_us() },
            speed: arguments.speed,
            load: if self.target.emulated.is_some() && steps.is_empty() { arguments.load } else { load },
            shard: arguments.shard,
            allowed: arguments.tier(),
            took_seconds: run.finished.took.as_secs_f64(),
            measured: run.measurements,
            void_reasons: run.void_reasons,
            cpu: replayed.cpu_share(&rows),
            predicted: self.target.predicted.clone(),
            steps,
        }
    }
}

/// Plays, and writes and prints the report.
pub(super) fn play(player: &Player<'_>, progress: &Arc<Progress>) -> anyhow::Result<Exit> {
    let (arguments, config) = (player.arguments, player.config);
    let output = &arguments.output;
    let folder = output::start_folder(output, &output.run_name(&arguments.logs, "-replay"))?;
    let stop = Arc::clone(&player.stop);
    interrupt::on_stop(progress, move || {
        stop.set(StopReason::Interrupted);
    });
    let (run, load, steps) = match &config.find_limit {
        None => (player.play(config.traffic.load, Some(folder.path()))?, config.traffic.load, Vec::new()),
        Some(objective) => limit::search(player, objective)?,
    };
    let report = player.report(run, load, steps);
    let written = write(folder, &report);
    // A run cannot be repeated exactly, so its figures are printed even if the disk is full.
    output.show(&report, written.as_deref().ok())?;
    written.context("the figures of this run are above; its files are not complete")?;
    let missed = config.find_limit.is_some() && report.limit().is_none();
    Ok(if report.is_void() || missed { Exit::Missed } else { Exit::Done })
}

/// Shows counts and the figures of the last seconds during a run.
fn show_progress(live: &Arc<LiveCounters>, stats: &Arc<LiveStats>, scheduled: u64, quiet: bool) -> ProgressReporter {
    let (live, stats) = (Arc::clone(live), Arc::clone(stats));
    ProgressReporter::polled("{bar:30} {pos} of {len} due, {msg}, {elapsed}", Some(scheduled), quiet, move || {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (in_flight, waiting, ended) = (count(&live.in_flight), count(&live.waiting), count(&live.ended));
        let (failed, skipped) = (count(&live.failed), count(&live.skipped));
        let counts = format!("{in_flight} in flight, {waiting} waiting, {ended} ended, {failed} failed, {skipped} not sent");
        (count(&live.due), counts + &last_window(&stats))
    })
}

/// The figures of the last seconds; empty until there are any.
fn last_window(stats: &LiveStats) -> String {
    let Some(window) = stats.last_window() else { return String::new() };
    let ms = |ns: u64| wsim_text::milliseconds(ns as f64 / 1e6);
    let work = window.work_p95_ns.map_or_else(String::new, |ns| format!(", work p95 {}", ms(ns)));
    format!(", late p99 {}{work}", ms(window.lateness_p99_ns))
}

fn create(folder: &Path, name: &str) -> anyhow::Result<Box<dyn Write + Send>> {
    let path = folder.join(name);
    let file = create_private(&path).with_context(|| format!("could not write {}", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn write(folder: OutputFolder, report: &ReplayReport) -> anyhow::Result<PathBuf> {
    write_report(&folder, report)?;
    output::finish_folder(folder, report.facts.partial)
}

/// Between the last preparation and the first request.
const LEAD: Duration = Duration::from_millis(200);
