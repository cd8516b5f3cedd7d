//! Why no parser was found for a file.

use std::cmp::Reverse;

use super::super::formats::error::FormatError;

/// Why there is no parser for a file.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    #[error("--log-format: {0}")]
    LogFormat(#[from] FormatError),
    #[error("--nginx-config: log_format {name}: {source}")]
    NginxConfig { name: String, source: FormatError },
    /// The nginx configuration does not state the format of this log.
    #[error("--nginx-config: no access_log has a declared log_format, so the format of this log is unknown")]
    NoAccessLog,
    /// No candidate reads enough of the sample.
    #[error("no known log format fits the sampled lines{}{why}; name it with --format or describe it with --log-format", tried_text(*.sampled, .tried))]
    NothingFits {
        /// Number of sampled lines.
        sampled: usize,
        /// Candidates, with how many lines each reads as requests.
        tried: Vec<(String, usize)>,
        /// Where the sample differs from what is known, in sentence fragments that begin with `; `.
        why: String,
    },
    /// A binary file, of this kind if it is known.
    #[error("not a text log{}", kind.map_or_else(String::new, |kind| format!(" (looks like {kind})")))]
    NotText { kind: Option<&'static str> },
    /// A text that is no log of requests.
    #[error("no log of requests (looks like {kind})")]
    NoLog { kind: &'static str },
}

/// How close the best candidates came: ` (nginx combined: requests in 12 of 200 lines; haproxy: 3)`; empty if none came close.
fn tried_text(sampled: usize, tried: &[(String, usize)]) -> String {
    let mut best: Vec<&(String, usize)> = tried.iter().filter(|(_, requests)| *requests > 0).collect();
    best.sort_by_key(|(_, requests)| Reverse(*requests));
    best.dedup_by_key(|(name, _)| name);
    let Some(((name, requests), others)) = best.split_first() else {
        return String::new();
    };
    let others: Vec<String> = others.iter().map(|(name, requests)| format!("; {name}: {requests}")).collect();
    format!(" ({name}: requests in {requests} of {sampled} lines{})", others.concat())
}
