//! The heaviest of very many names in fixed memory: Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation of
//! frequent and top-k elements in data streams", ICDT 2005), with weights, merged as in Agarwal et al., "Mergeable
//! summaries", PODS 2012.
//!
//! Exact while there are no more names than it may hold. Beyond that a new name takes the place of the lightest and
//! inherits its weight as a possible error, so no name heavier than total weight / capacity is missed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::hashing::NumberMap;

/// What is added up per name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How often it came.
    pub count: u64,
    /// Measured cost, µs.
    pub cost_us: u64,
    /// Cost of those without a measured one, by their usual size, µs.
    pub nominal_us: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.cost_us = self.cost_us.saturating_add(other.cost_us);
        self.nominal_us = self.nominal_us.saturating_add(other.nominal_us);
    }

    /// What names are held by: cost, and a microsecond for each time so that names without cost rank by count.
    fn weight(self) -> u64 {
        self.count.saturating_add(self.cost_us).saturating_add(self.nominal_us)
    }
}

/// One name with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hitter {
    /// Hash that it was added under.
    pub hash: u64,
    /// Its text as first given, at most 255 bytes of it (the longest Matrix identifier).
    pub name: String,
    /// What was surely its own.
    pub tally: Tally,
    /// Weight that it may have had besides, before it was held; 0 if exact.
    pub error: u64,
}

/// Fixed-size summary of names and their weights, keyed by 64-bit hash.
#[derive(Debug, Clone)]
pub struct SpaceSaving {
    capacity: usize,
    hitters: Vec<Hitter>,
    slots: NumberMap<u64, u32>,
    /// Weights as of some time ago (they only grow) with their slots, lightest first; kept from the first eviction on.
    lightest: BinaryHeap<Reverse<(u64, u32)>>,
    evicted: bool,
}

impl SpaceSaving {
    /// Holds at most `capacity` names, at least one. Takes memory as names come.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), hitters: Vec::new(), slots: NumberMap::default(), lightest: BinaryHeap::new(), evicted: false }
    }

    /// Adds to a name. Its text is only asked for when the name is new.
    pub fn add<'a>(&mut self, hash: u64, tally: Tally, name: impl FnOnce() -> &'a str) {
        if let Some(&slot) = self.slots.get(&hash) {
            self.hitters[slot as usize].tally.add(tally);
        } else {
            let name = name();
            self.insert(hash, tally, &name[..name.floor_char_boundary(NAME_BYTES_MAX)]);
        }
    }

    /// Adds everything another summary holds.
    pub fn merge(&mut self, other: Self) {
        let (my_floor, their_floor) = (self.floor(), other.floor());
        if their_floor > 0 {
            for hitter in self.hitters.iter_mut().filter(|h| !other.slots.contains_key(&h.hash)) {
                hitter.error = hitter.error.saturating_add(their_floor);
            }
        }
        for theirs in other.hitters {
            if let Some(&slot) = self.slots.get(&theirs.hash) {
                let mine = &mut self.hitters[slot as usize];
                mine.tally.add(theirs.tally);
                mine.error = mine.error.saturating_add(theirs.error);
            } else {
                self.push(Hitter { error: theirs.error.saturating_add(my_floor), ..theirs });
            }
        }
        self.evicted |= other.evicted;
        if self.hitters.len() > self.capacity {
            self.keep_heaviest();
        }
        self.lightest.clear();
    }

    /// Names held.
    pub fn len(&self) -> usize {
        self.hitters.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.hitters.is_empty()
    }

    /// Whether every name that came is held with all that is its own.
    pub fn is_exact(&self) -> bool {
        !self.evicted
    }

    /// All names held, in no particular order.
    pub fn hitters(&self) -> &[Hitter] {
        &self.hitters
    }

    /// Herfindahl–Hirschman index: sum of squared shares in `value` over the names held; `None` if all values are nought.
    /// 1: one name has everything; 1/n: n names have equal shares.
    pub fn concentration(&self, value: impl Fn(&Tally) -> f64) -> Option<f64> {
        let values = || self.hitters.iter().map(|h| value(&h.tally));
        // Sorted, so that the rounding of sums does not depend on the order of arrival.
        let mut sorted: Vec<f64> = values().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let total: f64 = sorted.iter().sum();
        (total > 0.0).then(|| sorted.iter().map(|v| (v / total).powi(2)).sum())
    }

    /// Largest weight that a name which is not held can have.
    fn floor(&self) -> u64 {
        if self.evicted { self.hitters.iter().map(full_weight).min().unwrap_or(0) } else { 0 }
    }

    #[cold]
    fn insert(&mut self, hash: u64, tally: Tally, name: &str) {
        if self.hitters.len() < self.capacity {
            self.push(Hitter { hash, name: name.to_owned(), tally, error: 0 });
            return;
        }
        self.evicted = true;
        let slot = self.lightest_slot();
        let hitter = &mut self.hitters[slot as usize];
        self.slots.remove(&hitter.hash);
        hitter.error = full_weight(hitter);
        hitter.hash = hash;
        hitter.tally = tally;
        hitter.name.clear();
        hitter.name.push_str(name);
        self.slots.insert(hash, slot);
        self.lightest.push(Reverse((full_weight(hitter), slot)));
    }

    fn push(&mut self, hitter: Hitter) {
        let slot = u32::try_from(self.hitters.len()).unwrap_or(u32::MAX);
        self.slots.insert(hitter.hash, slot);
        self.hitters.push(hitter);
    }

    /// Takes the lightest out of the heap. Weights in the heap may be out of date, but never too large.
    fn lightest_slot(&mut self) -> u32 {
        if self.lightest.is_empty() {
            self.lightest = (0u32..).zip(&self.hitters).map(|(slot, h)| Reverse((full_weight(h), slot))).collect();
        }
        loop {
            let Some(Reverse((then, slot))) = self.lightest.pop() else { return 0 };
            let now = full_weight(&self.hitters[slot as usize]);
            if now == then {
                return slot;
            }
            self.lightest.push(Reverse((now, slot)));
        }
    }

    fn keep_heaviest(&mut self) {
        self.evicted = true;
        self.hitters.sort_unstable_by_key(|h| (Reverse(full_weight(h)), h.hash));
        self.hitters.truncate(self.capacity);
        self.slots = (0u32..).zip(&self.hitters).map(|(slot, h)| (h.hash, slot)).collect();
    }
}

