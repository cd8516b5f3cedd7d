//! The sums of every name that has an id: exact, and without a look at the name's text or hash.
//!
//! Ids are given out in the order in which names are first seen, so that frequent names have small ones: in an array by id their sums lie
//! close together, and those of names that come together, such as a user and its address, side by side. The sums are integers, so that order
//! and split do not matter.

use prefetch_index::prefetch_index;

use super::Tally;
use super::hashing::NumberMap;

/// Sums by id, for names of several kinds. Takes 24 bytes for each id up to the greatest.
#[derive(Debug, Clone, Default)]
pub struct IdTallies {
    /// By id. Nearly every name is of one kind.
    slots: Vec<Slot>,
    /// The further kinds of an id, by kind and id.
    further: NumberMap<u64, Slot>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    cost_us: u64,
    nominal_us: u64,
    count: u32,
    /// 0: empty.
    kind: u8,
    level: u8,
}

/// The sums of an id of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdTally {
    pub kind: u8,
    pub id: u32,
    pub tally: Tally,
    /// The highest level of its occurrences (see [`super::heavy_hitters`]).
    pub level: u8,
}

impl Slot {
    #[inline]
    fn add(&mut self, tally: Tally, level: u8) {
        self.count = self.count.saturating_add(u32::try_from(tally.count).unwrap_or(u32::MAX));
        self.cost_us = self.cost_us.saturating_add(tally.cost_us);
        self.nominal_us = self.nominal_us.saturating_add(tally.nominal_us);
        self.level = self.level.max(level);
    }

    fn tally(self) -> Tally {
        Tally { count: self.count.into(), cost_us: self.cost_us, nominal_us: self.nominal_us }
    }
}

impl IdTallies {
    /// Lets the memory of an id arrive that is added to a little later.
    #[inline]
    pub fn prefetch(&self, id: u32) {
        prefetch_index(&self.slots, id as usize);
    }

    /// Adds to the sums of an id. `kind` is not 0. A count ends at 2^32 - 1.
    #[inline]
    pub fn add(&mut self, kind: u8, id: u32, tally: Tally, level: u8) {
        match self.slots.get_mut(id as usize) {
            Some(slot) if slot.kind == kind => slot.add(tally, level),
            _ => self.add_rare(kind, id, tally, level),
        }
    }

    /// Adds to an id that is new or has another kind too.
    #[inline(never)]
    fn add_rare(&mut self, kind: u8, id: u32, tally: Tally, level: u8) {
        let index = id as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, Slot::default());
        }
        let first = &mut self.slots[index];
        let slot = if first.kind == 0 || first.kind == kind {
            first
        } else {
            self.further.entry(u64::from(kind) << 32 | u64::from(id)).or_default()
        };
        slot.kind = kind;
        slot.add(tally, level);
    }

    /// Adds the content of another.
    pub fn merge(&mut self, mut other: Self) {
        if other.slots.len() > self.slots.len() {
            std::mem::swap(self, &mut other);
        }
        other.iter().for_each(|sums| self.add(sums.kind, sums.id, sums.tally, sums.level));
    }

    /// Forgets everything, but keeps the memory.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.further.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// All sums, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = IdTally> + '_ {
        let first = (0u32..).zip(&self.slots).filter(|(_, slot)| slot.kind != 0);
        #[expect(clippy::cast_possible_truncation, reason = "the low half of a key is the id")]
        let further = self.further.iter().map(|(key, slot)| (*key as u32, slot));
        first.chain(further).map(|(id, slot)| IdTally { kind: slot.kind, id, tally: slot.tally(), level: slot.level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn sums_are_those_of_a_map_whatever_the_split(
            adds in prop::collection::vec((1u8..4, 1u32..200, 0u64..9, 0u8..20), 0..600),
            cut in 0usize..600,
        ) {
            let (mut first, mut second) = (IdTallies::default(), IdTallies::default());
            let mut truth = BTreeMap::<(u8, u32), (Tally, u8)>::new();
            for (number, &(kind, id, cost_us, level)) in adds.iter().enumerate() {
                let tally = Tally { count: 1, cost_us, nominal_us: 3 };
                (if number < cut { &mut first } else { &mut second }).add(kind, id, tally, level);
                let sums = truth.entry((kind, id)).or_default();
                sums.0.add(tally);
                sums.1 = sums.1.max(level);
            }
            first.merge(second);
            prop_assert_eq!(first.is_empty(), truth.is_empty());
            let found: Vec<_> = first.iter().map(|sums| ((sums.kind, sums.id), (sums.tally, sums.level))).collect();
            prop_assert_eq!(found.len(), truth.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), truth);
            first.clear();
            prop_assert_eq!(first.iter().count(), 0);
        }
    }
}
