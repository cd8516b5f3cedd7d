//! The calendar of later events.
//!
//! Two rings of pages, each page a stretch of time (Brown, "Calendar queues", 1988, except that a page is sorted when its time comes). The
//! fine ring covers the current page of the coarse ring; when the fine ring is empty, the next coarse page is distributed over it (Varghese
//! and Lauck, "Hashed and hierarchical timing wheels", 1987). Events beyond the last coarse page are in a binary heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::near::Near;

/// Keys by time.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    fine: Ring<FINE_BITS, { 1 << (COARSE_BITS - FINE_BITS) }>,
    coarse: Ring<COARSE_BITS, COARSE_PAGES>,
    /// Events beyond the last page.
    beyond: BinaryHeap<Reverse<u128>>,
    count: usize,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { fine: Ring::from(1), coarse: Ring::from(1), beyond: BinaryHeap::new(), count: 0 }
    }
}

impl Calendar {
    /// Start of the first page, ns. Earlier keys must not be pushed.
    #[inline]
    pub(super) fn first_page_start(&self) -> u64 {
        // There is no page after the one that contains the end of time.
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

    /// Moves the first page that is not empty into `near`, which must be empty.
    pub(super) fn advance_page(&mut self, near: &mut Near) {
        loop {
            if let Some(page) = self.fine.next_marked() {
                self.fine.first = page + 1;
                let page = self.fine.take(page);
                self.count -= page.len();
                near.refill(page);
                return;
            }
            if !self.distribute_coarse_page() {
                return;
            }
        }
    }

    /// Distributes the next coarse page that is not empty over the fine ring; returns whether there was one.
    fn distribute_coarse_page(&mut self) -> bool {
        let first = self.coarse.next_marked().or_else(|| self.beyond.peek().map(|key| nanos(key.0) >> COARSE_BITS));
        let Some(page) = first else { return false };
        self.coarse.first = page + 1;
        self.fine.first = page << (COARSE_BITS - FINE_BITS);
        self.coarse.take(page).drain(..).for_each(|key| self.fine.put(nanos(key) >> FINE_BITS, key));
        // Some events from beyond the last page have a page now.
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
    /// By page number modulo `PAGES`.
    pages: Vec<Vec<u128>>,
    /// One bit for each page, set if the page is not empty.
    marked: Vec<u64>,
    /// Number of the ring's first page; the ring covers `PAGES` pages from here.
    first: u64,
}

impl<const BITS: u32, const PAGES: usize> Ring<BITS, PAGES> {
    fn from(first: u64) -> Self {
        Self { pages: vec![Vec::new(); PAGES], marked: vec![0; PAGES.div_ceil(64)], first }
    }

    #[inline]
    fn put(&mut self, page: u64, key: u128) {
        let index = index::<PAGES>(page);
        self.pages[index].push(key);
        self.marked[index / 64] |= 1 << (index % 64);
    }

    /// The keys of a page, which is marked empty.
    #[inline]
    fn take(&mut self, page: u64) -> &mut Vec<u128> {
        let index = index::<PAGES>(page);
        self.marked[index / 64] &= !(1 << (index % 64));
        &mut self.pages[index]
    }

    /// The first page from [`Self::first`] on that is not empty.
    #[inline]
    fn next_marked(&self) -> Option<u64> {
        let from = index::<PAGES>(self.first);
        // The word of the first page is tested twice: first for its upper bits, at the end for its lower ones.
        let words = self.marked.len();
        (0..=words).find_map(|step| {
            let word = (from / 64 + step) % words;
            let bits = match step {
                0 => self.marked[word] & (u64::MAX << (from % 64)),
                _ if step == words => self.marked[word] & !(u64::MAX << (from % 64)),
                _ => self.marked[word],
            };
            let index = (word * 64) as u64 + u64::from(bits.trailing_zeros());
            (bits != 0).then(|| self.first + (index.wrapping_sub(from as u64) % PAGES as u64))
        })
    }
}

fn nanos(key: u128) -> u64 {
    (key >> 64) as u64
}

#[inline]
fn index<const PAGES: usize>(page: u64) -> usize {
    usize::try_from(page % PAGES as u64).unwrap_or(0)
}

/// A fine page is 2^24 ns, 17 ms: some twenty events of a busy homeserver, enough for prefetching.
const FINE_BITS: u32 = 24;
/// A coarse page is 2^30 ns, 1.1 s.
const COARSE_BITS: u32 = 30;
/// 69 s: longer than nearly every long poll.
const COARSE_PAGES: usize = 64;
