//! What a replay needs of the Matrix API: what to create on a test homeserver, and what each logged request becomes there.
//!
//! ```text
//! trace ─▶ Survey ─▶ provision ─▶ Manifest ─┐
//!   └────────────────────────── rows ───────┴─▶ Script ─▶ a request when it is due; learns from its response
//! ```
//!
//! Owns identifiers, bodies, chains of tokens, and the manifest of what was created. Knows nothing of pacing: [`Script`] is called when a
//! request is due and when its response is there. Invariant: only shapes and sizes of a log reach a target; identifiers, tokens and texts are the
//! target's own or made up here.

mod body;
mod device_split;
mod manifest;
mod operation;
mod placeholder_ids;
mod priming;
pub mod provision;
mod random;
mod replayable_share;
mod script;
mod survey;
mod target_check;

pub use manifest::{Admin, Device, Manifest, ManifestError, Marker, Media, PopulationCopy, Room, User};
pub use operation::{Entry, Op, Query, RequestKind, RequestKinds, Tier, operations};
pub use priming::prime_devices;
pub use replayable_share::{ReplayableShare, SkippedRequests, TierShare};
pub use script::{Lane, LaneKind, Placeholders, Script, ScriptConfig};
pub use survey::{DEVICES_MAX, Survey, SurveyedRoom, SurveyedUser};
pub use target_check::{CheckedTarget, KnownServers, TargetCheckError, check_target};
