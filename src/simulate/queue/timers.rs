//! Timers: for things of which each has at most one event pending, and often.
//!
//! A tournament tree (Knuth, The Art of Computer Programming, volume 3, section 5.4.1): the leaves are instants, every node the earlier of the
//! two below it. Setting a timer replaces it and costs a comparison per level without a branch; the heap's way costs a push, a pop and what
//! they mispredict.

use super::super::time::{Span, Time};

/// Instants by number; [`Time::NEVER`] for those that are not set.
#[derive(Debug, Clone)]
pub(super) struct Timers {
    /// Who comes to match n: the winners of matches 2n and 2n + 1; to the last half of the matches the timers themselves. The first is nobody's.
    matches: Vec<[Timer; 2]>,
    /// The winner of match 1.
    first: Timer,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    at: Time,
    number: usize,
}

impl Timer {
    const NONE: Self = Self { at: Time::NEVER, number: 0 };
}

impl Default for Timers {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Timers {
    pub(super) fn new(count: usize) -> Self {
        Self { matches: vec![[Timer::NONE; 2]; count.next_power_of_two().max(2)], first: Timer::NONE }
    }

    /// Sets one; there must be one of that number.
    #[inline]
    pub(super) fn set(&mut self, number: usize, at: Time) {
        let mut place = self.matches.len() + number;
        let mut winner = Timer { at, number };
        while place > 1 {
            let side = place & 1;
            place /= 2;
            let Some(pair) = self.matches.get_mut(place) else { return };
            pair[side] = winner;
            // Not read back from the pair, so that the others can be fetched before this one is written.
            let other = pair[1 - side];
            // Who is on the left has the lower number and wins if both are due at once.
            let on_the_left = Span::from_nanos(side as u64);
            winner = if other.at < winner.at + on_the_left { other } else { winner };
        }
        self.first = winner;
    }

    /// When the first one is due.
    #[inline]
    pub(super) fn least(&self) -> Time {
        self.first.at
    }

    /// Whose that is; of several the lowest number.
    #[inline]
    pub(super) fn first(&self) -> usize {
        self.first.number
    }

    /// How many are set.
    pub(super) fn len(&self) -> usize {
        self.matches[self.matches.len() / 2..].iter().flatten().filter(|timer| timer.at != Time::NEVER).count()
    }
}
