//! The heaviest of very many names in fixed memory, the same whatever the order of the requests and however they were split.
//!
//! As long as the names fit the capacity, every one of them is counted exactly. Beyond it the names kept are a weighted sample: each
//! occurrence draws a level from its hash, a geometric random number plus the logarithm of its weight, a name has the highest level of its
//! occurrences, and the names of the lowest level are dropped until the others fit (adaptive sampling, Flajolet, Computing 43, 1990, with
//! the weights of Duffield, Lund and Thorup's priority sampling, J. ACM 54(6), 2007). Half the capacity or more stays, so that of a
//! capacity of 2^17 a name with a share s of all weight is missed with a probability of about exp(-2^15 s): never, if the share is a
//! thousandth. The sums of names that do not stay go to a [Count-Min sketch](CountMin), at the end those of all names, and the names that
//! stayed are looked up there. Their number comes from a [HyperLogLog].
//!
//! Invariant: the level at which names are dropped only rises, and a name is in the table exactly if its highest level so far is not below.
//! So the final level is the lowest at which the names of the whole input fit, and the result depends on the set of occurrences only:
//! the usual summaries (Misra-Gries, Space-Saving) evict what is light so far, which depends on the order.
//!
//! Not for every line: names are first counted by id ([`IdTallies`](super::IdTallies)), and come here when their ids become void.

use super::{CountMin, HyperLogLog, Tally};

/// One name with its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hitter<'a> {
    pub hash: u64,
    /// Its text when first added, at most 255 bytes (the longest Matrix identifier).
    pub name: &'a str,
    /// Exact if the summary is, else estimated.
    pub tally: Tally,
}

/// A number of distinct names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distinct {
    pub count: u64,
    /// Whether the names were counted one by one; otherwise the relative standard error is [`HyperLogLog::RELATIVE_ERROR`].
    pub exact: bool,
}

/// Fixed-size summary of names and their sums, keyed by 64-bit hash.
#[derive(Debug, Clone)]
pub struct HeavySummary {
    capacity: usize,
    /// Open addressing with linear probing; a power of two long, at most half full.
    slots: Vec<Slot>,
    /// Where the names' texts are, in the order of `slots`.
    spans: Vec<Span>,
    texts: String,
    len: usize,
    dropped: Option<Box<Dropped>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// 0: empty.
    hash: u64,
    cost_us: u64,
    nominal_us: u64,
    /// The count, and in the lowest byte the level.
    count_and_level: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    len: u8,
}

/// What is known of all names once some have been dropped.
#[derive(Debug, Clone, Default)]
struct Dropped {
    /// Names with a lower level are dropped.
    level: u8,
    /// Sums of names that are not in the table, or were not at the time.
    sums: CountMin,
    /// All names.
    distinct: HyperLogLog,
}

impl Slot {
    fn new(hash: u64, tally: Tally, level: u8) -> Self {
        let mut slot = Self { hash, ..Self::default() };
        slot.add(tally, level);
        slot
    }

    fn level(self) -> u8 {
        self.count_and_level.to_le_bytes()[0]
    }

    fn tally(self) -> Tally {
        Tally { count: self.count_and_level >> LEVEL_BITS, cost_us: self.cost_us, nominal_us: self.nominal_us }
    }

    fn add(&mut self, tally: Tally, level: u8) {
        self.cost_us = self.cost_us.saturating_add(tally.cost_us);
        self.nominal_us = self.nominal_us.saturating_add(tally.nominal_us);
        let count = (self.count_and_level >> LEVEL_BITS).saturating_add(tally.count).min(u64::MAX >> LEVEL_BITS);
        self.count_and_level = count << LEVEL_BITS | u64::from(self.level().max(level));
    }
}

