//! HAProxy's `option httplog`, after any collector's prefix, and `option httplog clf`.
//!
//! ```text
//! %ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq {%hrl} {%hsl} "%r"
//! ```
//!
//! The stamp marks the first byte of the request, in local time without a zone. Wall time is `Ta`; upstream time is `Tr` plus the
//! data time, that is `Ta - TR - Tw - Tc`, known only if no timer is -1. With `option logasap` (`+`) neither duration nor bytes are
//! final, so that both are left out. Formats before 1.7 also have five timers (`Tq/Tw/Tc/Tr/Tt`) and cannot be distinguished: their
//! total includes the idle time of kept connections.
//!
//! HAProxy cuts its messages at `log … len`, 1024 bytes by default, so a long line may end inside the request line.
//!
//! Two dressed-up forms are read as well: six timers with `%Th`, the handshakes, in front (Element Server Suite), and `base`, host and
//! path, in place of the target (HAProxy's own Kubernetes ingress).
//!
//! Source: HAProxy configuration manual 3.2, sections 8.2.3 to 8.6; escapes `lf_encode_chunk` in `src/log.c`;
//! `charts/matrix-stack/configs/synapse/partial-haproxy.cfg.tpl` of element-hq/ess-helm; `log-format` in the documentation of
//! haproxytech/kubernetes-ingress.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use super::captures;
use super::draft::Draft;
use super::pattern::{Pattern, Piece, TextParser};
use super::prefix;
use super::request_line;
use super::value::host_and_path;
use super::variable::{Clock, Unit, Variable};
use crate::escape::Escape;
use crate::time::decimal;
use crate::{Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// The parser of `option httplog` and `option httpslog`.
#[derive(Debug, Clone)]
pub struct Haproxy {
    stamps: StampReader,
    meaning: StampMeaning,
}

impl Haproxy {
    /// `stamps` has the zone in which HAProxy ran.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps, meaning: StampMeaning::Start }
    }

    /// The parser with another meaning of its stamps (`--stamp`).
    pub fn with_meaning(self, meaning: StampMeaning) -> Self {
        Self { meaning, ..self }
    }
}

impl Parser for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        match stamp_index(line) {
            Some(open) => self.message(line, open),
            None => without_stamp(line),
        }
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

/// The parser of `option httplog clf`, whose stamp has a zone and its milliseconds in a separate field.
pub fn clf(stamps: StampReader) -> TextParser {
    let word = Variable::IgnoredWord;
    let fields = [
        ("", Variable::Address),
        (" - - [", Variable::Time(Clock::Common, StampMeaning::Start)),
        ("] \"", Variable::RequestLine),
        ("\" ", Variable::Status),
        (" ", Variable::BytesSent),
        (" \"\" \"\" ", word),
        (" ", Variable::Fraction(Unit::Millis)),
        (" \"", Variable::Ignored),
        ("\" \"", Variable::Ignored),
        ("\" \"", Variable::UpstreamAddress),
        ("\" ", word),
        (" ", word),
        (" ", word),
        (" ", word),
        (" ", Variable::Wall(Unit::Millis)),
        // The termination state is quoted by newer releases only.
        (" ", Variable::Ignored),
    ];
    let pieces: Vec<Piece> =
        fields.into_iter().flat_map(|(text, field)| [Piece::Literal(text.as_bytes().to_vec()), Piece::Field(field, 0)]).collect();
    #[expect(clippy::expect_used, reason = "a constant, compiled by a test")]
    let pattern = Pattern::compile(&pieces, Escape::Haproxy).expect("the fields of a predefined format do not touch");
    TextParser::new("haproxy clf", pattern, stamps)
}

