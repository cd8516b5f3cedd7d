//! The count of every input's lines, which always adds up.

use serde::{Deserialize, Serialize};

use wsim_logs::Malformed;

/// One input and the count of its lines: `lines == requests + not_requests + malformed`, always. The field names are part of
/// trace files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LineTally {
    /// As given, or as found in a folder; `-` for standard input.
    pub path: String,
    /// Name of the format.
    pub format: String,
    /// Why the input is read in this format: `200 of 200 sampled lines`.
    pub reason: String,
    /// What was assumed about the meaning of the time stamps, if anything had to be.
    pub stamp_note: Option<String>,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Physical lines.
    pub lines: u64,
    /// Lines that report a request.
    pub requests: u64,
    /// Complete lines that report no request: other loggers, tracebacks, headers, blank lines.
    pub not_requests: u64,
    /// Lines that the format cannot explain.
    pub malformed: u64,
    /// Requests left out because an earlier file has the same line (only with `--dedupe`).
    pub duplicates: u64,
    /// Requests left out because they are outside `--from`/`--to`.
    pub outside: u64,
    /// First and last arrival of those, µs since the epoch. Not kept in trace files.
    #[serde(skip)]
    pub outside_span_us: Option<(i64, i64)>,
    /// Requests left out because their line has no time stamp.
    pub without_clock: u64,
    /// First arrival, µs since the epoch.
    pub first_us: Option<i64>,
    /// Last arrival, µs since the epoch.
    pub last_us: Option<i64>,
    /// The system's message if reading ended early.
    pub read_error: Option<String>,
    /// The first few malformed lines.
    pub examples: Vec<MalformedExample>,
}

/// One of the malformed lines. Never its text, which is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedExample {
    /// The input that contains it.
    #[serde(default)]
    pub path: String,
    /// Line number, from 1.
    pub line: u64,
    /// What was expected, and in which column (from 1).
    pub reason: String,
}

/// Malformed lines kept as examples for each input.
pub(super) const EXAMPLES_MAX: usize = 5;

impl LineTally {
    /// Counts a malformed line.
    pub(super) fn record_malformed(&mut self, line: u64, why: Malformed) {
        self.malformed += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let reason = format!("expected {} at column {}", why.expected, why.column + 1);
            self.examples.push(MalformedExample { path: self.path.clone(), line, reason });
        }
    }

    /// Counts a request outside `--from`/`--to`.
    pub(super) fn record_outside(&mut self, arrival_us: i64) {
        self.outside += 1;
        self.extend_outside_span((arrival_us, arrival_us));
    }

    fn extend_outside_span(&mut self, (first, last): (i64, i64)) {
        let (earliest, latest) = self.outside_span_us.unwrap_or((first, last));
        self.outside_span_us = Some((earliest.min(first), latest.max(last)));
    }

    /// Extends the span of arrivals.
    pub(super) fn extend_span(&mut self, arrival_us: i64) {
        self.first_us = Some(self.first_us.map_or(arrival_us, |first| first.min(arrival_us)));
        self.last_us = Some(self.last_us.map_or(arrival_us, |last| last.max(arrival_us)));
    }

    /// Adds the counts of another part of the same input.
    pub(super) fn add(&mut self, part: LineTally) {
        self.bytes += part.bytes;
        self.lines += part.lines;
        self.requests += part.requests;
        self.not_requests += part.not_requests;
        self.malformed += part.malformed;
        self.duplicates += part.duplicates;
        self.outside += part.outside;
        self.without_clock += part.without_clock;
        if let Some(span) = part.outside_span_us {
            self.extend_outside_span(span);
        }
        for arrival in [part.first_us, part.last_us].into_iter().flatten() {
            self.extend_span(arrival);
        }
        self.examples.extend(part.examples.into_iter().map(|example| MalformedExample { path: self.path.clone(), ..example }));
        self.examples.sort_by_key(|example| example.line);
        self.examples.truncate(EXAMPLES_MAX);
    }
}
