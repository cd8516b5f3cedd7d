//! Where the content of requests comes from. `matrix::Script` is the implementation for Matrix; tests have their own.

use wsim_transport::{OutgoingRequest, Response};

/// Identifies one scheduled request: a row of the schedule, and which copy of its user sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Index of the row, in arrival order.
    pub row: u32,
    /// 0: the original user; others are clones.
    pub copy: u16,
}

/// Makes requests and learns from responses. Both methods run on the engine's thread and must take microseconds only.
pub trait Script: Send {
    /// The request at a position. Called once for each position, when it is due.
    ///
    /// # Errors
    /// Why the request cannot be sent.
    fn request(&mut self, at: Position) -> Result<OutgoingRequest, Unsendable>;

    /// Takes in a response, before any later request of the same user is made. Not called for failures.
    fn learn(&mut self, at: Position, response: &Response);
}

/// Why a logged request cannot be sent. Each reason is counted, and the logged CPU time behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unsendable {
    /// Changes state on the target: sent with `--allow-writes` only.
    Write,
    /// Cannot be undone, or reaches beyond the target: sent with `--allow-dangerous` only.
    Dangerous,
    /// Cannot be reproduced: inbound federation, administration, application services, single sign-on, replication.
    Never,
    /// Not an endpoint of the Matrix API that wsim knows.
    Unknown,
    /// Malformed or rejected in the log: no method, or an unknown path with status 400 or 404.
    Invalid,
    /// The log does not say which user sent it.
    NoUser,
    /// Needs something that was not provisioned: a user, a room, an event, a key, a file.
    NotProvisioned,
}

impl Unsendable {
    /// All reasons, in the order of reports.
    pub const ALL: [Self; 7] =
        [Self::Write, Self::Dangerous, Self::Never, Self::Unknown, Self::Invalid, Self::NoUser, Self::NotProvisioned];

    /// The reason's name in reports and `report.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Dangerous => "dangerous",
            Self::Never => "never_sent",
            Self::Unknown => "unknown_endpoint",
            Self::Invalid => "invalid",
            Self::NoUser => "no_user",
            Self::NotProvisioned => "not_provisioned",
        }
    }

    /// The reason in words for users.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Write => "changes state (--allow-writes)",
            Self::Dangerous => "cannot be undone (--allow-dangerous)",
            Self::Never => "federation, administration, application services",
            Self::Unknown => "unknown endpoint",
            Self::Invalid => "invalid",
            Self::NoUser => "no user",
            Self::NotProvisioned => "needs an account, room or device that was not provisioned",
        }
    }
}