impl HeavySummary {
    /// Counts up to `capacity` names, at least two, one by one. Memory grows with the number of names up to there.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(2), slots: Vec::new(), spans: Vec::new(), texts: String::new(), len: 0, dropped: None }
    }

    /// The level of one occurrence. `occurrence` is a hash of what happened, without the name: the only source of randomness.
    #[inline]
    pub fn level(hash: u64, occurrence: u64, tally: Tally) -> u8 {
        level(hash.max(1) ^ occurrence, tally.weight())
    }

    /// Adds to a name's sums those of one occurrence or of several, with the highest of their levels. `name` is called only if the name is
    /// new.
    pub fn add<'a>(&mut self, hash: u64, tally: Tally, level: u8, name: impl FnOnce() -> &'a str) {
        let hash = hash.max(1);
        if let Some(slot) = self.find(hash) {
            self.slots[slot].add(tally, level);
        } else {
            self.add_new(Slot::new(hash, tally, level), name());
        }
    }

    /// Adds the content of another summary of the same capacity.
    pub fn merge(&mut self, other: Self) {
        let Self { slots, spans, texts, dropped: theirs, .. } = other;
        if let Some(theirs) = theirs {
            let mine = dropped(&mut self.dropped, &self.slots);
            mine.sums.merge(&theirs.sums);
            mine.distinct.merge(&theirs.distinct);
            if theirs.level > mine.level {
                mine.level = theirs.level;
                self.drop_low_levels();
            }
        }
        for (slot, span) in held(&slots, &spans) {
            if let Some(own) = self.find(slot.hash) {
                self.slots[own].add(slot.tally(), slot.level());
            } else {
                self.add_new(slot, text(&texts, span));
            }
        }
    }

    /// Whether every name was counted one by one.
    pub fn is_exact(&self) -> bool {
        self.dropped.is_none()
    }

    /// The number of names.
    pub fn distinct(&self) -> Distinct {
        let estimate = self.dropped.as_ref().map(|dropped| dropped.distinct.estimate());
        Distinct { count: estimate.unwrap_or(self.len as u64), exact: estimate.is_none() }
    }

    /// The sums over all names.
    pub fn total(&self) -> Tally {
        let kept: Tally = held(&self.slots, &self.spans).map(|(slot, _)| slot.tally()).sum();
        self.dropped.iter().map(|dropped| dropped.sums.total()).chain([kept]).sum()
    }

    /// The names that were kept, in no particular order.
    pub fn hitters(&self) -> impl Iterator<Item = Hitter<'_>> {
        // Which part of a name's sums is in the table depends on the order of the requests; the sums over all of them do not.
        let sums = self.dropped.as_ref().map(|dropped| {
            let mut sums = dropped.sums.clone();
            held(&self.slots, &self.spans).for_each(|(slot, _)| sums.add(slot.hash, slot.tally()));
            sums
        });
        held(&self.slots, &self.spans).map(move |(slot, span)| {
            let tally = sums.as_ref().map_or_else(|| slot.tally(), |sums| sums.estimate(slot.hash));
            Hitter { hash: slot.hash, name: text(&self.texts, span), tally }
        })
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

    /// Adds a name that is not in the table.
    #[cold]
    fn add_new(&mut self, slot: Slot, name: &str) {
        if let Some(dropped) = &mut self.dropped {
            dropped.distinct.insert(slot.hash);
            if slot.level() < dropped.level {
                dropped.sums.add(slot.hash, slot.tally());
                return;
            }
        }
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        let start = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push_str(name);
        self.insert(slot, Span { start, len: u8::try_from(name.len()).unwrap_or(u8::MAX) });
        if self.len > self.capacity {
            self.raise_level();
        }
    }

    /// Inserts a slot into the table, which grows if it would be more than half full.
    fn insert(&mut self, slot: Slot, span: Span) {
        if (self.len + 1) * 2 > self.slots.len() {
            self.rebuild((self.slots.len() * 2).max(SLOTS_MIN));
        }
        let mask = self.slots.len() - 1;
        let mut at = home_slot(slot.hash, mask);
        while self.slots[at].hash != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
        self.spans[at] = span;
        self.len += 1;
    }

    /// Moves all slots to a table of another length.
    fn rebuild(&mut self, length: usize) {
        let slots = std::mem::replace(&mut self.slots, vec![Slot::default(); length]);
        let spans = std::mem::replace(&mut self.spans, vec![Span::default(); length]);
        self.len = 0;
        held(&slots, &spans).for_each(|(slot, span)| self.insert(slot, span));
    }

    /// Drops names until the others fit. As levels are below 128, this happens 128 times at most.
    #[cold]
    fn raise_level(&mut self) {
        let mut of_level = [0usize; LEVELS];
        held(&self.slots, &self.spans).for_each(|(slot, _)| of_level[usize::from(slot.level()).min(LEVELS - 1)] += 1);
        let dropped = dropped(&mut self.dropped, &self.slots);
        let mut left = self.len;
        while left > self.capacity {
            left -= of_level[usize::from(dropped.level).min(LEVELS - 1)];
            dropped.level += 1;
        }
        self.drop_low_levels();
    }

    fn drop_low_levels(&mut self) {
        let Some(dropped) = &mut self.dropped else { return };
        let slots = std::mem::take(&mut self.slots);
        let spans = std::mem::take(&mut self.spans);
        let texts = std::mem::take(&mut self.texts);
        let (kept, low): (Vec<_>, Vec<_>) = held(&slots, &spans).partition(|(slot, _)| slot.level() >= dropped.level);
        low.into_iter().for_each(|(slot, _)| dropped.sums.add(slot.hash, slot.tally()));
        self.slots = vec![Slot::default(); slots.len()];
        self.spans = vec![Span::default(); spans.len()];
        self.len = 0;
        for (slot, span) in kept {
            let start = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
            self.texts.push_str(text(&texts, span));
            self.insert(slot, Span { start, ..span });
        }
    }
}

