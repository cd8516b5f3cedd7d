//! A run whose requests are submitted from outside, step by step: the same model, driven by the caller's clock.
//!
//! Owns which long polls wait and until when, and which requests have completed. Knows nothing of real time: the caller
//! says what time it is. A submitted request names a record of the workload and has that record's costs. A long poll
//! waits until [`LiveRun::wake`] or its own timeout, and no device sends a next poll by itself. Invariant: every
//! submitted request is returned once, by [`LiveRun::take_responses`], unless a balancer queues it for ever.

use std::collections::{BTreeSet, HashMap};

use super::event::Event;
use super::request::PendingRequest;
use super::{Cluster, Run};
use crate::engine::Progress;
use crate::engine::queue::EventQueue;
use crate::engine::time::Time;
use crate::synapse::schedule::Occurrence;
use crate::synapse::topology::TopologyError;

/// A request from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveRequest<'a> {
    /// The caller's number; unique among the requests under way.
    pub id: u64,
    /// The record that gives the request's costs, and which copy of it (for random numbers).
    pub occurrence: Occurrence,
    /// A long poll waits until then unless it is woken; a time in the past for one that need not wait. Ignored for records that are no long
    /// polls.
    pub until: Time,
    /// The pool that the proxy sends the request to, by its index in the topology; `None`: the record's.
    pub pool: Option<u16>,
    /// The key that a keyed rule hashes, byte for byte, empty if the request has none; `None`: the key is the record's.
    pub key: Option<&'a [u8]>,
}

/// A request that has completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveResponse {
    /// The caller's number.
    pub id: u64,
    pub at: Time,
    /// The process that responded; `None` if the request was rejected.
    pub process: Option<u16>,
}

/// A run driven from outside. Times must not go back; an earlier time counts as the last one.
pub struct LiveRun<'a> {
    cluster: Cluster<'a>,
    queue: EventQueue,
    progress: Progress,
}

/// State of a live run beside the model.
#[derive(Debug, Default)]
pub(super) struct LiveState {
    /// The caller's number of the request in each pending slot.
    ids: Vec<u64>,
    /// Timeout of the long poll in each pending slot.
    until: Vec<Time>,
    waiting: BTreeSet<(Time, u32)>,
    /// Caller's number -> pending slot of the requests that no process has yet: they queue at the proxy.
    queued: HashMap<u64, u32>,
    /// Caller's number -> pending slot of the long polls that wait.
    slots: HashMap<u64, u32>,
    responses: Vec<LiveResponse>,
}

impl LiveState {
    fn add(&mut self, slot: u32, request: &LiveRequest<'_>) {
        let index = slot as usize;
        if index >= self.ids.len() {
            self.ids.resize(index + 1, 0);
            self.until.resize(index + 1, Time::ZERO);
        }
        self.ids[index] = request.id;
        self.until[index] = request.until;
        self.queued.insert(request.id, slot);
    }

    /// A process has the request.
    pub(super) fn dispatched(&mut self, slot: u32) {
        self.queued.remove(&self.ids[slot as usize]);
    }

    /// Whether a long poll has to wait; if so it is registered as waiting.
    pub(super) fn start_waiting(&mut self, now: Time, slot: u32) -> bool {
        let until = self.until[slot as usize];
        if until <= now {
            return false;
        }
        self.waiting.insert((until, slot));
        self.slots.insert(self.ids[slot as usize], slot);
        true
    }

    fn stop_waiting(&mut self, id: u64) -> Option<u32> {
        let slot = self.slots.remove(&id)?;
        self.waiting.remove(&(self.until[slot as usize], slot));
        Some(slot)
    }

    /// Notes that a request which still queues at the proxy need not wait once a process has it.
    fn wake_queued(&mut self, now: Time, id: u64) {
        if let Some(&slot) = self.queued.get(&id) {
            let until = &mut self.until[slot as usize];
            *until = now.min(*until);
        }
    }

    pub(super) fn complete(&mut self, at: Time, slot: u32, process: Option<u16>) {
        self.queued.remove(&self.ids[slot as usize]);
        self.responses.push(LiveResponse { id: self.ids[slot as usize], at, process });
    }
}

