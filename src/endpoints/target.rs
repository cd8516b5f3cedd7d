//! The request target: what of it is path, what is query, and what nginx would make of the path.
//!
//! Knows nothing of tables. Any bytes in, never a panic.

use std::borrow::Cow;

/// A request target taken apart. The fragment, which no client should send, is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'t> {
    /// From the first slash to the query, as sent.
    pub(super) path: &'t [u8],
    /// After the question mark.
    pub(super) query: Option<&'t [u8]>,
}

/// Takes a target apart; `None` if it is neither a path nor an absolute URI (nothing, `*`, `host:443`, TLS bytes).
#[inline]
pub(super) fn split(target: &[u8]) -> Option<Target<'_>> {
    let target = if target.first() == Some(&b'/') { target } else { after_authority(target)? };
    let Some(end) = memchr::memchr2(b'?', b'#', target) else { return Some(Target { path: target, query: None }) };
    let (path, rest) = target.split_at(end);
    let query = (rest.first() == Some(&b'?')).then(|| {
        let query = &rest[1..];
        &query[..memchr::memchr(b'#', query).unwrap_or(query.len())]
    });
    Some(Target { path, query })
}

/// `https://host:port/path?query` -> `/path?query`. Without a path the answer is empty, which is no row's business.
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

/// Whether a `/sync` with this query starts from nothing: no `since` (or an empty one, as nginx' `$arg_since` sees it), or
/// the whole state asked for. Names and values may be percent-encoded; the first of several counts, as in Synapse.
pub fn asks_for_everything(query: Option<&[u8]>) -> bool {
    let Some(query) = query else { return true };
    let (mut since, mut full_state) = (None, None);
    let mut rest = query;
    loop {
        let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        let parameter = &rest[..end];
        // Longer names than these ten bytes matter only when they are encoded.
        let equals = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
        let (name, value) = (&parameter[..equals], parameter.get(equals + 1..).unwrap_or_default());
        match name {
            b"since" => since = since.or(Some(value)),
            b"full_state" => full_state = full_state.or(Some(value)),
            _ if name.contains(&b'%') => match percent_decoded(name).as_ref() {
                b"since" => since = since.or(Some(value)),
                b"full_state" => full_state = full_state.or(Some(value)),
                _ => {}
            },
            _ => {}
        }
        match rest.get(end + 1..) {
            Some(next) => rest = next,
            None => break,
        }
    }
    since.is_none_or(<[u8]>::is_empty) || full_state.is_some_and(|value| percent_decoded(value).as_ref() == b"true")
}

/// The path as nginx matches it in a `location`: percent-decoded, runs of slashes merged, `.` and `..` resolved.
///
/// Source: nginx, `ngx_http_parse_complex_uri` with the default `merge_slashes on`. A path that climbs above the root,
/// which nginx refuses, stays at the root.
#[must_use]
pub fn as_nginx_sees(path: &[u8]) -> Cow<'_, [u8]> {
    let plain =
        memchr::memchr(b'%', path).is_none() && memchr::memmem::find(path, b"//").is_none() && memchr::memmem::find(path, b"/.").is_none();
    if plain {
        return Cow::Borrowed(path);
    }
    let decoded = percent_decoded(path);
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut open = false;
    for segment in decoded.split(|byte| *byte == b'/') {
        open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut seen = Vec::with_capacity(decoded.len());
    for segment in &segments {
        seen.push(b'/');
        seen.extend_from_slice(segment);
    }
    if open || segments.is_empty() {
        seen.push(b'/');
    }
    Cow::Owned(seen)
}

/// The target with the value of every `access_token` in its query replaced, for echoing what somebody typed or piped.
pub fn without_token(target: &[u8]) -> Cow<'_, [u8]> {
    let Some(start) = memchr::memchr(b'?', target) else { return Cow::Borrowed(target) };
    let (path, query) = target.split_at(start + 1);
    let is_token = |parameter: &[u8]| {
        let name = parameter.split(|byte| *byte == b'=').next().unwrap_or_default();
        percent_decoded(name).eq_ignore_ascii_case(b"access_token")
    };
    if !query.split(|byte| *byte == b'&').any(is_token) {
        return Cow::Borrowed(target);
    }
    let shown: Vec<&[u8]> = query
        .split(|byte| *byte == b'&')
        .map(|parameter| if is_token(parameter) { &b"access_token=<redacted>"[..] } else { parameter })
        .collect();
    Cow::Owned([path, &shown.join(&b'&')].concat())
}

