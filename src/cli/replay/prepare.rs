//! From a trace to what a run plays.

use std::collections::BTreeSet;

use crate::endpoints::Endpoint;
use crate::matrix::{self, LaneKind, Manifest, Skip};
use crate::replay::{self, Lane, Position, Reason, Row, Script};
use crate::trace::{Names, Request, Trace, flag};
use crate::transport::{Answer, Outgoing};

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
