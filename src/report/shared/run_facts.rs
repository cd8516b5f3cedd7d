//! What a report says beside the profile and the advice: where the numbers came from. Plain data.

use serde::{Deserialize, Serialize};

pub use wsim_trace::ingest::MalformedExample;
pub use wsim_trace::join::JoinFacts;

/// One input file and the account of its lines: `lines == requests + not_requests + malformed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// As given, or as found in a folder; `-` for standard input.
    pub path: String,
    /// Format read: `nginx combined`, `synapse`, …
    pub format: String,
    /// Why this format: `200 of 200 sampled lines`.
    pub format_reason: String,
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Physical lines.
    pub lines: u64,
    /// Lines that report a request.
    pub requests: u64,
    /// Whole lines that report none: other loggers, tracebacks, headers, blank lines.
    pub not_requests: u64,
    /// Broken lines.
    pub malformed: u64,
    /// Requests left out because another file had them already; part of [`Self::requests`].
    pub duplicates: u64,
    /// First arrival, RFC 3339; `None` without requests.
    pub first: Option<String>,
    /// Last arrival, RFC 3339.
    pub last: Option<String>,
    /// What was assumed about its stamps (start or end, zone, resolution), one sentence; may be empty.
    pub time_note: String,
}

impl Input {
    /// Whether every line is counted exactly once.
    pub fn adds_up(&self) -> bool {
        self.lines == self.requests + self.not_requests + self.malformed && self.duplicates <= self.requests
    }
}

/// What is true of the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Version of wsim that made the report.
    pub wsim: String,
    /// When, RFC 3339.
    pub created: String,
    /// The command line, as typed.
    pub command: String,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Synapse release whose endpoint table classified the requests.
    pub synapse_version: String,
    /// Which table, and why this one; one sentence.
    pub table_note: String,
    /// Zone of stamps without one and of the weekday chart: `UTC`, `Europe/Berlin`.
    pub time_zone: String,
    /// Reading was interrupted: the numbers cover what had been read.
    pub partial: bool,
    /// How proxy and Synapse logs were put together, if both were given.
    pub joined: Option<JoinFacts>,
    /// What reading rests on (stamps, zones, drawn sub-seconds), one sentence each.
    pub assumptions: Vec<String>,
    /// What to type next, most useful first.
    pub next: Vec<NextStep>,
}

/// A command worth typing next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// What it is for, a few words.
    pub why: String,
    /// The command line.
    pub command: String,
}
