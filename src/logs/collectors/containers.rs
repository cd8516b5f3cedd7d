//! The dress of containers: compose, kubectl, stern, container runtimes, Loki's labels, CloudWatch's streams; and of `grep`.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use memchr::memchr;

use super::process::{named, of_pod};
use super::{Clock, Unwrapped};

/// `synapse-1  | …`, `nginx_1 | …`, `nginx.1    | …` (forego), `stack_synapse.1.w9lt1f9@node    | …` (swarm), `09:12:31 web.1 | …`
/// (foreman), `0|synapse  | …` (pm2), `[synapse] | …` (podman-compose).
pub(super) fn compose(text: &[u8]) -> Option<Unwrapped<'_>> {
    let is_clock = text.len() > 9 && text[2] == b':' && text[5] == b':' && text[8] == b' ';
    let rest = if is_clock { &text[9..] } else { text };
    let number = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = if number > 0 && rest.get(number) == Some(&b'|') { &rest[number + 1..] } else { rest };
    if let Some(inner) = rest.strip_prefix(b"[") {
        let close = memchr(b']', &inner[..inner.len().min(NAME_MAX)])?;
        let line = inner[close + 1..].trim_ascii_start().strip_prefix(b"| ")?;
        return Some(Unwrapped { process: Some(Cow::Borrowed(named(&inner[..close])?)), ..Unwrapped::of(line) });
    }
    let name = rest.iter().take(NAME_MAX).position(|byte| !(byte.is_ascii_alphanumeric() || b"_.-@/".contains(byte)))?;
    let blanks = rest[name..].iter().take_while(|byte| **byte == b' ').count();
    let behind = rest[name + blanks..].strip_prefix(b"|")?;
    let inner = behind.strip_prefix(b" ").or_else(|| behind.is_empty().then_some(behind))?;
    (name > 0 && blanks > 0).then(|| Unwrapped { process: Some(Cow::Borrowed(task(&rest[..name]))), ..Unwrapped::of(inner) })
}

/// `stack_synapse.1` of a swarm's `stack_synapse.1.w9lt1f9tzq2f@node`.
fn task(name: &[u8]) -> &[u8] {
    let Some(at) = memchr(b'@', name) else { return name };
    memchr::memrchr(b'.', &name[..at]).map_or(name, |dot| &name[..dot])
}

/// `[pod/ess-synapse-main-0/synapse] …`
pub(super) fn kubectl(text: &[u8]) -> Option<Unwrapped<'_>> {
    let rest = text.strip_prefix(b"[pod/")?;
    let close = memchr(b']', &rest[..rest.len().min(2 * NAME_MAX)])?;
    let (pod, container) = rest[..close].split_at(memchr(b'/', &rest[..close])?);
    let behind = &rest[close + 1..];
    let inner = behind.strip_prefix(b" ").or_else(|| behind.is_empty().then_some(behind))?;
    (!pod.is_empty()).then(|| Unwrapped { process: Some(of_pod(pod, &container[1..])), ..Unwrapped::of(inner) })
}

/// `[POD] …`, `[POD CONTAINER] …`
pub(super) fn kubetail(text: &[u8]) -> Option<Unwrapped<'_>> {
    let rest = text.strip_prefix(b"[")?;
    let close = memchr(b']', &rest[..rest.len().min(2 * NAME_MAX)])?;
    let inner = rest[close + 1..].strip_prefix(b" ")?;
    let (pod, container) = rest[..close].split_at(memchr(b' ', &rest[..close]).unwrap_or(close));
    let container = container.trim_ascii_start();
    let is_prefix = is_pod(pod) && (container.is_empty() || is_label(container));
    is_prefix.then(|| Unwrapped { process: Some(of_pod(pod, container)), ..Unwrapped::of(inner) })
}