/// Decodes `%41`; what is no such triple stays as it is.
#[must_use]
pub fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if let (b'%', [high, low, after @ ..]) = (byte, tail)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(byte);
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(target: &str) -> Option<String> {
        split(target.as_bytes()).map(|target| String::from_utf8(target.path.to_vec()).unwrap())
    }

    #[test]
    fn the_path_ends_at_the_query_or_the_fragment() {
        assert_eq!(path("/a/b?c=/d"), Some("/a/b".into()));
        assert_eq!(path("/a#b?c"), Some("/a".into()));
        assert_eq!(path("/a%3Fb"), Some("/a%3Fb".into()));
        let target = split(b"/a?b#c").unwrap();
        assert_eq!(target.query, Some(&b"b"[..]));
        assert_eq!(split(b"/a#b?c").unwrap().query, None);
    }

    #[test]
    fn scheme_and_host_of_an_absolute_uri_are_stripped() {
        assert_eq!(path("https://matrix.example.org:8448/_matrix/key/v2/server?x"), Some("/_matrix/key/v2/server".into()));
        assert_eq!(path("http://example.org"), Some(String::new()));
        assert_eq!(path("http://example.org?x=/y"), Some(String::new()));
    }

    #[test]
    fn what_is_neither_path_nor_uri_is_no_target() {
        for target in ["", "*", "-", "example.org:443", "\u{16}\u{3}\u{1}", "://x/y", "http:///x", "1a://x/y", "_matrix/x"] {
            assert_eq!(path(target), None, "{target:?}");
        }
    }

    #[test]
    fn only_a_since_that_says_something_makes_a_sync_incremental() {
        let everything = |query: &str| asks_for_everything(Some(query.as_bytes()));
        assert!(asks_for_everything(None));
        assert!(everything(""));
        assert!(everything("timeout=0&filter=%7B%22since%3D1%22%7D"));
        assert!(everything("since="));
        assert!(everything("xsince=s1"));
        assert!(!everything("since=s1_2"));
        assert!(!everything("timeout=30000&since=s1"));
        assert!(!everything("%73ince=s1"));
        assert!(!everything("&&since=s1&&"));
        assert!(everything("since=s1&full_state=true"));
        assert!(everything("since=s1&full%5fstate=%74rue"));
        assert!(!everything("since=s1&full_state=false"));
        assert!(!everything("since=s1&full_state"));
    }

    #[test]
    fn nginx_sees_a_decoded_path_with_single_slashes_and_no_dots() {
        let seen = |path: &str| String::from_utf8(as_nginx_sees(path.as_bytes()).into_owned()).unwrap();
        assert_eq!(seen("/_matrix/client/v3/rooms/%21a%3Ab/send"), "/_matrix/client/v3/rooms/!a:b/send");
        assert_eq!(seen("//a///b/"), "/a/b/");
        assert_eq!(seen("/a/./b/../c"), "/a/c");
        assert_eq!(seen("/a/.."), "/");
        assert_eq!(seen("/../../a"), "/a");
        assert_eq!(seen("/a/.well-known"), "/a/.well-known");
        assert_eq!(seen("/a%2Fb%"), "/a/b%");
        assert_eq!(seen("/plain"), "/plain");
    }

    #[test]
    fn a_token_in_the_query_is_not_echoed() {
        let shown = |target: &str| String::from_utf8(without_token(target.as_bytes()).into_owned()).unwrap();
        assert_eq!(shown("/a?since=s&access_token=syt_secret&x=y"), "/a?since=s&access_token=<redacted>&x=y");
        assert_eq!(shown("/a?access%5Ftoken=secret"), "/a?access_token=<redacted>");
        assert_eq!(shown("/a?since=s"), "/a?since=s");
        assert_eq!(shown("/access_token=x"), "/access_token=x");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_taken_apart(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(target) = split(&bytes) {
                prop_assert!(target.path.is_empty() || target.path[0] == b'/');
                prop_assert!(as_nginx_sees(target.path).len() <= target.path.len() + 1);
                let _ = asks_for_everything(target.query);
            }
        }
    }
}
