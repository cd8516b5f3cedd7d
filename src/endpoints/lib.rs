//! Synapse's worker endpoint tables: which requests a worker may serve, by release.
//!
//! Owns the tables of every release, the list of endpoint groups, and the classifier. Knows nothing of logs.
//!
//! ```text
//! tables.txt ──▶ Table ──▶ Classifier ──▶ EndpointId ──▶ Endpoint
//! own file   ──▶   │ ╲                     (per request)   (what routing needs to know)
//!                  │  ╲──▶ diff (two tables)
//!                  ╰─────▶ explain (one request, in words)
//! ```

#![warn(missing_docs)]

use serde::{Serialize, Serializer};

mod automaton;
pub mod between_processes;
mod classes;
mod classifier;
pub mod describe;
mod diff;
mod explain;
pub mod groups;
mod own_table;
mod release;
mod table;
pub mod words;

pub use automaton::PatternError;
pub use classifier::{Classifier, ClassifierConfig, ClassifierError};
pub use diff::{Change, Difference, diff};
pub use explain::{Explanation, explain};
pub use groups::{EndpointTraits, Group};
pub use own_table::{OwnTableError, OwnTableKind, detect, read_own_table};
pub use release::{Release, ReleaseError};
pub use table::{Row, SelectedTable, Syntax, Table, Tables, table_for};

/// HTTP method, as far as routing distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Method {
    /// Any method not listed below, and unreadable request lines.
    #[default]
    Other = 0,
    /// GET
    Get = 1,
    /// HEAD
    Head = 2,
    /// POST
    Post = 3,
    /// PUT
    Put = 4,
    /// DELETE
    Delete = 5,
    /// OPTIONS
    Options = 6,
    /// PATCH
    Patch = 7,
}

impl Method {
    /// All methods, in the order of their numbers.
    pub const ALL: [Self; 8] = [Self::Other, Self::Get, Self::Head, Self::Post, Self::Put, Self::Delete, Self::Options, Self::Patch];

    /// The method with this number; [`Method::Other`] for unknown numbers.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Other)
    }

    /// Reads the method of a request line. Methods are case-sensitive (RFC 9110, section 9.1): `get` is
    /// [`Method::Other`].
    #[must_use]
    #[inline]
    pub const fn from_bytes(name: &[u8]) -> Self {
        match name {
            [b'G', b'E', b'T'] => Self::Get,
            [b'H', b'E', b'A', b'D'] => Self::Head,
            [b'P', b'O', b'S', b'T'] => Self::Post,
            [b'P', b'U', b'T'] => Self::Put,
            [b'D', b'E', b'L', b'E', b'T', b'E'] => Self::Delete,
            [b'O', b'P', b'T', b'I', b'O', b'N', b'S'] => Self::Options,
            [b'P', b'A', b'T', b'C', b'H'] => Self::Patch,
            _ => Self::Other,
        }
    }

    /// The name in a request line; `-` for [`Method::Other`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "-",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
        }
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Index of [`Classifier::endpoints`]: a row of the table, or one of wsim's own classes (media, admin, scanners, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EndpointId(pub u16);

/// What routing needs to know about a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Endpoint {
    /// Group id: one of [`groups::GROUPS`], or a group of a user's own table.
    pub group: String,
    /// Worker types that may serve it, as the table names them; empty for the main process only.
    pub workers: Vec<String>,
    /// The stream whose writer should serve it.
    pub stream: Option<String>,
    /// A condition the table attaches (`single_writer`, `same_room_same_instance`, `sso_only`, …).
    pub condition: Option<String>,
    /// Any worker may serve it although a stream writer is preferred (the same pattern is also in a row without a stream,
    /// or the table says so). False for a stream row that only its writer or the main process may serve, and for requests
    /// that only the main process serves.
    pub any_worker: bool,
    /// The pattern that matched; `None` for wsim's own classes, except those between processes that a stream's writer serves.
    pub pattern: Option<String>,
    /// Traffic between Synapse processes: never client traffic.
    pub internal: bool,
}

impl Endpoint {
    /// The traits of its requests.
    #[must_use]
    pub fn traits(&self) -> EndpointTraits {
        EndpointTraits { internal: self.internal, ..EndpointTraits::of_group(&self.group) }
    }
}
