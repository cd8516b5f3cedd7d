//! Caddy's access log, 2.4 to 2.10: JSON, or the console form with the same JSON behind `time level logger message`.
//!
//! Owns Caddy's keys, its ways of writing a duration, and which of its loggers report requests. Upstreams are in the log
//! only where the site adds them by `log_append`.
//! Source: `modules/caddyhttp/server.go` and `marshalers.go`, `modules/logging/encoders.go`; zap's encoders for durations.

use super::address::without_port;
use super::stamp_text;
use crate::logs::json::{self, Value, Walker, texts};
use crate::logs::time::{decimal, duration_us};
use crate::logs::{Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// Reads Caddy's access log.
///
/// A status of 0 under the message `handled request` means that the client left before there was an answer, and the record
/// says so; under `NOP` no handler took the request. Values that Caddy hid (`REDACTED`, an empty list) are absent.
#[derive(Debug, Clone)]
pub struct Caddy {
    stamps: StampReader,
    scratch: Vec<u8>,
}

impl Caddy {
    /// Stamps of the `wall` forms and of the console say no zone (Caddy writes them in UTC unless told otherwise); they are
    /// in that of `stamps`.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps, scratch: Vec::new() }
    }
}

impl Parser for Caddy {
    fn name(&self) -> &str {
        "caddy json"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let (walker, start) = match json::open(line) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Line::NotRequest,
            Err(malformed) => return Line::Malformed(malformed),
        };
        let mut values = match members(walker) {
            Ok(values) => values,
            Err(malformed) => return Line::Malformed(malformed),
        };
        console(&line[..start], &mut values);
        request(&values, &mut self.stamps, &mut self.scratch).map_or(Line::NotRequest, Line::Request)
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

type Values<'a> = [Option<Value<'a>>; 20];

fn request<'a>(values: &Values<'a>, stamps: &mut StampReader, scratch: &'a mut Vec<u8>) -> Option<Record<'a>> {
    let quoted = |field: usize| matches!(values[field], Some(Value::Text { .. }));
    let duration = |field: usize, text: &[u8]| if quoted(field) { written_duration(text) } else { duration(text) };
    let text = texts(values, scratch);
    if !text[LOGGER].is_none_or(|logger| logger.starts_with(b"http.log.access")) || (text[METHOD].is_none() && text[URI].is_none()) {
        return None;
    }
    let shown = |field: usize| text[field].filter(|value| !matches!(*value, b"" | b"REDACTED"));
    let count = |field: usize| text[field].and_then(|digits| u64::try_from(decimal(digits)?).ok());
    let status = count(STATUS).and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    let upstream = shown(UPSTREAM);
    let milliseconds = |text: &[u8]| duration_us(text).map(|micros| micros.saturating_mul(1000));
    Some(Record {
        stamp: text[TS].and_then(|time| stamp(time, stamps)),
        method: text[METHOD].unwrap_or_default(),
        target: text[URI].unwrap_or_default().into(),
        status,
        aborted: status == 499 || (status == 0 && text[MSG] != Some(b"NOP")),
        wall_us: text[DURATION].and_then(|text| duration(DURATION, text)),
        upstream_us: text[LATENCY].and_then(|text| duration(LATENCY, text)).or_else(|| text[LATENCY_MS].and_then(milliseconds)),
        upstream: upstream.map(Into::into),
        upstream_tries: u8::from(upstream.is_some()),
        bytes_sent: count(SIZE),
        bytes_received: count(BYTES_READ),
        address: shown(CLIENT_IP).or(shown(REMOTE_IP)).or_else(|| shown(REMOTE_ADDR).map(without_port)),
        user: shown(USER).map(Into::into),
        authorization: shown(AUTHORIZATION).map(Into::into),
        agent: shown(AGENT).map(Into::into),
        request_id: shown(REQUEST_ID),
        site: shown(HOST),
        ..Record::default()
    })
}

fn members<'a>(mut walker: Walker<'a>) -> Result<Values<'a>, Malformed> {
    let mut values = [None; 20];
    while let Some((key, value)) = walker.member()? {
        let field = match key {
            b"request" if value == Value::Object => {
                walker.enter();
                request_members(&mut walker, &mut values)?;
                continue;
            }
            b"ts" | b"time" | b"timestamp" => TS,
            b"logger" => LOGGER,
            b"msg" => MSG,
            b"status" => STATUS,
            b"duration" => DURATION,
            b"size" => SIZE,
            b"bytes_read" => BYTES_READ,
            b"user_id" => USER,
            b"uuid" | b"request_id" | b"trace_id" => REQUEST_ID,
            b"upstream" | b"upstream_addr" | b"upstream_host" | b"upstream_hostport" | b"upstream_address" => UPSTREAM,
            b"upstream_latency" | b"upstream_duration" | b"upstream_response_time" => LATENCY,
            b"upstream_latency_ms" | b"upstream_duration_ms" => LATENCY_MS,
            _ => continue,
        };
        values[field] = Some(value);
    }
    Ok(values)
}

fn request_members<'a>(walker: &mut Walker<'a>, values: &mut Values<'a>) -> Result<(), Malformed> {
    while let Some((key, value)) = walker.member()? {
        let field = match key {
            b"headers" if value == Value::Object => {
                walker.enter();
                header_members(walker, values)?;
                continue;
            }
            b"remote_ip" => REMOTE_IP,
            b"client_ip" => CLIENT_IP,
            b"remote_addr" => REMOTE_ADDR,
            b"method" => METHOD,
            b"host" => HOST,
            b"uri" => URI,
            _ => continue,
        };
        values[field] = Some(value);
    }
    Ok(())
}

