//! The number of distinct names in fixed memory: HyperLogLog with 64-bit hashes, as in HyperLogLog++ (Heule, Nunkesser, Hall, "HyperLogLog
//! in practice", EDBT 2013), and the estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017,
//! algorithm 6), which has no bias for small numbers and needs no tables.
//!
//! Invariant: the registers are maxima, so that order, repetition and split do not matter.

/// Registers of 16 kB; a relative standard error of 0.8 %.
#[derive(Debug, Clone)]
pub struct HyperLogLog {
    registers: Box<[u8]>,
}

impl Default for HyperLogLog {
    fn default() -> Self {
        Self { registers: vec![0; REGISTERS].into() }
    }
}

impl HyperLogLog {
    /// 1.04 divided by the square root of the number of registers: two of three estimates are nearer than this to the true number, 95 %
    /// nearer than twice this.
    pub const RELATIVE_ERROR: f64 = 0.008_125;

    /// Adds a name by its 64-bit hash.
    pub fn insert(&mut self, hash: u64) {
        // The upper 14 bits.
        let register = (hash >> RANK_BITS) as usize;
        // A one behind the last bit limits the rank.
        let rank = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() + 1;
        let held = &mut self.registers[register];
        *held = (*held).max(u8::try_from(rank).unwrap_or(u8::MAX));
    }

    /// Adds the names of another.
    pub fn merge(&mut self, other: &Self) {
        self.registers.iter_mut().zip(&other.registers).for_each(|(own, other)| *own = (*own).max(*other));
    }

    /// The estimated number of names, rounded.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and below 2^64 for any number of names in memory"
    )]
    pub fn estimate(&self) -> u64 {
        let m = REGISTERS as f64;
        let mut of_rank = [0u32; RANK_MAX + 1];
        self.registers.iter().for_each(|&rank| of_rank[usize::from(rank).min(RANK_MAX)] += 1);
        let mut z = m * tau(1.0 - f64::from(of_rank[RANK_MAX]) / m);
        for &count in of_rank[1..RANK_MAX].iter().rev() {
            z = 0.5 * (z + f64::from(count));
        }
        z += m * sigma(f64::from(of_rank[0]) / m);
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

/// The sum of x^(2^k) 2^(k-1) over k, plus x: the correction for registers of rank 0.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * power;
        power += power;
        if sum <= before {
            return sum;
        }
    }
}

/// The correction for registers of the highest rank.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut power, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        power *= 0.5;
        sum -= (1.0 - x).powi(2) * power;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
const RANK_BITS: u32 = 64 - INDEX_BITS;
/// The highest rank: no one among the bits that are not the index.
const RANK_MAX: usize = RANK_BITS as usize + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mix;

    fn of(names: std::ops::Range<u64>) -> HyperLogLog {
        let mut sketch = HyperLogLog::default();
        names.for_each(|name| sketch.insert(mix(name)));
        sketch
    }

    #[test]
    fn estimates_are_within_four_standard_errors_at_every_size() {
        assert_eq!(HyperLogLog::default().estimate(), 0);
        for size in [1, 10, 1000, 20_000, 80_000, 300_000] {
            for start in [0, 1 << 40] {
                let estimate = of(start..start + size).estimate();
                let error = (estimate as f64 / size as f64 - 1.0).abs();
                assert!(error < 4.0 * HyperLogLog::RELATIVE_ERROR, "{estimate} for {size}");
            }
        }
    }

    #[test]
    fn repetition_and_split_do_not_matter() {
        let mut merged = of(0..50_000);
        merged.merge(&of(30_000..90_000));
        merged.merge(&of(0..90_000));
        assert_eq!(merged.estimate(), of(0..90_000).estimate());
    }

    #[test]
    fn the_extreme_hashes_are_accepted() {
        let mut sketch = HyperLogLog::default();
        [0, u64::MAX].into_iter().for_each(|hash| sketch.insert(hash));
        assert!((2..4).contains(&sketch.estimate()), "{}", sketch.estimate());
    }
}
