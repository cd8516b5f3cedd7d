//! The Python interpreter of a process, which runs one thread at a time: the reactor's or a database thread.
//!
//! A slice is the part of a request that runs in the reactor between two waits. A Twisted reactor runs slices in the
//! order in which they become ready, each to its end, and work that no request waits for (timers, garbage collection,
//! replication) in the same queue. The reactor is one thread, which needs CPython's global interpreter lock (GIL) like
//! every other thread. The lock is granted in the order of request, and a slice loses it after the switch interval if
//! another thread waits (CPython, `Python/ceval_gil.h`; `sys.setswitchinterval`). So a database thread waits for one
//! interval and for other threads, however long the reactor's queue is. A database thread keeps the lock until it waits
//! for the database again, which is soon.
//!
//! With a CFS quota of 5 ms or less per period, database threads queue behind the reactor instead of contending for the
//! GIL. Linux hands a quota to processors in slices of 5 ms (Documentation/scheduler/sched-bwc.rst,
//! `sched_cfs_bandwidth_slice_us`), so the processor that runs the reactor has all of it, and a thread that wakes on
//! another processor waits for a later period. Measured on `samples/one-worker`: this rule gives its waits within 16 %,
//! the GIL's rule a quarter of them.
//!
//! Invariants: one thing runs at a time, and something runs while anything waits; no work is lost. Between calls, if
//! nothing runs then nothing waits, except after a [`poll`](Interpreter::poll) that returned [`Poll::Done`].

use std::collections::VecDeque;

use rand_xoshiro::Xoshiro256PlusPlus;

use super::background::{Background, BackgroundPieces};
use super::meter::{BusyMeter, MeasurementWindow, Occupancy};
use super::processor::{Cpu, Processor};
use crate::engine::time::{Span, Time};

/// The interpreter. Payloads are numbers of the caller's, returned when the work is done.
#[derive(Debug, Clone)]
pub struct Interpreter {
    processor: Processor,
    background: BackgroundPieces,
    running: Option<Running>,
    /// Slices that are ready to run in the reactor.
    ready: VecDeque<Slice>,
    /// Unawaited work (work that no request waits for) behind the last ready slice.
    unawaited: Span,
    threads: VecDeque<Thread>,
    /// Since when the reactor's thread has been waiting for the GIL.
    reactor_since: Time,
    /// Set after [`Poll::Done`], until the caller has handled what was done and polls again.
    caller_deciding: bool,
    /// Length of `ready` and `unawaited` together.
    queued: Span,
    threads_queue_behind_reactor: bool,
    present: Occupancy,
}

/// Result of [`Interpreter::poll`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// A slice or thread is done. Handle it and poll again at once.
    Done(Completed),
    /// The new deadline, which replaces the one returned earlier. [`Time::NEVER`]: no poll is needed until work is submitted.
    At(Time),
    /// The deadline returned earlier still holds.
    Unchanged,
}

/// A slice or thread that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    pub payload: u32,
    /// When it was submitted (for threads: the time that the caller gave).
    pub arrived: Time,
    /// When it first ran.
    pub started: Time,
}

/// Result of [`Interpreter::submit_thread`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAdmission {
    /// The thread has no work but to hold the GIL once, and has held it.
    Immediate,
    /// The new deadline for a poll, which replaces the one returned earlier.
    At(Time),
    /// The thread waits, and the deadline returned earlier still holds.
    Waiting,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    kind: Kind,
    payload: u32,
    arrived: Time,
    started: Time,
    ends: Time,
    /// When the GIL is taken away, if the slice has not ended by then.
    switch_at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Unawaited work of the reactor: needs no poll at its end.
    Unawaited,
    Slice,
    Thread,
}