impl Haproxy {
    fn message<'a>(&mut self, line: &'a [u8], open: usize) -> Line<'a> {
        let mut fields = Fields { line, at: open + 1 };
        match self.read(&mut fields, open) {
            Ok(Some(record)) => Line::Request(record),
            Ok(None) => Line::NotRequest,
            Err(expected) => Line::Malformed(Malformed { expected, column: fields.at.min(line.len()) }),
        }
    }

    /// Reads the line after the stamp's bracket; `None` for a line about a connection.
    fn read<'a>(&mut self, fields: &mut Fields<'a>, open: usize) -> Result<Option<Record<'a>>, &'static str> {
        let mut record = Record::default();
        let mut draft = Draft::new(&mut record);
        let client = &fields.line[..open - 1];
        let client = &client[memchr::memrchr(b' ', client).map_or(0, |at| at + 1)..];
        let address = memchr::memrchr(b':', client).map_or(client, |colon| &client[..colon]);
        draft.record.address = Some(address).filter(|address| !address.is_empty() && *address != b"-");

        let stamp = fields.until(b"] ", "a time in brackets")?;
        let micros = self.stamps.haproxy(stamp).ok_or("a time such as 02/Jan/2026:15:04:05.123")?;
        let resolution_us = if stamp.len() > 20 { 1000 } else { 1_000_000 };
        draft.record.stamp = Some(Stamp { micros, resolution_us, meaning: self.meaning, ambiguity: self.stamps.ambiguity() });

        let frontend = fields.word("a frontend")?;
        if frontend.ends_with(b":") {
            return Ok(None); // `frontend/bind: SSL handshake failure`
        }
        let server = fields.word("a backend and a server")?;
        let timers = fields.word("five timers such as 0/0/1/2/3")?;
        if timers.iter().filter(|byte| **byte == b'/').count() == 2 {
            return Ok(None); // `option tcplog`: a connection with any number of requests
        }
        let slash = memchr(b'/', server).ok_or("a backend and a server")?;
        if server.get(slash + 1).is_some_and(|byte| *byte != b'<') {
            draft.record.upstream = Some(Cow::Borrowed(server));
            draft.record.upstream_tries = 1;
        }
        Timers::read(timers).ok_or("five timers such as 0/0/1/2/3")?.fill(draft.record);
        let status = fields.word("a status")?;
        draft.assign(Variable::Status, Cow::Borrowed(status), &mut self.stamps)?;
        let bytes = fields.word("a number of bytes")?;
        if !bytes.starts_with(b"+") {
            draft.assign(Variable::BytesSent, Cow::Borrowed(bytes), &mut self.stamps)?;
        }
        fields.word("a request cookie or -")?;
        fields.word("a response cookie or -")?;
        let state = fields.word("a termination state such as ----")?;
        if state.len() != 4 {
            return Err("a termination state such as ----");
        }
        draft.record.aborted = state[0] == b'C';
        let connections = fields.word("five numbers of connections")?;
        if connections.iter().filter(|byte| **byte == b'/').count() != 4 {
            return Err("five numbers of connections");
        }
        if memchr(b'+', connections).is_some() && draft.record.upstream.is_some() {
            draft.record.upstream_tries = 2; // redispatched to another server
        }
        let queues = fields.word("two positions in queues")?;
        if queues.iter().filter(|byte| **byte == b'/').count() != 1 {
            return Err("two positions in queues");
        }
        while let Some(group) = fields.group()? {
            captures::assign(group, &mut draft, &mut self.stamps)?;
        }
        let request = fields.request()?;
        let (method, target) = request_line::split(request);
        draft.record.method = method;
        // HAProxy's Kubernetes ingress logs its `base`, host and path without scheme and query.
        let target = match host_and_path(target) {
            Some((host, path)) => {
                draft.record.site = draft.record.site.or(Some(host));
                path
            }
            None => target,
        };
        draft.record.target = Escape::Haproxy.undo(target);
        draft.finish(&mut self.stamps)?;
        Ok(Some(record))
    }
}

