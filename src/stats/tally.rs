//! The sums of one name: how often, and at what cost.

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
    pub fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.cost_us = self.cost_us.saturating_add(other.cost_us);
        self.nominal_us = self.nominal_us.saturating_add(other.nominal_us);
    }

    /// The weight by which names are kept: the cost, plus one microsecond per occurrence so that names without cost rank by count.
    pub fn weight(self) -> u64 {
        self.count.saturating_add(self.cost_us).saturating_add(self.nominal_us)
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, tally| {
            sum.add(tally);
            sum
        })
    }
}
