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

    #[inline]
    pub(super) fn unpack(payload: u32) -> (Self, u32) {
        (ALL[((payload >> SLOT_BITS) & 15) as usize], payload & SLOT_MAX)
    }
}

/// By number; numbers never given out stand for the last.
const ALL: [Event; 16] = [
    Event::ComesBack,
    Event::News,
    Event::SliceEnds,
    Event::TransactionEnds,
    Event::DelayEnds,
    Event::HopArrives,
    Event::HopTaken,
    Event::BatchReady,
    Event::BatchWritten,
    Event::AnswerArrives,
    Event::AnswerTaken,
    Event::ThreadStarts,
    Event::RowsCome,
    Event::Replicated,
    Event::Replicated,
    Event::Replicated,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_read_back() {
        for (number, event) in ALL.iter().enumerate().take(14) {
            assert_eq!(*event as usize, number);
            assert_eq!(Event::unpack(event.pack(SLOT_MAX)), (*event, SLOT_MAX));
        }
    }
}
