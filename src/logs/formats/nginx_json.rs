//! Access logs of JSON objects with keys of the administrator's own, as nginx writes them, and of programs with fixed keys
//! ([`Dialect`]).
//!
//! Owns the mapping of members to [`Variable`]s: by the format if it is known, otherwise by the names of the keys ([`super::json_names`]) and,
//! for the unit of a duration that no name says, by a sample ([`super::json_units`]). [`super::draft::Draft`] owns the meaning of a variable.
//! Invariant: a duration whose unit is unknown is not read, and [`Parser::notes`] says of each one how it was.

mod keys;
mod members;

use std::sync::Arc;

use self::keys::{Meanings, Names};
use self::members::Members;
use super::json_names::Dialect;
use super::nginx;
use super::prefix;
use super::variable::Variable;
use crate::json;
use crate::{Line, Malformed, Parser, StampReader};

/// Reads a JSON access log. Numbers and lists may be quoted or not; a missing value may be empty or `-`.
#[derive(Debug, Clone)]
pub struct NginxJson {
    name: Arc<str>,
    meanings: Meanings,
    stamps: StampReader,
    scratch: Vec<u8>,
}

impl NginxJson {
    /// Guesses the meaning of members by common names of keys: `ts`, `time_iso8601`, `request_uri`, `urt` and many more. A value
    /// that does not fit its key is ignored. [`Parser::study`] finds the units of durations.
    pub fn guessed(stamps: StampReader) -> Self {
        Self::of(Dialect::Any, stamps)
    }

    /// For the log of a program whose keys are fixed. A line without its keys is malformed.
    pub fn of(dialect: Dialect, stamps: StampReader) -> Self {
        Self { name: dialect.name().into(), meanings: Meanings::Named(Names::new(dialect)), stamps, scratch: Vec::new() }
    }

    /// For lines of a known `log_format`, in any form that [`nginx::LogFormat`] reads.
    ///
    /// # Errors
    /// The format is not a JSON object of variables, or logs no request.
    pub fn from_log_format(format: &str, stamps: StampReader) -> Result<Self, nginx::FormatError> {
        Ok(Self::from_fields(nginx::json_fields(format)?, stamps))
    }

    /// Reads members by `fields`: key (nested keys joined by a dot) and meaning. A value that the format cannot have written makes the
    /// line malformed.
    pub fn from_fields(fields: Vec<(String, Variable)>, stamps: StampReader) -> Self {
        Self { name: Dialect::Any.name().into(), meanings: Meanings::Known(fields.into()), stamps, scratch: Vec::new() }
    }

    /// The parser under another name in reports.
    pub fn named(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The request of an object whose members have been found.
    fn record<'a>(&'a mut self, mut members: Members<'a>) -> Line<'a> {
        let guessed = matches!(self.meanings, Meanings::Named(_));
        // A program with fixed keys logs what it received.
        let may_be_sent = matches!(&self.meanings, Meanings::Named(names) if names.dialect == Dialect::Any);
        match members.record(guessed, &mut self.stamps, &mut self.scratch) {
            Ok(_) if may_be_sent && members.is_error_of_caddy => Line::NotRequest,
            Ok(record) if may_be_sent && members.is_outgoing(&record) => Line::NotRequest,
            Ok(record) => Line::Request(record),
            Err(malformed) => Line::Malformed(malformed),
        }
    }
}

impl Parser for NginxJson {
    fn name(&self) -> &str {
        &self.name
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let walker = match json::open(line) {
            // The console form of Caddy's errors, which have a line of the access log beside them.
            Ok(Some((_, start))) if start > 0 && memchr::memmem::find(&line[..start], CADDY_ERRORS).is_some() => return Line::NotRequest,
            Ok(Some((walker, _))) => walker,
            Ok(None) if prefix::is_no_access_line(line) => return Line::NotRequest,
            Ok(None) => return Line::Malformed(Malformed { expected: "a JSON object", column: 0 }),
            Err(malformed) => return Line::Malformed(malformed),
        };
        let mut members = Members::new();
        match members.read(walker, &mut self.meanings) {
            Ok(()) => self.record(members),
            Err(malformed) => Line::Malformed(malformed),
        }
    }

    fn study(&mut self, sample: &[&[u8]]) {
        let Meanings::Named(names) = &self.meanings else { return };
        let mut names = Names::new(names.dialect);
        names.learn(sample, &mut self.stamps.clone());
        self.meanings = Meanings::Named(names);
    }

