//! Identities in a request: the room in its path, the server and the user in its credentials.
//!
//! Source: the Matrix client-server and server-server APIs; Synapse 1.163, `handlers/auth.py`, for the form of access tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::scan;

/// The room in a path, as sent: the segment with a room's sigil, or the one after `rooms`, `join`, `knock`.
pub fn room_segment(path: &[u8]) -> Option<&[u8]> {
    let mut rest = path.strip_prefix(b"/_matrix/")?;
    let mut follows_keyword = false;
    loop {
        let end = scan::find(b'/', rest).unwrap_or(rest.len());
        let segment = &rest[..end];
        if (follows_keyword && !segment.is_empty()) || segment.starts_with(b"!") || segment.starts_with(b"%21") {
            return Some(segment);
        }
        follows_keyword = is_room_keyword(segment);
        rest = rest.get(end + 1..)?;
    }
}

/// Whether the path segment after this one is a room.
#[inline]
pub fn is_room_keyword(segment: &[u8]) -> bool {
    matches!(segment, b"rooms" | b"join" | b"knock")
}

/// The origin server of a federation request's `Authorization` header: `X-Matrix origin=other.local,key=…` -> `other.local`.
pub fn matrix_origin(authorization: &[u8]) -> Option<&[u8]> {
    let rest = authorization.strip_prefix(b"X-Matrix ")?;
    let at = memchr::memmem::find(rest, b"origin=")? + b"origin=".len();
    let value = rest[at..].strip_prefix(b"\"").unwrap_or(&rest[at..]);
    let end = value.iter().position(|byte| matches!(byte, b',' | b'"' | b' ')).unwrap_or(value.len());
    (end > 0).then_some(&value[..end])
}

/// The token in an `Authorization: Bearer` header; text without that scheme is taken to be a token.
pub fn bearer_token(authorization: &[u8]) -> &[u8] {
    let is_bearer = authorization.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    if is_bearer { authorization[7..].trim_ascii_start() } else { authorization }
}

/// The user in a Synapse token `syt_<localpart in base64>_<random>_<checksum>`, still in base64. All devices of a user share
/// it, so this is what proxies hash. `None` for other tokens.
pub fn token_user(token: &[u8]) -> Option<&[u8]> {
    let rest = token.strip_prefix(b"syt_")?;
    Some(&rest[..scan::find(b'_', rest)?])
}

/// The localpart in a Synapse token, given alone or behind `Bearer `, as the nginx map of Synapse's documentation takes it.
/// `None` for other tokens and where the localpart is no base64 of UTF-8.
///
/// ```
/// use wsim_http::identity::token_localpart;
/// assert_eq!(token_localpart(b"Bearer syt_YWxpY2U_xxx_yyy").as_deref(), Some("alice"));
/// assert_eq!(token_localpart(b"Bearer mct_abc"), None);
/// ```
pub fn token_localpart(authorization: &[u8]) -> Option<String> {
    let localpart = encoded_text(token_user(bearer_token(authorization))?)?;
    (!localpart.is_empty() && !localpart.chars().any(char::is_control)).then_some(localpart)
}

/// The localpart in base64 that proxies log where they hash it, without the token around it. `None` for other texts, and for those whose
/// meaning is no localpart of the Matrix specification (appendices, user identifiers: `a-z 0-9 . _ = - / +`): plain localparts nearly
/// always are among them, because three random bytes are such letters once in 250 times.
///
/// ```
/// use wsim_http::identity::encoded_localpart;
/// assert_eq!(encoded_localpart(b"YWxpY2U").as_deref(), Some("alice"));
/// assert_eq!(encoded_localpart(b"alice"), None);
/// ```
pub fn encoded_localpart(text: &[u8]) -> Option<String> {
    let is_letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"._=-/+".contains(&letter);
    encoded_text(text).filter(|localpart| !localpart.is_empty() && localpart.bytes().all(is_letter))
}

/// Text in base64, with or without padding.
fn encoded_text(encoded: &[u8]) -> Option<String> {
    let encoded = encoded.strip_suffix(b"==").or(encoded.strip_suffix(b"=")).unwrap_or(encoded);
    String::from_utf8(STANDARD_NO_PAD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn localparts_in_base64_are_told_from_plain_ones() {
        let plain =
            ["john", "admin", "test", "data", "user1", "alice.b", "u042", "root", "matrix-bot", "dave", "mary", "_telegram_1234567"];
        assert!(plain.iter().all(|localpart| encoded_localpart(localpart.as_bytes()).is_none()));
        for localpart in plain {
            assert_eq!(encoded_localpart(STANDARD_NO_PAD.encode(localpart).as_bytes()).as_deref(), Some(localpart));
        }
        assert_eq!(encoded_localpart(b"YQ==").as_deref(), Some("a"));
        assert!([b"".as_slice(), b"=", b"-", b"0123456789abcdef"].iter().all(|text| encoded_localpart(text).is_none()));
    }

    #[test]
    fn rooms_are_found_where_the_api_puts_them() {
        assert_eq!(room_segment(b"/_matrix/client/v3/rooms/%21a%3Ab/messages"), Some(&b"%21a%3Ab"[..]));
        assert_eq!(room_segment(b"/_matrix/client/v3/join/%23alias%3Ab"), Some(&b"%23alias%3Ab"[..]));
        assert_eq!(room_segment(b"/_matrix/federation/v2/send_join/!a:b/$e"), Some(&b"!a:b"[..]));
        assert_eq!(room_segment(b"/_matrix/client/v3/sync"), None);
        assert_eq!(room_segment(b"/rooms/x"), None);
    }

    #[test]
    fn a_server_is_found_in_its_signature() {
        assert_eq!(matrix_origin(b"X-Matrix origin=other.local,key=\"ed25519:a\",sig=\"x\""), Some(&b"other.local"[..]));
        assert_eq!(matrix_origin(b"X-Matrix destination=\"x\",origin=\"other.local:8448\",sig=\"x\""), Some(&b"other.local:8448"[..]));
        assert_eq!(matrix_origin(b"Bearer x"), None);
    }

    #[test]
    fn the_localpart_of_a_synapse_token_is_read() {
        for (authorization, localpart) in [
            ("Bearer syt_YWxpY2U_hSsyFQHqpjzBtuMmKRvL_3VVZyc", Some("alice")),
            ("bearer syt_YWxpY2U_x_y", Some("alice")),
            ("syt_dTY_hSsy_3VVZyc", Some("u6")),
            ("syt_dTY=_hSsy_3VVZyc", Some("u6")),
            ("Bearer syt_w7xuw68_x", Some("ünï")),
            ("Bearer syt__x", None),
            ("Bearer syt_!_x", None),
            ("Bearer syt_/////w_x", None),
            ("Bearer MDAxabc", None),
            ("", None),
        ] {
            assert_eq!(token_localpart(authorization.as_bytes()).as_deref(), localpart, "{authorization}");
        }
        assert_eq!(token_user(b"syt_YWxpY2U_abc_def"), Some(&b"YWxpY2U"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_may_be_an_authorization(bytes: Vec<u8>) {
            let _ = token_localpart(&bytes);
            let _ = matrix_origin(&bytes);
            let _ = room_segment(&bytes);
        }
    }
}
