//! W3C's extended log file format: IIS (also as a reverse proxy with ARR), Amazon CloudFront's standard logs.
//!
//! ```text
//! #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status time-taken
//! 2026-04-25 14:30:00 10.0.0.50 GET /_matrix/client/versions - 443 - 203.0.113.5 curl/8 200 187
//! ```
//!
//! The header names the fields, so a part of a file without its header cannot be read. Fields are separated by blanks (IIS) or tabs
//! (CloudFront); neither occurs in a value. The stamp is the end of the request, in UTC. IIS writes `time-taken` in whole milliseconds,
//! CloudFront in seconds with three decimals.
//!
//! Source: W3C, "Extended Log File Format" (WD-logfile-960323); Microsoft, "W3C Extended Log File Format (IIS 6.0)" and "Logging in IIS";
//! AWS, "Standard logging reference" of CloudFront.

use std::borrow::Cow;
use std::sync::Arc;

use super::draft::Draft;
use super::prefix;
use super::variable::{Unit, Variable};
use crate::{Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// Reads a log whose fields its own header names.
#[derive(Debug, Clone)]
pub struct W3c {
    stamps: StampReader,
    /// Empty without a header in the sample.
    fields: Arc<[Field]>,
}

/// The meaning of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Date,
    Time,
    Stem,
    Query,
    Other(Variable),
}

impl W3c {
    /// `stamps` checks dates; all stamps are in UTC.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps, fields: Arc::from([]) }
    }

    fn read<'a>(&mut self, line: &'a [u8]) -> Result<Record<'a>, Malformed> {
        let mut record = Record::default();
        let mut draft = Draft::new(&mut record);
        let expected = |expected, column| Malformed { expected, column };
        let separator = if memchr::memchr(b'\t', line).is_some() { b'\t' } else { b' ' };
        let (mut date, mut time, mut stem, mut query) = (&b""[..], &b""[..], &b""[..], &b""[..]);
        let mut at = 0;
        for (index, field) in self.fields.iter().enumerate() {
            let rest = line.get(at..).ok_or(expected("the fields of the header", line.len()))?;
            let is_last = index + 1 == self.fields.len();
            let len = match memchr::memchr(separator, rest) {
                Some(len) if !is_last => len,
                None if is_last => rest.len(),
                _ => return Err(expected("the fields of the header", at)),
            };
            let value = &rest[..len];
            match field {
                Field::Date => date = value,
                Field::Time => time = value,
                Field::Stem => stem = value,
                Field::Query => query = value,
                Field::Other(variable) => {
                    draft.assign(*variable, Cow::Borrowed(value), &mut self.stamps).map_err(|what| expected(what, at))?;
                }
            }
            at += len + 1;
        }
        draft.record.target = match query {
            b"" | b"-" => Cow::Borrowed(stem),
            _ => Cow::Owned([stem, b"?", query].concat()),
        };
        draft.record.stamp = Some(self.stamp(date, time).ok_or(expected("a date and a time in UTC", 0))?);
        draft.finish(&mut self.stamps).map_err(|what| expected(what, line.len()))?;
        Ok(record)
    }

    /// `2026-04-25` and `14:30:00`, perhaps with a fraction.
    fn stamp(&mut self, date: &[u8], time: &[u8]) -> Option<Stamp> {
        let mut text = [0; STAMP_MAX];
        let len = date.len() + time.len() + 2;
        let written = text.get_mut(..len).filter(|_| date.len() == 10 && time.len() >= 8)?;
        written[..10].copy_from_slice(date);
        written[10] = b'T';
        written[11..len - 1].copy_from_slice(time);
        written[len - 1] = b'Z';
        let (micros, resolution_us) = self.stamps.iso(written)?;
        Some(Stamp { micros, resolution_us, meaning: StampMeaning::End, ambiguity: self.stamps.ambiguity() })
    }
}

impl Parser for W3c {
    fn name(&self) -> &str {
        "w3c extended"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        if let Some(named) = line.strip_prefix(FIELDS) {
            // IIS writes its header again after every start. With other fields the lines behind it cannot be read by these.
            let is_same = self.fields.is_empty() || fields(named) == *self.fields;
            return if is_same {
                Line::NotRequest
            } else {
                Line::Malformed(Malformed { expected: "the fields of the first header", column: 0 })
            };
        }
        if line.starts_with(b"#") || prefix::is_no_access_line(line) {
            return Line::NotRequest;
        }
        if self.fields.is_empty() {
            return Line::Malformed(Malformed { expected: "a header with the names of the fields", column: 0 });
        }
        match self.read(line) {
            Ok(record) => Line::Request(record),
            Err(malformed) => Line::Malformed(malformed),
        }
    }

