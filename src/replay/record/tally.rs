//! Counts and times of one group.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use super::super::{End, Outcome};

/// Times in ns: three significant digits, up to an hour.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Times {
    histogram: Option<Box<Histogram<u64>>>,
    sum_ns: u128,
}

/// Longest time that is told apart, ns.
const LONGEST_NS: u64 = 3_600_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

impl Times {
    /// Adds one.
    pub fn record(&mut self, ns: u64) {
        self.sum_ns += u128::from(ns);
        if self.histogram.is_none() {
            self.histogram = empty();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(ns);
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        self.sum_ns += other.sum_ns;
        match (&mut self.histogram, &other.histogram) {
            (Some(mine), Some(theirs)) => {
                // Bounds are the same, so this cannot fail; what cannot be added would be lost, never counted twice.
                let _ = mine.add(&**theirs);
            }
            (None, Some(theirs)) => self.histogram = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// Quantile, ns; 0 if empty.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile).min(histogram.max()))
    }

    /// Largest, ns; 0 if empty.
    pub fn max_ns(&self) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| histogram.max())
    }

    /// Exact mean, ns; 0 if empty.
    pub fn mean_ns(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum_ns as f64 / self.count() as f64 }
    }

    /// The histogram in HdrHistogram's V2 form, deflated; empty if there is nothing.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(histogram) = &self.histogram {
            // Writing into memory does not fail.
            let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
        }
        bytes
    }

    /// Reads [`Self::to_bytes`] back; `None` where it is not such a form.
    pub fn from_bytes(bytes: &[u8], sum_ns: u128) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut &*bytes).ok()?;
        let mut histogram = empty()?;
        histogram.add(&read).ok()?;
        Some(Self { histogram: Some(histogram), sum_ns })
    }

    /// Sum of all, ns.
    pub fn sum_ns(&self) -> u128 {
        self.sum_ns
    }
}

fn empty() -> Option<Box<Histogram<u64>>> {
    // The bounds are constants that the library accepts.
    Histogram::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS).ok().map(Box::new)
}

/// Counts and times of some requests. Times in ns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Requests in the schedule.
    pub scheduled: u64,
    /// Requests sent: answered or failed.
    pub sent: u64,
    /// Requests with a whole answer.
    pub completed: u64,
    /// How late the generator was.
    pub lateness: Times,
    /// First byte written to last byte read.
    pub service: Times,
    /// Intended instant to last byte read.
    pub response: Times,
    /// In the log, of those completed.
    pub original: Times,
    /// Answers by status.
    pub status: BTreeMap<u16, u64>,
    /// Answers of another class of status (2xx, 4xx, …) than the log's.
    pub differs: u64,
    /// Bytes of answers.
    pub bytes: u64,
}

impl Tally {
    /// Takes in a request's end.
    pub fn add(&mut self, outcome: &Outcome) {
        self.scheduled += 1;
        if matches!(outcome.end, End::Skipped(_)) {
            return;
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

    /// Adds another's.
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
    }
}
