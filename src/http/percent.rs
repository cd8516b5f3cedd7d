//! Percent-encoding. Bytes that are not part of a complete `%hh` stay as they are.

use std::borrow::Cow;

use percent_encoding::percent_decode;

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

    proptest! {
        #[test]
        fn any_bytes_can_be_decoded(bytes: Vec<u8>) {
            prop_assert!(decode(&bytes).len() <= bytes.len());
        }
    }
}