/// `POD CONTAINER …`, also after a namespace; `CONTAINER 2026-01-02…` (`podman logs --names`). The first name has a dash, as those of
/// deployments and sets do, so that nothing else is taken for it.
pub(super) fn stern(text: &[u8]) -> Option<Unwrapped<'_>> {
    let (first, rest) = word(text)?;
    let is_date = |text: &[u8]| matches!(text, [a, b, c, d, b'-', ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()));
    if is_pod(first) && is_date(rest) {
        return Some(Unwrapped { process: named(first).map(Cow::Borrowed), ..Unwrapped::of(rest) });
    }
    let (second, behind) = word(rest)?;
    if !is_pod(first) && is_label(first) && is_pod(second) {
        let (container, inner) = word(behind)?;
        return is_label(container).then(|| Unwrapped { process: Some(of_pod(second, container)), ..Unwrapped::of(inner) });
    }
    (is_pod(first) && is_label(second)).then(|| Unwrapped { process: Some(of_pod(first, second)), ..Unwrapped::of(behind) })
}

/// A name of DNS: small letters, digits and dashes, beginning with a letter.
fn is_label(word: &[u8]) -> bool {
    word.len() <= 63
        && word.first().is_some_and(u8::is_ascii_lowercase)
        && word.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}

fn is_pod(word: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    word.len() <= 253 && word.first().is_some_and(u8::is_ascii_lowercase) && memchr(b'-', word).is_some() && word.iter().all(is_name)
}

/// `2026-01-02T15:04:05.123456789Z stdout F …`: the log files of container runtimes. The first part of a longer line (`P`) is put
/// before its rest in `records`; what still comes here is read as it is.
pub(super) fn cri<'a>(text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
    let space = memchr(b' ', &text[..text.len().min(40)])?;
    let rest = &text[space + 1..];
    let rest = rest.strip_prefix(b"stdout ").or_else(|| rest.strip_prefix(b"stderr "))?;
    let (tags, inner) = rest.split_at(memchr(b' ', &rest[..rest.len().min(64)]).unwrap_or(rest.len()));
    matches!(tags, [b'F' | b'P'] | [b'F' | b'P', b':', ..]).then_some(())?;
    let (stamp, _) = clock.read(text)?;
    Some(Unwrapped { stamp, ..Unwrapped::of(inner.get(1..).unwrap_or_default()) })
}

/// `{container="synapse", pod="x"} …`, as logcli writes behind the time.
pub(super) fn labels(text: &[u8]) -> Option<Unwrapped<'_>> {
    let mut rest = text.strip_prefix(b"{")?;
    let mut found = Labels::default();
    loop {
        rest = rest.trim_ascii_start();
        if let Some(behind) = rest.strip_prefix(b"}") {
            let process = found.process();
            return behind
                .first()
                .is_some_and(u8::is_ascii_whitespace)
                .then(|| Unwrapped { process, ..Unwrapped::of(behind.trim_ascii_start()) });
        }
        let name = rest.iter().take(NAME_MAX).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let value = rest[name..].strip_prefix(b"=\"")?;
        let end = end_of_quoted(value)?;
        found.add(&rest[..name], &value[..end]);
        rest = &value[end + 1..];
        rest = rest.strip_prefix(b",").unwrap_or(rest);
    }
}

#[derive(Default)]
struct Labels<'a> {
    pod: Option<&'a [u8]>,
    container: Option<&'a [u8]>,
    other: Option<&'a [u8]>,
}

impl<'a> Labels<'a> {
    fn add(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            b"pod" | b"pod_name" => self.pod = Some(value),
            b"container" | b"container_name" | b"compose_service" => self.container = Some(value),
            b"unit" | b"systemd_unit" | b"syslog_identifier" | b"app" | b"instance" | b"service_name" | b"filename" => {
                self.other = self.other.or(named(value));
            }
            _ => {}
        }
    }

    fn process(&self) -> Option<Cow<'a, [u8]>> {
        match (self.pod, self.container) {
            (Some(pod), container) => Some(of_pod(pod, container.unwrap_or_default())),
            (None, Some(container)) => named(container).map(Cow::Borrowed),
            (None, None) => self.other.map(Cow::Borrowed),
        }
    }
}

