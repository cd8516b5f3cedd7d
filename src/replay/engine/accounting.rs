//! How requests ended, as outcomes: each slot has one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::pool::WaitingRequest;
use super::super::{End, Outcome, Position, SkipReason};
use super::{Engine, since};
use wsim_transport::{Exchange, Failure};

impl Engine {
    pub(super) fn on_exchange_end(&mut self, waiting: &WaitingRequest, granted: Instant, exchange: &Exchange) {
        let now_ns = self.since(Instant::now());
        self.stall_watch.on_run(now_ns);
        let slot = self.schedule.slots[waiting.slot as usize];
        self.in_flight.remove(&waiting.slot);
        self.polls_in_flight -= usize::from(self.row(waiting.slot).long_poll);
        self.live.in_flight.store(self.in_flight.len() as u64, Ordering::Relaxed);
        let timeline = &exchange.timeline;
        // 0 means that there was none.
        let begin = self.begin;
        let instant_ns = |instant: Option<Instant>| instant.map_or(0, |instant| since(begin, instant).max(1));
        let mut outcome = Outcome {
            dispatched_ns: waiting.dispatched_ns,
            granted_ns: self.since(granted).max(waiting.dispatched_ns),
            repeated_ns: instant_ns(timeline.repeated),
            connected_ns: instant_ns(timeline.connected),
            secured_ns: instant_ns(timeline.secured),
            sent_ns: instant_ns(timeline.sent),
            last_byte_ns: now_ns,
            repeats: exchange.repeats,
            ..self.outcome(waiting.slot, waiting.due_ns, End::Completed)
        };
        match &exchange.result {
            Ok(response) => {
                outcome.first_byte_ns = instant_ns(timeline.first_byte);
                outcome.last_byte_ns = timeline.last_byte.map_or(now_ns, |instant| self.since(instant));
                outcome.bytes = u32::try_from(response.bytes).unwrap_or(u32::MAX);
                outcome.status = response.status;
                self.script.learn(Position { row: slot.row, copy: slot.copy }, response);
                outcome.upstream = response.upstream.as_ref().map_or(0, |name| self.upstream(name));
            }
            Err(failure) => outcome.end = End::Failed(*failure),
        }
        outcome.disturbed = self.stall_watch.overlaps(outcome.due_ns, outcome.last_byte_ns);
        self.record_ended(outcome);
        if let Some(reason) = self.breaker.record(&outcome) {
            self.stop.set(reason);
        }
    }

    fn record_ended(&mut self, outcome: Outcome) {
        self.live.ended.fetch_add(1, Ordering::Relaxed);
        if matches!(outcome.end, End::Failed(_)) {
            self.live.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.last_ns = self.last_ns.max(outcome.last_byte_ns);
        self.record(outcome);
    }

    pub(super) fn skip(&mut self, index: u32, reason: SkipReason) {
        self.live.skipped.fetch_add(1, Ordering::Relaxed);
        let intended = self.schedule.slots[index as usize].intended_ns;
        let outcome = self.outcome(index, intended, End::Skipped(reason));
        self.record(outcome);
    }

    fn record(&mut self, outcome: Outcome) {
        self.recording.record(outcome);
    }

    pub(super) fn flush(&mut self) {
        self.recording.flush();
    }

    /// The outcome of a slot without a response.
    fn outcome(&self, index: u32, due_ns: u64, end: End) -> Outcome {
        let slot = self.schedule.slots[index as usize];
        let row = &self.schedule.rows[slot.row as usize];
        Outcome {
            due_ns,
            dispatched_ns: due_ns,
            granted_ns: due_ns,
            original_us: row.original_us,
            row: slot.row,
            copy: slot.copy,
            endpoint: row.endpoint,
            original_status: row.original_status,
            long_poll: row.long_poll,
            ..Outcome::of_end(slot.intended_ns, end)
        }
    }

    fn upstream(&mut self, name: &Arc<str>) -> u8 {
        if let Some(&number) = self.upstreams.get(name) {
            return number;
        }
        let number = u8::try_from(self.upstreams.len() + 1).unwrap_or(u8::MAX);
        if number < u8::MAX {
            self.upstreams.insert(Arc::clone(name), number);
            self.recording.upstream(number, name);
        }
        number
    }

    /// Skips the slots that were not taken up because the run was stopped.
    pub(super) fn skip_undelivered(&mut self) {
        let end = u32::try_from(self.schedule.slots.len()).unwrap_or(u32::MAX);
        for index in std::mem::replace(&mut self.next_slot, end)..end {
            self.skip(index, SkipReason::Stopped);
        }
    }

    pub(super) fn skip_waiting(&mut self) {
        let mut waiting: Vec<u32> = self.lanes.drain().collect();
        waiting.extend(self.pool.drain().map(|request| request.slot));
        for index in waiting {
            self.skip(index, SkipReason::Stopped);
        }
    }

    /// Records the requests that are still waiting or in flight when the drain is over.
    pub(super) fn abandon_in_flight(&mut self) {
        self.skip_waiting();
        let mut left: Vec<(u32, u64)> = self.in_flight.drain().map(|(index, request)| (index, request.due_ns)).collect();
        left.sort_unstable();
        for (index, due_ns) in left {
            let mut outcome = self.outcome(index, due_ns, End::Failed(Failure::Abandoned));
            outcome.last_byte_ns = self.since(Instant::now());
            self.record_ended(outcome);
        }
    }
}
