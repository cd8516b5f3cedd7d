//! Squid's native access log.
//!
//! ```text
//! 1767366245.123  30004 203.0.113.7 TCP_MISS/200 1042 GET https://matrix.example.org/_matrix/… - FIRSTUP_PARENT/10.0.0.2 application/json
//! time         duration client      result/status bytes method URL                       user hierarchy/server type
//! ```
//!
//! The duration is in milliseconds and aligned to the right; the stamp is the end. A configuration that writes another stamp leaves the
//! rest as it is: then the time is that of what stands before. Squid leaves queries out unless `strip_query_terms` is off. A result
//! with `ABORTED` is a client that left.
//!
//! Source: Squid's wiki, "Squid Log Files"; `logformat` in its configuration reference, format `squid`.

use std::borrow::Cow;

use super::draft::Draft;
use super::prefix;
use super::variable::{Unit, Variable};
use crate::time::epoch_seconds;
use crate::{Ambiguity, Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// Reads the format `squid`.
#[derive(Debug, Clone)]
pub struct Squid {
    stamps: StampReader,
}

impl Squid {
    /// All stamps are in UTC; `stamps` is not asked.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps }
    }

    fn read<'a>(&mut self, words: &mut Words<'a>) -> Result<Record<'a>, &'static str> {
        let mut record = Record::default();
        let mut draft = Draft::new(&mut record);
        let mut duration = words.next(DURATION)?;
        if memchr::memchr(b'.', duration).is_some() {
            let (micros, resolution_us) = epoch_seconds(duration).ok_or("a time in seconds since 1970")?;
            draft.record.stamp = Some(Stamp { micros, resolution_us, meaning: StampMeaning::End, ambiguity: Ambiguity::None });
            duration = words.next(DURATION)?;
        }
        let stamps = &mut self.stamps;
        if !duration.iter().all(u8::is_ascii_digit) {
            return Err(DURATION);
        }
        draft.assign(Variable::Wall(Unit::Millis), Cow::Borrowed(duration), stamps)?;
        draft.assign(Variable::Address, Cow::Borrowed(words.next("a client's address")?), stamps)?;
        let result = words.next(RESULT)?;
        let (code, status) = result.split_at(memchr::memchr(b'/', result).ok_or(RESULT)?);
        let is_code = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
        if code.is_empty() || !code.iter().all(is_code) {
            return Err(RESULT);
        }
        draft.record.aborted = memchr::memmem::find(code, b"ABORTED").is_some();
        draft.assign(Variable::Status, Cow::Borrowed(&status[1..]), stamps)?;
        if draft.record.status == 0 && status != b"/000" {
            return Err(RESULT);
        }
        draft.assign(Variable::BytesSent, Cow::Borrowed(words.next("a number of bytes")?), stamps)?;
        draft.assign(Variable::Method, Cow::Borrowed(words.next("a method")?), stamps)?;
        draft.assign(Variable::Target, Cow::Borrowed(words.next("a URL")?), stamps)?;
        words.next("a user, or -")?;
        let hierarchy = words.next(HIERARCHY)?;
        let (_, server) = hierarchy.split_at(memchr::memchr(b'/', hierarchy).ok_or(HIERARCHY)?);
        draft.assign(Variable::UpstreamAddress, Cow::Borrowed(&server[1..]), stamps)?;
        words.next("a content type, or -")?;
        draft.finish(stamps)?;
        Ok(record)
    }
}

impl Parser for Squid {
    fn name(&self) -> &'static str {
        "squid"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let mut words = Words { rest: line };
        match self.read(&mut words) {
            Ok(record) => Line::Request(record),
            Err(_) if prefix::is_no_access_line(line) => Line::NotRequest,
            Err(expected) => Line::Malformed(Malformed { expected, column: line.len() - words.rest.len() }),
        }
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

/// The rest of a line, read word by word; any number of blanks stands between.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn next(&mut self, expected: &'static str) -> Result<&'a [u8], &'static str> {
        let rest = self.rest.trim_ascii_start();
        let (word, rest) = rest.split_at(memchr::memchr(b' ', rest).unwrap_or(rest.len()));
        if word.is_empty() {
            return Err(expected);
        }
        self.rest = rest;
        Ok(word)
    }
}

const DURATION: &str = "a duration in whole milliseconds";
const RESULT: &str = "a result and a status such as TCP_MISS/200";
const HIERARCHY: &str = "a hierarchy code and a server such as HIER_DIRECT/10.0.0.2";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::testing::{malformed, request, stamps, survives, text};

    const LINE: &str = "1767366245.123  30004 203.0.113.7 TCP_MISS/200 1042 GET https://matrix.example.org/_matrix/client/v3/sync - FIRSTUP_PARENT/10.0.0.2 application/json";

    fn parser() -> Squid {
        Squid::new(stamps())
    }

    #[test]
    fn a_line_ends_at_its_stamp_and_lasts_milliseconds() {
        let mut parser = parser();
        let record = request(&mut parser, LINE);
        assert_eq!((record.wall_us, record.status, record.bytes_sent), (Some(30_004_000), 200, Some(1042)));
        assert_eq!(record.stamp.map(|stamp| (stamp.micros, stamp.meaning)), Some((1_767_366_245_123_000, StampMeaning::End)));
        assert_eq!((text(record.method), record.address), ("GET".into(), Some(&b"203.0.113.7"[..])));
        assert_eq!(
            (text(&record.target), record.upstream.as_deref()),
            ("https://matrix.example.org/_matrix/client/v3/sync".into(), Some(&b"10.0.0.2"[..]))
        );
    }

    #[test]
    fn a_stamp_of_another_notation_stands_before() {
        assert_eq!(request(&mut parser(), LINE[15..].trim_start()).stamp, None);
    }

    #[test]
    fn what_was_not_sent_has_no_upstream_and_who_left_aborted() {
        let line = LINE.replace("TCP_MISS/200", "TCP_MISS_ABORTED/000").replace("FIRSTUP_PARENT/10.0.0.2", "HIER_NONE/-");
        let mut parser = parser();
        let record = request(&mut parser, &line);
        assert_eq!((record.aborted, record.status, record.upstream.as_deref()), (true, 0, None));
    }

    #[test]
    fn other_lines_are_malformed() {
        for cut in 1..LINE.rfind(' ').unwrap() {
            assert!(malformed(&mut parser(), &LINE[..cut]).column <= cut);
        }
        assert_eq!(malformed(&mut parser(), &LINE.replace("TCP_MISS", "tcp")).expected, RESULT);
        assert_eq!(malformed(&mut parser(), &LINE.replace(" 30004", " 30.0")).expected, DURATION);
        assert_eq!(parser().parse(b""), Line::NotRequest);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..60), at in 0usize..200, cut in 0usize..40) {
            survives(parser, LINE, &noise, at, cut);
        }
    }
}
