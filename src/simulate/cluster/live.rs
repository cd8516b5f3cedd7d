//! A run whose requests come from outside, step by step: the same model, driven by whoever has a clock.
//!
//! Owns who is parked and until when, and who has ended. Knows nothing of real time: its caller says how late it is. A request that comes
//! names a record of the workload, whose costs are its costs; a long poll parks until it is woken or its own time is over, and no device
//! comes back by itself. Invariant: every request that came is given back once, by [`Live::finished`], unless a balancer keeps it for ever.

use std::collections::{BTreeSet, HashMap};

use super::super::engine::Progress;
use super::super::queue::EventQueue;
use super::super::schedule::Visit;
use super::super::time::Time;
use super::super::topology::TopologyError;
use super::event::Event;
use super::job::Caller;
use super::{Cluster, Run};

/// A request from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The caller's number for it, not that of another one under way.
    pub ticket: u64,
    /// The record whose costs it has, and which copy of it (for what is drawn).
    pub visit: Visit,
    /// A long poll waits until then unless it is woken; the past for one that has nothing to wait for. Without meaning for records
    /// that are no long polls.
    pub until: Time,
}

/// A request that has been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The caller's number.
    pub ticket: u64,
    /// When.
    pub at: Time,
    /// The process that answered; `None` if the proxy refused it.
    pub process: Option<u16>,
}

/// The run. Instants that are given must not go back; those that do count as the last one.
pub struct Live<'a> {
    cluster: Cluster<'a>,
    queue: EventQueue,
    progress: Progress,
}

/// What a run from outside keeps beside the model.
#[derive(Debug, Default)]
pub(super) struct Watched {
    tickets: Vec<u64>,
    /// Of the request in each slot.
    until: Vec<Time>,
    parked: BTreeSet<(Time, u32)>,
    /// Ticket -> slot of those parked.
    places: HashMap<u64, u32>,
    finished: Vec<Finished>,
}

impl Watched {
    fn came(&mut self, slot: u32, arrival: &Arrival) {
        let place = slot as usize;
        if place >= self.tickets.len() {
            self.tickets.resize(place + 1, 0);
            self.until.resize(place + 1, Time::ZERO);
        }
        self.tickets[place] = arrival.ticket;
        self.until[place] = arrival.until;
    }

    /// Whether a long poll waits; if so it is parked.
    pub(super) fn parks(&mut self, now: Time, slot: u32) -> bool {
        let until = self.until[slot as usize];
        if until <= now {
            return false;
        }
        self.parked.insert((until, slot));
        self.places.insert(self.tickets[slot as usize], slot);
        true
    }

    fn unpark(&mut self, ticket: u64) -> Option<u32> {
        let slot = self.places.remove(&ticket)?;
        self.parked.remove(&(self.until[slot as usize], slot));
        Some(slot)
    }

    pub(super) fn ended(&mut self, at: Time, slot: u32, process: Option<u16>) {
        self.finished.push(Finished { ticket: self.tickets[slot as usize], at, process });
    }
}

impl<'a> Live<'a> {
    /// A run without requests yet; the schedule of `run` is left aside.
    ///
    /// # Errors
    /// The topology names what does not exist.
    pub fn new(run: Run<'a>) -> Result<Self, TopologyError> {
        run.topology.check()?;
        let mut cluster = Cluster::new(run);
        cluster.watched = Some(Box::default());
        cluster.next_at = Time::NEVER;
        let queue = cluster.queue();
        Ok(Self { cluster, queue, progress: Progress::default() })
    }

    /// The instant of the last event.
    pub fn now(&self) -> Time {
        self.progress.now
    }

    /// When something happens next if nobody comes; [`Time::NEVER`] if nothing does.
    pub fn next_time(&mut self) -> Time {
        let inside = self.queue.next_time();
        inside.min(self.first_parked().map_or(Time::NEVER, |(until, _)| until))
    }

    /// Everything up to `until` happens.
    pub fn run_until(&mut self, until: Time) {
        loop {
            let parked = self.first_parked().filter(|(end, _)| *end <= until);
            let upto = parked.map_or(until, |(end, _)| end);
            self.progress.run(&mut self.cluster, &mut self.queue, upto);
            // What has happened may have woken it, or parked another whose time is over before.
            match self.first_parked().filter(|(end, _)| *end <= upto) {
                Some((end, slot)) => self.unparks(end, slot),
                None if parked.is_none() => break,
                None => {}
            }
        }
        self.progress.now = self.progress.now.max(until);
    }

