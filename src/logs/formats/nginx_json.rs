//! nginx access logs whose `log_format` is a JSON object.
//!
//! Owns the way from members to [`Variable`]s: by the `log_format` where it is known, else by the names that
//! administrators give their keys. What a variable means is [`Draft`]'s.

use std::sync::Arc;

use super::prefix;
use super::variable::{Clock, Draft, Unit, Variable};
use super::{nginx, stamp_text};
use crate::logs::json::{self, Value, Walker, texts};
use crate::logs::{Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// Reads nginx's JSON access log. Quotes around numbers and lists may be there or not; a missing value may be empty or `-`.
#[derive(Debug, Clone)]
pub struct NginxJson {
    fields: Option<Arc<[(String, Variable)]>>,
    stamps: StampReader,
    scratch: Vec<u8>,
}

impl NginxJson {
    /// Takes members for what their keys are commonly called: `ts`, `time_iso8601`, `request_uri`, `urt` and many more. A
    /// value that does not fit its key is left out.
    pub fn guessed(stamps: StampReader) -> Self {
        Self { fields: None, stamps, scratch: Vec::new() }
    }

    /// For lines of a known `log_format`, in any form that [`nginx::LogFormat`] reads.
    ///
    /// # Errors
    /// The format is no JSON object of variables, or logs no request.
    pub fn from_log_format(format: &str, stamps: StampReader) -> Result<Self, nginx::FormatError> {
        Ok(Self::from_fields(nginx::json_fields(format)?, stamps))
    }

    /// Takes members for what `fields` says: key (nested keys joined by a dot) and meaning. A value that nginx cannot have
    /// written makes its line malformed.
    pub fn from_fields(fields: Vec<(String, Variable)>, stamps: StampReader) -> Self {
        Self { fields: Some(fields.into()), stamps, scratch: Vec::new() }
    }
}

impl Parser for NginxJson {
    fn name(&self) -> &str {
        "nginx json"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let walker = match json::open(line) {
            Ok(Some((walker, _))) => walker,
            Ok(None) if prefix::is_no_access_line(line) => return Line::NotRequest,
            Ok(None) => return Line::Malformed(Malformed { expected: "a JSON object", column: 0 }),
            Err(malformed) => return Line::Malformed(malformed),
        };
        let mut members = Members::new();
        let read = match &self.fields {
            Some(fields) => members.read(walker, &mut Known { fields, next: 0 }),
            None => members.read(walker, &mut ByName),
        };
        match read.and_then(|()| members.record(self.fields.is_none(), &mut self.stamps, &mut self.scratch)) {
            Ok(record) => Line::Request(record),
            Err(malformed) => Line::Malformed(malformed),
        }
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

/// The meaning of a member, asked with its key and the keys of the objects around it, outermost first.
trait Meanings {
    fn of(&mut self, path: &[&[u8]], value: Value<'_>) -> Option<Variable>;
}

/// A field list: asked for the next field first, because a format writes its keys in one order.
struct Known<'f> {
    fields: &'f [(String, Variable)],
    next: usize,
}

impl Meanings for Known<'_> {
    fn of(&mut self, path: &[&[u8]], _: Value<'_>) -> Option<Variable> {
        let (before, after) = self.fields.split_at(self.next.min(self.fields.len()));
        let offset = after.iter().chain(before).position(|(key, _)| is_path(key.as_bytes(), path))?;
        let index = (before.len() + offset) % self.fields.len();
        self.next = index + 1;
        Some(self.fields[index].1)
    }
}

/// Whether `dotted` is `path` joined by dots.
fn is_path(dotted: &[u8], path: &[&[u8]]) -> bool {
    match path {
        [key] => dotted == *key,
        [first, inner @ ..] => dotted.strip_prefix(*first).and_then(|rest| rest.strip_prefix(b".")).is_some_and(|rest| is_path(rest, inner)),
        [] => false,
    }
}

/// The names that keys commonly have; the innermost key counts.
struct ByName;

impl Meanings for ByName {
    fn of(&mut self, path: &[&[u8]], value: Value<'_>) -> Option<Variable> {
        let key = path.last()?;
        let mut lower = [0; NAME_MAX];
        let name = lower.get_mut(..key.len())?;
        name.copy_from_slice(key);
        name.make_ascii_lowercase();
        let name = name.strip_prefix(b"nginx_").unwrap_or(name);
        match (name, value) {
            // `ua` is a user agent to some and the upstream's address to others.
            (b"ua", Value::Text { raw, .. }) => Some(if is_upstream(raw) { Variable::UpstreamAddress } else { Variable::Agent }),
            _ => meaning(name),
        }
    }
}

/// `127.0.0.1:8081`, `unix:/path`, `[::1]:80`: no user agent begins so.
fn is_upstream(text: &[u8]) -> bool {
    text.starts_with(b"unix:") || (text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'[') && text.contains(&b':'))
}

fn meaning(name: &[u8]) -> Option<Variable> {
    Some(match name {
        b"ts" | b"msec" | b"time" | b"time_local" | b"time_iso8601" | b"timestamp" | b"@timestamp" | b"date" | b"datetime" | b"local_time" => {
            Variable::Time(Clock::Iso, StampMeaning::End)
        }
        b"request" | b"request_line" => Variable::RequestLine,
        b"method" | b"request_method" | b"verb" | b"http_method" => Variable::Method,
        b"request_uri" | b"target" => Variable::Target,
        b"uri" | b"url" | b"path" | b"request_path" | b"document_uri" => Variable::Path,
        b"args" | b"query" | b"query_string" => Variable::Query,
        b"status" | b"status_code" | b"http_status" | b"code" | b"response_code" => Variable::Status,
        b"bytes" | b"bytes_sent" | b"body_bytes_sent" | b"body_bytes" | b"size" | b"response_size" | b"bytes_out" => Variable::BytesSent,
        b"request_length" | b"bytes_in" | b"bytes_received" | b"request_size" | b"request_bytes" => Variable::BytesReceived,
        b"request_time" | b"rt" | b"duration" | b"response_time" | b"time_taken" => Variable::Wall(Unit::Seconds),
        b"request_time_ms" | b"duration_ms" => Variable::Wall(Unit::Millis),
        b"upstream_response_time" | b"upstream_time" | b"urt" => Variable::UpstreamTime(Unit::Seconds),
        b"upstream_addr" | b"upstream" | b"upstream_address" | b"uaddr" => Variable::UpstreamAddress,
        b"upstream_status" | b"us" => Variable::UpstreamStatus,
        b"user_agent" | b"http_user_agent" | b"agent" | b"useragent" => Variable::Agent,
        b"remote_addr" | b"client" | b"client_ip" | b"clientip" | b"remote_ip" | b"ip" | b"address" => Variable::Address,
        b"xff" | b"x_forwarded_for" | b"http_x_forwarded_for" | b"forwarded_for" => Variable::ForwardedFor,
        b"host" | b"http_host" | b"server_name" | b"vhost" | b"domain" => Variable::Site,
        b"remote_user" => Variable::User,
        b"user" | b"uhash" | b"mxid" | b"user_id" | b"user_hash" => Variable::UserKey,
        b"request_id" | b"rid" | b"req_id" | b"x_request_id" | b"http_x_request_id" => Variable::RequestIdText,
        b"auth" | b"authorization" | b"http_authorization" | b"token" => Variable::Authorization,
        _ => return None,
    })
}

/// The members of one line that mean something.
struct Members<'a> {
    variables: [Variable; MEMBERS_MAX],
    values: [Option<Value<'a>>; MEMBERS_MAX],
    /// Where each value ends in the line.
    columns: [usize; MEMBERS_MAX],
    count: usize,
}

impl<'a> Members<'a> {
    fn new() -> Self {
        Self { variables: [Variable::Ignored; MEMBERS_MAX], values: [None; MEMBERS_MAX], columns: [0; MEMBERS_MAX], count: 0 }
    }

    /// Walks the object and the objects in it.
    fn read(&mut self, mut walker: Walker<'a>, meanings: &mut dyn Meanings) -> Result<(), Malformed> {
        let mut path: [&[u8]; NESTING_MAX] = [b""; NESTING_MAX];
        let mut depth = 0usize;
        loop {
            let Some((key, value)) = walker.member()? else {
                let Some(outer) = depth.checked_sub(1) else { return Ok(()) };
                depth = outer;
                continue;
            };
            path[depth] = key;
            match value {
                Value::Object if depth + 1 < NESTING_MAX => {
                    walker.enter();
                    depth += 1;
                }
                Value::Object | Value::Array => {}
                _ => {
                    if let Some(variable) = meanings.of(&path[..=depth], value).filter(|_| self.count < MEMBERS_MAX) {
                        (self.variables[self.count], self.values[self.count]) = (variable, Some(value));
                        self.columns[self.count] = walker.column();
                        self.count += 1;
                    }
                }
            }
        }
    }

    fn record(&mut self, guessed: bool, stamps: &mut StampReader, scratch: &'a mut Vec<u8>) -> Result<Record<'a>, Malformed> {
        let mut draft = Draft::default();
        let texts = texts(&self.values, scratch);
        if guessed {
            self.settle_paths(&texts);
        }
        for (index, text) in texts.iter().enumerate().take(self.count) {
            let Some(text) = *text else { continue };
            let variable = self.variables[index];
            if guessed && let Variable::Time(_, meaning) = variable {
                if let Some((micros, resolution_us)) = stamp_text::read(text, stamps) {
                    keep_finest(&mut draft.record.stamp, Stamp { micros, resolution_us, meaning });
                }
            } else if let Err(expected) = draft.assign(variable, text.into(), stamps)
                && !guessed
            {
                return Err(Malformed { expected, column: self.columns[index] });
            }
        }
        let record = draft.finish(stamps);
        let says_something = self.variables[..self.count].iter().any(|variable| {
            matches!(variable, Variable::RequestLine | Variable::Method | Variable::Target | Variable::Path | Variable::Status)
        });
        if says_something { Ok(record) } else { Err(Malformed { expected: "a member that tells of a request", column: 0 }) }
    }

    /// A guessed `uri` is `$request_uri`, unless the query stands apart: then it is nginx's `$uri`, which is decoded. A
    /// guessed `request` may be a target, too.
    fn settle_paths(&mut self, texts: &[Option<&[u8]>; MEMBERS_MAX]) {
        for (variable, text) in self.variables.iter_mut().zip(texts) {
            if *variable == Variable::RequestLine && text.is_some_and(|text| text.starts_with(b"/")) {
                *variable = Variable::Target;
            }
        }
        let apart = [Variable::Query, Variable::Target, Variable::RequestLine].iter().any(|better| self.variables.contains(better));
        for (variable, text) in self.variables.iter_mut().zip(texts) {
            let has_query = text.is_some_and(|text| text.contains(&b'?'));
            if *variable == Variable::Path && (!apart || has_query) {
                *variable = Variable::Target;
            }
        }
    }
}

/// Several keys may state the time (`msec` beside `time_local`).
fn keep_finest(known: &mut Option<Stamp>, stamp: Stamp) {
    if known.is_none_or(|known| stamp.resolution_us < known.resolution_us) {
        *known = Some(stamp);
    }
}

/// More members with a meaning than any format has.
const MEMBERS_MAX: usize = 32;
const NESTING_MAX: usize = 6;
const NAME_MAX: usize = 32;
