//! Submitting slices and threads to a process's interpreter, and handling those that are done.

use super::Cluster;
use super::event::Event;
use super::process::ConnectionRequest;
use crate::engine::queue::EventQueue;
use crate::engine::time::{Span, Time};
use crate::station::{Completed, Poll, ThreadAdmission};

impl Cluster<'_> {
    /// Submits a slice to the reactor of a process; `then` is the event at its end.
    pub(super) fn submit_slice(&mut self, now: Time, process: u16, work: Span, then: Event, slot: u32, queue: &mut EventQueue) {
        self.update_machine_share(now, process);
        let interpreter = &mut self.processes[usize::from(process)].interpreter;
        if let Some(deadline) = interpreter.submit_slice(now, work, then.pack(slot)) {
            queue.set_timer(process.into(), deadline);
        }
    }

    /// A database thread requests the GIL of its process for `work`; `then` is the event at its end. Returns whether `then` is due at once.
    pub(super) fn submit_thread(
        &mut self,
        now: Time,
        process: u16,
        work: Span,
        then: Event,
        request: &ConnectionRequest,
        queue: &mut EventQueue,
    ) -> bool {
        let admission =
            self.processes[usize::from(process)].interpreter.submit_thread(now, work, then.pack(request.slot), request.requested);
        if let ThreadAdmission::At(deadline) = admission {
            queue.set_timer(process.into(), deadline);
        }
        admission == ThreadAdmission::Immediate
    }

    /// Handles the timer of a process: its running slice or thread is done or is preempted.
    pub(super) fn poll_interpreter(&mut self, now: Time, process: usize, queue: &mut EventQueue) {
        loop {
            let Some(worker) = self.processes.get_mut(process) else { return };
            match worker.interpreter.poll(now) {
                Poll::Done(done) => self.on_completed(now, process, &done, queue),
                Poll::At(deadline) => return queue.set_timer(process, deadline),
                Poll::Unchanged => return,
            }
        }
    }

    fn on_completed(&mut self, now: Time, process: usize, done: &Completed, queue: &mut EventQueue) {
        let (event, slot) = Event::unpack(done.payload);
        match event {
            Event::GilAcquired => return self.on_gil_acquired(now, slot, done.arrived, queue),
            Event::TransactionDone => return self.on_rows_decoded(now, slot, done.arrived, queue),
            _ => {}
        }
        self.processes[process].slices.add(now - done.arrived);
        match event {
            Event::SliceDone => self.on_slice_done(now, slot, done.started, queue),
            Event::RpcHandled => self.enqueue_for_persist(now, slot, queue),
            Event::BatchPrepared => self.on_batch_prepared(now, slot, queue),
            Event::RpcResponseHandled => self.complete(now, slot, queue),
            _ => {}
        }
    }
}