    fn notes(&self) -> Vec<String> {
        match &self.meanings {
            Meanings::Named(names) => names.notes(),
            Meanings::Known(_) => Vec::new(),
        }
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

/// Caddy's logger of requests that failed.
const CADDY_ERRORS: &[u8] = b"http.log.error";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::testing::{malformed, request, stamps, tally, text};
    use crate::{Ambiguity, Stamp, StampMeaning};

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

    fn studied(lines: &[&str]) -> NginxJson {
        let mut parser = guessed();
        parser.study(&lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
        parser
    }

    #[test]
    fn whole_numbers_are_read_in_the_unit_that_the_sample_shows() {
        let line = r#"{"time":"2024-05-14T09:12:31.123Z","method":"GET","path":"/_matrix/client/v3/sync?since=s1&timeout=30000","status":200,"duration":30004,"upstream_time":30002}"#;
        let mut parser =
            studied(&[line, &line.replace("30004", "4").replace("30002", "3").replace("sync?since=s1&timeout=30000", "versions")]);
        assert_eq!(parser.notes(), ["`duration` read in milliseconds", "`upstream_time` read in milliseconds"]);
        let record = request(&mut parser, line);
        assert_eq!((record.wall_us, record.upstream_us), (Some(30_004_000), Some(30_002_000)));
        let mut parser = studied(&[&line.replace("30004", "1715677921").replace(",\"upstream_time\":30002", "")]);
        assert_eq!(parser.notes(), ["`duration` not read, because its values are no durations that requests can have"]);
        assert_eq!(request(&mut parser, line).wall_us, None);
    }

    #[test]
    fn a_response_time_beside_a_request_time_is_the_upstreams() {
        let line = r#"{"status":200,"uri":"/a","request_time":0.250,"response_time":"0.120"}"#;
        let record_of = |line: &str| {
            let mut parser = studied(&[line]);
            let record = request(&mut parser, line);
            (record.wall_us, record.upstream_us)
        };
        assert_eq!(record_of(line), (Some(250_000), Some(120_000)));
        assert_eq!(record_of(&line.replace("\"request_time\":0.250,", "")), (Some(120_000), None));
    }

    #[test]
    fn dialects_read_their_own_lines_only() {
        let envoy = r#"{":authority":"matrix.example.org","bytes_received":0,"bytes_sent":302,"downstream_remote_address":"203.0.113.7:55222","duration":30032,"method":"GET","protocol":"HTTP/1.1","response_code":200,"response_flags":"-","start_time":"2025-08-20T23:21:58.905Z","upstream_cluster":"c","upstream_host":"10.244.0.19:8008","user-agent":"Element/1.11","x-envoy-origin-path":"/_matrix/client/v3/sync","x-envoy-upstream-service-time":null}"#;
        let mut parser = NginxJson::of(Dialect::Envoy, stamps());
        let record = request(&mut parser, envoy);
        assert_eq!((record.wall_us, record.upstream_us, record.status), (Some(30_032_000), None, 200));
        assert_eq!((record.address, record.upstream.as_deref()), (Some(&b"203.0.113.7"[..]), Some(&b"10.244.0.19:8008"[..])));
        assert_eq!(record.stamp.map(|stamp| stamp.meaning), Some(StampMeaning::Start));
        assert_eq!(malformed(&mut parser, LINE).expected, "the keys of the program that --format names");
        let cloudflare = r#"{"ClientIP":"203.0.113.7","ClientRequestHost":"matrix.example.org","ClientRequestMethod":"GET","ClientRequestURI":"/_matrix/client/versions","EdgeEndTimestamp":1637336610671000000,"EdgeResponseBytes":14878,"EdgeResponseStatus":200,"EdgeStartTimestamp":1637336610517000000,"OriginIP":"198.51.100.8","OriginResponseTime":123000000,"RayID":"6b0a"}"#;
        let mut parser = NginxJson::of(Dialect::Cloudflare, stamps());
        let record = request(&mut parser, cloudflare);
        assert_eq!((record.wall_us, record.upstream_us, record.arrival_us()), (Some(154_000), Some(123_000), Some(1_637_336_610_517_000)));
        let google = r#"{"httpRequest":{"latency":"0.003251s","remoteIp":"203.0.113.7","requestMethod":"GET","requestSize":"38","requestUrl":"https://matrix.example.org/_matrix/client/versions","responseSize":"900","serverIp":"10.1.2.3","status":200,"userAgent":"curl/8"},"insertId":"1","logName":"projects/p/logs/requests","receiveTimestamp":"2020-06-08T23:41:25.9Z","timestamp":"2020-06-08T23:41:25.078651Z"}"#;
        let mut parser = NginxJson::of(Dialect::GoogleCloud, stamps());
        let record = request(&mut parser, google);
        assert_eq!((record.wall_us, record.bytes_sent, record.address), (Some(3251), Some(900), Some(&b"203.0.113.7"[..])));
        assert_eq!(record.stamp.map(|stamp| (stamp.micros, stamp.meaning)), Some((1_591_659_685_078_651, StampMeaning::Start)));
        let haproxy = r#"{"client_ip":"203.0.113.7","backend":"matrix","server":"main","status_code":200,"Tr":12,"Tw":0,"Tc":1,"TR":2,"Ta":15,"tsc":"CD--","req":"GET /_matrix/client/versions HTTP/1.1"}"#;
        let mut parser = NginxJson::of(Dialect::Haproxy, stamps());
        let record = request(&mut parser, haproxy);
        assert_eq!((record.wall_us, record.aborted, record.upstream.as_deref()), (Some(15_000), true, Some(&b"matrix/main"[..])));
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
                let mut own = [Dialect::Any, Dialect::Envoy, Dialect::Haproxy, Dialect::GoogleCloud, Dialect::Cloudflare].map(|dialect| NginxJson::of(dialect, stamps()));
                own.iter_mut().for_each(|parser| parser.study(&[line]));
                for parser in [&mut guessed(), &mut known].into_iter().chain(&mut own) {
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
