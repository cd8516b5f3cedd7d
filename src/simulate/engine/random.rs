//! Random numbers that several runs can share.
//!
//! Common random numbers: everything random about a request (arrival, demands, wake-up, the coin a balancer tosses for it) is a function of
//! the seed and of the request's identity, never of how many numbers were drawn before. So two strategies see the same traffic, and a
//! difference between their results is due to the strategies.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

pub use wsim_stats::random::{Purpose, below, draw, unit};

/// A generator for one purpose and one identity (of a request, a process, a replication).
pub fn stream(seed: u64, purpose: Purpose, identity: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(draw(seed, purpose, identity))
}

/// The generator's next number above 0 and up to 1.
#[inline]
pub fn next_unit(random: &mut Xoshiro256PlusPlus) -> f64 {
    unit(random.next_u64())
}

/// The generator's next exponentially distributed number with mean 1.
#[inline]
pub fn next_exponential(random: &mut Xoshiro256PlusPlus) -> f64 {
    -next_unit(random).ln()
}
