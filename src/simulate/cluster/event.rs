//! What can happen to a request, packed into an event's payload.

use super::job::{SLOT_BITS, SLOT_MAX};

/// What happens; the rest of the payload is the request's slot unless said: that of a caller in the first two, of a job in
/// the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Event {
    /// A device comes back with its next long poll.
    ComesBack,
    /// The news that a parked long poll waits for, or its timeout.
    News,
    /// A slice ends.
    SliceEnds,
    /// A transaction ends.
    TransactionEnds,
    /// Something outside answers.
    DelayEnds,
    /// An event reaches its persister.
    HopArrives,
    /// The persister has taken it.
    HopTaken,
    /// The persister has done its part for a batch.
    BatchReady,
    /// A batch is written.
    BatchWritten,
    /// The persister's answer reaches the creator.
    AnswerArrives,
    /// The creator has taken it.
    AnswerTaken,
    /// A thread that has a connection gets the interpreter.
    ThreadStarts,
    /// The database has answered a thread.
    RowsCome,
    /// Written events reach the other processes; the number says whose and how many.
    Replicated,
}

impl Event {
    pub(super) fn pack(self, slot: u32) -> u32 {
        debug_assert!(slot <= SLOT_MAX);
        (self as u32) << SLOT_BITS | slot
    }

    /// The caller that the event is about, if it is about one.
    #[inline]
    pub(super) fn caller_of(payload: u32) -> Option<u32> {
        (payload >> SLOT_BITS <= Self::News as u32).then_some(payload & SLOT_MAX)
    }

    #[inline]
    pub(super) fn unpack(payload: u32) -> (Self, u32) {
        // A match on all numbers is no table to be fetched.
        let event = match payload >> SLOT_BITS {
            0 => Self::ComesBack,
            1 => Self::News,
            2 => Self::SliceEnds,
            3 => Self::TransactionEnds,
            4 => Self::DelayEnds,
            5 => Self::HopArrives,
            6 => Self::HopTaken,
            7 => Self::BatchReady,
            8 => Self::BatchWritten,
            9 => Self::AnswerArrives,
            10 => Self::AnswerTaken,
            11 => Self::ThreadStarts,
            12 => Self::RowsCome,
            _ => Self::Replicated,
        };
        (event, payload & SLOT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_read_back() {
        for number in 0..=Event::Replicated as u32 {
            let (event, slot) = Event::unpack(number << SLOT_BITS | SLOT_MAX);
            assert_eq!((event as u32, slot), (number, SLOT_MAX));
            assert_eq!(event.pack(slot), number << SLOT_BITS | SLOT_MAX);
        }
    }
}
