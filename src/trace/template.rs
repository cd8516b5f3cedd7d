//! Path templates: what a request was, without the people and rooms it was about.
//!
//! A template keeps the words of the API and replaces names of persons, rooms, events and secrets by placeholders:
//! `/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}`. Of the query it keeps only parameters that change the work,
//! and of those only values that cannot hold a secret. Invariant: a template is classified like the path it was made from.

use super::names::Names;
use super::query::{Parameter, Query};
use super::request::NameId;
use wsim_stats::hashing::NumberMap;

/// The templates of all paths so far, and a cache of their names: most requests repeat a recent path and query.
#[derive(Default)]
pub(super) struct Templates {
    /// Path templates.
    texts: Vec<Vec<u8>>,
    /// Hash of a path template -> its index in `texts`.
    indices: NumberMap<u64, u32>,
    /// Hash of the kept query, seeded with the path template's index -> the name of the whole template.
    names: NumberMap<u64, NameId>,
    scratch: Vec<u8>,
}

impl Templates {
    /// The name of the template of a target. `index`: that of its path, see [`Self::index`].
    pub(super) fn name(&mut self, index: u32, query: &Query<'_>, names: &mut Names) -> NameId {
        self.scratch.clear();
        let matrix = self.texts[index as usize].first() == Some(&b'/');
        if matrix {
            write_key(query, &mut self.scratch);
        }
        let key = xxhash_rust::xxh3::xxh3_64_with_seed(&self.scratch, u64::from(index));
        if let Some(&known) = self.names.get(&key) {
            return known;
        }
        let mut text = self.texts[index as usize].clone();
        if matrix {
            write_query(query, &mut text);
        }
        let name = names.intern(&text);
        self.names.insert(key, name);
        name
    }

