//! The names a plan may use: endpoint groups and replication streams.
//!
//! Knows nothing of the patterns behind them. Source of the table groups: `docs/workers.md` of element-hq/synapse, releases
//! 0.26.0 to 1.157.1; of the streams: `synapse/config/workers.py`, which checks how many writers a stream may have.

/// Groups of the endpoint tables, of every release.
pub const TABLE_GROUPS: [&str; 26] = [
    "sync",
    "federation",
    "federation_send",
    "client",
    "encryption",
    "registration_login",
    "event_sending",
    "user_directory",
    "delayed_events",
    "push_rules",
    "account_data",
    "presence",
    "admin",
    "pagination",
    "sso_all",
    "sso_oidc",
    "sso_saml",
    "sso_cas",
    "typing",
    "to_device",
    "receipts",
    "device_lists",
    "quarantined_media_changes",
    "media",
    "media_admin",
    "groups",
];

/// Groups of this program's own, beside those of the tables.
pub const OWN_GROUPS: [&str; 13] = [
    "initial_sync",
    "sliding_sync",
    "sso",
    "well_known",
    "health",
    "metrics",
    "client_other",
    "federation_other",
    "matrix_other",
    "synapse_other",
    "key_server",
    "not_matrix",
    "invalid",
];

/// Whether `group` is a group that a pool may name.
pub fn is_group(group: &str) -> bool {
    groups().any(|known| known == group)
}

/// Every group that a pool may name.
pub fn groups() -> impl Iterator<Item = &'static str> {
    TABLE_GROUPS.into_iter().chain(OWN_GROUPS)
}

/// Groups that only the main process serves, whatever a plan says. `client_other`, `federation_other`: in no table.
pub const MAIN_ONLY_GROUPS: [&str; 11] = [
    "sso",
    "well_known",
    "health",
    "metrics",
    "client_other",
    "federation_other",
    "matrix_other",
    "synapse_other",
    "key_server",
    "not_matrix",
    "invalid",
];

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

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_endpoints::{Classifier, Options, table_for};

    #[test]
    fn every_group_that_a_request_can_get_may_be_named() {
        for release in ["1.10", "1.50", "1.157"] {
            let classifier = Classifier::new(&table_for(Some(release)).unwrap().table, &Options::default()).unwrap();
            for endpoint in classifier.endpoints() {
                assert_eq!(is_group(&endpoint.group), !endpoint.internal, "{release}: {}", endpoint.group);
                assert!(!MAIN_ONLY_GROUPS.contains(&endpoint.group.as_str()) || endpoint.workers.is_empty(), "{release}: {endpoint:?}");
            }
        }
    }
}
