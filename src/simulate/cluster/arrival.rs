//! A request's beginning and end: proxy, park, caches, lock; latencies, and devices that come back.

use super::super::queue::EventQueue;
use super::super::random::Purpose;
use super::super::record::{Record, mark};
use super::super::router::{Answer, Arriving, Ended, Sent};
use super::super::schedule::Visit;
use super::super::time::{Span, Time};
use super::super::workload::{CACHE_LIFE_US, Lock};
use super::Cluster;
use super::event::Event;
use super::job::{Caller, Job};

impl Cluster<'_> {
    /// A request comes to the proxy.
    pub(super) fn comes(&mut self, now: Time, visit: Visit, queue: &mut EventQueue) {
        match self.callers.open(Caller::new(visit)) {
            Some(seat) => self.knocks(now, seat, queue),
            None => self.counts.refused += 1,
        }
    }

    /// The proxy decides.
    pub(super) fn knocks(&mut self, now: Time, seat: u32, queue: &mut EventQueue) {
        let visit = self.callers[seat].visit;
        let record = self.record(visit);
        let number = self.run.topology.routes.get(usize::from(record.endpoint)).copied().unwrap_or(0);
        let random = self.draw(Purpose::Routing, visit, 0);
        let pool = &mut self.pools[usize::from(number)];
        let answer = pool.router.pick(&Arriving { record, copy: visit.copy, random, ticket: seat }, &pool.loads);
        let caller = &mut self.callers[seat];
        (caller.pool, caller.came) = (number, now);
        match answer {
            Answer::Sent(sent) => self.sent(now, seat, sent, queue),
            Answer::Waits => {}
            Answer::Refused => self.refuses(now, seat),
        }
    }

    fn refuses(&mut self, now: Time, seat: u32) {
        if let Some(watched) = &mut self.watched {
            watched.ended(now, seat, None);
        }
        self.counts.refused += 1;
        self.callers.close(seat);
    }

    /// A process takes the request: it begins, or parks.
    fn sent(&mut self, now: Time, seat: u32, sent: Sent, queue: &mut EventQueue) {
        let caller = &mut self.callers[seat];
        let pool = &mut self.pools[usize::from(caller.pool)];
        let server = (sent.server as usize).min(pool.members.len() - 1);
        (caller.process, caller.sent_at) = (pool.members[server], now);
        caller.sent = Sent { server: u32::try_from(server).unwrap_or(0), ..sent };
        pool.loads[server].in_flight += 1;
        let (visit, came) = (caller.visit, caller.came);
        let record = self.record(visit);
        if record.is(mark::POLL) {
            if let Some(watched) = &mut self.watched {
                if !watched.parks(now, seat) {
                    self.begins(now, now, seat, queue);
                }
                return;
            }
            let news = self.news_at(now, visit, record);
            if news > now {
                queue.schedule(news, Event::News.pack(seat));
            } else {
                self.begins(now, now, seat, queue);
            }
            return;
        }
        self.begins(now, came, seat, queue);
    }

    /// When a long poll's news come: an instant of the outside world, unless its own timeout ends it.
    fn news_at(&self, now: Time, visit: Visit, record: &Record) -> Time {
        let wait = Span::from_micros(u64::from(record.wait_us));
        if record.is(mark::TIMED_OUT) {
            return now + wait;
        }
        self.run.schedule.arrival(self.run.workload, visit) + wait
    }

    /// The news have come.
    pub(super) fn news(&mut self, now: Time, seat: u32, queue: &mut EventQueue) {
        if now >= self.run.measuring.until {
            // The measured time is over: it stays parked.
            self.callers.close(seat);
            return;
        }
        self.begins(now, now, seat, queue);
    }

    /// The request begins to work; its latency counts from `began`.
    fn begins(&mut self, now: Time, began: Time, seat: u32, queue: &mut EventQueue) {
        let caller = self.callers[seat];
        let load = &mut self.pools[usize::from(caller.pool)].loads[caller.sent.server as usize];
        let Some(slot) = self.jobs.open(Job::new(caller, seat, began)) else {
            load.in_flight -= 1;
            return self.refuses(now, seat);
        };
        // Who watches knows it by its seat.
        if self.watched.is_none() {
            self.callers.close(seat);
        }
        load.busy += 1;
        let Caller { visit, process, .. } = caller;
        let worker = &mut self.processes[usize::from(process)];
        worker.working.enter(now);
        worker.requests += u64::from(now >= self.run.measuring.from);
        self.counts.begun += 1;
        let record = self.record(visit);
        if record.next != 0 {
            self.prefetch(record.next);
        }
        let factor = self.cache_factor(now, visit, record, process);
        self.plan(slot, record, factor);
        let class = &self.run.workload.classes[usize::from(record.class)];
        if let Some(key) = lock_key(class.lock, process, record) {
            self.jobs[slot].holds_lock = true;
            if !self.locks.acquire(key, slot, &mut self.links) {
                self.jobs[slot].looked_at = self.processes[usize::from(process)].interpreter.free_at().max(now);
                return;
            }
        }
        self.works(now, slot, queue);
    }

    /// Costs with the caches as they are now over costs as observed.
    fn cache_factor(&mut self, now: Time, visit: Visit, record: &Record, process: u16) -> f64 {
        let Some(caches) = &mut self.caches else { return 1.0 };
        let second = u32::try_from(now.nanos() / 1_000_000_000).unwrap_or(u32::MAX);
        let key = record.actor(visit.record) ^ u64::from(visit.copy) << 34 ^ u64::from(process) << 48;
        let life = u32::try_from(CACHE_LIFE_US / 1_000_000).unwrap_or(u32::MAX);
        let last = caches.insert(key, second);
        let cold = last.is_none_or(|last| second - last > life);
        self.counts.cold += u64::from(cold);
        let ratio = self.run.workload.classes[usize::from(record.class)].cold_ratio;
        match (cold, record.is(mark::COLD)) {
            (true, false) => ratio,
            (false, true) => 1.0 / ratio,
            _ => 1.0,
        }
    }

    /// The answer is ready.
    pub(super) fn ends(&mut self, now: Time, slot: u32, queue: &mut EventQueue) {
        let job = self.jobs[slot];
        let record = self.record(job.caller.visit);
        self.processes[usize::from(job.process)].interpreter.run(now, job.after);
        self.unlocks(now, &job, record, queue);
        self.tally(now, &job, record);
        let worker = &mut self.processes[usize::from(job.process)];
        worker.working.leave(now);
        let pool = &mut self.pools[usize::from(job.caller.pool)];
        let load = &mut pool.loads[job.caller.sent.server as usize];
        load.in_flight -= 1;
        load.busy -= 1;
        if let Some(watched) = &mut self.watched {
            watched.ended(now, job.seat, Some(job.process));
            self.callers.close(job.seat);
        }
        self.jobs.close(slot);
        let ended = Ended { record, sent: job.caller.sent, response: now - job.caller.sent_at };
        let admitted = pool.router.done(&ended, &pool.loads);
        self.comes_back(now, job.caller.visit, record, queue);
        if let Some((waiting, sent)) = admitted {
            self.sent(now, waiting, sent, queue);
        }
    }

    fn unlocks(&mut self, now: Time, job: &Job, record: &Record, queue: &mut EventQueue) {
        if !job.holds_lock {
            return;
        }
        let class = &self.run.workload.classes[usize::from(record.class)];
        let next = lock_key(class.lock, job.process, record).and_then(|key| self.locks.release(key, &self.links));
        if let Some(next) = next {
            self.works(now, next, queue);
        }
    }

    fn tally(&mut self, now: Time, job: &Job, record: &Record) {
        if job.began < self.run.measuring.from || job.began >= self.run.measuring.until {
            return;
        }
        let group = usize::from(self.run.workload.classes[usize::from(record.class)].group);
        let tally = &mut self.groups[group];
        tally.work.record((now - job.began).micros_u32());
        if self.run.as_logged {
            tally.logged.record(logged(now, job, record).micros_u32());
        }
        if job.had_transactions {
            let waited = job.waited.micros_u32();
            tally.waits.record(waited);
            self.processes[usize::from(job.process)].waits.record(waited);
        }
    }

    /// A closed loop: the device's next long poll comes when it has thought.
    fn comes_back(&mut self, now: Time, visit: Visit, record: &Record, queue: &mut EventQueue) {
        if record.next == 0 || self.watched.is_some() {
            return;
        }
        let mut next = Visit { record: record.next, copy: visit.copy };
        let at = now + Span::from_micros(u64::from(self.record(next).think_us));
        if at >= self.run.measuring.until || self.run.schedule.begins_anew(self.run.workload, next) {
            return;
        }
        if at > self.run.schedule.arrival(self.run.workload, next) {
            next = self.merged(at, next);
        }
        match self.callers.open(Caller::new(next)) {
            Some(seat) => queue.schedule(at, Event::ComesBack.pack(seat)),
            None => self.counts.refused += 1,
        }
    }

    /// A device that comes back late, at `at`, finds all news that have come meanwhile in one answer: the last of the polls that would
    /// have fetched them stands for all. One that would have waited in vain takes those that come while it waits.
    fn merged(&mut self, at: Time, first: Visit) -> Visit {
        let (mut best, mut seen, mut skipped) = (first, first, 0);
        for _ in 0..MERGED_MAX {
            let following = Visit { record: self.record(seen).next, ..first };
            if following.record == 0 || self.run.schedule.begins_anew(self.run.workload, following) {
                break;
            }
            (seen, skipped) = (following, skipped + 1);
            let (record, mine) = (self.record(following), self.record(best));
            if record.is(mark::TIMED_OUT) {
                continue;
            }
            let ready = if mine.is(mark::TIMED_OUT) { at + Span::from_micros(u64::from(mine.wait_us)) } else { at };
            if self.news_at(at, following, record) > ready {
                break;
            }
            self.counts.merged += skipped;
            (best, skipped) = (following, 0);
        }
        best
    }
}

/// The work latency that Synapse's log gives. Of a long poll that is what it used, and beyond its timeout, where parking ends, also what it
/// waited ([`wsim_trace::Request::work_us`]).
fn logged(now: Time, job: &Job, record: &Record) -> Span {
    if !record.is(mark::POLL) {
        return now - job.looked_at.min(now);
    }
    let used = job.cpu + job.in_db + job.waited;
    if record.is(mark::TIMED_OUT) { used.max(now - job.began) } else { used }
}

/// The lock a request needs in its process; `None` if it needs none or names nothing to lock.
fn lock_key(lock: Lock, process: u16, record: &Record) -> Option<u64> {
    let (kind, name) = match lock {
        Lock::None => return None,
        Lock::Room => (0, record.room),
        Lock::Member => (1, record.room),
        Lock::Origin => (2, record.peer),
    };
    name.is_some().then(|| kind << 60 | u64::from(process) << 32 | u64::from(name.0))
}

/// Polls that one answer stands for, at most.
const MERGED_MAX: usize = 64;
