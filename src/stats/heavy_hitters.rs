//! The heaviest of very many names in fixed memory: a summary of the Space-Saving family (Metwally, Agrawal, El Abbadi,
//! "Efficient computation of frequent and top-k elements in data streams", ICDT 2005) with weights, which evicts half
//! of its names at a time (Anderson et al., "A high-performance algorithm for identifying frequent items in data streams",
//! IMC 2017) and merges as in Agarwal et al., "Mergeable summaries", PODS 2012.
//!
//! Exact as long as the names fit the capacity. When it is full, the lighter half is evicted, and the largest evicted weight is the
//! possible error of every later name. That error never exceeds 2 × total weight / capacity, so that no heavier name is missed.
//!
//! Hot path: one look-up in an open table whose slots have hash and sums side by side, so that an addition mostly touches one cache line.

/// The sums of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub count: u64,
    /// Measured cost, µs.
    pub cost_us: u64,
    /// Usual cost of the occurrences without a measured one, µs.
    pub nominal_us: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.cost_us = self.cost_us.saturating_add(other.cost_us);
        self.nominal_us = self.nominal_us.saturating_add(other.nominal_us);
    }

    /// The weight by which names are kept: the cost, plus one microsecond per occurrence so that names without cost rank by count.
    fn weight(self) -> u64 {
        self.count.saturating_add(self.cost_us).saturating_add(self.nominal_us)
    }
}

/// One name with its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hitter<'a> {
    pub hash: u64,
    /// Its text when first added, at most 255 bytes (the longest Matrix identifier).
    pub name: &'a str,
    /// The sums since it was last kept: a lower bound.
    pub tally: Tally,
    /// Weight that it may have had before; 0 if exact.
    pub error: u64,
}

/// Fixed-size summary of names and their weights, keyed by 64-bit hash.
#[derive(Debug, Clone)]
pub struct HeavySummary {
    capacity: usize,
    /// Open addressing with linear probing; a power of two long, at most half full.
    slots: Vec<Slot>,
    /// Rarely needed values, in the order of `slots`.
    texts: Vec<Text>,
    len: usize,
    /// The largest weight that was ever evicted; 0 as long as the summary is exact.
    floor: u64,
    /// Buffers of evicted names, for reuse.
    spare: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// 0: empty.
    hash: u64,
    tally: Tally,
}

#[derive(Debug, Clone, Default)]
struct Text {
    name: String,
    error: u64,
}

impl Slot {
    fn full_weight(&self, text: &Text) -> u64 {
        self.tally.weight().saturating_add(text.error)
    }
}

