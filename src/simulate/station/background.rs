//! Work that a process does whatever comes: timers, garbage collection.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::random::next_exponential;
use super::super::time::{Span, Time};

/// Poisson instants, pieces of one mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Background {
    /// Pieces per second.
    pub rate: f64,
    /// Mean time of a piece.
    pub slice: Span,
    /// Pieces are exponential rather than all equal (for checks against theory).
    pub exponential: bool,
}

impl Background {
    /// No such work.
    pub const NONE: Self = Self { rate: 0.0, slice: Span::ZERO, exponential: false };

    /// A share of a core, in 20 pieces a second.
    pub fn share(utilisation: f64) -> Self {
        Self { rate: 20.0, slice: Span::from_seconds(utilisation / 20.0), exponential: false }
    }
}

/// The pieces as they come.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    background: Background,
    next: Time,
    random: Xoshiro256PlusPlus,
}

impl Pieces {
    pub(super) fn new(background: Background, random: Xoshiro256PlusPlus) -> Self {
        let mut pieces = Self { background, next: Time::ZERO, random };
        pieces.next = pieces.after(Time::ZERO);
        pieces
    }

    /// When the next one comes; [`Time::NEVER`] if none does.
    #[inline]
    pub(super) fn next(&self) -> Time {
        self.next
    }

    /// Takes it: its work.
    pub(super) fn take(&mut self) -> Span {
        self.next = self.after(self.next);
        let mean = self.background.slice;
        if self.background.exponential { mean.scaled(next_exponential(&mut self.random)) } else { mean }
    }

    fn after(&mut self, now: Time) -> Time {
        if self.background.rate <= 0.0 || self.background.slice == Span::ZERO {
            return Time::NEVER;
        }
        now + Span::from_seconds(next_exponential(&mut self.random) / self.background.rate)
    }
}
