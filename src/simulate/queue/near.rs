//! What happens next, in order.

/// Keys, the least last.
#[derive(Debug, Clone, Default)]
pub(super) struct Near(Vec<u128>);

impl Near {
    #[inline]
    pub(super) fn least(&self) -> Option<u128> {
        self.0.last().copied()
    }

    /// The key that comes after so many others.
    #[inline]
    pub(super) fn after(&self, others: usize) -> Option<u128> {
        self.0.iter().rev().nth(others).copied()
    }

    #[inline]
    pub(super) fn take(&mut self) -> Option<u128> {
        self.0.pop()
    }

    /// Puts a key in its place.
    #[inline]
    pub(super) fn push(&mut self, key: u128) {
        let keys = &mut self.0;
        if keys.len() > FEW {
            let place = keys.partition_point(|&other| other > key);
            keys.insert(place, key);
            return;
        }
        // From the end, where the least ones are, and without asking who else is there.
        let mut place = keys.len();
        keys.push(key);
        while place > 0 && keys[place - 1] < key {
            keys[place] = keys[place - 1];
            place -= 1;
        }
        keys[place] = key;
    }

    /// Takes over keys in any order, if it has none; leaves an empty vector.
    #[inline]
    pub(super) fn take_over(&mut self, keys: &mut Vec<u128>) {
        debug_assert!(self.0.is_empty(), "keys of a later page come after those of this one");
        std::mem::swap(&mut self.0, keys);
        self.0.sort_unstable_by(|a, b| b.cmp(a));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Among more keys than these halving pays.
const FEW: usize = 32;
