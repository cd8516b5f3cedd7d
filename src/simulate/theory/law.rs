//! Distributions of service times.

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::engine::random::{next_exponential, next_unit, unit};
use crate::engine::time::Span;

/// A distribution of service times. Means in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ServiceLaw {
    /// Exponential.
    Exponential { mean: f64 },
    /// A constant.
    Deterministic {
        /// The constant.
        mean: f64,
    },
    /// Sum of `shape` exponentials.
    Erlang {
        /// Number of exponentials.
        shape: u32,
        /// Mean of the sum.
        mean: f64,
    },
    /// One of two exponentials with balanced means (each contributes half of the work).
    Hyperexponential {
        /// Squared coefficient of variation, at least 1.
        scv: f64,
        mean: f64,
    },
    /// The logarithm is normally distributed.
    Lognormal {
        /// Squared coefficient of variation.
        scv: f64,
        mean: f64,
    },
    /// Pareto (type I): P(S > x) = (m/x)^alpha.
    Pareto {
        /// Tail index, above 1; the variance is infinite up to 2.
        alpha: f64,
        mean: f64,
    },
}

impl ServiceLaw {
    /// Mean, seconds.
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Exponential { mean }
            | Self::Deterministic { mean }
            | Self::Erlang { mean, .. }
            | Self::Hyperexponential { mean, .. }
            | Self::Lognormal { mean, .. }
            | Self::Pareto { mean, .. } => mean,
        }
    }

    /// Squared coefficient of variation (variance over squared mean); may be infinite.
    pub fn scv(&self) -> f64 {
        match *self {
            Self::Exponential { .. } => 1.0,
            Self::Deterministic { .. } => 0.0,
            Self::Erlang { shape, .. } => 1.0 / f64::from(shape.max(1)),
            Self::Hyperexponential { scv, .. } | Self::Lognormal { scv, .. } => scv,
            Self::Pareto { alpha, .. } if alpha <= 2.0 => f64::INFINITY,
            Self::Pareto { alpha, .. } => 1.0 / (alpha * (alpha - 2.0)),
        }
    }

    /// Draws a service time.
    #[inline]
    pub fn draw(&self, random: &mut Xoshiro256PlusPlus) -> Span {
        Span::from_nanos_f64(self.draw_seconds(random) * 1e9)
    }

    fn draw_seconds(&self, random: &mut Xoshiro256PlusPlus) -> f64 {
        match *self {
            Self::Exponential { mean } => mean * next_exponential(random),
            Self::Deterministic { mean } => mean,
            Self::Erlang { shape, mean } => {
                let sum: f64 = (0..shape.max(1)).map(|_| next_exponential(random)).sum();
                sum * mean / f64::from(shape.max(1))
            }
            Self::Hyperexponential { scv, mean } => {
                let share = balanced_share(scv);
                let chosen = if next_unit(random) <= share { share } else { 1.0 - share };
                next_exponential(random) * mean / (2.0 * chosen)
            }
            Self::Lognormal { scv, mean } => {
                let variance = scv.ln_1p();
                mean * (variance.sqrt() * next_normal(random) - variance / 2.0).exp()
            }
            Self::Pareto { alpha, mean } => mean * (alpha - 1.0) / alpha * next_unit(random).powf(-1.0 / alpha),
        }
    }
}

/// Probability of the faster branch of a two-branch hyperexponential distribution with balanced means.
pub fn balanced_share(scv: f64) -> f64 {
    f64::midpoint(1.0, ((scv - 1.0) / (scv + 1.0)).max(0.0).sqrt())
}

/// A random number with standard normal distribution (Box and Muller, 1958).
fn next_normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (2.0 * next_exponential(random)).sqrt();
    radius * (2.0 * std::f64::consts::PI * unit(random.next_u64())).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::{Purpose, stream};

    #[test]
    fn drawn_times_have_the_mean_and_variance_of_their_distribution() {
        let mean = 0.005;
        let laws = [
            ServiceLaw::Exponential { mean },
            ServiceLaw::Deterministic { mean },
            ServiceLaw::Erlang { shape: 4, mean },
            ServiceLaw::Hyperexponential { scv: 4.0, mean },
            ServiceLaw::Lognormal { scv: 2.0, mean },
            ServiceLaw::Pareto { alpha: 5.0, mean },
        ];
        for law in laws {
            let mut random = stream(4, Purpose::Service, 0);
            let n = 200_000;
            let times: Vec<f64> = (0..n).map(|_| law.draw(&mut random).seconds()).collect();
            let average = times.iter().sum::<f64>() / f64::from(n);
            let variance = times.iter().map(|t| (t - average).powi(2)).sum::<f64>() / f64::from(n);
            assert!((average / mean - 1.0).abs() < 0.02, "{law:?}: {average}");
            assert!((variance / mean / mean - law.scv()).abs() < 0.1 * law.scv() + 1e-9, "{law:?}: {variance}");
        }
    }
}
