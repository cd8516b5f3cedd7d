//! What a proxy would have hashed, from what the trace keeps of a request.
//!
//! The trace keeps no tokens: a key of `token` is the user. What proxies know of a user is the part of the token that says who it is, the
//! localpart in base64 (Synapse 1.163, `handlers/auth.py`: `syt_<localpart>_<random>_<checksum>`; docs/workers.md takes it out by a
//! map), so that is what they hash, whatever the log calls the user. A URI is put together from its template, with the room and the
//! user in their places; what else stood there (transaction ids) is different every time.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::super::random::{Purpose, draw};
use super::super::record::Record;
use wsim_plan::Key;
use wsim_trace::{NameId, Names};

/// Which identity of a request a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    User,
    Room,
    Peer,
    Uri,
    /// Nothing that the trace keeps: the request has no such header.
    Missing,
}

impl Source {
    pub(super) fn of(key: Option<&Key>) -> Self {
        match key {
            None => Self::Missing,
            Some(Key::User | Key::Token) => Self::User,
            Some(Key::Address | Key::Origin) => Self::Peer,
            Some(Key::Room) => Self::Room,
            Some(Key::Uri) => Self::Uri,
            Some(Key::Header(name)) => match name.as_str() {
                "authorization" | "x-access-token" => Self::User,
                "x-forwarded-for" | "x-real-ip" => Self::Peer,
                "x-matrix-room" => Self::Room,
                _ => Self::Missing,
            },
        }
    }

    /// The name behind the key; [`NameId::NONE`] where the request has none.
    pub(super) fn name(self, record: &Record) -> NameId {
        match self {
            Self::User => record.user,
            Self::Room => record.room,
            Self::Peer => record.peer,
            Self::Uri | Self::Missing => NameId::NONE,
        }
    }

    /// Writes the key into `text`. Clones have names of their own but go to the same rooms.
    pub(super) fn write(self, record: &Record, copy: u32, names: &Names, text: &mut String) {
        text.clear();
        if self == Self::Uri {
            return uri(record, copy, names, text);
        }
        let name = self.name(record);
        if self == Self::User {
            return user(names.text(name), copy, text);
        }
        text.push_str(names.text(name));
        if copy > 0 && name.is_some() && self != Self::Room {
            if text.parse::<IpAddr>().is_ok() {
                text.clear();
                let bits = draw(u64::from(copy), Purpose::Users, u64::from(name.0));
                // Bounded: 24 bits of a draw within 10.0.0.0/8.
                let _ = write!(text, "{}", Ipv4Addr::from(0x0a00_0000 | u32::try_from(bits >> 40).unwrap_or(0)));
            } else {
                let _ = write!(text, "#{copy}");
            }
        }
    }
}

/// The user as it stands in a token. Nobody stays nobody.
fn user(name: &str, copy: u32, text: &mut String) {
    if name.is_empty() {
        return;
    }
    let localpart = name.strip_prefix('@').map_or(name, |id| id.split(':').next().unwrap_or(id));
    if copy == 0 {
        STANDARD_NO_PAD.encode_string(localpart, text);
    } else {
        STANDARD_NO_PAD.encode_string(format!("{localpart}#{copy}"), text);
    }
}

fn uri(record: &Record, copy: u32, names: &Names, text: &mut String) {
    let template = names.text(record.template);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (placeholder, behind) = after.split_once('}').unwrap_or((after, ""));
        match placeholder {
            "room" => text.push_str(names.text(record.room)),
            "user" => text.push_str(names.text(record.user)),
            _ => {
                let _ = write!(text, "{:x}.{copy}", record.arrival_us());
            }
        }
        rest = behind;
    }
    text.push_str(rest);
}
