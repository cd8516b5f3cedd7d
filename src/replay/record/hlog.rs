//! The interval log: response times second by second, in the form that HdrHistogram's own tools read.
//!
//! Format: HdrHistogram's histogram log, version 1.2 or later as of HdrHistogramVisualizer and HistogramLogAnalyzer; V2 histograms, deflated, base64;
//! values in ns, maxima in ms (`MaxValueDivisor` 1e6). One line a second for each group that had answers, the group as its tag.
//! Answers are handed over nearly in order; one that comes after its second was written counts in the next.

use std::io::Write;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

/// Why the log could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the interval log could not be written: {0}")]
pub struct HlogError(String);

/// The log being written.
pub(super) struct Hlog {
    out: Box<dyn Write + Send>,
    serializer: V2DeflateSerializer,
    began: SystemTime,
    headed: bool,
    second: u64,
    tags: Vec<String>,
    groups: Vec<Option<Histogram<u64>>>,
}

impl Hlog {
    pub(super) fn new(out: Box<dyn Write + Send>, began: SystemTime, tags: Vec<String>) -> Self {
        let groups = tags.iter().map(|_| None).collect();
        Self { out, serializer: V2DeflateSerializer::new(), began, headed: false, second: 0, tags, groups }
    }

    pub(super) fn record(&mut self, group: usize, ended_ns: u64, ns: u64) -> Result<(), HlogError> {
        let second = ended_ns / 1_000_000_000;
        if second > self.second {
            self.write()?;
            self.second = second;
        }
        let Some(place) = self.groups.get_mut(group) else { return Ok(()) };
        if place.is_none() {
            *place = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).ok();
        }
        if let Some(histogram) = place {
            histogram.saturating_record(ns);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), HlogError> {
        self.write()?;
        self.out.flush().map_err(|error| HlogError(error.to_string()))
    }

    /// Writes the second at hand.
    fn write(&mut self) -> Result<(), HlogError> {
        let failed = |error: &dyn std::fmt::Debug| HlogError(format!("{error:?}"));
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_max_value_divisor(1e6);
        if !self.headed {
            builder.add_comment("wsim replay: response times in ns, by endpoint group");
            // Both, or viewers disagree about absolute time.
            builder.with_start_time(self.began);
            builder.with_base_time(self.began);
        }
        let mut text = Vec::new();
        {
            let mut lines = builder.begin_log_with(&mut text, &mut self.serializer).map_err(|error| failed(&error))?;
            for (tag, histogram) in self.tags.iter().zip(&mut self.groups) {
                let Some(histogram) = histogram.take().filter(|histogram| !histogram.is_empty()) else { continue };
                let (start, length) = (Duration::from_secs(self.second), Duration::from_secs(1));
                lines.write_histogram(&histogram, start, length, Tag::new(tag)).map_err(|error| failed(&error))?;
            }
        }
        let text = if self.headed { without_header(&text) } else { &text };
        self.headed = true;
        self.out.write_all(text).map_err(|error| HlogError(error.to_string()))
    }
}

/// The lines behind the header, which stands in the file once.
fn without_header(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while rest.first() == Some(&b'#') || rest.starts_with(b"\"") {
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => rest = &rest[end + 1..],
            None => return &[],
        }
    }
    rest
}
