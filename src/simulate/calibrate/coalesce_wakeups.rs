//! Long polls that one event woke coalesce.
//!
//! A log gives a long poll's end and its own work, so its wake-up is estimated as end - work. When one event wakes many syncs (all members
//! of a room), they queue behind each other in their process, and the estimates then come out one after another, each just when the process
//! was free: the queue is hidden from the simulation. So wake-ups that fall while the process still has work left from the same burst are
//! moved to the start of the burst. Polls whose news is known are at its instant already, and stay there.
//!
//! With this and [parallel rooms](crate::workload) the p95 of syncs in `samples/cluster` is predicted 17 % too low instead of 42 %
//! (docs/accuracy.md).

use crate::synapse::record::{Record, mark};
use wsim_trace::NameId;

/// Moves wake-ups. `processes` served the records; `factor` is the CPU of a process per logged second.
pub(super) fn coalesce(records: &mut [Record], processes: &[NameId], factor: f64) {
    let mut wakeups: Vec<Wakeup> = records
        .iter()
        .zip(processes)
        .zip(0..)
        .filter(|((record, _), _)| record.has(mark::LONG_POLL))
        .map(|((record, process), index)| Wakeup { process: process.0, at_us: record.arrival_us() + u64::from(record.wait_us), index })
        .collect();
    wakeups.sort_unstable();
    let mut burst = WakeupBurst { process: u32::MAX, start_us: 0, work_us: 0.0 };
    for wakeup in wakeups {
        let record = &mut records[wakeup.index];
        if !burst.contains(&wakeup) {
            burst = WakeupBurst { process: wakeup.process, start_us: wakeup.at_us, work_us: 0.0 };
        } else if !record.has(mark::TIMED_OUT | mark::NEWS) {
            // A poll cannot have been woken before its arrival.
            let wait = burst.start_us.saturating_sub(record.arrival_us());
            record.wait_us = u32::try_from(wait).unwrap_or(u32::MAX).min(record.wait_us);
        }
        burst.work_us += f64::from(record.cpu_us) * factor;
    }
}

/// The estimated wake-up of a long poll; ordered by process and time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wakeup {
    process: u32,
    at_us: u64,
    index: usize,
}

/// Long polls that were woken coalesce, and their work so far.
struct WakeupBurst {
    process: u32,
    start_us: u64,
    work_us: f64,
}

impl WakeupBurst {
    fn contains(&self, wakeup: &Wakeup) -> bool {
        self.process == wakeup.process && (wakeup.at_us - self.start_us) as f64 <= self.work_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(arrival_ms: u64, wake_ms: u64) -> Record {
        let mut record = Record::at(arrival_ms * 1000);
        record.set(mark::LONG_POLL);
        record.wait_us = u32::try_from((wake_ms - arrival_ms) * 1000).unwrap();
        record.cpu_us = 10_000;
        record
    }

    fn wakeups_ms(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| (record.arrival_us() + u64::from(record.wait_us)) / 1000).collect()
    }

    #[test]
    fn polls_that_queued_behind_each_other_were_woken_together() {
        let mut records = vec![poll(10, 1000), poll(20, 1009), poll(1005, 1012), poll(40, 1019), poll(50, 1100)];
        let mut processes = vec![NameId(1); 5];
        coalesce(&mut records, &processes, 1.0);
        assert_eq!(wakeups_ms(&records), [1000, 1000, 1005, 1000, 1100], "one arrived after the wake-up, one is of another burst");
        // Neither another process nor a gap longer than the work.
        let mut records = vec![poll(10, 1000), poll(20, 1009), poll(30, 1011)];
        processes = vec![NameId(1), NameId(2), NameId(1)];
        coalesce(&mut records, &processes, 1.0);
        assert_eq!(wakeups_ms(&records), [1000, 1009, 1011]);
        coalesce(&mut records, &processes, 1.5);
        assert_eq!(wakeups_ms(&records), [1000, 1009, 1000]);
    }

    #[test]
    fn timeouts_are_not_moved() {
        let mut records = vec![poll(10, 1000), poll(20, 1009)];
        records[1].set(mark::TIMED_OUT);
        coalesce(&mut records, &[NameId(1), NameId(1)], 1.0);
        assert_eq!(wakeups_ms(&records), [1000, 1009]);
    }
}
