//! Timers: for things of which each has at most one event pending, and often.
//!
//! The instants of up to 16 timers lie beside each other, each with its place in the last four bits, and are looked through whenever one
//! is set: a dozen comparisons that wait neither for each other nor for a guess of the processor. A heap costs a push and a pop and what
//! they mispredict, a tournament waits in every round for what it has just written. More timers are in blocks of 16.

use super::super::time::Time;

/// Instants by number; [`Time::NEVER`] for those that are not set.
#[derive(Debug, Clone)]
pub(super) struct Timers {
    /// By number: instant and place in its block. Filled up to whole rows.
    keys: Vec<u64>,
    /// The least key of each block.
    blocks: Vec<u64>,
    least: Time,
    first: usize,
}

impl Default for Timers {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Timers {
    pub(super) fn new(count: usize) -> Self {
        let count = count.next_multiple_of(ROW).max(ROW);
        let keys: Vec<u64> = (0..count).map(|number| key(number, Time::NEVER)).collect();
        let blocks = vec![key(0, Time::NEVER); count.div_ceil(BLOCK)];
        Self { keys, blocks, least: Time::NEVER, first: 0 }
    }

    /// Sets one; there must be one of that number.
    #[inline]
    pub(super) fn set(&mut self, number: usize, at: Time) {
        let Some(place) = self.keys.get_mut(number) else { return };
        *place = key(number, at);
        if let [_] = self.blocks[..] {
            let least = least_of(&self.keys);
            (self.least, self.first) = (instant(least), (least & PLACE) as usize);
        } else {
            self.set_in_blocks(number);
        }
    }

    #[cold]
    fn set_in_blocks(&mut self, number: usize) {
        let block = number / BLOCK;
        if let Some(keys) = self.keys.chunks(BLOCK).nth(block) {
            self.blocks[block] = least_of(keys);
        }
        // The first of several.
        let least = self.blocks.iter().enumerate().min_by_key(|(_, key)| **key | PLACE);
        if let Some((block, &least)) = least {
            (self.least, self.first) = (instant(least), block * BLOCK + (least & PLACE) as usize);
        }
    }

    /// When the first one is due.
    #[inline]
    pub(super) fn least(&self) -> Time {
        self.least
    }

    /// Whose that is; of several the lowest number.
    #[inline]
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// How many are set.
    pub(super) fn len(&self) -> usize {
        self.keys.iter().filter(|&&key| instant(key) != Time::NEVER).count()
    }
}

/// Instants from 2^60 - 1 ns on, 36 years, are never.
#[inline]
fn key(number: usize, at: Time) -> u64 {
    at.nanos().min(u64::MAX >> PLACE_BITS) << PLACE_BITS | (number as u64 & PLACE)
}

#[inline]
fn instant(key: u64) -> Time {
    if key | PLACE == u64::MAX { Time::NEVER } else { Time::from_nanos(key >> PLACE_BITS) }
}

/// Four minima side by side, so that they do not wait for each other.
#[inline]
fn least_of(keys: &[u64]) -> u64 {
    let (rows, _) = keys.as_chunks::<ROW>();
    let [a, b, c, d] = rows.iter().fold([u64::MAX; ROW], |[a, b, c, d], row| [a.min(row[0]), b.min(row[1]), c.min(row[2]), d.min(row[3])]);
    a.min(b).min(c.min(d))
}

const ROW: usize = 4;
const BLOCK: usize = 16;
const PLACE_BITS: u32 = 4;
const PLACE: u64 = (1 << PLACE_BITS) - 1;
