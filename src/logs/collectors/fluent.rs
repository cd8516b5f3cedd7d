//! The text of Fluentd and Fluent Bit: a tag and a time before a JSON object, which Fluent Bit's `stdout` writes as Ruby would.

use std::borrow::Cow;

use super::{Clock, Unwrapped, object};

/// `[0] tag: [[1767366245.123, {}], {"log"=>"…"}]`, `tag: [1767366245.123, {"log":"…"}]`, `2026-01-02 15:04:05 +0000 tag: {…}`,
/// `2026-01-02T15:04:05Z<tab>tag<tab>{…}`.
pub(super) fn unwrap<'a>(text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
    let text = text.trim_ascii_end();
    let head = &text[..text.len().min(HEAD_MAX)];
    let brace = memchr::memmem::find(head, b"{\"").filter(|brace| *brace > 0)?;
    let before = &text[..brace];
    let listed = before.ends_with(b", ") && memchr::memchr(b'[', before).is_some();
    if !(listed || before.ends_with(b": ") || before.ends_with(b"\t")) || memchr::memchr(b'"', before).is_some() {
        return None;
    }
    let record = if listed { text[brace..].strip_suffix(b"]")? } else { &text[brace..] };
    let found = if listed && memchr::memmem::find(record, b"\"=>").is_some() {
        let written = as_json(record);
        object::unwrap(&written, clock)?.into_owned()
    } else {
        object::unwrap(record, clock)?
    };
    let own = if listed { number(before) } else { None };
    let stamp = match own {
        Some(epoch) => clock.value(epoch),
        None => clock.read(before).and_then(|(stamp, _)| stamp),
    };
    Some(Unwrapped { stamp: found.stamp.or(stamp), ..found })
}

/// The time in `tag: [1767366245.123, ` or `tag: [[1767366245.123, {}], `.
fn number(before: &[u8]) -> Option<&[u8]> {
    let open = memchr::memmem::rfind(before, b": [")?;
    let rest = &before[open + 3..];
    let rest = rest.strip_prefix(b"[").unwrap_or(rest);
    let len = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    (len > 0).then(|| &rest[..len])
}

/// `"key"=>"value"` as `"key":"value"`.
fn as_json(record: &[u8]) -> Cow<'static, [u8]> {
    let mut written = Vec::with_capacity(record.len());
    let mut rest = record;
    while let Some(at) = memchr::memmem::find(rest, b"\"=>") {
        written.extend_from_slice(&rest[..=at]);
        // A quote with a backslash is within a text.
        let within = at > 0 && rest[at - 1] == b'\\';
        written.extend_from_slice(if within { b"=>" } else { b":" });
        rest = &rest[at + 3..];
    }
    written.extend_from_slice(rest);
    Cow::Owned(written)
}

const HEAD_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StampReader, Zone};

    #[test]
    fn a_tag_and_a_time_stand_before_the_object() {
        let at = 1_767_366_245_000_000;
        for (line, beyond) in [
            (r#"[0] kube.synapse: [1767366245.123456789, {"stream"=>"stdout", "log"=>"a \"b\"=>c"}]"#, 123_456),
            (r#"[7] kube.synapse: [[1767366245.123456789, {}], {"log"=>"a \"b\"=>c", "container_name"=>"x"}]"#, 123_456),
            (r#"kube.synapse: [1767366245.123456, {"log":"a \"b\"=>c"}]"#, 123_456),
            ("2026-01-02T15:04:05+00:00\tdocker.synapse\t{\"log\":\"a \\\"b\\\"=>c\"}", 0),
            (r#"2026-01-02 15:04:05.123456789 +0000 docker.synapse: {"log":"a \"b\"=>c","source":"stdout"}"#, 123_456),
        ] {
            let mut clock = Clock::new(StampReader::new(Zone::utc()), 0);
            let found = unwrap(line.as_bytes(), &mut clock).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((&*found.text, found.stamp.map(|stamp| stamp.micros)), (&br#"a "b"=>c"#[..], Some(at + beyond)), "{line}");
        }
        for line in ["", "{\"log\":\"a\"}", "x {\"log\":\"a\"}", "\"x\": {\"log\":\"a\"}", "t: [1, {\"log\"=>\"a\"}"] {
            assert_eq!(unwrap(line.as_bytes(), &mut Clock::new(StampReader::new(Zone::utc()), 0)), None, "{line}");
        }
    }
}
