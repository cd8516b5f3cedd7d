//! The key that a proxy hashes, from the identities that the trace keeps of a request.
//!
//! The trace keeps no access tokens, so a key of `token` is the user. A proxy identifies a user by the part of the
//! token that names the user, the localpart in base64 (Synapse 1.163, `handlers/auth.py`:
//! `syt_<localpart>_<random>_<checksum>`; docs/workers.md extracts that part with a map). So the localpart in base64 is
//! the key, whatever the log calls the user. A URI is rebuilt from its template with room and user; other placeholders
//! (transaction ids) get a different text for every request.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::engine::random::{Purpose, draw};
use crate::synapse::record::Record;
use wsim_http::identity::encoded_localpart;
use wsim_plan::Key;
use wsim_trace::{NameId, Names};

/// The identity of a request that a key is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeySource {
    User,
    Room,
    /// A room whose id clients escape in paths.
    EscapedRoom,
    Peer,
    Uri,
    /// The trace does not keep it: the request has no key.
    Missing,
}

impl KeySource {
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

    /// The same for rooms as clients write them in paths.
    pub(super) fn escaping_rooms(self, escaped: bool) -> Self {
        if self == Self::Room && escaped { Self::EscapedRoom } else { self }
    }

    pub(super) fn is_room(self) -> bool {
        matches!(self, Self::Room | Self::EscapedRoom)
    }

    /// The name that the key is made from; [`NameId::NONE`] if the request has none.
    pub(super) fn name(self, record: &Record) -> NameId {
        match self {
            Self::User => record.user,
            Self::Room | Self::EscapedRoom => record.room,
            Self::Peer => record.peer,
            Self::Uri | Self::Missing => NameId::NONE,
        }
    }

    /// Writes the key into `text`. Clones of users and of rooms have names of their own.
    pub(super) fn write(self, record: &Record, (copy, room_copy): (u16, u16), names: &Names, text: &mut String) {
        text.clear();
        if self == Self::Uri {
            return write_uri(record, (copy, room_copy), names, text);
        }
        let name = self.name(record);
        if self == Self::User {
            return write_user(names.text(name), copy, text);
        }
        text.push_str(names.text(name));
        let copy = if self.is_room() { room_copy } else { copy };
        if self == Self::EscapedRoom {
            escape_room(text);
        }
        if copy > 0 && name.is_some() {
            if text.parse::<IpAddr>().is_ok() {
                text.clear();
                let bits = draw(u64::from(copy), Purpose::Users, u64::from(name.0));
                // An address within 10.0.0.0/8 from 24 bits of a draw.
                let _ = write!(text, "{}", Ipv4Addr::from(0x0a00_0000 | u32::try_from(bits >> 40).unwrap_or(0)));
            } else {
                let _ = write!(text, "#{copy}");
            }
        }
    }
}

/// Escapes a room's id as most libraries do for a path.
fn escape_room(text: &mut String) {
    *text = text.replace('!', "%21").replace(':', "%3A");
}

/// The user as a token contains it; nothing for a request without a user. A proxy may have logged the key itself, in base64 already.
fn write_user(name: &str, copy: u16, text: &mut String) {
    if name.is_empty() {
        return;
    }
    let localpart = match name.strip_prefix('@') {
        Some(id) => Cow::Borrowed(id.split(':').next().unwrap_or(id)),
        None => encoded_localpart(name.as_bytes()).map_or(Cow::Borrowed(name), Cow::Owned),
    };
    if copy == 0 {
        STANDARD_NO_PAD.encode_string(localpart.as_bytes(), text);
    } else {
        STANDARD_NO_PAD.encode_string(format!("{localpart}#{copy}"), text);
    }
}

fn write_uri(record: &Record, (copy, room_copy): (u16, u16), names: &Names, text: &mut String) {
    let template = names.text(record.template);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (placeholder, behind) = after.split_once('}').unwrap_or((after, ""));
        match placeholder {
            "room" if room_copy > 0 => {
                let _ = write!(text, "{}#{room_copy}", names.text(record.room));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_hashed_as_clients_write_it_in_paths() {
        let mut names = Names::default();
        let mut record = Record::at(0);
        record.room = names.intern(b"!room:example.org");
        let key = |escaped: bool, room_copy: u16| {
            let mut text = String::new();
            KeySource::of(Some(&Key::Room)).escaping_rooms(escaped).write(&record, (0, room_copy), &names, &mut text);
            text
        };
        assert_eq!((key(false, 0).as_str(), key(true, 0).as_str()), ("!room:example.org", "%21room%3Aexample.org"));
        assert_eq!(key(true, 2), "%21room%3Aexample.org#2");
        assert_eq!(KeySource::of(Some(&Key::User)).escaping_rooms(true), KeySource::User);
    }

    #[test]
    fn a_user_has_one_key_whichever_log_names_them() {
        let key = |name: &str, copy: u16| {
            let mut text = String::new();
            write_user(name, copy, &mut text);
            text
        };
        // Synapse's log, a token in a proxy's log, a proxy's own `user=` in base64 or plain.
        for name in ["@alice:example.org", "@alice", "YWxpY2U", "alice"] {
            assert_eq!((key(name, 0).as_str(), key(name, 1)), ("YWxpY2U", key("@alice", 1)), "{name}");
        }
        assert_eq!(key("", 0), "");
    }
}
