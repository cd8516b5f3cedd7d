//! CPU demand for logs that do not contain it: what each class of request probably costs.
//!
//! Methods in order of preference; the report names the one that was used:
//!
//! 1. [`regression`]: process CPU over time against the requests in it (needs `--process-cpu`);
//! 2. [`sharing`]: response times divided into the request's own work and the time it shared the processor (needs durations);
//! 3. the [prior table](super::prior), measured on a reference cluster.
//!
//! Each is accurate to a factor of two only, so every result has the range 0.5 to 2. The ranking of plans hardly depends on the
//! factor, because all plans scale alike; the number of workers does.

pub mod regression;
pub mod sharing;

use std::collections::HashMap;

use wsim_endpoints::Endpoint;
use wsim_stats::Interval;
use wsim_trace::{NameId, Request, flag};

use super::cpu_limit::CpuLimit;
use super::model::DemandMethod;
use super::prior::prior;
use super::process_cpu::ProcessCpu;

/// Demand per endpoint class, inferred.
#[derive(Debug, Clone, PartialEq)]
pub struct InferredDemand {
    pub method: DemandMethod,
    /// One sentence: what was done and how far to trust it.
    pub note: String,
    /// Mean CPU of a request by [`wsim_endpoints::EndpointId`], µs.
    pub per_endpoint_cpu_us: Vec<f64>,
    /// Whether the mean is that of logged requests of the same class, by [`wsim_endpoints::EndpointId`]; empty: none is.
    pub like_logged: Vec<bool>,
    /// Factor on all means that are not those of logged requests: 0.5, 1, 2.
    pub range: Interval,
}

impl InferredDemand {
    /// The prior table times a speed factor: 1 for a machine like the reference, 0.5 for one twice as fast.
    pub fn from_prior(endpoints: &[Endpoint], factor: f64) -> Self {
        Self {
            method: DemandMethod::Prior,
            note:
                "each class of request is assumed to cost what it cost on a reference cluster (Synapse 1.163); half to double is possible"
                    .to_owned(),
            per_endpoint_cpu_us: endpoints.iter().map(|e| f64::from(prior(e).cpu_us) * factor).collect(),
            like_logged: Vec::new(),
            range: RANGE,
        }
    }

    /// Factor on the mean of a class.
    pub(super) fn range_of(&self, class: usize) -> Interval {
        if self.is_like_logged(class) { LIKE_LOGGED } else { self.range }
    }

    pub(super) fn is_like_logged(&self, class: usize) -> bool {
        self.like_logged.get(class).copied().unwrap_or(false)
    }
}

/// Infers demand from a trace by the best method that its data allow.
///
/// `requests` is called some five times and gives all requests in order of arrival each time; a request that is out of order
/// counts as arriving with the request before it. Memory grows with the requests in progress at once, not with the trace.
///
/// `limits`: CPU limits of the servers, by upstream or process.
pub fn infer<I>(
    requests: impl Fn() -> I,
    endpoints: &[Endpoint],
    process_cpu: Option<&ProcessCpu>,
    limits: &HashMap<NameId, CpuLimit>,
) -> InferredDemand
where
    I: Iterator<Item = Request>,
{
    let client = || requests().filter(|r| !r.has(flag::INTERNAL) && endpoints.get(r.endpoint.0 as usize).is_none_or(|e| !e.internal));
    process_cpu
        .and_then(|cpu| regression::regress(client, endpoints, cpu))
        .or_else(|| sharing::invert(client, endpoints, limits))
        .unwrap_or_else(|| InferredDemand::from_prior(endpoints, 1.0))
}

/// When a request's work starts, µs: at its arrival, or at the wake-up of a long poll.
fn work_start_us(r: &Request) -> i64 {
    r.arrival_us.saturating_add(r.long_poll_wait_us().min(r.wall_us).into())
}

/// Inferred demand may be half or double.
const RANGE: Interval = Interval { value: 1.0, low: 0.5, high: 2.0 };
/// Requests of a class that other processes logged: on a measured cluster the means of a class were within a fifth of each other between
/// processes, except where caches were cold (docs/model.md).
const LIKE_LOGGED: Interval = Interval { value: 1.0, low: 0.8, high: 1.25 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{request, table, timed};

    #[test]
    fn the_best_method_the_data_allow_is_taken() {
        let table = table();
        let slow = || (0..200i64).map(|i| timed(i * 100_000, 50_000));
        let silent = || (0..200i64).map(|i| request(i * 100_000));
        let csv: String = (0..20).map(|i| format!("{i},main,{}\n", f64::from(i) * 0.1)).collect();
        let cpu = ProcessCpu::parse(csv.as_bytes()).unwrap();
        assert_eq!(infer(slow, &table, Some(&cpu), &HashMap::new()).method, DemandMethod::Regression);
        assert_eq!(infer(slow, &table, None, &HashMap::new()).method, DemandMethod::ProcessorSharing);
        assert_eq!(infer(silent, &table, None, &HashMap::new()).method, DemandMethod::Prior);
    }

    #[test]
    fn the_prior_scales_with_the_speed_of_the_machine() {
        let table = table();
        let (one, half) = (InferredDemand::from_prior(&table, 1.0), InferredDemand::from_prior(&table, 0.5));
        assert_eq!(one.per_endpoint_cpu_us[1], 12_000.0);
        assert_eq!(half.per_endpoint_cpu_us[1], 6000.0);
        assert_eq!((one.range.low, one.range.high), (0.5, 2.0));
    }
}
