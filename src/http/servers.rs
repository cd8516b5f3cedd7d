//! The server names in the text of a request, as written: in identifiers, in media paths, in paths and queries about other servers.
//!
//! Source: the Matrix specification 1.16 (appendices, "Identifier grammar"; media; server-server API), and Synapse's administration API.

use std::borrow::Cow;

use crate::{percent, query};

/// Calls `found` with each server name in a path: of users, rooms, aliases and events, of media, of federation destinations, of key queries.
pub fn in_path(path: &[u8], found: &mut impl FnMut(&[u8])) {
    let mut before: &[u8] = b"";
    for segment in path.split(|byte| *byte == b'/') {
        if segment.is_empty() {
            continue;
        }
        let plain = decoded(segment);
        if is_server_keyword(before, path) && !is_server_keyword(segment, path) {
            found(&plain);
        } else {
            in_value(&plain, found);
        }
        before = segment;
    }
}

/// Calls `found` with each server name in a query: in identifiers, and where a parameter names a server (`via`, `server_name`).
pub fn in_query(text: &[u8], found: &mut impl FnMut(&[u8])) {
    for (name, value) in query::parameters(text) {
        let plain = decoded(value);
        match &*decoded(name) {
            b"via" | b"server_name" | b"server" | b"origin" | b"destination" => found(&plain),
            _ => in_value(&plain, found),
        }
    }
}

/// The server of an identifier: `@user:server`, `!room:server`, `#alias:server`, `$event:server`, `+group:server`.
///
/// ```
/// assert_eq!(wsim_http::servers::of_identifier(b"#a:b:8448"), Some(&b"b:8448"[..]));
/// ```
pub fn of_identifier(text: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', text)?;
    let server = &text[colon + 1..];
    (matches!(text.first(), Some(b'@' | b'!' | b'#' | b'$' | b'+')) && !server.is_empty()).then_some(server)
}

/// The authority of a URL, with user and port; of other text what is before its first slash.
pub fn of_url(text: &[u8]) -> &[u8] {
    let start = memchr::memmem::find(text, b"://").map_or(0, |at| at + 3);
    let rest = &text[start..];
    &rest[..memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len())]
}

fn in_value(plain: &[u8], found: &mut impl FnMut(&[u8])) {
    if let Some(rest) = plain.strip_prefix(b"mxc://") {
        found(rest.split(|byte| *byte == b'/').next().unwrap_or(rest));
    } else if let Some(server) = of_identifier(plain) {
        found(server);
    }
}

/// Whether the segment after this one is a server's name.
fn is_server_keyword(segment: &[u8], path: &[u8]) -> bool {
    match segment {
        b"download" | b"thumbnail" => !path.starts_with(b"/_matrix/federation/"),
        b"destinations" => true,
        b"query" => path.starts_with(b"/_matrix/key/"),
        b"media" | b"quarantine" | b"unquarantine" => path.starts_with(b"/_synapse/admin/"),
        _ => false,
    }
}

/// Percent-decoded, twice where it was encoded twice.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    match percent::decode(text) {
        Cow::Owned(once) if once.contains(&b'%') => Cow::Owned(percent::decode(&once).into_owned()),
        once => once,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, query: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut found = |name: &[u8]| names.push(String::from_utf8_lossy(name).into_owned());
        in_path(path.as_bytes(), &mut found);
        in_query(query.as_bytes(), &mut found);
        names
    }

    #[test]
    fn every_place_of_a_server_name_is_known() {
        for (path, query, expected) in [
            ("/_matrix/client/v3/rooms/%21r%3Aa.example/send/m.room.message/1", "", &["a.example"][..]),
            ("/_matrix/client/v3/rooms/!r:a.example:8448/state", "", &["a.example:8448"]),
            ("/_matrix/client/v3/profile/%2540u%253Aa.example", "", &["a.example"]),
            ("/_matrix/client/v3/directory/room/%23x:a.example", "", &["a.example"]),
            ("/_matrix/client/v3/rooms/!hash/event/$e:a.example", "", &["a.example"]),
            ("/_matrix/media/v3/download/a.example/abc", "", &["a.example"]),
            ("/_matrix/client/v1/media/thumbnail/synapse/abc", "", &["synapse"]),
            ("/_matrix/federation/v1/media/download/abc", "", &[]),
            ("/_synapse/admin/v1/federation/destinations/a.example/rooms", "", &["a.example"]),
            ("/_synapse/admin/v1/media/a.example/abc", "", &["a.example"]),
            ("/_synapse/admin/v1/media/quarantine/a.example/abc", "", &["a.example"]),
            ("/_matrix/key/v2/query/a.example", "", &["a.example"]),
            ("/_matrix/federation/v1/query/profile", "user_id=@u:a.example", &["a.example"]),
            ("/_matrix/client/v3/join/!r", "server_name=a.example&via=b.example&via=c", &["a.example", "b.example", "c"]),
            ("/_matrix/client/v3/sync", "since=s1_2&filter=0", &[]),
            ("/_matrix/client/v3/rooms/!hash/send/m.room.message/1", "", &[]),
            ("/x/mxc%3A%2F%2Fa.example%2Fabc", "", &["a.example"]),
        ] {
            assert_eq!(names(path, query), expected, "{path}?{query}");
        }
    }
}
