//! Processes that are restarted one after another while the others serve.
//!
//! A process that is down gets no new requests: those that the proxy's rule sends to it go to another member of its pool, chosen by who asks; where no
//! member is up they wait until one is back. Requests that it has begun are finished, and it goes on writing streams. When it is back its caches are
//! empty, and for a while every request costs it more.

use crate::engine::time::{Span, Time};

/// Which processes are down, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outages {
    order: [u16; OUTAGES_MAX],
    count: usize,
    first: Time,
    down: Span,
    pause: Span,
    /// CPU of a request right after the start over what it is later, less 1.
    cold: f64,
    /// Time in which the difference falls to a third.
    warming: Span,
}

impl Outages {
    /// All processes are up all the time.
    pub const NONE: Self =
        Self { order: [0; OUTAGES_MAX], count: 0, first: Time::ZERO, down: Span::ZERO, pause: Span::ZERO, cold: 0.0, warming: Span::ZERO };

    /// Processes (by their number in the topology) that go down for `down` one after another from `first` on, with a pause between the end of one
    /// outage and the next. Those beyond the [`OUTAGES_MAX`]th are left out.
    pub fn rolling(processes: &[u16], first: Time, down: Span, pause: Span) -> Self {
        let mut outages = Self { first, down, pause, ..Self::NONE };
        for (place, process) in outages.order.iter_mut().zip(processes) {
            *place = *process;
            outages.count += 1;
        }
        outages
    }

    /// With requests that cost `1 + cold` times as much right after a start, and a third of the difference after `warming`.
    #[must_use]
    pub fn warming(self, cold: f64, warming: Span) -> Self {
        Self { cold, warming, ..self }
    }

    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// When the outages of a process begin and end.
    fn of(&self, process: u16) -> impl Iterator<Item = (Time, Time)> {
        let places = self.order[..self.count].iter().enumerate().filter(move |(_, other)| **other == process);
        let each = self.down + self.pause;
        places.map(move |(place, _)| {
            let from = self.first + each.saturating_mul(place as u64);
            (from, from + self.down)
        })
    }

    /// When a process that is down is back; `None`: it is up.
    pub(super) fn back_at(&self, process: u16, now: Time) -> Option<Time> {
        self.of(process).find(|(from, to)| (*from..*to).contains(&now)).map(|(_, to)| to)
    }

    /// How many times a process has come back.
    pub(super) fn starts(&self, process: u16, now: Time) -> u16 {
        u16::try_from(self.of(process).filter(|(_, to)| *to <= now).count()).unwrap_or(u16::MAX)
    }

    /// What a request costs a process over what it costs it when it is warm.
    pub(super) fn cold_factor(&self, process: u16, now: Time) -> f64 {
        if self.is_none() || self.cold <= 0.0 {
            return 1.0;
        }
        let back = self.of(process).map(|(_, to)| to).filter(|to| *to <= now).max();
        back.map_or(1.0, |back| 1.0 + self.cold * (-((now - back).seconds()) / self.warming.seconds().max(1e-9)).exp())
    }
}

/// Most outages of one run.
pub const OUTAGES_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_millis(seconds * 1000)
    }

    #[test]
    fn processes_are_down_one_after_another() {
        let outages = Outages::rolling(&[2, 1], at(10), Span::from_millis(5_000), Span::from_millis(20_000));
        assert_eq!([9, 10, 14, 15].map(|second| outages.back_at(2, at(second))), [None, Some(at(15)), Some(at(15)), None]);
        assert_eq!([10, 34, 35, 39, 40].map(|second| outages.back_at(1, at(second)).is_some()), [false, false, true, true, false]);
        assert_eq!(
            (outages.starts(2, at(14)), outages.starts(2, at(15)), outages.starts(1, at(39)), outages.starts(0, at(99))),
            (0, 1, 0, 0)
        );
        assert!(Outages::NONE.is_none() && !outages.is_none());
    }

    #[test]
    fn a_process_warms_up_after_its_start() {
        let outages = Outages::rolling(&[1], at(10), Span::from_millis(5_000), Span::ZERO).warming(1.0, Span::from_millis(10_000));
        assert_eq!((outages.cold_factor(1, at(12)), outages.cold_factor(1, at(15)), outages.cold_factor(2, at(15))), (1.0, 2.0, 1.0));
        assert!((outages.cold_factor(1, at(25)) - 1.3679).abs() < 1e-3);
        assert_eq!(Outages::NONE.cold_factor(1, at(25)), 1.0);
    }
}
