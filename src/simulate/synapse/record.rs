//! A request as the model needs it: 64 bytes, so that a million records and their entries in a schedule take 72 MB.

use wsim_trace::{NameId, population};

/// One request. Its costs stay together: CPU, transactions and bytes of one request depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Arrival in µs since the workload's start (48 bits), parallel transactions (8 bits), [`mark`]s (8 bits).
    pub(super) stamp: u64,
    pub cpu_us: u32,
    /// Sum of transaction times, µs.
    pub db_us: u32,
    /// Long polls: time from arrival to wake-up or timeout, µs. Other requests: delay that does not depend on load, µs.
    pub wait_us: u32,
    /// Long polls that follow another of the same device: time from that poll's end to this one's arrival, µs.
    pub think_us: u32,
    /// Index of the long poll that follows this one; 0: none.
    pub next: u32,
    /// Long polls: 1 + index of the request whose news wakes this one; 0: not known.
    pub cause: u32,
    /// Bytes sent to the client.
    pub bytes: u32,
    pub user: NameId,
    pub room: NameId,
    /// Origin server, or client address.
    pub peer: NameId,
    pub template: NameId,
    pub transactions: u16,
    /// Events fetched from the database.
    pub events: u16,
    pub endpoint: u16,
    /// Index into the workload's classes.
    pub class: u16,
}

/// Marks of a [`Record`].
pub mod mark {
    /// A long poll.
    pub const LONG_POLL: u8 = 1;
    /// A long poll that ended by its timeout.
    pub const TIMED_OUT: u8 = 1 << 1;
    /// A long poll that follows another of the same device.
    pub const FOLLOWS_POLL: u8 = 1 << 2;
    /// The process had not served a request of the class to the user within half an hour: the costs are those of cold caches.
    pub const COLD: u8 = 1 << 3;
    /// The sub-second part of the arrival was drawn at random when the log was read.
    pub const DRAWN_ARRIVAL: u8 = 1 << 4;
    /// A request from another process of Synapse: load, and no response time of a client.
    pub const INTERNAL: u8 = 1 << 5;
    /// The request makes news that wakes long polls; or it is a long poll of which the instant of its news is known.
    pub const NEWS: u8 = 1 << 7;
}

impl Record {
    /// A request without costs, `arrival_us` after the workload's start (at most 2^48 - 1, 8.9 years).
    pub fn at(arrival_us: u64) -> Self {
        Self {
            stamp: arrival_us.min(ARRIVAL_MAX) << 16 | 1 << 8,
            cpu_us: 0,
            db_us: 0,
            wait_us: 0,
            think_us: 0,
            next: 0,
            cause: 0,
            bytes: 0,
            user: NameId::NONE,
            room: NameId::NONE,
            peer: NameId::NONE,
            template: NameId::NONE,
            transactions: 0,
            events: 0,
            endpoint: 0,
            class: 0,
        }
    }

    /// Arrival, µs since the workload's start.
    pub fn arrival_us(&self) -> u64 {
        self.stamp >> 16
    }

    /// Transactions that the request runs in parallel, at least 1.
    pub fn parallel(&self) -> u16 {
        ((self.stamp >> 8) & 0xff).max(1).try_into().unwrap_or(1)
    }

    pub fn set_parallel(&mut self, parallel: u8) {
        self.stamp = self.stamp & !0xff00 | u64::from(parallel.max(1)) << 8;
    }

    #[inline]
    pub fn has(&self, mark: u8) -> bool {
        self.stamp & u64::from(mark) != 0
    }

    pub fn set(&mut self, mark: u8) {
        self.stamp |= u64::from(mark);
    }

    pub fn clear(&mut self, mark: u8) {
        self.stamp &= !u64::from(mark);
    }

    /// Index of the request whose news wakes the long poll.
    #[inline]
    pub fn cause_index(&self) -> Option<u32> {
        self.cause.checked_sub(1)
    }

    /// The actor behind the request: its user, else its peer, else the record itself (`index`). 34 bits.
    pub fn actor(&self, index: u32) -> u64 {
        population::actor(self.user, self.peer, index)
    }
}

const ARRIVAL_MAX: u64 = (1 << 48) - 1;

const _: () = assert!(size_of::<Record>() == 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_parallelism_and_marks_do_not_touch_each_other() {
        let mut record = Record::at(123_456_789_012);
        record.set(mark::LONG_POLL);
        record.set_parallel(200);
        record.set(mark::DRAWN_ARRIVAL);
        assert_eq!((record.arrival_us(), record.parallel()), (123_456_789_012, 200));
        assert!(record.has(mark::LONG_POLL) && record.has(mark::DRAWN_ARRIVAL) && !record.has(mark::COLD));
        assert_eq!(Record::at(u64::MAX).arrival_us(), ARRIVAL_MAX);
        assert_eq!(Record::at(0).parallel(), 1);
    }
}
