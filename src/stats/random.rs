//! Random numbers that several computations can share.
//!
//! Common random numbers: a number is a function of the seed, its purpose and an identity (of a user, a request, a replication), never of
//! how many numbers were drawn before. So two simulations, or a simulation and a replay, make the same choices.

/// Numbers for different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Arrival times.
    Arrival = 1,
    /// Service demands.
    Service = 2,
    /// A balancer's choices.
    Routing = 3,
    /// Which users are in the population.
    Users = 4,
    /// Timers and other work of processes that no request causes.
    Background = 5,
    /// Persisting events.
    Persist = 6,
    /// Replications of one scenario.
    Replication = 7,
    /// In which shard of a replay a user is.
    Shard = 8,
    /// When a user joins a replay that ramps up.
    Ramp = 9,
    /// Which request lends its costs in another cache state.
    Cache = 10,
    /// Uncertain parameters of a model.
    Parameter = 11,
}

/// One number for one purpose and one identity: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over all three.
#[inline]
pub fn draw(seed: u64, purpose: Purpose, identity: u64) -> u64 {
    mix(mix(seed ^ (purpose as u64).wrapping_mul(GOLDEN)).wrapping_add(identity.wrapping_mul(GOLDEN)))
}

/// A number above 0 and up to 1 from random bits, of which 53 count.
#[inline]
pub fn unit(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// A whole number below `bound` from random bits, 0 for a bound of 0 (Lemire's multiplication; the bias is below `bound` / 2^64).
#[inline]
pub fn below(bits: u64, bound: usize) -> usize {
    let product = u128::from(bits) * bound as u128;
    usize::try_from(product >> 64).unwrap_or(0)
}

/// The finaliser of SplitMix64: every bit of the result depends on every bit of the number.
#[inline]
pub fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_seed_purpose_and_identity_alone() {
        assert_eq!(draw(1, Purpose::Arrival, 9), draw(1, Purpose::Arrival, 9));
        let others = [draw(2, Purpose::Arrival, 9), draw(1, Purpose::Service, 9), draw(1, Purpose::Arrival, 10)];
        assert!(others.iter().all(|&other| other != draw(1, Purpose::Arrival, 9)));
    }

    #[test]
    fn units_never_reach_zero_and_are_uniform() {
        assert!(unit(0) > 0.0 && unit(u64::MAX) <= 1.0);
        let mean = (0..100_000).map(|i| unit(draw(3, Purpose::Service, i))).sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 0.003, "{mean}");
        assert!((0..1000).all(|i| below(draw(3, Purpose::Routing, i), 7) < 7));
        assert_eq!(below(u64::MAX, 7), 6);
    }
}