    /// The index of a path's template. Writes the whole template, so callers should cache the result.
    pub(super) fn index(&mut self, path: &[u8]) -> u32 {
        self.scratch.clear();
        write_path(path, &mut self.scratch);
        let template = xxhash_rust::xxh3::xxh3_64(&self.scratch);
        *self.indices.entry(template).or_insert_with(|| {
            self.texts.push(self.scratch.clone());
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// Appends the template of `path` (no query) to `out`.
fn write_path(path: &[u8], out: &mut Vec<u8>) {
    if !(path.starts_with(b"/_matrix/")
        || path.starts_with(b"/_synapse/")
        || path.starts_with(b"/.well-known/matrix/")
        || path == b"/health")
    {
        out.extend_from_slice(b"(other)");
        return;
    }
    let federation = path.starts_with(b"/_matrix/federation/");
    let replication = path.starts_with(b"/_synapse/replication/");
    let mut before: [&[u8]; 2] = [b"", b""];
    let mut position = 0;
    for segment in path[1..].split(|&byte| byte == b'/') {
        out.push(b'/');
        let text = if replication && position > 2 {
            b"{id}"
        } else if position < 2 {
            keep(segment)
        } else {
            replace(segment, before, federation)
        };
        out.extend_from_slice(text);
        before = [before[1], segment];
        position += 1;
        if position > SEGMENTS_MAX {
            out.extend_from_slice(b"/{rest}");
            break;
        }
    }
}

/// The template's form of a segment, given the two segments before it.
fn replace<'s>(segment: &'s [u8], before: [&[u8]; 2], federation: bool) -> &'s [u8] {
    match sigil(segment) {
        b'!' => return b"{room}",
        b'@' => return b"{user}",
        b'$' => return b"{event}",
        b'#' => return b"{alias}",
        _ => {}
    }
    if segment.is_empty() {
        return b"";
    }
    match (before[0], before[1]) {
        (
            _,
            b"rooms"
            | b"join"
            | b"knock"
            | b"hierarchy"
            | b"state_ids"
            | b"backfill"
            | b"get_missing_events"
            | b"summary"
            | b"room_summary",
        ) => b"{room}",
        (_, b"state" | b"make_join" | b"send_join" | b"make_leave" | b"send_leave" | b"make_knock" | b"send_knock" | b"invite")
            if federation =>
        {
            b"{room}"
        }
        (_, b"send") if federation => b"{txn}",
        (_, b"event" | b"context" | b"redact") => b"{event}",
        (_, b"profile" | b"presence" | b"typing" | b"user") => b"{user}",
        (_, b"devices" | b"filter" | b"delayed_events") => b"{id}",
        (_, b"download" | b"thumbnail") => b"{server}",
        (b"download" | b"thumbnail", _) => b"{media}",
        (b"send" | b"sendToDevice" | b"redact", _) => b"{txn}",
        (b"state", _) if !federation => b"{key}",
        (b"receipt" | b"make_join" | b"send_join" | b"make_leave" | b"send_leave" | b"invite", _) => b"{id}",
        _ => keep(segment),
    }
}

/// The first byte of an identifier, decoded if it is a percent-encoded sigil; 0 for an empty segment.
fn sigil(segment: &[u8]) -> u8 {
    match segment {
        [b'%', b'2', b'1', ..] => b'!',
        [b'%', b'2', b'3', ..] => b'#',
        [b'%', b'2', b'4', ..] => b'$',
        [b'%', b'4', b'0', ..] => b'@',
        [first, ..] => *first,
        [] => 0,
    }
}

/// The segment itself if it is a word of the API, else `{id}`.
fn keep(segment: &[u8]) -> &[u8] {
    let mut digits = 0;
    let mut capitals = 0;
    let mut dots = 0;
    for &byte in segment {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'A'..=b'Z' => capitals += 1,
            b'.' => dots += 1,
            b'a'..=b'z' | b'_' | b'-' => {}
            _ => return b"{id}",
        }
    }
    // `org.matrix.msc3575.simplified` and `m.room.message` are words, `abcDEF123456` is not.
    let word =
        segment.len() <= 64 && (if dots > 0 { digits <= 6 } else { digits <= 2 && segment.len() <= 32 }) && (capitals <= 2 || digits == 0);
    if word { segment } else { b"{id}" }
}

/// Appends a few bytes that are equal exactly if the templates of two queries are.
fn write_key(query: &Query<'_>, out: &mut Vec<u8>) {
    for (parameter, value) in query.all() {
        match shown(parameter, value) {
            Shown::Nothing => {}
            Shown::Placeholder(_) => out.push(parameter as u8),
            Shown::Other => out.extend([parameter as u8, 0xff]),
            Shown::Value(value) => {
                out.push(parameter as u8);
                out.extend_from_slice(value);
            }
        }
    }
}

/// Appends the allow-listed part of a query, in a fixed order, so that equal requests have equal templates.
fn write_query(query: &Query<'_>, out: &mut Vec<u8>) {
    let mut separator = b'?';
    for (parameter, value) in query.all() {
        let text = match shown(parameter, value) {
            Shown::Nothing => continue,
            Shown::Placeholder(text) => text,
            Shown::Other => b"{other}",
            Shown::Value(value) => value,
        };
        out.push(separator);
        separator = b'&';
        out.extend_from_slice(parameter.name().as_bytes());
        out.push(b'=');
        out.extend_from_slice(text);
    }
}

/// The part of a parameter that a template shows.
enum Shown<'q> {
    Nothing,
    Placeholder(&'static [u8]),
    Value(&'q [u8]),
    /// `{other}`, for a value that might be a secret.
    Other,
}

/// Only parameters that change how much work a request is (client-server and federation API).
fn shown(parameter: Parameter, value: &[u8]) -> Shown<'_> {
    let number = || !value.is_empty() && value.len() <= 9 && value.iter().all(u8::is_ascii_digit);
    let word = || !value.is_empty() && value.len() <= 12 && value.iter().all(u8::is_ascii_lowercase);
    match parameter {
        Parameter::Since => Shown::Placeholder(b"{since}"),
        Parameter::Pos => Shown::Placeholder(b"{pos}"),
        Parameter::From => Shown::Placeholder(b"{from}"),
        Parameter::To => Shown::Placeholder(b"{to}"),
        Parameter::Filter => Shown::Placeholder(b"{filter}"),
        Parameter::UserId => Shown::Placeholder(b"{user}"),
        Parameter::Timeout | Parameter::Limit | Parameter::Width | Parameter::Height if number() => Shown::Value(value),
        Parameter::FullState | Parameter::Dir if word() => Shown::Value(value),
        Parameter::Timeout | Parameter::Limit | Parameter::Width | Parameter::Height | Parameter::FullState | Parameter::Dir => {
            Shown::Other
        }
        Parameter::AccessToken => Shown::Nothing,
    }
}

const SEGMENTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> String {
        let mut out = Vec::new();
        write_path(path.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_rooms_and_events_become_placeholders() {
        assert_eq!(
            path("/_matrix/client/v3/rooms/%21abc%3Aexample.org/send/m.room.message/m1714.9"),
            "/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}"
        );
        assert_eq!(path("/_matrix/client/v3/rooms/!NPhsp-jxd9SUPO1jeL/messages"), "/_matrix/client/v3/rooms/{room}/messages");
        assert_eq!(path("/_matrix/client/v3/rooms/!a:b/receipt/m.read/$ev:x"), "/_matrix/client/v3/rooms/{room}/receipt/m.read/{event}");
        assert_eq!(path("/_matrix/client/v3/profile/%40alice%3Aexample.org/displayname"), "/_matrix/client/v3/profile/{user}/displayname");
        assert_eq!(path("/_matrix/federation/v1/send/1714644480000"), "/_matrix/federation/v1/send/{txn}");
        assert_eq!(path("/_matrix/client/v1/media/download/example.org/AbCdEf"), "/_matrix/client/v1/media/download/{server}/{media}");
        assert_eq!(path("/_synapse/replication/fed_send_events/AbCdEfGhIj"), "/_synapse/replication/fed_send_events/{id}");
        assert_eq!(
            path("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"),
            "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
        );
        assert_eq!(path("/_matrix/client/v3/directory/room/%23room%3Ax"), "/_matrix/client/v3/directory/room/{alias}");
        assert_eq!(path("/wp-login.php"), "(other)");
    }

    #[test]
    fn a_template_has_one_name_for_all_its_requests() {
        let (mut templates, mut names) = (Templates::default(), Names::new());
        let mut name = |path: &str, query: &str| {
            let index = templates.index(path.as_bytes());
            let id = templates.name(index, &Query::read(query.as_bytes()), &mut names);
            names.text(id).to_owned()
        };
        for round in 0..3 {
            assert_eq!(
                name(&format!("/_matrix/client/v3/rooms/!{round}:x/messages"), "dir=b"),
                "/_matrix/client/v3/rooms/{room}/messages?dir=b"
            );
            assert_eq!(
                name("/_matrix/client/v3/sync", &format!("timeout=30000&since=s{round}")),
                "/_matrix/client/v3/sync?since={since}&timeout=30000"
            );
            assert_eq!(name("/_matrix/client/v3/sync", ""), "/_matrix/client/v3/sync");
            assert_eq!(name("/index.php", "dir=b"), "(other)");
        }
    }

    #[test]
    fn only_harmless_values_of_a_query_are_kept() {
        let mut out = b"/x".to_vec();
        let query = Query::read(b"limit=syt_secret&since=s72594_4483_1934&timeout=30000&dir=b&access_token=syt_x");
        write_query(&query, &mut out);
        assert_eq!(out, b"/x?since={since}&timeout=30000&dir=b&limit={other}");
    }
}
