//! Timers: for things of which each has at most one event pending, and often.
//!
//! A tournament tree (Knuth, The Art of Computer Programming, volume 3, section 5.4.1), four to a match: setting a timer replaces it and costs three
//! comparisons without a branch at each of two levels for up to 16 timers; the heap's way costs a push, a pop and what they mispredict.

use super::super::time::Time;

/// Instants by number; [`Time::NEVER`] for those that are not set.
#[derive(Debug, Clone)]
pub(super) struct Timers {
    /// From the final to the first matches: each round has four times the matches of the one before it, and each player of a match is the winner
    /// of one in the next round. Players of the last round are the timers.
    rounds: Vec<Vec<Match>>,
    first: Player,
}

#[derive(Debug, Clone, Copy)]
struct Match {
    at: [Time; 4],
    number: [u32; 4],
}

#[derive(Debug, Clone, Copy)]
struct Player {
    at: Time,
    number: u32,
}

impl Match {
    const NONE: Self = Self { at: [Time::NEVER; 4], number: [0; 4] };

    /// Who is first; of several the one of the lowest number, which is on the left.
    #[inline]
    fn winner(&self) -> Player {
        let [a, b, c, d] = self.at;
        let (left, l) = if b < a { (b, 1) } else { (a, 0) };
        let (right, r) = if d < c { (d, 3) } else { (c, 2) };
        let (at, place) = if right < left { (right, r) } else { (left, l) };
        Player { at, number: self.number[place] }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Timers {
    pub(super) fn new(count: usize) -> Self {
        let mut rounds = vec![vec![Match::NONE]];
        while rounds.last().is_some_and(|last| 4 * last.len() < count) {
            rounds.push(vec![Match::NONE; 4 * rounds.last().map_or(1, Vec::len)]);
        }
        Self { rounds, first: Player { at: Time::NEVER, number: 0 } }
    }

    /// Sets one; there must be one of that number.
    #[inline]
    pub(super) fn set(&mut self, number: u32, at: Time) {
        let mut winner = Player { at, number };
        let mut place = number as usize;
        for round in self.rounds.iter_mut().rev() {
            let Some(played) = round.get_mut(place / 4) else { return };
            (played.at[place % 4], played.number[place % 4]) = (winner.at, winner.number);
            winner = played.winner();
            place /= 4;
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
    pub(super) fn first(&self) -> u32 {
        self.first.number
    }

    /// How many are set.
    pub(super) fn len(&self) -> usize {
        self.rounds.last().map_or(0, |last| last.iter().flat_map(|played| played.at).filter(|&at| at != Time::NEVER).count())
    }
}