#[derive(Debug, Clone, Copy)]
struct Slice {
    payload: u32,
    arrived: Time,
    /// When the slice first ran; [`Time::NEVER`] if it has not yet.
    started: Time,
    /// Unawaited work to be done before this slice.
    before: Span,
    work: Span,
    /// [`Kind::Thread`] for a thread that queues behind the reactor.
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
struct Thread {
    payload: u32,
    arrived: Time,
    /// Since when the thread has been waiting for the GIL.
    since: Time,
    work: Span,
}

impl Interpreter {
    /// An idle interpreter. `random` is used for its background work only.
    pub fn new(cpu: Cpu, background: Background, random: Xoshiro256PlusPlus, measurement: MeasurementWindow) -> Self {
        Self {
            processor: Processor::new(cpu, measurement),
            background: BackgroundPieces::new(background, random),
            running: None,
            ready: VecDeque::new(),
            unawaited: Span::ZERO,
            threads: VecDeque::new(),
            reactor_since: Time::ZERO,
            caller_deciding: false,
            queued: Span::ZERO,
            threads_queue_behind_reactor: cpu.quota.is_some_and(|quota| quota.budget <= BANDWIDTH_SLICE),
            present: Occupancy::new(measurement),
        }
    }

    /// A slice of a request becomes ready. Returns the new deadline for a poll, if it changes.
    #[inline]
    pub fn submit_slice(&mut self, now: Time, work: Span, payload: u32) -> Option<Time> {
        self.present.enter(now);
        self.add_background(now);
        self.enqueue_slice(now, Slice { payload, arrived: now, started: Time::NEVER, before: Span::ZERO, work, kind: Kind::Slice })
    }

    /// A thread requests the GIL for `work`, which may be zero. `arrived` is returned in [`Completed`].
    #[inline]
    pub fn submit_thread(&mut self, now: Time, work: Span, payload: u32, arrived: Time) -> ThreadAdmission {
        self.add_background(now);
        if self.is_idle(now) {
            if work == Span::ZERO && self.processor.can_run(now) {
                return ThreadAdmission::Immediate;
            }
            return ThreadAdmission::At(self.start_thread(now, &Thread { payload, arrived, since: now, work }));
        }
        if self.threads_queue_behind_reactor {
            let thread = Slice { payload, arrived, started: Time::NEVER, before: Span::ZERO, work, kind: Kind::Thread };
            return self.enqueue_slice(now, thread).map_or(ThreadAdmission::Waiting, ThreadAdmission::At);
        }
        let thread = Thread { payload, arrived, since: now, work };
        self.threads.push_back(thread);
        match &mut self.running {
            Some(running) if self.threads.len() == 1 => match running.kind {
                Kind::Unawaited => ThreadAdmission::At(running.ends),
                Kind::Slice => {
                    running.switch_at = (now + SWITCH_INTERVAL).max(running.started);
                    if running.switch_at < running.ends { ThreadAdmission::At(running.switch_at) } else { ThreadAdmission::Waiting }
                }
                Kind::Thread => ThreadAdmission::Waiting,
            },
            _ => ThreadAdmission::Waiting,
        }
    }

    /// Adds work to the reactor that no request waits for.
    #[inline]
    pub fn submit_unawaited(&mut self, now: Time, work: Span) {
        self.add_background(now);
        if work > Span::ZERO {
            self.add_unawaited(now, work);
        }
    }

    /// Advances the interpreter to `now`. Call it at the time that [`submit_slice`](Self::submit_slice),
    /// [`submit_thread`](Self::submit_thread) or a previous `poll` returned, and again immediately after
    /// [`Poll::Done`].
    pub fn poll(&mut self, now: Time) -> Poll {
        self.add_background(now);
        if let Some(running) = &self.running {
            if running.ends <= now {
                let (kind, done) =
                    (running.kind, Completed { payload: running.payload, arrived: running.arrived, started: running.started });
                self.running = None;
                if kind != Kind::Unawaited {
                    if kind == Kind::Slice {
                        self.present.leave(now);
                        // Between two slices the reactor requests the lock again.
                        self.reactor_since = now;
                    }
                    self.caller_deciding = true;
                    return Poll::Done(done);
                }
            } else if running.kind == Kind::Slice && running.switch_at <= now {
                let running = *running;
                self.preempt(now, &running);
            } else {
                // The caller has handled what was done; something else runs already.
                self.caller_deciding = false;
                return Poll::Unchanged;
            }
        }
        self.start_next(now)
    }

