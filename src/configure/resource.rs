//! The resources that a Synapse listener offers.

/// A resource of a Synapse listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Client API, admin API.
    Client,
    /// Federation API and signing keys.
    Federation,
    /// Media repository.
    Media,
}

impl Resource {
    /// The name of the resource in Synapse's configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Federation => "federation",
            Self::Media => "media",
        }
    }
}
