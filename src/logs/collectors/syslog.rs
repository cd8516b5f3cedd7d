//! Syslog in its two generations, and what the journal and rsyslog print.

use std::borrow::Cow;

use memchr::memchr;

use super::process::named;
use super::{Clock, Unwrapped};

/// `<190>1 2026-01-02T15:04:05Z host app pid id [data] …`; the length of RFC 6587 may stand before.
pub(super) fn rfc5424<'a>(text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
    let start = framed(text);
    let rest = text[start..].strip_prefix(b"<")?;
    let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = rest.get(digits..).filter(|_| digits > 0)?.strip_prefix(b">1 ")?;
    let mut words = [&[][..]; 5];
    let mut rest = rest;
    for word in &mut words {
        let space = memchr(b' ', &rest[..rest.len().min(WORD_MAX)]).filter(|space| *space > 0)?;
        *word = &rest[..space];
        rest = &rest[space + 1..];
    }
    let inner = behind_data(rest)?;
    let inner = inner.strip_prefix(b"\xef\xbb\xbf").unwrap_or(inner);
    let stamp = clock.value(words[0]);
    (stamp.is_some() || words[0] == b"-").then_some(Unwrapped {
        text: Cow::Borrowed(inner),
        process: named(words[2]).map(Cow::Borrowed),
        stamp,
    })
}

/// The text behind the structured data: `-` or `[id key="value"]…`.
fn behind_data(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"-") {
        return rest.strip_prefix(b" ").or_else(|| rest.is_empty().then_some(rest));
    }
    let mut rest = text.strip_prefix(b"[")?;
    loop {
        let at = memchr::memchr3(b'"', b'\\', b']', rest)?;
        match rest[at] {
            b'\\' => rest = rest.get(at + 2..)?,
            b'"' => rest = behind_quoted(&rest[at + 1..])?,
            _ => match &rest[at + 1..] {
                [b'[', next @ ..] => rest = next,
                [b' ', next @ ..] => return Some(next),
                [] => return Some(&[]),
                _ => return None,
            },
        }
    }
}

fn behind_quoted(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        if rest[at] == b'"' {
            return Some(&rest[at + 1..]);
        }
        rest = rest.get(at + 2..)?;
    }
}

/// The length of `123 ` before a priority.
fn framed(text: &[u8]) -> usize {
    let digits = text.iter().take(7).take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && text[digits..].starts_with(b" <") { digits + 1 } else { 0 }
}

/// `<190>Jan  2 15:04:05 host nginx[12]: …` with any clock; the priority, the host and the process id may be missing, and FreeBSD's and
/// busybox's `local7.info` may stand before the program.
pub(super) fn rfc3164<'a>(text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
    let start = framed(text);
    let rest = &text[start..];
    let digits = rest.strip_prefix(b"<").map_or(0, |rest| rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count());
    let rest = if digits > 0 && rest.get(digits + 1) == Some(&b'>') { &rest[digits + 2..] } else { rest };
    let (stamp, len) = clock.read(rest)?;
    let rest = rest.get(len..)?;
    if let Some(found) = program(rest) {
        return Some(Unwrapped { stamp, ..found });
    }
    let mut behind = rest;
    // The host, then perhaps a facility and a level.
    for _ in 0..2 {
        let space = memchr(b' ', &behind[..behind.len().min(WORD_MAX)]).filter(|space| *space > 0)?;
        if !behind[..space].iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-/".contains(byte)) {
            return None;
        }
        behind = behind[space + 1..].trim_ascii_start();
        if let Some(found) = program(behind) {
            return Some(Unwrapped { stamp, ..found });
        }
    }
    None
}

/// `<6>…`: a priority alone, as services write for the journal (sd-daemon(3)).
pub(super) fn priority(text: &[u8]) -> Option<Unwrapped<'_>> {
    let rest = text.strip_prefix(b"<")?;
    let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let inner = rest[digits..].strip_prefix(b">").filter(|inner| digits > 0 && !inner.is_empty())?;
    Some(Unwrapped::of(inner))
}

/// `nginx: …`, `synapse[977]: …`, `app[web.1]: …`, `docker/matrix/0123[7]: …`: the process, and the text behind. A logger of Synapse and a
/// level are no program.
pub(super) fn program(text: &[u8]) -> Option<Unwrapped<'_>> {
    let head = &text[..text.len().min(WORD_MAX)];
    let name = head.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_./@-+\\".contains(byte)).count();
    let number = match head.get(name) {
        Some(b'[') => memchr(b']', &head[name..]).filter(|len| *len > 1)? + 1,
        _ => 0,
    };
    let rest = text[name + number..].strip_prefix(b":")?;
    let inner = rest.strip_prefix(b" ").or_else(|| rest.is_empty().then_some(rest))?;
    let name = &text[..name];
    let is_program = name.iter().any(u8::is_ascii_lowercase) && !name.starts_with(b"synapse.") && (number > 0 || !LABELS.contains(&name));
    is_program.then(|| Unwrapped { process: named(name).map(Cow::Borrowed), ..Unwrapped::of(inner) })
}

