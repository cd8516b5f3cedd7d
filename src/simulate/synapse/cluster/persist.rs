//! Persisting an event: the RPC to the persister, which writes one batch of one room at a time, replication, the RPC's response.

use super::Cluster;
use super::event::Event;
use super::process::ConnectionRequest;
use super::request::SLOT_MAX;
use crate::engine::queue::EventQueue;
use crate::engine::random::{Purpose, below, draw};
use crate::engine::time::{Span, Time};
use crate::station::{Batch, END_OF_LIST};
use crate::synapse::record::Record;
use crate::synapse::schedule::Occurrence;

impl Cluster<'_> {
    /// All slices and transactions are done: the request completes, or its event goes to the persister.
    pub(super) fn on_work_done(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let occurrence = self.active[slot].pending.occurrence;
        let record = self.record(occurrence);
        if !self.run.workload.classes[usize::from(record.class)].persists {
            self.complete(now, slot, queue);
            return;
        }
        let persister = self.persister(occurrence, record);
        let active = &mut self.active[slot];
        active.persister = persister;
        if persister == active.process {
            self.enqueue_for_persist(now, slot, queue);
        } else {
            queue.schedule(now + self.run.costs.rpc_delay, Event::RpcReceived.pack(slot));
        }
    }

    pub(super) fn on_rpc_received(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        self.submit_slice(now, self.active[slot].persister, self.run.costs.rpc_cpu, Event::RpcHandled, slot, queue);
    }

    /// Adds the event to the room's queue at its persister.
    pub(super) fn enqueue_for_persist(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let (persister, key) = (self.active[slot].persister, self.queue_key(slot));
        if let Some(batch) = self.processes[usize::from(persister)].persister.enter(key, slot, &mut self.links) {
            self.start_batch(now, batch, queue);
        }
    }

    fn start_batch(&mut self, now: Time, batch: Batch, queue: &mut EventQueue) {
        self.counts.batches += 1;
        self.active[batch.leader].batch_size = batch.count;
        let persister = self.active[batch.leader].persister;
        self.processes[usize::from(persister)].writing.enter(now);
        let work = self.run.costs.persist_cpu.saturating_mul(u64::from(batch.count));
        self.submit_slice(now, persister, work, Event::BatchPrepared, batch.leader, queue);
    }

    pub(super) fn on_batch_prepared(&mut self, now: Time, leader: u32, queue: &mut EventQueue) {
        let persister = self.active[leader].persister;
        self.acquire_connection(now, persister, ConnectionRequest { slot: leader, requested: now, then: Event::BatchWritten }, queue);
    }

    pub(super) fn on_batch_written(&mut self, now: Time, leader: u32, queue: &mut EventQueue) {
        let (persister, count) = (self.active[leader].persister, self.active[leader].batch_size);
        self.release_connection(now, persister, queue);
        self.counts.events_persisted += u64::from(count);
        self.replicate(now, persister, count, queue);
        let process = &mut self.processes[usize::from(persister)];
        process.writing.leave(now);
        if let Some(batch) = process.persister.finish() {
            self.start_batch(now, batch, queue);
        }
        let response_delay = self.response_delay();
        let mut slot = leader;
        for _ in 0..count {
            let next = self.links.next_of(slot);
            self.announce(now, self.active[slot].pending.occurrence, queue);
            if self.active[slot].process == persister {
                self.complete(now, slot, queue);
            } else {
                queue.schedule(now + response_delay, Event::RpcResponseReceived.pack(slot));
            }
            if next == END_OF_LIST {
                break;
            }
            slot = next;
        }
    }

    /// Sends written events to the other processes. The persister's own cost of replication is part of its cost of persisting.
    fn replicate(&mut self, now: Time, persister: u16, count: u32, queue: &mut EventQueue) {
        if self.run.costs.replication == Span::ZERO || self.processes.len() < 2 {
            return;
        }
        let payload = (u32::from(persister) | count.min(COUNT_MAX) << PROCESS_BITS) & SLOT_MAX;
        queue.schedule(now + self.run.costs.replication_delay, Event::EventsReplicated.pack(payload));
        // The response waits until its process knows the position, not until it has told its clients.
        queue.schedule(now + self.response_delay() + Span::from_nanos(1), Event::EventsReplicated.pack(payload));
    }

    /// From writing until the sender's response is there.
    fn response_delay(&self) -> Span {
        self.run.costs.rpc_delay.max(self.run.costs.replication_delay)
    }

    pub(super) fn on_events_replicated(&mut self, now: Time, payload: u32) {
        let (persister, count) = (payload & ((1 << PROCESS_BITS) - 1), payload >> PROCESS_BITS);
        let work = self.run.costs.replication.saturating_mul(u64::from(count)).divided_by(2);
        for (process, number) in self.processes.iter_mut().zip(0..) {
            if number != persister {
                process.interpreter.submit_unawaited(now, work);
            }
        }
    }

    /// The response waits behind the replication of its own event, which the sender must have processed before.
    pub(super) fn on_rpc_response_received(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        self.submit_slice(now, self.active[slot].process, self.run.costs.rpc_response_cpu, Event::RpcResponseHandled, slot, queue);
    }

    /// The persister of the room's events, the same in every run; an event without a known room goes to a random one.
    fn persister(&self, occurrence: Occurrence, record: &Record) -> u16 {
        let persisters = &self.run.topology.persisters;
        let copy = u64::from(self.run.schedule.room_copy(occurrence));
        let room = if record.room.is_some() { u64::from(record.room.0) | copy << 32 } else { occurrence.identity() | 1 << 63 };
        let known = self.run.topology.room_shards.of(record.room).filter(|_| copy == 0);
        let shard = known.unwrap_or_else(|| below(draw(0, Purpose::Persist, room), persisters.len()));
        persisters.get(shard).copied().unwrap_or(0)
    }

    /// One queue per room; an event without a known room has a queue of its own.
    fn queue_key(&self, slot: u32) -> u64 {
        let occurrence = self.active[slot].pending.occurrence;
        let room = self.record(occurrence).room;
        let copy = u64::from(self.run.schedule.room_copy(occurrence));
        if room.is_some() { u64::from(room.0) | copy << 40 } else { u64::from(slot) | 1 << 32 }
    }
}

/// Bits of the process in the payload of [`Event::EventsReplicated`]; the other twelve count events.
const PROCESS_BITS: u32 = 12;
const COUNT_MAX: u32 = (1 << 12) - 1;