/// The index of the closing quote.
fn end_of_quoted(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// `prefix/container/id …`, the stream's name that `aws logs tail` writes behind the time.
pub(super) fn stream(text: &[u8]) -> Option<Unwrapped<'_>> {
    let (name, rest) = word(text)?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_.-[]$".contains(byte);
    let slashes = name.iter().filter(|byte| **byte == b'/').count();
    // `2026/01/02` is a date.
    let first = name.first().is_some_and(u8::is_ascii_alphanumeric) && name.iter().any(u8::is_ascii_alphabetic);
    (slashes >= 2 && first && name.iter().all(is_name))
        .then(|| Unwrapped { process: Some(Cow::Borrowed(of_stream(name))), ..Unwrapped::of(rest) })
}

/// `EVENTS<tab>id<tab>ingestion<tab>stream<tab>line<tab>time`, as `aws logs filter-log-events --output text` writes; `get-log-events` leaves
/// out the id and the stream.
pub(super) fn events<'a>(text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
    let rest = text.strip_prefix(b"EVENTS\t")?;
    let (mut rest, time) = rest.split_at(memchr::memrchr(b'\t', rest)?);
    let stamp = clock.value(&time[1..])?;
    let mut process = None;
    // The fields before the line have no blanks.
    while let Some(tab) = memchr(b'\t', rest).filter(|tab| process.is_none() && !rest[..*tab].contains(&b' ')) {
        let field = &rest[..tab];
        if !field.iter().all(u8::is_ascii_digit) {
            process = Some(Cow::Borrowed(of_stream(field)));
        }
        rest = &rest[tab + 1..];
    }
    Some(Unwrapped { text: Cow::Borrowed(rest), process, stamp: Some(stamp) })
}

/// `id<tab>time<tab>received<tab>source id<tab>source<tab>address<tab>facility<tab>severity<tab>program<tab>line`, as Papertrail archives
/// its logs.
pub(super) fn papertrail<'a>(text: &'a [u8], clock: &mut Clock) -> Option<Unwrapped<'a>> {
    let mut fields = text.splitn(10, |byte| *byte == b'\t');
    let mut next = || fields.next();
    let (id, time, received) = (next()?, next()?, next()?);
    let is_number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    if !is_number(id) || received.get(10) != Some(&b'T') || !is_number(next()?) {
        return None;
    }
    let (_source, _address, _facility, _severity, program, line) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let stamp = clock.value(time)?;
    Some(Unwrapped { text: Cow::Borrowed(line), process: named(program).map(Cow::Borrowed), stamp: Some(stamp) })
}

/// `prefix/container/TASK` without the id of the task, if it is in between.
pub(super) fn of_stream(name: &[u8]) -> &[u8] {
    let mut parts = name.split(|byte| *byte == b'/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(container), Some(task), None) if task.len() >= 32 => container,
        _ => name,
    }
}

/// `worker1.log:…` or `access.log.2.gz:…`, as grep and zgrep write before a match, with `-n` also the line's number.
pub(super) fn file(text: &[u8]) -> Option<Unwrapped<'_>> {
    let colon = memchr(b':', &text[..text.len().min(2 * NAME_MAX)])?;
    let (path, rest) = (&text[..colon], &text[colon + 1..]);
    let name = memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..]);
    let dot = memchr::memmem::find(name, b".log")?;
    let rotation = &name[dot + 4..];
    let is_rotation = rotation.iter().all(|byte| byte.is_ascii_digit() || b".-gzxbst".contains(byte));
    if dot == 0 || !is_rotation || path.contains(&b' ') || rest.first().is_none_or(u8::is_ascii_whitespace) {
        return None;
    }
    Some(Unwrapped { process: named(&name[..dot]).map(Cow::Borrowed), ..Unwrapped::of(behind_number(rest)) })
}

/// The text behind the number of a line and a colon, unless these begin a clock or an address.
fn behind_number(text: &[u8]) -> &[u8] {
    let digits = text.iter().take(NUMBER_MAX).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.get(digits + 1..).unwrap_or_default();
    let is_clock = matches!(text, [_, _, b':', _, _, b':', _, _, b' ', ..]);
    let is_ipv6 = |text: &[u8]| {
        let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        std::str::from_utf8(word).is_ok_and(|word| word.parse::<Ipv6Addr>().is_ok())
    };
    // Addresses of the internet begin with four digits, of which the first is 2, and those of a network with f.
    let is_whole = |text: &[u8]| matches!(text, [b'2' | b'f', _, _, _, b':', ..]) && is_ipv6(text);
    let is_address = digits == 4 && is_whole(text) && !is_whole(rest);
    if digits > 0 && text.get(digits) == Some(&b':') && !is_clock && !is_address { rest } else { text }
}

