//! The reactor of a process: one thread that runs slices in the order in which they become ready, and work of its own.
//!
//! A Twisted reactor runs a slice to its end; slices of many requests take turns. Work that no request waits for (timers,
//! garbage collection, replication) is small slices in the same line, and no worker can refuse it.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::random::next_exponential;
use super::super::time::{Span, Time};
use super::meter::{BusyMeter, Measuring, Occupancy};
use super::processor::{Cpu, Processor};

/// Work a process does whatever comes: Poisson instants, slices of one mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Background {
    /// Slices per second.
    pub rate: f64,
    /// Mean time of a slice.
    pub slice: Span,
    /// Slices are exponential rather than all equal (for checks against theory).
    pub exponential: bool,
}

impl Background {
    /// No such work.
    pub const NONE: Self = Self { rate: 0.0, slice: Span::ZERO, exponential: false };

    /// A share of a core, in 20 slices a second.
    pub fn share(utilisation: f64) -> Self {
        Self { rate: 20.0, slice: Span::from_seconds(utilisation / 20.0), exponential: false }
    }
}

/// The reactor.
#[derive(Debug, Clone)]
pub struct Reactor {
    processor: Processor,
    background: Background,
    next_background: Time,
    random: Xoshiro256PlusPlus,
    present: Occupancy,
}

impl Reactor {
    /// An idle reactor; `random` is for its background work alone.
    pub fn new(cpu: Cpu, background: Background, random: Xoshiro256PlusPlus, measuring: Measuring) -> Self {
        let processor = Processor::new(cpu, measuring);
        let mut reactor = Self { processor, background, next_background: Time::ZERO, random, present: Occupancy::new(measuring) };
        reactor.next_background = reactor.background_after(Time::ZERO);
        reactor
    }

    /// Takes a slice of a request; says when it will be done. The caller reports that with [`done`](Self::done).
    #[inline]
    pub fn slice(&mut self, now: Time, work: Span) -> Time {
        self.present.enter(now);
        self.run(now, work)
    }

    /// A slice is done.
    #[inline]
    pub fn done(&mut self, now: Time) {
        self.present.leave(now);
    }

    /// Takes work that nobody waits for.
    #[inline]
    pub fn run(&mut self, now: Time, work: Span) -> Time {
        if self.next_background <= now {
            self.catch_up(now);
        }
        self.processor.serve(now, work)
    }

    /// Does the background work up to `now` and counts up to it; call once at the end.
    pub fn advance(&mut self, now: Time) {
        self.catch_up(now);
        self.present.advance(now);
    }

    /// When a piece of work that comes now could begin: nought to be done, but in the same line as everybody.
    #[inline]
    pub fn turn(&mut self, now: Time) -> Time {
        self.run(now, Span::ZERO)
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

    /// When the last piece of work began.
    pub fn started_at(&self) -> Time {
        self.processor.started_at()
    }

    /// When what has come so far will be done.
    pub fn free_at(&self) -> Time {
        self.processor.free_at()
    }

    /// Time it worked.
    pub fn busy(&self) -> &BusyMeter {
        self.processor.busy()
    }

    /// Slices of requests that wait or run.
    pub fn present(&self) -> &Occupancy {
        &self.present
    }

    #[cold]
    fn catch_up(&mut self, now: Time) {
        while self.next_background <= now {
            let at = self.next_background;
            let mean = self.background.slice;
            let work = if self.background.exponential { mean.scaled(next_exponential(&mut self.random)) } else { mean };
            self.processor.serve(at, work);
            self.next_background = self.background_after(at);
        }
    }

    fn background_after(&mut self, now: Time) -> Time {
        if self.background.rate <= 0.0 || self.background.slice == Span::ZERO {
            return Time::NEVER;
        }
        now + Span::from_seconds(next_exponential(&mut self.random) / self.background.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::random::{Purpose, stream};
    use super::*;

    #[test]
    fn background_work_takes_its_share_and_its_place_in_the_line() {
        let end = Time::from_micros(1_000_000_000);
        let measuring = Measuring::over(Time::ZERO, end, 10);
        let mut reactor = Reactor::new(Cpu::CORE, Background::share(0.1), stream(1, Purpose::Background, 0), measuring);
        reactor.advance(end);
        assert!((reactor.busy().utilisation() - 0.1).abs() < 0.005, "{}", reactor.busy().utilisation());
        let finish = reactor.slice(end, Span::from_millis(1));
        assert!(finish >= end + Span::from_millis(1));
        reactor.done(finish);
        assert_eq!(reactor.present().present(), 0);
    }
}
