//! Request targets taken apart: path, query, parameters; and percent-encoding undone where it must be.
//!
//! Nothing is decoded unless asked for: the endpoint tables match raw paths, a replay sends them as they came.

use memchr::memchr;

use super::escape::pair;
use super::scan;

/// A request target in two parts, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// From the first slash up to the `?`; `*` of `OPTIONS *` and `host:port` of `CONNECT` stay as they are.
    pub path: &'a [u8],
    /// After the first `?`; empty if there is none.
    pub query: &'a [u8],
}

/// Splits a target; scheme and authority of an absolute URI (`https://host/path`) are taken off.
///
/// ```
/// use wsim::logs::target::split;
/// let target = split(b"https://matrix.example.org/_matrix/client/v3/sync?since=s1");
/// assert_eq!((target.path, target.query), (&b"/_matrix/client/v3/sync"[..], &b"since=s1"[..]));
/// ```
#[inline]
pub fn split(target: &[u8]) -> Target<'_> {
    let local = if target.first() == Some(&b'/') { target } else { without_authority(target) };
    let (path, query) = match scan::find(b'?', local) {
        Some(at) => (&local[..at], &local[at + 1..]),
        None => (local, &b""[..]),
    };
    let path = if path.is_empty() && !target.is_empty() { b"/" } else { path };
    Target { path, query }
}

/// [`split`] for what nearly all targets are: a path that begins with a slash, and perhaps a query. `None` for an absolute URI,
/// a path with a fragment, and what is no path; a fragment may still stand in the query.
#[inline]
pub fn split_path(target: &[u8]) -> Option<Target<'_>> {
    if target.first() != Some(&b'/') {
        return None;
    }
    match scan::find_either(b'?', b'#', target) {
        None => Some(Target { path: target, query: b"" }),
        Some(at) => (target[at] == b'?').then(|| Target { path: &target[..at], query: &target[at + 1..] }),
    }
}

/// The parameters of a query in order: raw key and raw value. A parameter without `=` has an empty value.
#[inline]
pub fn query_parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = query;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = scan::find(b'&', rest).unwrap_or(rest.len());
            let parameter = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if !parameter.is_empty() {
                let equals = scan::find(b'=', parameter).unwrap_or(parameter.len());
                return Some((&parameter[..equals], parameter.get(equals + 1..).unwrap_or_default()));
            }
        }
        None
    })
}

/// The raw value of the first parameter of this name, however the name is encoded (`access%5Ftoken`). Synapse takes the
/// first one too.
pub fn query_param<'a>(query: &'a [u8], name: &str) -> Option<&'a [u8]> {
    query_parameters(query).find(|(key, _)| is_name(key, name)).map(|(_, value)| value)
}

/// Undoes percent-encoding; what is no escape stays. Text without `%` is lent, other text is put into `scratch`.
pub fn percent_decode<'a>(text: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr(b'%', text).is_none() {
        return text;
    }
    scratch.clear();
    scratch.extend(decoded(text));
    scratch
}

/// Whether a raw key is this name once decoded.
fn is_name(key: &[u8], name: &str) -> bool {
    key == name.as_bytes() || (memchr(b'%', key).is_some() && decoded(key).eq(name.bytes()))
}

fn decoded(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if let (b'%', [high, low, after @ ..]) = (byte, after)
            && let Some(escaped) = pair(*high, *low)
        {
            rest = after;
            return Some(escaped);
        }
        Some(byte)
    })
}

fn without_authority(target: &[u8]) -> &[u8] {
    let scheme = target.iter().take(SCHEME_MAX).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    match target[scheme..].strip_prefix(b"://") {
        Some(rest) if scheme > 0 => rest.iter().position(|byte| matches!(byte, b'/' | b'?')).map_or(b"", |at| &rest[at..]),
        _ => target,
    }
}

const SCHEME_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(target: &str) -> (String, String) {
        let Target { path, query } = split(target.as_bytes());
        (String::from_utf8_lossy(path).into_owned(), String::from_utf8_lossy(query).into_owned())
    }

    #[test]
    fn a_target_is_path_and_query() {
        for (target, path, query) in [
            ("/a/b?c=d&e", "/a/b", "c=d&e"),
            ("/a", "/a", ""),
            ("/a?", "/a", ""),
            ("/a?b?c", "/a", "b?c"),
            ("https://h.example:8448/a?b", "/a", "b"),
            ("http://h.example", "/", ""),
            ("http://h.example?a=b", "/", "a=b"),
            ("*", "*", ""),
            ("example.org:443", "example.org:443", ""),
            ("", "", ""),
            ("?a", "/", "a"),
            ("/https://x/y", "/https://x/y", ""),
        ] {
            assert_eq!(parts(target), (path.into(), query.into()), "{target}");
        }
    }

    #[test]
    fn a_parameter_is_found_however_its_name_is_encoded() {
        assert_eq!(query_param(b"x=1&access_token=abc", "access_token"), Some(&b"abc"[..]));
        assert_eq!(query_param(b"access%5Ftoken=abc&since=s", "access_token"), Some(&b"abc"[..]));
        assert_eq!(query_param(b"%61ccess%5ftoken=abc", "access_token"), Some(&b"abc"[..]));
        assert_eq!(query_param(b"since=a&since=b", "since"), Some(&b"a"[..]));
        assert_eq!(query_param(b"since", "since"), Some(&b""[..]));
        assert_eq!(query_param(b"xsince=1&sinc", "since"), None);
    }

    #[test]
    fn decoding_leaves_what_is_no_escape() {
        let mut scratch = Vec::new();
        assert_eq!(percent_decode(b"%21a%3Ab", &mut scratch), b"!a:b");
        assert_eq!(percent_decode(b"100%", &mut scratch), b"100%");
        assert_eq!(percent_decode(b"%zz%2", &mut scratch), b"%zz%2");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart(target: Vec<u8>) {
            let parts = split(&target);
            prop_assert!(parts.path.len() + parts.query.len() <= target.len() + 1);
            let _ = query_param(parts.query, "since");
            prop_assert!(percent_decode(&target, &mut Vec::new()).len() <= target.len());
        }
    }
}
