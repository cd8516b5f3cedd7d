//! Sums of load over endpoint classes.

use super::super::law::ProcessDemand;
use super::split::Part;
use wsim_profile::EndpointProfile;
use wsim_stats::Interval;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LoadSum {
    /// CPU at the peak, cores: low, best, high.
    pub(super) cores: [f64; 3],
    /// The same if every pool were spread evenly.
    pub(super) even: [f64; 3],
    /// Requests per second at the peak.
    pub(super) peak_requests: f64,
    /// Requests over the whole log.
    pub(super) requests: f64,
}

impl LoadSum {
    /// Adds a part of an endpoint class, whose peak lasted `seconds`, with the CPU multiplied by `factors`.
    pub(super) fn add(&mut self, endpoint: &EndpointProfile, factors: [f64; 3], seconds: f64, part: Part) {
        for ((cores, even), factor) in self.cores.iter_mut().zip(&mut self.even).zip(factors) {
            let added = endpoint.peak_cpu_seconds.max(0.0) / seconds * factor * part.cpu;
            *cores += added;
            *even += added;
        }
        self.peak_requests += endpoint.peak_requests as f64 / seconds * part.requests;
        self.requests += endpoint.requests as f64 * part.requests;
    }

    pub(super) fn demand(&self, replicates: bool, persists: f64) -> ProcessDemand {
        let interval = |[low, value, high]: [f64; 3]| Interval::new(value, low, high);
        ProcessDemand { requests: interval(self.cores), evenly: interval(self.even), replicates, persists, background: 0.0 }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (cores, more) in self.cores.iter_mut().zip(other.cores).chain(self.even.iter_mut().zip(other.even)) {
            *cores += more;
        }
        self.peak_requests += other.peak_requests;
        self.requests += other.requests;
    }
}
