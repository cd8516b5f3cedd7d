//! From a trace to what a run plays.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::super::window::Window;
use super::Replay;
use wsim_matrix::provision::{self, Wishes};
use wsim_matrix::{self as matrix, LaneKind, Manifest, Survey, Tier};
use wsim_replay::{self as replay, Lane, Reason, Row, Schedule, Shape};
use wsim_report::replay::CpuShare;
use wsim_trace::{Request, Trace, flag};

/// Client and federation requests in arrival order, numbered by their place; and when the first came, µs since the epoch.
pub(super) struct Played {
    pub(super) requests: Vec<Request>,
    pub(super) start_us: i64,
    pub(super) window_us: u64,
}

impl Played {
    /// Requests between Synapse's own processes are left out: the target makes its own.
    pub(super) fn of(trace: &Trace, window: Window) -> Self {
        let requests: Vec<Request> = window.requests(trace).filter(|request| !request.has(flag::INTERNAL)).collect();
        let start_us = window.from_us.or_else(|| requests.first().map(|request| request.arrival_us)).unwrap_or(0);
        let end_us = window.to_us.or_else(|| requests.last().map(|request| request.arrival_us)).unwrap_or(0);
        Self { requests, start_us, window_us: u64::try_from(end_us - start_us).unwrap_or(0) }
    }

    /// How much of the logged CPU is known beforehand not to be replayed; `None` where none was logged.
    pub(super) fn cpu_share(&self, script: &matrix::Script, leave_out: &[bool]) -> Option<CpuShare> {
        let mut skipped: BTreeMap<&'static str, f64> = BTreeMap::new();
        let mut logged_seconds = 0.0;
        for (row, request) in self.rows(script, leave_out).iter().zip(&self.requests) {
            let seconds = f64::from(request.cpu_us) / 1e6;
            logged_seconds += seconds;
            if let Some(reason) = row.skip {
                *skipped.entry(reason.name()).or_default() += seconds;
            }
        }
        (logged_seconds > 0.0).then(|| CpuShare { logged_seconds, skipped_seconds: skipped.into_iter().collect() })
    }

    /// The rows of a schedule.
    pub(super) fn rows(&self, script: &matrix::Script, leave_out: &[bool]) -> Vec<Row> {
        replay::rows(&self.requests, self.start_us, &Content(script), leave_out)
    }
}

/// A world as it would be, were everything provisioned that the requests need: for a dry run without a target.
pub(super) fn imagined(trace: &Trace, played: &Played) -> Manifest {
    let survey = Survey::of(&trace.names, played.requests.iter().copied());
    let mut manifest = Manifest::new("http://dry-run.invalid", [0; 16]);
    provision::design(&mut manifest, &survey, &trace.names, &Wishes::default());
    manifest.imagined()
}

/// The script of these requests for a world.
pub(super) fn script(arguments: &Replay, world: &Manifest, trace: &Trace, played: &Played) -> matrix::Script {
    let allowed = match (arguments.allow_dangerous, arguments.allow_writes) {
        (true, _) => Tier::Dangerous,
        (false, true) => Tier::Write,
        (false, false) => Tier::Read,
    };
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Transaction ids begin with it, and a target answers one that it has seen from its cache.
    let run = format!("{:x}", since.as_micros());
    let settings = matrix::Settings { allowed, seed: arguments.reading.seed, run, ..matrix::Settings::default() };
    matrix::Script::new(world, &trace.names, played.requests.iter().copied(), settings)
}

/// The trace as `--load` and `--speed` make it: clones as users of their own (in the same rooms), arrivals as they will be. For the emulated
/// cluster, whose model and prediction then see exactly the requests that are sent.
pub(super) fn expanded(trace: &Trace, played: &Played, shape: &Shape) -> Trace {
    let rows = replay::rows(&played.requests, played.start_us, &Anything, &[]);
    let whole = Shape { ramp_seconds: 0.0, shard: None, ..*shape };
    let schedule = Schedule::lay_out(rows, played.window_us, &whole);
    let mut expanded = Trace::new();
    expanded.names = trace.names.clone();
    for slot in &schedule.slots {
        let original = played.requests[slot.row as usize];
        let offset_us = i64::try_from(slot.intended_ns / 1000).unwrap_or(i64::MAX);
        let user = if slot.copy == 0 || !original.user.is_some() {
            original.user
        } else {
            let name = format!("{}#{}", trace.names.text(original.user), slot.copy);
            expanded.names.intern(name.as_bytes())
        };
        expanded.push(Request { arrival_us: played.start_us + offset_us, user, ..original });
    }
    expanded.seal();
    expanded
}

/// Rows of which nothing is known.
struct Anything;

impl replay::Plan for Anything {
    fn lane(&self, _: u32) -> Option<Lane> {
        None
    }

    fn skip(&self, _: u32) -> Option<Reason> {
        None
    }
}

/// What the script says of rows before the run.
struct Content<'a>(&'a matrix::Script);

impl replay::Plan for Content<'_> {
    fn lane(&self, row: u32) -> Option<Lane> {
        let lane = self.0.lane(row);
        let sync = lane.kind == LaneKind::Sync;
        Some(Lane { number: 2 * lane.user + u32::from(sync), sync })
    }

    fn skip(&self, row: u32) -> Option<Reason> {
        self.0.decide(row).err().map(Reason::Content)
    }
}
