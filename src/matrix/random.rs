//! Random text and numbers: a function of the seed, the run and a purpose.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A generator for one purpose.
#[derive(Debug, Clone)]
pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The generator for a purpose; `unique` distinguishes runs if needed.
    pub(super) fn new(seed: u64, unique: &str, purpose: u64) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(unique.as_bytes(), seed);
        Self(Xoshiro256PlusPlus::seed_from_u64(xxhash_rust::xxh3::xxh3_64_with_seed(&purpose.to_le_bytes(), hash)))
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        wsim_stats::random::below(self.0.next_u64(), bound)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Base64 without padding, as Matrix writes keys, of about `length` characters.
    pub(super) fn base64(&mut self, length: usize) -> String {
        STANDARD_NO_PAD.encode(self.bytes(length * 3 / 4))
    }

    /// Lower-case hexadecimal digits of `bytes` random bytes.
    pub(super) fn hex(&mut self, bytes: usize) -> String {
        use std::fmt::Write;
        self.bytes(bytes).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// A log-normal number: `exp(mean + deviation * normal)`.
    pub(super) fn log_normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let mut unit = || (self.0.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0;
        let (first, second) = (1.0 - unit(), unit());
        // Box and Muller, Annals of Mathematical Statistics 29 (1958).
        let normal = (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos();
        (mean + deviation * normal).exp()
    }

    /// Between 1 and 200 words: their number is log-normal (1, 1), as in matrix-locust.
    pub(super) fn words(&mut self) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 200")]
        let count = self.log_normal(1.0, 1.0).clamp(1.0, 200.0) as usize;
        let mut text = String::with_capacity(count * 7);
        for index in 0..count {
            if index > 0 {
                text.push(' ');
            }
            text.push_str(self.word());
        }
        text
    }

    pub(super) fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }
}

const WORDS: [&str; 48] = [
    "apple", "bridge", "candle", "donkey", "engine", "feather", "garden", "harbour", "island", "jacket", "kettle", "ladder", "meadow",
    "needle", "orange", "pepper", "quarry", "river", "saddle", "table", "umbrella", "valley", "window", "yellow", "zebra", "anchor",
    "basket", "copper", "dragon", "eagle", "forest", "glacier", "hammer", "iron", "jungle", "kitchen", "lemon", "mirror", "north", "ocean",
    "pillow", "quiet", "rabbit", "silver", "thunder", "uncle", "velvet", "whistle",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_depends_on_seed_run_and_purpose_alone() {
        let text = |seed, run, what| Random::new(seed, run, what).base64(40);
        assert_eq!(text(1, "a", 7), text(1, "a", 7));
        let all: std::collections::HashSet<_> = [text(1, "a", 7), text(2, "a", 7), text(1, "b", 7), text(1, "a", 8)].into();
        assert_eq!(all.len(), 4);
        assert_eq!(text(1, "a", 7).len(), 40);
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::new(1, "", 1);
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert!((0..200).all(|_| (1..=200).contains(&random.words().split(' ').count())));
    }
}
