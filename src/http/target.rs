//! The request target split into path and query, and the path as nginx matches it.

use std::borrow::Cow;

use crate::{percent, scan};

/// A request target in two parts, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'t> {
    /// From the first slash up to the `?`.
    pub path: &'t [u8],
    /// After the first `?`; `None` without one.
    pub query: Option<&'t [u8]>,
}

/// Splits a target. Scheme and authority of an absolute URI (`https://host/path`) and the fragment, which no client should
/// send, are dropped. `None` for what is neither a path nor an absolute URI: nothing, `*`, `host:443`, TLS bytes.
///
/// ```
/// use wsim_http::target::split;
/// let target = split(b"https://matrix.example.org/_matrix/client/v3/sync?since=s1").unwrap();
/// assert_eq!((target.path, target.query), (&b"/_matrix/client/v3/sync"[..], Some(&b"since=s1"[..])));
/// ```
#[inline]
pub fn split(target: &[u8]) -> Option<Target<'_>> {
    let local = if target.first() == Some(&b'/') { target } else { after_authority(target)? };
    let (path, rest) = local.split_at(memchr::memchr2(b'?', b'#', local).unwrap_or(local.len()));
    let path = if path.is_empty() { b"/" } else { path };
    let query = rest.strip_prefix(b"?").map(|query| &query[..memchr::memchr(b'#', query).unwrap_or(query.len())]);
    Some(Target { path, query })
}

/// [`split`] for the most frequent targets: a path that begins with a slash, with or without a query. Faster, because a
/// fragment is not looked for in the query. `None` for an absolute URI, a path with a fragment, and anything that is no path.
#[inline]
pub fn split_path(target: &[u8]) -> Option<Target<'_>> {
    if target.first() != Some(&b'/') {
        return None;
    }
    match scan::find_either(b'?', b'#', target) {
        None => Some(Target { path: target, query: None }),
        Some(at) => (target[at] == b'?').then(|| Target { path: &target[..at], query: Some(&target[at + 1..]) }),
    }
}

/// `https://host:port/path?query` -> `/path?query`; empty if nothing follows the authority.
#[cold]
fn after_authority(target: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', target)?;
    let (scheme, rest) = target.split_at(colon);
    let rest = rest.strip_prefix(b"://")?;
    let named = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let authority = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    (named && authority > 0).then(|| &rest[authority..])
}

/// The path as nginx matches it in a `location`: percent-decoded, runs of slashes merged, `.` and `..` resolved.
///
/// Source: nginx, `ngx_http_parse_complex_uri` with the default `merge_slashes on`. A path that climbs above the root,
/// which nginx rejects, stays at the root.
#[must_use]
pub fn as_nginx_matches(path: &[u8]) -> Cow<'_, [u8]> {
    let plain =
        memchr::memchr(b'%', path).is_none() && memchr::memmem::find(path, b"//").is_none() && memchr::memmem::find(path, b"/.").is_none();
    if plain {
        return Cow::Borrowed(path);
    }
    let decoded = percent::decode(path);
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends_in_slash = false;
    for segment in decoded.split(|byte| *byte == b'/') {
        ends_in_slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut normalised = Vec::with_capacity(decoded.len());
    for segment in &segments {
        normalised.push(b'/');
        normalised.extend_from_slice(segment);
    }
    if ends_in_slash || segments.is_empty() {
        normalised.push(b'/');
    }
    Cow::Owned(normalised)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(target: &str) -> Option<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        split(target.as_bytes()).map(|target| (text(target.path), target.query.map(text)))
    }

    #[test]
    fn a_target_is_path_and_query_without_scheme_authority_and_fragment() {
        for (target, path, query) in [
            ("/a/b?c=d&e", "/a/b", Some("c=d&e")),
            ("/a/b?c=/d", "/a/b", Some("c=/d")),
            ("/a", "/a", None),
            ("/a?", "/a", Some("")),
            ("/a?b?c", "/a", Some("b?c")),
            ("/a%3Fb", "/a%3Fb", None),
            ("/a?b#c", "/a", Some("b")),
            ("/a#b?c", "/a", None),
            ("https://h.example:8448/a?b", "/a", Some("b")),
            ("https://matrix.example.org:8448/_matrix/key/v2/server?x", "/_matrix/key/v2/server", Some("x")),
            ("http://h.example", "/", None),
            ("http://h.example?a=/b", "/", Some("a=/b")),
            ("/https://x/y", "/https://x/y", None),
        ] {
            assert_eq!(parts(target), Some((path.into(), query.map(Into::into))), "{target}");
        }
    }

    #[test]
    fn text_that_is_neither_a_path_nor_a_uri_is_no_target() {
        for target in ["", "*", "-", "example.org:443", "\u{16}\u{3}\u{1}", "://x/y", "http:///x", "1a://x/y", "_matrix/x", "?a"] {
            assert_eq!(parts(target), None, "{target:?}");
        }
    }

    #[test]
    fn nginx_matches_a_decoded_path_with_single_slashes_and_no_dots() {
        let matched = |path: &str| String::from_utf8(as_nginx_matches(path.as_bytes()).into_owned()).unwrap();
        assert_eq!(matched("/_matrix/client/v3/rooms/%21a%3Ab/send"), "/_matrix/client/v3/rooms/!a:b/send");
        assert_eq!(matched("//a///b/"), "/a/b/");
        assert_eq!(matched("/a/./b/../c"), "/a/c");
        assert_eq!(matched("/a/.."), "/");
        assert_eq!(matched("/../../a"), "/a");
        assert_eq!(matched("/a/.well-known"), "/a/.well-known");
        assert_eq!(matched("/a%2Fb%"), "/a/b%");
        assert_eq!(matched("/plain"), "/plain");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_a_target(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(target) = split(&bytes) {
                prop_assert!(target.path[0] == b'/');
                prop_assert!(as_nginx_matches(target.path).len() <= target.path.len() + 1);
            }
        }

        #[test]
        fn the_short_way_agrees_with_the_long_one(target in "/?[a/?#=%]{0,12}") {
            if let Some(quick) = split_path(target.as_bytes()) {
                let full = split(target.as_bytes()).unwrap();
                prop_assert_eq!(quick.path, full.path);
                prop_assert_eq!(quick.query.is_some(), full.query.is_some());
                if !target.contains('#') {
                    prop_assert_eq!(quick.query, full.query);
                }
            }
        }
    }
}
