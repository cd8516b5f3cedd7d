//! From a prepared replay to its report: the world is primed, the schedule run, the folder written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;

use super::super::output;
use super::super::reading::{Config, Read, told};
use super::super::{Exit, UsageError, interrupt};
use super::aim::{self, Aimed};
use super::choices::{Aim, Choices};
use super::emulated::{self, Emulated};
use super::prepare::{self, Played};
use super::watching::Watching;
use super::{Replay, limit, priming};
use wsim_emulate::Cluster;
use wsim_matrix::{self as matrix, Manifest, Script, domains};
use wsim_parquet::table_file::TableFile;
use wsim_profile::Window;
use wsim_replay::metrics::{Board, Source};
use wsim_replay::record::{Glimpse, Measured, REQUEST_COLUMNS, Recorder, VoidRules};
use wsim_replay::{self as replay, Finished, Live, Run, Schedule, Shape, Stop};
use wsim_report::RunFolder;
use wsim_report::replay::{LimitStep, Predicted, ReplayReport};
use wsim_trace::Trace;
use wsim_trace::ingest::Progress;

/// Where the requests go, looked at and prepared.
pub(super) struct Goal {
    aimed: Aimed,
    world: Manifest,
    /// In the report.
    shown: String,
    /// The built-in cluster, while it runs; it is told which row a request is of.
    emulated: Option<Cluster>,
    predicted: Vec<Predicted>,
}

impl Goal {
    pub(super) fn world(&self) -> &Manifest {
        &self.world
    }
}

/// Looks at the target and reads its world.
pub(super) fn target(
    arguments: &Replay,
    choices: &Choices,
    config: &Config,
    read: &Read,
    trace: &Trace,
    played: &Played,
) -> anyhow::Result<Goal> {
    let Aim::Server(target) = &choices.aim else {
        let Emulated { cluster, aimed, world, plan, predicted } = emulated::start(arguments, choices, config, read, trace, played)?;
        return Ok(Goal { aimed, world, shown: format!("emulated: {}", plan.name), emulated: Some(cluster), predicted });
    };
    let Some(path) = &arguments.world else {
        let why =
            format!("--world is missing: `wsim provision LOG --target {target}` makes the accounts that a replay needs, and the file");
        return Err(UsageError(why).into());
    };
    let world = Manifest::load(path)?;
    let shown = target.to_string();
    if world.target != shown {
        anyhow::bail!("{} is the world of {}, not of {shown}", path.display(), world.target);
    }
    let aimed = priming::in_runtime(async {
        let aimed = aim::aim(target.clone(), choices.transport.clone(), domains(trace), &choices.allowed).await?;
        let mut client = wsim_transport::Client::new(aimed.connector.clone());
        if !matrix::provision::consents(&mut client, &world).await? {
            anyhow::bail!("{shown} does not have the marker room of {}: provision it first", path.display());
        }
        Ok(aimed)
    })?;
    Ok(Goal { aimed, world, shown, emulated: None, predicted: Vec::new() })
}

/// Everything that a run is made of, and what it gives.
pub(super) struct Player<'a> {
    pub(super) arguments: &'a Replay,
    pub(super) choices: &'a Choices,
    pub(super) read: &'a Read,
    pub(super) trace: &'a Trace,
    pub(super) played: &'a Played,
    pub(super) leave_out: &'a [bool],
    pub(super) goal: &'a Goal,
    pub(super) stop: Arc<Stop>,
    /// Where `--metrics` looks.
    pub(super) board: Option<&'a Board>,
}

/// One run.
pub(super) struct Outcome {
    pub(super) finished: Finished,
    pub(super) measured: Measured,
    pub(super) void: Vec<String>,
}

