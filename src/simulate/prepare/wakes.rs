//! Long polls that were woken together.
//!
//! A log says of a long poll when it ended and what it used, so its news are taken to have come that long before its end. Time that it waited
//! for its process is not logged, and not in that. One event wakes the syncs of all who are in its room at once, and they queue
//! behind each other; taken one by one, their news seem to come one after the other, each just when the process was ready for it, and the queue
//! is gone from the simulation. So news that come while their process has work left of the same herd are moved to the herd's beginning.
//!
//! With this and rooms [side by side](super::super::workload) the p95 of syncs in `samples/cluster` comes out 17 % too low instead of 42 %
//! (docs/accuracy.md).

use super::super::record::{Record, mark};
use wsim_trace::NameId;

/// Moves the news. `processes`: who served each record. `factor`: CPU that a process needs for a logged second.
pub(super) fn together(records: &mut [Record], processes: &[NameId], factor: f64) {
    let mut polls: Vec<Woken> = records
        .iter()
        .zip(processes)
        .zip(0..)
        .filter(|((record, _), _)| record.is(mark::POLL))
        .map(|((record, process), index)| Woken { process: process.0, at_us: record.arrival_us() + u64::from(record.wait_us), index })
        .collect();
    polls.sort_unstable();
    let mut herd = Herd { process: u32::MAX, begins_us: 0, work_us: 0.0 };
    for poll in polls {
        let record = &mut records[poll.index];
        if !herd.still_works(&poll) {
            herd = Herd { process: poll.process, begins_us: poll.at_us, work_us: 0.0 };
        } else if !record.is(mark::TIMED_OUT) {
            // It cannot have been woken before it came.
            let wait = herd.begins_us.saturating_sub(record.arrival_us());
            record.wait_us = u32::try_from(wait).unwrap_or(u32::MAX).min(record.wait_us);
        }
        herd.work_us += f64::from(record.cpu_us) * factor;
    }
}

/// A long poll and when its news seem to have come, by process and time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Woken {
    process: u32,
    at_us: u64,
    index: usize,
}

/// Long polls that one process works at since the first of them was woken.
struct Herd {
    process: u32,
    begins_us: u64,
    work_us: f64,
}

impl Herd {
    fn still_works(&self, poll: &Woken) -> bool {
        self.process == poll.process && (poll.at_us - self.begins_us) as f64 <= self.work_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(arrival_ms: u64, news_ms: u64) -> Record {
        let mut record = Record::at(arrival_ms * 1000);
        record.set(mark::POLL);
        record.wait_us = u32::try_from((news_ms - arrival_ms) * 1000).unwrap();
        record.cpu_us = 10_000;
        record
    }

    fn news_ms(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| (record.arrival_us() + u64::from(record.wait_us)) / 1000).collect()
    }

    #[test]
    fn what_queued_behind_each_other_was_woken_at_once() {
        let mut records = vec![poll(10, 1000), poll(20, 1009), poll(1005, 1012), poll(40, 1019), poll(50, 1100)];
        let mut processes = vec![NameId(1); 5];
        together(&mut records, &processes, 1.0);
        assert_eq!(news_ms(&records), [1000, 1000, 1005, 1000, 1100], "one came later than the news, one was woken by others");
        // Neither another process nor more time than the work explains.
        let mut records = vec![poll(10, 1000), poll(20, 1009), poll(30, 1011)];
        processes = vec![NameId(1), NameId(2), NameId(1)];
        together(&mut records, &processes, 1.0);
        assert_eq!(news_ms(&records), [1000, 1009, 1011]);
        together(&mut records, &processes, 1.5);
        assert_eq!(news_ms(&records), [1000, 1009, 1000]);
    }

    #[test]
    fn a_timeout_is_when_it_is() {
        let mut records = vec![poll(10, 1000), poll(20, 1009)];
        records[1].set(mark::TIMED_OUT);
        together(&mut records, &[NameId(1), NameId(1)], 1.0);
        assert_eq!(news_ms(&records), [1000, 1009]);
    }
}
