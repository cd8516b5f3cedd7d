//! The calendar of what happens later.
//!
//! Two rings of pages, each page a stretch of time (Brown, "Calendar queues", 1988, except that a page is sorted when its time comes). The
//! fine ring covers what the coarse one's current page does; when it has run out the next coarse page is dealt out to it (Varghese and
//! Lauck, "Hashed and hierarchical timing wheels", 1987). Events beyond the last coarse page wait in a heap of their own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::near::Near;

/// Keys by time.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    fine: Ring<FINE_BITS, { 1 << (COARSE_BITS - FINE_BITS) }>,
    coarse: Ring<COARSE_BITS, COARSE_PAGES>,
    /// What lies beyond the last page.
    beyond: BinaryHeap<Reverse<u128>>,
    count: usize,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { fine: Ring::from(1), coarse: Ring::from(1), beyond: BinaryHeap::new(), count: 0 }
    }
}

impl Calendar {
    /// When the first page begins, ns. Nothing earlier may be put in.
    #[inline]
    pub(super) fn begins(&self) -> u64 {
        // After the page of the end of time there is none.
        self.fine.first.saturating_mul(1 << FINE_BITS)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub(super) fn push(&mut self, nanos: u64, key: u128) {
        self.count += 1;
        if nanos >> COARSE_BITS < self.coarse.first {
            self.fine.put(nanos >> FINE_BITS, key);
        } else {
            self.push_later(nanos >> COARSE_BITS, key);
        }
    }

    fn push_later(&mut self, page: u64, key: u128) {
        if page - self.coarse.first < COARSE_PAGES as u64 {
            self.coarse.put(page, key);
        } else {
            self.beyond.push(Reverse(key));
        }
    }

    /// The first page with something on it becomes what is near, of which nothing may be left.
    pub(super) fn turn(&mut self, near: &mut Near) {
        loop {
            if let Some(page) = self.fine.next_marked() {
                self.fine.first = page + 1;
                let page = self.fine.take(page);
                self.count -= page.len();
                near.take_over(page);
                return;
            }
            if !self.deal_out() {
                return;
            }
        }
    }

    /// The next coarse page with something on it becomes fine; whether there was one.
    fn deal_out(&mut self) -> bool {
        let first = self.coarse.next_marked().or_else(|| self.beyond.peek().map(|key| nanos(key.0) >> COARSE_BITS));
        let Some(page) = first else { return false };
        self.coarse.first = page + 1;
        self.fine.first = page << (COARSE_BITS - FINE_BITS);
        self.coarse.take(page).drain(..).for_each(|key| self.fine.put(nanos(key) >> FINE_BITS, key));
        // Those beyond that have a page now.
        while let Some(&Reverse(key)) = self.beyond.peek().filter(|key| (nanos(key.0) >> COARSE_BITS) - page <= COARSE_PAGES as u64) {
            self.beyond.pop();
            if nanos(key) >> COARSE_BITS == page {
                self.fine.put(nanos(key) >> FINE_BITS, key);
            } else {
                self.coarse.put(nanos(key) >> COARSE_BITS, key);
            }
        }
        true
    }
}

/// Pages of 2^`BITS` ns in a ring.
#[derive(Debug, Clone)]
struct Ring<const BITS: u32, const PAGES: usize> {
    /// By number of the page, modulo their count.
    pages: Vec<Vec<u128>>,
    /// A bit for each page with something on it.
    marked: Vec<u64>,
    /// Number of the first page that may be on it; all are within one turn of the ring.
    first: u64,
}

impl<const BITS: u32, const PAGES: usize> Ring<BITS, PAGES> {
    fn from(first: u64) -> Self {
        Self { pages: vec![Vec::new(); PAGES], marked: vec![0; PAGES.div_ceil(64)], first }
    }

    #[inline]
    fn put(&mut self, page: u64, key: u128) {
        let place = place::<PAGES>(page);
        self.pages[place].push(key);
        self.marked[place / 64] |= 1 << (place % 64);
    }

    /// The keys on a page, which has none from now on.
    #[inline]
    fn take(&mut self, page: u64) -> &mut Vec<u128> {
        let place = place::<PAGES>(page);
        self.marked[place / 64] &= !(1 << (place % 64));
        &mut self.pages[place]
    }

    /// The first page from [`Self::first`] on with something on it.
    #[inline]
    fn next_marked(&self) -> Option<u64> {
        let from = place::<PAGES>(self.first);
        // The word of the first page is looked at twice: for its upper bits, and at the end for the lower ones.
        let words = self.marked.len();
        (0..=words).find_map(|step| {
            let word = (from / 64 + step) % words;
            let bits = match step {
                0 => self.marked[word] & (u64::MAX << (from % 64)),
                _ if step == words => self.marked[word] & !(u64::MAX << (from % 64)),
                _ => self.marked[word],
            };
            let place = (word * 64) as u64 + u64::from(bits.trailing_zeros());
            (bits != 0).then(|| self.first + (place.wrapping_sub(from as u64) % PAGES as u64))
        })
    }
}

fn nanos(key: u128) -> u64 {
    (key >> 64) as u64
}

#[inline]
fn place<const PAGES: usize>(page: u64) -> usize {
    usize::try_from(page % PAGES as u64).unwrap_or(0)
}

/// A fine page is 2^24 ns, 17 ms: some twenty events where a homeserver is busy, enough to look ahead in.
const FINE_BITS: u32 = 24;
/// A coarse page is 2^30 ns, 1.1 s.
const COARSE_BITS: u32 = 30;
/// 69 s: longer than nearly every long poll.
const COARSE_PAGES: usize = 64;
