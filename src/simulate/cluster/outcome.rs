//! From the model's counters to a result.

use super::super::engine::Progress;
use super::super::result::{GroupResult, ProcessResult, RunResult, StationResult};
use super::super::station::Occupancy;
use super::Cluster;
use super::process::{Process, Visits};

impl Cluster<'_> {
    pub(super) fn into_result(self, progress: Progress) -> RunResult {
        let measuring = self.run.measuring;
        let end = progress.now.max(measuring.until);
        let unfinished = self.processes.iter().map(|process| u64::from(process.working.whole().present())).sum();
        debug_assert!(self.jobs.under_way() as u64 >= unfinished, "a request at work has a slot");
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
            begun: self.counts.begun,
            merged: self.counts.merged,
            refused: self.counts.refused,
            unfinished,
            cold: self.counts.cold,
            events_persisted: self.counts.events_persisted,
            batches: self.counts.batches,
            extrapolated_share: self.database.extrapolated_share(),
            seconds: measuring.span().seconds(),
            bin_seconds: measuring.bin.seconds(),
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
        waits: process.waits.finish(),
        working: process.working.whole().mean(),
        working_largest: process.working.whole().largest(),
        working_over_time: process.working.over_time(),
        cores_over_time: process.interpreter.busy().over_time(),
    }
}

fn station(present: &Occupancy, visits: Visits) -> StationResult {
    let visit_seconds = visits.time.seconds() / (visits.count.max(1)) as f64;
    StationResult { present: present.mean(), visits: visits.count, visit_seconds }
}
