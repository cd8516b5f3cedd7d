//! logfmt of collectors: pairs of which one is the line, quoted and escaped.
//!
//! ```text
//! container_name=nginx message="203.0.113.7 - - [02/Jan/…] \"GET / HTTP/1.1\" 200 …" stream=stdout timestamp=2026-01-02T15:04:05Z
//! ts=… level=info component=loki.echo entry="2026-01-02 …" labels="{container=\"synapse\"}"
//! ```
//!
//! Vector's `logfmt` encoding, Grafana Alloy's and the Agent's `loki.echo`, Promtail's dry run, programs that quote the line of another.
//! The names are those of [`super::object`]. Only a text that is pairs from its beginning to its end is of a collector: an access log in
//! logfmt has no member with the line, and a message that a program forgot to escape ends the pairs.

use super::object::Members;
use super::{Clock, Unwrapped};
use crate::json::Value;

/// Unwraps the pairs of a text.
pub(super) fn unwrap<'a>(text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
    let mut members = Members::default();
    let mut rest = text.trim_ascii_end();
    while !rest.is_empty() {
        let name = rest.iter().take(NAME_MAX).take_while(|byte| byte.is_ascii_alphanumeric() || b"_.-@/".contains(byte)).count();
        let value = rest[name..].strip_prefix(b"=").filter(|_| name > 0)?;
        let (raw, behind) = value_of(value)?;
        members.add(None, &rest[..name], Value::Text { raw, escaped: memchr::memchr(b'\\', raw).is_some() });
        rest = behind.trim_ascii_start();
        // A value is followed by a blank.
        if !rest.is_empty() && rest.len() == behind.len() {
            return None;
        }
    }
    members.finish(clock)
}

/// The text of a value, and what is behind it.
fn value_of(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(inner) = text.strip_prefix(b"\"") else {
        let len = memchr::memchr(b' ', text).unwrap_or(text.len());
        return (memchr::memchr(b'"', &text[..len]).is_none()).then(|| text.split_at(len));
    };
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        if inner[at] == b'"' {
            return Some((&inner[..at], &inner[at + 1..]));
        }
        at += 2;
    }
}

const NAME_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::told_by;
    use super::*;

    fn told(line: &str) -> Option<(String, String, Option<i64>)> {
        told_by(unwrap, line)
    }

    #[test]
    fn one_of_the_pairs_is_the_line() {
        let at = Some(1_767_366_245_123_456);
        for (line, process) in [
            (r#"container_name=nginx message="a \"b\" c" stream=stdout timestamp=2026-01-02T15:04:05.123456Z"#, "nginx"),
            (r#"ts=2026-01-02T15:04:05.123456Z level=info entry="a \"b\" c\n" labels="{container=\"synapse\", job=\"x\"}""#, "synapse"),
            (r#"ts=2026-01-02T15:04:06Z msg="a \"b\" c" entry_timestamp=2026-01-02T15:04:05.123456Z container=/web "#, "web"),
        ] {
            assert_eq!(told(line), Some((process.to_owned(), r#"a "b" c"#.to_owned(), at)), "{line}");
        }
    }

    #[test]
    fn other_text_is_no_logfmt_of_a_collector() {
        for line in [
            "",
            "a b",
            "status=200 uri=/x",
            r#"msg="a "b" c""#,
            r#"msg="a"#,
            r#"msg="a\"#,
            r#"msg=a"b"#,
            r#"msg="a"b=c"#,
            "=a",
            r#"203.0.113.7 - - [x] msg="a""#,
        ] {
            assert_eq!(told(line), None, "{line}");
        }
    }
}
