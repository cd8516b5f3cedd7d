//! Traefik's access log in JSON, v1 to v3.
//!
//! Owns Traefik's keys. The configuration may drop fields, so that only one that identifies a request is required.
//! Source: `pkg/middlewares/accesslog/logdata.go` and `logger.go`.

use super::address::{first_of_list, without_port};
use super::draft::POSSIBLE_DURATION;
use super::stamp_text;
use crate::json::{self, Value, Walker, texts};
use crate::time::decimal;
use crate::{Line, Malformed, Parser, Record, Stamp, StampMeaning, StampReader};

/// Reads Traefik's JSON access log. The stamp is `StartUTC` or `StartLocal`, the start of the request; without them `time`, its end in
/// whole seconds.
///
/// Lines of Traefik's own log in the same file are no requests.
#[derive(Debug, Clone)]
pub struct TraefikJson {
    stamps: StampReader,
    scratch: Vec<u8>,
}

impl TraefikJson {
    /// `stamps` has the zone of stamps without one, which only collectors write.
    pub fn new(stamps: StampReader) -> Self {
        Self { stamps, scratch: Vec::new() }
    }
}

impl Parser for TraefikJson {
    fn name(&self) -> &str {
        "traefik json"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        match json::open(line).and_then(|opened| opened.map(|(walker, _)| members(walker)).transpose()) {
            Ok(Some(values)) => match request(&values, &mut self.stamps, &mut self.scratch) {
                Some(record) if record.has_impossible_duration() => Line::Malformed(Malformed { expected: POSSIBLE_DURATION, column: 0 }),
                Some(record) => Line::Request(record),
                None => Line::NotRequest,
            },
            Ok(None) => Line::NotRequest,
            Err(malformed) => Line::Malformed(malformed),
        }
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

type Values<'a> = [Option<Value<'a>>; 24];

fn request<'a>(values: &Values<'a>, stamps: &mut StampReader, scratch: &'a mut Vec<u8>) -> Option<Record<'a>> {
    let text = texts(values, scratch);
    let shown = |field: usize| text[field].filter(|value| !matches!(*value, b"" | b"-" | b"REDACTED"));
    let count = |field: usize| text[field].and_then(|digits| u64::try_from(decimal(digits)?).ok());
    if [PATH, METHOD, STATUS, ORIGIN_STATUS].iter().all(|field| text[*field].is_none()) {
        return None;
    }
    let status = count(STATUS).or(count(ORIGIN_STATUS)).and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    let upstream = shown(SERVICE_ADDRESS).or(shown(SERVICE_HOST)).or_else(|| shown(SERVICE_URL).map(authority));
    let retries = u8::try_from(count(RETRIES).unwrap_or(0)).unwrap_or(u8::MAX);
    let mut at = |field: usize, meaning| {
        let (micros, resolution_us) = stamp_text::read(text[field]?, stamps)?;
        Some(Stamp { micros, resolution_us, meaning, ambiguity: stamps.ambiguity() })
    };
    Some(Record {
        stamp: at(START_UTC, StampMeaning::Start).or_else(|| at(START_LOCAL, StampMeaning::Start)).or_else(|| at(TIME, StampMeaning::End)),
        method: shown(METHOD).unwrap_or_default(),
        target: shown(PATH).unwrap_or_default().into(),
        status,
        aborted: status == 499,
        wall_us: count(DURATION).map(|nanoseconds| nanoseconds / 1000),
        upstream_us: upstream.and(count(ORIGIN_DURATION)).map(|nanoseconds| nanoseconds / 1000),
        upstream: upstream.map(Into::into),
        upstream_tries: if upstream.is_some() { retries.saturating_add(1) } else { 0 },
        bytes_sent: count(SIZE).or(count(ORIGIN_SIZE)),
        bytes_received: count(REQUEST_SIZE),
        // Behind another proxy the host is the list of `X-Forwarded-For`.
        address: shown(CLIENT_HOST).map(first_of_list).or_else(|| shown(CLIENT_ADDRESS).map(without_port)),
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
    let mut values = [None; 24];
    while let Some((key, value)) = walker.member()? {
        let field = match key {
            b"StartUTC" => START_UTC,
            b"StartLocal" => START_LOCAL,
            b"time" => TIME,
            b"Duration" => DURATION,
            b"OriginDuration" => ORIGIN_DURATION,
            b"RequestMethod" => METHOD,
            b"RequestPath" => PATH,
            b"RequestHost" => HOST,
            b"RequestContentSize" => REQUEST_SIZE,
            b"DownstreamStatus" => STATUS,
            b"DownstreamContentSize" => SIZE,
            b"OriginStatus" => ORIGIN_STATUS,
            b"OriginContentSize" => ORIGIN_SIZE,
            b"RetryAttempts" => RETRIES,
            b"ClientHost" => CLIENT_HOST,
            b"ClientAddr" => CLIENT_ADDRESS,
            b"ClientUsername" => USER,
            b"ServiceAddr" => SERVICE_ADDRESS,
            b"ServiceURL" if value == Value::Object => {
                walker.enter();
                values[SERVICE_HOST] = host_member(&mut walker)?;
                continue;
            }
            b"ServiceURL" => SERVICE_URL,
            _ => match header(key) {
                Some(field) => field,
                None => continue,
            },
        };
        values[field] = Some(value);
    }
    Ok(values)
}

/// `{"Scheme":"http","Host":"172.18.0.5:8083",...}`, as v1 and v2 write a URL.
fn host_member<'a>(walker: &mut Walker<'a>) -> Result<Option<Value<'a>>, Malformed> {
    let mut host = None;
    while let Some((key, value)) = walker.member()? {
        if key == b"Host" {
            host = Some(value);
        }
    }
    Ok(host)
}

/// `request_User-Agent` and similar: request headers that the configuration keeps.
fn header(key: &[u8]) -> Option<usize> {
    let name = key.strip_prefix(b"request_")?;
    [(&b"user-agent"[..], AGENT), (b"referer", REFERRER), (b"authorization", AUTHORIZATION), (b"x-request-id", REQUEST_ID)]
        .iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known))
        .map(|(_, field)| *field)
}

