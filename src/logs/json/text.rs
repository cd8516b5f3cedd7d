//! The texts of JSON values, with escapes undone.

use super::Value;

/// The texts of `values`; texts with escapes are decoded into `scratch`. `None` for `null`, absent and empty values (`"urt":,`),
/// and containers.
pub fn texts<'a, const N: usize>(values: &[Option<Value<'a>>; N], scratch: &'a mut Vec<u8>) -> [Option<&'a [u8]>; N] {
    scratch.clear();
    let mut ends = [0; N];
    for (value, end) in values.iter().zip(&mut ends) {
        if let Some(Value::Text { raw, escaped: true }) = value {
            unescape(raw, scratch);
        }
        *end = scratch.len();
    }
    let mut start = 0;
    std::array::from_fn(|field| {
        let here = start;
        start = ends[field];
        match values[field]? {
            Value::Text { escaped: true, .. } => Some(&scratch[here..ends[field]]),
            Value::Text { raw, .. } => Some(raw),
            Value::Bare(b"" | b"null") | Value::Object | Value::Array => None,
            Value::Bare(raw) => Some(raw),
        }
    })
}

/// Appends the text of a string. An unpaired surrogate becomes U+FFFD, nginx's `\xHH` becomes that byte; other escapes that JSON does
/// not define stay as they are.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let after = &rest[at + 1..];
        let taken = one_escape(after, out);
        if taken == 0 {
            out.push(b'\\');
        }
        rest = &after[taken..];
    }
    out.extend_from_slice(rest);
}

/// Undoes an escape, given the bytes after its backslash. Returns how many of them it used; 0 for an unknown escape.
fn one_escape(after: &[u8], out: &mut Vec<u8>) -> usize {
    let byte = match after.first() {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
        Some(b'x') => {
            let Some(byte) = hex(after.get(1..3)).and_then(|value| u8::try_from(value).ok()) else { return 0 };
            out.push(byte);
            return 3;
        }
        Some(b'u') => return unicode_escape(after, out),
        _ => return 0,
    };
    out.push(byte);
    1
}

/// `uXXXX`, or `uXXXX\uXXXX` for a pair.
fn unicode_escape(after: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(first) = hex(after.get(1..5)) else { return 0 };
    let mut code = first;
    let mut taken = 5;
    if (0xD800..0xDC00).contains(&first)
        && after.get(5..7) == Some(b"\\u")
        && let Some(second) = hex(after.get(7..11))
        && (0xDC00..0xE000).contains(&second)
    {
        code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        taken = 11;
    }
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    taken
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        unescape(raw, &mut out);
        out
    }

    #[test]
    fn an_escape_is_undone() {
        assert_eq!(text(br#"a\"b\\c\/d\n\t\u00e9"#), "a\"b\\c/d\n\té".as_bytes());
        assert_eq!(text(br"\ud83d\ude80!"), "🚀!".as_bytes());
        assert_eq!(text(br"\ud83d!\ude80"), "\u{fffd}!\u{fffd}".as_bytes());
        assert_eq!(text(br"\x22q\x22 \xZZ \uZZZZ \q"), br#""q" \xZZ \uZZZZ \q"#);
        assert_eq!(text(b"end\\"), b"end\\");
    }

    #[test]
    fn texts_share_one_scratch() {
        let mut scratch = Vec::new();
        let values = [
            Some(Value::Text { raw: br"a\n", escaped: true }),
            None,
            Some(Value::Text { raw: b"plain", escaped: false }),
            Some(Value::Text { raw: br"\t", escaped: true }),
            Some(Value::Bare(b"null")),
        ];
        assert_eq!(texts(&values, &mut scratch), [Some(&b"a\n"[..]), None, Some(&b"plain"[..]), Some(&b"\t"[..]), None]);
    }
}
