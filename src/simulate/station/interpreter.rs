//! The interpreter of a process, which runs one thing at a time: the reactor's thread or one that talks to the database.
//!
//! A Twisted reactor runs slices of many requests to their ends in the order in which they become ready, and work that no request waits
//! for (timers, garbage collection, replication) in the same line. To everybody else it is one thread, which wants CPython's global
//! lock like any other. The lock passes in the order of asking, and a slice that somebody waits behind loses it
//! after the switch interval (CPython, `Python/ceval_gil.h`; `sys.setswitchinterval`): however long the reactor's line is, a thread
//! waits for one interval and for other threads. It keeps the lock until it waits for the database again, which is soon.
//!
//! Under a container's limit of at most 5 ms per period threads stand in the reactor's line instead. Linux deals a limit out to processors in
//! slices of that size (Documentation/scheduler/sched-bwc.rst, `sched_cfs_bandwidth_slice_us`), so the one that runs the reactor has it all, and a
//! thread that wakes on another waits for a later period. Measured on `samples/one-worker`, whose waits the line gives within 16 % and the
//! lock's rule at a quarter.
//!
//! Invariants: one thing runs at a time, and something runs while anything waits; no work is lost. Between calls, if nothing runs nothing waits,
//! except within a [`turn`](Interpreter::turn) that has been handed back as [`Turn::Done`].

use std::collections::VecDeque;

use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::time::{Span, Time};
use super::background::{Background, Pieces};
use super::meter::{BusyMeter, Measuring, Occupancy};
use super::processor::{Cpu, Processor};

/// The interpreter. Tickets are numbers of the caller's.
#[derive(Debug, Clone)]
pub struct Interpreter {
    processor: Processor,
    pieces: Pieces,
    running: Option<Running>,
    /// Slices that wait for the reactor.
    line: VecDeque<Slice>,
    /// Work after them that nobody waits for.
    behind: Span,
    threads: VecDeque<Thread>,
    /// Since when the reactor's thread has wanted the interpreter.
    reactor_since: Time,
    /// The caller does what follows from the last thing done.
    deciding: bool,
    /// Work in the line and behind it.
    queued: Span,
    threads_stand_in_line: bool,
    present: Occupancy,
}

/// What a turn brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Somebody is done; another turn must follow at once.
    Done(Done),
    /// The next turn must follow then, whatever was due before; [`Time::NEVER`]: nothing is to be done until somebody comes.
    At(Time),
    /// The next turn is due when one of the others has said.
    AsSaid,
}

/// Somebody who is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// The caller's number.
    pub ticket: u32,
    /// When it came (for threads what the caller said).
    pub came: Time,
    /// When it first ran.
    pub began: Time,
}

/// What became of a thread that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It wanted nothing but the interpreter, and has it.
    AtOnce,
    /// A turn must follow then, whatever was due before.
    At(Time),
    /// It waits, and a turn is due already.
    Waits,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    kind: Kind,
    ticket: u32,
    came: Time,
    began: Time,
    ends: Time,
    /// When it loses the interpreter, if it still has it.
    switch_at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Work of the reactor that nobody waits for: no turn is due at its end.
    Silent,
    Slice,
    Thread,
}

#[derive(Debug, Clone, Copy)]
struct Slice {
    ticket: u32,
    came: Time,
    /// When it first ran; [`Time::NEVER`] if it has not yet.
    began: Time,
    /// Work that came before it and that nobody waits for.
    before: Span,
    work: Span,
    /// [`Kind::Thread`] for a thread that must stand in line.
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
struct Thread {
    ticket: u32,
    came: Time,
    /// Since when it has wanted the interpreter.
    since: Time,
    work: Span,
}

impl Interpreter {
    /// An idle interpreter; `random` is for its background work alone.
    pub fn new(cpu: Cpu, background: Background, random: Xoshiro256PlusPlus, measuring: Measuring) -> Self {
        Self {
            processor: Processor::new(cpu, measuring),
            pieces: Pieces::new(background, random),
            running: None,
            line: VecDeque::new(),
            behind: Span::ZERO,
            threads: VecDeque::new(),
            reactor_since: Time::ZERO,
            deciding: false,
            queued: Span::ZERO,
            threads_stand_in_line: cpu.quota.is_some_and(|quota| quota.budget <= BANDWIDTH_SLICE),
            present: Occupancy::new(measuring),
        }
    }

