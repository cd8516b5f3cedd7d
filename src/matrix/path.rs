//! Percent-encoding of identifiers in paths and queries.

/// Appends `text` as one path segment or query value: percent-encodes everything but the unreserved characters of RFC 3986.
pub(super) fn push_encoded(out: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// `text` as one path segment.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    push_encoded(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_one_segment() {
        assert_eq!(encoded("!a/b:c.d"), "%21a%2Fb%3Ac.d");
        assert_eq!(encoded("@ü~_-"), "%40%C3%BC~_-");
    }
}
