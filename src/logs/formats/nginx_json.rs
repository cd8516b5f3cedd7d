//! nginx access logs whose `log_format` is a JSON object.
//!
//! Owns the mapping of members to [`Variable`]s: by the `log_format` if it is known, otherwise by the names that administrators give
//! their keys. [`Draft`] owns the meaning of a variable.

use std::sync::Arc;

use super::prefix;
use super::variable::{Clock, Draft, Unit, Variable};
use super::{nginx, stamp_text};
use crate::json::{self, Value, Walker, texts};
use crate::{Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// Reads nginx's JSON access log. Numbers and lists may be quoted or not; a missing value may be empty or `-`.
#[derive(Debug, Clone)]
pub struct NginxJson {
    fields: Option<Arc<[(String, Variable)]>>,
    stamps: StampReader,
    scratch: Vec<u8>,
}

impl NginxJson {
    /// Guesses the meaning of members by common names of keys: `ts`, `time_iso8601`, `request_uri`, `urt` and many more. A value
    /// that does not fit its key is ignored.
    pub fn guessed(stamps: StampReader) -> Self {
        Self { fields: None, stamps, scratch: Vec::new() }
    }

    /// For lines of a known `log_format`, in any form that [`nginx::LogFormat`] reads.
    ///
    /// # Errors
    /// The format is not a JSON object of variables, or logs no request.
    pub fn from_log_format(format: &str, stamps: StampReader) -> Result<Self, nginx::FormatError> {
        Ok(Self::from_fields(nginx::json_fields(format)?, stamps))
    }

    /// Reads members by `fields`: key (nested keys joined by a dot) and meaning. A value that nginx cannot have written makes the
    /// line malformed.
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

/// The meaning of a member, by its key and the keys of the objects around it, outermost first.
trait Meanings {
    fn of(&mut self, path: &[&[u8]], value: Value<'_>) -> Option<Variable>;
}

/// A list of fields. The next field is tried first, because a format always writes its keys in the same order.
struct Known<'f> {
    fields: &'f [(String, Variable)],
    next: usize,
}

impl Meanings for Known<'_> {
    fn of(&mut self, path: &[&[u8]], _: Value<'_>) -> Option<Variable> {
        let is_here = |(key, _): &(String, Variable)| is_path(key.as_bytes(), path);
        let index = match self.fields.get(self.next) {
            Some(expected) if is_here(expected) => self.next,
            _ => self.fields.iter().position(is_here)?,
        };
        self.next = index + 1;
        Some(self.fields[index].1)
    }
}

/// Whether `dotted` is `path` joined by dots.
fn is_path(dotted: &[u8], path: &[&[u8]]) -> bool {
    match path {
        [key] => dotted == *key,
        [first, inner @ ..] => {
            dotted.strip_prefix(*first).and_then(|rest| rest.strip_prefix(b".")).is_some_and(|rest| is_path(rest, inner))
        }
        [] => false,
    }
}

/// Common names of keys; the innermost key counts.
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
            // Some use `ua` for the user agent, others for the upstream's address.
            (b"ua", Value::Text { raw, .. }) => Some(if is_upstream(raw) { Variable::UpstreamAddress } else { Variable::Agent }),
            _ => meaning(name),
        }
    }
}

/// `127.0.0.1:8081`, `unix:/path`, `[::1]:80`: no user agent starts like that.
fn is_upstream(text: &[u8]) -> bool {
    text.starts_with(b"unix:") || (text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'[') && text.contains(&b':'))
}

