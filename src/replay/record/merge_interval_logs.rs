//! Merges the interval logs of several shards into one.
//!
//! A line's time counts from its own log's base time. The merged log has the earliest base time, and the lines of the others are shifted.
//! Lines of one second and tag stay separate: the tools that read such logs add them.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry, LogIteratorError};

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
    #[error(transparent)]
    Header(#[from] IntervalLogError),
}

/// Merges interval logs as wsim writes them. Times are exact to a millisecond, as in the logs.
///
/// # Errors
/// See [`MergeLogError`].
pub fn merge_interval_logs(logs: &[String]) -> Result<String, MergeLogError> {
    let parsed = logs.iter().enumerate().map(|(index, log)| parse(index, log)).collect::<Result<Vec<_>, _>>()?;
    let Some(base) = parsed.iter().filter_map(|log| log.base).min() else { return Ok(String::new()) };
    let mut lines: Vec<(Duration, &IntervalLogHistogram<'_>)> = Vec::new();
    for log in &parsed {
        let shift = log.base.unwrap_or(base) - base;
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
    base: Option<Duration>,
    histograms: Vec<IntervalLogHistogram<'a>>,
}

fn parse(index: usize, text: &str) -> Result<ParsedLog<'_>, MergeLogError> {
    let mut log = ParsedLog { base: None, histograms: Vec::new() };
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        match entry {
            Ok(LogEntry::BaseTime(base)) => log.base = Some(base),
            Ok(LogEntry::StartTime(_)) => {}
            Ok(LogEntry::Interval(histogram)) => log.histograms.push(histogram),
            Err(LogIteratorError::ParseError { offset }) => {
                let line = text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1;
                return Err(MergeLogError::Line { index, log: index + 1, line });
            }
        }
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(base_ms: u64, lines: &str) -> String {
        String::from_utf8(header(SystemTime::UNIX_EPOCH + Duration::from_millis(base_ms)).unwrap()).unwrap() + lines
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
        let head = log(99_750, "");
        assert_eq!(merged.strip_prefix(&head).map(|lines| lines.lines().collect::<Vec<_>>()), Some(expected.to_vec()), "{merged}");
        assert!(head.contains("#[BaseTime: 99.750 "), "{head}");
        assert_eq!(merge_interval_logs(std::slice::from_ref(&early)).unwrap(), early, "a single log stays as it is");
    }

    #[test]
    fn a_malformed_line_is_named() {
        let error = merge_interval_logs(&[log(1000, ""), log(1000, "Tag=sync,soon,1.000,2.000,HISTa\n")]).unwrap_err();
        assert_eq!(error.to_string(), "line 5 of interval log 2: expected a tag, start, length, maximum and histogram");
    }
}
