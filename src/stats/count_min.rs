//! The sums of very many names in fixed memory, each a little uncertain: a Count-Min sketch (Cormode, Muthukrishnan, "An improved data stream
//! summary: the count-min sketch and its applications", 2005) with the correction of Deng and Rafiei ("New estimation algorithms for
//! streaming data: count-min can do more", 2007).
//!
//! Invariant: every cell is a sum of integers, so that order and split do not matter.

use super::Tally;

/// Four rows of 16,384 cells, 1.6 MB.
#[derive(Debug, Clone)]
pub struct CountMin {
    /// Row by row.
    cells: Box<[Tally]>,
    total: Tally,
}

impl Default for CountMin {
    fn default() -> Self {
        Self { cells: vec![Tally::default(); ROWS * WIDTH].into(), total: Tally::default() }
    }
}

impl CountMin {
    /// Adds to the sums of the name with this 64-bit hash.
    pub fn add(&mut self, hash: u64, tally: Tally) {
        self.total.add(tally);
        cells(hash).for_each(|cell| self.cells[cell].add(tally));
    }

    /// Adds the content of another sketch.
    pub fn merge(&mut self, other: &Self) {
        self.total.add(other.total);
        self.cells.iter_mut().zip(&other.cells).for_each(|(own, other)| own.add(*other));
    }

    /// The sums over all names.
    pub fn total(&self) -> Tally {
        self.total
    }

    /// About the sums of a name: of each of its cells what exceeds the mean of the other cells, in the row where this is least.
    pub fn estimate(&self, hash: u64) -> Tally {
        let least = |of: fn(&Tally) -> u64| {
            let total = of(&self.total);
            let excess = |held: u64| held.saturating_sub(total.saturating_sub(held) / (WIDTH as u64 - 1));
            cells(hash).map(|cell| excess(of(&self.cells[cell]))).min().unwrap_or(0)
        };
        Tally { count: least(|t| t.count).max(1), cost_us: least(|t| t.cost_us), nominal_us: least(|t| t.nominal_us) }
    }
}

/// The name's cell in each row.
fn cells(hash: u64) -> impl Iterator<Item = usize> {
    #[expect(clippy::cast_possible_truncation, reason = "masked to the width of a row")]
    (0..ROWS).map(move |row| row * WIDTH + ((hash >> (row as u32 * WIDTH_BITS)) as usize & (WIDTH - 1)))
}

const ROWS: usize = 4;
const WIDTH_BITS: u32 = 14;
const WIDTH: usize = 1 << WIDTH_BITS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mix;

    #[test]
    fn a_heavy_name_among_very_many_light_ones_is_estimated_within_a_thousandth_of_its_weight() {
        let mut sketch = CountMin::default();
        (0..200_000).for_each(|name| sketch.add(mix(name), Tally { count: 1, cost_us: 10, nominal_us: 0 }));
        sketch.add(mix(7), Tally { count: 9_999, cost_us: 0, nominal_us: 500_000 });
        let heavy = sketch.estimate(mix(7));
        assert!((9_980..=10_020).contains(&heavy.count), "{heavy:?}");
        assert_eq!(heavy.nominal_us, 500_000, "only this name has usual cost: {heavy:?}");
        assert_eq!(sketch.total(), Tally { count: 209_999, cost_us: 2_000_000, nominal_us: 500_000 });
    }
}
