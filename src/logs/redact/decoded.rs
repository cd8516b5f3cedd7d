//! Text with its escapes undone, and the place of every byte in the original.
//!
//! Undoes percent-encoding, the escapes of JSON, nginx and C, and the numeric references of HTML, several layers deep. Knows nothing of
//! secrets.

use std::borrow::Cow;

use crate::escape::pair;

/// Text without escapes. Borrows text that has none.
pub(super) struct Decoded<'t> {
    plain: Cow<'t, [u8]>,
    /// `None` if nothing is escaped.
    origin: Option<Origin>,
}

struct Origin {
    /// How many times each byte was encoded.
    depth: Vec<u8>,
    /// Index of each byte in the original text, and at the end that text's length.
    index: Vec<usize>,
}

impl<'t> Decoded<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        if memchr::memchr2(b'%', b'\\', text).is_none() && memchr::memmem::find(text, b"&#").is_none() {
            return Self { plain: Cow::Borrowed(text), origin: None };
        }
        let mut plain = text.to_vec();
        let mut origin = Origin { depth: vec![0; text.len()], index: (0..=text.len()).collect() };
        for _ in 0..LAYERS_MAX {
            if !origin.decode_once(&mut plain) {
                break;
            }
        }
        Self { plain: Cow::Owned(plain), origin: Some(origin) }
    }

    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// How many times a byte was encoded.
    pub(super) fn depth(&self, at: usize) -> u8 {
        self.origin.as_ref().map_or(0, |origin| origin.depth[at])
    }

    /// The place of a byte, or of the text's end, in the original.
    pub(super) fn original(&self, at: usize) -> usize {
        self.origin.as_ref().map_or(at, |origin| origin.index[at])
    }
}

impl Origin {
    /// Undoes one layer; whether there was one.
    fn decode_once(&mut self, plain: &mut Vec<u8>) -> bool {
        let (mut read, mut write) = (0, 0);
        let len = plain.len();
        while read < len {
            let (byte, width) = one(&plain[read..]);
            self.index[write] = self.index[read];
            self.depth[write] = self.depth[read] + u8::from(width > 1);
            plain[write] = byte;
            read += width;
            write += 1;
        }
        self.index[write] = self.index[len];
        plain.truncate(write);
        self.depth.truncate(write);
        self.index.truncate(write + 1);
        write < len
    }
}

/// The byte that the start of `text`, which is not empty, means, and the number of bytes that say so.
fn one(text: &[u8]) -> (u8, usize) {
    let escape = match *text {
        [b'%', b'u', b'0', b'0', high, low, ..] | [b'\\', b'u', b'0', b'0', high, low, ..] => {
            // A character above ASCII is of no interest, and its code is not its UTF-8.
            pair(high, low).filter(u8::is_ascii).map(|byte| (byte, 6))
        }
        [b'%', high, low, ..] => pair(high, low).map(|byte| (byte, 3)),
        [b'\\', b'x', high, low, ..] => pair(high, low).map(|byte| (byte, 4)),
        [b'\\', byte @ (b'"' | b'\'' | b'\\' | b'/'), ..] => Some((byte, 2)),
        [b'\\', b'0' | b'1', ..] => octal(&text[1..]).map(|byte| (byte, 4)),
        [b'&', b'#', ..] => reference(&text[2..]).map(|(byte, width)| (byte, width + 2)),
        _ => None,
    };
    escape.unwrap_or((text[0], 1))
}

/// The byte of three octal digits, as C and the journal's verbose output write it.
fn octal(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).filter(|byte| matches!(byte, b'0'..=b'7')).map(|byte| byte - b'0');
    Some((digit(0)? << 6) | (digit(1)? << 3) | digit(2)?)
}

/// The byte of a numeric character reference of HTML behind its `&#`, and the length with the semicolon: `95;`, `x5f;`.
fn reference(text: &[u8]) -> Option<(u8, usize)> {
    let len = memchr::memchr(b';', &text[..text.len().min(REFERENCE_MAX)])?;
    let (digits, radix) = match text[..len] {
        [b'x' | b'X', ref digits @ ..] => (digits, 16),
        ref digits => (digits, 10),
    };
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?, radix).ok()?;
    u8::try_from(code).ok().filter(u8::is_ascii).map(|byte| (byte, len + 1))
}

/// Digits of a character reference with their semicolon.
const REFERENCE_MAX: usize = 8;
/// How many layers of encoding are undone.
const LAYERS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_places_remembered() {
        for (text, plain) in [
            ("a%5Fb%5fc", "a_b_c"),
            ("%2525255F", "_"),
            (r"\u0073\x79\/t", "sy/t"),
            (r"\\u0073", "s"),
            (r"\u00e9 \q \x %zz %", r"\u00e9 \q \x %zz %"),
            (r#"{\"a\":1}"#, r#"{"a":1}"#),
            (r"a\137b%u005Fc&#95;d&#x5F;e&#38;#95;f", "a_b_c_d_e_f"),
            (r"\1 \19 \377 &# &#; &#x; &#955; &#x20 &#+5; &", r"\1 \19 \377 &# &#; &#x; &#955; &#x20 &#+5; &"),
        ] {
            let decoded = Decoded::of(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(decoded.plain()), plain, "{text}");
            assert_eq!(decoded.original(decoded.plain().len()), text.len(), "{text}");
        }
        let decoded = Decoded::of(b"x%255Fy");
        assert_eq!((decoded.depth(0), decoded.depth(1), decoded.original(2)), (0, 2, 6));
    }
}
