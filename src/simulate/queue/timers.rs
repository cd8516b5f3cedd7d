//! Timers: for things of which each has at most one event pending, and often.
//!
//! A tournament tree (Knuth, The Art of Computer Programming, volume 3, section 5.4.1): the leaves are instants, every node the earlier of the
//! two below it. Setting a timer replaces it and costs a comparison per level without a branch; the heap's way costs a push, a pop and what
//! they mispredict.

use super::super::time::Time;

/// Instants by number; [`Time::NEVER`] for those that are not set.
#[derive(Debug, Clone)]
pub(super) struct Timers {
    /// Matches by number: the winners of matches 2n and 2n + 1 meet in match n, the last half are between timers. The first is nobody's.
    matches: Vec<[Time; 2]>,
    /// The winner of match 1.
    least: Time,
}

impl Default for Timers {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Timers {
    pub(super) fn new(count: usize) -> Self {
        Self { matches: vec![[Time::NEVER; 2]; count.next_power_of_two().max(2)], least: Time::NEVER }
    }

    /// Sets one; there must be one of that number.
    #[inline]
    pub(super) fn set(&mut self, number: usize, at: Time) {
        let mut place = self.matches.len() + number;
        let mut winner = at;
        while place > 1 {
            let (side, number) = (place & 1, place >> 1);
            let Some(pair) = self.matches.get_mut(number) else { return };
            pair[side] = winner;
            winner = pair[0].min(pair[1]);
            place = number;
        }
        self.least = winner;
    }

    /// When the first one is due.
    #[inline]
    pub(super) fn least(&self) -> Time {
        self.least
    }

    /// Whose that is; of several the lowest number.
    #[inline]
    pub(super) fn first(&self) -> usize {
        let mut place = 1;
        while let Some(&[left, right]) = self.matches.get(place) {
            place = 2 * place + usize::from(right < left);
        }
        place - self.matches.len()
    }

    /// How many are set.
    pub(super) fn len(&self) -> usize {
        self.matches[self.matches.len() / 2..].iter().flatten().filter(|&&at| at != Time::NEVER).count()
    }
}
