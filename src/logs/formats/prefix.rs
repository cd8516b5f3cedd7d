//! The prefixes that collectors put before a line: syslog, journald, containers, process supervisors.
//!
//! Knows the forms of prefixes and of the lines that servers write besides their access log, but no access format.

use memchr::memchr;

/// Length of the prefix before a server's own text; `None` if there is none.
///
/// ```text
/// nginx_1  | …                                     docker compose, supervisors
/// 2026-01-02T15:04:05.123456789Z …                 docker logs -t
/// 2026-01-02T15:04:05.123456789Z stdout F …        container runtimes
/// <190>Jan  2 15:04:05 host nginx: …               RFC 3164, with or without priority
/// <190>1 2026-01-02T15:04:05Z host nginx - - - …   RFC 5424
/// 2026-01-02T15:04:05+0000 host nginx[12]: …       journald's short-iso, rsyslog
/// nginx: …
/// ```
pub fn len(line: &[u8]) -> Option<usize> {
    let mut at = supervisor(line).unwrap_or(0);
    let rest = &line[at..];
    at += if let Some(len) = rfc5424(rest) {
        len
    } else {
        let priority = priority(rest).unwrap_or(0);
        let clock = clock(&rest[priority..]).unwrap_or(0);
        let stream = stream(&rest[priority + clock..]).unwrap_or(0);
        let sofar = priority + clock + stream;
        let ident = if stream > 0 { None } else { ident(&rest[sofar..], clock > 0) };
        sofar + ident.unwrap_or(0)
    };
    (at > 0).then_some(at)
}

/// Whether a server's output has this line besides its access log: a blank line, its error log, a container's banner.
pub fn is_no_access_line(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || is_nginx_error(line) || is_apache_error(line) || line.starts_with(b"/docker-entrypoint")
}

/// `2026/11/20 16:53:31 [notice] 20797#20797: `
pub fn is_nginx_error(line: &[u8]) -> bool {
    matches_pattern(line, b"dddd/dd/dd dd:dd:dd [") && LEVELS.iter().any(|level| line[21..].starts_with(level.as_bytes()))
}

/// `[Fri Nov 20 16:53:32.557839 2026] [mpm_event:notice] [pid 1`
pub fn is_apache_error(line: &[u8]) -> bool {
    matches_pattern(line, b"[aaa aaa dd dd:dd:dd")
        && memchr(b']', &line[..line.len().min(48)]).is_some_and(|at| line[at..].starts_with(b"] ["))
        || is_apache_start(line)
}

/// `AH00558: apache2: Could not reliably determine …`, written before the log is open.
fn is_apache_start(line: &[u8]) -> bool {
    line.strip_prefix(b"AH").is_some_and(|rest| matches_pattern(rest, b"ddddd: "))
}

/// `name | `, with any number of spaces before the bar.
fn supervisor(line: &[u8]) -> Option<usize> {
    let name = line.iter().take(64).position(|byte| !(byte.is_ascii_alphanumeric() || b"_.-".contains(byte)))?;
    let spaces = line[name..].iter().take_while(|byte| **byte == b' ').count();
    (name > 0 && spaces > 0 && line[name + spaces..].starts_with(b"| ")).then_some(name + spaces + 2)
}

/// `<190>`
fn priority(line: &[u8]) -> Option<usize> {
    let rest = line.strip_prefix(b"<")?;
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0 && rest.get(digits) == Some(&b'>')).then_some(digits + 2)
}

/// `<190>1 2026-01-02T15:04:05Z host app pid id [data] `; the priority may be missing.
fn rfc5424(line: &[u8]) -> Option<usize> {
    let mut at = priority(line)?;
    at += line[at..].strip_prefix(b"1 ").map(|_| 2)?;
    for _ in ["stamp", "host", "app", "pid", "id"] {
        at += memchr(b' ', line.get(at..)?)? + 1;
    }
    if line[at..].starts_with(b"- ") {
        return Some(at + 2);
    }
    let close = memchr::memmem::find(line[at..].strip_prefix(b"[")?, b"] ")?;
    Some(at + 1 + close + 2)
}

