//! Which endpoint table applies.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::UsageError;
use wsim_endpoints::{ClassifierConfig, SelectedTable, Table, read_own_table, table_for};

/// The endpoint table, as typed.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct TableArgs {
    /// Synapse release whose table applies, like 1.157 [default: newest]
    #[arg(long, value_name = "RELEASE", help_heading = "Endpoint table")]
    pub(super) synapse_version: Option<String>,
    /// Your own table: Ansible list, docs/workers.md or its web page, or HAProxy map
    #[arg(long, value_name = "FILE", conflicts_with = "synapse_version", help_heading = "Endpoint table")]
    pub(super) table: Option<PathBuf>,
    /// Send sliding sync, which no table lists, to the sync workers
    #[arg(long, help_heading = "Endpoint table")]
    pub(super) sliding_sync_to_sync: bool,
}

impl TableArgs {
    /// The table that applies; with a user's own table the release is the newest known.
    ///
    /// # Errors
    /// No table is known for the release, or the file is not a table.
    pub(super) fn select(&self) -> anyhow::Result<SelectedTable> {
        let selected = table_for(self.synapse_version.as_deref());
        let selected = selected.map_err(|error| UsageError(format!("--synapse-version: {error}")))?;
        match &self.table {
            Some(file) => Ok(SelectedTable { table: read_table(file)?, ..selected }),
            None => Ok(selected),
        }
    }

    /// A sentence for the report that names the selected table.
    pub(super) fn describe(&self, selected: &SelectedTable) -> String {
        match (&self.table, &self.synapse_version, selected.newer_than_known) {
            (Some(file), ..) => format!("own table from {}", file.display()),
            (None, None, _) => {
                format!("Synapse {}, the newest known; --synapse-version chooses another", selected.release)
            }
            (None, Some(_), false) => format!("Synapse {}", selected.release),
            (None, Some(_), true) => {
                format!("Synapse {} is newer than every release known here: the newest table was used", selected.release)
            }
        }
    }

    /// How requests are classified by the table.
    pub(super) fn classifier_config(&self) -> ClassifierConfig {
        ClassifierConfig { sliding_sync_to_sync: self.sliding_sync_to_sync, ..ClassifierConfig::default() }
    }
}

/// Reads a user's own table.
pub(super) fn read_table(file: &Path) -> anyhow::Result<Table> {
    let bytes = wsim_text::read_file(file, TABLE_BYTES_MAX).with_context(|| format!("could not read {}", file.display()))?;
    Ok(read_own_table(&file.display().to_string(), &bytes)?)
}

/// Synapse's docs/workers.md has 50 kB.
const TABLE_BYTES_MAX: usize = 4_000_000;
