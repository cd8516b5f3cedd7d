//! Percent-encoding. Bytes that are not part of a complete `%hh` stay as they are.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// `%21a%3Ab` -> `!a:b`. Text without an escape is borrowed.
#[inline]
#[must_use]
pub fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if text.contains(&b'%') { percent_decode(text).into() } else { Cow::Borrowed(text) }
}

/// [`decode`] into a buffer that the caller keeps, so that decoding many short texts does not allocate.
pub fn decode_into<'a>(text: &[u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    buffer.clear();
    buffer.extend(percent_decode(text));
    buffer
}

/// [`decode`] for text; bytes that are not UTF-8 are replaced.
#[must_use]
pub fn decode_text(text: &str) -> Cow<'_, str> {
    percent_decode(text.as_bytes()).decode_utf8_lossy()
}

/// Appends `text` as one path segment or query value: encodes everything but the unreserved characters of RFC 3986.
pub fn push_encoded(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, RESERVED));
}

/// `text` as one path segment or query value, see [`push_encoded`].
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_is_no_escape_stays() {
        for (text, decoded) in [("%21a%3Ab", "!a:b"), ("100%", "100%"), ("%zz%2", "%zz%2"), ("%%41", "%A"), ("plain", "plain")] {
            assert_eq!(*decode(text.as_bytes()), *decoded.as_bytes(), "{text}");
            assert_eq!(decode_into(text.as_bytes(), &mut b"old".to_vec()), decoded.as_bytes(), "{text}");
            assert_eq!(decode_text(text), decoded, "{text}");
        }
        assert!(matches!(decode(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_identifier_is_encoded_as_one_segment() {
        assert_eq!(encoded("!a/b:c.d"), "%21a%2Fb%3Ac.d");
        assert_eq!(encoded("@ü~_-"), "%40%C3%BC~_-");
    }

    proptest! {
        #[test]
        fn encoded_text_is_decoded_unchanged(text: String) {
            let encoded = encoded(&text);
            prop_assert_eq!(decode_text(&encoded), text);
        }

        #[test]
        fn any_bytes_can_be_decoded(bytes: Vec<u8>) {
            prop_assert!(decode(&bytes).len() <= bytes.len());
        }
    }
}