    fn study(&mut self, sample: &[&[u8]]) {
        let header = sample.iter().find_map(|line| line.strip_prefix(FIELDS)).map(fields);
        // Without a path and a time there is nothing to read.
        let has = |fields: &Vec<Field>, field: Field| fields.contains(&field);
        let header = header.filter(|fields| has(fields, Field::Stem) && has(fields, Field::Date) && has(fields, Field::Time));
        self.fields = header.unwrap_or_default().into();
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

fn fields(named: &[u8]) -> Vec<Field> {
    let names = named.trim_ascii().split(u8::is_ascii_whitespace).filter(|name| !name.is_empty());
    names.take(FIELDS_MAX).map(|name| meaning(&name.to_ascii_lowercase())).collect()
}

fn meaning(name: &[u8]) -> Field {
    Field::Other(match name {
        b"date" => return Field::Date,
        b"time" => return Field::Time,
        b"cs-uri-stem" | b"cs-uri" => return Field::Stem,
        b"cs-uri-query" => return Field::Query,
        b"cs-method" => Variable::Method,
        b"c-ip" => Variable::Address,
        b"x-forwarded-for" | b"cs(x-forwarded-for)" => Variable::ForwardedFor,
        b"cs-username" => Variable::User,
        b"sc-status" => Variable::Status,
        b"sc-bytes" => Variable::BytesSent,
        b"cs-bytes" => Variable::BytesReceived,
        b"time-taken" => Variable::Wall(Unit::SecondsOrMillis),
        b"cs(user-agent)" => Variable::Agent,
        b"cs(referer)" => Variable::Referrer,
        b"cs-host" | b"cs(host)" | b"x-host-header" => Variable::Site,
        b"x-edge-request-id" => Variable::RequestIdText,
        _ => Variable::Ignored,
    })
}

const FIELDS: &[u8] = b"#Fields:";
/// More than any server has.
const FIELDS_MAX: usize = 128;
/// A date, a time with nanoseconds, and two letters.
const STAMP_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::testing::{request, stamps, survives, text};

    const IIS: &str = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken";
    const LINE: &str = "2026-04-25 14:30:00 10.0.0.50 GET /_matrix/client/v3/sync timeout=30000&since=s1 443 - 203.0.113.5 Mozilla/5.0+(X11) - 200 0 0 30187";

    fn studied(header: &str) -> W3c {
        let mut parser = W3c::new(stamps());
        parser.study(&[b"#Version: 1.0", header.as_bytes()]);
        parser
    }

    #[test]
    fn the_header_says_what_the_fields_are() {
        let mut parser = studied(IIS);
        let record = request(&mut parser, LINE);
        assert_eq!((text(record.method), text(&record.target)), ("GET".into(), "/_matrix/client/v3/sync?timeout=30000&since=s1".into()));
        assert_eq!((record.status, record.wall_us, record.address), (200, Some(30_187_000), Some(&b"203.0.113.5"[..])));
        let stamp = record.stamp.unwrap();
        assert_eq!((stamp.micros, stamp.meaning), (1_777_127_400_000_000, StampMeaning::End));
        for line in [IIS, "#Software: Microsoft Internet Information Services 10.0", ""] {
            assert_eq!(parser.parse(line.as_bytes()), Line::NotRequest, "{line}");
        }
        for line in ["#Fields: date time cs-uri-stem", &LINE[..60], &format!("{LINE} x"), "2026-04-25"] {
            assert!(matches!(parser.parse(line.as_bytes()), Line::Malformed(_)), "{line}");
        }
        assert!(matches!(studied("#Fields: date c-ip").parse(LINE.as_bytes()), Line::Malformed(_)), "nothing to read without a path");
    }

    #[test]
    fn a_fraction_makes_seconds() {
        let mut parser = studied("#Fields: date time c-ip cs-method cs(Host) cs-uri-stem sc-status time-taken");
        let record = request(&mut parser, "2019-12-04\t21:02:31\t192.0.2.1\tPUT\tmatrix.example.org\t/a\t200\t30.012");
        assert_eq!((record.wall_us, record.site), (Some(30_012_000), Some(&b"matrix.example.org"[..])));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(noise: Vec<u8>, at in 0usize..140, cut in 0usize..40) {
            survives(|| studied(IIS), LINE, &noise, at, cut);
        }
    }
}
