//! Counts and times of one endpoint group.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use super::super::{End, Outcome, SkipReason, is_worse};
use super::histogram_bytes;

/// A histogram of times in ns: three significant digits, up to an hour. `stats::histogram` is another one, of µs in less memory, for
/// simulations; this one is stored in HdrHistogram's own format.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LatencyHistogram {
    histogram: Option<Box<Histogram<u64>>>,
    sum_ns: u128,
}

/// Longer times count as this, ns.
pub(super) const LONGEST_NS: u64 = 3_600_000_000_000;
pub(super) const SIGNIFICANT_DIGITS: u8 = 3;

impl LatencyHistogram {
    /// Adds a time.
    pub fn record(&mut self, ns: u64) {
        self.sum_ns += u128::from(ns);
        if self.histogram.is_none() {
            self.histogram = empty();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(ns);
        }
    }

    /// Adds the times of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.sum_ns += other.sum_ns;
        match (&mut self.histogram, &other.histogram) {
            (Some(own), Some(other)) => {
                // Cannot fail, because the bounds are the same.
                let _ = own.add(&**other);
            }
            (None, Some(other)) => self.histogram = Some(other.clone()),
            (_, None) => {}
        }
    }

    /// Number of times.
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// Quantile (0 to 1), ns; 0 if empty.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile).min(histogram.max()))
    }

    /// Number of times of `ns` or more, to three digits.
    pub fn above(&self, ns: u64) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| if ns > histogram.max() { 0 } else { histogram.count_between(ns, histogram.max()) })
    }

    /// Maximum, ns; 0 if empty.
    pub fn max_ns(&self) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| histogram.max())
    }

    /// Exact mean, ns; 0 if empty.
    pub fn mean_ns(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum_ns as f64 / self.count() as f64 }
    }

    /// The histogram in HdrHistogram's V2 format, deflated; no bytes if empty.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(histogram) = &self.histogram {
            // Writing to memory does not fail.
            let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
        }
        bytes
    }

    /// Reads the bytes of [`Self::to_bytes`]; `None` if they are malformed.
    pub fn from_bytes(bytes: &[u8], sum_ns: u128) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let read = histogram_bytes::decode(bytes)?;
        let mut histogram = empty()?;
        histogram.add(&read).ok()?;
        Some(Self { histogram: Some(histogram), sum_ns })
    }

    /// Exact sum, ns.
    pub fn sum_ns(&self) -> u128 {
        self.sum_ns
    }
}

fn empty() -> Option<Box<Histogram<u64>>> {
    // The bounds are constants that the library accepts.
    Histogram::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS).ok().map(Box::new)
}

/// Counts and times of some requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Requests in the schedule.
    pub scheduled: u64,
    /// Requests sent: completed or failed.
    pub sent: u64,
    /// Requests with a complete response.
    pub completed: u64,
    /// How late the generator was.
    pub lateness: LatencyHistogram,
    /// First byte written to last byte read.
    pub service: LatencyHistogram,
    /// Intended instant to last byte read.
    pub response: LatencyHistogram,
    /// Times in the log of the completed requests.
    pub original: LatencyHistogram,
    /// Responses by status.
    pub status: BTreeMap<u16, u64>,
    /// Responses of another class of status (2xx, 4xx, …) than in the log.
    pub differs: u64,
    /// Bytes of response bodies.
    pub bytes: u64,
    /// Requests that ended in an error of the target ([`Outcome::is_error`]).
    pub errors: u64,
    /// Of these, failures ([`Outcome::is_failure`]).
    pub failures: u64,
    /// Requests that were not sent because too many waited for the target; they are among the failures.
    pub queue_full: u64,
    /// Requests without a complete response, by the name of the failure.
    pub failed: BTreeMap<&'static str, u64>,
    /// Responses with a worse status than in the log, by the logged status and theirs.
    pub worse: BTreeMap<(u16, u16), u64>,
}

impl Tally {
    /// Adds an outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        self.scheduled += 1;
        self.errors += u64::from(outcome.is_error());
        self.failures += u64::from(outcome.is_failure());
        match outcome.end {
            End::Skipped(reason) => {
                self.queue_full += u64::from(reason == SkipReason::QueueFull);
                return;
            }
            End::Failed(failure) => *self.failed.entry(failure.name()).or_default() += 1,
            End::Completed if is_worse(outcome.status, outcome.original_status) => {
                *self.worse.entry((outcome.original_status, outcome.status)).or_default() += 1;
            }
            End::Completed => {}
        }
        self.sent += 1;
        if let Some(ns) = outcome.lateness_ns() {
            self.lateness.record(ns);
        }
        let (Some(service), Some(response)) = (outcome.service_ns(), outcome.response_ns()) else { return };
        self.completed += 1;
        self.service.record(service);
        self.response.record(response);
        self.original.record(u64::from(outcome.original_us) * 1000);
        *self.status.entry(outcome.status).or_default() += 1;
        self.differs += u64::from(outcome.status / 100 != outcome.original_status / 100);
        self.bytes += u64::from(outcome.bytes);
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.completed += other.completed;
        self.lateness.merge(&other.lateness);
        self.service.merge(&other.service);
        self.response.merge(&other.response);
        self.original.merge(&other.original);
        for (status, count) in &other.status {
            *self.status.entry(*status).or_default() += count;
        }
        self.differs += other.differs;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.failures += other.failures;
        self.queue_full += other.queue_full;
        for (name, count) in &other.failed {
            *self.failed.entry(name).or_default() += count;
        }
        for (statuses, count) in &other.worse {
            *self.worse.entry(*statuses).or_default() += count;
        }
    }

    /// Share of errors among the requests that were sent or should have been; 0 without any.
    pub fn error_share(&self) -> f64 {
        self.share(self.errors)
    }

    /// Share of failures among the same requests.
    pub fn failure_share(&self) -> f64 {
        self.share(self.failures)
    }

    fn share(&self, count: u64) -> f64 {
        count as f64 / ((self.sent + self.queue_full).max(1)) as f64
    }
}
