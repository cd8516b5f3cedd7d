//! Background work of a process, which no request causes: timers, garbage collection.

use rand_xoshiro::Xoshiro256PlusPlus;

use crate::engine::random::next_exponential;
use crate::engine::time::{Span, Time};

/// Pieces of work at Poisson instants, all with the same mean length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Background {
    /// Pieces per second.
    pub rate: f64,
    /// Mean length of a piece.
    pub slice: Span,
    /// Lengths are exponential rather than equal (for checks against theory).
    pub exponential: bool,
}

impl Background {
    pub const NONE: Self = Self { rate: 0.0, slice: Span::ZERO, exponential: false };

    /// This share of a core, in 20 pieces a second.
    pub fn from_utilisation(utilisation: f64) -> Self {
        Self { rate: 20.0, slice: Span::from_seconds(utilisation / 20.0), exponential: false }
    }
}

/// The sequence of pieces in one run.
#[derive(Debug, Clone)]
pub(super) struct BackgroundPieces {
    background: Background,
    next: Time,
    random: Xoshiro256PlusPlus,
}

impl BackgroundPieces {
    pub(super) fn new(background: Background, random: Xoshiro256PlusPlus) -> Self {
        let mut pieces = Self { background, next: Time::ZERO, random };
        pieces.next = pieces.after(Time::ZERO);
        pieces
    }

    /// Time of the next piece; [`Time::NEVER`] if there is none.
    #[inline]
    pub(super) fn next(&self) -> Time {
        self.next
    }

    /// Takes the next piece and returns its work.
    pub(super) fn take(&mut self) -> Span {
        self.next = self.after(self.next);
        let mean = self.background.slice;
        if self.background.exponential { mean.scaled(next_exponential(&mut self.random)) } else { mean }
    }

    /// Skips all pieces before an instant; returns the mean of their work, in cores.
    pub(super) fn skip(&mut self, until: Time) -> f64 {
        self.next = self.after(until);
        self.load()
    }

    /// Cores that the pieces take.
    pub(super) fn load(&self) -> f64 {
        self.background.rate * self.background.slice.seconds()
    }

    fn after(&mut self, now: Time) -> Time {
        if self.background.rate <= 0.0 || self.background.slice == Span::ZERO {
            return Time::NEVER;
        }
        now + Span::from_seconds(next_exponential(&mut self.random) / self.background.rate)
    }
}
