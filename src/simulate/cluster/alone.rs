//! A shortcut: turns of an interpreter that nobody else wants.
//!
//! Most turns are of two kinds, and on a process that is not crowded nobody waits meanwhile: a slice ends and its request's only transaction begins, or a
//! thread has made objects of its rows and the next slice begins. What [`turn`](super::turn) and [`work`](super::work) do then in a dozen steps, each
//! of which asks who else is there, is done here in one. Nothing here is a rule of its own: with and without the shortcut runs are the same to
//! the bit, which `invariants::the_shortcut_changes_nothing` holds it to.

use super::super::queue::EventQueue;
use super::super::station::Done;
use super::super::time::{Span, Time};
use super::Cluster;
use super::event::Event;
use super::process::Ticket;

impl Cluster<'_> {
    /// Takes the turn if it is one of these; whether it was.
    #[inline]
    pub(super) fn turns_alone(&mut self, now: Time, process: usize, queue: &mut EventQueue) -> bool {
        if !self.shortcut {
            return false;
        }
        let Some(done) = self.processes.get_mut(process).and_then(|worker| worker.interpreter.alone(now)) else { return false };
        let (event, slot) = Event::unpack(done.ticket);
        match event {
            Event::SliceEnds => self.slice_ends_alone(now, process, slot, &done, queue),
            Event::TransactionEnds => self.transaction_ends_alone(now, process, slot, &done, queue),
            _ => false,
        }
    }

    /// A slice ends; a thread of the request has its connection and the interpreter, and sends the query at once.
    #[inline]
    fn slice_ends_alone(&mut self, now: Time, process: usize, slot: u32, done: &Done, queue: &mut EventQueue) -> bool {
        let (job, worker) = (&mut self.jobs[slot], &mut self.processes[process]);
        if job.transactions_left == 0 && job.delay == Span::ZERO {
            worker.slices.add(now - done.came);
            job.looked_at = job.looked_at.min(done.began);
            worker.interpreter.rests(now, job.running_shadow);
            queue.set_timer(process, Time::NEVER);
            self.has_worked(now, slot, queue);
            return true;
        }
        let together = job.parallel.min(job.transactions_left);
        if together != 1 || job.delay > Span::ZERO || !worker.connections.has_free() {
            return false;
        }
        worker.slices.add(now - done.came);
        job.looked_at = job.looked_at.min(done.began);
        job.transactions_left -= 1;
        job.outstanding = 1;
        worker.connections.enter(now, Ticket { slot, asked: now, then: Event::TransactionEnds });
        let length = self.database.begin(job.transaction);
        worker.transactions.add(length);
        job.in_db += length;
        worker.interpreter.rests(now, job.running_shadow);
        queue.schedule(now + length, Event::RowsCome.pack(slot));
        queue.set_timer(process, Time::NEVER);
        true
    }

    /// The database has answered a thread, which makes objects of its rows at once; whether it does.
    #[inline]
    pub(super) fn rows_come_alone(&mut self, now: Time, slot: u32, queue: &mut EventQueue) -> bool {
        if !self.shortcut {
            return false;
        }
        let job = &self.jobs[slot];
        let process = usize::from(job.process);
        if job.thread == Span::ZERO {
            return false;
        }
        let Some(worker) = self.processes.get_mut(process) else { return false };
        let Some(ends) = worker.interpreter.thread_alone(now, job.thread, Event::TransactionEnds.pack(slot)) else { return false };
        queue.set_timer(process, ends);
        true
    }

    /// A request's only thread is done; its next slice begins.
    #[inline]
    fn transaction_ends_alone(&mut self, now: Time, process: usize, slot: u32, done: &Done, queue: &mut EventQueue) -> bool {
        let (job, worker) = (&mut self.jobs[slot], &mut self.processes[process]);
        let coming = if job.transactions_left == 0 { job.last_slice } else { job.slice };
        // What takes no time happens within this turn, and not in one of its own.
        if coming == Span::ZERO || job.outstanding != 1 || worker.connections.somebody_waits() {
            return false;
        }
        let made = now - done.came;
        job.in_db += made;
        worker.transactions.time += made;
        self.database.end();
        worker.connections.leave(now);
        job.outstanding = 0;
        let silent = job.thread_shadow;
        let work = self.next_work(slot);
        let ends = self.processes[process].interpreter.hands_over(now, silent, work, Event::SliceEnds.pack(slot));
        queue.set_timer(process, ends);
        true
    }
}
