//! One server, first come first served, whose work is known when it comes: so its end is known too, and nothing waits in a list.
//!
//! The end of a piece of work is max(now, end of the last) + its time (Lindley's recursion); work that nobody waits for costs no
//! event at all.

use super::super::time::{Span, Time};
use super::meter::{BusyMeter, Measuring};

/// What a process may use of its machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cpu {
    /// Speed of the machine; 1 is the one where the log was written.
    pub speed: f64,
    /// Limit of a container.
    pub quota: Option<Quota>,
}

/// CFS bandwidth control: so much CPU time in each period, then nothing until the next one
/// (Linux, Documentation/scheduler/sched-bwc.rst). Not the same as a slower processor: short work runs at full speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// CPU time per period.
    pub budget: Span,
    /// Length of a period; 100 ms unless configured (`cpu.cfs_period_us`).
    pub period: Span,
}

impl Cpu {
    /// A whole core of the machine where the log was written.
    pub const CORE: Self = Self { speed: 1.0, quota: None };

    /// A plan's `cpu`: below 1 a container's limit in periods of 100 ms, above 1 a faster machine.
    pub fn cores(cores: f64) -> Self {
        if cores >= 1.0 {
            return Self { speed: cores, quota: None };
        }
        let period = Span::from_millis(100);
        Self { speed: 1.0, quota: Some(Quota { budget: period.scaled(cores.max(0.001)), period }) }
    }

    /// Cores that can be used over a long time.
    pub fn capacity(&self) -> f64 {
        self.quota.map_or(1.0, |q| (q.budget.nanos() as f64 / q.period.nanos().max(1) as f64).min(1.0))
    }
}

/// The server.
#[derive(Debug, Clone)]
pub struct Processor {
    cpu: Cpu,
    /// What its machine gives it of a core now.
    share: f64,
    /// Whether work takes just its time: no quota, all of a core of speed 1.
    is_plain: bool,
    free_at: Time,
    started_at: Time,
    /// Number of the quota's period in which `used` was used.
    period: u64,
    used: Span,
    last: Last,
    busy: BusyMeter,
}

/// The last piece of work, in case that it is interrupted.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    /// When it could begin.
    start: Time,
    /// Its time at the processor's speed.
    work: Span,
    /// The quota's state before it.
    period: u64,
    used: Span,
}

impl Processor {
    /// An idle server.
    pub fn new(cpu: Cpu, measuring: Measuring) -> Self {
        Self {
            cpu,
            share: 1.0,
            is_plain: cpu == Cpu::CORE,
            free_at: Time::ZERO,
            started_at: Time::ZERO,
            period: 0,
            used: Span::ZERO,
            last: Last::default(),
            busy: BusyMeter::new(measuring),
        }
    }

    /// Takes a piece of work (its time at speed 1) that comes now; says when it will be done. Calls must come in order of time.
    #[inline]
    pub fn serve(&mut self, now: Time, work: Span) -> Time {
        if self.is_plain {
            let finish = self.goes_on_plainly(now, work);
            self.busy.add_whole(self.started_at, finish);
            return finish;
        }
        let finish = self.go_on(now, work);
        self.busy.add(self.last.start, finish, self.last.work);
        finish
    }

    /// The same for work that has been [interrupted](Self::interrupt): it has been counted.
    pub fn go_on(&mut self, now: Time, work: Span) -> Time {
        if self.is_plain {
            return self.goes_on_plainly(now, work);
        }
        let start = self.free_at.max(now);
        let work = if self.cpu.speed == 1.0 { work } else { work.scaled(1.0 / self.cpu.speed) };
        self.started_at = start;
        self.last = Last { start, work, period: self.period, used: self.used };
        let shared = if self.share == 1.0 { work } else { work.scaled(1.0 / self.share) };
        let finish = match self.cpu.quota {
            None => start + shared,
            Some(quota) => self.throttled(start, work, quota, Time::NEVER).0.max(start + shared),
        };
        self.free_at = finish;
        finish
    }