/// `TR/Tw/Tc/Tr/Ta` in milliseconds, perhaps with `Th/` in front; -1 is `None`.
struct Timers {
    before: Option<u64>,
    response: Option<u64>,
    total: u64,
    is_final: bool,
}

impl Timers {
    fn read(text: &[u8]) -> Option<Self> {
        let six = text.iter().filter(|byte| **byte == b'/').count() == 5;
        let mut parts = text.split(|byte| *byte == b'/').skip(usize::from(six));
        let mut next = || {
            let part = parts.next()?;
            if part == b"-1" { Some(None) } else { u64::try_from(decimal(part)?).ok().map(Some) }
        };
        let (receive, queue, connect, response) = (next()?, next()?, next()?, next()?);
        let last = parts.next()?;
        let total = last.strip_prefix(b"+").unwrap_or(last);
        let total = u64::try_from(decimal(total)?).ok()?.checked_mul(1000)?;
        let before =
            receive.zip(queue).zip(connect).map(|((receive, queue), connect)| receive.saturating_add(queue).saturating_add(connect));
        parts.next().is_none().then_some(Self { before, response, total, is_final: !last.starts_with(b"+") })
    }

    fn fill(&self, record: &mut Record<'_>) {
        if !self.is_final {
            return;
        }
        record.wall_us = Some(self.total);
        if let (Some(before), Some(_)) = (self.before, self.response) {
            record.upstream_us = before.checked_mul(1000).map(|before| self.total.saturating_sub(before));
        }
    }
}

/// The rest of a line, read field by field.
struct Fields<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.line[self.at..]
    }

    fn word(&mut self, expected: &'static str) -> Result<&'a [u8], &'static str> {
        self.until(b" ", expected)
    }

    fn until(&mut self, end: &[u8], expected: &'static str) -> Result<&'a [u8], &'static str> {
        let rest = self.rest();
        let len = memchr_iter(end[0], rest).find(|at| rest[*at..].starts_with(end)).filter(|len| *len > 0).ok_or(expected)?;
        self.at += len + end.len();
        Ok(&rest[..len])
    }

    /// The next group of captures, if there is one.
    fn group(&mut self) -> Result<Option<&'a [u8]>, &'static str> {
        let rest = self.rest();
        if !rest.starts_with(b"{") {
            return Ok(None);
        }
        let closes = |at: &usize| matches!(rest[at + 1..], [b' ', b'{' | b'"', ..]);
        let close = memchr_iter(b'}', rest).find(closes).ok_or("a closing brace after the captured headers")?;
        self.at += close + 2;
        Ok(Some(&rest[1..close]))
    }

    /// The quoted request line, and the text after it of `option httpslog`.
    fn request(&mut self) -> Result<&'a [u8], &'static str> {
        let rest = self.rest();
        let text = rest.strip_prefix(b"\"").ok_or("an opening quote before the request line")?;
        let Some(close) = memchr(b'"', text) else {
            // Truncated by HAProxy itself rather than while writing.
            return if self.line.len() >= CUT_MIN { Ok(text) } else { Err("a closing quote after the request line") };
        };
        let suffix = &text[close + 1..];
        self.at += close + 2;
        let is_tls = || suffix.starts_with(b" ") && suffix.iter().filter(|byte| **byte == b'/').count() >= 4 && !suffix.contains(&b'"');
        if suffix.is_empty() || is_tls() { Ok(&text[..close]) } else { Err("the end of the line") }
    }
}

/// Index of the bracket before `02/Jan/2026:`, which no collector's prefix contains.
fn stamp_index(line: &[u8]) -> Option<usize> {
    memchr_iter(b'[', line).take(BRACKETS_MAX).find(|at| {
        let text = &line[at + 1..];
        *at > 1 && line[at - 1] == b' ' && text.len() >= 12 && text[2] == b'/' && text[6] == b'/' && text[11] == b':'
    })
}

