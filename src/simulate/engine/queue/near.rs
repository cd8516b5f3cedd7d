//! The next events, sorted.

/// Keys in descending order, so that the next event is at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Near(Vec<u128>);

impl Near {
    #[inline]
    pub(super) fn first(&self) -> Option<u128> {
        self.0.last().copied()
    }

    #[inline]
    pub(super) fn nth(&self, n: usize) -> Option<u128> {
        self.0.iter().rev().nth(n).copied()
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<u128> {
        self.0.pop()
    }

    /// Inserts a key.
    #[inline]
    pub(super) fn push(&mut self, key: u128) {
        let keys = &mut self.0;
        if keys.len() > FEW {
            let index = keys.partition_point(|&other| other > key);
            keys.insert(index, key);
            return;
        }
        // Insertion from the end: most new events are among the next few, and no binary search is needed.
        let mut index = keys.len();
        keys.push(key);
        while index > 0 && keys[index - 1] < key {
            keys[index] = keys[index - 1];
            index -= 1;
        }
        keys[index] = key;
    }

    /// Swaps keys in any order into this store, which must be empty, and sorts them.
    #[inline]
    pub(super) fn refill(&mut self, keys: &mut Vec<u128>) {
        debug_assert!(self.0.is_empty(), "keys of a later page come after those of this one");
        std::mem::swap(&mut self.0, keys);
        self.0.sort_unstable_by(|a, b| b.cmp(a));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Above this number of keys a binary search is faster.
const FEW: usize = 32;