    #[inline]
    fn goes_on_plainly(&mut self, now: Time, work: Span) -> Time {
        self.started_at = self.free_at.max(now);
        self.free_at = self.started_at + work;
        self.free_at
    }

    /// Whether it would run something at `now`, rather than wait for its quota's next period.
    #[inline]
    pub fn may_run(&self, now: Time) -> bool {
        self.cpu.quota.is_none_or(|quota| {
            let period = now.nanos() / quota.period.nanos().max(1);
            period != self.period || self.used < quota.budget
        })
    }

    /// Stops the last piece of work, which is not done yet: what is left of it (its time at speed 1).
    pub fn interrupt(&mut self, now: Time) -> Span {
        if self.is_plain {
            let left = self.free_at - now.max(self.started_at);
            self.free_at = now;
            return left;
        }
        let Last { start, work, period, used } = self.last;
        let shared = work.less((now - start).scaled(self.share));
        let left = match self.cpu.quota {
            None => shared,
            Some(quota) => {
                (self.period, self.used) = (period, used);
                self.throttled(start, work, quota, now).1.max(shared)
            }
        };
        self.free_at = now;
        if self.cpu.speed == 1.0 { left } else { left.scaled(self.cpu.speed) }
    }

    /// From now on its machine gives it this share of a core (above 0, at most 1).
    #[inline]
    pub fn set_share(&mut self, share: f64) {
        if self.is_plain && share != 1.0 {
            // What was begun plainly may yet be interrupted.
            self.last = Last { start: self.started_at, work: self.free_at - self.started_at, ..Last::default() };
            self.is_plain = false;
        }
        self.share = share;
    }

    /// Cores that it uses at `now`: none, or what it may.
    pub fn wants(&self, now: Time) -> f64 {
        if self.free_at > now { self.cpu.capacity() } else { 0.0 }
    }

    /// When what has come so far will be done.
    pub fn free_at(&self) -> Time {
        self.free_at
    }

    /// When the last piece of work began.
    pub fn started_at(&self) -> Time {
        self.started_at
    }

    /// Time it worked.
    pub fn busy(&self) -> &BusyMeter {
        &self.busy
    }

