//! The calendar of what happens later.
//!
//! A ring of pages, each a stretch of time (Brown, "Calendar queues", 1988, without their sorting: a page is moved into a heap when its time
//! comes). Events beyond the last page wait in a heap of their own.

use super::heap::Heap;

/// Keys by page.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    /// By number of the page, modulo their count.
    pages: Vec<Vec<u128>>,
    /// A bit for each page with something on it.
    marked: [u64; PAGES / 64],
    /// Number of the first page, and when it begins, ns.
    first: u64,
    begins: u64,
    /// What lies beyond the last page.
    beyond: Heap,
    count: usize,
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            pages: vec![Vec::new(); PAGES],
            marked: [0; PAGES / 64],
            first: 1,
            begins: 1 << PAGE_BITS,
            beyond: Heap::default(),
            count: 0,
        }
    }
}

impl Calendar {
    /// When the first page begins, ns. Nothing earlier may be put in.
    #[inline]
    pub(super) fn begins(&self) -> u64 {
        self.begins
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub(super) fn push(&mut self, nanos: u64, key: u128) {
        self.count += 1;
        let page = nanos >> PAGE_BITS;
        if page.wrapping_sub(self.first) < PAGES as u64 {
            self.put(page, key);
        } else {
            self.beyond.push(key);
        }
    }

    /// Moves the first page with something on it into a heap; there must be one.
    pub(super) fn turn(&mut self, into: &mut Heap) {
        let Some(page) = self.next_marked().or_else(|| self.beyond.least().map(page_of)) else { return };
        // Those beyond that have a page now.
        while let Some(key) = self.beyond.least().filter(|&key| page_of(key) - page < PAGES as u64) {
            self.beyond.take();
            self.put(page_of(key), key);
        }
        let place = place(page);
        self.marked[place / 64] &= !(1 << (place % 64));
        self.count -= self.pages[place].len();
        self.pages[place].drain(..).for_each(|key| into.push(key));
        self.first = page + 1;
        // After the page of the end of time there is none.
        self.begins = self.first.saturating_mul(1 << PAGE_BITS);
    }

    #[inline]
    fn put(&mut self, page: u64, key: u128) {
        let place = place(page);
        self.pages[place].push(key);
        self.marked[place / 64] |= 1 << (place % 64);
    }

    /// The first page from [`Self::first`] on with something on it.
    fn next_marked(&self) -> Option<u64> {
        let from = place(self.first);
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

fn page_of(key: u128) -> u64 {
    ((key >> 64) as u64) >> PAGE_BITS
}

fn place(page: u64) -> usize {
    usize::try_from(page % PAGES as u64).unwrap_or(0)
}

/// A page is 2^26 ns, 67 ms.
const PAGE_BITS: u32 = 26;
/// 69 s: longer than nearly every long poll.
const PAGES: usize = 1024;
