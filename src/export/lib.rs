//! Files for load that outgrows one machine: a schedule for another load generator (Locust), and a Kubernetes Job of replay shards.
//!
//! Owns the files' formats. Knows nothing of logs, of how a request is made, or of pacing: it gets finished [`Row`]s, one for each request, in
//! which values known only at run time are [`placeholder`]s. Invariant: every row is in the files exactly once, and a secret only if the
//! caller passed it.
//!
//! ```text
//! rows ──▶ requests.jsonl   one line per row, in the same order
//! users ─▶ users.jsonl      one token per user, or {{token:u17}}
//!          locustfile.py    reads both; the same for every schedule
//! ```

mod kubernetes;
mod locust;

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use serde::Serialize;

pub use kubernetes::replay_job;
pub use locust::{LOCUSTFILE, write_locust};

/// Words for values known only at run time, in a row's target or body.
pub mod placeholder {
    /// A new transaction id.
    pub const TRANSACTION: &str = "{{txn}}";
    /// The user's last `next_batch`. If there is none, the parameter is left out: an initial sync.
    pub const SINCE: &str = "{{since}}";
    /// The user's last sliding sync position. If there is none, the parameter is left out: a first request.
    pub const POSITION: &str = "{{pos}}";
    /// Where `/messages` of the row's room starts: the room's last `prev_batch`, or the last `next_batch`.
    pub const FROM: &str = "{{from}}";
    /// The newest event that the user has seen in the row's room, or the row's own [`event`](super::Row::event).
    pub const EVENT: &str = "{{event}}";

    /// The access token of a user.
    pub fn token(user: &str) -> String {
        format!("{{{{token:{user}}}}}")
    }
}

/// Which lane of its user a row belongs to, and what its response teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `/sync`: in the sync lane; its response sets `since`.
    Sync,
    /// Sliding sync: in the sync lane; its response sets `pos`.
    Sliding,
    /// Everything else.
    Plain,
}

/// One request of the schedule. Readers may rely on the order of the fields in the file: the user comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row<'a> {
    /// A pseudonym of one (user, device) of the log (`u17`): letters, digits, `_` and `-`.
    pub user: Cow<'a, str>,
    /// µs since the beginning of the schedule.
    pub at_us: u64,
    /// Endpoint group, under which Locust counts the request.
    pub group: Cow<'a, str>,
    pub kind: Kind,
    pub method: Cow<'a, str>,
    /// Path and query, percent-encoded, with [`placeholder`]s.
    pub target: Cow<'a, str>,
    /// Id of the target's room, if the request is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Cow<'a, str>>,
    /// An event in that room, for [`placeholder::EVENT`] until the user has seen a newer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Cow<'a, str>>,
    /// Content type of the body; JSON if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Cow<'a, str>>,
    /// The body, with [`placeholder`]s; absent if empty. Always text: a schedule holds no media.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Cow<'a, str>>,
}

/// A user of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As in [`Row::user`].
    pub name: String,
    /// Access token at the target; a placeholder is written in place of `None`. Secret.
    pub token: Option<String>,
}

/// Counts of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Users, including those without a row.
    pub users: u64,
    pub rows: u64,
    /// When the last request is due, µs since the beginning of the schedule.
    pub last_us: u64,
}

/// Why a schedule could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("could not write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A user's name has unsafe characters or is not unique, or a row's user is not in the list.
    #[error("{0:?} is not a user of the schedule")]
    User(String),
}