    /// A slice of a request joins the reactor's line. The instant at which a turn must follow, whatever was due
    /// before, if none is due already.
    #[inline]
    pub fn slice(&mut self, now: Time, work: Span, ticket: u32) -> Option<Time> {
        self.present.enter(now);
        self.catch_up(now);
        self.joins_line(now, Slice { ticket, came: now, began: Time::NEVER, before: Span::ZERO, work, kind: Kind::Slice })
    }

    /// A thread wants the interpreter for `work`, which may be nought. `came` is given back with it.
    #[inline]
    pub fn thread(&mut self, now: Time, work: Span, ticket: u32, came: Time) -> Entered {
        self.catch_up(now);
        if self.is_idle(now) {
            if work == Span::ZERO && self.processor.may_run(now) {
                return Entered::AtOnce;
            }
            return Entered::At(self.run_thread(now, &Thread { ticket, came, since: now, work }));
        }
        if self.threads_stand_in_line {
            let thread = Slice { ticket, came, began: Time::NEVER, before: Span::ZERO, work, kind: Kind::Thread };
            return self.joins_line(now, thread).map_or(Entered::Waits, Entered::At);
        }
        let thread = Thread { ticket, came, since: now, work };
        self.threads.push_back(thread);
        match &mut self.running {
            Some(running) if self.threads.len() == 1 => match running.kind {
                Kind::Silent => Entered::At(running.ends),
                Kind::Slice => {
                    running.switch_at = (now + SWITCH_INTERVAL).max(running.began);
                    if running.switch_at < running.ends { Entered::At(running.switch_at) } else { Entered::Waits }
                }
                Kind::Thread => Entered::Waits,
            },
            _ => Entered::Waits,
        }
    }

    /// Work that nobody waits for joins the reactor's line.
    #[inline]
    pub fn run(&mut self, now: Time, work: Span) {
        self.catch_up(now);
        if work > Span::ZERO {
            self.run_silently(now, work);
        }
    }

    /// What is due happens: to be called when one of the others said so, and again after [`Turn::Done`].
    pub fn turn(&mut self, now: Time) -> Turn {
        self.catch_up(now);
        if let Some(running) = &self.running {
            if running.ends <= now {
                let (kind, done) = (running.kind, Done { ticket: running.ticket, came: running.came, began: running.began });
                self.running = None;
                if kind != Kind::Silent {
                    if kind == Kind::Slice {
                        self.present.leave(now);
                        // Between two slices it has nothing to hold the lock for.
                        self.reactor_since = now;
                    }
                    self.deciding = true;
                    return Turn::Done(done);
                }
            } else if running.kind == Kind::Slice && running.switch_at <= now {
                let running = *running;
                self.switch(now, &running);
            } else {
                // Something that has been decided upon runs.
                self.deciding = false;
                return Turn::AsSaid;
            }
        }
        self.next(now)
    }

    /// Does the background work up to `now`; call once at the end.
    pub fn advance(&mut self, now: Time) {
        self.catch_up(now);
    }

    /// From now on its machine gives it this share of a core.
    #[inline]
    pub fn set_share(&mut self, share: f64) {
        self.processor.set_share(share);
    }

    /// Cores that it uses at `now`.
    pub fn wants(&self, now: Time) -> f64 {
        self.processor.wants(now)
    }

    /// When what has come to the reactor so far would be done on a core of its own.
    pub fn free_at(&self) -> Time {
        self.processor.free_at() + self.queued
    }

    /// Time it worked.
    pub fn busy(&self) -> &BusyMeter {
        self.processor.busy()
    }

    /// Slices of requests that wait or run.
    pub fn present(&self) -> &Occupancy {
        &self.present
    }

    /// Whether a slice that comes now runs now, after what nobody waits for.
    #[inline]
    fn reactor_is_next(&self) -> bool {
        // Behind something silent a slice is put at once, so nobody waits there.
        let free = self.running.as_ref().is_none_or(|running| running.kind == Kind::Silent);
        free && self.threads.is_empty() && self.line.is_empty()
    }

