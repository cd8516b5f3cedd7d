//! What grows when the load grows.

use std::str::FromStr;

/// Which growth a factor means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GrowthKind {
    /// More rooms of the kind, with people of their own: users are cloned with their rooms.
    #[default]
    Rooms,
    /// More people in the same rooms: users are cloned, and everything that one of them writes is news for all.
    People,
    /// The same people do more, so that a hash spreads them as before.
    Activity,
}

impl GrowthKind {
    pub const ALL: [Self; 3] = [Self::Rooms, Self::People, Self::Activity];

    /// As it is written on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rooms => "rooms",
            Self::People => "people",
            Self::Activity => "activity",
        }
    }

    /// In a table: `load × 1.5`, `people × 1.5`.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Rooms => "load",
            Self::People | Self::Activity => self.name(),
        }
    }

    /// After a factor: `1.5× this load`.
    pub const fn amount(self) -> &'static str {
        match self {
            Self::Rooms => "this load",
            Self::People => "these people in the same rooms",
            Self::Activity => "this activity of the same people",
        }
    }

    /// What grows, in a few words.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Rooms => "more rooms of the kind, with people of their own",
            Self::People => "more people in the same rooms",
            Self::Activity => "the same people, more active",
        }
    }
}

impl FromStr for GrowthKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(())
    }
}
