//! The statistics of a stationary run: warm-up removed by MSER-5, batch means, batch quantiles.

use crate::engine::time::Span;
use wsim_stats::{BatchEstimate, BatchMeans, BatchQuantiles, mser};

/// Response times of a run, in the order in which they become known.
#[derive(Debug)]
pub(super) struct Observer {
    /// The first response times, kept until MSER-5 has found the end of the warm-up.
    pilot: Vec<Span>,
    pilot_length: usize,
    removed: u64,
    settled: bool,
    mean: BatchMeans,
    quantiles: BatchQuantiles,
    /// Length of the histogram's unit, ns.
    unit: f64,
    count: u64,
}

impl Observer {
    /// The first `pilot_length` responses decide on the warm-up; `scale` is a typical response time and sets the histogram's resolution.
    pub(super) fn new(pilot_length: usize, scale: Span) -> Self {
        Self {
            pilot: Vec::with_capacity(pilot_length),
            pilot_length,
            removed: 0,
            settled: true,
            mean: BatchMeans::default(),
            quantiles: BatchQuantiles::default(),
            unit: (scale.nanos() as f64 / 8192.0).max(1.0),
            count: 0,
        }
    }

    #[inline]
    pub(super) fn record(&mut self, response: Span) {
        self.count += 1;
        if self.pilot.len() < self.pilot_length {
            self.pilot.push(response);
            if self.pilot.len() == self.pilot_length {
                self.end_pilot();
            }
            return;
        }
        self.keep(response);
    }

    /// Number of responses, warm-up included.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Number of responses removed, and whether the run was stationary after them.
    pub(super) fn warm_up(&self) -> (u64, bool) {
        (self.removed, self.settled)
    }

    /// Mean response time, s.
    pub(super) fn mean(&self, confidence: f64) -> Option<BatchEstimate> {
        Some(scaled(self.mean.estimate(confidence)?, 1e-9))
    }

    /// Quantiles of the response time, s.
    pub(super) fn quantiles<const N: usize>(&self, quantiles: [f64; N], confidence: f64) -> Option<[BatchEstimate; N]> {
        // The histogram returns thousandths of its unit.
        let estimates = self.quantiles.estimates_ms(quantiles, confidence)?;
        Some(estimates.map(|estimate| scaled(estimate, 1e3 * self.unit * 1e-9)))
    }

    #[inline]
    fn keep(&mut self, response: Span) {
        self.mean.push(response.nanos() as f64);
        #[expect(clippy::cast_possible_truncation, reason = "saturates: a response of 500,000 typical ones is the largest bucket")]
        #[expect(clippy::cast_sign_loss, reason = "a span is not negative")]
        self.quantiles.push((response.nanos() as f64 / self.unit + 0.5) as u32);
    }

    fn end_pilot(&mut self) {
        let series: Vec<f64> = self.pilot.iter().map(|r| r.nanos() as f64).collect();
        let cut = mser::warm_up(&series);
        self.settled = cut.is_some();
        let cut = cut.unwrap_or(series.len() / 2);
        self.removed = cut as u64;
        for i in cut..self.pilot.len() {
            self.keep(self.pilot[i]);
        }
    }
}

fn scaled(estimate: BatchEstimate, factor: f64) -> BatchEstimate {
    BatchEstimate { interval: estimate.interval.scaled(factor), ..estimate }
}
