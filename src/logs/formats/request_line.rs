//! The first line of an HTTP request as logs quote it: `METHOD target PROTOCOL`, or whatever the client sent instead.

/// Splits a logged request line into method and target; both are empty if it is unreadable.
///
/// Accepts everything that real logs contain: an empty line, `-`, binary data (escaped or not), `HELP`, lines truncated before
/// the protocol (status 414, HAProxy's 1024 bytes), targets with raw spaces. The protocol is dropped.
///
/// ```
/// use wsim_logs::formats::request_line::split;
/// assert_eq!(split(b"GET /_matrix/client/versions HTTP/2.0"), (&b"GET"[..], &b"/_matrix/client/versions"[..]));
/// assert_eq!(split(br"\x16\x03\x01"), (&b""[..], &b""[..]));
/// ```
#[inline]
pub fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let method_len = match line {
        [b'G', b'E', b'T', b' ', ..] | [b'P', b'U', b'T', b' ', ..] => 3,
        [b'P', b'O', b'S', b'T', b' ', ..] => 4,
        _ => line.iter().take(METHOD_MAX + 1).position(|byte| !is_method_byte(*byte)).unwrap_or(line.len().min(METHOD_MAX + 1)),
    };
    if method_len == 0 || method_len > METHOD_MAX || matches!(line, [b'-'] | [b'-', b' ', ..]) {
        return (b"", b"");
    }
    let (method, rest) = line.split_at(method_len);
    match rest.split_first() {
        None => (method, b""),
        Some((b' ', rest)) => (method, without_protocol(rest).trim_ascii()),
        Some(_) => (b"", b""),
    }
}

/// A method of HTTP as text that outlives the line, for values that had to be copied; empty for other methods.
pub fn known_method(method: &[u8]) -> &'static [u8] {
    METHODS.iter().find(|known| known.as_bytes() == method).map_or(b"", |known| known.as_bytes())
}

#[inline]
fn without_protocol(rest: &[u8]) -> &[u8] {
    let len = rest.len();
    if len >= 9 && &rest[len - 9..len - 3] == b" HTTP/" {
        return &rest[..len - 9];
    }
    match memchr::memrchr(b' ', rest) {
        Some(at) if rest[at + 1..].starts_with(b"HTTP/") => &rest[..at],
        _ => rest,
    }
}

#[inline]
fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Longer than any registered method (`UPDATEREDIRECTREF`, 17).
const METHOD_MAX: usize = 24;
const METHODS: [&str; 11] = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND", "PRI"];

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> (String, String) {
        let (method, target) = split(line.as_bytes());
        (String::from_utf8_lossy(method).into_owned(), String::from_utf8_lossy(target).into_owned())
    }

    fn is(method: &str, target: &str) -> (String, String) {
        (method.to_owned(), target.to_owned())
    }

    #[test]
    fn a_request_line_is_method_and_target() {
        assert_eq!(text("GET / HTTP/1.1"), is("GET", "/"));
        assert_eq!(text("PUT /a?b=c HTTP/3.0"), is("PUT", "/a?b=c"));
        assert_eq!(text("get /a HTTP/9.9"), is("get", "/a"));
        assert_eq!(text("GET /a HTTP/2"), is("GET", "/a"));
        assert_eq!(text("PRI * HTTP/2.0"), is("PRI", "*"));
        assert_eq!(text("CONNECT example.org:443 HTTP/1.1"), is("CONNECT", "example.org:443"));
        assert_eq!(text("GET https://example.org/x HTTP/2.0"), is("GET", "https://example.org/x"));
    }

    #[test]
    fn raw_spaces_in_the_target_stay_but_not_around_it() {
        assert_eq!(text("GET /a b c HTTP/1.1"), is("GET", "/a b c"));
        assert_eq!(text("GET /a  HTTP/1.1"), is("GET", "/a"));
    }

    #[test]
    fn a_line_truncated_before_its_protocol_keeps_the_target() {
        assert_eq!(text("GET /_matrix/client/v3/sync?aaaa"), is("GET", "/_matrix/client/v3/sync?aaaa"));
        assert_eq!(text("HELP"), is("HELP", ""));
    }

    #[test]
    fn unreadable_lines_are_empty() {
        for line in [
            "",
            "-",
            " ",
            "- - -",
            "- /x HTTP/1.1",
            r"\x16\x03\x01",
            r"\x03\x00\x00/*\xE0\x00Cookie: mstshash=Administr",
            "<BADREQ>",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(text(line), is("", ""), "{line:?}");
        }
        assert_eq!(text(&"A".repeat(70_000)), is("", ""));
    }
}
