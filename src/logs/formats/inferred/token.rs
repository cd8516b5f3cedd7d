//! Splits a line into the values that a format wrote and the text between them.
//!
//! ```text
//! to: 10.0.0.2:8008: GET /a HTTP/2.0 200 request_time 0.130 rt="0.131" [x y]
//!     10.0.0.2:8008  GET /a HTTP/2.0 200 request_time 0.130     0.131   x y
//! ```
//!
//! Knows the forms of values (quoted, in brackets, request lines, dates of several words, lists over upstreams), not their meaning.

use memchr::memchr2;

/// One value, with the text of the format before and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value<'a> {
    /// The text since the last value: separators, a label, an opening quote.
    pub(super) before: Vec<u8>,
    /// `rt` of `rt=0.003` or `request time` of `request time: 0.003`.
    pub(super) label: Option<&'a [u8]>,
    pub(super) form: Form,
    pub(super) text: &'a [u8],
}

/// How a value is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Form {
    Bare,
    Quoted,
    Bracketed,
    /// `GET /path HTTP/1.1` without quotes.
    Request,
    /// A date and a time of day, and perhaps a zone, without quotes.
    Date,
}

/// The values of a line from `text` on, and the text after the last one; `None` if there are more than any format has.
pub(super) fn values(text: &[u8]) -> Option<(Vec<Value<'_>>, Vec<u8>)> {
    let mut values: Vec<Value<'_>> = Vec::new();
    let mut before = Vec::new();
    let mut rest = text;
    loop {
        // The second number of a pair.
        let second = usize::from(!values.is_empty() && before.is_empty() && matches!(rest, [b'/', next, ..] if next.is_ascii_digit()));
        let skipped = second + rest[second..].iter().take_while(|byte| SEPARATORS.contains(byte)).count();
        before.extend_from_slice(&rest[..skipped]);
        rest = &rest[skipped..];
        if rest.is_empty() {
            return Some((values, before));
        }
        // `[useragent: Mozilla/5.0 (X11)]`: brackets around a label with a colon and its value, which may have blanks.
        if let Some(inner) = rest.strip_prefix(b"[")
            && let Some((name, len)) = label_of(inner)
            && inner.get(name.len()) == Some(&b':')
            && let Some(close) = memchr::memchr(b']', inner).filter(|close| *close >= len)
        {
            before.extend_from_slice(&rest[..len + 1]);
            values.push(Value { before: std::mem::take(&mut before), label: Some(name), form: Form::Bracketed, text: &inner[len..close] });
            (values.len() <= VALUES_MAX).then_some(())?;
            before.push(b']');
            rest = &inner[close + 1..];
            continue;
        }
        // `[status 200]`: brackets around a label and its value.
        if let Some(inner) = rest.strip_prefix(b"[")
            && inner.split(|byte| *byte == b' ').next().is_some_and(|word| word.len() < inner.len() && super::column::is_name(word))
        {
            before.push(b'[');
            rest = inner;
            continue;
        }
        let mut label = None;
        if let Some((name, len)) = label_of(rest) {
            label = Some(name);
            before.extend_from_slice(&rest[..len]);
            rest = &rest[len..];
        }
        let (form, open, value, close) = value_of(rest, label.is_some());
        before.extend_from_slice(&rest[..open]);
        values.push(Value { before: std::mem::take(&mut before), label, form, text: value });
        (values.len() <= VALUES_MAX).then_some(())?;
        let used = open + value.len();
        before.extend_from_slice(&rest[used..used + close]);
        rest = &rest[used + close..];
    }
}

/// The values between delimiters, each with its label (`rt=`, `rt:` as in Labeled Tab-separated Values), without blanks, quotes and
/// brackets around them; and the text after the last one. `None` if there are more than any format has.
pub(super) fn delimited(line: &[u8], delimiter: u8) -> Option<(Vec<Value<'_>>, Vec<u8>)> {
    let mut values: Vec<Value<'_>> = Vec::new();
    let mut before = Vec::new();
    let mut rest = line;
    loop {
        // A tab may be the delimiter.
        let open = rest.iter().take_while(|byte| **byte == b' ').count();
        before.extend_from_slice(&rest[..open]);
        rest = &rest[open..];
        let len = field_len(rest, delimiter);
        let blanks = rest[..len].iter().rev().take_while(|byte| **byte == b' ').count();
        let field = &rest[..len - blanks];
        let mut start = 0;
        let mut label = None;
        if let Some((name, len)) = delimited_label(field) {
            (label, start) = (Some(name), len);
        }
        let inner = &field[start..];
        let (form, text, closing) = match inner {
            [b'"', text @ .., b'"'] => (Form::Quoted, text, 1),
            [b'[', text @ .., b']'] => (Form::Bracketed, text, 1),
            text if request_len(text) == Some(text.len()) => (Form::Request, text, 0),
            text if date_len(text) == Some(text.len()) => (Form::Date, text, 0),
            text => (Form::Bare, text, 0),
        };
        let text_start = start + closing;
        before.extend_from_slice(&rest[..text_start]);
        values.push(Value { before: std::mem::take(&mut before), label, form, text });
        (values.len() <= VALUES_MAX).then_some(())?;
        let used = text_start + text.len();
        let next = (len + 1).min(rest.len());
        before.extend_from_slice(&rest[used..next]);
        if len == rest.len() {
            return Some((values, before));
        }
        rest = &rest[next..];
    }
}

