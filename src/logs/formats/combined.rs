//! The fields of the combined format read in one go, because they begin most access logs.
//!
//! A pattern takes each field by rules that it looks up; here the rules are code. Only lines as they usually are: whatever is unusual in
//! one (a user, an escape, a missing number) is left to the pattern. Invariant: a line that is read here is read alike by the pattern.

use std::borrow::Cow;

use memchr::memchr2;

use super::draft::Draft;
use super::request_line;
use super::value::{count, is_present, status};
use super::variable::{Clock, Variable};
use crate::escape::Escape;
use crate::time::Ambiguity;
use crate::{Stamp, StampMeaning, StampReader};
use wsim_http::scan;

/// The beginning of a pattern: `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Combined {
    pub(super) meaning: StampMeaning,
}

impl Combined {
    /// Fields that are read, without the text after the last.
    pub(super) const FIELDS: usize = 8;

    /// If the fields, each with the text after it, begin like this; there must be no text before them.
    pub(super) fn beginning(fields: &[(Variable, Vec<u8>)], escape: Escape) -> Option<Self> {
        let (escaped, fields) = (matches!(escape, Escape::Nginx | Escape::Apache), fields.get(..Self::FIELDS)?);
        let (Variable::Time(Clock::Common, meaning), _) = fields[2] else { return None };
        let expected: [(Variable, &[u8]); Self::FIELDS - 1] = [
            (Variable::Address, b" - "),
            (Variable::User, b" ["),
            (Variable::Time(Clock::Common, meaning), b"] \""),
            (Variable::RequestLine, b"\" "),
            (Variable::Status, b" "),
            (Variable::BytesSent, b" \""),
            (Variable::Referrer, b"\" \""),
        ];
        let same = fields.iter().zip(expected).all(|((variable, after), expected)| (*variable, after.as_slice()) == expected);
        let (agent, after) = &fields[Self::FIELDS - 1];
        (escaped && same && *agent == Variable::Agent && after.starts_with(b"\"")).then_some(Self { meaning })
    }

    /// Reads the fields and returns where the last ends; `None`, with nothing read, if the line is unusual.
    #[inline]
    pub(super) fn read<'a>(self, line: &'a [u8], draft: &mut Draft<'_, 'a>, stamps: &mut StampReader) -> Option<usize> {
        let (address, rest) = line.split_at(scan::find(b' ', line)?);
        let (time, rest) = rest.strip_prefix(b" - - [")?.split_at_checked(26)?;
        let (request, rest) = quoted(rest.strip_prefix(b"] \"")?)?;
        let (code, rest) = rest.strip_prefix(b"\" ")?.split_at_checked(3)?;
        let rest = rest.strip_prefix(b" ")?;
        let (bytes, rest) = rest.split_at(scan::find(b' ', rest)?);
        let (referrer, rest) = quoted(rest.strip_prefix(b" \"")?)?;
        let (agent, rest) = quoted(rest.strip_prefix(b"\" \"")?)?;
        let (status, bytes_sent, micros) = (status(code)?, count(bytes)?, stamps.common(time)?);
        let record = &mut *draft.record;
        let (method, target) = request_line::split(request);
        (record.method, record.target) = (method, Cow::Borrowed(target));
        record.stamp = Some(Stamp { micros, resolution_us: 1_000_000, meaning: self.meaning, ambiguity: Ambiguity::None });
        (record.status, record.bytes_sent) = (status, bytes_sent);
        record.address = Some(address).filter(is_present);
        record.referrer = Some(referrer).filter(is_present).map(Cow::Borrowed);
        record.agent = Some(agent).filter(is_present).map(Cow::Borrowed);
        Some(line.len() - rest.len())
    }
}

/// The text up to a quote, if no escape is in it.
#[inline]
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [b'-', b'"', ..] = text {
        return Some(text.split_at(1));
    }
    let at = memchr2(b'"', b'\\', text)?;
    (text[at] == b'"').then(|| text.split_at(at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::formats::nginx::{COMBINED, LogFormat, MAIN};
    use crate::formats::testing::stamps;
    use crate::{Line, Parser};

    /// What a line is read as, with this module and without.
    fn both(format: &str, line: &[u8]) -> (String, String, bool) {
        let parser = LogFormat::parse(format).unwrap().parser("x", stamps()).unwrap();
        let mut plain = parser.clone().by_pattern_alone();
        let mut parser = parser;
        let read = |line: Line<'_>| format!("{line:?}");
        let is_request = matches!(parser.parse(line), Line::Request(_));
        (read(parser.parse(line)), read(plain.parse(line)), is_request)
    }

    #[test]
    fn a_usual_line_is_read() {
        let line = br#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET /_matrix/client/versions HTTP/2.0" 200 15 "-" "Element/1.2""#;
        let (here, pattern, is_request) = both(COMBINED, line);
        assert!(is_request);
        assert_eq!(here, pattern);
    }

    /// Fields as they are usually, and as they are not.
    fn part(usual: &'static str, unusual: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        prop_oneof![6 => Just(usual), 1 => prop::sample::select(unusual)]
    }

    proptest! {
        #[test]
        fn every_line_is_read_as_by_the_pattern_alone(
            address in part("203.0.113.7", &["", "-", "::1", "a b", "unix:"]),
            user in part(" - - [", &[" - alice [", " - - [ - [", " -  [", " - \"\" [", "- - [", " - a - b ["]),
            time in part("02/Jan/2026:15:04:05 +0000", &["", "32/Jan/2026:15:04:05 +0000", "02/Jan/2026:15:04:05 +000", "02/Jan/2026:15:04:05 +00000"]),
            request in part("GET /_matrix/client/v3/sync?since=s1_2 HTTP/1.1", &["", "-", "GET", r"\x16\x03", r#"GET /a\"b HTTP/1.1"#, "GET /a\"b HTTP/1.1", r"GET /\\ HTTP/1.1"]),
            status in part("200", &["", "-", "0", "20", "2000", "499", "000", "abc"]),
            bytes in part("512", &["", "-", "x", "-5", "99999999999999999999999"]),
            referrer in part("-", &["", "https://a.example/", r"\x22", "a\"b", "a\" \"b"]),
            agent in part("Element/1.11 (X11; Linux)", &["", "-", r"a\x22b", "a\"b", "a\" \"b", r"Element\x22/1"]),
            end in part("", &["\"", " ", "x", "\" \"192.0.2.1\"", " \"192.0.2.1\""]),
            cut in prop_oneof![4 => Just(usize::MAX), 1 => 0usize..160],
        ) {
            let line = format!("{address}{user}{time}] \"{request}\" {status} {bytes} \"{referrer}\" \"{agent}\"{end}");
            let line = &line.as_bytes()[..cut.min(line.len())];
            for format in [COMBINED, MAIN] {
                let (here, pattern, _) = both(format, line);
                prop_assert_eq!(here, pattern, "{}", String::from_utf8_lossy(line));
            }
        }
    }
}
