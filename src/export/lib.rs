//! A schedule in the own form of another load generator, for those whose load outgrows one machine.
//!
//! Owns the files and what stands in them. Knows nothing of logs, of how a request was made up, or of pacing: it is given finished
//! [`Row`]s, one for each request, whose parts that only the run can know are [`placeholder`]s. Invariant: every row given is
//! in the files exactly once, and a secret is in them only if it was handed over for that.
//!
//! ```text
//! rows ──▶ requests.jsonl   one line a row, in the order given
//! users ─▶ users.jsonl      a token for each, or {{token:u17}}
//!          locustfile.py    reads both; the same for every schedule
//! ```

mod locust;

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use serde::Serialize;

pub use locust::{LOCUSTFILE, write_locust};

/// What only the run can know, as it stands in a row's target or body.
pub mod placeholder {
    /// A transaction id that was never used before.
    pub const TRANSACTION: &str = "{{txn}}";
    /// The user's last `next_batch`. Without one the parameter is left out: an initial sync.
    pub const SINCE: &str = "{{since}}";
    /// The user's last sliding sync position. Without one the parameter is left out: a first request.
    pub const POSITION: &str = "{{pos}}";
    /// Where `/messages` of the row's room begins: the room's last `prev_batch`, or the last `next_batch`.
    pub const FROM: &str = "{{from}}";
    /// The newest event that the user has seen in the row's room, or the row's own [`event`](super::Row::event).
    pub const EVENT: &str = "{{event}}";

    /// The access token of a user.
    pub fn token(user: &str) -> String {
        format!("{{{{token:{user}}}}}")
    }
}

/// What a row is to its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `/sync`: in the sync lane, its answer moves `since`.
    Sync,
    /// Sliding sync: in the sync lane, its answer moves `pos`.
    Sliding,
    /// Everything else.
    Plain,
}

/// One request of the schedule. The order of fields is the order in the file, which readers may rely on: the user comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row<'a> {
    /// Whose request: one (user, device) of the log, as a number that says nothing (`u17`). Letters, digits, `_` and `-`.
    pub user: Cow<'a, str>,
    /// When, µs since the beginning of the schedule.
    pub at_us: u64,
    /// Endpoint group, the name under which statistics are kept.
    pub group: Cow<'a, str>,
    /// What it is to its user.
    pub kind: Kind,
    /// HTTP method.
    pub method: Cow<'a, str>,
    /// Path and query, percent-encoded, with [`placeholder`]s.
    pub target: Cow<'a, str>,
    /// The target's room, where the request is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Cow<'a, str>>,
    /// An event that is in that room, for [`placeholder::EVENT`] until the user has seen a newer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Cow<'a, str>>,
    /// Type of the body; JSON where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Cow<'a, str>>,
    /// The body, with [`placeholder`]s; absent for none. Text: a schedule holds no media.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Cow<'a, str>>,
}

/// A user of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As in [`Row::user`].
    pub name: String,
    /// Access token at the target; a placeholder is written where it is absent. Secret.
    pub token: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Users with at least one row, and those without: both are played.
    pub users: u64,
    /// Requests.
    pub rows: u64,
    /// When the last request is due, µs since the beginning.
    pub last_us: u64,
}

/// Why a schedule could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be written.
    #[error("could not write {}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A user's name could break the file's form, or a row names a user that is not in the list.
    #[error("{0:?} is not a user of the schedule")]
    User(String),
}
