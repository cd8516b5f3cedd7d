//! The sums of every name that has an id: exact, and without a look at the name's text or hash.
//!
//! An open table of 24 bytes a slot. The sums are integers, so that order and split do not matter.

use super::Tally;

/// Sums by id. Memory grows with the number of ids that occur: 32 to 64 bytes each.
#[derive(Debug, Clone, Default)]
pub struct IdTallies {
    /// A power of two long, at most three quarters full.
    slots: Vec<Slot>,
    len: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// 0: empty.
    id: u32,
    count: u32,
    cost_us: u64,
    nominal_us: u64,
}

impl IdTallies {
    /// Adds to the sums of an id that is not 0. A count ends at 2^32 - 1.
    #[inline]
    pub fn add(&mut self, id: u32, tally: Tally) {
        let mut at = self.position(id);
        if at.is_none_or(|at| self.slots[at].id == 0) {
            if self.reserve(1) {
                at = self.position(id);
            }
            self.len += 1;
        }
        let Some(at) = at else { return };
        let slot = &mut self.slots[at];
        slot.id = id;
        slot.count = slot.count.saturating_add(u32::try_from(tally.count).unwrap_or(u32::MAX));
        slot.cost_us = slot.cost_us.saturating_add(tally.cost_us);
        slot.nominal_us = slot.nominal_us.saturating_add(tally.nominal_us);
    }

    /// Adds the content of another.
    pub fn merge(&mut self, other: Self) {
        if other.len > self.len {
            let mine = std::mem::replace(self, other);
            self.merge(mine);
            return;
        }
        // The ids come in the order of their hashes: a table that were to grow meanwhile would be crowded at its start.
        self.reserve(other.len);
        other.iter().for_each(|(id, tally)| self.add(id, tally));
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every id with its sums, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Tally)> + '_ {
        let used = self.slots.iter().filter(|slot| slot.id != 0);
        used.map(|slot| (slot.id, Tally { count: slot.count.into(), cost_us: slot.cost_us, nominal_us: slot.nominal_us }))
    }

    /// The slot of an id, or the empty one where the id belongs; `None` without a table.
    #[inline]
    fn position(&self, id: u32) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        // Fibonacci hashing (see the module `hashing`): ids of one kind come in steps.
        let mut at = (u64::from(id).wrapping_mul(GOLDEN) >> 32) as usize & mask;
        while self.slots[at].id != 0 && self.slots[at].id != id {
            at = (at + 1) & mask;
        }
        Some(at)
    }

    /// Makes room for so many more ids; whether the slots have changed.
    #[inline]
    fn reserve(&mut self, more: usize) -> bool {
        let crowded = (self.len + more) * 4 > self.slots.len() * 3;
        if crowded {
            self.grow(((self.len + more) * 4 / 3 + 1).next_power_of_two().max(SLOTS_MIN));
        }
        crowded
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        let slots = std::mem::replace(&mut self.slots, vec![Slot::default(); length]);
        for slot in slots.into_iter().filter(|slot| slot.id != 0) {
            if let Some(at) = self.position(slot.id) {
                self.slots[at] = slot;
            }
        }
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
const SLOTS_MIN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn sums_are_those_of_a_map_whatever_the_split(adds in prop::collection::vec((1u32..2000, 0u64..9), 0..600), cut in 0usize..600) {
            let (mut first, mut second, mut truth) = (IdTallies::default(), IdTallies::default(), BTreeMap::<u32, Tally>::new());
            for (number, &(id, cost_us)) in adds.iter().enumerate() {
                let tally = Tally { count: 1, cost_us, nominal_us: 3 };
                (if number < cut { &mut first } else { &mut second }).add(id, tally);
                truth.entry(id).or_default().add(tally);
            }
            first.merge(second);
            prop_assert_eq!(first.len(), truth.len());
            prop_assert_eq!(first.iter().collect::<BTreeMap<_, _>>(), truth);
        }
    }

    /// Every second id is an address, every other one its user. With the ids themselves for hashes this would take hours.
    #[test]
    fn ids_in_steps_do_not_crowd() {
        let mut parts = [IdTallies::default(), IdTallies::default()];
        (1..1_000_000u32).step_by(2).for_each(|id| parts[(id / 8192 % 2) as usize].add(id, Tally { count: 1, ..Tally::default() }));
        let [mut sum, other] = parts;
        sum.merge(other);
        assert_eq!((sum.len(), sum.iter().map(|(_, tally)| tally.count).sum::<u64>()), (500_000, 500_000));
    }
}
