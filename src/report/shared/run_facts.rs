//! Facts about a run that every report states.

use wsim_trace::join::JoinFacts;

/// Facts about the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// Version of wsim.
    pub wsim: String,
    /// When the report was created, RFC 3339.
    pub created: String,
    /// The command line, as typed.
    pub command: String,
    /// Random seed.
    pub seed: u64,
    /// Synapse release whose endpoint table classified the requests.
    pub synapse_version: String,
    /// Which endpoint table was used, and why; one sentence.
    pub table_note: String,
    /// Zone of times without a zone in a log, and of the chart by weekday: `UTC`, `Europe/Berlin`.
    pub time_zone: String,
    /// Whether reading was interrupted; if so, the numbers cover what had been read until then.
    pub partial: bool,
    /// How proxy and Synapse logs were joined, if both were given.
    pub joined: Option<JoinFacts>,
    /// Assumptions made while reading (time stamps, zones, fractions of seconds), one sentence each.
    pub assumptions: Vec<String>,
    /// Commands to run next, most useful first.
    pub next: Vec<NextStep>,
}

/// A command that is useful after this run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NextStep {
    /// Purpose of the command, in a few words.
    pub why: String,
    pub command: String,
}
