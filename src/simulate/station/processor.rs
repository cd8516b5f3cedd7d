//! One server, first come first served. The length of a piece of work is known when it arrives, so its end is known too, and no queue is
//! kept.
//!
//! The end of a piece of work is max(now, end of the piece before) + its length (Lindley's recursion). Work that no request waits for costs
//! no event at all.

use super::meter::{BusyMeter, MeasurementWindow};
use crate::engine::time::{Span, Time};

/// CPU that a process may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cpu {
    /// Speed of the machine relative to the machine that wrote the log.
    pub speed: f64,
    /// The container's CPU limit.
    pub quota: Option<Quota>,
}

/// CFS bandwidth control: a budget of CPU time per period, then nothing until the next period (Linux,
/// Documentation/scheduler/sched-bwc.rst). This differs from a slower processor: short work runs at full speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// CPU time per period.
    pub budget: Span,
    /// Length of a period; 100 ms unless configured (`cpu.cfs_period_us`).
    pub period: Span,
}

impl Cpu {
    /// A whole core of the machine that wrote the log.
    pub const CORE: Self = Self { speed: 1.0, quota: None };

    /// A plan's `cpu`: below 1 a container's limit in periods of 100 ms, above 1 a faster machine.
    pub fn cores(cores: f64) -> Self {
        if cores >= 1.0 {
            return Self { speed: cores, quota: None };
        }
        let period = Span::from_millis(100);
        Self { speed: 1.0, quota: Some(Quota { budget: period.scaled(cores.max(0.001)), period }) }
    }

    /// Cores that can be used in the long run.
    pub fn capacity(&self) -> f64 {
        self.quota.map_or(1.0, |q| (q.budget.nanos() as f64 / q.period.nanos().max(1) as f64).min(1.0))
    }
}

/// The server. Works in the order of calls.
#[derive(Debug, Clone)]
pub struct Processor {
    cpu: Cpu,
    /// Share of a core that the machine gives the process now.
    share: f64,
    /// Whether work takes exactly its length: no quota, a whole core of speed 1.
    is_plain: bool,
    free_at: Time,
    started_at: Time,
    /// Number of the quota period that `used` belongs to.
    period: u64,
    used: Span,
    last: Last,
    busy: BusyMeter,
}

/// The last piece of work, needed if it is interrupted.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    /// Earliest possible start.
    start: Time,
    /// Length at the processor's speed.
    work: Span,
    /// The quota's state before the piece.
    period: u64,
    used: Span,
}

impl Processor {
    pub fn new(cpu: Cpu, measurement: MeasurementWindow) -> Self {
        Self {
            cpu,
            share: 1.0,
            is_plain: cpu == Cpu::CORE,
            free_at: Time::ZERO,
            started_at: Time::ZERO,
            period: 0,
            used: Span::ZERO,
            last: Last::default(),
            busy: BusyMeter::new(measurement),
        }
    }

    /// Takes a piece of work that arrives now (its length at speed 1); returns when it will be done. Calls must be in order of time.
    #[inline]
    pub fn serve(&mut self, now: Time, work: Span) -> Time {
        if self.is_plain {
            let finish = self.serve_plain(now, work);
            self.busy.add_whole(self.started_at, finish);
            return finish;
        }
        let finish = self.resume(now, work);
        self.busy.add(self.last.start, finish, self.last.work);
        finish
    }

    /// [`Self::serve`] for work that has been [interrupted](Self::interrupt), which has been counted as busy time already.
    pub fn resume(&mut self, now: Time, work: Span) -> Time {
        if self.is_plain {
            return self.serve_plain(now, work);
        }
        let start = self.free_at.max(now);
        let work = if self.cpu.speed == 1.0 { work } else { work.scaled(1.0 / self.cpu.speed) };
        self.started_at = start;
        self.last = Last { start, work, period: self.period, used: self.used };
        let shared = if self.share == 1.0 { work } else { work.scaled(1.0 / self.share) };
        let finish = match self.cpu.quota {
            None => start + shared,
            Some(quota) => self.run_throttled(start, work, quota, Time::NEVER).0.max(start + shared),
        };
        self.free_at = finish;
        finish
    }

    /// Counts work that takes this many cores at speed 1 throughout a time in which nothing else is done.
    pub fn do_evenly(&mut self, from: Time, until: Time, cores: f64) {
        self.busy.add(from, until, (until - from).scaled(cores / self.cpu.speed));
    }

    #[inline]
    fn serve_plain(&mut self, now: Time, work: Span) -> Time {
        self.started_at = self.free_at.max(now);
        self.free_at = self.started_at + work;
        self.free_at
    }

    /// Whether work could run at `now`, rather than wait for the quota's next period.
    #[inline]
    pub fn can_run(&self, now: Time) -> bool {
        self.cpu.quota.is_none_or(|quota| {
            let period = now.nanos() / quota.period.nanos().max(1);
            period != self.period || self.used < quota.budget
        })
    }

    /// Stops the last piece of work, which is not done yet; returns what is left of it (its length at speed 1).
    pub fn interrupt(&mut self, now: Time) -> Span {
        if self.is_plain {
            let left = self.free_at - now.max(self.started_at);
            self.free_at = now;
            return left;
        }
        let Last { start, work, period, used } = self.last;
        let shared = work.saturating_sub((now - start).scaled(self.share));
        let left = match self.cpu.quota {
            None => shared,
            Some(quota) => {
                (self.period, self.used) = (period, used);
                self.run_throttled(start, work, quota, now).1.max(shared)
            }
        };
        self.free_at = now;
        if self.cpu.speed == 1.0 { left } else { left.scaled(self.cpu.speed) }
    }

