//! The start and completion of a request: routing, long-poll wait, caches, lock; latencies, and the next long poll of a device.

use super::Cluster;
use super::event::Event;
use super::request::{ActiveRequest, PendingRequest};
use crate::engine::queue::EventQueue;
use crate::engine::random::{Purpose, below};
use crate::engine::time::{Span, Time};
use crate::synapse::caches::CacheEffect;
use crate::synapse::record::{Record, mark};
use crate::synapse::router::{Arrival, Response, RoutingDecision};
use crate::synapse::schedule::Occurrence;
use crate::synapse::workload::Lock;
use wsim_balance::ServerSlot;
use wsim_stats::random::mix;

impl<'run> Cluster<'run> {
    /// A request arrives at the proxy.
    pub(super) fn admit(&mut self, now: Time, occurrence: Occurrence, queue: &mut EventQueue) {
        match self.pending.insert(PendingRequest::new(occurrence)) {
            Some(pending_id) => self.route(now, pending_id, None, None, queue),
            None => self.counts.rejected += 1,
        }
    }

    /// The proxy chooses a server. `pool` and `key` replace those that the record gives (see [`Arrival::key`]).
    pub(super) fn route(&mut self, now: Time, pending_id: u32, pool: Option<u16>, key: Option<&[u8]>, queue: &mut EventQueue) {
        let occurrence = self.pending[pending_id].occurrence;
        let record = self.record(occurrence);
        let number = pool.unwrap_or_else(|| self.run.topology.pool_of(occurrence.record, record));
        let random = self.draw(Purpose::Routing, occurrence, 0);
        let room_copy = self.run.schedule.room_copy(occurrence);
        let pool = &mut self.pools[usize::from(number)];
        let decision = pool.router.route(&Arrival { record, copy: occurrence.copy, room_copy, random, pending_id, key }, &pool.loads);
        let pending = &mut self.pending[pending_id];
        (pending.pool, pending.arrived) = (number, now);
        match decision {
            RoutingDecision::Server(slot) => self.dispatch(now, pending_id, slot, queue),
            RoutingDecision::Queue => {}
            RoutingDecision::Reject => self.reject(now, pending_id, queue),
        }
    }

    fn reject(&mut self, now: Time, pending_id: u32, queue: &mut EventQueue) {
        // Nobody waits for news that nobody makes.
        self.announce(now, self.pending[pending_id].occurrence, queue);
        if let Some(live) = &mut self.live {
            live.complete(now, pending_id, None);
        }
        self.counts.rejected += 1;
        self.pending.remove(pending_id);
    }

    /// The request reaches its process: it starts, or waits if it is a long poll.
    fn dispatch(&mut self, now: Time, pending_id: u32, server: ServerSlot, queue: &mut EventQueue) {
        let pending = &mut self.pending[pending_id];
        let pool = &mut self.pools[usize::from(pending.pool)];
        let index = server.server().min(pool.members.len() - 1);
        (pending.process, pending.dispatched_at) = (pool.members[index], now);
        pending.server = ServerSlot::new(narrow(index), narrow(server.process()));
        pool.loads[index].in_flight += 1;
        let (occurrence, arrived) = (pending.occurrence, pending.arrived);
        let record = self.record(occurrence);
        if let Some(live) = &mut self.live {
            live.dispatched(pending_id);
        }
        if record.has(mark::LONG_POLL) {
            if let Some(live) = &mut self.live {
                if !live.start_waiting(now, pending_id) {
                    self.start_request(now, now, pending_id, queue);
                }
                return;
            }
            let waits = self.wait_for_news(pending_id, occurrence);
            let wake_at = self.wake_at(now, occurrence, record);
            if waits == Some(true) {
                return;
            }
            if waits.is_none() && wake_at > now {
                queue.schedule(wake_at, Event::Wakeup.pack(pending_id));
            } else {
                self.start_request(now, now, pending_id, queue);
            }
            return;
        }
        self.start_request(now, arrived, pending_id, queue);
    }

    /// When a long poll is woken that no news of this run wakes: an absolute time given by the trace, unless the poll timed out; then its
    /// timeout counts from its dispatch.
    fn wake_at(&self, now: Time, occurrence: Occurrence, record: &Record) -> Time {
        if record.has(mark::TIMED_OUT) {
            return now + Span::from_micros(u64::from(record.wait_us));
        }
        self.run.schedule.wakeup(self.run.workload, occurrence)
    }

    /// Whether there is news for a long poll at `ready`. Of a time to come only the log tells.
    fn has_news(&self, now: Time, ready: Time, occurrence: Occurrence, record: &Record) -> bool {
        let cause = self.run.schedule.cause(self.run.workload, occurrence);
        let is_out = cause.map(|cause| self.news.is_out(cause));
        is_out == Some(true) || ((is_out.is_none() || ready > now) && self.wake_at(ready, occurrence, record) <= ready)
    }