    /// Whether a thread that comes now runs now.
    #[inline]
    fn is_idle(&self, now: Time) -> bool {
        let free = self.running.as_ref().is_none_or(|running| running.kind == Kind::Silent && running.ends <= now);
        free && self.threads.is_empty() && (!self.reactor_waits() || self.reactor_since >= now && !self.threads_stand_in_line)
    }

    #[inline]
    fn reactor_waits(&self) -> bool {
        !self.line.is_empty() || self.behind > Span::ZERO
    }

    /// Its first work has come.
    #[inline]
    fn reactor_wants(&mut self, now: Time, before: Span) {
        if self.line.is_empty() && before == Span::ZERO {
            self.reactor_since = now;
        }
    }

    /// The instant at which a turn must follow, if none is due already.
    #[inline]
    fn joins_line(&mut self, now: Time, one: Slice) -> Option<Time> {
        let before = std::mem::take(&mut self.behind);
        let one = Slice { before, ..one };
        if self.reactor_is_next() {
            self.queued = self.queued.less(before);
            return Some(self.begin(now, &one));
        }
        self.reactor_wants(now, before);
        self.queued += one.work;
        self.line.push_back(one);
        None
    }

    /// Who is next.
    fn next(&mut self, now: Time) -> Turn {
        self.deciding = false;
        let reactor_wants = self.reactor_waits();
        if let Some(thread) = self.threads.front().copied().filter(|thread| !reactor_wants || thread.since <= self.reactor_since) {
            self.threads.pop_front();
            if thread.work == Span::ZERO && self.processor.may_run(now) {
                self.deciding = true;
                return Turn::Done(Done { ticket: thread.ticket, came: thread.came, began: now });
            }
            return Turn::At(self.run_thread(now, &thread));
        }
        if let Some(slice) = self.line.pop_front() {
            self.queued = self.queued.less(slice.before).less(slice.work);
            return Turn::At(self.begin(now, &slice));
        }
        if self.behind > Span::ZERO {
            let work = std::mem::take(&mut self.behind);
            self.queued = self.queued.less(work);
            let ends = self.begin_silently(now, work);
            if !self.threads.is_empty() {
                return Turn::At(ends);
            }
        }
        Turn::At(Time::NEVER)
    }

    /// The reactor begins a slice, or goes on with it: when a turn must follow.
    fn begin(&mut self, now: Time, slice: &Slice) -> Time {
        if slice.before > Span::ZERO {
            self.processor.serve(now, slice.before);
        }
        let went_on = slice.began != Time::NEVER;
        let ends = if went_on { self.processor.go_on(now, slice.work) } else { self.processor.serve(now, slice.work) };
        let started = self.processor.started_at();
        let switch_at = if self.threads.is_empty() { Time::NEVER } else { (now + SWITCH_INTERVAL).max(started) };
        let began = slice.began.min(started);
        self.running = Some(Running { kind: slice.kind, ticket: slice.ticket, came: slice.came, began, ends, switch_at });
        ends.min(switch_at)
    }

    fn run_thread(&mut self, now: Time, thread: &Thread) -> Time {
        let ends = self.processor.serve(now, thread.work);
        let began = self.processor.started_at();
        self.running = Some(Running { kind: Kind::Thread, ticket: thread.ticket, came: thread.came, began, ends, switch_at: Time::NEVER });
        ends
    }

    #[inline]
    fn run_silently(&mut self, now: Time, work: Span) {
        if !self.deciding && self.reactor_is_next() {
            self.begin_silently(now, work);
            return;
        }
        self.reactor_wants(now, self.behind);
        self.behind += work;
        self.queued += work;
    }

    fn begin_silently(&mut self, now: Time, work: Span) -> Time {
        let ends = self.processor.serve(now, work);
        self.running = Some(Running { kind: Kind::Silent, ticket: 0, came: now, began: now, ends, switch_at: Time::NEVER });
        ends
    }

    /// The reactor loses the interpreter in the middle of a slice.
    fn switch(&mut self, now: Time, running: &Running) {
        let work = self.processor.interrupt(now);
        self.queued += work;
        self.line.push_front(Slice {
            ticket: running.ticket,
            came: running.came,
            began: running.began,
            before: Span::ZERO,
            work,
            kind: running.kind,
        });
        self.reactor_since = now;
        self.running = None;
    }

