//! Who has had the interpreter of a process, and what follows.

use super::super::queue::EventQueue;
use super::super::station::{Done, Entered, Turn};
use super::super::time::{Span, Time};
use super::Cluster;
use super::event::Event;
use super::process::Ticket;

impl Cluster<'_> {
    /// A slice joins the reactor's line of a process; `then` follows it.
    pub(super) fn slice(&mut self, now: Time, process: u16, work: Span, then: Event, slot: u32, queue: &mut EventQueue) {
        self.shares_machine(now, process);
        let interpreter = &mut self.processes[usize::from(process)].interpreter;
        if let Some(turn) = interpreter.slice(now, work, then.pack(slot)) {
            queue.set_timer(process.into(), turn);
        }
    }

    /// A thread of a process wants its interpreter for `work`; `then` follows. Whether that may follow at once.
    pub(super) fn thread(&mut self, now: Time, process: u16, work: Span, then: Event, ticket: &Ticket, queue: &mut EventQueue) -> bool {
        let entered = self.processes[usize::from(process)].interpreter.thread(now, work, then.pack(ticket.slot), ticket.asked);
        if let Entered::At(turn) = entered {
            queue.set_timer(process.into(), turn);
        }
        entered == Entered::AtOnce
    }

    /// Whatever the interpreter ran is done, or loses it.
    pub(super) fn turn(&mut self, now: Time, process: usize, queue: &mut EventQueue) {
        loop {
            let Some(worker) = self.processes.get_mut(process) else { return };
            match worker.interpreter.turn(now) {
                Turn::Done(done) => self.is_done(now, process, &done, queue),
                Turn::At(turn) => return queue.set_timer(process, turn),
                Turn::AsSaid => return,
            }
        }
    }

    fn is_done(&mut self, now: Time, process: usize, done: &Done, queue: &mut EventQueue) {
        let (event, slot) = Event::unpack(done.ticket);
        match event {
            Event::ThreadStarts => return self.thread_starts(now, slot, done.came, queue),
            Event::TransactionEnds => return self.rows_are_made(now, slot, done.came, queue),
            _ => {}
        }
        self.processes[process].slices.add(now - done.came);
        match event {
            Event::SliceEnds => self.slice_ends(now, slot, done.began, queue),
            Event::HopTaken => self.queues(now, slot, queue),
            Event::BatchReady => self.batch_ready(now, slot, queue),
            Event::AnswerTaken => self.ends(now, slot, queue),
            _ => {}
        }
    }
}
