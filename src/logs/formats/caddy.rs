//! Caddy's access log, 2.4 to 2.10: JSON, or the console form with the same JSON after `time level logger message`.
//!
//! Owns Caddy's keys, its notations of a duration, and which of its loggers report requests. Upstreams are in the log only if the site
//! adds them by `log_append`.
//! Source: `modules/caddyhttp/server.go` and `marshalers.go`, `modules/logging/encoders.go`; zap's encoders for durations.

use super::address::without_port;
use super::draft::POSSIBLE_DURATION;
use super::json_units::{self, Observation};
use super::stamp_text;
use super::value::{self, written};
use super::variable::Unit;
use crate::json::{self, Value, Walker, texts};
use crate::time::{decimal, duration_us};
use crate::{Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// Reads Caddy's access log.
///
/// A status of 0 with the message `handled request` means that the client left before the response; the record says so. With `NOP` no
/// handler accepted the request. Redacted values (`REDACTED`, an empty list) are absent.
#[derive(Debug, Clone)]
pub struct Caddy {
    stamps: StampReader,
    scratch: Vec<u8>,
    /// Of durations in whole numbers (`duration_format`), by the sample.
    unit: Option<Unit>,
}

impl Caddy {
    /// `stamps` has the zone of stamps without one: those of the `wall` notations and of the console, which are in UTC by default.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps, scratch: Vec::new(), unit: None }
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
        match request(&values, self.unit, &mut self.stamps, &mut self.scratch) {
            Some(record) if record.has_impossible_duration() => Line::Malformed(Malformed { expected: POSSIBLE_DURATION, column: start }),
            Some(record) => Line::Request(record),
            None => Line::NotRequest,
        }
    }

    fn study(&mut self, sample: &[&[u8]]) {
        self.unit = whole_unit(sample);
    }

    fn notes(&self) -> Vec<String> {
        self.unit.iter().map(|unit| format!("`duration` read in {}", unit.name())).collect()
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

type Values<'a> = [Option<Value<'a>>; FIELDS];

/// The unit of durations that are all whole numbers.
fn whole_unit(sample: &[&[u8]]) -> Option<Unit> {
    let mut observations = Vec::new();
    for line in sample {
        let Ok(Some((walker, _))) = json::open(line) else { continue };
        let Ok(values) = members(walker) else { continue };
        let (Some(Value::Bare(text)), Some(Value::Text { raw: target, .. })) = (values[DURATION], values[URI]) else { continue };
        if !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let (long_poll, timeout_ms) = json_units::long_poll(target);
        observations.push(Observation { text: text.to_vec(), timeout_ms, long_poll, ..Observation::default() });
    }
    // Zero seconds are written without a fraction too.
    let any = observations.iter().any(|one| one.text != b"0");
    any.then(|| json_units::unit(&observations, None, false)).flatten()
}

fn request<'a>(values: &Values<'a>, unit: Option<Unit>, stamps: &mut StampReader, scratch: &'a mut Vec<u8>) -> Option<Record<'a>> {
    let quoted = |field: usize| matches!(values[field], Some(Value::Text { .. }));
    let duration = |field: usize, text: &[u8]| match unit.filter(|_| !quoted(field) && text.iter().all(u8::is_ascii_digit)) {
        Some(unit) => value::duration(text, unit),
        None if quoted(field) => written_duration(text),
        None => duration(text),
    };
    let text = texts(values, scratch);
    // The error of a request, which has a line of its own; a filter may have taken the logger away.
    if text[LOGGER].is_none() && text[ERROR].is_some() {
        return None;
    }
    if !text[LOGGER].is_none_or(|logger| logger.starts_with(b"http.log.access")) || (text[METHOD].is_none() && text[URI].is_none()) {
        return None;
    }
    let shown = |field: usize| text[field].filter(|value| !matches!(*value, b"" | b"REDACTED"));
    let count = |field: usize| text[field].and_then(|digits| u64::try_from(decimal(digits)?).ok());
    let status = count(STATUS).and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    let upstream = shown(UPSTREAM);
    let milliseconds = |text: &[u8]| duration_us(text).map(|as_seconds| as_seconds / 1000);
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
        referrer: shown(REFERRER).map(Into::into),
        request_id: shown(REQUEST_ID),
        site: shown(HOST),
        ..Record::default()
    })
}

fn members<'a>(mut walker: Walker<'a>) -> Result<Values<'a>, Malformed> {
    let mut values = [None; FIELDS];
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
            b"err_id" | b"err_trace" => ERROR,
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

/// A header is a list of its values, of which the first counts; a filter may have turned it into a text.
fn header_members<'a>(walker: &mut Walker<'a>, values: &mut Values<'a>) -> Result<(), Malformed> {
    while let Some((key, value)) = walker.member()? {
        let field = match key.len() {
            7 if key.eq_ignore_ascii_case(b"referer") => REFERRER,
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
        // A time of two words ends with the time of day.
        let time = if before[1].get(2) == Some(&b':') { span(head, before) } else { before[1] };
        values[TS] = plain(time);
        return;
    }
}

/// The text from the start of the first word to the end of the second; the second where there is no first.
fn span<'a>(head: &'a [u8], [first, second]: [&'a [u8]; 2]) -> &'a [u8] {
    if first.is_empty() {
        return second;
    }
    let start = first.as_ptr().addr() - head.as_ptr().addr();
    let end = second.as_ptr().addr() + second.len() - head.as_ptr().addr();
    head.get(start..end).unwrap_or_default()
}

fn is_level(word: &[u8]) -> bool {
    let word = word.strip_suffix(b"\x1b[0m").unwrap_or(word);
    let word = if word.first() == Some(&0x1b) { word.splitn(2, |byte| *byte == b'm').nth(1).unwrap_or_default() } else { word };
    [&b"DEBUG"[..], b"INFO", b"WARN", b"ERROR", b"FATAL", b"PANIC"].iter().any(|level| word.eq_ignore_ascii_case(level))
}

/// Numbers are logged without trailing zeros, so that the digits do not show the resolution.
fn stamp(time: &[u8], stamps: &mut StampReader) -> Option<Stamp> {
    let (micros, resolution_us) = stamp_text::read(time, stamps)?;
    let resolution_us = if memchr::memchr(b'.', time).is_some() && time.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        1
    } else {
        resolution_us
    };
    Some(Stamp { micros, resolution_us, meaning: StampMeaning::End, ambiguity: stamps.ambiguity() })
}

/// A duration in µs, with the unit inferred from the number. With a fraction it is seconds, the default. Whole numbers are milliseconds
/// or nanoseconds (`duration_format`): below 1,000 they cannot be nanoseconds, above 10,000,000 (three hours) hardly milliseconds; in
/// between the unit is unknown.
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

/// Go's notation of a duration (`30.0006s`, `1.2ms`, `340µs`, `1m2.5s`), or a number that a filter has put into quotes.
fn written_duration(text: &[u8]) -> Option<u64> {
    if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return duration(text);
    }
    written(text)
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
const REFERRER: usize = 20;
const ERROR: usize = 21;
/// Members that have a meaning.
const FIELDS: usize = 22;

#[cfg(test)]
mod tests;
