//! Timers: for events of which each owner has at most one pending, and often.
//!
//! The times of up to 16 timers are adjacent in memory, each with its index in the lowest four bits, and are all compared whenever the first of
//! them is set to later: a dozen comparisons that depend neither on each other nor on branch prediction. A heap would cost a push, a pop and their
//! mispredicted branches; a tournament tree waits in every round for its own last write. More timers are in blocks of 16.

use crate::engine::time::Time;

/// Times by timer number; [`Time::NEVER`] for timers that are not set.
#[derive(Debug, Clone)]
pub(super) struct Timers {
    /// By timer number: time and index within the block. Padded to whole rows.
    keys: Vec<u64>,
    /// The smallest key of each block.
    blocks: Vec<u64>,
    /// The smallest key of all.
    min_key: u64,
    next_time: Time,
    next_number: usize,
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
        Self { keys, blocks, min_key: key(0, Time::NEVER), next_time: Time::NEVER, next_number: 0 }
    }

    /// Sets a timer. Unknown numbers are ignored.
    #[inline]
    pub(super) fn set(&mut self, number: usize, at: Time) {
        let Some(timer) = self.keys.get_mut(number) else { return };
        let new = key(number, at);
        let old = std::mem::replace(timer, new);
        if let [_] = self.blocks[..] {
            // Another timer stays the first unless this one was or becomes it.
            if new < self.min_key {
                self.set_first(new);
            } else if old == self.min_key {
                self.set_first(min_key_of(&self.keys));
            }
        } else {
            self.set_in_blocks(number);
        }
    }

    #[inline]
    fn set_first(&mut self, min_key: u64) {
        self.min_key = min_key;
        (self.next_time, self.next_number) = (instant(min_key), (min_key & INDEX) as usize);
    }

    #[cold]
    fn set_in_blocks(&mut self, number: usize) {
        let block = number / BLOCK;
        if let Some(keys) = self.keys.chunks(BLOCK).nth(block) {
            self.blocks[block] = min_key_of(keys);
        }
        // The first block of several with the same time.
        let min_key = self.blocks.iter().enumerate().min_by_key(|(_, key)| **key | INDEX);
        if let Some((block, &min_key)) = min_key {
            (self.next_time, self.next_number) = (instant(min_key), block * BLOCK + (min_key & INDEX) as usize);
        }
    }

    /// Time of the next timer.
    #[inline]
    pub(super) fn next_time(&self) -> Time {
        self.next_time
    }

    /// Number of the next timer; the lowest of several at that time.
    #[inline]
    pub(super) fn next_number(&self) -> usize {
        self.next_number
    }

    /// Number of timers that are set.
    pub(super) fn len(&self) -> usize {
        self.keys.iter().filter(|&&key| instant(key) != Time::NEVER).count()
    }
}

/// Times from 2^60 - 1 ns on, 36 years, count as never.
#[inline]
fn key(number: usize, at: Time) -> u64 {
    at.nanos().min(u64::MAX >> INDEX_BITS) << INDEX_BITS | (number as u64 & INDEX)
}

#[inline]
fn instant(key: u64) -> Time {
    if key | INDEX == u64::MAX { Time::NEVER } else { Time::from_nanos(key >> INDEX_BITS) }
}

/// Four independent minima, so that the comparisons do not wait for each other.
#[inline]
fn min_key_of(keys: &[u64]) -> u64 {
    let (rows, _) = keys.as_chunks::<ROW>();
    let [a, b, c, d] = rows.iter().fold([u64::MAX; ROW], |[a, b, c, d], row| [a.min(row[0]), b.min(row[1]), c.min(row[2]), d.min(row[3])]);
    a.min(b).min(c.min(d))
}

const ROW: usize = 4;
const BLOCK: usize = 16;
const INDEX_BITS: u32 = 4;
const INDEX: u64 = (1 << INDEX_BITS) - 1;
