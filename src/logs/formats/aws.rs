//! Access logs of AWS's load balancers: Application Load Balancer and the classic one, as they are stored in S3.
//!
//! ```text
//! type time elb client:port target:port request_time target_time response_time elb_status target_status received sent "request" "agent" …
//!      time elb client:port target:port request_time target_time response_time elb_status target_status received sent "request" "agent" …
//! ```
//!
//! The three times are in seconds, -1 where the step was not reached; their sum is the duration. An Application Load Balancer's `time` is
//! the end; newer lines have `request_creation_time`, the start, behind the rule's priority. The classic `timestamp` is the start.
//! Status 460 is a client that left.
//!
//! Source: AWS documentation, "Access logs for your Application Load Balancer" and "Access logs for your Classic Load Balancer".

use std::borrow::Cow;

use memchr::memchr;

use super::address::without_port;
use super::draft::Draft;
use super::prefix;
use super::request_line;
use super::variable::Variable;
use crate::time::duration_us;
use crate::{Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// Reads a load balancer's access log.
#[derive(Debug, Clone)]
pub struct Aws {
    stamps: StampReader,
}

impl Aws {
    /// All stamps are in UTC; `stamps` keeps the last one.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps }
    }

    fn read<'a>(&mut self, fields: &mut Fields<'a>) -> Result<Record<'a>, &'static str> {
        let mut record = Record::default();
        let mut draft = Draft::new(&mut record);
        let kind = fields.rest.get(..fields.rest.iter().take_while(|byte| **byte != b' ').count()).unwrap_or_default();
        let classic = kind.first().is_some_and(u8::is_ascii_digit);
        if !classic && !KINDS.contains(&fields.word("a type such as https")?) {
            return Err("a type such as https");
        }
        let end = self.stamp(fields.word(TIME)?, if classic { StampMeaning::Start } else { StampMeaning::End })?;
        draft.record.stamp = Some(end);
        fields.word("the load balancer's name")?;
        draft.record.address = Some(without_port(fields.word("a client's address and port")?));
        let target = fields.word("a target's address and port, or -")?;
        if target != b"-" {
            (draft.record.upstream, draft.record.upstream_tries) = (Some(Cow::Borrowed(target)), 1);
        }
        let mut time = || fields.word("three times in seconds").and_then(seconds);
        let times = [time()?, time()?, time()?];
        let status = fields.word("a status")?;
        draft.assign(Variable::Status, Cow::Borrowed(status), &mut self.stamps)?;
        fields.word("the target's status")?;
        for variable in [Variable::BytesReceived, Variable::BytesSent] {
            let count = fields.word("a number of bytes")?;
            draft.assign(variable, Cow::Borrowed(count), &mut self.stamps)?;
        }
        let (method, request) = request_line::split(fields.quoted("the request line in quotes")?);
        (draft.record.method, draft.record.target) = (method, Cow::Borrowed(request));
        let agent = fields.quoted("the user agent in quotes")?;
        draft.assign(Variable::Agent, Cow::Borrowed(agent), &mut self.stamps)?;
        if !classic {
            self.tail(fields, draft.record);
        }
        durations(times, end, draft.record);
        draft.record.aborted |= draft.record.status == 460;
        draft.finish(&mut self.stamps)?;
        Ok(record)
    }

    /// The fields behind the user agent, as many of them as the line has: older lines have fewer.
    fn tail<'a>(&mut self, fields: &mut Fields<'a>, record: &mut Record<'a>) -> Option<()> {
        for _ in ["cipher", "protocol", "target group"] {
            fields.word("").ok()?;
        }
        record.request_id = fields.quoted("").ok().filter(|trace| *trace != b"-");
        record.site = fields.quoted("").ok().filter(|domain| *domain != b"-");
        fields.quoted("").ok()?;
        fields.word("").ok()?;
        let created = fields.word("").ok()?;
        if let Ok(start) = self.stamp(created, StampMeaning::Start) {
            record.stamp = Some(start);
        }
        Some(())
    }

    fn stamp(&mut self, text: &[u8], meaning: StampMeaning) -> Result<Stamp, &'static str> {
        let (micros, resolution_us) = self.stamps.iso(text).ok_or(TIME)?;
        Ok(Stamp { micros, resolution_us, meaning, ambiguity: self.stamps.ambiguity() })
    }
}

/// The upstream's time is what the target took and what its response took; without the three times the duration is between the stamps.
fn durations(times: [Option<u64>; 3], end: Stamp, record: &mut Record<'_>) {
    if let [Some(request), Some(target), Some(response)] = times {
        record.wall_us = Some(request.saturating_add(target).saturating_add(response));
        record.upstream_us = Some(target.saturating_add(response));
    } else if let Some(start) = record.stamp.filter(|start| start.meaning == StampMeaning::Start && end.meaning == StampMeaning::End) {
        record.wall_us = u64::try_from(end.micros.saturating_sub(start.micros)).ok();
    }
}

