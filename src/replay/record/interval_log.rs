//! The interval log: response times second by second, in the format of HdrHistogram's own tools.
//!
//! Format: HdrHistogram's histogram log, version 1.2 or later, as HdrHistogramVisualizer and HistogramLogAnalyzer read it; V2 histograms,
//! deflated, base64; values in ns, maxima in ms (`MaxValueDivisor` 1e6). One line per second and endpoint group with responses; the tag is the
//! group. Outcomes arrive almost in order; one whose second is written already counts in the next.

use std::io::Write;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

/// Why the log could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the interval log could not be written: {0}")]
pub struct IntervalLogError(String);

/// The log that is being written.
pub(super) struct IntervalLog {
    out: Box<dyn Write + Send>,
    serializer: V2DeflateSerializer,
    began: SystemTime,
    has_header: bool,
    /// The current second, counted from the run's beginning.
    second: u64,
    tags: Vec<String>,
    /// Response times of the current second, in the order of `tags`.
    groups: Vec<Option<Histogram<u64>>>,
}

impl IntervalLog {
    pub(super) fn new(out: Box<dyn Write + Send>, began: SystemTime, tags: Vec<String>) -> Self {
        let groups = tags.iter().map(|_| None).collect();
        Self { out, serializer: V2DeflateSerializer::new(), began, has_header: false, second: 0, tags, groups }
    }

    pub(super) fn record(&mut self, group: usize, ended_ns: u64, ns: u64) -> Result<(), IntervalLogError> {
        self.write_before(ended_ns)?;
        let Some(slot) = self.groups.get_mut(group) else { return Ok(()) };
        if slot.is_none() {
            *slot = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).ok();
        }
        if let Some(histogram) = slot {
            histogram.saturating_record(ns);
        }
        Ok(())
    }

    /// Writes the seconds before this time, for somebody who looks at the file during the run, or after the process was killed.
    pub(super) fn flush(&mut self, now_ns: u64) -> Result<(), IntervalLogError> {
        self.write_before(now_ns)?;
        self.out.flush().map_err(|error| IntervalLogError(error.to_string()))
    }

    fn write_before(&mut self, ns: u64) -> Result<(), IntervalLogError> {
        let second = ns / 1_000_000_000;
        if second > self.second {
            self.write_second()?;
            self.second = second;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), IntervalLogError> {
        self.write_second()?;
        self.out.flush().map_err(|error| IntervalLogError(error.to_string()))
    }

    /// Writes the current second, and before the first one the header.
    fn write_second(&mut self) -> Result<(), IntervalLogError> {
        let mut text = if self.has_header { Vec::new() } else { header(self.began)? };
        text.extend(self.lines()?);
        self.has_header = true;
        self.out.write_all(&text).map_err(|error| IntervalLogError(error.to_string()))
    }

    fn lines(&mut self) -> Result<Vec<u8>, IntervalLogError> {
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_max_value_divisor(MAX_VALUE_DIVISOR);
        // The library writes a header for every writer; these lines belong to one header that is in the file already.
        let mut header = Vec::new();
        builder.begin_log_with(&mut header, &mut self.serializer).map_err(failed)?;
        let mut text = Vec::new();
        let mut writer = builder.begin_log_with(&mut text, &mut self.serializer).map_err(failed)?;
        for (tag, histogram) in self.tags.iter().zip(&mut self.groups) {
            let Some(histogram) = histogram.take().filter(|histogram| !histogram.is_empty()) else { continue };
            let (start, length) = (Duration::from_secs(self.second), Duration::from_secs(1));
            writer.write_histogram(&histogram, start, length, Tag::new(tag)).map_err(failed)?;
        }
        Ok(text.split_off(header.len()))
    }
}

/// The header of a log that begins at an instant.
pub(super) fn header(began: SystemTime) -> Result<Vec<u8>, IntervalLogError> {
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("wsim replay: response times in ns, by endpoint group");
    // With only one of the two, viewers disagree about absolute time.
    builder.with_start_time(began).with_base_time(began).with_max_value_divisor(MAX_VALUE_DIVISOR);
    let mut header = Vec::new();
    builder.begin_log_with(&mut header, &mut V2DeflateSerializer::new()).map_err(failed)?;
    Ok(header)
}

fn failed(error: impl std::fmt::Debug) -> IntervalLogError {
    IntervalLogError(format!("{error:?}"))
}

/// Maxima are written in ms, for readers without a tool.
const MAX_VALUE_DIVISOR: f64 = 1e6;