/// Words with a colon that are labels of the values behind them, or levels, and no programs.
const LABELS: [&[u8]; 28] = [
    b"http",
    b"https",
    b"client",
    b"request",
    b"data",
    b"error",
    b"info",
    b"warning",
    b"debug",
    b"to",
    b"from",
    b"upstream",
    b"host",
    b"method",
    b"path",
    b"uri",
    b"url",
    b"status",
    b"duration",
    b"time",
    b"user",
    b"ip",
    b"id",
    b"level",
    b"msg",
    b"referrer",
    b"agent",
    b"in",
];
const WORD_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StampReader, Zone};
    use proptest::prelude::*;

    fn clock() -> Clock {
        Clock::new(StampReader::new(Zone::utc()), 1_782_907_200_000_000)
    }

    fn told(found: Option<Unwrapped<'_>>) -> Option<(String, String, bool)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        found.map(|found| (found.process.map_or_else(String::new, |process| text(&process)), text(&found.text), found.stamp.is_some()))
    }

    #[test]
    fn syslog_of_either_generation_names_its_program() {
        let expected = |process: &str, stamped| Some((process.to_owned(), "1.2.3.4 - - x".to_owned(), stamped));
        for (head, process, stamped) in [
            ("<190>Jan  2 15:04:05 host nginx: ", "nginx", true),
            ("Jan  2 15:04:05 host nginx[12]: ", "nginx", true),
            ("Jan 02 15:04:05 host local7.info nginx: ", "nginx", true),
            ("<30>May 28 19:35:54 host b33af29363a8[27451]: ", "b33af29363a8", true),
            ("<190>Jan  2 15:04:05 nginx: ", "nginx", true),
            ("2026-01-02T15:04:05.123456+00:00 host haproxy[12]: ", "haproxy", true),
            ("2026-01-02T15:04:05.123456+00:00 app[web.1]: ", "app", true),
            ("Fri 2026-01-02 15:04:05 UTC host matrix-synapse-worker@reader1.service[977]: ", "reader1", true),
            ("[ 1234.567890] host python3[977]: ", "", false),
            ("Tue May 28 19:35:54 2024 daemon.info nginx[1]: ", "nginx", true),
        ] {
            assert_eq!(told(rfc3164(format!("{head}1.2.3.4 - - x").as_bytes(), &mut clock())), expected(process, stamped), "{head}");
        }
        for head in [
            "<190>1 2026-01-02T15:04:05Z host nginx - - - ",
            "<134>1 2026-01-02T15:04:05.123+00:00 host nginx 12 - [meta a=\"b]\\\"\"][x] ",
            "88 <134>1 2026-01-02T15:04:05.123+00:00 host nginx 12 - - \u{feff}",
        ] {
            assert_eq!(told(rfc5424(format!("{head}1.2.3.4 - - x").as_bytes(), &mut clock())), expected("nginx", true), "{head}");
        }
    }

    #[test]
    fn a_priority_may_stand_alone() {
        assert_eq!(told(priority(b"<6>1.2.3.4 - - x")), Some((String::new(), "1.2.3.4 - - x".to_owned(), false)));
        for line in ["<6>", "<>x", "<1234>x", "<a>x", "", "x"] {
            assert_eq!(priority(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn other_lines_have_no_program() {
        for line in [
            "synapse.access.http.8008: [GET-182] 10.44.110.1 - 8008",
            "INFO:synapse.access.https.8443:192.168.99.99 - 8443",
            "WARNING: x",
            "matrix.example.org:443 203.0.113.7 - -",
            "::1 - -",
            "to: 192.168.178.25:8081 [HEAD /health HTTP/1.1]",
            "nginx:x",
            "",
        ] {
            assert_eq!(program(line.as_bytes()), None, "{line}");
        }
        assert_eq!(rfc3164(b"2026-01-02T15:04:05Z 203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] \"x: y", &mut clock()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(text: Vec<u8>, like in "(<[0-9]{0,4}>1? ?)?[A-Za-z0-9: \\[\\]\"\\\\=-]{0,80}") {
            for text in [&text[..], like.as_bytes()] {
                let _ = (rfc5424(text, &mut clock()), rfc3164(text, &mut clock()), program(text));
            }
        }
    }
}