/// `12:…` (`grep -n`), `12<tab>…` (`cat -n`, `nl`). What follows a colon must look like the beginning of a line, because addresses and
/// clocks have numbers with colons, too.
pub(super) fn number(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take(NUMBER_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > NUMBER_MAX {
        return None;
    }
    let rest = text.get(digits + 1..)?.trim_ascii_start();
    match text.get(digits)? {
        b'\t' => (!rest.is_empty()).then_some(rest),
        b':' => {
            let whole = rest.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
            let is_line = match whole {
                0 => rest.first().is_some_and(|byte| matches!(byte, b'{' | b'[' | b'"' | b'<')),
                4 => rest.get(4) == Some(&b'-') || rest.get(4) == Some(&b'/'),
                1..=3 => rest.get(whole) == Some(&b'.'),
                _ => false,
            };
            is_line.then_some(rest)
        }
        _ => None,
    }
}

/// The first word and the text behind the blank after it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr(b' ', &text[..text.len().min(2 * NAME_MAX)]).filter(|space| *space > 0)?;
    Some((&text[..space], text[space + 1..].trim_ascii_start()))
}

const NAME_MAX: usize = 128;
/// Digits of a line's number.
const NUMBER_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StampReader, Zone};

    fn told(found: Option<Unwrapped<'_>>) -> Option<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        found.map(|found| (found.process.map_or_else(String::new, |process| text(&process)), text(&found.text)))
    }

    #[test]
    fn every_supervisor_names_its_process() {
        for (line, process) in [
            ("synapse-1  | x | y", "synapse-1"),
            ("synapse_1 | x | y", "synapse_1"),
            ("nginx.1    | x | y", "nginx.1"),
            ("matrix_synapse.1.w9lt1f9tzq2f@node-1    | x | y", "matrix_synapse.1"),
            ("09:12:31 web.1   | x | y", "web.1"),
            ("0|synapse  | x | y", "synapse"),
            ("[synapse] | x | y", "synapse"),
        ] {
            assert_eq!(told(compose(line.as_bytes())), Some((process.to_owned(), "x | y".to_owned())), "{line}");
        }
        for line in ["", "|", " | x", "a b | x", "a|b", "synapse-1 |x", "192.0.2.7 - - ["] {
            assert_eq!(told(compose(line.as_bytes())), None, "{line}");
        }
    }

    #[test]
    fn pods_are_named_by_kubectl_and_stern() {
        let expected = |pod: &str| Some((pod.to_owned(), "x y".to_owned()));
        assert_eq!(told(kubectl(b"[pod/ess-synapse-main-0/synapse] x y")), expected("ess-synapse-main-0"));
        assert_eq!(told(kubectl(b"[pod/traefik-7d9-abc/proxy] x y")), expected("traefik-7d9-abc/proxy"));
        assert_eq!(told(stern(b"ess-synapse-main-0 synapse x y")), expected("ess-synapse-main-0"));
        assert_eq!(told(stern(b"matrix-synapse 2026-01-02 x")), Some(("matrix-synapse".to_owned(), "2026-01-02 x".to_owned())));
        assert_eq!(told(stern(b"ess ess-synapse-main-0 synapse x y")), expected("ess-synapse-main-0"));
        for line in [
            "matrix.example.org 192.0.2.140 - - [",
            "192.0.2.7 localhost - [",
            "[pod/x] y",
            "[pod//c] y",
            "my-host.example.org 192.0.2.1 - -",
        ] {
            assert_eq!((told(kubectl(line.as_bytes())), told(stern(line.as_bytes()))), (None, None), "{line}");
        }
    }

    #[test]
    fn a_lines_number_goes_but_no_part_of_an_address_or_a_clock() {
        for line in ["12:203.0.113.7 - -", "1:2026-01-02 x", "7:{\"a\":1}", "12\tx", "3:[02/Jan/2026"] {
            assert!(number(line.as_bytes()).is_some_and(|rest| rest.len() + 2 <= line.len()), "{line}");
        }
        for line in [
            "2001:db8::1 - -",
            "2001:4860:4860::8888 - -",
            "15:04:05 x",
            "1767366245.123\tx",
            "12",
            "12:",
            "12\t",
            "",
            "12 x",
            "1234567890\tx",
        ] {
            assert_eq!(number(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_runtimes_line_has_a_stream_and_tags() {
        let mut clock = Clock::new(StampReader::new(Zone::utc()), 0);
        let line = b"2026-01-02T15:04:05.123456789Z stderr F a b";
        let found = cri(line, &mut clock).unwrap();
        assert_eq!((&*found.text, found.stamp.map(|stamp| stamp.micros)), (&b"a b"[..], Some(1_767_366_245_123_456)));
        for line in [&b"2026-01-02T15:04:05Z stdout X a"[..], b"x stdout F a", b"2026-01-02T15:04:05Z stdout", b""] {
            assert_eq!(cri(line, &mut clock), None);
        }
    }

    #[test]
    fn labels_streams_and_files_are_names() {
        let expected = |process: &str| Some((process.to_owned(), "x".to_owned()));
        assert_eq!(told(labels(br#"{container="synapse", pod="a-0"} x"#)), expected("a-0/synapse"));
        assert_eq!(told(labels(br#"{job="a\"b", unit="synapse.service"}  x"#)), expected("synapse"));
        assert_eq!(told(labels(b"{} x")), expected(""));
        for (line, inner) in [
            ("a.log:1:09:12:31 web.1 | x", "09:12:31 web.1 | x"),
            ("a.log:09:12:31 web.1 | x", "09:12:31 web.1 | x"),
            ("a.log:2001:db8::1 - -", "2001:db8::1 - -"),
            ("a.log:12:2001:db8::1 - -", "2001:db8::1 - -"),
        ] {
            assert_eq!(told(file(line.as_bytes())), Some(("a".to_owned(), inner.to_owned())), "{line}");
        }
        assert_eq!(told(stream(b"ecs/synapse/0123456789abcdef0123456789abcdef x")), expected("synapse"));
        let mut clock = Clock::new(StampReader::new(Zone::utc()), 0);
        for line in ["EVENTS\t37\t1699140541999\tecs/web/abc\tx\t1699140541797", "EVENTS\t1699140541999\tx\t1699140541797"] {
            let found = events(line.as_bytes(), &mut clock).unwrap();
            assert_eq!((&*found.text, found.stamp.map(|stamp| stamp.micros)), (&b"x"[..], Some(1_699_140_541_797_000)), "{line}");
        }
        assert_eq!(events(b"EVENTS\tx", &mut clock), None);
        assert_eq!(told(kubetail(b"[ess-synapse-main-0 synapse] x")), expected("ess-synapse-main-0"));
        assert_eq!(told(kubetail(b"[synapse-7d9f-x2] x")), expected("synapse-7d9f-x2"));
        assert_eq!((kubetail(b"[status 200] x"), kubetail(b"[2026-01-02] x"), kubetail(b"[a-b]")), (None, None, None));
        let archived = b"50342052920\t2024-05-14T10:11:12\t2024-05-14T10:11:13Z\t31415\tweb1\t203.0.113.1\tLocal7\tInfo\tnginx\ta\tb";
        let found = papertrail(archived, &mut clock).unwrap();
        assert_eq!((&*found.text, found.process.as_deref()), (&b"a\tb"[..], Some(&b"nginx"[..])));
        assert_eq!(papertrail(&archived[..40], &mut clock), None);
        assert_eq!(told(file(b"logs/worker1.log.2.gz:x")), expected("worker1"));
        assert_eq!(told(file(b"worker1.log:17:x")), expected("worker1"));
        for line in [&br#"{"a":1} x"#[..], b"{a=\"", b"blog.login:443 203.0.113.7", b"x.log: y", b"a/b x"] {
            assert_eq!((told(labels(line)), told(file(line)), told(stream(line))), (None, None, None), "{}", String::from_utf8_lossy(line));
        }
    }
}