    /// Sets the share of a core that the machine gives the process from now on (above 0, at most 1).
    #[inline]
    pub fn set_share(&mut self, share: f64) {
        if self.is_plain && share != 1.0 {
            // Work that was started on a whole core may still be interrupted.
            self.last = Last { start: self.started_at, work: self.free_at - self.started_at, ..Last::default() };
            self.is_plain = false;
        }
        self.share = share;
    }

    /// Cores in use at `now`: none, or all that the process may use.
    pub fn cores_in_use(&self, now: Time) -> f64 {
        if self.free_at > now { self.cpu.capacity() } else { 0.0 }
    }

    /// When all work so far will be done.
    pub fn free_at(&self) -> Time {
        self.free_at
    }

    /// Start of the last piece of work.
    pub fn started_at(&self) -> Time {
        self.started_at
    }

    /// Busy time.
    pub fn busy(&self) -> &BusyMeter {
        &self.busy
    }

    /// Runs work under a quota: when it is done, and how much of it is left at `until`.
    fn run_throttled(&mut self, start: Time, work: Span, quota: Quota, until: Time) -> (Time, Span) {
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
                // Zero-length work still has to wait for the next period if the budget is used up.
                let at = if self.used.nanos() < budget { now } else { end };
                return (Time::from_nanos(at), Span::ZERO);
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
            // Periods whose whole budget is used are skipped in one step.
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

    fn measurement() -> MeasurementWindow {
        MeasurementWindow { from: Time::ZERO, until: ms(1_000_000), bin: Span::from_millis(1000) }
    }

    fn quarter() -> Cpu {
        Cpu { speed: 1.0, quota: Some(Quota { budget: Span::from_millis(5), period: Span::from_millis(20) }) }
    }

    #[test]
    fn work_waits_for_the_work_before_it() {
        let mut server = Processor::new(Cpu::CORE, measurement());
        assert_eq!(server.serve(ms(10), Span::from_millis(5)), ms(15));
        assert_eq!(server.serve(ms(12), Span::from_millis(5)), ms(20));
        assert_eq!(server.serve(ms(30), Span::from_millis(5)), ms(35));
        assert!((server.busy().seconds() - 0.015).abs() < 1e-12);
    }

    #[test]
    fn a_quota_lets_short_work_run_and_stretches_long_work_in_periods() {
        let mut server = Processor::new(quarter(), measurement());
        assert_eq!(server.serve(ms(0), Span::from_millis(5)), ms(5), "within the budget at full speed");
        assert_eq!(server.serve(ms(6), Span::from_millis(1)), ms(21), "the budget is used up until the next period");
        assert_eq!(server.serve(ms(40), Span::from_millis(12)), ms(82), "5 + 5 + 2 ms in three periods");
        assert_eq!(server.serve(ms(118), Span::from_millis(4)), ms(122), "two periods, each with a budget");
        assert!(server.can_run(ms(122)));
        assert_eq!(server.serve(ms(122), Span::from_millis(3)), ms(125));
        assert!(!server.can_run(ms(125)) && server.can_run(ms(140)));
        assert_eq!(server.serve(ms(125), Span::ZERO), ms(140), "zero-length work waits too");
        let slow = Processor::new(Cpu { speed: 0.25, quota: None }, measurement()).serve(ms(0), Span::from_millis(5));
        assert_eq!(slow, ms(20), "a slower processor is not the same as a quota");
    }

    #[test]
    fn a_faster_machine_needs_less_time() {
        assert_eq!(Processor::new(Cpu::cores(2.0), measurement()).serve(ms(1), Span::from_millis(6)), ms(4));
        assert_eq!(Cpu::cores(0.25).capacity(), 0.25);
    }

    #[test]
    fn work_that_started_on_a_whole_core_is_interrupted_on_a_shared_one() {
        let mut server = Processor::new(Cpu::CORE, measurement());
        assert_eq!(server.serve(ms(2), Span::from_millis(10)), ms(12));
        server.set_share(0.5);
        assert_eq!(server.interrupt(ms(6)), Span::from_millis(8), "half of the four milliseconds");
        assert_eq!(server.resume(ms(6), Span::from_millis(8)), ms(22));
    }

    #[test]
    fn interrupted_work_resumes_later_and_is_counted_once() {
        for cpu in [Cpu::CORE, quarter(), Cpu { speed: 0.5, quota: None }] {
            let mut server = Processor::new(cpu, measurement());
            let whole = server.clone().serve(ms(0), Span::from_millis(9));
            server.serve(ms(0), Span::from_millis(9));
            let left = server.interrupt(ms(3));
            assert_eq!(server.resume(ms(3), left), whole, "{cpu:?}");
            assert!((server.busy().seconds() - 0.009 / cpu.speed).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn skipping_whole_periods_changes_nothing(jobs in prop::collection::vec((0u64..60, 1u64..90), 1..40)) {
            let mut server = Processor::new(quarter(), measurement());
            // Reference: millisecond by millisecond, as the kernel would.
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
