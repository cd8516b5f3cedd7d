//! Draws the sub-second part of time stamps that have none.
//!
//! For a Poisson process the points in an interval are independent and uniform given their number, and un-rounding with
//! uniforms restores the process, while plain rounding makes it look very bursty (Kim and Whitt, "Are call center and hospital
//! arrivals well modeled by nonhomogeneous Poisson processes?", M&SOM 16(3), 2014). Lines of one second keep their order,
//! which is the order of completion: the drawn instants are sorted. Clusters shorter than a second are lost; the
//! report says so.

use rand::RngExt;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::request::{Request, flag};

/// Spreads runs of requests of one file that share a stamp over the stamp's resolution.
#[derive(Debug, Default)]
pub(super) struct Spreader {
    run: Vec<(Request, i64)>,
    key: Option<(u32, i64)>,
    resolution_us: u32,
}

impl Spreader {
    /// Adds a request with its coarse stamp. If the stamp differs from the last one, the requests of the previous run are appended to
    /// `ready`.
    pub(super) fn push(&mut self, request: Request, stamp: CoarseStamp, seed: u64, ready: &mut Vec<Request>) {
        let key = (stamp.file, stamp.micros);
        if self.key != Some(key) {
            self.flush(seed, ready);
            self.key = Some(key);
            self.resolution_us = stamp.resolution_us;
        }
        self.run.push((request, stamp.lag_us));
    }

    /// Appends the requests of the last run to `ready`.
    pub(super) fn flush(&mut self, seed: u64, ready: &mut Vec<Request>) {
        let Some((file, micros)) = self.key.take() else { return };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ micros.cast_unsigned().rotate_left(20) ^ u64::from(file));
        // Order statistics of uniforms by their spacings, which are exponential (Devroye, Non-Uniform Random Variate Generation, V.3).
        let mut gaps: Vec<f64> = (0..=self.run.len()).map(|_| -(1.0 - random.random::<f64>()).ln()).collect();
        let total: f64 = gaps.iter().sum();
        let mut at = 0.0;
        for ((mut request, lag_us), gap) in self.run.drain(..).zip(gaps.drain(..)) {
            at += gap;
            #[expect(clippy::cast_possible_truncation, reason = "a share of the resolution, below 2^32")]
            let offset = (at / total * f64::from(self.resolution_us)) as i64;
            request.arrival_us = micros.saturating_add(offset.min(i64::from(self.resolution_us) - 1)).saturating_sub(lag_us);
            request.flags |= flag::DRAWN;
            ready.push(request);
        }
    }
}

/// A stamp too coarse to be an arrival.
#[derive(Debug, Clone, Copy)]
pub(super) struct CoarseStamp {
    /// Index of its file.
    pub file: u32,
    /// Start of the interval, µs since the epoch.
    pub micros: i64,
    /// Length of the interval, µs.
    pub resolution_us: u32,
    /// Time from the request's arrival to the stamp, µs (its duration if the stamp marks the end).
    pub lag_us: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request_at;

    fn spread(seed: u64) -> Vec<i64> {
        let mut spreader = Spreader::default();
        let mut ready = Vec::new();
        for i in 0..1000 {
            let stamp = CoarseStamp { file: 0, micros: i / 100 * 1_000_000, resolution_us: 1_000_000, lag_us: 5_000 };
            spreader.push(request_at(i), stamp, seed, &mut ready);
        }
        spreader.flush(seed, &mut ready);
        ready.iter().map(|r| r.arrival_us).collect()
    }

    #[test]
    fn arrivals_are_spread_over_their_second_in_order_and_by_seed() {
        let arrivals = spread(1);
        assert_eq!(arrivals.len(), 1000);
        assert!(arrivals.is_sorted());
        for (i, at) in arrivals.iter().enumerate() {
            assert_eq!((at + 5_000).div_euclid(1_000_000), i as i64 / 100);
        }
        let mean: f64 = arrivals.iter().map(|at| ((at + 5_000) % 1_000_000) as f64).sum::<f64>() / 1000.0;
        assert!((mean - 500_000.0).abs() < 30_000.0, "uniform over the second, mean {mean}");
        assert_eq!(spread(1), spread(1));
        assert_ne!(spread(1), spread(2));
    }
}
