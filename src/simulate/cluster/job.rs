//! Requests under way, in slots that are used again.
//!
//! A request before its work (parked, thinking, waiting in the proxy) is a [`Caller`], one at work a [`Job`]: thousands are parked and a few
//! work, which stay in the processor's first cache that way.

use prefetch_index::prefetch_index;

use super::super::router::Sent;
use super::super::schedule::Visit;
use super::super::time::{Span, Time};

/// A request before its work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub visit: Visit,
    pub pool: u16,
    pub process: u16,
    pub sent: Sent,
    /// When it came to the proxy.
    pub came: Time,
    /// When the proxy sent it.
    pub sent_at: Time,
}

impl Caller {
    pub(super) fn new(visit: Visit) -> Self {
        Self { visit, pool: 0, process: 0, sent: Sent::default(), came: Time::ZERO, sent_at: Time::ZERO }
    }
}

/// A request at work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    /// What it was before, and in which slot.
    pub caller: Caller,
    pub seat: u32,
    pub process: u16,
    pub persister: u16,
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
    /// CPU that no line shows: after a slice, after the last one, after a transaction's thread, after the answer.
    pub shadow: Span,
    pub last_shadow: Span,
    pub thread_shadow: Span,
    pub after: Span,
    /// After the slice that runs.
    pub running_shadow: Span,
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
    /// The request in slot `seat` begins to work.
    pub(super) fn new(caller: Caller, seat: u32, began: Time) -> Self {
        Self {
            caller,
            seat,
            process: caller.process,
            persister: 0,
            began,
            looked_at: Time::NEVER,
            cpu: Span::ZERO,
            thread: Span::ZERO,
            in_db: Span::ZERO,
            slice: Span::ZERO,
            last_slice: Span::ZERO,
            transaction: Span::ZERO,
            delay: Span::ZERO,
            waited: Span::ZERO,
            shadow: Span::ZERO,
            last_shadow: Span::ZERO,
            thread_shadow: Span::ZERO,
            after: Span::ZERO,
            running_shadow: Span::ZERO,
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
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<T>,
    /// The last one given back is used first: it is still in the cache.
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// A slot for a request; `None` if there are 2^24 under way.
    pub(super) fn open(&mut self, request: T) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = request;
            return Some(slot);
        }
        let slot = u32::try_from(self.slots.len()).ok().filter(|&slot| slot <= SLOT_MAX)?;
        self.slots.push(request);
        Some(slot)
    }

    pub(super) fn close(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Fetches a slot from memory.
    #[inline]
    pub(super) fn prefetch(&self, slot: u32) {
        prefetch_index(&self.slots, slot as usize);
    }

    pub(super) fn under_way(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl<T> std::ops::Index<u32> for Slots<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: u32) -> &T {
        &self.slots[slot as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Slots<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.slots[slot as usize]
    }
}

/// Largest slot number: what the event's payload has bits for.
pub(super) const SLOT_MAX: u32 = (1 << SLOT_BITS) - 1;
/// Bits of a slot number; the payload's other four say what happens.
pub(super) const SLOT_BITS: u32 = 24;
