//! Why a logged request is not sent.

/// Why a logged request is not sent. Each reason is counted, and its share of the logged CPU time with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// Changes state on the target: sent with `--allow-writes` only.
    Write,
    /// Changes what cannot be changed back, or reaches beyond the target: sent with `--allow-dangerous` only.
    Dangerous,
    /// Cannot be made up: inbound federation, administration, application services, single sign-on, replication.
    Never,
    /// No endpoint of the Matrix API that is known here.
    Unknown,
    /// The request was malformed or refused in the log (no method, status 400 or 404 for an unknown path).
    Invalid,
    /// The log does not say which user it was.
    NoUser,
    /// Needs something that was not provisioned: a user, a room, an event, a key, a file.
    NotProvisioned,
}

impl Skip {
    /// All reasons, in the order of reports.
    pub const ALL: [Self; 7] =
        [Self::Write, Self::Dangerous, Self::Never, Self::Unknown, Self::Invalid, Self::NoUser, Self::NotProvisioned];

    /// The reason as reports and `report.json` call it.
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
}
