//! Random numbers of a synthesis.

use rand_xoshiro::Xoshiro256PlusPlus;

use wsim_simulate::random::{next_exponential, next_unit};

/// A whole number with this mean: the part after the point decides by chance.
pub(super) fn count(random: &mut Xoshiro256PlusPlus, mean: f64) -> usize {
    let whole = mean.floor();
    floor(whole) + usize::from(next_unit(random) <= mean - whole)
}

/// A number of at least 1 with this mean, geometrically distributed, at most a hundred times the mean.
pub(super) fn geometric(random: &mut Xoshiro256PlusPlus, mean: f64) -> usize {
    let leave = 1.0 / mean.max(1.0);
    if leave >= 1.0 {
        return 1;
    }
    1 + floor((next_unit(random).ln() / (1.0 - leave).ln()).min(100.0 * mean))
}

/// An index by a running sum of weights; 0 where there are none.
pub(super) fn pick(random: &mut Xoshiro256PlusPlus, sums: &[f64]) -> usize {
    let Some(&all) = sums.last() else { return 0 };
    let at = next_unit(random) * all;
    sums.partition_point(|sum| *sum < at).min(sums.len() - 1)
}

/// An index below `count`.
pub(super) fn below(random: &mut Xoshiro256PlusPlus, count: usize) -> usize {
    floor(next_unit(random) * count as f64).min(count.saturating_sub(1))
}

/// A factor with mean 1 and the spread of costs of one kind of request (a coefficient of variation of 0.8; lognormal, from two exponentials' angle:
/// Box and Muller, 1958).
pub(super) fn cost(random: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (2.0 * next_exponential(random)).sqrt();
    let normal = radius * (std::f64::consts::TAU * next_unit(random)).cos();
    (SIGMA * normal - SIGMA * SIGMA / 2.0).exp()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
fn floor(value: f64) -> usize {
    value.max(0.0) as usize
}

const SIGMA: f64 = 0.703;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_simulate::random::{Purpose, stream};

    #[test]
    fn means_are_as_asked_for() {
        let mut random = stream(1, Purpose::Users, 0);
        let mean = |of: &mut dyn FnMut() -> f64| (0..40_000).map(|_| of()).sum::<f64>() / 40_000.0;
        let mut random2 = stream(2, Purpose::Users, 0);
        assert!((mean(&mut || count(&mut random, 2.3) as f64) - 2.3).abs() < 0.02);
        assert!((mean(&mut || geometric(&mut random2, 3.0) as f64) - 3.0).abs() < 0.06);
        assert!((mean(&mut || cost(&mut random)) - 1.0).abs() < 0.03);
        let of_pick = mean(&mut || pick(&mut random, &[1.0, 1.0, 4.0]) as f64);
        assert!((of_pick - 1.5).abs() < 0.03, "{of_pick}");
        assert_eq!((pick(&mut random, &[]), below(&mut random, 1), geometric(&mut random, 1.0)), (0, 0, 1));
    }
}