/// The length of a field up to its delimiter, which does not end a field in quotes.
fn field_len(text: &[u8], delimiter: u8) -> usize {
    let quoted = text.strip_prefix(b"\"").and_then(quoted_len).map_or(0, |len| len + 2);
    memchr::memchr(delimiter, &text[quoted..]).map_or(text.len(), |at| quoted + at)
}

/// `rt=` or `rt:` at the start of a field, also before a quote or a bracket.
fn delimited_label(field: &[u8]) -> Option<(&[u8], usize)> {
    let name = field.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')).count();
    if !(2..=LABEL_MAX).contains(&name) || !field[0].is_ascii_alphabetic() {
        return None;
    }
    let blank = usize::from(field.get(name + 1) == Some(&b' '));
    match field.get(name)? {
        b'=' => Some((&field[..name], name + 1 + blank)),
        // `unix:/path`, `localhost:8008` and `https://…` are values.
        b':' if super::column::is_name(&field[..name]) && field.get(name + 1..name + 3) != Some(b"//") => {
            Some((&field[..name], name + 1 + blank))
        }
        _ => None,
    }
}

/// Whether a byte behind a value is of the format: a brace or an angle bracket that the value itself opens is not.
fn closes(value: &[u8], byte: u8) -> bool {
    match byte {
        b'}' => !value.contains(&b'{'),
        b'>' => !value.contains(&b'<'),
        _ => matches!(byte, b':' | b',' | b';' | b'"' | b']' | b')'),
    }
}

/// A label such as `rt=`, `request_time:` or `Request time: ` at the start of a text: its name, and its length with what follows it.
fn label_of(text: &[u8]) -> Option<(&[u8], usize)> {
    let name = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')).count();
    if name == 0 || name > LABEL_MAX || !text[0].is_ascii_alphabetic() {
        return None;
    }
    let word = &text[..name];
    match text.get(name..)? {
        [b'=', ..] => Some((word, name + 1)),
        [b':', b' ', ..] if !word.contains(&b'.') && name > 1 => Some((word, name + 2)),
        // `localhost:8008` and `unix:/path` are values.
        [b':', next, ..] if *next != b'/' && !word.contains(&b'.') && (word.contains(&b'_') || super::column::is_name(word)) => {
            Some((word, name + 1))
        }
        _ => None,
    }
}

/// The form of the value at the start of a text, with the lengths of what opens and closes it around its text.
fn value_of(text: &[u8], labelled: bool) -> (Form, usize, &[u8], usize) {
    if let Some(inner) = text.strip_prefix(b"\"")
        && let Some(len) = quoted_len(inner)
    {
        return (Form::Quoted, 1, &inner[..len], 1);
    }
    if let Some(inner) = text.strip_prefix(b"[")
        && let Some(len) = memchr::memchr(b']', inner)
    {
        return (Form::Bracketed, 1, &inner[..len], 1);
    }
    if let Some(len) = request_len(text) {
        return (Form::Request, 0, &text[..len], 0);
    }
    if let Some(len) = date_len(text) {
        return (Form::Date, 0, &text[..len], 0);
    }
    if !labelled && let Some(len) = number_of_pair(text) {
        return (Form::Bare, 0, &text[..len], 0);
    }
    let mut len = word_len(text);
    if labelled && len == 0 {
        return (Form::Bare, 0, b"", 0);
    }
    // `a, b : c` is one value over several upstreams.
    while let Some(next) = continued(&text[..len], &text[len..]) {
        len += next + word_len(&text[len + next..]);
    }
    let close = usize::from(len > 1 && closes(&text[..len - 1], text[len - 1]));
    (Form::Bare, 0, &text[..len - close], close)
}

/// The length of a quoted field's text.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', text.get(from..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        from = at + 2;
    }
}

