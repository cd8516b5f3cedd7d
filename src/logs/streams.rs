//! Synapse's streams of news, as far as they wake long polls.

/// A stream whose positions a sync token holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stream {
    Events,
    Presence,
    Typing,
    Receipts,
    AccountData,
    PushRules,
    ToDevice,
    DeviceLists,
}

impl Stream {
    /// In the order of their positions in a sync token.
    pub const ALL: [Self; 8] =
        [Self::Events, Self::Presence, Self::Typing, Self::Receipts, Self::AccountData, Self::PushRules, Self::ToDevice, Self::DeviceLists];

    /// Synapse's name of the stream.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Presence => "presence",
            Self::Typing => "typing",
            Self::Receipts => "receipts",
            Self::AccountData => "account_data",
            Self::PushRules => "push_rules",
            Self::ToDevice => "to_device",
            Self::DeviceLists => "device_lists",
        }
    }

    /// The stream of this name.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.name().as_bytes() == name)
    }
}

/// A writer moved a stream on: the positions after `from` up to `to` are news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamUpdate {
    pub stream: Stream,
    pub from: u64,
    pub to: u64,
    /// When, µs since the epoch.
    pub at_us: i64,
}