    /// Does the background work up to `now`. Call once at the end of the run.
    pub fn advance(&mut self, now: Time) {
        self.add_background(now);
    }

    /// Sets the share of a core that the machine gives the process from now on.
    #[inline]
    pub fn set_share(&mut self, share: f64) {
        self.processor.set_share(share);
    }

    /// Cores in use at `now`.
    pub fn cores_in_use(&self, now: Time) -> f64 {
        self.processor.cores_in_use(now)
    }

    /// When all work submitted so far would be done if the process had a whole core.
    pub fn free_at(&self) -> Time {
        self.processor.free_at() + self.queued
    }

    /// Busy time.
    pub fn busy(&self) -> &BusyMeter {
        self.processor.busy()
    }

    /// Slices that wait or run.
    pub fn present(&self) -> &Occupancy {
        &self.present
    }

    /// Whether a slice submitted now runs next, after unawaited work only.
    #[inline]
    fn reactor_is_next(&self) -> bool {
        // A slice that arrives during unawaited work is scheduled right behind it, so nothing waits then.
        let free = self.running.as_ref().is_none_or(|running| running.kind == Kind::Unawaited);
        free && self.threads.is_empty() && self.ready.is_empty()
    }

    /// Whether nothing runs or waits.
    fn is_free(&self, at: Time) -> bool {
        let idle = !self.caller_deciding && self.reactor_is_next() && self.unawaited == Span::ZERO;
        idle && self.processor.free_at() <= at && self.background.load() < LIGHT_LOAD
    }

    /// Whether a thread submitted now runs now.
    #[inline]
    fn is_idle(&self, now: Time) -> bool {
        let free = self.running.as_ref().is_none_or(|running| running.kind == Kind::Unawaited && running.ends <= now);
        free && self.threads.is_empty() && (!self.is_reactor_waiting() || self.reactor_since >= now && !self.threads_queue_behind_reactor)
    }

    #[inline]
    fn is_reactor_waiting(&self) -> bool {
        !self.ready.is_empty() || self.unawaited > Span::ZERO
    }

    /// Notes since when the reactor waits, when its first work arrives.
    #[inline]
    fn note_reactor_ready(&mut self, now: Time, before: Span) {
        if self.ready.is_empty() && before == Span::ZERO {
            self.reactor_since = now;
        }
    }

    /// Starts or queues a slice; returns the new deadline for a poll, if it changes.
    #[inline]
    fn enqueue_slice(&mut self, now: Time, one: Slice) -> Option<Time> {
        let before = std::mem::take(&mut self.unawaited);
        let one = Slice { before, ..one };
        if self.reactor_is_next() {
            self.queued = self.queued.saturating_sub(before);
            return Some(self.start_slice(now, &one));
        }
        self.note_reactor_ready(now, before);
        self.queued += one.work;
        self.ready.push_back(one);
        None
    }

    /// Starts the thread or slice whose turn it is.
    fn start_next(&mut self, now: Time) -> Poll {
        self.caller_deciding = false;
        let reactor_waiting = self.is_reactor_waiting();
        if let Some(thread) = self.threads.front().copied().filter(|thread| !reactor_waiting || thread.since <= self.reactor_since) {
            self.threads.pop_front();
            if thread.work == Span::ZERO && self.processor.can_run(now) {
                self.caller_deciding = true;
                return Poll::Done(Completed { payload: thread.payload, arrived: thread.arrived, started: now });
            }
            return Poll::At(self.start_thread(now, &thread));
        }
        if let Some(slice) = self.ready.pop_front() {
            self.queued = self.queued.saturating_sub(slice.before).saturating_sub(slice.work);
            return Poll::At(self.start_slice(now, &slice));
        }
        if self.unawaited > Span::ZERO {
            let work = std::mem::take(&mut self.unawaited);
            self.queued = self.queued.saturating_sub(work);
            let ends = self.start_unawaited(now, work);
            if !self.threads.is_empty() {
                return Poll::At(ends);
            }
        }
        Poll::At(Time::NEVER)
    }