fn meaning(name: &[u8]) -> Option<Variable> {
    Some(match name {
        b"ts" | b"msec" | b"time" | b"time_local" | b"time_iso8601" | b"timestamp" | b"@timestamp" | b"date" | b"datetime"
        | b"local_time" => Variable::Time(Clock::Iso, StampMeaning::End),
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
        b"referer" | b"referrer" | b"http_referer" => Variable::Referrer,
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

/// The members of one line that have a meaning.
struct Members<'a> {
    variables: [Variable; MEMBERS_MAX],
    values: [Option<Value<'a>>; MEMBERS_MAX],
    /// Start of each value in the line.
    columns: [usize; MEMBERS_MAX],
    count: usize,
}

impl<'a> Members<'a> {
    fn new() -> Self {
        Self { variables: [Variable::Ignored; MEMBERS_MAX], values: [None; MEMBERS_MAX], columns: [0; MEMBERS_MAX], count: 0 }
    }

    /// Walks the object and the objects in it.
    fn read(&mut self, mut walker: Walker<'a>, meanings: &mut impl Meanings) -> Result<(), Malformed> {
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
                        self.columns[self.count] = start_of(walker.column(), value);
                        self.count += 1;
                    }
                }
            }
        }
    }

    fn record(&mut self, guessed: bool, stamps: &mut StampReader, scratch: &'a mut Vec<u8>) -> Result<Record<'a>, Malformed> {
        let mut record = Record::default();
        let mut draft = Draft::new(&mut record);
        let texts = texts(&self.values, scratch);
        if guessed {
            self.resolve_paths(&texts);
        }
        for (index, text) in texts.iter().enumerate().take(self.count) {
            let Some(text) = *text else { continue };
            let variable = self.variables[index];
            if guessed && let Variable::Time(_, meaning) = variable {
                if let Some((micros, resolution_us)) = stamp_text::read(text, stamps) {
                    let ambiguity = stamps.ambiguity();
                    keep_finest(&mut draft.record.stamp, Stamp { micros, resolution_us, meaning, ambiguity });
                }
            } else if let Err(expected) = draft.assign(variable, text.into(), stamps)
                && !guessed
            {
                return Err(Malformed { expected, column: self.columns[index] });
            }
        }
        draft.finish(stamps);
        let says_something = self.variables[..self.count].iter().any(|variable| {
            matches!(variable, Variable::RequestLine | Variable::Method | Variable::Target | Variable::Path | Variable::Status)
        });
        if says_something { Ok(record) } else { Err(Malformed { expected: "a member that tells of a request", column: 0 }) }
    }

    /// A guessed `uri` is `$request_uri`, unless the query is a member of its own: then it is nginx's decoded `$uri`. A guessed
    /// `request` may be a target, too.
    fn resolve_paths(&mut self, texts: &[Option<&[u8]>; MEMBERS_MAX]) {
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

/// Start of a value that ends at `end`.
fn start_of(end: usize, value: Value<'_>) -> usize {
    match value {
        Value::Text { raw, .. } => end.saturating_sub(raw.len() + 1),
        Value::Bare(raw) => end.saturating_sub(raw.len()),
        Value::Object | Value::Array => end,
    }
}

/// Keeps the finer of two stamps: several keys may hold the time (`msec` besides `time_local`).
fn keep_finest(known: &mut Option<Stamp>, stamp: Stamp) {
    if known.is_none_or(|known| stamp.resolution_us < known.resolution_us) {
        *known = Some(stamp);
    }
}

/// More members with a meaning than real formats have.
const MEMBERS_MAX: usize = 32;
const NESTING_MAX: usize = 6;
const NAME_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Ambiguity;
    use crate::formats::testing::{malformed, request, stamps, tally, text};

    fn guessed() -> NginxJson {
        NginxJson::guessed(stamps())
    }

    #[test]
    fn common_names_are_understood() {
        let mut parser = guessed();
        let record = request(&mut parser, LINE);
        assert_eq!((text(record.method), text(&record.target)), ("GET".to_owned(), "/_matrix/client/versions".to_owned()));
        assert_eq!(
            record.stamp,
            Some(Stamp { micros: 1_767_366_245_123_000, resolution_us: 1000, meaning: StampMeaning::End, ambiguity: Ambiguity::None })
        );
        assert_eq!((record.status, record.wall_us, record.upstream_us), (200, Some(3000), Some(3000)));
        assert_eq!((record.upstream.as_deref(), record.upstream_tries), (Some(&b"10.0.0.2:8081"[..]), 2));
        assert_eq!((record.bytes_sent, record.address), (Some(1042), Some(&b"203.0.113.7"[..])));
        assert_eq!(record.authorization.as_deref(), Some(&b"Bearer syt_YWxpY2U_xxx"[..]));
    }

    #[test]
    fn quotes_and_missing_values_do_not_matter() {
        let bare = r#"{"status":499,"urt":0.001, 0.030 : 0.200,"rt":0.231,"us":502, 500 : 200,"bytes":,"ua":"Element","request":"GET /a?b=c HTTP/2.0"}"#;
        let mut parser = guessed();
        let record = request(&mut parser, bare);
        assert_eq!((record.upstream_us, record.wall_us, record.bytes_sent), (Some(231_000), Some(231_000), None));
        assert_eq!((text(&record.target), record.aborted), ("/a?b=c".to_owned(), true));
        assert_eq!(record.agent.as_deref(), Some(&b"Element"[..]));
        let quoted = r#"{"status":"200","ua":"127.0.0.1:8083","urt":"-","request":"/only/a/path","verb":"PUT"}"#;
        let record = request(&mut parser, quoted);
        assert_eq!((record.upstream.as_deref(), record.upstream_us), (Some(&b"127.0.0.1:8083"[..]), None));
        assert_eq!((text(record.method), text(&record.target)), ("PUT".to_owned(), "/only/a/path".to_owned()));
    }

    #[test]
    fn the_best_of_several_targets_is_used() {
        let target = |members: &str| text(&request(&mut guessed(), &format!("{{\"status\":200,{members}}}")).target);
        assert_eq!(target(r#""uri":"/a b","request_uri":"/a%20b?c""#), "/a%20b?c");
        assert_eq!(target(r#""request":"GET /a%20b?c HTTP/1.1","uri":"/a b""#), "/a%20b?c");
        assert_eq!(target(r#""uri":"/a b","args":"c=d""#), "/a%20b?c=d");
        assert_eq!(target(r#""uri":"/a%20b""#), "/a%20b");
        assert_eq!(target(r#""http":{"request":{"method":"GET"}},"url":{"path":"/x"}"#), "/x");
    }

    #[test]
    fn the_finest_of_several_times_is_used() {
        let line = r#"{"status":200,"time":"2026-01-02T15:04:05+00:00","msec":"1767366245.123","time_local":"02/Jan/2026:15:04:05 +0000"}"#;
        assert_eq!(request(&mut guessed(), line).stamp.map(|stamp| stamp.micros), Some(1_767_366_245_123_000));
    }

    #[test]
    fn a_known_format_defines_the_meaning_of_keys() {
        let format =
            r#"escape=json '{"a":"$msec","b":{"m":"$request_method","u":"$request_uri"},' '"status":"$request_time","s":$status}'"#;
        let mut parser = NginxJson::from_log_format(format, stamps()).unwrap();
        let line = r#"{"a":"1767366245.123","b":{"m":"GET","u":"/x"},"status":"0.250","s":404}"#;
        let record = request(&mut parser, line);
        assert_eq!((record.status, record.wall_us, text(&record.target)), (404, Some(250_000), "/x".to_owned()));
        let broken = malformed(&mut parser, &line.replace("0.250", "quick"));
        assert_eq!((broken.expected, broken.column), ("a duration", line.find("0.250").unwrap()));
        assert!(NginxJson::from_log_format("$remote_addr", stamps()).is_err());
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_kept() {
        let line = b"{\"status\":200,\"uri\":\"/x\",\"user_agent\":\"caf\xe9 \\u0009 \\x22q\\x22\"}";
        assert_eq!(request(&mut guessed(), line).agent.as_deref(), Some(&b"caf\xe9 \t \"q\""[..]));
    }

    #[test]
    fn other_lines_are_no_requests_but_every_broken_one_is_malformed() {
        for line in ["", "2026/11/20 16:53:31 [notice] 20797#20797: signal process started"] {
            assert_eq!(guessed().parse(line.as_bytes()), Line::NotRequest, "{line}");
        }
        assert_eq!(malformed(&mut guessed(), "203.0.113.7 - - [x]").expected, "a JSON object");
        assert_eq!(malformed(&mut guessed(), r#"{"level":"info"}"#).expected, "a member that tells of a request");
        for end in 1..LINE.len() {
            assert!(malformed(&mut guessed(), &LINE[..end]).column <= end);
        }
        assert_eq!(malformed(&mut guessed(), &LINE[60..]).column, 0);
    }

    #[test]
    fn the_sample_adds_up() {
        let sample = include_bytes!("../../../samples/nginx.json.log");
        assert_eq!(tally(&mut guessed(), sample), (31, 0, 0));
        assert_eq!(tally(&mut NginxJson::from_log_format(FORMAT, stamps()).unwrap(), sample), (31, 0, 0));
        let (mut by_name, mut known) = (guessed(), NginxJson::from_log_format(FORMAT, stamps()).unwrap());
        for line in sample.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            assert_eq!(by_name.parse(line), known.parse(line));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..60), at in 0usize..400, cut in 0usize..40) {
            let mut line = LINE.as_bytes().to_vec();
            let at = at.min(line.len());
            let cut = at..(at + cut).min(line.len());
            line.splice(cut, noise.iter().copied());
            let mut known = NginxJson::from_log_format(FORMAT, stamps()).unwrap();
            for line in [&line[..], &noise[..], &line[at..]] {
                for parser in [&mut guessed(), &mut known] {
                    if let Line::Malformed(malformed) = parser.parse(line) {
                        prop_assert!(malformed.column <= line.len());
                    }
                }
            }
        }
    }

    const LINE: &str = r#"{"time":"2026-01-02T15:04:05+00:00","msec":1767366245.123,"remote_addr":"203.0.113.7","method":"GET","uri":"/_matrix/client/versions","status":200,"bytes":1042,"request_time":0.003,"upstream_addr":"10.0.0.1:8081, 10.0.0.2:8081","upstream_response_time":"0.001, 0.002","xff":"","auth":"Bearer syt_YWxpY2U_xxx"}"#;
    /// The format of the sample.
    const FORMAT: &str = r#"log_format jsonl escape=json '{"ts":"$msec","remote_addr":"$remote_addr","method":"$request_method","uri":"$request_uri","proto":"$server_protocol","status":$status,'
        '"bytes":$body_bytes_sent,"request_length":$request_length,"request_time":$request_time,"upstream_response_time":"$upstream_response_time",'
        '"upstream_addr":"$upstream_addr","user_agent":"$http_user_agent","host":"$host","user":"$uhash","request_id":"$request_id"}';"#;
}