/// `None` for -1, a step that was not reached.
fn seconds(text: &[u8]) -> Result<Option<u64>, &'static str> {
    if text == b"-1" { Ok(None) } else { duration_us(text).map(Some).ok_or("a time in seconds") }
}

impl Parser for Aws {
    fn name(&self) -> &'static str {
        "aws load balancer"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let mut fields = Fields { rest: line };
        match self.read(&mut fields) {
            Ok(record) => Line::Request(record),
            Err(_) if prefix::is_no_access_line(line) => Line::NotRequest,
            Err(expected) => Line::Malformed(Malformed { expected, column: line.len() - fields.rest.len() }),
        }
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

/// The rest of a line, read field by field. A field that is not what was expected stays in the rest.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn word(&mut self, expected: &'static str) -> Result<&'a [u8], &'static str> {
        let space = memchr(b' ', self.rest).filter(|space| *space > 0).ok_or(expected)?;
        let (word, rest) = self.rest.split_at(space);
        self.rest = &rest[1..];
        Ok(word)
    }

    /// `"…"` with the space after it, if there is one. Quotes inside are escaped.
    fn quoted(&mut self, expected: &'static str) -> Result<&'a [u8], &'static str> {
        let text = self.rest.strip_prefix(b"\"").ok_or(expected)?;
        let close = memchr::memchr_iter(b'"', text)
            .find(|at| text[..*at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0)
            .ok_or(expected)?;
        let rest = &text[close + 1..];
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        Ok(&text[..close])
    }
}

const TIME: &str = "a time such as 2018-07-02T22:23:00.186641Z";
const KINDS: [&[u8]; 6] = [b"http", b"https", b"h2", b"grpcs", b"ws", b"wss"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::testing::{malformed, request, stamps, survives, text};

    /// Of AWS's documentation.
    const HTTPS: &str = r#"https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "arn:aws:acm:us-east-2:123456789012:certificate/12345678" 1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90"#;
    const CLASSIC: &str = r#"2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#;

    fn parser() -> Aws {
        Aws::new(stamps())
    }

    #[test]
    fn a_request_starts_when_it_was_created() {
        let mut parser = parser();
        let record = request(&mut parser, HTTPS);
        assert_eq!((record.arrival_us(), record.wall_us, record.upstream_us), (Some(1_530_570_168_364_000), Some(171_000), Some(85_000)));
        assert_eq!((record.address, record.upstream.as_deref()), (Some(&b"192.168.131.39"[..]), Some(&b"10.0.0.1:80"[..])));
        assert_eq!((text(record.method), text(&record.target), record.status), ("GET".into(), "https://www.example.com:443/".into(), 200));
        assert_eq!((text(record.site.unwrap()), text(&record.agent.unwrap())), ("www.example.com".into(), "curl/7.46.0".into()));
        assert_eq!((record.bytes_received, record.bytes_sent), (Some(0), Some(57)));
    }

    #[test]
    fn an_older_line_has_its_end_and_a_classic_one_its_start() {
        let mut parser = parser();
        let old = &HTTPS[..HTTPS.find(" ECDHE").unwrap()];
        assert_eq!(request(&mut parser, old).arrival_us(), Some(1_530_570_180_186_641 - 171_000));
        let record = request(&mut parser, CLASSIC);
        assert_eq!((record.arrival_us(), record.wall_us), (Some(1_431_560_383_945_958), Some(1178)));
    }

    #[test]
    fn a_step_that_was_not_reached_and_a_client_that_left() {
        let mut parser = parser();
        let line = HTTPS
            .replace("10.0.0.1:80 0.086 0.048 0.037 200 200", "- -1 -1 -1 460 -")
            .replace("GET https://www.example.com:443/ HTTP/1.1", "- http://www.example.com:80- -");
        let record = request(&mut parser, &line);
        assert_eq!((record.upstream, record.upstream_us, record.wall_us), (None, None, Some(11_822_641)));
        assert_eq!((record.aborted, record.method, &*record.target), (true, &b""[..], &b""[..]));
    }

    #[test]
    fn a_line_truncated_before_its_agent_is_malformed() {
        for cut in 1..HTTPS.find(" ECDHE").unwrap() {
            assert!(malformed(&mut parser(), &HTTPS[..cut]).column <= cut);
        }
        assert_eq!(malformed(&mut parser(), "tcp 2018-07-02T22:23:00.186641Z x").expected, "a type such as https");
        assert_eq!(parser().parse(b""), Line::NotRequest);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..60), at in 0usize..500, cut in 0usize..40) {
            survives(parser, HTTPS, &noise, at, cut);
        }
    }
}
