//! Arrival processes.

use rand_xoshiro::Xoshiro256PlusPlus;

use crate::engine::random::{next_exponential, next_unit};
use crate::engine::time::{Span, Time};

/// A law of arrivals. `rate` counts requests per second, also with batches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArrivalLaw {
    /// Independent arrivals.
    Poisson {
        /// Requests per second.
        rate: f64,
    },
    /// Equal gaps.
    Deterministic {
        /// Requests per second.
        rate: f64,
    },
    /// Gaps that are sums of `shape` exponentials.
    Erlang {
        /// Number of exponentials.
        shape: u32,
        /// Requests per second.
        rate: f64,
    },
    /// Poisson instants at each of which several requests arrive.
    Batch {
        /// Requests per second.
        rate: f64,
        /// Number of requests per instant.
        size: BatchSize,
    },
    /// Poisson arrivals whose rate switches between two values (Markov-modulated Poisson process).
    Mmpp {
        /// Requests per second in each state.
        rates: [f64; 2],
        /// Transitions out of each state per second.
        leaves: [f64; 2],
    },
}

/// Number of requests per batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BatchSize {
    /// Always the same number.
    Fixed(u32),
    /// Geometrically distributed on 1, 2, … with this mean.
    Geometric(f64),
}

impl BatchSize {
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Fixed(size) => f64::from(size.max(1)),
            Self::Geometric(mean) => mean.max(1.0),
        }
    }

    fn draw(self, random: &mut Xoshiro256PlusPlus) -> u32 {
        match self {
            Self::Fixed(size) => size.max(1),
            Self::Geometric(mean) if mean <= 1.0 => 1,
            Self::Geometric(mean) => {
                let drawn = (next_unit(random).ln() / (1.0 - 1.0 / mean).ln()).ceil();
                #[expect(clippy::cast_possible_truncation, reason = "saturates at a size that never occurs")]
                #[expect(clippy::cast_sign_loss, reason = "the quotient of two negative numbers")]
                let size = drawn as u32;
                size.max(1)
            }
        }
    }
}

impl ArrivalLaw {
    /// Requests per second in the long run.
    pub fn rate(&self) -> f64 {
        match *self {
            Self::Poisson { rate } | Self::Deterministic { rate } | Self::Erlang { rate, .. } | Self::Batch { rate, .. } => rate,
            Self::Mmpp { rates, leaves } => (rates[0] * leaves[1] + rates[1] * leaves[0]) / (leaves[0] + leaves[1]),
        }
    }
}

/// The arrival times of one run.
#[derive(Debug, Clone)]
pub struct Arrivals {
    law: ArrivalLaw,
    random: Xoshiro256PlusPlus,
    next: Time,
    /// Further requests of the batch at `next`.
    rest_of_batch: u32,
    state: usize,
}

impl Arrivals {
    /// Arrivals from time zero.
    pub fn new(law: ArrivalLaw, random: Xoshiro256PlusPlus) -> Self {
        let mut arrivals = Self { law, random, next: Time::ZERO, rest_of_batch: 0, state: 0 };
        arrivals.advance();
        arrivals
    }

    /// Time of the next arrival.
    #[inline]
    pub fn next(&self) -> Time {
        self.next
    }

    /// Moves on to the arrival after the next.
    #[inline]
    pub fn advance(&mut self) {
        if self.rest_of_batch > 0 {
            self.rest_of_batch -= 1;
            return;
        }
        let gap = match self.law {
            ArrivalLaw::Poisson { rate } => next_exponential(&mut self.random) / rate,
            ArrivalLaw::Deterministic { rate } => 1.0 / rate,
            ArrivalLaw::Erlang { shape, rate } => {
                let shape = shape.max(1);
                (0..shape).map(|_| next_exponential(&mut self.random)).sum::<f64>() / (rate * f64::from(shape))
            }
            ArrivalLaw::Batch { rate, size } => {
                self.rest_of_batch = size.draw(&mut self.random) - 1;
                next_exponential(&mut self.random) * size.mean() / rate
            }
            ArrivalLaw::Mmpp { rates, leaves } => self.modulated_gap(rates, leaves),
        };
        self.next = self.next + Span::from_seconds(gap);
    }

    /// Competing exponentials: the first of arrival and state change happens, then both are drawn again.
    fn modulated_gap(&mut self, rates: [f64; 2], leaves: [f64; 2]) -> f64 {
        let mut gap = 0.0;
        loop {
            let (rate, leave) = (rates[self.state], leaves[self.state]);
            gap += next_exponential(&mut self.random) / (rate + leave);
            if next_unit(&mut self.random) * (rate + leave) <= rate {
                return gap;
            }
            self.state = 1 - self.state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::{Purpose, stream};

    #[test]
    fn arrivals_have_the_rate_of_their_law() {
        let rate = 100.0;
        let laws = [
            ArrivalLaw::Poisson { rate },
            ArrivalLaw::Deterministic { rate },
            ArrivalLaw::Erlang { shape: 3, rate },
            ArrivalLaw::Batch { rate, size: BatchSize::Fixed(4) },
            ArrivalLaw::Batch { rate, size: BatchSize::Geometric(2.5) },
            ArrivalLaw::Mmpp { rates: [40.0, 400.0], leaves: [1.0, 5.0] },
        ];
        for law in laws {
            assert!((law.rate() - rate).abs() < 1e-9);
            let mut arrivals = Arrivals::new(law, stream(5, Purpose::Arrival, 0));
            (0..200_000).for_each(|_| arrivals.advance());
            let measured = 200_000.0 / arrivals.next().seconds();
            assert!((measured / rate - 1.0).abs() < 0.02, "{law:?}: {measured}");
        }
    }

    #[test]
    fn a_batch_arrives_at_one_instant() {
        let law = ArrivalLaw::Batch { rate: 10.0, size: BatchSize::Fixed(3) };
        let mut arrivals = Arrivals::new(law, stream(1, Purpose::Arrival, 0));
        let mut times = Vec::new();
        for _ in 0..6 {
            times.push(arrivals.next());
            arrivals.advance();
        }
        assert!(times[0] == times[1] && times[1] == times[2] && times[2] < times[3] && times[3] == times[5]);
    }
}
