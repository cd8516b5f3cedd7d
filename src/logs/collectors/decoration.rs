//! Colours, indentation, alignment and quotes.

use super::Unwrapped;
use std::borrow::Cow;

/// The text without the escape sequences of terminals. `None` if there is none.
///
/// Also the ways in which collectors write the escape character: `#033` (rsyslog), `^[` (`cat -v`), or not at all; without it only a
/// text that begins with a colour (`[0;33;1mnginx.1 | …`) is taken for a coloured one.
pub(super) fn without_colours(text: &[u8]) -> Option<Vec<u8>> {
    let bare = bare_colour(text).is_some();
    let mut at = next_mark(text, bare)?;
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    loop {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if let Some(len) = sequence(rest, bare) {
            found = true;
            rest = &rest[len..];
        } else {
            plain.push(rest[0]);
            rest = &rest[1..];
        }
        let Some(next) = next_mark(rest, bare) else { break };
        at = next;
    }
    plain.extend_from_slice(rest);
    found.then_some(plain)
}

/// The next byte with which a sequence may begin.
fn next_mark(text: &[u8], bare: bool) -> Option<usize> {
    let written = memchr::memchr3(0x1b, b'#', b'^', text);
    if bare { [written, memchr::memchr(b'[', text)].into_iter().flatten().min() } else { written }
}

/// The length of the escape sequence at the start of a text that is not empty.
fn sequence(text: &[u8], bare: bool) -> Option<usize> {
    let (escape, rest) = match text {
        [0x1b, rest @ ..] => (1, rest),
        [b'#', b'0', b'3', b'3', rest @ ..] => (4, rest),
        [b'^', b'[', rest @ ..] => (2, rest),
        [b'[', ..] if bare => return bare_colour(text),
        _ => return None,
    };
    match rest.first() {
        Some(b'[') => {
            let parameters = rest[1..].iter().take(SEQUENCE_MAX).take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
            matches!(rest.get(1 + parameters), Some(0x40..=0x7e)).then_some(escape + parameters + 2)
        }
        // The address of a link, up to the bell or `ESC \`.
        Some(b']') if escape == 1 => {
            let end = memchr::memchr2(0x07, 0x1b, rest)?;
            let closing = if rest[end] == 0x07 { 1 } else { 2 };
            (rest.len() >= end + closing).then_some(escape + end + closing)
        }
        _ if escape == 1 => Some(1),
        _ => None,
    }
}

/// `[0;33;1m` or `[m` at the start of a text.
fn bare_colour(text: &[u8]) -> Option<usize> {
    let parameters = text.strip_prefix(b"[")?;
    let len = parameters.iter().take(SEQUENCE_MAX).take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    (parameters.get(len) == Some(&b'm')).then_some(len + 2)
}

const SEQUENCE_MAX: usize = 24;

/// The text behind blanks and `> ` of quotations. `None` if there is nothing else, or no indentation.
pub(super) fn without_indent(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.trim_ascii_start();
    while let Some(quoted) = rest.strip_prefix(b"> ") {
        rest = quoted.trim_ascii_start();
    }
    (rest.len() < text.len() && !rest.is_empty()).then_some(rest)
}

/// The text with one blank in place of several, outside of quotes, where bars separate columns: `|   4.1ms |     192.0.2.7 | GET     "/x"`.
/// `None` if no columns are aligned.
pub(super) fn without_alignment(text: &[u8]) -> Option<Vec<u8>> {
    (memchr::memmem::find(text, b"  ").is_some() && memchr::memmem::find(text, b" | ").is_some()).then_some(())?;
    let mut plain = Vec::with_capacity(text.len());
    let mut quoted = false;
    let mut last = b'x';
    for (at, byte) in text.iter().copied().enumerate() {
        quoted ^= byte == b'"' && text[..at].iter().rev().take_while(|before| **before == b'\\').count() % 2 == 0;
        if quoted || byte != b' ' || last != b' ' {
            plain.push(byte);
        }
        last = byte;
    }
    (plain.len() < text.len()).then_some(plain)
}

/// The text in quotes around the whole line, whose inner quotes are doubled or have a backslash.
pub(super) fn without_quotes(text: &[u8]) -> Option<Unwrapped<'_>> {
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b",").unwrap_or(text);
    let (quote, inner) = match text {
        [quote @ (b'"' | b'\'' | b'`'), inner @ .., last] if quote == last => (*quote, inner),
        _ => return None,
    };
    let mut plain = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((&byte, after)) = rest.split_first() {
        let second = after.first().copied();
        rest = after;
        if byte == quote {
            // A single quote ends the quotation: it is not around the whole line.
            rest = after.strip_prefix(&[quote]).filter(|_| quote != b'`')?;
        } else if byte == b'\\' && quote == b'"' && matches!(second, Some(b'"' | b'\\')) {
            plain.extend(second);
            rest = &after[1..];
            continue;
        }
        plain.push(byte);
    }
    (!plain.is_empty()).then_some(Unwrapped { text: Cow::Owned(plain), process: None, stamp: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colourless(text: &str) -> Option<String> {
        without_colours(text.as_bytes()).map(|plain| String::from_utf8(plain).unwrap())
    }

    #[test]
    fn colours_are_removed_however_the_escape_character_is_written() {
        for coloured in [
            "\x1b[36msynapse-1  | \x1b[0m2026",
            "\x1b[0;33;1msynapse-1  | #033[0m2026",
            "[36msynapse-1  | [0m2026",
            "^[[36msynapse-1  | ^[[0m2026",
            "\x1b]8;;https://example.org\x07synapse-1\x1b]8;;\x1b\\  | 2026\x1b[K",
        ] {
            assert_eq!(colourless(coloured).as_deref(), Some("synapse-1  | 2026"), "{coloured:?}");
        }
        for plain in ["", "no colour", "a#b ^c [36m", "[24/Apr/2024:20:28:54 +0000] - 200", "#03", "\\x1B[31m"] {
            assert_eq!(colourless(plain), None, "{plain}");
        }
    }

    #[test]
    fn quotes_go_only_if_they_are_around_the_whole_line() {
        let inner = |text: &str| without_quotes(text.as_bytes()).map(|found| String::from_utf8(found.text.into_owned()).unwrap());
        assert_eq!(inner(r#""a \"b\" c""#).as_deref(), Some(r#"a "b" c"#));
        assert_eq!(inner(r#""a ""b"" c","#).as_deref(), Some(r#"a "b" c"#));
        assert_eq!(inner(r#"'a "b" c'"#).as_deref(), Some(r#"a "b" c"#));
        assert_eq!(inner(r#""a" "b""#), None);
        assert_eq!(inner(r#""""#), None);
        assert_eq!(inner("\""), None);
    }

    #[test]
    fn alignment_goes_outside_of_quotes() {
        let plain = |text: &str| without_alignment(text.as_bytes()).map(|plain| String::from_utf8(plain).unwrap());
        assert_eq!(plain(r#"200 |    4.1ms | GET     "/a  \"  b""#).as_deref(), Some(r#"200 | 4.1ms | GET "/a  \"  b""#));
        for text in ["", "a  b", "a | b", r#"a | "b  c""#] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    #[test]
    fn indentation_goes_but_a_blank_line_stays() {
        assert_eq!(without_indent(b" \t> > x "), Some(&b"x "[..]));
        assert_eq!(without_indent(b"   "), None);
        assert_eq!(without_indent(b"x"), None);
    }
}