/// HAProxy's other messages, unless the line is the start of one with a stamp.
fn without_stamp(line: &[u8]) -> Line<'static> {
    let start = prefix::len(line).unwrap_or(0);
    let message = &line[start..];
    let client = message.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_client = memchr::memrchr(b':', client)
        .is_some_and(|colon| colon > 1 && client[colon + 1..].iter().all(u8::is_ascii_digit) && client.iter().any(u8::is_ascii_digit));
    if is_client || (start == 0 && begins_with_month(line)) {
        return Line::Malformed(Malformed { expected: "a time such as [02/Jan/2026:15:04:05.123]", column: line.len() });
    }
    Line::NotRequest
}

fn begins_with_month(line: &[u8]) -> bool {
    MONTHS.iter().any(|month| line.starts_with(month.as_bytes())) && line.get(3) == Some(&b' ')
}

/// A truncated line of at least this length was truncated by HAProxy: 1024 bytes, minus the part that syslog removes.
const CUT_MIN: usize = 1000;
/// A prefix has few brackets: `haproxy[1234]`, structured data.
const BRACKETS_MAX: usize = 16;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{malformed, request, stamps, text};

    const SYNC: &str = r#"203.0.113.7:51034 [02/Jan/2026:15:04:05.123] https~ matrix_sync/w2 0/0/1/29998/30000 200 812 - - ---- 41/40/12/3/0 0/0 {Bearer syt_YWxpY2U_xxx|Element/1.11} "GET /_matrix/client/v3/sync?since=s1_2 HTTP/1.1""#;

    fn haproxy() -> Haproxy {
        Haproxy::new(stamps())
    }

    #[test]
    fn a_request_is_read_after_every_prefix() {
        for prefix in [
            "",
            "Jan  2 15:04:35 lb haproxy[1234]: ",
            "<134>Jan  2 15:04:35 lb haproxy[1234]: ",
            "<134>1 2026-01-02T15:04:35.123+00:00 lb haproxy 1234 - - ",
            "2026-01-02T15:04:35+0000 lb haproxy[1234]: ",
            "2026-01-02T15:04:35.1Z stdout F ",
        ] {
            let line = format!("{prefix}{SYNC}");
            let mut parser = haproxy();
            let record = request(&mut parser, &line);
            assert_eq!(record.arrival_us(), Some(1_767_366_245_123_000), "{prefix}");
            assert_eq!((record.wall_us, record.upstream_us), (Some(30_000_000), Some(29_999_000)));
            assert_eq!((text(record.address.unwrap()), text(&record.upstream.unwrap())), ("203.0.113.7".into(), "matrix_sync/w2".into()));
            assert_eq!(
                (text(&record.authorization.unwrap()), text(&record.agent.unwrap())),
                ("Bearer syt_YWxpY2U_xxx".into(), "Element/1.11".into())
            );
            assert_eq!((text(record.method), text(&record.target)), ("GET".into(), "/_matrix/client/v3/sync?since=s1_2".into()));
            assert_eq!((record.status, record.bytes_sent, record.aborted), (200, Some(812), false));
        }
    }

    #[test]
    fn six_timers_begin_with_the_handshakes() {
        let mut parser = haproxy();
        let line = SYNC.replace("0/0/1/29998/30000", "7/0/0/1/29998/30000").replace("{Bearer syt_YWxpY2U_xxx|", "{matrix.example.org||");
        let record = request(&mut parser, &line);
        assert_eq!((record.wall_us, record.upstream_us), (Some(30_000_000), Some(29_999_000)));
        assert_eq!((text(record.site.unwrap()), text(&record.agent.unwrap())), ("matrix.example.org".into(), "Element/1.11".into()));
        assert_eq!(malformed(&mut haproxy(), &SYNC.replace("0/0/1/", "7/7/0/0/1/")).expected, "five timers such as 0/0/1/2/3");
    }

    #[test]
    fn a_host_before_the_path_is_the_site() {
        let mut parser = haproxy();
        let line = SYNC.replace("GET /_matrix", "GET matrix.example.org/_matrix").replace("{Bearer syt_YWxpY2U_xxx|Element/1.11} ", "");
        let record = request(&mut parser, &line);
        assert_eq!(
            (text(record.site.unwrap()), text(&record.target)),
            ("matrix.example.org".into(), "/_matrix/client/v3/sync?since=s1_2".into())
        );
    }

    #[test]
    fn a_cancelled_long_poll_has_no_status() {
        let mut parser = haproxy();
        let record = request(
            &mut parser,
            r#"Jan  2 15:04:40 lb haproxy[1234]: 203.0.113.7:51040 [02/Jan/2026:15:04:11.000] https~ matrix_sync/w2 0/0/1/-1/29000 -1 0 - - CH-- 41/40/12/3/0 0/0 "GET https://matrix.example.org/_matrix/client/v3/sync HTTP/2.0""#,
        );
        assert!(record.aborted);
        assert_eq!((record.status, record.wall_us, record.upstream_us), (0, Some(29_000_000), None));
        assert_eq!(text(&record.target), "https://matrix.example.org/_matrix/client/v3/sync");
    }

    #[test]
    fn without_a_server_there_is_no_upstream() {
        let mut parser = haproxy();
        let record = request(
            &mut parser,
            r#"192.0.2.10:8448 [02/Jan/2026:15:04:41.000] matrix-federation~ matrix/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 3/1/0/0/0 0/0 "PUT /_matrix/federation/v1/send/1 HTTP/1.1""#,
        );
        assert_eq!((record.upstream, record.upstream_tries, record.status), (None, 0, 503));
    }

    #[test]
    fn an_unreadable_request_is_still_a_request() {
        let mut parser = haproxy();
        let record = request(
            &mut parser,
            r#"198.51.100.9:4000 [02/Jan/2026:15:04:42.001] https~ https/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 3/1/0/0/0 0/0 "<BADREQ>""#,
        );
        assert_eq!((record.status, record.method, &*record.target), (400, &b""[..], &b""[..]));
    }

    #[test]
    fn captured_headers_are_recognised_by_their_form() {
        let head = "::1:4000 [02/Jan/2026:15:04:42.001] matrix main/main 0/0/0/5/5 200 +10 - - ---- 3/1/0/0/+1 0/0";
        for (captures, agent, site) in [
            (
                "{Element X/1.0.4 (Pixel 8; Android 14; 4a2b; Sdk 24.6)|127.0.0.1:28090} {}",
                "Element X/1.0.4 (Pixel 8; Android 14; 4a2b; Sdk 24.6)",
                "127.0.0.1:28090",
            ),
            ("{gomuks/0.3.1 #22quoted\\agent#22|test.local} {167}", "gomuks/0.3.1 \"quoted\\agent\"", "test.local"),
            ("{|} {208}", "", ""),
            ("{tab#09here #F0#9F#92#A9|test.local} {}", "", "test.local"),
            ("{Mozilla/5.0 (X11; {x} y) z|[::1]:443} {}", "Mozilla/5.0 (X11; {x} y) z", "[::1]:443"),
            ("{}", "", ""),
        ] {
            let line = format!("{head} {captures} \"GET / HTTP/1.1\"");
            let mut parser = haproxy();
            let record = request(&mut parser, &line);
            assert_eq!(text(&record.agent.unwrap_or_default()), agent, "{captures}");
            assert_eq!(text(record.site.unwrap_or_default()), site, "{captures}");
            assert_eq!((record.address, record.bytes_sent, record.upstream_tries), (Some(&b"::1"[..]), None, 2));
        }
    }

    #[test]
    fn variants_of_the_tail_and_the_timers() {
        let head = "1.2.3.4:5 [02/Jan/2026:15:04:42.001] m~ b/s";
        for tail in [
            r#"0/0/0/5/+7 200 +10 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1""#,
            r#"0/0/0/5/7 200 10 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1" 0/0000000000000000/0/0/0 matrix.example.org/TLSv1.3/TLS_AES_256_GCM_SHA384"#,
            r#"0/0/0/5/7 200 10 a=b c=d --VN 1/1/1/1/0 0/0 "GET /cut/off"#,
            r#"0/0/0/5/7 200 10 - - ---- 1/1/1/1/0 0/0 "GET /cut?aaa""#,
        ] {
            let line = format!("{head} {tail}");
            let mut parser = haproxy();
            match parser.parse(line.as_bytes()) {
                Line::Request(record) => {
                    assert!(record.target.starts_with(b"/"));
                    assert_eq!(record.wall_us.is_none(), tail.contains("/+7"));
                }
                Line::Malformed(error) => {
                    assert_eq!((error.expected, tail.ends_with("off")), ("a closing quote after the request line", true));
                }
                Line::NotRequest => panic!("{line}"),
            }
        }
    }

    #[test]
    fn a_line_that_haproxy_truncated_is_a_request_but_a_shorter_one_is_not() {
        let head = r#"1.2.3.4:5 [02/Jan/2026:15:04:42.001] m~ b/s 0/0/0/5/7 200 10 - - ---- 1/1/1/1/0 0/0 "GET /sync?"#;
        let line = format!("{head}{}", "a".repeat(1019 - head.len()));
        assert_eq!(request(&mut haproxy(), &line).target.len(), 1019 - head.len() + "/sync?".len());
        assert_eq!(malformed(&mut haproxy(), &line[..900]).expected, "a closing quote after the request line");
    }

    #[test]
    fn other_messages_are_no_requests() {
        for line in [
            "Jan  2 15:04:35 lb haproxy[1234]: Proxy matrix started.",
            "Jan  2 15:04:35 lb haproxy[1234]: Server client/generic_worker2 is DOWN, reason: Layer4 connection problem, check duration: 0ms.",
            "Jan  2 15:04:35 lb haproxy[1234]: 203.0.113.7:51034 [02/Jan/2026:15:04:05.123] https/1: SSL handshake failure",
            "203.0.113.7:51034 [02/Jan/2026:15:04:05.123] tcp tcp/s1 0/0/5007 212 -- 0/0/0/0/3 0/0",
            "[NOTICE]   (20814) : New worker (20816) forked",
            "",
        ] {
            assert_eq!(haproxy().parse(line.as_bytes()), Line::NotRequest, "{line}");
        }
    }

    #[test]
    fn a_line_truncated_anywhere_is_malformed_or_no_request() {
        let line = format!("Jan  2 15:04:35 lb haproxy[1234]: {SYNC}");
        let message = line.len() - SYNC.len() + "203.0.113.7:51034 ".len();
        for cut in 0..line.len() {
            match haproxy().parse(&line.as_bytes()[..cut]) {
                Line::Request(_) => panic!("cut at {cut}"),
                Line::NotRequest => assert!(cut < message, "cut at {cut}"),
                Line::Malformed(error) => assert!(error.column <= cut),
            }
        }
        assert!(malformed(&mut haproxy(), &line[..message + 3]).expected.contains("time"));
    }

    #[test]
    fn the_clf_form_is_read_too() {
        let mut parser = clf(stamps());
        let record = request(
            &mut parser,
            r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET /_matrix/client/v3/sync HTTP/1.1" 200 812 "" "" 51034 123 "https~" "matrix_sync" "w2" 0 0 1 29998 30000 "----" 41 40 12 3 0 0 0 "" "" "Element/1.11" """#,
        );
        assert_eq!(record.arrival_us(), Some(1_767_366_245_123_000));
        assert_eq!((record.wall_us, text(&record.upstream.unwrap())), (Some(30_000_000), "w2".into()));
    }
}