    /// When the work is done, and what is left of it at `until`.
    fn throttled(&mut self, start: Time, work: Span, quota: Quota, until: Time) -> (Time, Span) {
        let (length, budget) = (quota.period.nanos().max(1), quota.budget.nanos().clamp(1, quota.period.nanos().max(1)));
        let (mut now, mut left, until) = (start.nanos(), work.nanos(), until.nanos());
        loop {
            let period = now / length;
            if period != self.period {
                self.period = period;
                self.used = Span::ZERO;
            }
            let end = (period + 1).saturating_mul(length);
            if left == 0 {
                // Who wants no time wants a turn all the same.
                let turn = if self.used.nanos() < budget { now } else { end };
                return (Time::from_nanos(turn), Span::ZERO);
            }
            let run = left.min(budget.saturating_sub(self.used.nanos())).min(end - now).min(until.saturating_sub(now));
            if run > 0 && left == work.nanos() {
                self.started_at = Time::from_nanos(now);
            }
            self.used += Span::from_nanos(run);
            left -= run;
            if left == 0 {
                return (Time::from_nanos(now + run), Span::ZERO);
            }
            if end >= until {
                return (Time::from_nanos(until), Span::from_nanos(left));
            }
            // Whole periods that are all used up need no step each.
            let whole = ((left - 1) / budget).min((until - end) / length);
            left -= whole * budget;
            now = end.saturating_add(whole.saturating_mul(length));
            if now == u64::MAX {
                return (Time::NEVER, Span::from_nanos(left));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(value: u64) -> Time {
        Time::from_micros(value * 1000)
    }

    fn measuring() -> Measuring {
        Measuring { from: Time::ZERO, until: ms(1_000_000), bin: Span::from_millis(1000) }
    }

    fn quarter() -> Cpu {
        Cpu { speed: 1.0, quota: Some(Quota { budget: Span::from_millis(5), period: Span::from_millis(20) }) }
    }

    #[test]
    fn work_waits_for_the_work_before_it() {
        let mut server = Processor::new(Cpu::CORE, measuring());
        assert_eq!(server.serve(ms(10), Span::from_millis(5)), ms(15));
        assert_eq!(server.serve(ms(12), Span::from_millis(5)), ms(20));
        assert_eq!(server.serve(ms(30), Span::from_millis(5)), ms(35));
        assert!((server.busy().seconds() - 0.015).abs() < 1e-12);
    }

    #[test]
    fn a_quota_lets_short_work_run_and_stretches_long_work_in_periods() {
        let mut server = Processor::new(quarter(), measuring());
        assert_eq!(server.serve(ms(0), Span::from_millis(5)), ms(5), "within the budget at full speed");
        assert_eq!(server.serve(ms(6), Span::from_millis(1)), ms(21), "the budget is used up until the next period");
        assert_eq!(server.serve(ms(40), Span::from_millis(12)), ms(82), "5 + 5 + 2 ms in three periods");
        assert_eq!(server.serve(ms(118), Span::from_millis(4)), ms(122), "two periods, each with a budget");
        assert!(server.may_run(ms(122)));
        assert_eq!(server.serve(ms(122), Span::from_millis(3)), ms(125));
        assert!(!server.may_run(ms(125)) && server.may_run(ms(140)));
        assert_eq!(server.serve(ms(125), Span::ZERO), ms(140), "even a turn is one");
        let slow = Processor::new(Cpu { speed: 0.25, quota: None }, measuring()).serve(ms(0), Span::from_millis(5));
        assert_eq!(slow, ms(20), "a slower processor is another thing");
    }

    #[test]
    fn a_faster_machine_needs_less_time() {
        assert_eq!(Processor::new(Cpu::cores(2.0), measuring()).serve(ms(1), Span::from_millis(6)), ms(4));
        assert_eq!(Cpu::cores(0.25).capacity(), 0.25);
    }

    #[test]
    fn what_was_begun_on_a_core_of_its_own_is_interrupted_on_a_shared_one() {
        let mut server = Processor::new(Cpu::CORE, measuring());
        assert_eq!(server.serve(ms(2), Span::from_millis(10)), ms(12));
        server.set_share(0.5);
        assert_eq!(server.interrupt(ms(6)), Span::from_millis(8), "half of the four milliseconds");
        assert_eq!(server.go_on(ms(6), Span::from_millis(8)), ms(22));
    }

    #[test]
    fn what_is_interrupted_goes_on_later_and_is_counted_once() {
        for cpu in [Cpu::CORE, quarter(), Cpu { speed: 0.5, quota: None }] {
            let mut server = Processor::new(cpu, measuring());
            let whole = server.clone().serve(ms(0), Span::from_millis(9));
            server.serve(ms(0), Span::from_millis(9));
            let left = server.interrupt(ms(3));
            assert_eq!(server.go_on(ms(3), left), whole, "{cpu:?}");
            assert!((server.busy().seconds() - 0.009 / cpu.speed).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn skipping_whole_periods_changes_nothing(jobs in prop::collection::vec((0u64..60, 1u64..90), 1..40)) {
            let mut server = Processor::new(quarter(), measuring());
            // Millisecond by millisecond, as the kernel would.
            let (mut clock, mut used, mut arrival) = (0u64, 0, 0);
            for (gap, work) in jobs {
                arrival += gap;
                if clock < arrival {
                    used = if arrival / 20 == clock / 20 { used } else { 0 };
                    clock = arrival;
                }
                let mut left = work;
                while left > 0 {
                    if used < 5 {
                        used += 1;
                        left -= 1;
                        clock += 1;
                    } else {
                        clock = (clock / 20 + 1) * 20;
                    }
                    if clock % 20 == 0 {
                        used = 0;
                    }
                }
                prop_assert_eq!(server.serve(ms(arrival), Span::from_millis(work)), ms(clock));
            }
        }
    }
}