/// `Jan  2 15:04:05 ` or `2026-01-02T15:04:05.123Z `
fn clock(line: &[u8]) -> Option<usize> {
    if matches_pattern(line, b"aaa dd dd:dd:dd ") || matches_pattern(line, b"aaa  d dd:dd:dd ") {
        return Some(16);
    }
    if !(matches_pattern(line, b"dddd-dd-ddTdd:dd:dd") || matches_pattern(line, b"dddd-dd-dd dd:dd:dd")) {
        return None;
    }
    let rest = &line[19..];
    let tail = rest.iter().take(20).take_while(|byte| byte.is_ascii_digit() || b".,:+-Zz".contains(byte)).count();
    (rest.get(tail) == Some(&b' ')).then_some(19 + tail + 1)
}

/// `stdout F ` of container runtimes.
fn stream(line: &[u8]) -> Option<usize> {
    (line.starts_with(b"stdout ") || line.starts_with(b"stderr ")).then_some(())?;
    (line.get(8) == Some(&b' ') && matches!(line[7], b'F' | b'P')).then_some(9)
}

/// `nginx: `, `haproxy[12]: `; after a time with the host's name before it.
fn ident(line: &[u8], after_clock: bool) -> Option<usize> {
    let host = if after_clock { memchr(b' ', &line[..line.len().min(256)]).map_or(0, |at| at + 1) } else { 0 };
    [0, host].into_iter().find_map(|start| {
        let tag = memchr(b' ', &line[start..(start + 64).min(line.len())])?;
        let tag = &line[start..start + tag];
        let name = tag.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(byte)).count();
        let number = tag[name..].iter().take_while(|byte| byte.is_ascii_digit() || b"[]".contains(byte)).count();
        let is_ident = name > 0 && tag[name + number..] == *b":" && tag[..name].iter().any(u8::is_ascii_alphabetic);
        is_ident.then_some(start + tag.len() + 1)
    })
}

/// Whether a line starts with a pattern: `d` is a digit, `a` a letter, other bytes themselves.
fn matches_pattern(line: &[u8], pattern: &[u8]) -> bool {
    line.len() >= pattern.len()
        && pattern.iter().zip(line).all(|(pattern, byte)| match pattern {
            b'd' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphabetic(),
            other => byte == other,
        })
}

const LEVELS: [&str; 9] = ["debug]", "info]", "notice]", "warn]", "error]", "crit]", "alert]", "emerg]", "stderr]"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn strips(prefix: &str) {
        for message in
            ["203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] \"GET / HTTP/1.1\"", "::1 - -", "matrix.example.org:443 203.0.113.7 - -"]
        {
            let line = format!("{prefix}{message}");
            let want = (!prefix.is_empty()).then_some(prefix.len());
            assert_eq!(len(line.as_bytes()), want, "{line}");
        }
    }

    #[test]
    fn every_collectors_prefix_is_removed_completely() {
        strips("");
        strips("nginx: ");
        strips("apache2[123]: ");
        strips("nginx_1  | ");
        strips("proxy-1 | 2026-01-02T15:04:05.123456789Z ");
        strips("2026-01-02T15:04:05.123456789Z ");
        strips("2026-01-02T15:04:05.123456789Z stdout F ");
        strips("<190>Jan  2 15:04:05 host nginx: ");
        strips("Nov 20 16:53:32 localhost haproxy[20814]: ");
        strips("2026-01-02T15:04:05+0000 host haproxy[12]: ");
        strips("<190>1 2026-01-02T15:04:05Z host nginx - - - ");
        strips("<134>1 2026-01-02T15:04:05.123+00:00 host haproxy 12 - [meta a=\"b\"] ");
    }

    #[test]
    fn error_logs_are_recognised() {
        assert!(is_nginx_error(b"2026/11/20 16:53:31 [notice] 20797#20797: nginx/1.22.1"));
        assert!(is_apache_error(b"[Fri Nov 20 16:53:32.557839 2026] [mpm_event:notice] [pid 20826:tid 20826] AH00489: x"));
        assert!(!is_nginx_error(b"2026/11/20 16:53:31 [notice"));
        assert!(!is_no_access_line(b"203.0.113.7 - - ["));
        assert!(is_no_access_line(b" \t"));
    }

    proptest! {
        #[test]
        fn a_prefix_is_never_longer_than_its_line(line: Vec<u8>) {
            prop_assert!(len(&line).unwrap_or(0) <= line.len());
            let _ = is_no_access_line(&line);
        }
    }
}