    /// A long poll is woken, or times out.
    pub(super) fn on_wakeup(&mut self, now: Time, pending_id: u32, queue: &mut EventQueue) {
        if now >= self.run.measurement.until {
            // The measured time is over: the poll is not simulated any further.
            self.pending.remove(pending_id);
            return;
        }
        let pending = self.pending[pending_id];
        // A request that is no poll has waited for a process to come back.
        let from = if self.record(pending.occurrence).has(mark::LONG_POLL) { now } else { pending.arrived };
        self.start_request(now, from, pending_id, queue);
    }

    /// The process that serves a request although its own is down, or when one is back.
    fn process_that_is_up(&self, now: Time, pending: &PendingRequest) -> Result<u16, Time> {
        let outages = &self.run.topology.outages;
        let Some(back) = outages.back_at(pending.process, now) else { return Ok(pending.process) };
        let members = &self.pools[usize::from(pending.pool)].members;
        let up = || members.iter().filter(|process| outages.back_at(**process, now).is_none());
        let count = up().count();
        if count == 0 {
            return Err(members.iter().filter_map(|process| outages.back_at(*process, now)).min().unwrap_or(back));
        }
        // The same for all requests of an actor, as a keyed rule would choose; the others share what the process had.
        let actor = self.record(pending.occurrence).actor(pending.occurrence.record) ^ u64::from(pending.occurrence.copy) << 34;
        Ok(up().nth(below(mix(actor), count)).copied().unwrap_or(pending.process))
    }

    /// The request starts its work; its latency counts from `latency_from`.
    fn start_request(&mut self, now: Time, latency_from: Time, pending_id: u32, queue: &mut EventQueue) {
        let mut pending = self.pending[pending_id];
        if !self.run.topology.outages.is_none() {
            match self.process_that_is_up(now, &pending) {
                Ok(process) => pending.process = process,
                Err(back) => return queue.schedule(back, Event::Wakeup.pack(pending_id)),
            }
        }
        let load = &mut self.pools[usize::from(pending.pool)].loads[pending.server.server()];
        let Some(slot) = self.active.insert(ActiveRequest::new(pending, pending_id, latency_from)) else {
            load.in_flight -= 1;
            return self.reject(now, pending_id, queue);
        };
        // A live run identifies the request by its pending id until the response.
        if self.live.is_none() {
            self.pending.remove(pending_id);
        }
        load.active += 1;
        let PendingRequest { occurrence, process, .. } = pending;
        let worker = &mut self.processes[usize::from(process)];
        worker.active.enter(now);
        worker.requests += u64::from(now >= self.run.measurement.from);
        self.counts.started += 1;
        let record = self.record(occurrence);
        if record.next != 0 {
            self.prefetch(record.next);
        }
        let (costs, factor) = self.costs_in_cache_state(now, occurrence, record, process);
        self.split_into_rounds(slot, costs, factor);
        let class = &self.run.workload.classes[usize::from(record.class)];
        if let Some(key) = self.lock_key(class.lock, process, occurrence) {
            self.active[slot].holds_lock = true;
            if !self.locks.acquire(key, slot, &mut self.links) {
                self.active[slot].logged_from = self.processes[usize::from(process)].interpreter.free_at().max(now);
                return;
            }
        }
        self.start_service(now, slot, queue);
    }

    /// The record whose costs a request has with the caches as simulated, and a factor on them.
    #[inline]
    fn costs_in_cache_state(&mut self, now: Time, occurrence: Occurrence, record: &'run Record, process: u16) -> (&'run Record, f64) {
        let workload = self.run.workload;
        let effect = &workload.classes[usize::from(record.class)].caches;
        let outages = &self.run.topology.outages;
        let starting = outages.cold_factor(process, now);
        if matches!(effect, CacheEffect::None) {
            return (record, starting);
        }
        let since_start = now.nanos().saturating_add(workload.skipped_before(now).nanos());
        let second = u32::try_from(since_start / 1_000_000_000).unwrap_or(u32::MAX);
        let actor = record.actor(occurrence.record) ^ u64::from(occurrence.copy) << 34;
        let was_cold = record.has(mark::COLD);
        // A process that came back is another one to its caches; there are at most 2^12 processes.
        let cached_by = process | if outages.is_none() { 0 } else { outages.starts(process, now) << 12 };
        let is_cold = self.caches.serve(actor, cached_by, record.class, second, was_cold);
        self.counts.cold += u64::from(is_cold);
        let (costs, factor) = effect.costs(record, is_cold, was_cold, self.draw(Purpose::Cache, occurrence, 0));
        (costs, factor * starting)
    }

    /// The response is ready.
    pub(super) fn complete(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let active = self.active[slot];
        let record = self.record(active.pending.occurrence);
        if !self.run.workload.classes[usize::from(record.class)].persists {
            self.announce(now, active.pending.occurrence, queue);
        }
        self.processes[usize::from(active.process)].interpreter.submit_unawaited(now, active.unlogged_after_response);
        self.release_lock(now, &active, record, queue);
        self.record_latency(now, &active, record);
        let worker = &mut self.processes[usize::from(active.process)];
        worker.active.leave(now);
        let pool = &mut self.pools[usize::from(active.pending.pool)];
        let load = &mut pool.loads[active.pending.server.server()];
        load.in_flight -= 1;
        load.active -= 1;
        if let Some(live) = &mut self.live {
            live.complete(now, active.pending_id, Some(active.process));
            self.pending.remove(active.pending_id);
        }
        self.active.remove(slot);
        let response = Response { record, server: active.pending.server, time: now - active.pending.dispatched_at };
        let admitted = pool.router.on_response(&response, &pool.loads);
        self.schedule_next_poll(now, active.pending.occurrence, record, queue);
        if let Some((queued_id, server)) = admitted {
            self.dispatch(now, queued_id, server, queue);
        }
    }

