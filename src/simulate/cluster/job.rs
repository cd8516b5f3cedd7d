//! Requests under way, in slots that are used again.

use super::super::router::Sent;
use super::super::schedule::Visit;
use super::super::time::{Span, Time};

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub visit: Visit,
    pub pool: u16,
    pub process: u16,
    pub persister: u16,
    pub sent: Sent,
    /// When the proxy sent it.
    pub sent_at: Time,
    /// When it came, or its news did: latency counts from here.
    pub began: Time,
    /// When its process first looked at it: Synapse's own log counts from here.
    pub looked_at: Time,
    /// All its CPU.
    pub cpu: Span,
    /// CPU of every transaction, in a database thread.
    pub thread: Span,
    /// Time in transactions so far, summed as Synapse does.
    pub in_db: Span,
    /// CPU of every slice.
    pub slice: Span,
    /// CPU of the last one on top.
    pub last_slice: Span,
    /// Length of a transaction.
    pub transaction: Span,
    /// Time it will wait for something outside, once.
    pub delay: Span,
    /// Wait for connections so far.
    pub waited: Span,
    /// CPU of the slice that runs, as far as it casts a shadow.
    pub running: Span,
    pub transactions_left: u16,
    pub outstanding: u16,
    pub parallel: u16,
    pub slices: u16,
    pub had_transactions: bool,
    pub holds_lock: bool,
    /// Events of the batch it leads.
    pub batch: u32,
}

impl Job {
    pub(super) fn new(visit: Visit) -> Self {
        Self {
            visit,
            pool: 0,
            process: 0,
            persister: 0,
            sent: Sent::default(),
            sent_at: Time::ZERO,
            began: Time::ZERO,
            looked_at: Time::NEVER,
            cpu: Span::ZERO,
            thread: Span::ZERO,
            in_db: Span::ZERO,
            slice: Span::ZERO,
            last_slice: Span::ZERO,
            transaction: Span::ZERO,
            delay: Span::ZERO,
            waited: Span::ZERO,
            running: Span::ZERO,
            transactions_left: 0,
            outstanding: 0,
            parallel: 1,
            slices: 0,
            had_transactions: false,
            holds_lock: false,
            batch: 0,
        }
    }
}

/// The slots. A slot's number is the request's ticket everywhere.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    slots: Vec<Job>,
    free: Vec<u32>,
}

impl Jobs {
    /// A slot for a request; `None` if there are 2^24 under way.
    pub(super) fn open(&mut self, job: Job) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = job;
            return Some(slot);
        }
        let slot = u32::try_from(self.slots.len()).ok().filter(|&slot| slot <= SLOT_MAX)?;
        self.slots.push(job);
        Some(slot)
    }

    pub(super) fn close(&mut self, slot: u32) {
        self.free.push(slot);
    }

    pub(super) fn under_way(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl std::ops::Index<u32> for Jobs {
    type Output = Job;

    #[inline]
    fn index(&self, slot: u32) -> &Job {
        &self.slots[slot as usize]
    }
}

impl std::ops::IndexMut<u32> for Jobs {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut Job {
        &mut self.slots[slot as usize]
    }
}

/// Largest slot number: what the event's payload has bits for.
pub(super) const SLOT_MAX: u32 = (1 << SLOT_BITS) - 1;
/// Bits of a slot number; the payload's other four say what happens.
pub(super) const SLOT_BITS: u32 = 24;