impl<'a> LiveRun<'a> {
    /// A run without requests yet. The schedule of `run` is not used.
    ///
    /// # Errors
    /// The topology is inconsistent.
    pub fn new(run: Run<'a>) -> Result<Self, TopologyError> {
        run.topology.check()?;
        let mut cluster = Cluster::new(run);
        cluster.live = Some(Box::default());
        cluster.next_at = Time::NEVER;
        let queue = cluster.event_queue();
        Ok(Self { cluster, queue, progress: Progress::default() })
    }

    /// Time of the last event.
    pub fn now(&self) -> Time {
        self.progress.now
    }

    /// Time of the next event if nothing is submitted before; [`Time::NEVER`] if there is none.
    pub fn next_time(&mut self) -> Time {
        let next_event = self.queue.next_time();
        next_event.min(self.first_waiting().map_or(Time::NEVER, |(until, _)| until))
    }

    /// Handles all events up to `until`.
    pub fn run_until(&mut self, until: Time) {
        loop {
            let waiting = self.first_waiting().filter(|(timeout, _)| *timeout <= until);
            let next_stop = waiting.map_or(until, |(timeout, _)| timeout);
            self.progress.run(&mut self.cluster, &mut self.queue, next_stop);
            // These events may have woken that poll, or made another one wait whose timeout is earlier.
            match self.first_waiting().filter(|(timeout, _)| *timeout <= next_stop) {
                Some((timeout, slot)) => self.time_out(timeout, slot),
                None if waiting.is_none() => break,
                None => {}
            }
        }
        self.progress.now = self.progress.now.max(until);
    }

    /// Submits a request at `now`.
    pub fn submit(&mut self, now: Time, request: LiveRequest<'_>) {
        let now = self.advance_to(now);
        let slot = self.cluster.pending.insert(PendingRequest::new(request.occurrence));
        let Some(live) = &mut self.cluster.live else { return };
        match slot {
            Some(slot) => {
                live.add(slot, &request);
                self.cluster.route(now, slot, request.pool, request.key, &mut self.queue);
            }
            None => {
                live.responses.push(LiveResponse { id: request.id, at: now, process: None });
                self.cluster.counts.rejected += 1;
            }
        }
    }

    /// Wakes a long poll; one that still queues at the proxy will not wait. Has no effect on a request at work.
    pub fn wake(&mut self, now: Time, id: u64) {
        let now = self.advance_to(now);
        if let Some(slot) = self.cluster.live.as_mut().and_then(|live| live.stop_waiting(id)) {
            self.queue.schedule(now, Event::Wakeup.pack(slot));
        } else if let Some(live) = &mut self.cluster.live {
            live.wake_queued(now, id);
        }
    }

    /// Takes the requests that have completed since the last call, in order.
    pub fn take_responses(&mut self) -> Vec<LiveResponse> {
        self.cluster.live.as_mut().map(|live| std::mem::take(&mut live.responses)).unwrap_or_default()
    }

    fn advance_to(&mut self, now: Time) -> Time {
        self.run_until(now);
        now.max(self.progress.now)
    }

    fn first_waiting(&self) -> Option<(Time, u32)> {
        self.cluster.live.as_ref()?.waiting.first().copied()
    }

