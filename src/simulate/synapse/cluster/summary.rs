//! The result of a run from the model's counters.

use super::Cluster;
use super::process::{Process, VisitStats};
use crate::engine::Progress;
use crate::station::Occupancy;
use crate::synapse::result::{GroupResult, ProcessResult, RunResult, StationResult};

impl Cluster<'_> {
    pub(super) fn into_result(self, progress: Progress) -> RunResult {
        let measurement = self.run.measurement;
        let end = progress.now.max(measurement.until);
        let unfinished = self.processes.iter().map(|process| u64::from(process.active.present())).sum();
        debug_assert!(self.active.in_use() as u64 >= unfinished, "a request at work has a slot");
        let processes = self.processes.into_iter().zip(&self.run.topology.processes).map(|(mut process, spec)| {
            process.advance(end);
            process_result(process, spec.cpu.capacity())
        });
        RunResult {
            processes: processes.collect(),
            groups: self
                .groups
                .into_iter()
                .map(|tally| GroupResult { work: tally.work.finish(), logged: tally.logged.finish(), waits: tally.waits.finish() })
                .collect(),
            started: self.counts.started,
            merged_polls: self.counts.merged_polls,
            rejected: self.counts.rejected,
            unfinished,
            cold: self.counts.cold,
            events_persisted: self.counts.events_persisted,
            batches: self.counts.batches,
            extrapolated_share: self.database.extrapolated_share(),
            seconds: measurement.span().seconds(),
            overrun_seconds: (end - measurement.until).seconds(),
            bin_seconds: measurement.bin.seconds(),
            queue_events: progress.events,
        }
    }
}

fn process_result(process: Process, capacity: f64) -> ProcessResult {
    let cores = process.interpreter.busy().utilisation();
    ProcessResult {
        cores,
        utilisation: cores / capacity,
        requests: process.requests,
        reactor: station(process.interpreter.present(), process.slices),
        connections: station(process.connections.present(), process.transactions),
        connections_busy: process.connections.serving().mean(),
        connections_all: process.connections.servers(),
        connections_over_time: process.connections.serving().over_time(),
        waits: process.waits.finish(),
        writing: process.writing.mean(),
        active: process.active.mean(),
        active_largest: process.active.largest(),
        active_over_time: process.active.over_time(),
        cores_over_time: process.interpreter.busy().over_time(),
    }
}

fn station(present: &Occupancy, visits: VisitStats) -> StationResult {
    let visit_seconds = visits.time.seconds() / (visits.count.max(1)) as f64;
    StationResult { present: present.mean(), visits: visits.count, visit_seconds }
}
