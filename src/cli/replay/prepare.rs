//! From a trace to what a run plays.

use std::time::SystemTime;

use super::Replay;
use crate::matrix::{self, LaneKind, Manifest, Tier};
use crate::replay::{self, Lane, Reason, Row};
use crate::trace::{Request, Trace, flag};

/// Client and federation requests in arrival order, numbered by their place; and when the first came, µs since the epoch.
pub(in super::super) struct Played {
    pub(in super::super) requests: Vec<Request>,
    pub(in super::super) start_us: i64,
    pub(in super::super) window_us: u64,
}

impl Played {
    /// Requests between Synapse's own processes are left out: the target makes its own.
    pub(in super::super) fn of(trace: &Trace) -> Self {
        let requests: Vec<Request> = trace.requests().filter(|request| !request.has(flag::INTERNAL)).collect();
        let start_us = requests.first().map_or(0, |request| request.arrival_us);
        let end_us = requests.last().map_or(0, |request| request.arrival_us);
        Self { requests, start_us, window_us: u64::try_from(end_us - start_us).unwrap_or(0) }
    }

    /// The rows of a schedule.
    pub(in super::super) fn rows(&self, script: &matrix::Script, leave_out: &[bool]) -> Vec<Row> {
        replay::rows(&self.requests, self.start_us, &Content(script), leave_out)
    }
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
