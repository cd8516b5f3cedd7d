//! One Synapse process: an interpreter, a pool of database connections, and their measurements.

use super::event::Event;
use crate::engine::random::{Purpose, stream};
use crate::engine::time::{Span, Time};
use crate::station::{Interpreter, MeasurementWindow, MergingServer, Occupancy, OccupancyOverTime, Pool};
use crate::synapse::topology::ProcessSpec;
use wsim_stats::DurationRecorder;

#[derive(Debug)]
pub(super) struct Process {
    pub interpreter: Interpreter,
    pub connections: Pool<ConnectionRequest>,
    /// Writes events, if the process is a persister.
    pub persister: MergingServer,
    /// Whether the persister writes.
    pub writing: Occupancy,
    /// Active requests: waiting or in service anywhere; long polls only after their wake-up.
    pub active: OccupancyOverTime,
    pub slices: VisitStats,
    pub transactions: VisitStats,
    /// The sum of waits for connections of each request with transactions.
    pub waits: DurationRecorder,
    /// Requests that started in the measured time.
    pub requests: u64,
}

/// A transaction that needs a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionRequest {
    pub slot: u32,
    pub requested: Time,
    /// The event at the transaction's end.
    pub then: Event,
}

/// Number of visits to a station and their total time, waiting included.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct VisitStats {
    pub count: u64,
    pub time: Span,
}

impl VisitStats {
    #[inline]
    pub(super) fn add(&mut self, time: Span) {
        self.count += 1;
        self.time += time;
    }
}

impl Process {
    pub(super) fn new(spec: &ProcessSpec, number: u64, seed: u64, measurement: MeasurementWindow) -> Self {
        Self {
            interpreter: Interpreter::new(spec.cpu, spec.background, stream(seed, Purpose::Background, number), measurement),
            connections: Pool::new(spec.connections, measurement),
            persister: MergingServer::default(),
            writing: Occupancy::new(measurement),
            active: OccupancyOverTime::new(measurement),
            slices: VisitStats::default(),
            transactions: VisitStats::default(),
            waits: DurationRecorder::default(),
            requests: 0,
        }
    }

    pub(super) fn advance(&mut self, now: Time) {
        self.interpreter.advance(now);
        self.active.advance(now);
        self.connections.advance(now);
    }
}
