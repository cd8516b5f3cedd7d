//! The names a plan may use: endpoint groups and replication streams.
//!
//! Knows nothing of the patterns behind them. Source of the streams: `synapse/config/workers.py`, which checks how many writers a
//! stream may have.

use wsim_endpoints::groups::{self, Origin};

/// Whether `group` is a group that a pool may name.
pub fn is_group(group: &str) -> bool {
    groups().any(|known| known == group)
}

/// Every group that a pool may name.
pub fn groups() -> impl Iterator<Item = &'static str> {
    groups::of_plans().map(|group| group.id)
}

/// Whether only the main process serves a group, whatever a plan says.
pub fn is_main_only(group: &str) -> bool {
    groups::find(group).is_some_and(|group| group.origin == Origin::MainOnly)
}

/// How many writers a stream may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterLimit {
    /// Synapse refuses to start with more than one.
    ExactlyOne,
    /// One or more, sharded by Synapse itself.
    OneOrMore,
    /// Synapse does not check.
    Unchecked,
}

/// The streams that a plan may give writers, with the limit Synapse sets.
pub const STREAMS: [(&str, WriterLimit); 10] = [
    ("events", WriterLimit::OneOrMore),
    ("typing", WriterLimit::ExactlyOne),
    ("to_device", WriterLimit::ExactlyOne),
    ("account_data", WriterLimit::ExactlyOne),
    ("receipts", WriterLimit::OneOrMore),
    ("presence", WriterLimit::ExactlyOne),
    ("push_rules", WriterLimit::ExactlyOne),
    ("device_lists", WriterLimit::OneOrMore),
    ("thread_subscriptions", WriterLimit::Unchecked),
    ("quarantined_media_changes", WriterLimit::Unchecked),
];

/// The limit of one stream; `None` if there is no such stream.
pub fn writer_limit(stream: &str) -> Option<WriterLimit> {
    STREAMS.iter().find(|(name, _)| *name == stream).map(|(_, limit)| *limit)
}
