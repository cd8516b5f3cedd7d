//! Undoes the escapes that log writers put into quoted fields.
//!
//! Invalid escapes stay as they are, so that no text is an error. Text without an escape is borrowed, not copied.

use std::borrow::Cow;

use memchr::memchr;

use wsim_http::scan;

/// How a format escapes bytes that could break its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// nginx `escape=default`: `"`, `\` and every byte outside printable ASCII as `\xHH`, upper-case digits.
    Nginx,
    /// Apache: `\"`, `\\`, C's letters for control characters, `\xhh` with lower-case digits for the rest.
    Apache,
    /// Traefik: `\"` in quoted fields, but nothing in the request line.
    Traefik,
    /// HAProxy: `#HH` (`"`, `#`, control and non-ASCII bytes; in captured headers also `{`, `|`, `}`).
    Haproxy,
    /// Nothing is escaped (nginx `escape=none`): a quote inside a field looks like its end.
    Raw,
}

impl Escape {
    /// Undoes the escapes of one field, given without its quotes.
    pub fn undo<'a>(self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(mark) = self.mark() else { return Cow::Borrowed(text) };
        let Some(first) = memchr(mark, text) else { return Cow::Borrowed(text) };
        let mut plain = Vec::with_capacity(text.len());
        plain.extend_from_slice(&text[..first]);
        let mut rest = &text[first..];
        while let Some(byte) = rest.first() {
            let (run, taken) = if *byte == mark {
                let (byte, width) = self.one(rest);
                plain.push(byte);
                (0, width)
            } else {
                let run = memchr(mark, rest).unwrap_or(rest.len());
                (run, run)
            };
            plain.extend_from_slice(&rest[..run]);
            rest = &rest[taken..];
        }
        Cow::Owned(plain)
    }

    /// Whether the text may contain an escape.
    #[inline]
    pub fn occurs_in(self, text: &[u8]) -> bool {
        self.mark().is_some_and(|mark| scan::find(mark, text).is_some())
    }

    /// The byte that starts an escape.
    pub fn mark(self) -> Option<u8> {
        match self {
            Self::Nginx | Self::Apache | Self::Traefik => Some(b'\\'),
            Self::Haproxy => Some(b'#'),
            Self::Raw => None,
        }
    }

    /// The byte that an escape at the start of `text` means, and the length of the escape; for an invalid escape its own first
    /// byte and 1.
    #[inline]
    fn one(self, text: &[u8]) -> (u8, usize) {
        let hexadecimal = match (self, text) {
            (Self::Nginx | Self::Apache, [b'\\', b'x', high, low, ..]) => pair(*high, *low).map(|byte| (byte, 4)),
            (Self::Haproxy, [b'#', high, low, ..]) => pair(*high, *low).map(|byte| (byte, 3)),
            _ => None,
        };
        hexadecimal.unwrap_or_else(|| match (self, text) {
            (Self::Traefik, [b'\\', quote @ (b'"' | b'\\'), ..]) => (*quote, 2),
            (Self::Apache, [b'\\', letter, ..]) => letter_escape(*letter).map_or((b'\\', 1), |byte| (byte, 2)),
            _ => (text[0], 1),
        })
    }
}

/// Two hexadecimal digits of either case as a byte.
#[inline]
pub fn pair(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (DIGITS[usize::from(high)], DIGITS[usize::from(low)]);
    (high | low < 16).then_some(high << 4 | low)
}

/// The value of each hexadecimal digit; 0xff for other bytes.
const DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut value = 0u8;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// Apache's `ap_escape_logitem`: C's letters, the quote and the backslash.
fn letter_escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'b' => 0x08,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'a' => 0x07,
        b'"' | b'\\' => letter,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_without_an_escape_is_borrowed() {
        for escape in [Escape::Nginx, Escape::Apache, Escape::Traefik, Escape::Haproxy, Escape::Raw] {
            assert!(matches!(escape.undo(b"Element/1.11"), Cow::Borrowed(b"Element/1.11")));
        }
    }

    #[test]
    fn each_writer_has_its_own_escapes() {
        assert_eq!(*Escape::Nginx.undo(br"a\x22b\x5Cc \xC3\xA9"), *b"a\"b\\c \xc3\xa9");
        assert_eq!(*Escape::Apache.undo(br#"tab\there \"q\" \\ caf\xe9"#), *b"tab\there \"q\" \\ caf\xe9");
        assert_eq!(*Escape::Haproxy.undo(b"#22quoted\\agent#22 $#7Bjndi#7D"), *b"\"quoted\\agent\" ${jndi}");
        assert_eq!(*Escape::Raw.undo(br"a\x22b"), *br"a\x22b");
    }

    #[test]
    fn an_invalid_escape_stays() {
        assert_eq!(*Escape::Nginx.undo(br"\ \x \x2 \xZZ \n \"), *br"\ \x \x2 \xZZ \n \");
        assert_eq!(*Escape::Apache.undo(br"\q \x2 \"), *br"\q \x2 \");
        assert_eq!(*Escape::Haproxy.undo(b"# #2 #ZZ #"), *b"# #2 #ZZ #");
    }

    proptest! {
        #[test]
        fn undoing_nginx_escapes_gives_back_what_nginx_escaped(bytes: Vec<u8>) {
            let mut written = Vec::new();
            for &byte in &bytes {
                if byte == b'"' || byte == b'\\' || !(0x20..0x7f).contains(&byte) {
                    written.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
                } else {
                    written.push(byte);
                }
            }
            prop_assert_eq!(Escape::Nginx.undo(&written).into_owned(), bytes);
        }

        #[test]
        fn any_bytes_are_undone_without_a_panic(bytes: Vec<u8>) {
            for escape in [Escape::Nginx, Escape::Apache, Escape::Traefik, Escape::Haproxy, Escape::Raw] {
                prop_assert!(escape.undo(&bytes).len() <= bytes.len());
            }
        }
    }
}
