//! The events of a run, packed into the payload of the event queue.

use super::request::{SLOT_BITS, SLOT_MAX};

/// Event kind (upper 4 bits of the payload). The lower 24 bits are the id of a pending request for the first two kinds,
/// the slot of an active request for the others, and a packed (process, count) for `EventsReplicated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Event {
    /// A device sends its next long poll.
    NextPoll,
    /// A long poll is woken, or times out.
    Wakeup,
    SliceDone,
    TransactionDone,
    /// A delay outside the deployment ends.
    DelayDone,
    /// A persister receives the RPC with an event.
    RpcReceived,
    /// The persister has handled the RPC.
    RpcHandled,
    /// The persister's CPU work for a batch is done.
    BatchPrepared,
    /// A batch is in the database.
    BatchWritten,
    /// The sender receives the RPC's response.
    RpcResponseReceived,
    /// The sender has handled the RPC's response.
    RpcResponseHandled,
    /// A database thread with a connection has the GIL.
    GilAcquired,
    /// The database has returned rows to a thread.
    RowsReceived,
    /// Written events reach the other processes.
    EventsReplicated,
}

impl Event {
    pub(super) fn pack(self, slot: u32) -> u32 {
        debug_assert!(slot <= SLOT_MAX);
        (self as u32) << SLOT_BITS | slot
    }

    /// The id of the pending request, if the event is about one.
    #[inline]
    pub(super) fn pending_id_of(payload: u32) -> Option<u32> {
        (payload >> SLOT_BITS <= Self::Wakeup as u32).then_some(payload & SLOT_MAX)
    }

    #[inline]
    pub(super) fn unpack(payload: u32) -> (Self, u32) {
        // A match over all numbers compiles to no lookup table, which would have to be loaded from memory.
        let event = match payload >> SLOT_BITS {
            0 => Self::NextPoll,
            1 => Self::Wakeup,
            2 => Self::SliceDone,
            3 => Self::TransactionDone,
            4 => Self::DelayDone,
            5 => Self::RpcReceived,
            6 => Self::RpcHandled,
            7 => Self::BatchPrepared,
            8 => Self::BatchWritten,
            9 => Self::RpcResponseReceived,
            10 => Self::RpcResponseHandled,
            11 => Self::GilAcquired,
            12 => Self::RowsReceived,
            _ => Self::EventsReplicated,
        };
        (event, payload & SLOT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_read_back() {
        for number in 0..=Event::EventsReplicated as u32 {
            let (event, slot) = Event::unpack(number << SLOT_BITS | SLOT_MAX);
            assert_eq!((event as u32, slot), (number, SLOT_MAX));
            assert_eq!(event.pack(slot), number << SLOT_BITS | SLOT_MAX);
        }
    }
}