    /// The lock that a request needs in its process; `None` if it needs no lock or its record names nothing to lock.
    fn lock_key(&self, lock: Lock, process: u16, occurrence: Occurrence) -> Option<u64> {
        if lock == Lock::None {
            return None;
        }
        let record = self.record(occurrence);
        let room_copy = u64::from(self.run.schedule.room_copy(occurrence)) & 0xfff;
        lock.key(u64::from(process) | room_copy << 16, record.room, record.peer)
    }

    fn release_lock(&mut self, now: Time, active: &ActiveRequest, record: &Record, queue: &mut EventQueue) {
        if !active.holds_lock {
            return;
        }
        let class = &self.run.workload.classes[usize::from(record.class)];
        let next =
            self.lock_key(class.lock, active.process, active.pending.occurrence).and_then(|key| self.locks.release(key, &self.links));
        if let Some(next) = next {
            self.start_service(now, next, queue);
        }
    }

    fn record_latency(&mut self, now: Time, active: &ActiveRequest, record: &Record) {
        if active.latency_from < self.run.measurement.from || active.latency_from >= self.run.measurement.until {
            return;
        }
        let waited = active.connection_wait.micros();
        if active.had_transactions {
            self.processes[usize::from(active.process)].waits.record_long(waited);
        }
        if record.has(mark::INTERNAL) {
            return;
        }
        let group = usize::from(self.run.workload.classes[usize::from(record.class)].group);
        let tally = &mut self.groups[group];
        tally.work.record_long((now - active.latency_from).micros());
        if self.run.as_logged {
            tally.logged.record_long(logged(now, active, record).micros());
        }
        if active.had_transactions {
            tally.waits.record_long(waited);
        }
    }

    /// Closed loop: the device sends its next long poll after its think time.
    fn schedule_next_poll(&mut self, now: Time, occurrence: Occurrence, record: &Record, queue: &mut EventQueue) {
        if !record.has(mark::LONG_POLL) || self.live.is_some() {
            return;
        }
        let Some(next) = self.run.schedule.next_poll(self.run.workload, occurrence) else { return };
        let at = now + Span::from_micros(u64::from(self.record(next).think_us));
        if at >= self.run.measurement.until {
            return;
        }
        match self.pending.insert(PendingRequest::new(next)) {
            Some(pending_id) => queue.schedule(at, Event::NextPoll.pack(pending_id)),
            None => self.counts.rejected += 1,
        }
    }

    /// A device sends its next long poll.
    pub(super) fn on_next_poll(&mut self, now: Time, pending_id: u32, queue: &mut EventQueue) {
        let next = self.pending[pending_id].occurrence;
        if now > self.run.schedule.arrival(self.run.workload, next) {
            self.pending[pending_id].occurrence = self.merge_polls(now, next);
        }
        self.route(now, pending_id, None, None, queue);
    }

    /// A device that polls late, at `at`, gets all events since its last poll in one response. So the last of the polls
    /// that would have fetched them replaces all of them. A poll that would have timed out is replaced by the next one
    /// if that one's wake-up falls into its wait.
    fn merge_polls(&mut self, at: Time, first: Occurrence) -> Occurrence {
        let (mut best, mut seen, mut skipped) = (first, first, 0);
        for _ in 0..MERGED_POLLS_MAX {
            let Some(following) = self.run.schedule.next_poll(self.run.workload, seen) else { break };
            (seen, skipped) = (following, skipped + 1);
            let (record, best_record) = (self.record(following), self.record(best));
            if record.has(mark::TIMED_OUT) {
                continue;
            }
            let ready = if best_record.has(mark::TIMED_OUT) { at + Span::from_micros(u64::from(best_record.wait_us)) } else { at };
            if !self.has_news(at, ready, following, record) {
                break;
            }
            self.counts.merged_polls += skipped;
            (best, skipped) = (following, 0);
        }
        best
    }
}

/// The work latency as Synapse's log gives it. For a long poll that is the CPU, database time and connection waits that the log shows; for
/// one that timed out, all time after its timeout if that is longer ([`wsim_trace::Request::work_us`]).
fn logged(now: Time, active: &ActiveRequest, record: &Record) -> Span {
    if !record.has(mark::LONG_POLL) {
        return now - active.logged_from.min(now);
    }
    let used = active.cpu + active.db_time + active.connection_wait;
    if record.has(mark::TIMED_OUT) { used.max(now - active.latency_from) } else { used }
}

/// An index of a server or proxy process; neither has as many as 2^32.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(0)
}

/// Most polls that one response replaces.
const MERGED_POLLS_MAX: usize = 64;