/// The length of a number that a slash or a star ends: Apache's `%T/%D`, also between stars, and `0.012/0.010`.
fn number_of_pair(text: &[u8]) -> Option<usize> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let is_pair = match text.get(len..)? {
        [b'/', next, ..] => next.is_ascii_digit(),
        [b'*', ..] => true,
        _ => false,
    };
    (len > 0 && text[0].is_ascii_digit() && is_pair && text[..len].iter().filter(|byte| **byte == b'.').count() < 2).then_some(len)
}

fn word_len(text: &[u8]) -> usize {
    text.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'|' | b'(')).unwrap_or(text.len())
}

/// The length of a list's separator, if one follows an item.
fn continued(item: &[u8], rest: &[u8]) -> Option<usize> {
    if item.ends_with(b",") && rest.len() > 1 && rest[0] == b' ' {
        return Some(1);
    }
    let looks = |text: &[u8]| text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
    (looks(item) && rest.starts_with(b" : ") && looks(&rest[3..])).then_some(3)
}

/// The length of `METHOD target PROTOCOL`.
fn request_len(text: &[u8]) -> Option<usize> {
    let method = METHODS.iter().find(|method| text.starts_with(method.as_bytes()) && text.get(method.len()) == Some(&b' '))?;
    let target = text.get(method.len() + 1..)?;
    (target.starts_with(b"/") || target.starts_with(b"http") || target.starts_with(b"*")).then_some(())?;
    let protocol = memchr::memmem::find(text, b" HTTP/")? + 1;
    Some(
        protocol
            + text[protocol..]
                .iter()
                .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.')))
                .unwrap_or(text.len() - protocol),
    )
}

/// The length of a date with a time of day as words of their own, and of its zone.
fn date_len(text: &[u8]) -> Option<usize> {
    let is = |pattern: &[u8]| {
        text.len() >= pattern.len()
            && pattern.iter().zip(text).all(|(expected, byte)| match expected {
                b'd' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphabetic(),
                other => byte == other,
            })
    };
    let mut len = if is(b"dd/aaa/dddd:dd:dd:dd") {
        20
    } else if is(b"dddd/dd/dd - dd:dd:dd") {
        // Gin's.
        return Some(21);
    } else if is(b"dddd-dd-dd dd:dd:dd") || is(b"dddd/dd/dd dd:dd:dd") {
        19
    } else {
        return None;
    };
    len += text[len..].iter().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')).count();
    if let [b' ', b'+' | b'-', a, b, c, d, ..] = &text[len..]
        && [a, b, c, d].iter().all(|byte| byte.is_ascii_digit())
    {
        len += 6;
    }
    Some(len)
}

/// Between values.
const SEPARATORS: [u8; 12] = [b' ', b'\t', b'|', b';', b'(', b')', b']', b'*', b'{', b'}', b'<', b'>'];
const METHODS: [&str; 7] = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"];
const LABEL_MAX: usize = 40;
/// More values than real formats have.
const VALUES_MAX: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(line: &str) -> Vec<String> {
        let (values, _) = values(line.as_bytes()).unwrap();
        values
            .iter()
            .map(|value| {
                let label = value.label.map(|label| format!("{}=", String::from_utf8_lossy(label))).unwrap_or_default();
                format!("{label}{}", String::from_utf8_lossy(value.text))
            })
            .collect()
    }

    #[test]
    fn every_form_of_value_is_found() {
        assert_eq!(
            texts(r#"[02/Jan/2026:15:04:05 +0000] h to: 10.0.0.2:8008: GET /a b HTTP/2.0 200 rt="0.1" urt=0.1, 0.2 : - x= "a \"b\"""#),
            [
                "02/Jan/2026:15:04:05 +0000",
                "h",
                "to=10.0.0.2:8008",
                "GET /a b HTTP/2.0",
                "200",
                "rt=0.1",
                "urt=0.1, 0.2 : -",
                "x=",
                r#"a \"b\""#
            ]
        );
        assert_eq!(
            texts("2026-01-02 15:04:05.123 +0000 | localhost:8008 | unix:/a | 12ms"),
            ["2026-01-02 15:04:05.123 +0000", "localhost:8008", "unix:/a", "12ms"]
        );
        assert_eq!(texts("request_time:0.12 status: 200"), ["request_time=0.12", "status=200"]);
        assert_eq!(texts("[client: 192.0.2.1] [useragent: a (b c) d] x"), ["client=192.0.2.1", "useragent=a (b c) d", "x"]);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_line(line in "[ -~]{0,80}", bytes: Vec<u8>) {
            for line in [line.as_bytes(), &bytes] {
                if let Some((values, after)) = values(line) {
                    let mut all: Vec<u8> = values.iter().flat_map(|value| [&value.before[..], value.text].concat()).collect();
                    all.extend(after);
                    prop_assert_eq!(&all[..], line);
                }
            }
        }
    }
}
