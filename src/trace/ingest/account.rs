//! What became of every line: the account that adds up.

use serde::{Deserialize, Serialize};

use wsim_logs::Malformed;

/// One input's lines. `lines == requests + not_requests + malformed`, always.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    /// As given.
    pub path: String,
    /// Format name.
    pub format: String,
    /// Why this format, in words.
    pub reason: String,
    /// What was assumed of its stamps, if anything had to be.
    pub stamp_note: Option<String>,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Physical lines.
    pub lines: u64,
    /// Lines that are requests.
    pub requests: u64,
    /// Whole lines that report no request.
    pub not_requests: u64,
    /// Lines that the format cannot explain.
    pub malformed: u64,
    /// Requests left out because the same line stood in another file (only when asked).
    pub duplicates: u64,
    /// Requests left out because they lie outside `--from`/`--to`.
    pub outside: u64,
    /// Requests left out because their line carries no clock.
    pub without_clock: u64,
    /// First arrival, µs since the epoch.
    pub first_us: Option<i64>,
    /// Last arrival.
    pub last_us: Option<i64>,
    /// Reading ended early: what the system said.
    pub read_error: Option<String>,
    /// The first few malformed lines.
    pub examples: Vec<Example>,
}

/// A malformed line; never its text, which is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Line number from 1.
    pub line: u64,
    /// What was expected, and in which column (from 1).
    pub reason: String,
}

/// Malformed lines kept as examples for each input.
pub(super) const EXAMPLES_MAX: usize = 5;

impl Account {
    /// Counts a malformed line.
    pub(super) fn malformed(&mut self, line: u64, why: Malformed) {
        self.malformed += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(Example { line, reason: format!("expected {} at column {}", why.expected, why.column + 1) });
        }
    }

    /// Widens the span of arrivals.
    pub(super) fn saw(&mut self, arrival_us: i64) {
        self.first_us = Some(self.first_us.map_or(arrival_us, |first| first.min(arrival_us)));
        self.last_us = Some(self.last_us.map_or(arrival_us, |last| last.max(arrival_us)));
    }

    /// Adds the counts of another part of the same input.
    pub(super) fn add(&mut self, part: Account) {
        self.bytes += part.bytes;
        self.lines += part.lines;
        self.requests += part.requests;
        self.not_requests += part.not_requests;
        self.malformed += part.malformed;
        self.duplicates += part.duplicates;
        self.outside += part.outside;
        self.without_clock += part.without_clock;
        for arrival in [part.first_us, part.last_us].into_iter().flatten() {
            self.saw(arrival);
        }
        self.examples.extend(part.examples);
        self.examples.sort_by_key(|example| example.line);
        self.examples.truncate(EXAMPLES_MAX);
    }
}
