//! What wakes long polls: the news of a request that has made it, in the simulation, at that instant.
//!
//! A poll whose cause is in the run waits until that request is done: an event when it is in the database, anything else when its request
//! ends. News that comes later than in the log wakes later, and news that a device missed while it worked is there when it comes back. A poll
//! is woken by the news of the device's next polls too, if that comes first.

use std::collections::hash_map::Entry;

use super::Cluster;
use super::event::Event;
use crate::engine::queue::EventQueue;
use crate::engine::time::Time;
use crate::station::END_OF_LIST;
use crate::synapse::record::mark;
use crate::synapse::schedule::Occurrence;
use wsim_stats::hashing::{NumberMap, NumberSet};

/// The news of a run so far, and the polls that wait for some.
#[derive(Debug)]
pub(super) struct News {
    /// One bit for each record: whether the news of the request as observed is out.
    out_as_observed: Vec<u64>,
    /// The same of copies and repetitions, by identity.
    out: NumberSet<u64>,
    /// First and last place in `waits` of those that wait for the news of a request, by the request's identity.
    waiting: NumberMap<u64, (u32, u32)>,
    waits: Vec<Wait>,
    /// Free places in `waits`.
    free: Vec<u32>,
}

/// A pending long poll that waits for some news, in a linked list of all that do.
#[derive(Debug, Clone, Copy)]
struct Wait {
    pending_id: u32,
    next: u32,
    poll: Occurrence,
}

impl News {
    /// No news yet of a workload of so many records.
    pub(super) fn new(records: usize) -> Self {
        Self {
            out_as_observed: vec![0; records.div_ceil(64)],
            out: NumberSet::default(),
            waiting: NumberMap::default(),
            waits: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn is_out(&self, cause: Occurrence) -> bool {
        if cause == Occurrence::observed(cause.record) {
            return self.out_as_observed.get(cause.record as usize / 64).is_some_and(|bits| bits >> (cause.record % 64) & 1 == 1);
        }
        self.out.contains(&cause.identity())
    }

    fn set_out(&mut self, request: Occurrence) {
        let is_observed = request == Occurrence::observed(request.record);
        match self.out_as_observed.get_mut(request.record as usize / 64).filter(|_| is_observed) {
            Some(bits) => *bits |= 1 << (request.record % 64),
            None => {
                self.out.insert(request.identity());
            }
        }
    }

    /// Lets a poll wait for the news of a request, behind those that do already.
    fn wait(&mut self, pending_id: u32, poll: Occurrence, cause: Occurrence) {
        let wait = Wait { pending_id, next: END_OF_LIST, poll };
        let place = match self.free.pop() {
            Some(place) => {
                self.waits[place as usize] = wait;
                place
            }
            None => {
                self.waits.push(wait);
                u32::try_from(self.waits.len() - 1).unwrap_or(END_OF_LIST)
            }
        };
        match self.waiting.entry(cause.identity()) {
            Entry::Vacant(list) => {
                list.insert((place, place));
            }
            Entry::Occupied(mut list) => {
                let (_, last) = list.get_mut();
                self.waits[*last as usize].next = place;
                *last = place;
            }
        }
    }

    /// Takes the wait at a place off its list; `None` at the list's end.
    fn take(&mut self, place: u32) -> Option<Wait> {
        let wait = self.waits.get(place as usize).copied()?;
        self.free.push(place);
        Some(wait)
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
            self.news.wait(pending_id, poll, *cause);
        }
        self.pending[pending_id].is_parked = true;
        Some(true)
    }

    /// The news of a request is out: polls that wait for it are woken as soon as it has reached their processes.
    pub(super) fn announce(&mut self, now: Time, request: Occurrence, queue: &mut EventQueue) {
        if !self.record(request).has(mark::NEWS) || self.record(request).has(mark::LONG_POLL) || self.live.is_some() {
            return;
        }
        self.news.set_out(request);
        let Some((mut place, _)) = self.news.waiting.remove(&request.identity()) else { return };
        while let Some(Wait { pending_id, next, poll }) = self.news.take(place) {
            let pending = &mut self.pending[pending_id];
            // Another of its causes may have woken it, and the slot may have another request.
            if pending.is_parked && pending.occurrence == poll {
                pending.is_parked = false;
                queue.schedule(now + self.run.costs.replication_delay, Event::Wakeup.pack(pending_id));
            }
            place = next;
        }
    }
}

/// Polls of a device whose news wakes it: the current one and the next.
const POLLS_AHEAD: usize = 3;