/// `http://172.18.0.5:8083/path` -> `172.18.0.5:8083`.
fn authority(url: &[u8]) -> &[u8] {
    let after = memchr::memmem::find(url, b"://").map_or(url, |scheme| &url[scheme + 3..]);
    after.split(|byte| *byte == b'/').next().unwrap_or(after)
}

const START_UTC: usize = 0;
const START_LOCAL: usize = 1;
const TIME: usize = 2;
const DURATION: usize = 3;
const ORIGIN_DURATION: usize = 4;
const METHOD: usize = 5;
const PATH: usize = 6;
const HOST: usize = 7;
const REQUEST_SIZE: usize = 8;
const STATUS: usize = 9;
const SIZE: usize = 10;
const ORIGIN_STATUS: usize = 11;
const ORIGIN_SIZE: usize = 12;
const RETRIES: usize = 13;
const CLIENT_HOST: usize = 14;
const CLIENT_ADDRESS: usize = 15;
const USER: usize = 16;
const SERVICE_ADDRESS: usize = 17;
const SERVICE_HOST: usize = 18;
const SERVICE_URL: usize = 19;
const AGENT: usize = 20;
const AUTHORIZATION: usize = 21;
const REQUEST_ID: usize = 22;
const REFERRER: usize = 23;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Ambiguity;
    use crate::formats::testing::{malformed, request, stamps, survives, tally, text};

    fn parser() -> TraefikJson {
        TraefikJson::new(stamps())
    }

    /// A line of the sample, from 0.
    fn line(index: usize) -> &'static str {
        SAMPLE.lines().nth(index).unwrap()
    }

    #[test]
    fn a_request_is_read_completely() {
        let mut parser = parser();
        let record = request(&mut parser, line(1));
        assert_eq!((text(record.method), text(&record.target)), ("GET".to_owned(), "/_matrix/client/v3/sync?since=s1_2".to_owned()));
        assert_eq!(
            record.stamp,
            Some(Stamp { micros: 1_767_366_245_123_456, resolution_us: 1, meaning: StampMeaning::Start, ambiguity: Ambiguity::None })
        );
        assert_eq!((record.status, record.wall_us, record.upstream_us), (200, Some(30_001_482), Some(30_000_911)));
        assert_eq!((record.upstream.as_deref(), record.upstream_tries), (Some(&b"172.18.0.5:8083"[..]), 1));
        assert_eq!((record.bytes_sent, record.address), (Some(412), Some(&b"203.0.113.7"[..])));
        assert_eq!((record.site, record.agent), (Some(&b"matrix.example.org"[..]), None));
    }

    #[test]
    fn kept_headers_and_retries_are_read() {
        let mut parser = parser();
        let record = request(&mut parser, line(2));
        assert_eq!(record.agent.as_deref(), Some(&br#"Element/1.11 "q""#[..]));
        assert_eq!((record.authorization, record.user, record.upstream_tries), (None, None, 2));
        assert_eq!((record.address, record.bytes_received), (Some(&b"2001:db8::25"[..]), Some(84)));
    }

    #[test]
    fn a_client_that_left_is_an_abort() {
        assert!(request(&mut parser(), line(3)).aborted);
    }

    #[test]
    fn a_response_of_traefik_itself_has_no_upstream() {
        let mut parser = parser();
        let record = request(&mut parser, line(4));
        assert_eq!((record.status, record.upstream, record.upstream_us, record.upstream_tries), (404, None, None, 0));
    }

    #[test]
    fn the_service_may_be_an_object_or_a_url() {
        let mut parser = parser();
        let record = request(&mut parser, line(5));
        assert_eq!(record.upstream.as_deref(), Some(&b"172.18.0.5:8083"[..]));
        assert_eq!(record.authorization.as_deref(), Some(&br#"X-Matrix origin="remote.example.net""#[..]));
        let line = line(1).replace("\"ServiceAddr\":\"172.18.0.5:8083\",", "");
        assert_eq!(request(&mut parser, &line).upstream.as_deref(), Some(&b"172.18.0.5:8083"[..]));
    }

    #[test]
    fn a_request_without_its_start_has_its_end() {
        let dropped = line(1).replace("\"StartUTC\":\"2026-01-02T15:04:05.123456789Z\",", "");
        let stamp = request(&mut parser(), &dropped).stamp.unwrap();
        assert_eq!((stamp.resolution_us, stamp.meaning), (1_000_000, StampMeaning::End));
        let local = line(2).replace("\"StartUTC\":\"2026-01-02T15:04:06.5Z\",", "");
        assert_eq!(request(&mut parser(), &local).stamp.map(|stamp| stamp.micros), Some(1_767_366_246_500_000));
    }

    #[test]
    fn the_sample_adds_up() {
        assert_eq!(tally(&mut parser(), SAMPLE.as_bytes()), (5, 2, 0));
    }

    #[test]
    fn a_line_truncated_anywhere_is_malformed() {
        for end in 1..line(5).len() {
            assert!(malformed(&mut parser(), &line(5)[..end]).column <= end);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..60), index in 0usize..7, at in 0usize..700, cut in 0usize..40) {
            survives(parser, line(index), &noise, at, cut);
        }
    }

    const SAMPLE: &str = include_str!("../../../samples/traefik.json.log");
}