    fn time_out(&mut self, at: Time, slot: u32) {
        if let Some(live) = &mut self.cluster.live {
            let id = live.ids[slot as usize];
            live.stop_waiting(id);
            self.queue.schedule(at.max(self.progress.now), Event::Wakeup.pack(slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Span;
    use crate::station::MeasurementWindow;
    use crate::synapse::record::{Record, mark};
    use crate::synapse::router::{Arrival, Response, RoundRobin, Router, Routers, RoutingDecision, ServerLoad};
    use crate::synapse::schedule::Schedule;
    use crate::synapse::topology::{Costs, Topology};
    use crate::synapse::workload::{Class, Workload};

    fn ms(value: u64) -> Time {
        Time::from_micros(value * 1000)
    }

    /// A request of 10 ms, and a long poll whose response takes 1 ms, at one process.
    fn play(steps: impl Fn(&mut LiveRun<'_>)) {
        play_behind(&|_: usize, _: usize, _: u64| Box::new(RoundRobin::default()) as Box<dyn Router>, steps);
    }

    fn play_behind(routers: &dyn Routers, steps: impl Fn(&mut LiveRun<'_>)) {
        let mut poll = Record { cpu_us: 1000, wait_us: 7, ..Record::at(0) };
        poll.set(mark::LONG_POLL);
        let records = vec![Record { cpu_us: 10_000, ..Record::at(0) }, poll];
        let workload = Workload { records, classes: vec![Class::plain(0)], origin_us: 0, span: Span::ZERO, skips: Vec::new() };
        let run = Run {
            workload: &workload,
            schedule: &Schedule::empty(),
            topology: &Topology::one_pool(1),
            routers,
            costs: &Costs::LOGGED,
            measurement: MeasurementWindow::new(Time::ZERO, Time::NEVER, 1),
            seed: 1,
            as_logged: false,
        };
        steps(&mut LiveRun::new(run).unwrap());
    }

    fn request(id: u64, record: u32, until: Time) -> LiveRequest<'static> {
        LiveRequest { id, occurrence: Occurrence::observed(record), until, pool: None, key: None }
    }

    fn responses(live: &mut LiveRun<'_>) -> Vec<(u64, Time)> {
        live.take_responses().iter().map(|response| (response.id, response.at)).collect()
    }

    #[test]
    fn submitted_requests_queue_as_in_a_run() {
        play(|live| {
            live.submit(ms(5), request(1, 0, Time::ZERO));
            live.submit(ms(7), request(2, 0, Time::ZERO));
            assert_eq!(live.next_time(), ms(15));
            live.run_until(ms(100));
            assert_eq!(responses(live), [(1, ms(15)), (2, ms(25))]);
            assert_eq!(live.next_time(), Time::NEVER);
        });
    }

    #[test]
    fn a_long_poll_is_woken_or_times_out_and_completes_once() {
        play(|live| {
            live.submit(ms(0), request(1, 1, ms(30)));
            live.submit(ms(0), request(2, 1, ms(40)));
            live.submit(ms(0), request(3, 1, Time::ZERO));
            live.wake(ms(20), 2);
            live.wake(ms(20), 2);
            assert_eq!(live.next_time(), ms(21), "the request is active already");
            live.run_until(ms(25));
            assert_eq!(responses(live), [(3, ms(1)), (2, ms(21))]);
            assert_eq!(live.next_time(), ms(30));
            live.run_until(ms(99));
            live.wake(ms(99), 1);
            live.run_until(ms(120));
            assert_eq!(responses(live), [(1, ms(31))]);
        });
    }

    /// A proxy that sends one request at a time and queues the others.
    #[derive(Default)]
    struct OneAtATime {
        busy: bool,
        queue: std::collections::VecDeque<u32>,
    }

    impl Router for OneAtATime {
        fn route(&mut self, arrival: &Arrival<'_>, _: &[ServerLoad]) -> RoutingDecision {
            if std::mem::replace(&mut self.busy, true) {
                self.queue.push_back(arrival.pending_id);
                return RoutingDecision::Queue;
            }
            RoutingDecision::Server(wsim_balance::ServerSlot::new(0, 0))
        }

        fn on_response(&mut self, _: &Response<'_>, _: &[ServerLoad]) -> Option<(u32, wsim_balance::ServerSlot)> {
            let next = self.queue.pop_front();
            self.busy = next.is_some();
            next.map(|id| (id, wsim_balance::ServerSlot::new(0, 0)))
        }
    }

    #[test]
    fn a_poll_that_is_woken_while_it_queues_at_the_proxy_does_not_wait() {
        let routers = |_: usize, _: usize, _: u64| Box::new(OneAtATime::default()) as Box<dyn Router>;
        play_behind(&routers, |live| {
            live.submit(ms(0), request(1, 0, Time::ZERO));
            live.submit(ms(1), request(2, 1, ms(30_000)));
            live.submit(ms(1), request(3, 1, ms(12)));
            live.wake(ms(5), 2);
            live.run_until(ms(100));
            assert_eq!(responses(live), [(1, ms(10)), (2, ms(11)), (3, ms(13))]);
        });
    }
}