    #[inline]
    fn catch_up(&mut self, now: Time) {
        while self.pieces.next() <= now {
            self.run_piece();
        }
    }

    #[cold]
    fn run_piece(&mut self) {
        let at = self.pieces.next();
        let work = self.pieces.take();
        self.run_silently(at, work);
    }
}

/// Linux's, unless it is set otherwise.
const BANDWIDTH_SLICE: Span = Span::from_millis(5);
/// CPython's, unless it is set otherwise; Synapse does not.
const SWITCH_INTERVAL: Span = Span::from_millis(5);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::super::random::{Purpose, stream};
    use super::super::processor::Quota;
    use super::*;

    fn ms(value: u64) -> Time {
        Time::from_millis(value)
    }

    fn work(milliseconds: u64) -> Span {
        Span::from_millis(milliseconds)
    }

    fn interpreter(cpu: Cpu, background: Background) -> Interpreter {
        Interpreter::new(cpu, background, stream(1, Purpose::Background, 0), Measuring::over(Time::ZERO, ms(1_000_000), 10))
    }

    #[derive(Debug, Clone, Copy)]
    enum Comes {
        Slice(Span),
        Thread(Span),
        Silent(Span),
    }

    /// Lets it all come; who is done and when, by number of coming.
    fn play(interpreter: &mut Interpreter, comers: &[(Time, Comes)]) -> Vec<(u32, Time)> {
        let (mut due, mut done) = (BTreeSet::new(), Vec::new());
        let turns = |interpreter: &mut Interpreter, due: &mut BTreeSet<Time>, done: &mut Vec<(u32, Time)>, until: Time| {
            while let Some(now) = due.first().copied().filter(|&at| at < until) {
                due.remove(&now);
                loop {
                    match interpreter.turn(now) {
                        Turn::Done(one) => {
                            assert!(one.began <= now && one.came <= one.began);
                            done.push((one.ticket, now));
                        }
                        Turn::At(at) => {
                            due.extend(Some(at).filter(|&at| at != Time::NEVER));
                            break;
                        }
                        Turn::AsSaid => break,
                    }
                }
            }
        };
        for (&(now, comes), ticket) in comers.iter().zip(0..) {
            turns(interpreter, &mut due, &mut done, now);
            match comes {
                Comes::Slice(work) => due.extend(interpreter.slice(now, work, ticket)),
                Comes::Silent(work) => interpreter.run(now, work),
                Comes::Thread(work) => match interpreter.thread(now, work, ticket, now) {
                    Entered::AtOnce => done.push((ticket, now)),
                    Entered::At(at) => due.extend([at]),
                    Entered::Waits => {}
                },
            }
        }
        turns(interpreter, &mut due, &mut done, Time::NEVER);
        done
    }

    #[test]
    fn slices_run_in_order_and_silent_work_among_them() {
        let comers = [
            (ms(0), Comes::Slice(work(3))),
            (ms(1), Comes::Silent(work(2))),
            (ms(2), Comes::Slice(work(4))),
            (ms(20), Comes::Silent(work(5))),
        ];
        let comers = [&comers[..], &[(ms(21), Comes::Slice(work(1)))]].concat();
        assert_eq!(play(&mut interpreter(Cpu::CORE, Background::NONE), &comers), [(0, ms(3)), (2, ms(9)), (4, ms(26))]);
    }

    #[test]
    fn a_thread_waits_for_a_switch_and_not_for_the_line() {
        // Ten slices of 4 ms and one of 30; a thread that wants nothing but its turn, and one that works 1 ms.
        let slices = (0..10).map(|_| (ms(0), Comes::Slice(work(4)))).chain([(ms(0), Comes::Slice(work(30)))]);
        let comers: Vec<_> = slices.chain([(ms(1), Comes::Thread(work(0))), (ms(43), Comes::Thread(work(1)))]).collect();
        let done = play(&mut interpreter(Cpu::CORE, Background::NONE), &comers);
        let at = |ticket: u32| done.iter().find(|one| one.0 == ticket).map(|one| one.1);
        assert_eq!((at(0), at(11)), (Some(ms(4)), Some(ms(4))), "after the slice that runs");
        assert_eq!(at(12), Some(ms(49)), "after 5 ms of a long one");
        assert_eq!(at(10), Some(ms(71)), "which goes on after it");
    }