fn full_weight(hitter: &Hitter) -> u64 {
    hitter.tally.weight().saturating_add(hitter.error)
}

const NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn of(capacity: usize, names: &[u64]) -> SpaceSaving {
        let mut summary = SpaceSaving::new(capacity);
        for &name in names {
            summary.add(name, Tally { count: 1, cost_us: name % 7, nominal_us: 0 }, || "name");
        }
        summary
    }

    fn sorted(summary: &SpaceSaving) -> Vec<(u64, Tally, u64)> {
        let mut all: Vec<_> = summary.hitters().iter().map(|h| (h.hash, h.tally, h.error)).collect();
        all.sort_unstable_by_key(|h| h.0);
        all
    }

    #[test]
    fn the_one_heavy_name_survives_a_flood_of_new_names() {
        let names: Vec<u64> = (1..20_000u64).flat_map(|i| [1_000_000_007, i * 7]).collect();
        let summary = of(50, &names);
        let heaviest = summary.hitters().iter().max_by_key(|h| h.tally.count).unwrap();
        assert_eq!((heaviest.hash, heaviest.tally.count, heaviest.error), (1_000_000_007, 19_999, 0));
        assert!(!summary.is_exact());
        assert_eq!(summary.len(), 50);
    }

    #[test]
    fn equal_shares_have_a_concentration_of_one_over_their_number() {
        let summary = of(10, &[1, 2, 3, 4]);
        assert!((summary.concentration(|t| t.count as f64).unwrap() - 0.25).abs() < 1e-12);
        assert_eq!(summary.concentration(|_| 0.0), None);
    }

    proptest! {
        #[test]
        fn below_capacity_it_is_exact_whatever_the_split(names in prop::collection::vec(0u64..40, 0..200), cut in 0usize..200) {
            let cut = cut.min(names.len());
            let mut merged = of(40, &names[..cut]);
            merged.merge(of(40, &names[cut..]));
            prop_assert_eq!(sorted(&merged), sorted(&of(40, &names)));
            prop_assert!(merged.is_exact());
        }

        #[test]
        fn a_held_name_is_bounded_from_both_sides_and_no_heavy_name_is_missed(
            names in prop::collection::vec(0u64..60, 1..400),
            cut in 0usize..400,
        ) {
            let cut = cut.min(names.len());
            let mut merged = of(20, &names[..cut]);
            merged.merge(of(20, &names[cut..]));
            for summary in [of(20, &names), merged] {
                let mut truth: BTreeMap<u64, u64> = BTreeMap::new();
                names.iter().for_each(|&n| *truth.entry(n).or_default() += 1 + n % 7);
                for h in summary.hitters() {
                    let own = truth[&h.hash];
                    prop_assert!(h.tally.weight() <= own && own <= full_weight(h), "{} <= {own} <= {}", h.tally.weight(), full_weight(h));
                }
                let total: u64 = truth.values().sum();
                for (name, weight) in truth {
                    if weight > 2 * total / 20 {
                        prop_assert!(summary.hitters().iter().any(|h| h.hash == name), "{name} with {weight} of {total}");
                    }
                }
            }
        }
    }
}