impl HeavySummary {
    /// Keeps at most `capacity` names, at least two. Memory grows with the number of names.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(2), slots: Vec::new(), texts: Vec::new(), len: 0, floor: 0, spare: Vec::new() }
    }

    /// Adds to a name's sums. `name` is called only if the name is new.
    pub fn add<'a>(&mut self, hash: u64, tally: Tally, name: impl FnOnce() -> &'a str) {
        let hash = hash.max(1);
        if let Some(slot) = self.find(hash) {
            self.slots[slot].tally.add(tally);
        } else {
            self.insert(hash, tally, name());
        }
    }

    /// Adds the content of another summary.
    pub fn merge(&mut self, other: Self) {
        // A name that one of the two does not have may have been evicted there with a weight up to its floor.
        for (slot, text) in self.slots.iter().zip(&mut self.texts).filter(|(slot, _)| slot.hash != 0) {
            if other.find(slot.hash).is_none() {
                text.error = text.error.saturating_add(other.floor);
            }
        }
        let mine = self.floor;
        self.floor = mine.saturating_add(other.floor);
        for (theirs, mut text) in other.slots.into_iter().zip(other.texts).filter(|(slot, _)| slot.hash != 0) {
            if let Some(slot) = self.find(theirs.hash) {
                self.slots[slot].tally.add(theirs.tally);
                self.texts[slot].error = self.texts[slot].error.saturating_add(text.error);
            } else {
                text.error = text.error.saturating_add(mine);
                self.insert_slot(theirs, text);
            }
        }
        if self.len > self.capacity {
            self.evict_lighter(self.capacity);
        }
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no name has been evicted.
    pub fn is_exact(&self) -> bool {
        self.floor == 0
    }

    /// All names, in no particular order.
    pub fn hitters(&self) -> impl Iterator<Item = Hitter<'_>> {
        let held = self.slots.iter().zip(&self.texts).filter(|(slot, _)| slot.hash != 0);
        held.map(|(slot, text)| Hitter { hash: slot.hash, name: &text.name, tally: slot.tally, error: text.error })
    }

    /// Herfindahl–Hirschman index: sum of squared shares in `value` over the names; `None` if all values are 0.
    /// 1: one name has everything; 1/n: n names have equal shares.
    pub fn concentration(&self, value: impl Fn(&Tally) -> f64) -> Option<f64> {
        // Sorted, so that the rounding of sums does not depend on the order of arrival.
        let mut values: Vec<f64> = self.hitters().map(|h| value(&h.tally)).collect();
        values.sort_unstable_by(f64::total_cmp);
        let total: f64 = values.iter().sum();
        (total > 0.0).then(|| values.iter().map(|v| (v / total).powi(2)).sum())
    }

    fn find(&self, hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = home_slot(hash, mask);
        loop {
            let held = self.slots[slot].hash;
            if held == hash {
                return Some(slot);
            }
            if held == 0 {
                return None;
            }
            slot = (slot + 1) & mask;
        }
    }

    #[cold]
    fn insert(&mut self, hash: u64, tally: Tally, name: &str) {
        if self.len >= self.capacity {
            self.evict_lighter(self.capacity / 2);
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.push_str(&name[..name.floor_char_boundary(NAME_BYTES_MAX)]);
        self.insert_slot(Slot { hash, tally }, Text { name: buffer, error: self.floor });
    }

    /// Inserts a new name into the table, which grows if it would be more than half full.
    fn insert_slot(&mut self, slot: Slot, text: Text) {
        if (self.len + 1) * 2 > self.slots.len() {
            let length = (self.slots.len() * 2).max(SLOTS_MIN);
            let slots = std::mem::replace(&mut self.slots, vec![Slot::default(); length]);
            let texts = std::mem::replace(&mut self.texts, vec![Text::default(); length]);
            self.len = 0;
            for (slot, text) in slots.into_iter().zip(texts).filter(|(slot, _)| slot.hash != 0) {
                self.insert_slot(slot, text);
            }
        }
        let mask = self.slots.len() - 1;
        let mut at = home_slot(slot.hash, mask);
        while self.slots[at].hash != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
        self.texts[at] = text;
        self.len += 1;
    }

    /// Evicts all but the `keep` heaviest names.
    fn evict_lighter(&mut self, keep: usize) {
        let mut held: Vec<(Slot, Text)> = self
            .slots
            .iter_mut()
            .zip(&mut self.texts)
            .filter(|(s, _)| s.hash != 0)
            .map(|(s, t)| (std::mem::take(s), std::mem::take(t)))
            .collect();
        held.select_nth_unstable_by_key(keep, |(slot, text)| std::cmp::Reverse((slot.full_weight(text), slot.hash)));
        for (slot, text) in held.drain(keep..) {
            self.floor = self.floor.max(slot.full_weight(&text));
            self.spare.push(text.name);
        }
        self.len = 0;
        for (slot, text) in held {
            self.insert_slot(slot, text);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "masked to the length of the table")]
fn home_slot(hash: u64, mask: usize) -> usize {
    // The keys are hashes.
    hash as usize & mask
}

const SLOTS_MIN: usize = 64;
const NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn of(capacity: usize, names: &[u64]) -> HeavySummary {
        let mut summary = HeavySummary::new(capacity);
        for &name in names {
            summary.add(name, Tally { count: 1, cost_us: name % 7, nominal_us: 0 }, || "name");
        }
        summary
    }

    fn sorted(summary: &HeavySummary) -> Vec<(u64, Tally, u64)> {
        let mut all: Vec<_> = summary.hitters().map(|h| (h.hash, h.tally, h.error)).collect();
        all.sort_unstable_by_key(|h| h.0);
        all
    }

    #[test]
    fn the_one_heavy_name_survives_a_flood_of_new_names() {
        let names: Vec<u64> = (1..20_000u64).flat_map(|i| [1_000_000_007, i * 7]).collect();
        let summary = of(50, &names);
        let heaviest = summary.hitters().max_by_key(|h| h.tally.count).unwrap();
        assert_eq!((heaviest.hash, heaviest.tally.count, heaviest.error), (1_000_000_007, 19_999, 0));
        assert!(!summary.is_exact());
        assert!(summary.len() <= 50);
    }

    #[test]
    fn equal_shares_have_a_concentration_of_one_over_their_number() {
        let summary = of(10, &[1, 2, 3, 4]);
        assert!((summary.concentration(|t| t.count as f64).unwrap() - 0.25).abs() < 1e-12);
        assert_eq!(summary.concentration(|_| 0.0), None);
    }

    proptest! {
        #[test]
        fn below_capacity_it_is_exact_whatever_the_split(names in prop::collection::vec(1u64..41, 0..200), cut in 0usize..200) {
            let cut = cut.min(names.len());
            let mut merged = of(40, &names[..cut]);
            merged.merge(of(40, &names[cut..]));
            prop_assert_eq!(sorted(&merged), sorted(&of(40, &names)));
            prop_assert!(merged.is_exact());
        }

        #[test]
        fn a_kept_name_is_bounded_on_both_sides_and_no_heavy_name_is_missed(
            names in prop::collection::vec(1u64..60, 1..400),
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
                    prop_assert!(h.tally.weight() <= own && own <= h.tally.weight() + h.error, "{} <= {own} <= {}", h.tally.weight(), h.tally.weight() + h.error);
                }
                let total: u64 = truth.values().sum();
                for (name, weight) in truth {
                    if weight > 2 * 2 * total / 20 {
                        prop_assert!(summary.hitters().any(|h| h.hash == name), "{name} with {weight} of {total}");
                    }
                }
            }
        }
    }
}
