//! A request as the model needs it: 56 bytes, so that a million of them with their place in a schedule are 64 MB.

use wsim_trace::NameId;

/// One request. Its costs are kept together: CPU, transactions and bytes of one request belong to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Arrival in µs since the workload's beginning (48 bits), transactions at once (8 bits), [`mark`]s (8 bits).
    pub(super) stamp: u64,
    /// CPU, µs.
    pub cpu_us: u32,
    /// Sum of transaction times, µs.
    pub db_us: u32,
    /// Long polls: time from arrival to the news (or the timeout), µs. Others: time that does not depend on load, µs.
    pub wait_us: u32,
    /// Long polls that follow another of the same device: time from that one's end to this one's arrival, µs.
    pub think_us: u32,
    /// The long poll that follows this one; 0: none.
    pub next: u32,
    /// Bytes to the client.
    pub bytes: u32,
    /// User.
    pub user: NameId,
    /// Room.
    pub room: NameId,
    /// Origin server or address.
    pub peer: NameId,
    /// Path template.
    pub template: NameId,
    /// Number of transactions.
    pub transactions: u16,
    /// Events fetched.
    pub events: u16,
    /// Endpoint, for routing.
    pub endpoint: u16,
    /// Index into the workload's classes.
    pub class: u16,
}

/// Marks of a [`Record`].
pub mod mark {
    /// A long poll.
    pub const POLL: u8 = 1;
    /// A long poll that ended because its timeout did.
    pub const TIMED_OUT: u8 = 1 << 1;
    /// A long poll that another of the same device precedes.
    pub const FOLLOWS: u8 = 1 << 2;
    /// Its user had not been served by that process within half an hour: its costs are those of cold caches.
    pub const COLD: u8 = 1 << 3;
    /// The sub-second part of its arrival was drawn.
    pub const DRAWN: u8 = 1 << 4;
}

impl Record {
    /// A request that costs nothing, `arrival_us` after the workload's beginning (at most 2^48 - 1, 8.9 years).
    pub fn at(arrival_us: u64) -> Self {
        Self {
            stamp: arrival_us.min(ARRIVAL_MAX) << 16 | 1 << 8,
            cpu_us: 0,
            db_us: 0,
            wait_us: 0,
            think_us: 0,
            next: 0,
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

    /// Arrival, µs since the workload's beginning.
    pub fn arrival_us(&self) -> u64 {
        self.stamp >> 16
    }

    /// Transactions it runs at once, at least 1.
    pub fn parallel(&self) -> u16 {
        ((self.stamp >> 8) & 0xff).max(1).try_into().unwrap_or(1)
    }

    /// Sets the transactions it runs at once.
    pub fn set_parallel(&mut self, parallel: u8) {
        self.stamp = self.stamp & !0xff00 | u64::from(parallel.max(1)) << 8;
    }

    /// Whether it bears a [`mark`].
    #[inline]
    pub fn is(&self, mark: u8) -> bool {
        self.stamp & u64::from(mark) != 0
    }

    /// Sets a [`mark`].
    pub fn set(&mut self, mark: u8) {
        self.stamp |= u64::from(mark);
    }

    /// Who stands behind it, as far as known: the user, else the peer, else nobody but itself (`index`). 34 bits.
    pub fn actor(&self, index: u32) -> u64 {
        if self.user.is_some() {
            u64::from(self.user.0)
        } else if self.peer.is_some() {
            u64::from(self.peer.0) | 1 << 32
        } else {
            u64::from(index) | 1 << 33
        }
    }
}

const ARRIVAL_MAX: u64 = (1 << 48) - 1;

const _: () = assert!(size_of::<Record>() == 56);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_parallelism_and_marks_do_not_touch_each_other() {
        let mut record = Record::at(123_456_789_012);
        record.set(mark::POLL);
        record.set_parallel(200);
        record.set(mark::DRAWN);
        assert_eq!((record.arrival_us(), record.parallel()), (123_456_789_012, 200));
        assert!(record.is(mark::POLL) && record.is(mark::DRAWN) && !record.is(mark::COLD));
        assert_eq!(Record::at(u64::MAX).arrival_us(), ARRIVAL_MAX);
        assert_eq!(Record::at(0).parallel(), 1);
    }
}