    /// Starts or resumes a slice in the reactor; returns the deadline for the next poll.
    fn start_slice(&mut self, now: Time, slice: &Slice) -> Time {
        if slice.before > Span::ZERO {
            self.processor.serve(now, slice.before);
        }
        let resumed = slice.started != Time::NEVER;
        let ends = if resumed { self.processor.resume(now, slice.work) } else { self.processor.serve(now, slice.work) };
        let started_at = self.processor.started_at();
        let switch_at = if self.threads.is_empty() { Time::NEVER } else { (now + SWITCH_INTERVAL).max(started_at) };
        let started = slice.started.min(started_at);
        self.running = Some(Running { kind: slice.kind, payload: slice.payload, arrived: slice.arrived, started, ends, switch_at });
        ends.min(switch_at)
    }

    fn start_thread(&mut self, now: Time, thread: &Thread) -> Time {
        let ends = self.processor.serve(now, thread.work);
        let started = self.processor.started_at();
        self.running =
            Some(Running { kind: Kind::Thread, payload: thread.payload, arrived: thread.arrived, started, ends, switch_at: Time::NEVER });
        ends
    }

    #[inline]
    fn add_unawaited(&mut self, now: Time, work: Span) {
        if !self.caller_deciding && self.reactor_is_next() {
            self.start_unawaited(now, work);
            return;
        }
        self.note_reactor_ready(now, self.unawaited);
        self.unawaited += work;
        self.queued += work;
    }

    fn start_unawaited(&mut self, now: Time, work: Span) -> Time {
        let ends = self.processor.serve(now, work);
        self.running = Some(Running { kind: Kind::Unawaited, payload: 0, arrived: now, started: now, ends, switch_at: Time::NEVER });
        ends
    }

    /// The reactor loses the GIL in the middle of a slice.
    fn preempt(&mut self, now: Time, running: &Running) {
        let work = self.processor.interrupt(now);
        self.queued += work;
        self.ready.push_front(Slice {
            payload: running.payload,
            arrived: running.arrived,
            started: running.started,
            before: Span::ZERO,
            work,
            kind: running.kind,
        });
        self.reactor_since = now;
        self.running = None;
    }

    #[inline]
    fn add_background(&mut self, now: Time) {
        while self.background.next() <= now {
            self.add_background_piece(now);
        }
    }

    #[cold]
    fn add_background_piece(&mut self, now: Time) {
        let at = self.background.next();
        if now - at > LONG_IDLE && self.is_free(at) {
            // Nobody waits for these pieces: a long idle time must not cost more than a short one.
            let resumes = Time::ZERO + (now - (Time::ZERO + SETTLE));
            self.processor.do_evenly(at, resumes, self.background.skip(resumes));
            return;
        }
        let work = self.background.take();
        self.add_unawaited(at, work);
    }
}

/// Linux's default.
const BANDWIDTH_SLICE: Span = Span::from_millis(5);
/// Idle time from which background work is counted and no longer simulated piece by piece.
const LONG_IDLE: Span = Span::from_millis(600_000);
/// Before the idle time ends, pieces are simulated again.
const SETTLE: Span = Span::from_millis(1_000);
/// Cores of background work that leave a process idle most of the time.
const LIGHT_LOAD: f64 = 0.2;
/// CPython's default, which Synapse does not change.
const SWITCH_INTERVAL: Span = Span::from_millis(5);

#[cfg(test)]
mod tests;
