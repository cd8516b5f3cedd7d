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

    /// The quoted request line; after it may be the text of `option httpslog` or what an administrator's format adds.
    fn request(&mut self) -> Result<&'a [u8], &'static str> {
        let rest = self.rest();
        let text = rest.strip_prefix(b"\"").ok_or("an opening quote before the request line")?;
        let Some(close) = memchr(b'"', text) else {
            // Truncated by HAProxy itself rather than while writing.
            return if self.line.len() >= CUT_MIN { Ok(text) } else { Err("a closing quote after the request line") };
        };
        let suffix = &text[close + 1..];
        self.at += close + 2;
        // A quote within the request is written `#22`, so that what follows are further fields of the format.
        if suffix.is_empty() || suffix.starts_with(b" ") { Ok(&text[..close]) } else { Err("the end of the line") }
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
mod tests;
