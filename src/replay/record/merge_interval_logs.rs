//! Merges the interval logs of several shards into one.
//!
//! A line's time counts from its own log's base time. The merged log has the earliest base time, and the lines of the others are shifted.
//! Lines of one second and tag stay separate: the tools that read such logs add them.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::serialization::interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry, LogIteratorError};

use super::histogram_bytes;
use super::interval_log::{IntervalLogError, header};

/// Why logs cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeLogError {
    /// A log has something else than comments and histograms.
    #[error("line {line} of interval log {log}: expected a tag, start, length, maximum and histogram")]
    Line {
        /// Index of the log, from 0.
        index: usize,
        /// Number of the log, from 1.
        log: usize,
        /// Number of the line, from 1.
        line: usize,
    },
    /// A log without the instant that its times count from: cut off, or not an interval log.
    #[error("interval log {log} is empty or has no line with #[BaseTime: …]: copy it once more from the machine that wrote it")]
    NoBaseTime {
        /// Index of the log, from 0.
        index: usize,
        /// Number of the log, from 1.
        log: usize,
    },
    /// A histogram that is damaged, or claims more than a histogram of this program holds.
    #[error(
        "interval log {log}, the line at {second} s: its histogram cannot be read; copy the log once more from the machine that wrote it"
    )]
    Histogram {
        /// Index of the log, from 0.
        index: usize,
        /// Number of the log, from 1.
        log: usize,
        /// Whole seconds at the beginning of the line.
        second: u64,
    },
    #[error(transparent)]
    Header(#[from] IntervalLogError),
}

/// Merges interval logs as wsim writes them. Times are exact to a millisecond, as in the logs.
///
/// # Errors
/// See [`MergeLogError`].
pub fn merge_interval_logs(logs: &[String]) -> Result<String, MergeLogError> {
    let parsed = logs.iter().enumerate().map(|(index, log)| parse(index, log)).collect::<Result<Vec<_>, _>>()?;
    let Some(base) = parsed.iter().map(|log| log.base).min() else { return Ok(String::new()) };
    let mut lines: Vec<(Duration, &IntervalLogHistogram<'_>)> = Vec::new();
    for log in &parsed {
        let shift = log.base - base;
        lines.extend(log.histograms.iter().map(|histogram| (shift + histogram.start_timestamp(), histogram)));
    }
    // Stable: lines of one instant keep the order of the shards.
    lines.sort_by_key(|(start, _)| *start);
    let mut merged = String::from_utf8_lossy(&header(SystemTime::UNIX_EPOCH + base)?).into_owned();
    for (start, histogram) in lines {
        if let Some(tag) = histogram.tag() {
            let _infallible = write!(merged, "Tag={},", tag.as_str());
        }
        let (start, length) = (start.as_secs_f64(), histogram.duration().as_secs_f64());
        let _infallible = writeln!(merged, "{start:.3},{length:.3},{:.3},{}", histogram.max(), histogram.encoded_histogram());
    }
    Ok(merged)
}

struct ParsedLog<'a> {
    /// The instant that the log's times count from, since the epoch.
    base: Duration,
    histograms: Vec<IntervalLogHistogram<'a>>,
}

fn parse(index: usize, text: &str) -> Result<ParsedLog<'_>, MergeLogError> {
    let (mut base, mut histograms) = (None, Vec::new());
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        match entry {
            Ok(LogEntry::BaseTime(time)) => base = Some(time.min(TIME_MAX)),
            Ok(LogEntry::StartTime(_)) => {}
            Ok(LogEntry::Interval(histogram)) => {
                let bytes = BASE64_STANDARD.decode(histogram.encoded_histogram()).unwrap_or_default();
                let second = histogram.start_timestamp().as_secs();
                if second > TIME_MAX.as_secs() || histogram_bytes::decode(&bytes).is_none() {
                    return Err(MergeLogError::Histogram { index, log: index + 1, second });
                }
                histograms.push(histogram);
            }
            Err(LogIteratorError::ParseError { offset }) => {
                let line = text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1;
                return Err(MergeLogError::Line { index, log: index + 1, line });
            }
        }
    }
    let base = base.ok_or(MergeLogError::NoBaseTime { index, log: index + 1 })?;
    Ok(ParsedLog { base, histograms })
}

