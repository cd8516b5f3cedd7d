//! Making a world on a test homeserver, and removing it.
//!
//! ```text
//! Survey ─▶ design ─▶ Manifest with gaps ─▶ stages, one kind of gap each ─▶ Manifest without
//!                          ▲    └─ saved while it is filled: an interrupted run goes on where it was
//! ```
//!
//! Invariant: what exists is in the manifest, so nothing is made twice but what was made in the instant of an interruption.

mod accounts;
mod api;
mod design;
mod estimate;
mod keys;
mod marker;
mod media;
mod provisioner;
mod purge;
mod rooms;
mod syncs;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

pub use design::{WorldConfig, design};
pub use estimate::MissingItems;
pub use marker::has_marker_room;
pub use purge::purge;

use super::{Manifest, ManifestError};
use provisioner::Provisioner;
use wsim_transport::{Client, Failure};

/// How to provision.
#[derive(Debug, Clone)]
pub struct ProvisionConfig {
    /// Where the manifest is kept.
    pub path: PathBuf,
    /// Requests at a time.
    pub concurrency: usize,
    /// Where accounts come from.
    pub accounts: AccountSource,
    /// Server names that the target must not have, as they stand in [`super::server_names`].
    pub forbidden: BTreeSet<String>,
}

/// Where accounts come from.
#[derive(Debug, Clone)]
pub enum AccountSource {
    /// The target's `registration_shared_secret`.
    Secret(String),
    /// Accounts that exist: user id and token. Secret.
    Tokens(Vec<(String, String)>),
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being made, in a few words.
    pub stage: &'static str,
    /// How many are made.
    pub done: usize,
    /// Of how many.
    pub total: usize,
}

/// Why a world could not be made or removed. What was made until then is in the manifest.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// No answer.
    #[error("the target does not answer: {0}")]
    Failure(#[from] Failure),
    /// It is no homeserver.
    #[error("the target is no Matrix homeserver: GET /_matrix/client/versions answered {status}")]
    NotMatrix {
        /// HTTP status.
        status: u16,
    },
    /// The registration API has no secret.
    #[error("the target has no registration_shared_secret: set one in its homeserver.yaml, or give accounts with --tokens")]
    NoSecret,
    /// The secret is another.
    #[error("the target refused the registration secret: it is not the registration_shared_secret of its homeserver.yaml")]
    WrongSecret,
    /// There is no registration API: Matrix Authentication Service has the accounts.
    #[error(
        "the target has no registration API (accounts are kept by Matrix Authentication Service): make accounts there and give them with --tokens"
    )]
    NoRegistration,
    /// A proxy is in the way.
    #[error("the target does not let /_synapse/admin through ({status}): use an address where it does, for example Synapse's own port")]
    NoAdmin {
        /// HTTP status.
        status: u16,
    },
    /// Rate limits.
    #[error("rate limited for too long at {what}: raise {limit} in the target's homeserver.yaml")]
    RateLimited {
        /// What was being made.
        what: &'static str,
        /// Which settings hold for it.
        limit: &'static str,
    },
    /// Anything else.
    #[error("{what}: the target answered {status} {code} {message}")]
    ErrorResponse {
        /// What was being made.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// `errcode`.
        code: String,
        /// `error`, cut.
        message: String,
    },
    /// An answer without what it must have.
    #[error("{what}: the target's answer has no {field}")]
    MissingField {
        /// What was being made.
        what: &'static str,
        /// What is missing.
        field: &'static str,
    },
    /// The target is a server of the log.
    #[error("the log names {server}, which is the target: users and rooms would be made on the server that the log is from")]
    ServerInLog {
        /// Its name.
        server: String,
    },
    /// The manifest belongs to another target.
    #[error("this world was made at {there}, not at {here}: name another --world")]
    OtherTarget {
        /// Where it was made.
        there: String,
        /// Where it was to go on.
        here: String,
    },
    /// The target knows nothing of this world.
    #[error(
        "the target does not know the accounts of this world any more, as if it had been set up anew: delete the world file, or name another"
    )]
    WorldUnknown,
    /// Nothing can be removed.
    #[error("this world was made with given accounts and has no administrator: its accounts and rooms are left as they are")]
    NoAdministrator,
    /// There is nobody to make anything with.
    #[error("there are no accounts: the list of tokens is empty")]
    NoAccounts,
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Fills the manifest's gaps on the target. `show` is called whenever something was made.
///
/// # Errors
/// See [`ProvisionError`].
pub async fn provision(
    client: &Client,
    manifest: &mut Manifest,
    config: &ProvisionConfig,
    show: &dyn Fn(Progress),
) -> Result<(), ProvisionError> {
    let mut provisioner = Provisioner::new(client, manifest, config, show)?;
    provisioner.check_homeserver().await?;
    provisioner.check_server_name(&config.forbidden).await?;
    provisioner.create_accounts(&config.accounts, &config.forbidden).await?;
    provisioner.create_marker_room().await?;
    provisioner.log_in_devices().await?;
    provisioner.lift_rate_limits().await?;
    provisioner.create_filters().await?;
    provisioner.create_rooms().await?;
    provisioner.join_rooms().await?;
    provisioner.send_history().await?;
    provisioner.upload_keys().await?;
    provisioner.create_key_backups().await?;
    provisioner.fill_key_backups().await?;
    provisioner.upload_media().await?;
    provisioner.sync_devices().await?;
    provisioner.save()
}