/// What is known of all names; made from the names in the table when the first is dropped.
fn dropped<'d>(dropped: &'d mut Option<Box<Dropped>>, slots: &[Slot]) -> &'d mut Dropped {
    dropped.get_or_insert_with(|| {
        let mut new = Dropped::default();
        slots.iter().filter(|slot| slot.hash != 0).for_each(|slot| new.distinct.insert(slot.hash));
        Box::new(new)
    })
}

fn held<'s>(slots: &'s [Slot], spans: &'s [Span]) -> impl Iterator<Item = (Slot, Span)> + 's {
    slots.iter().copied().zip(spans.iter().copied()).filter(|(slot, _)| slot.hash != 0)
}

fn text(texts: &str, span: Span) -> &str {
    &texts[span.start as usize..span.start as usize + usize::from(span.len)]
}

/// The level of one occurrence: n or more with a probability of weight / 2^n. `random` are evenly distributed bits.
#[inline]
fn level(random: u64, weight: u64) -> u8 {
    u8::try_from(random.leading_zeros() + weight.max(1).ilog2()).unwrap_or(u8::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "masked to the length of the table")]
fn home_slot(hash: u64, mask: usize) -> usize {
    // The keys are hashes.
    hash as usize & mask
}

const LEVEL_BITS: u32 = 8;
/// 64 leading zeros and 63 powers of two of the weight.
const LEVELS: usize = 128;
const SLOTS_MIN: usize = 64;
const NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mix;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A summary of occurrences, each a name and a cost.
    fn of(capacity: usize, occurrences: &[(u64, u64)]) -> HeavySummary {
        let mut summary = HeavySummary::new(capacity);
        for (number, &(name, cost_us)) in (0u64..).zip(occurrences) {
            let occurrence = mix(number.wrapping_mul(31) ^ cost_us ^ name << 40);
            let tally = Tally { count: 1, cost_us, nominal_us: 0 };
            summary.add(mix(name), tally, HeavySummary::level(mix(name), occurrence, tally), || "name");
        }
        summary
    }

    /// The same, where an occurrence is the same wherever in the input it is.
    fn of_set(capacity: usize, occurrences: &[(u64, u64)]) -> HeavySummary {
        let mut summary = HeavySummary::new(capacity);
        for &(name, cost_us) in occurrences {
            let text = format!("name {name}");
            let tally = Tally { count: 1, cost_us, nominal_us: 1 };
            summary.add(mix(name), tally, HeavySummary::level(mix(name), mix(cost_us ^ name << 40), tally), || &text);
        }
        summary
    }

    type Content = (Distinct, Tally, Vec<(u64, String, Tally)>);

    fn content(summary: &HeavySummary) -> Content {
        let mut all: Vec<_> = summary.hitters().map(|h| (h.hash, h.name.to_owned(), h.tally)).collect();
        all.sort_unstable_by_key(|h| h.0);
        (summary.distinct(), summary.total(), all)
    }

    #[test]
    fn the_one_heavy_name_survives_a_flood_of_new_names() {
        let flood: Vec<(u64, u64)> = (1..20_000u64).flat_map(|i| [(1_000_000_007, 0), (i * 7, 0)]).collect();
        let summary = of(50, &flood);
        assert!(!summary.is_exact());
        let heaviest = summary.hitters().max_by_key(|h| h.tally.count).unwrap();
        assert_eq!(heaviest.hash, mix(1_000_000_007));
        assert!((19_990..=20_010).contains(&heaviest.tally.count), "{heaviest:?}");
        assert!(summary.hitters().count() <= 50);
        assert_eq!(summary.total().count, 2 * 19_999);
        assert!((19_000..21_000).contains(&summary.distinct().count), "{:?}", summary.distinct());
    }

    #[test]
    fn a_name_is_kept_for_its_cost_as_well() {
        // 1,000 names with ten requests of 1 ms each, and one with a single request of a second: a tenth of all cost.
        let many = (0..10_000u64).map(|i| (i % 1000, 1000 + i / 1000));
        let kept = (0..50).filter(|&try_number| {
            let mut all: Vec<_> = many.clone().collect();
            all.push((5000 + try_number, 1_000_000));
            of(200, &all).hitters().any(|h| h.hash == mix(5000 + try_number))
        });
        assert_eq!(kept.count(), 50);
    }

    proptest! {
        #[test]
        fn below_capacity_it_is_exact_whatever_the_split(names in prop::collection::vec((1u64..41, 0u64..5), 0..200), cut in 0usize..200) {
            let cut = cut.min(names.len());
            let mut merged = of_set(40, &names[..cut]);
            merged.merge(of_set(40, &names[cut..]));
            let mut truth: BTreeMap<u64, Tally> = BTreeMap::new();
            for &(name, cost_us) in &names {
                truth.entry(mix(name)).or_default().add(Tally { count: 1, cost_us, nominal_us: 1 });
            }
            prop_assert!(merged.is_exact());
            prop_assert_eq!(merged.hitters().map(|h| (h.hash, h.tally)).collect::<BTreeMap<_, _>>(), truth);
        }

        #[test]
        fn beyond_capacity_order_and_split_do_not_matter(
            names in prop::collection::vec((1u64..200, 0u64..3000), 1..400),
            cuts in (0usize..400, 0usize..400),
            rotation in 0usize..400,
        ) {
            let whole = content(&of_set(20, &names));
            let mut turned = names.clone();
            turned.rotate_left(rotation % names.len());
            turned.reverse();
            prop_assert_eq!(&content(&of_set(20, &turned)), &whole);
            let (first, second) = (cuts.0.min(cuts.1).min(names.len()), cuts.0.max(cuts.1).min(names.len()));
            let parts = || [&turned[..first], &turned[first..second], &turned[second..]].map(|part| of_set(20, part));
            let [mut a, b, c] = parts();
            a.merge(b);
            a.merge(c);
            prop_assert_eq!(&content(&a), &whole);
            let [a, b, mut c] = parts();
            c.merge(a);
            c.merge(b);
            prop_assert_eq!(&content(&c), &whole);
        }
    }
}
