//! What a replay needs of the Matrix API: what to create on a test homeserver, and what each logged request becomes there.
//!
//! ```text
//! trace ─▶ Survey ─▶ provision ─▶ Manifest ─┐
//!   └────────────────────────── rows ───────┴─▶ Script ─▶ a request when it is due, and what its answer teaches
//! ```
//!
//! Owns identifiers, bodies, chains of tokens, the manifest of what was created. Knows nothing of pacing: it is asked for a request when one
//! is due, and told what came back. Invariant: nothing from a log reaches a target but shapes and sizes; identifiers, tokens
//! and texts are the target's own or made up here.

mod body;
mod imagine;
#[cfg(test)]
mod live;
mod manifest;
mod operation;
mod path;
pub mod provision;
mod random;
mod script;
mod skip;
mod survey;
mod twins;

pub use manifest::{Admin, Copy, Device, Manifest, ManifestError, Marker, Media, Room, User};
pub use operation::{Entry, Op, Query, Shape, Shapes, Tier};
pub use script::{Lane, LaneKind, Placeholders, Script, Settings};
pub use skip::Skip;
pub use survey::{DEVICES_MAX, SeenRoom, SeenUser, Survey, domains};