    #[test]
    fn under_a_small_limit_threads_stand_in_line() {
        let thin = Cpu { speed: 1.0, quota: Some(Quota { budget: work(5), period: work(20) }) };
        let comers = [
            (ms(0), Comes::Slice(work(4))),
            (ms(0), Comes::Slice(work(4))),
            (ms(1), Comes::Thread(work(0))),
            (ms(1), Comes::Slice(work(1))),
        ];
        let comers = [&comers[..], &[(ms(2), Comes::Thread(work(2)))]].concat();
        let done = play(&mut interpreter(thin, Background::NONE), &comers);
        assert_eq!(done, [(0, ms(4)), (1, ms(23)), (2, ms(23)), (3, ms(24)), (4, ms(41))]);
    }

    #[test]
    fn threads_do_not_starve_the_reactor() {
        // A thread of 2 ms each ms, and a slice that came after the first of them.
        let threads = (1..20).map(|at| (ms(at), Comes::Thread(work(2))));
        let comers: Vec<_> = [(ms(0), Comes::Thread(work(2))), (ms(0), Comes::Slice(work(3)))].into_iter().chain(threads).collect();
        let done = play(&mut interpreter(Cpu::CORE, Background::NONE), &comers);
        assert_eq!(done[..2], [(0, ms(2)), (1, ms(5))]);
    }

    #[test]
    fn background_work_takes_its_share_and_its_place_in_the_line() {
        let end = ms(1_000_000);
        let mut interpreter = interpreter(Cpu::CORE, Background::share(0.1));
        interpreter.advance(end);
        assert!((interpreter.busy().utilisation() - 0.1).abs() < 0.005, "{}", interpreter.busy().utilisation());
        let ends = interpreter.slice(end, work(1), 7).unwrap();
        assert!(ends >= end + work(1));
        assert!(matches!(interpreter.turn(ends), Turn::Done(Done { ticket: 7, .. })));
        assert_eq!(interpreter.present().present(), 0);
    }

    proptest! {
        #[test]
        fn whoever_is_first_all_work_is_done_as_soon_as_it_can_be(
            rows in prop::collection::vec((0u64..8_000, 0u8..3, 0u64..12_000), 1..60),
            quota in any::<bool>(),
        ) {
            let cpu = Cpu { speed: 1.0, quota: quota.then_some(Quota { budget: work(8), period: work(20) }) };
            let mut now = Time::ZERO;
            let comers: Vec<(Time, Comes)> = rows.iter().map(|&(gap, kind, us)| {
                now = now + Span::from_micros(gap);
                let work = Span::from_micros(us);
                (now, match kind { 0 => Comes::Slice(work), 1 => Comes::Thread(work), _ => Comes::Silent(work) })
            }).collect();
            let mut one = interpreter(cpu, Background::NONE);
            let done = play(&mut one, &comers);
            // Everybody once, threads and slices each in their order.
            let of = |wanted: fn(&Comes) -> bool| -> Vec<u32> { comers.iter().zip(0..).filter(|(c, _)| wanted(&c.1)).map(|(_, n)| n).collect() };
            let (slices, threads) = (of(|c| matches!(c, Comes::Slice(_))), of(|c| matches!(c, Comes::Thread(_))));
            let order = |these: &[u32]| -> Vec<u32> { done.iter().map(|d| d.0).filter(|n| these.contains(n)).collect() };
            prop_assert_eq!(order(&slices), slices);
            prop_assert_eq!(order(&threads), threads);
            prop_assert_eq!(one.present().present(), 0);
            // Work conservation: the end is that of a server who takes everything as it comes.
            let mut plain = Processor::new(cpu, Measuring::over(Time::ZERO, ms(1_000_000), 10));
            for &(at, comes) in &comers {
                let (Comes::Slice(work) | Comes::Thread(work) | Comes::Silent(work)) = comes;
                if work > Span::ZERO {
                    plain.serve(at, work);
                }
            }
            one.advance(ms(1_000_000));
            prop_assert_eq!(one.free_at(), plain.free_at());
            prop_assert!((one.busy().seconds() - plain.busy().seconds()).abs() < 1e-9);
        }
    }
}