    /// A request comes.
    pub fn arrive(&mut self, now: Time, arrival: Arrival) {
        let now = self.reach(now);
        let slot = self.cluster.callers.open(Caller::new(arrival.visit));
        let Some(watched) = &mut self.cluster.watched else { return };
        match slot {
            Some(slot) => {
                watched.came(slot, &arrival);
                self.cluster.knocks(now, slot, &mut self.queue);
            }
            None => {
                watched.finished.push(Finished { ticket: arrival.ticket, at: now, process: None });
                self.cluster.counts.refused += 1;
            }
        }
    }

    /// The news that a parked long poll waits for are there. Nothing happens to one that is not parked.
    pub fn wake(&mut self, now: Time, ticket: u64) {
        let now = self.reach(now);
        if let Some(slot) = self.cluster.watched.as_mut().and_then(|watched| watched.unpark(ticket)) {
            self.queue.schedule(now, Event::News.pack(slot));
        }
    }

    /// Takes what has ended since the last call, in order.
    pub fn finished(&mut self) -> Vec<Finished> {
        self.cluster.watched.as_mut().map(|watched| std::mem::take(&mut watched.finished)).unwrap_or_default()
    }

    fn reach(&mut self, now: Time) -> Time {
        self.run_until(now);
        now.max(self.progress.now)
    }

    fn first_parked(&self) -> Option<(Time, u32)> {
        self.cluster.watched.as_ref()?.parked.first().copied()
    }

    fn unparks(&mut self, at: Time, slot: u32) {
        if let Some(watched) = &mut self.cluster.watched {
            let ticket = watched.tickets[slot as usize];
            watched.unpark(ticket);
            self.queue.schedule(at.max(self.progress.now), Event::News.pack(slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::record::{Record, mark};
    use super::super::super::router::{RoundRobin, Router};
    use super::super::super::schedule::Schedule;
    use super::super::super::station::Measuring;
    use super::super::super::time::Span;
    use super::super::super::topology::{Costs, Topology};
    use super::super::super::workload::{Class, Workload};
    use super::*;

    fn ms(value: u64) -> Time {
        Time::from_micros(value * 1000)
    }

    /// A request of 10 ms, and a long poll whose answer takes 1 ms, in front of one process.
    fn play(steps: impl Fn(&mut Live<'_>)) {
        let mut poll = Record { cpu_us: 1000, wait_us: 7, ..Record::at(0) };
        poll.set(mark::POLL);
        let records = vec![Record { cpu_us: 10_000, ..Record::at(0) }, poll];
        let workload = Workload { records, classes: vec![Class::plain(0)], origin_us: 0, span: Span::ZERO };
        let routers = |_: usize, _: usize, _: u64| Box::new(RoundRobin::default()) as Box<dyn Router>;
        let run = Run {
            workload: &workload,
            schedule: &Schedule::nobody(),
            topology: &Topology::one_pool(1),
            routers: &routers,
            costs: &Costs::LOGGED,
            measuring: Measuring::over(Time::ZERO, Time::NEVER, 1),
            seed: 1,
            as_logged: false,
        };
        steps(&mut Live::new(run).unwrap());
    }

    fn arrival(ticket: u64, record: u32, until: Time) -> Arrival {
        Arrival { ticket, visit: Visit { record, copy: 0 }, until }
    }

    fn ends(live: &mut Live<'_>) -> Vec<(u64, Time)> {
        live.finished().iter().map(|end| (end.ticket, end.at)).collect()
    }

    #[test]
    fn requests_from_outside_queue_as_they_would_in_a_run() {
        play(|live| {
            live.arrive(ms(5), arrival(1, 0, Time::ZERO));
            live.arrive(ms(7), arrival(2, 0, Time::ZERO));
            assert_eq!(live.next_time(), ms(15));
            live.run_until(ms(100));
            assert_eq!(ends(live), [(1, ms(15)), (2, ms(25))]);
            assert_eq!(live.next_time(), Time::NEVER);
        });
    }

    #[test]
    fn a_long_poll_is_woken_or_its_time_is_over_and_both_happen_once() {
        play(|live| {
            live.arrive(ms(0), arrival(1, 1, ms(30)));
            live.arrive(ms(0), arrival(2, 1, ms(40)));
            live.arrive(ms(0), arrival(3, 1, Time::ZERO));
            live.wake(ms(20), 2);
            live.wake(ms(20), 2);
            assert_eq!(live.next_time(), ms(21), "it works already");
            live.run_until(ms(25));
            assert_eq!(ends(live), [(3, ms(1)), (2, ms(21))]);
            assert_eq!(live.next_time(), ms(30));
            live.run_until(ms(99));
            live.wake(ms(99), 1);
            live.run_until(ms(120));
            assert_eq!(ends(live), [(1, ms(31))]);
        });
    }
}
