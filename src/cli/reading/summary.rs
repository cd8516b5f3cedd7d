//! What is known of the inputs apart from the requests themselves.

use serde::{Deserialize, Serialize};

use super::ReadConfig;
use wsim_endpoints::{Endpoint, table_for};
use wsim_logs::source::Input;
use wsim_parquet::Header;
use wsim_plan::PresetConfig;
use wsim_trace::ServerNames;
use wsim_trace::ingest::{LineTally, OtherNames, Outcome, SameRequests};
use wsim_trace::join;

/// Facts about the inputs. They are kept in the trace file's header, so that a report made from a trace states them too; the field
/// names are part of that format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct ReadSummary {
    #[serde(rename = "accounts")]
    pub(in crate::cli) tallies: Vec<LineTally>,
    pub(in crate::cli) user_key: String,
    /// Whether requests have logged users, and none an address in place of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) users_named: Option<bool>,
    pub(in crate::cli) joined: Option<join::JoinFacts>,
    pub(in crate::cli) partial: bool,
    /// Reading was interrupted within a file or before one, not only at the end of what standard input had brought.
    #[serde(default)]
    pub(in crate::cli) cut_short: bool,
    /// Requests are kept, so that a proxy's and Synapse's are joined.
    #[serde(default = "yes")]
    pub(in crate::cli) requests_kept: bool,
    pub(in crate::cli) seed: u64,
    pub(in crate::cli) zone: String,
    pub(in crate::cli) synapse_version: String,
    pub(in crate::cli) table_note: String,
    #[serde(default)]
    pub(in crate::cli) other_names: OtherNames,
    /// The servers that a log is of or about, before anonymising; a header of an anonymised trace does not have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) server_names: Option<ServerNames>,
    /// Inputs that hold the same requests.
    #[serde(default)]
    pub(in crate::cli) same_requests: Vec<SameRequests>,
    /// What of the arguments was not read, and why; not in an anonymised trace.
    #[serde(default)]
    pub(in crate::cli) source_notes: Vec<String>,
    #[serde(default)]
    pub(in crate::cli) anonymised: bool,
    /// The key of the pseudonyms is in a file of the user.
    #[serde(default)]
    pub(in crate::cli) key_kept: bool,
    /// Sliding sync was counted with `/sync`.
    #[serde(default)]
    pub(in crate::cli) sliding_sync_to_sync: bool,
    /// Requests of a trace that `--from` and `--to` left out when it was read again.
    #[serde(default)]
    pub(in crate::cli) outside_range: u64,
    /// This run replaces names, so that its command line is not shown as typed.
    #[serde(skip)]
    pub(in crate::cli) hides_command: bool,
    /// `--tz` for a trace: the zone of the report's hours in place of that of the stamps.
    #[serde(skip)]
    pub(in crate::cli) hours_zone: Option<String>,
}

impl ReadSummary {
    /// Whether every request that has a user has one that was logged, and not an address in its place.
    pub(in crate::cli) fn users_are_named(&self) -> bool {
        // Traces of earlier versions have the sentence only.
        let by_sentence = || !self.user_key.contains("address and user agent") && !self.user_key.contains("no user");
        self.users_named.unwrap_or_else(by_sentence)
    }

    pub(super) fn new(config: &ReadConfig, outcome: Outcome, joined: Option<join::JoinFacts>) -> Self {
        // Standard input has no end of its own: who interrupts it has seen all that came.
        let last = outcome.tallies.len().checked_sub(1).and_then(|last| config.sources.get(last));
        let ended_by_stream =
            outcome.tallies.len() == config.sources.len() && last.is_some_and(|source| source.input == Input::StandardInput);
        Self {
            tallies: outcome.tallies,
            users_named: Some(outcome.user_keys.are_logged()),
            user_key: outcome.user_keys.describe(),
            joined,
            partial: outcome.partial,
            cut_short: outcome.partial && !ended_by_stream,
            requests_kept: config.keep_requests,
            seed: config.ingest.seed,
            zone: config.ingest.detect.zone.name().to_owned(),
            synapse_version: config.synapse_version.clone(),
            table_note: config.table_note.clone(),
            other_names: outcome.other_names,
            same_requests: outcome.same_requests,
            server_names: Some(outcome.server_names),
            source_notes: config.source_notes.clone(),
            anonymised: false,
            key_kept: false,
            sliding_sync_to_sync: config.sliding_sync_to_sync,
            outside_range: 0,
            hides_command: false,
            hours_zone: None,
        }
    }

    /// The zone of the report's hours.
    pub(in crate::cli) fn hours_zone(&self) -> &str {
        self.hours_zone.as_deref().unwrap_or(&self.zone)
    }

    /// What the standard plans share. A user's own table is of no release; the newest known one is taken.
    pub(in crate::cli) fn preset_config(&self) -> PresetConfig {
        let newest = || table_for(None).map_or_else(|_| PresetConfig::default().synapse, |table| table.release.to_string());
        let synapse = if is_release(&self.synapse_version) { self.synapse_version.clone() } else { newest() };
        PresetConfig { synapse, sliding_sync: self.sliding_sync_to_sync, ..PresetConfig::default() }
    }

    /// The summary in a trace file's header.
    ///
    /// # Errors
    /// The file was written by an incompatible version.
    pub(super) fn from_header(header: &Header) -> anyhow::Result<Self> {
        Ok(serde_json::from_value(header.extra.clone())?)
    }

    /// The header of a trace file.
    pub(in crate::cli) fn to_header(&self, endpoints: &[Endpoint]) -> Header {
        // Which names were kept of too many depends on the threads.
        let server_names = self.server_names.clone().filter(|names| !self.anonymised && !names.is_incomplete());
        let summary = Self { server_names, ..self.clone() };
        Header {
            schema: Header::SCHEMA.to_owned(),
            endpoints: endpoints.to_vec(),
            extra: serde_json::to_value(summary).unwrap_or(serde_json::Value::Null),
        }
    }
}

fn yes() -> bool {
    true
}

/// `1.157` or `1.157.1`.
pub(super) fn is_release(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_table_is_not_a_release() {
        assert!(is_release("1.157") && is_release("1.157.1"));
        assert!(!is_release("acme.map") && !is_release("") && !is_release("1.acme"));
    }
}
