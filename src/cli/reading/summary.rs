//! What is known of the inputs apart from the requests themselves.

use serde::{Deserialize, Serialize};

use super::ReadConfig;
use wsim_endpoints::Endpoint;
use wsim_parquet::Header;
use wsim_trace::ingest::{LineTally, Outcome};
use wsim_trace::join;

/// Facts about the inputs. They are kept in the trace file's header, so that a report made from a trace states them too; the field
/// names are part of that format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct ReadSummary {
    #[serde(rename = "accounts")]
    pub(in crate::cli) tallies: Vec<LineTally>,
    pub(in crate::cli) user_key: String,
    pub(in crate::cli) joined: Option<join::JoinFacts>,
    pub(in crate::cli) partial: bool,
    pub(in crate::cli) seed: u64,
    pub(in crate::cli) zone: String,
    pub(in crate::cli) synapse_version: String,
    pub(in crate::cli) table_note: String,
}

impl ReadSummary {
    pub(super) fn new(config: &ReadConfig, outcome: Outcome, joined: Option<join::JoinFacts>) -> Self {
        Self {
            tallies: outcome.tallies,
            user_key: outcome.user_keys.describe(),
            joined,
            partial: outcome.partial,
            seed: config.ingest.seed,
            zone: config.ingest.detect.zone.name().to_owned(),
            synapse_version: config.synapse_version.clone(),
            table_note: config.table_note.clone(),
        }
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
        Header {
            schema: Header::SCHEMA.to_owned(),
            endpoints: endpoints.to_vec(),
            extra: serde_json::to_value(self).unwrap_or(serde_json::Value::Null),
        }
    }
}
