//! The work of a request at its process: slices and transactions.

use super::Cluster;
use super::event::Event;
use super::process::ConnectionRequest;
use crate::engine::queue::EventQueue;
use crate::engine::random::{Purpose, unit};
use crate::engine::time::{Span, Time};
use crate::synapse::record::{Record, mark};
use crate::synapse::schedule::Occurrence;
use crate::synapse::topology::Slicing;

impl Cluster<'_> {
    /// Splits a request's costs into rounds: a slice, then transactions, …, a last slice.
    pub(super) fn split_into_rounds(&mut self, slot: u32, record: &Record, factor: f64) {
        let costs = self.run.costs;
        let between = costs.unlogged_cpu * (1.0 - costs.unlogged_after_response);
        let cpu = Span::from_micros(u64::from(record.cpu_us)).saturating_sub(self.saved_hop(record)).scaled(costs.cpu_factor * factor);
        let transactions = scaled_count(record.transactions, factor);
        let active = &mut self.active[slot];
        active.cpu = cpu;
        active.unlogged_after_response = cpu.scaled(costs.unlogged_cpu * costs.unlogged_after_response);
        active.delay =
            if record.has(mark::LONG_POLL) { Span::ZERO } else { Span::from_micros(u64::from(record.wait_us)).scaled(costs.delay_factor) };
        if transactions == 0 {
            (active.last_slice_cpu, active.unlogged_last_slice) = (cpu, cpu.scaled(between));
            return;
        }
        let parallel = record.parallel();
        let rounds = transactions.div_ceil(parallel).min(costs.rounds_max);
        let issued = if rounds == costs.rounds_max { rounds.saturating_mul(parallel) } else { transactions };
        let slices = u64::from(rounds) + 1;
        active.thread_cpu = cpu.scaled(costs.thread_share.unwrap_or(0.0)).divided_by(u64::from(issued));
        active.unlogged_per_transaction = active.thread_cpu.scaled(between);
        let cpu = cpu.saturating_sub(active.thread_cpu.saturating_mul(u64::from(issued)));
        let last = if let Slicing::LastShare(share) = costs.slicing { cpu.scaled(share.clamp(0.0, 1.0)) } else { Span::ZERO };
        active.slice_cpu = cpu.saturating_sub(last).divided_by(slices);
        // The last slice takes the remainder of the division.
        active.last_slice_cpu = cpu.saturating_sub(active.slice_cpu.saturating_mul(u64::from(rounds)));
        active.unlogged_per_slice = active.slice_cpu.scaled(between);
        active.unlogged_last_slice = active.last_slice_cpu.scaled(between);
        active.transaction_time =
            Span::from_micros(u64::from(record.db_us)).scaled(costs.delay_factor * factor).divided_by(u64::from(issued));
        active.transactions_left = issued;
        active.parallel = parallel;
        active.had_transactions = true;
    }

    /// CPU that a request between processes saves where its cause is served by the same process, on average.
    fn saved_hop(&self, record: &Record) -> Span {
        if !record.has(mark::INTERNAL) {
            return Span::ZERO;
        }
        let share = self.run.topology.local_shares.get(usize::from(record.endpoint)).copied().unwrap_or(0.0);
        self.run.costs.hop_cpu.scaled(share)
    }

    /// The first slice. The CPU of fetching events comes before it, as unawaited work that the slice queues behind.
    pub(super) fn start_service(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let active = &self.active[slot];
        let fetched = self.record(active.pending.occurrence).events;
        if fetched > 0 && self.run.costs.fetched_event > Span::ZERO {
            let work = self.run.costs.fetched_event.saturating_mul(u64::from(fetched));
            self.processes[usize::from(active.process)].interpreter.submit_unawaited(now, work);
        }
        self.next_slice(now, slot, queue);
    }

    fn next_slice(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let active = &self.active[slot];
        let factor = match self.run.costs.slicing {
            Slicing::Exponential => -unit(self.draw(Purpose::Service, active.pending.occurrence, u64::from(active.slices) << 1)).ln(),
            Slicing::Even | Slicing::LastShare(_) => 1.0,
        };
        let active = &mut self.active[slot];
        active.slices = active.slices.saturating_add(1);
        let is_last = active.transactions_left == 0;
        let (work, unlogged) =
            if is_last { (active.last_slice_cpu, active.unlogged_last_slice) } else { (active.slice_cpu, active.unlogged_per_slice) };
        active.unlogged_running_slice = unlogged.scaled(factor);
        let process = active.process;
        self.submit_slice(now, process, work.scaled(factor), Event::SliceDone, slot, queue);
    }

    /// A slice that first ran at `started` is done.
    pub(super) fn on_slice_done(&mut self, now: Time, slot: u32, started: Time, queue: &mut EventQueue) {
        let active = &mut self.active[slot];
        active.logged_from = active.logged_from.min(started);
        self.processes[usize::from(active.process)].interpreter.submit_unawaited(now, active.unlogged_running_slice);
        if active.delay > Span::ZERO {
            let delay = std::mem::take(&mut active.delay);
            queue.schedule(now + delay, Event::DelayDone.pack(slot));
            return;
        }
        self.next_round(now, slot, queue);
    }

    /// The next round of transactions, or the end of the work.
    pub(super) fn next_round(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let active = &mut self.active[slot];
        if active.transactions_left == 0 {
            self.on_work_done(now, slot, queue);
            return;
        }
        let concurrent = active.parallel.min(active.transactions_left);
        active.transactions_left -= concurrent;
        active.outstanding = concurrent;
        let process = active.process;
        for _ in 0..concurrent {
            self.acquire_connection(now, process, ConnectionRequest { slot, requested: now, then: Event::TransactionDone }, queue);
        }
    }

    /// Starts the transaction if its process has a free connection, else queues it.
    pub(super) fn acquire_connection(&mut self, now: Time, process: u16, request: ConnectionRequest, queue: &mut EventQueue) {
        if let Some(request) = self.processes[usize::from(process)].connections.enter(now, request) {
            self.start_transaction(now, process, request, queue);
        }
    }

    fn start_transaction(&mut self, now: Time, process: u16, request: ConnectionRequest, queue: &mut EventQueue) {
        let waited = now - request.requested;
        if request.then == Event::TransactionDone && self.run.costs.thread_share.is_some() {
            self.acquire_gil(now, process, request, queue);
            return;
        }
        let active = &mut self.active[request.slot];
        let occurrence = active.pending.occurrence;
        let (mut unloaded, purpose, number) = if request.then == Event::TransactionDone {
            active.connection_wait += waited;
            active.db_time += active.transaction_time;
            let number = u64::from(active.transactions_left) << 16 | u64::from(active.outstanding);
            (active.transaction_time, Purpose::Service, number << 1 | 1)
        } else {
            (self.write_time(occurrence), Purpose::Persist, 0)
        };
        if self.run.costs.exponential_db {
            unloaded = unloaded.scaled(-unit(self.draw(purpose, occurrence, number)).ln());
        }
        let length = self.database.start_transaction(unloaded);
        let length = self.stretch_transaction(now, length);
        self.processes[usize::from(process)].transactions.add(waited + length);
        queue.schedule(now + length, request.then.pack(request.slot));
    }

    /// How long the database takes to write the batch of events that a request leads.
    fn write_time(&self, occurrence: Occurrence) -> Span {
        let costs = self.run.costs;
        if costs.persist_spread.is_constant() {
            return costs.persist_db;
        }
        costs.persist_db.scaled(costs.persist_spread.factor(unit(self.draw(Purpose::Persist, occurrence, 1))))
    }

    /// A thread with a connection requests the GIL. Synapse counts the wait for the GIL as wait for the connection.
    fn acquire_gil(&mut self, now: Time, process: u16, request: ConnectionRequest, queue: &mut EventQueue) {
        if self.submit_thread(now, process, Span::ZERO, Event::GilAcquired, &request, queue) {
            self.on_gil_acquired(now, request.slot, request.requested, queue);
        }
    }

    /// A thread that requested its connection at `requested` has the GIL and sends its query.
    pub(super) fn on_gil_acquired(&mut self, now: Time, slot: u32, requested: Time, queue: &mut EventQueue) {
        let length = self.database.start_transaction(self.active[slot].transaction_time);
        let length = self.stretch_transaction(now, length);
        let active = &mut self.active[slot];
        active.connection_wait += now - requested;
        self.processes[usize::from(active.process)].transactions.add(now - requested);
        self.count_transaction_time(slot, length);
        queue.schedule(now + length, Event::RowsReceived.pack(slot));
    }

    /// The rows have arrived; the thread requests the GIL to decode them.
    pub(super) fn on_db_result(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let (process, work) = (self.active[slot].process, self.active[slot].thread_cpu);
        self.update_machine_share(now, process);
        let then = Event::TransactionDone;
        if self.submit_thread(now, process, work, then, &ConnectionRequest { slot, requested: now, then }, queue) {
            self.on_transaction_done(now, slot, queue);
        }
    }

    /// The thread that received its rows at `received` has decoded them.
    pub(super) fn on_rows_decoded(&mut self, now: Time, slot: u32, received: Time, queue: &mut EventQueue) {
        self.count_transaction_time(slot, now - received);
        self.on_transaction_done(now, slot, queue);
    }

    fn count_transaction_time(&mut self, slot: u32, time: Span) {
        let active = &mut self.active[slot];
        active.db_time += time;
        self.processes[usize::from(active.process)].transactions.time += time;
    }

    /// Returns a connection to the pool, and starts the next transaction with it.
    pub(super) fn release_connection(&mut self, now: Time, process: u16, queue: &mut EventQueue) {
        self.database.end_transaction();
        if let Some(next) = self.processes[usize::from(process)].connections.leave(now) {
            self.start_transaction(now, process, next, queue);
        }
    }

    pub(super) fn on_transaction_done(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let process = self.active[slot].process;
        self.release_connection(now, process, queue);
        let active = &mut self.active[slot];
        self.processes[usize::from(process)].interpreter.submit_unawaited(now, active.unlogged_per_transaction);
        active.outstanding -= 1;
        if active.outstanding == 0 {
            self.next_slice(now, slot, queue);
        }
    }
}

fn scaled_count(count: u16, factor: f64) -> u16 {
    if factor == 1.0 {
        return count;
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturates at the largest count")]
    #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
    let scaled = (f64::from(count) * factor).round() as u16;
    scaled.max(u16::from(count > 0))
}
