//! One Synapse process: an interpreter, a pool of database connections, and what is measured of them.

use super::super::random::{Purpose, stream};
use super::super::station::{Interpreter, Measuring, OccupancyOverTime, Pool};
use super::super::time::{Span, Time};
use super::super::topology::ProcessSpec;
use super::event::Event;
use wsim_stats::DurationRecorder;

#[derive(Debug)]
pub(super) struct Process {
    pub interpreter: Interpreter,
    pub connections: Pool<Ticket>,
    /// Requests at work: waiting or served anywhere, parked long polls left out.
    pub working: OccupancyOverTime,
    /// Slices of requests.
    pub slices: Visits,
    /// Transactions.
    pub transactions: Visits,
    /// Per request with transactions, the sum of waits for a connection.
    pub waits: DurationRecorder,
    /// Requests begun in the measured time.
    pub requests: u64,
}

/// Somebody who asks for a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub slot: u32,
    pub asked: Time,
    /// What happens when the transaction ends.
    pub then: Event,
}

/// Visits of a station and the time they took, waiting included.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Visits {
    pub count: u64,
    pub time: Span,
}

impl Visits {
    #[inline]
    pub(super) fn add(&mut self, time: Span) {
        self.count += 1;
        self.time += time;
    }
}

impl Process {
    pub(super) fn new(spec: &ProcessSpec, number: u64, seed: u64, measuring: Measuring) -> Self {
        Self {
            interpreter: Interpreter::new(spec.cpu, spec.background, stream(seed, Purpose::Background, number), measuring),
            connections: Pool::new(spec.connections, measuring),
            working: OccupancyOverTime::new(measuring),
            slices: Visits::default(),
            transactions: Visits::default(),
            waits: DurationRecorder::default(),
            requests: 0,
        }
    }

    pub(super) fn advance(&mut self, now: Time) {
        self.interpreter.advance(now);
        self.working.advance(now);
    }
}