/// A header is a list of its values, of which the first counts; a filter may have made it a text.
fn header_members<'a>(walker: &mut Walker<'a>, values: &mut Values<'a>) -> Result<(), Malformed> {
    while let Some((key, value)) = walker.member()? {
        let field = match key.len() {
            10 if key.eq_ignore_ascii_case(b"user-agent") => AGENT,
            12 if key.eq_ignore_ascii_case(b"x-request-id") => REQUEST_ID,
            13 if key.eq_ignore_ascii_case(b"authorization") => AUTHORIZATION,
            _ => continue,
        };
        values[field] = Some(value);
        if value == Value::Array {
            walker.enter();
            values[field] = walker.element()?;
            while values[field].is_some() && walker.element()?.is_some() {}
        }
    }
    Ok(())
}

/// `2026/01/02 15:04:05.123 INFO http.log.access.log0 handled request `, separated by tabs or spaces, the level perhaps in colour.
fn console<'a>(head: &'a [u8], values: &mut Values<'a>) {
    let plain = |raw| Some(Value::Text { raw, escaped: false });
    let mut words = head.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut before: [&[u8]; 2] = [b"", b""];
    while let Some(word) = words.next() {
        if !is_level(word) {
            before = [before[1], word];
            continue;
        }
        if let Some(logger) = words.next() {
            values[LOGGER] = plain(logger);
        }
        if words.next() == Some(b"NOP") {
            values[MSG] = plain(b"NOP");
        }
        // A time of two words ends in the clock.
        let time = if before[1].get(2) == Some(&b':') { span(head, before) } else { before[1] };
        values[TS] = plain(time);
        return;
    }
}

/// From the beginning of the first word to the end of the second.
fn span<'a>(head: &'a [u8], [first, second]: [&'a [u8]; 2]) -> &'a [u8] {
    let start = first.as_ptr().addr() - head.as_ptr().addr();
    let end = second.as_ptr().addr() + second.len() - head.as_ptr().addr();
    head.get(start..end).unwrap_or_default()
}

fn is_level(word: &[u8]) -> bool {
    let word = word.strip_suffix(b"\x1b[0m").unwrap_or(word);
    let word = if word.first() == Some(&0x1b) { word.splitn(2, |byte| *byte == b'm').nth(1).unwrap_or_default() } else { word };
    [&b"DEBUG"[..], b"INFO", b"WARN", b"ERROR", b"FATAL", b"PANIC"].iter().any(|level| word.eq_ignore_ascii_case(level))
}

/// Numbers lose their trailing zeros, so the digits say nothing of the resolution.
fn stamp(time: &[u8], stamps: &mut StampReader) -> Option<Stamp> {
    let (micros, resolution_us) = stamp_text::read(time, stamps)?;
    let resolution_us = if memchr::memchr(b'.', time).is_some() && time.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') { 1 } else { resolution_us };
    Some(Stamp { micros, resolution_us, meaning: StampMeaning::End })
}

/// A number in the unit that its form allows. With a fraction it is seconds, the default. Whole numbers are milliseconds or
/// nanoseconds (`duration_format`): below 1,000 they cannot be nanoseconds, above 10,000,000 (three hours) hardly
/// milliseconds; between the two nothing is said.
fn duration(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return duration_us(text).or_else(|| {
            let seconds: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
            (0.0..1e9).contains(&seconds).then_some((seconds * 1e6) as u64)
        });
    }
    match u64::try_from(decimal(text)?).ok()? {
        milliseconds @ 0..1_000 => Some(milliseconds * 1000),
        1_000..=10_000_000 => None,
        nanoseconds => Some(nanoseconds / 1000),
    }
}

/// Go's way of writing a duration (`30.0006s`, `1.2ms`, `340µs`, `1m2.5s`), or a number that a filter has put into quotes.
fn written_duration(text: &[u8]) -> Option<u64> {
    if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return duration(text);
    }
    let mut rest = text;
    let mut micros = 0.0;
    while !rest.is_empty() {
        let number = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let (value, after) = rest.split_at(number);
        let unit = after.iter().take_while(|byte| !byte.is_ascii_digit()).count();
        let per_unit = match &after[..unit] {
            b"h" => 3.6e9,
            b"m" => 6e7,
            b"s" => 1e6,
            b"ms" => 1e3,
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1.0,
            b"ns" => 1e-3,
            _ => return None,
        };
        let value: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        micros += value * per_unit;
        rest = &after[unit..];
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (!text.is_empty() && (0.0..1e15).contains(&micros)).then_some(micros.round() as u64)
}

const TS: usize = 0;
const LOGGER: usize = 1;
const MSG: usize = 2;
const STATUS: usize = 3;
const DURATION: usize = 4;
const SIZE: usize = 5;
const BYTES_READ: usize = 6;
const USER: usize = 7;
const REQUEST_ID: usize = 8;
const UPSTREAM: usize = 9;
const LATENCY: usize = 10;
const LATENCY_MS: usize = 11;
const REMOTE_IP: usize = 12;
const CLIENT_IP: usize = 13;
const REMOTE_ADDR: usize = 14;
const METHOD: usize = 15;
const HOST: usize = 16;
const URI: usize = 17;
const AGENT: usize = 18;
const AUTHORIZATION: usize = 19;