/// The year 9999. Sums of such times do not overflow.
const TIME_MAX: Duration = Duration::from_secs(253_402_300_800);

#[cfg(test)]
mod tests {
    use super::*;

    fn log(base_ms: u64, lines: &str) -> String {
        String::from_utf8(header(SystemTime::UNIX_EPOCH + Duration::from_millis(base_ms)).unwrap()).unwrap() + &real(lines)
    }

    /// Lines with histograms in place of `HISTa` to `HISTd`.
    fn real(lines: &str) -> String {
        ["HISTa", "HISTb", "HISTc", "HISTd"].iter().zip(1..).fold(lines.to_owned(), |lines, (name, ns)| {
            let mut times = super::super::LatencyHistogram::default();
            times.record(ns);
            lines.replace(name, &BASE64_STANDARD.encode(times.to_bytes()))
        })
    }

    #[test]
    fn lines_are_sorted_by_time_under_one_header() {
        let late = log(100_250, "Tag=sync,0.000,1.000,2.000,HISTa\nTag=sync,2.000,1.000,2.000,HISTb\n");
        let early = log(99_750, "Tag=sync,0.000,1.000,2.000,HISTc\n1.000,1.000,2.125,HISTd\n");
        let merged = merge_interval_logs(&[late, early.clone()]).unwrap();
        let expected = [
            "Tag=sync,0.000,1.000,2.000,HISTc",
            "Tag=sync,0.500,1.000,2.000,HISTa",
            "1.000,1.000,2.125,HISTd",
            "Tag=sync,2.500,1.000,2.000,HISTb",
        ];
        let expected = expected.map(real);
        let head = log(99_750, "");
        assert_eq!(
            merged.strip_prefix(&head).map(|lines| lines.lines().collect::<Vec<_>>()),
            Some(expected.iter().map(|line| line.as_str()).collect()),
            "{merged}"
        );
        assert!(head.contains("#[BaseTime: 99.750 "), "{head}");
        assert_eq!(merge_interval_logs(std::slice::from_ref(&early)).unwrap(), early, "a single log stays as it is");
    }

    #[test]
    fn a_log_without_a_base_time_is_named() {
        // A run without a response has the header only.
        let whole = log(1000, "");
        for text in ["", "# comment\n"] {
            let error = merge_interval_logs(&[whole.clone(), text.to_owned()]).unwrap_err();
            assert!(error.to_string().starts_with("interval log 2 is empty or"), "{error}");
        }
        assert_eq!(merge_interval_logs(&[whole.clone(), log(1000, "")]).unwrap(), whole);
    }

    #[test]
    fn a_malformed_line_is_named() {
        let error = merge_interval_logs(&[log(1000, ""), log(1000, "Tag=sync,soon,1.000,2.000,HISTa\n")]).unwrap_err();
        assert_eq!(error.to_string(), "line 5 of interval log 2: expected a tag, start, length, maximum and histogram");
    }

    #[test]
    fn a_bomb_in_a_histogram_is_named() {
        // A length of 4 GB in the head of a histogram; a word that is no base64; a time that no clock shows.
        let bomb = BASE64_STANDARD.encode(hex("1c849314 0000002e 789c 63606460 f8ff1f 0000ffff"));
        for line in [format!("Tag=sync,7.000,1.000,2.000,{bomb}\n"), "7.000,1.000,2.000,HISTOGRAM\n".to_owned()] {
            let error = merge_interval_logs(&[log(1000, ""), log(1000, &line)]).unwrap_err();
            assert!(error.to_string().starts_with("interval log 2, the line at 7 s: its histogram cannot be read"), "{error}");
        }
        let late = log(1000, "99999999999999.000,1.000,2.000,HISTa\n");
        assert!(matches!(merge_interval_logs(&[late]), Err(MergeLogError::Histogram { .. } | MergeLogError::Line { .. })));
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }
}
