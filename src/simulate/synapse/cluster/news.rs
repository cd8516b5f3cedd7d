//! What wakes long polls: the news of a request that has made it, in the simulation, at that instant.
//!
//! A poll whose cause is in the run waits until that request is done: an event when it is in the database, anything else when its request
//! ends. News that comes later than in the log wakes later, and news that a device missed while it worked is there when it comes back. A poll
//! is woken by the news of the device's next polls too, if that comes first.

use super::Cluster;
use super::event::Event;
use crate::engine::queue::EventQueue;
use crate::engine::time::Time;
use crate::synapse::record::mark;
use crate::synapse::schedule::Occurrence;
use wsim_stats::hashing::{NumberMap, NumberSet};

/// The news of a run so far, and the polls that wait for some.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Requests whose news is out, by identity.
    out: NumberSet<u64>,
    /// Pending long polls by the identity of the request whose news wakes them.
    waiting: NumberMap<u64, Vec<(u32, Occurrence)>>,
}

impl News {
    pub(super) fn is_out(&self, cause: Occurrence) -> bool {
        self.out.contains(&cause.identity())
    }
}

impl Cluster<'_> {
    /// Lets a long poll wait for the news that woke it in the log, or for that of the device's next polls. `None` if nothing in the run makes
    /// it; else whether the poll waits, and not because it is out already.
    pub(super) fn wait_for_news(&mut self, pending_id: u32, poll: Occurrence) -> Option<bool> {
        let (schedule, workload) = (self.run.schedule, self.run.workload);
        let mut causes = [None; POLLS_AHEAD];
        causes[0] = Some(schedule.cause(workload, poll)?);
        let mut last = poll;
        for cause in &mut causes[1..] {
            let Some(next) = schedule.next_poll(workload, last) else { break };
            *cause = schedule.cause(workload, next);
            last = next;
        }
        if causes.iter().flatten().any(|cause| self.news.is_out(*cause)) {
            return Some(false);
        }
        for cause in causes.iter().flatten() {
            self.news.waiting.entry(cause.identity()).or_default().push((pending_id, poll));
        }
        self.pending[pending_id].is_parked = true;
        Some(true)
    }

    /// The news of a request is out: polls that wait for it are woken as soon as it has reached their processes.
    pub(super) fn announce(&mut self, now: Time, request: Occurrence, queue: &mut EventQueue) {
        if !self.record(request).has(mark::NEWS) || self.record(request).has(mark::LONG_POLL) || self.live.is_some() {
            return;
        }
        let identity = request.identity();
        self.news.out.insert(identity);
        for (pending_id, poll) in self.news.waiting.remove(&identity).unwrap_or_default() {
            let pending = &mut self.pending[pending_id];
            // Another of its causes may have woken it, and the slot may have another request.
            if pending.is_parked && pending.occurrence == poll {
                pending.is_parked = false;
                queue.schedule(now + self.run.costs.replication_delay, Event::Wakeup.pack(pending_id));
            }
        }
    }
}

/// Polls of a device whose news wakes it: the current one and the next.
const POLLS_AHEAD: usize = 3;
