//! Sums of load over endpoint classes.

use super::super::law::ProcessDemand;
use wsim_profile::EndpointProfile;
use wsim_stats::Interval;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LoadSum {
    /// CPU at the peak, cores: low, best, high.
    pub(super) cores: [f64; 3],
    /// Requests per second at the peak.
    pub(super) peak_requests: f64,
    /// Requests over the whole log.
    pub(super) requests: f64,
}

impl LoadSum {
    /// Adds a share `part` of an endpoint class, whose peak lasted `seconds`, with the CPU multiplied by `factors`.
    pub(super) fn add(&mut self, endpoint: &EndpointProfile, factors: [f64; 3], seconds: f64, part: f64) {
        for (cores, factor) in self.cores.iter_mut().zip(factors) {
            *cores += endpoint.peak_cpu_seconds.max(0.0) / seconds * factor * part;
        }
        self.peak_requests += endpoint.peak_requests as f64 / seconds * part;
        self.requests += endpoint.requests as f64 * part;
    }

    pub(super) fn demand(&self, replicates: bool, persists: f64) -> ProcessDemand {
        let [low, value, high] = self.cores;
        ProcessDemand { requests: Interval::new(value, low, high), replicates, persists }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (cores, more) in self.cores.iter_mut().zip(other.cores) {
            *cores += more;
        }
        self.peak_requests += other.peak_requests;
        self.requests += other.requests;
    }
}
