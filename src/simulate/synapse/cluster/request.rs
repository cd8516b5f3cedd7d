//! Requests under way, in reusable slots.
//!
//! A request before its work (a long poll that waits, a device's think time, a queue in the proxy) is a
//! [`PendingRequest`], a request at work an [`ActiveRequest`]. Thousands are pending and few are active, so the active
//! ones stay in the processor's first-level cache.

use prefetch_index::prefetch_index;

use crate::engine::time::{Span, Time};
use crate::synapse::schedule::Occurrence;
use wsim_balance::ServerSlot;

/// A request before its work.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingRequest {
    pub occurrence: Occurrence,
    pub pool: u16,
    pub process: u16,
    pub server: ServerSlot,
    /// The request is a long poll that waits for news of this run.
    pub is_parked: bool,
    /// When the request arrived at the proxy.
    pub arrived: Time,
    /// When the proxy dispatched the request.
    pub dispatched_at: Time,
}

impl PendingRequest {
    pub(super) fn new(occurrence: Occurrence) -> Self {
        Self {
            occurrence,
            pool: 0,
            process: 0,
            server: ServerSlot::new(0, 0),
            is_parked: false,
            arrived: Time::ZERO,
            dispatched_at: Time::ZERO,
        }
    }
}

/// A request at work.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActiveRequest {
    /// The request before its work, and its id in a live run.
    pub pending: PendingRequest,
    pub pending_id: u32,
    pub process: u16,
    pub persister: u16,
    /// Arrival, or wake-up of a long poll: the start of the request's latency.
    pub latency_from: Time,
    /// When the request first ran: the start of the latency in Synapse's log.
    pub logged_from: Time,
    /// All CPU of the request.
    pub cpu: Span,
    /// CPU of each transaction, in a database thread.
    pub thread_cpu: Span,
    /// Time in transactions so far, summed as Synapse logs it.
    pub db_time: Span,
    /// CPU of each slice but the last.
    pub slice_cpu: Span,
    /// CPU of the last slice.
    pub last_slice_cpu: Span,
    /// Length of each transaction.
    pub transaction_time: Span,
    /// Delay outside the deployment, still to come.
    pub delay: Span,
    /// Waits for connections so far.
    pub connection_wait: Span,
    /// Unlogged CPU after each slice but the last.
    pub unlogged_per_slice: Span,
    pub unlogged_last_slice: Span,
    pub unlogged_per_transaction: Span,
    pub unlogged_after_response: Span,
    /// Unlogged CPU after the running slice.
    pub unlogged_running_slice: Span,
    pub transactions_left: u16,
    pub outstanding: u16,
    pub parallel: u16,
    pub slices: u16,
    pub had_transactions: bool,
    pub holds_lock: bool,
    /// Number of events in the batch that this request leads.
    pub batch_size: u32,
}

impl ActiveRequest {
    /// The request `pending_id` starts its work.
    pub(super) fn new(pending: PendingRequest, pending_id: u32, latency_from: Time) -> Self {
        Self {
            pending,
            pending_id,
            process: pending.process,
            persister: 0,
            latency_from,
            logged_from: Time::NEVER,
            cpu: Span::ZERO,
            thread_cpu: Span::ZERO,
            db_time: Span::ZERO,
            slice_cpu: Span::ZERO,
            last_slice_cpu: Span::ZERO,
            transaction_time: Span::ZERO,
            delay: Span::ZERO,
            connection_wait: Span::ZERO,
            unlogged_per_slice: Span::ZERO,
            unlogged_last_slice: Span::ZERO,
            unlogged_per_transaction: Span::ZERO,
            unlogged_after_response: Span::ZERO,
            unlogged_running_slice: Span::ZERO,
            transactions_left: 0,
            outstanding: 0,
            parallel: 1,
            slices: 0,
            had_transactions: false,
            holds_lock: false,
            batch_size: 0,
        }
    }
}

/// The slots. A slot's number identifies its request in events, locks and queues.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<T>,
    /// Free slots. The last one freed is used first, because it is still in the cache.
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Puts a request into a free slot; `None` if all 2^24 slots are in use.
    pub(super) fn insert(&mut self, request: T) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = request;
            return Some(slot);
        }
        let slot = u32::try_from(self.slots.len()).ok().filter(|&slot| slot <= SLOT_MAX)?;
        self.slots.push(request);
        Some(slot)
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.free.push(slot);
    }

    #[inline]
    pub(super) fn prefetch(&self, slot: u32) {
        prefetch_index(&self.slots, slot as usize);
    }

    pub(super) fn in_use(&self) -> usize {
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

/// Largest slot number: the lower 24 bits of an event's payload.
pub(super) const SLOT_MAX: u32 = (1 << SLOT_BITS) - 1;
/// Bits of a slot number; the payload's other four bits are the event's kind.
pub(super) const SLOT_BITS: u32 = 24;
