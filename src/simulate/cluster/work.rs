//! Slices and transactions: what a request does with its process.

use super::super::queue::EventQueue;
use super::super::random::{Purpose, unit};
use super::super::record::{Record, mark};
use super::super::time::{Span, Time};
use super::super::topology::Slicing;
use super::Cluster;
use super::event::Event;
use super::process::Ticket;

impl Cluster<'_> {
    /// Cuts a request's costs into rounds: a slice, then transactions, …, a last slice.
    pub(super) fn plan(&mut self, slot: u32, record: &Record, factor: f64) {
        let costs = self.run.costs;
        let between = costs.shadow * (1.0 - costs.shadow_after);
        let cpu = Span::from_micros(u64::from(record.cpu_us)).scaled(costs.cpu_factor * factor);
        let transactions = scaled_count(record.transactions, factor);
        let job = &mut self.jobs[slot];
        job.cpu = cpu;
        job.after = cpu.scaled(costs.shadow * costs.shadow_after);
        job.delay = if record.is(mark::POLL) { Span::ZERO } else { Span::from_micros(u64::from(record.wait_us)) };
        if transactions == 0 {
            (job.last_slice, job.last_shadow) = (cpu, cpu.scaled(between));
            return;
        }
        let parallel = record.parallel();
        let rounds = transactions.div_ceil(parallel).min(costs.rounds_max);
        let issued = if rounds == costs.rounds_max { rounds.saturating_mul(parallel) } else { transactions };
        let slices = u64::from(rounds) + 1;
        job.thread = cpu.scaled(costs.thread_share.unwrap_or(0.0)).divided(u64::from(issued));
        job.thread_shadow = job.thread.scaled(between);
        let cpu = cpu.less(job.thread.times(u64::from(issued)));
        let last = if let Slicing::LastHolds(share) = costs.slicing { cpu.scaled(share.clamp(0.0, 1.0)) } else { Span::ZERO };
        job.slice = cpu.less(last).divided(slices);
        // What the division leaves over is not lost.
        job.last_slice = cpu.less(job.slice.times(u64::from(rounds)));
        job.shadow = job.slice.scaled(between);
        job.last_shadow = job.last_slice.scaled(between);
        job.transaction = Span::from_micros(u64::from(record.db_us)).scaled(factor).divided(u64::from(issued));
        job.transactions_left = issued;
        job.parallel = parallel;
        job.had_transactions = true;
    }

    /// The first slice. Events it must fetch come first: others fetch them, and it waits.
    pub(super) fn works(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let job = &self.jobs[slot];
        let fetched = self.record(job.caller.visit).events;
        if fetched > 0 && self.run.costs.fetched_event > Span::ZERO {
            let work = self.run.costs.fetched_event.times(u64::from(fetched));
            self.processes[usize::from(job.process)].interpreter.run(now, work);
        }
        self.next_slice(now, slot, queue);
    }

    fn next_slice(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let job = &self.jobs[slot];
        let factor = match self.run.costs.slicing {
            Slicing::Exponential => -unit(self.draw(Purpose::Service, job.caller.visit, u64::from(job.slices) << 1)).ln(),
            Slicing::Even | Slicing::LastHolds(_) => 1.0,
        };
        let job = &mut self.jobs[slot];
        job.slices = job.slices.saturating_add(1);
        let is_last = job.transactions_left == 0;
        let (work, shadow) = if is_last { (job.last_slice, job.last_shadow) } else { (job.slice, job.shadow) };
        job.running_shadow = shadow.scaled(factor);
        let process = job.process;
        self.slice(now, process, work.scaled(factor), Event::SliceEnds, slot, queue);
    }

    /// A slice that began at `began` ends.
    pub(super) fn slice_ends(&mut self, now: Time, slot: u32, began: Time, queue: &mut EventQueue) {
        let job = &mut self.jobs[slot];
        job.looked_at = job.looked_at.min(began);
        self.processes[usize::from(job.process)].interpreter.run(now, job.running_shadow);
        if job.delay > Span::ZERO {
            let delay = std::mem::take(&mut job.delay);
            queue.schedule(now + delay, Event::DelayEnds.pack(slot));
            return;
        }
        self.next_round(now, slot, queue);
    }

    /// The next transactions, or the end of the work.
    pub(super) fn next_round(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let job = &mut self.jobs[slot];
        if job.transactions_left == 0 {
            self.has_worked(now, slot, queue);
            return;
        }
        let together = job.parallel.min(job.transactions_left);
        job.transactions_left -= together;
        job.outstanding = together;
        let process = job.process;
        for _ in 0..together {
            self.asks(now, process, Ticket { slot, asked: now, then: Event::TransactionEnds }, queue);
        }
    }

    /// Asks a process for a connection.
    pub(super) fn asks(&mut self, now: Time, process: u16, ticket: Ticket, queue: &mut EventQueue) {
        if let Some(ticket) = self.processes[usize::from(process)].connections.enter(now, ticket) {
            self.runs_transaction(now, process, ticket, queue);
        }
    }

    fn runs_transaction(&mut self, now: Time, process: u16, ticket: Ticket, queue: &mut EventQueue) {
        let waited = now - ticket.asked;
        if ticket.then == Event::TransactionEnds && self.run.costs.thread_share.is_some() {
            self.waits_for_turn(now, process, ticket, queue);
            return;
        }
        let job = &mut self.jobs[ticket.slot];
        let (mut unloaded, purpose, number) = if ticket.then == Event::TransactionEnds {
            job.waited += waited;
            job.in_db += job.transaction;
            let number = u64::from(job.transactions_left) << 16 | u64::from(job.outstanding);
            (job.transaction, Purpose::Service, number << 1 | 1)
        } else {
            (self.run.costs.persist_db, Purpose::Persist, 0)
        };
        if self.run.costs.exponential_db {
            let visit = job.caller.visit;
            unloaded = unloaded.scaled(-unit(self.draw(purpose, visit, number)).ln());
        }
        let length = self.database.begin(unloaded);
        let length = self.on_machine(now, length);
        self.processes[usize::from(process)].transactions.add(waited + length);
        queue.schedule(now + length, ticket.then.pack(ticket.slot));
    }

    /// A thread with a connection waits for the interpreter; Synapse counts that as waiting for the connection.
    fn waits_for_turn(&mut self, now: Time, process: u16, ticket: Ticket, queue: &mut EventQueue) {
        if self.thread(now, process, Span::ZERO, Event::ThreadStarts, &ticket, queue) {
            self.thread_starts(now, ticket.slot, ticket.asked, queue);
        }
    }

    /// A thread that asked for its connection at `asked` sends its query.
    pub(super) fn thread_starts(&mut self, now: Time, slot: u32, asked: Time, queue: &mut EventQueue) {
        let length = self.database.begin(self.jobs[slot].transaction);
        let length = self.on_machine(now, length);
        let job = &mut self.jobs[slot];
        job.waited += now - asked;
        self.processes[usize::from(job.process)].transactions.add(now - asked);
        self.in_transaction(slot, length);
        queue.schedule(now + length, Event::RowsCome.pack(slot));
    }

    /// The thread wants to make rows into objects.
    pub(super) fn rows_come(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let (process, work) = (self.jobs[slot].process, self.jobs[slot].thread);
        self.shares_machine(now, process);
        let then = Event::TransactionEnds;
        if self.thread(now, process, work, then, &Ticket { slot, asked: now, then }, queue) {
            self.transaction_ends(now, slot, queue);
        }
    }

    /// The thread that got its rows at `came` has made objects of them.
    pub(super) fn rows_are_made(&mut self, now: Time, slot: u32, came: Time, queue: &mut EventQueue) {
        self.in_transaction(slot, now - came);
        self.transaction_ends(now, slot, queue);
    }

    fn in_transaction(&mut self, slot: u32, time: Span) {
        let job = &mut self.jobs[slot];
        job.in_db += time;
        self.processes[usize::from(job.process)].transactions.time += time;
    }

    /// Gives a connection back.
    pub(super) fn gives_back(&mut self, now: Time, process: u16, queue: &mut EventQueue) {
        self.database.end();
        if let Some(next) = self.processes[usize::from(process)].connections.leave(now) {
            self.runs_transaction(now, process, next, queue);
        }
    }

    pub(super) fn transaction_ends(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let process = self.jobs[slot].process;
        self.gives_back(now, process, queue);
        let job = &mut self.jobs[slot];
        self.processes[usize::from(process)].interpreter.run(now, job.thread_shadow);
        job.outstanding -= 1;
        if job.outstanding == 0 {
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
