//! Creates a world on a test homeserver, and removes it.
//!
//! ```text
//! Survey ─▶ design ─▶ Manifest without ids ─▶ stages, one for each kind of item ─▶ Manifest with ids
//!                          ▲    └─ saved during every stage, so that an interrupted run can continue
//! ```
//!
//! Invariant: what exists is in the manifest, so that nothing is created twice except what was being created when a run was interrupted.

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

use std::path::PathBuf;

pub use design::{WorldConfig, design};
pub use estimate::MissingItems;
pub use marker::has_marker_room;
pub use purge::purge;

use super::{CheckedTarget, Manifest, ManifestError};
pub(super) use api::ApiCall;
use provisioner::Provisioner;
use wsim_replay::guard::Refusal;
use wsim_transport::Failure;

#[derive(Debug, Clone)]
pub struct ProvisionConfig {
    /// File of the manifest.
    pub path: PathBuf,
    /// Concurrent requests.
    pub concurrency: usize,
    pub accounts: AccountSource,
}

/// Where accounts come from.
#[derive(Debug, Clone)]
pub enum AccountSource {
    /// The target's `registration_shared_secret`.
    Secret(String),
    /// Existing accounts: user id and token. Secret.
    Tokens(Vec<(String, String)>),
}

/// Progress of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being created.
    pub stage: &'static str,
    /// Items that are finished.
    pub done: usize,
    /// Items of the stage.
    pub total: usize,
}

/// Why a world could not be created or removed. What was created until then is in the manifest.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("the target does not respond: {0}")]
    Failure(#[from] Failure),
    /// The registration API is disabled.
    #[error("the target has no registration_shared_secret: set one in its homeserver.yaml, or give accounts with --tokens")]
    NoSecret,
    #[error("the target refused the registration secret: it is not the registration_shared_secret of its homeserver.yaml")]
    WrongSecret,
    /// There is no registration API, because Matrix Authentication Service manages the accounts.
    #[error(
        "the target has no registration API (accounts are managed by Matrix Authentication Service): create accounts there and give them with --tokens"
    )]
    NoRegistration,
    /// A proxy blocks the administration API.
    #[error("the target blocks /_synapse/admin ({status}): use an address that does not, for example Synapse's own port")]
    NoAdmin {
        /// HTTP status.
        status: u16,
    },
    #[error("rate limited for too long at {what}: raise {limit} in the target's homeserver.yaml")]
    RateLimited {
        /// What was being created.
        what: &'static str,
        /// The settings that limit it.
        limit: &'static str,
    },
    /// Any other error response.
    #[error("{what}: the target returned {status} {code} {message}")]
    ErrorResponse {
        /// What was being created.
        what: &'static str,
        status: u16,
        /// `errcode`.
        code: String,
        /// `error`, shortened.
        message: String,
    },
    #[error("{what}: the target's response has no {field}")]
    MissingField {
        /// What was being created.
        what: &'static str,
        field: &'static str,
    },
    /// The target's name, which is known only now, is in the log.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("this world was created at {there}, not at {here}: give another --world")]
    OtherTarget {
        /// Target of the manifest.
        there: String,
        /// Target of this run.
        here: String,
    },
    /// The target does not know the accounts in the manifest.
    #[error(
        "the target does not know this world's accounts any more; it may have been reinstalled: delete the world file, or give another --world"
    )]
    WorldUnknown,
    #[error("this world was created with existing accounts and has no administrator, so its accounts and rooms cannot be removed")]
    NoAdministrator,
    #[error("there are no accounts: the list of tokens is empty")]
    NoAccounts,
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Creates what the manifest lacks on the target. Calls `show` after every item.
///
/// # Errors
/// See [`ProvisionError`].
pub async fn provision(
    target: &CheckedTarget,
    manifest: &mut Manifest,
    config: &ProvisionConfig,
    show: &dyn Fn(Progress),
) -> Result<(), ProvisionError> {
    let mut provisioner = Provisioner::new(target, manifest, config, show)?;
    provisioner.check_world_is_known().await?;
    provisioner.create_accounts(&config.accounts, &target.guard).await?;
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