impl Player<'_> {
    /// Plays the schedule once with this load; every request and an interval log go to files in `folder`.
    pub(super) fn play(&self, load: f64, folder: Option<&Path>) -> anyhow::Result<Outcome> {
        let shape = Shape { load, ..self.choices.shape };
        let mut script = self.script();
        let rows = self.played.rows(&script, self.leave_out);
        let schedule = Schedule::lay_out(rows, self.played.window_us, &shape);
        if schedule.slots.is_empty() {
            anyhow::bail!("nothing is left to send: the window, --only, --skip or the shard leave no request");
        }
        if schedule.copies > script.copies() {
            let needed = schedule.copies;
            anyhow::bail!(
                "load {load} needs {needed} copies of the users; `wsim provision --copies {needed}` makes those that are missing"
            );
        }
        priming::prime(&mut script, &self.goal.aimed.connector, &schedule)?;
        let groups = self.read.endpoints.iter().map(|endpoint| endpoint.group.as_str());
        let (begin, began) = self.begin()?;
        let glimpse = Arc::new(if self.board.is_some() { Glimpse::detailed() } else { Glimpse::default() });
        let mut recorder = Recorder::new(groups).with_glimpse(Arc::clone(&glimpse));
        if let Some(folder) = folder {
            recorder = recorder.with_hlog(create(folder, "replay.hlog")?, began);
            let table = TableFile::new(create(folder, "requests.parquet")?, &REQUEST_COLUMNS)?;
            recorder = recorder.with_requests(Box::new(table));
        }
        let live = Arc::new(Live::default());
        let total = schedule.slots.len();
        if let Some(board) = self.board {
            let (glimpse, live, stop) = (Arc::clone(&glimpse), Arc::clone(&live), Arc::clone(&self.stop));
            board.show(Source { glimpse, live, stop, scheduled: total as u64 });
        }
        let watching = Watching::start(Arc::clone(&live), glimpse, total, self.arguments.output.quiet || self.arguments.output.json)?;
        let run = Run {
            schedule: Arc::new(schedule),
            shape,
            script: Box::new(script),
            connector: self.goal.aimed.connector.with_user_agent(&self.choices.user_agent)?,
            sink: recorder,
            settings: replay::Settings { tell_rows: self.goal.emulated.is_some(), ..self.choices.settings },
            begin,
            stop: Arc::clone(&self.stop),
            live,
        };
        let (finished, recorder) = replay::run(run)?;
        drop(watching);
        let (measured, written) = recorder.finish();
        let mut void: Vec<String> = VoidRules::default().judge(&measured, &finished).iter().map(ToString::to_string).collect();
        if let Err(error) = written {
            void.push(error.to_string());
        }
        Ok(Outcome { finished, measured, void })
    }

    fn script(&self) -> Script {
        prepare::script(self.arguments, &self.goal.world, self.trace, self.played)
    }

    /// When offset 0 of the schedule is, by both clocks.
    fn begin(&self) -> anyhow::Result<(Instant, SystemTime)> {
        let now = (Instant::now(), SystemTime::now());
        let ahead = match self.choices.start_at {
            None => LEAD,
            Some(at) => at.duration_since(now.1).map_err(|_| UsageError("--start-at is over".to_owned()))?,
        };
        Ok((now.0 + ahead, now.1 + ahead))
    }
}

/// Runs, reports.
pub(super) fn play(player: &Player<'_>, progress: &Arc<Progress>) -> anyhow::Result<Exit> {
    let (arguments, choices) = (player.arguments, player.choices);
    let output = &arguments.output;
    let name = output.name.clone().unwrap_or_else(|| output::free_name(&output.out, &arguments.logs, "-replay", output.force));
    let folder = RunFolder::create(&output.out, &name, output.force)?;
    interrupt::unfinished(Some(folder.path().to_owned()));
    super::watching::stop_when_interrupted(progress, &player.stop);
    let (outcome, load, steps) = match &choices.find_limit {
        None => (player.play(choices.shape.load, Some(folder.path()))?, choices.shape.load, Vec::new()),
        Some(objective) => limit::find(player, objective)?,
    };
    let report = report(player, outcome, load, steps);
    let place = write(folder, &report);
    interrupt::unfinished(None);
    // A run cannot be had again: what was measured is shown even if the disk has no room for it.
    output::show(player.arguments.output.print(), &report, place.as_deref().ok())?;
    place.context("the figures of this run are above; its files are not complete")?;
    let missed = choices.find_limit.is_some() && report.limit().is_none();
    Ok(if report.is_void() || missed { Exit::Missed } else { Exit::Done })
}

fn create(folder: &Path, name: &str) -> anyhow::Result<Box<dyn Write + Send>> {
    let path = folder.join(name);
    let file = File::create(&path).with_context(|| format!("could not write {}", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn report(player: &Player<'_>, outcome: Outcome, load: f64, steps: Vec<LimitStep>) -> ReplayReport {
    let (arguments, read, played) = (player.arguments, player.read, player.played);
    let end_us = played.start_us + i64::try_from(played.window_us).unwrap_or(0);
    ReplayReport {
        facts: told::facts(&read.told, Vec::new()),
        inputs: told::inputs(&read.told),
        malformed: told::malformed(&read.told),
        target: player.goal.shown.clone(),
        server_name: player.goal.aimed.server_name.clone(),
        window: Window { start_us: played.start_us, end_us },
        speed: arguments.speed,
        load: if player.goal.emulated.is_some() && steps.is_empty() { arguments.load } else { load },
        shard: arguments.shard,
        allowed: match (arguments.allow_dangerous, arguments.allow_writes) {
            (true, _) => "dangerous",
            (false, true) => "writes",
            (false, false) => "reads",
        },
        took_seconds: outcome.finished.took.as_secs_f64(),
        measured: outcome.measured,
        void_reasons: outcome.void,
        cpu: played.cpu_share(&player.script(), player.leave_out),
        predicted: player.goal.predicted.clone(),
        steps,
    }
}

fn write(folder: RunFolder, report: &ReplayReport) -> anyhow::Result<PathBuf> {
    folder.write_report(report)?;
    Ok(folder.finish()?)
}

/// Between the last preparation and the first request.
const LEAD: Duration = Duration::from_millis(200);
