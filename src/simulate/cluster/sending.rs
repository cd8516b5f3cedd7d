//! Making an event: the hop to its persister, the merging queue of the room, replication, the way back.

use super::super::queue::EventQueue;
use super::super::random::{Purpose, below, draw};
use super::super::record::Record;
use super::super::schedule::Visit;
use super::super::station::{Batch, NO_TICKET};
use super::super::time::{Span, Time};
use super::Cluster;
use super::event::Event;
use super::job::SLOT_MAX;
use super::process::Ticket;

impl Cluster<'_> {
    /// All slices and transactions are done: the request ends, or its event goes to be written.
    pub(super) fn has_worked(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let visit = self.jobs[slot].caller.visit;
        let record = self.record(visit);
        if !self.run.workload.classes[usize::from(record.class)].persists {
            self.ends(now, slot, queue);
            return;
        }
        let persister = self.persister(visit, record);
        let job = &mut self.jobs[slot];
        job.persister = persister;
        if persister == job.process {
            self.queues(now, slot, queue);
        } else {
            queue.schedule(now + self.run.costs.hop_delay, Event::HopArrives.pack(slot));
        }
    }

    pub(super) fn hop_arrives(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        self.slice(now, self.jobs[slot].persister, self.run.costs.hop_cpu, Event::HopTaken, slot, queue);
    }

    /// Joins the room's queue at its persister.
    pub(super) fn queues(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let key = self.queue_key(slot);
        if let Some(batch) = self.persisting.enter(key, slot, &mut self.links) {
            self.starts_batch(now, batch, queue);
        }
    }

    fn starts_batch(&mut self, now: Time, batch: Batch, queue: &mut EventQueue) {
        self.counts.batches += 1;
        self.jobs[batch.leader].batch = batch.count;
        let persister = self.jobs[batch.leader].persister;
        let work = self.run.costs.persist_cpu.times(u64::from(batch.count));
        self.slice(now, persister, work, Event::BatchReady, batch.leader, queue);
    }

    pub(super) fn batch_ready(&mut self, now: Time, leader: u32, queue: &mut EventQueue) {
        let persister = self.jobs[leader].persister;
        self.asks(now, persister, Ticket { slot: leader, asked: now, then: Event::BatchWritten }, queue);
    }

    pub(super) fn batch_written(&mut self, now: Time, leader: u32, queue: &mut EventQueue) {
        let (persister, count) = (self.jobs[leader].persister, self.jobs[leader].batch);
        self.gives_back(now, persister, queue);
        self.counts.events_persisted += u64::from(count);
        self.replicates(now, persister, count, queue);
        let key = self.queue_key(leader);
        if let Some(batch) = self.persisting.finish(key) {
            self.starts_batch(now, batch, queue);
        }
        let way_back = self.run.costs.hop_delay.max(self.run.costs.replication_delay);
        let mut slot = leader;
        for _ in 0..count {
            let after = self.links.after(slot);
            if self.jobs[slot].process == persister {
                self.ends(now, slot, queue);
            } else {
                queue.schedule(now + way_back, Event::AnswerArrives.pack(slot));
            }
            if after == NO_TICKET {
                break;
            }
            slot = after;
        }
    }

    /// Tells the other processes, later. The writer's own share is in the cost of persisting.
    fn replicates(&mut self, now: Time, persister: u16, count: u32, queue: &mut EventQueue) {
        if self.run.costs.replication == Span::ZERO || self.processes.len() < 2 {
            return;
        }
        let payload = u32::from(persister) | count.min(COUNT_MAX) << PROCESS_BITS;
        queue.schedule(now + self.run.costs.replication_delay, Event::Replicated.pack(payload & SLOT_MAX));
    }

    pub(super) fn replicated(&mut self, now: Time, payload: u32) {
        let (persister, count) = (payload & ((1 << PROCESS_BITS) - 1), payload >> PROCESS_BITS);
        let work = self.run.costs.replication.times(u64::from(count));
        for (process, number) in self.processes.iter_mut().zip(0..) {
            if number != persister {
                process.interpreter.run(now, work);
            }
        }
    }

    /// The answer waits behind the replication of its own event: the creator must have seen it.
    pub(super) fn answer_arrives(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        self.slice(now, self.jobs[slot].process, self.run.costs.reply_cpu, Event::AnswerTaken, slot, queue);
    }

    /// Who writes the room's events. A room's persister is the same in every run; an event of unknown room goes anywhere.
    fn persister(&self, visit: Visit, record: &Record) -> u16 {
        let persisters = &self.run.topology.persisters;
        let room = if record.room.is_some() { u64::from(record.room.0) } else { visit.identity() | 1 << 63 };
        persisters.get(below(draw(0, Purpose::Persist, room), persisters.len())).copied().unwrap_or(0)
    }

    /// One queue per persister and room; an event of unknown room has one to itself.
    fn queue_key(&self, slot: u32) -> u64 {
        let job = &self.jobs[slot];
        let room = self.record(job.caller.visit).room;
        let name = if room.is_some() { u64::from(room.0) } else { u64::from(slot) | 1 << 32 };
        u64::from(job.persister) << 40 | name
    }
}

/// Bits of a process number in the payload of [`Event::Replicated`]; the other twelve count events.
const PROCESS_BITS: u32 = 12;
const COUNT_MAX: u32 = (1 << 12) - 1;
