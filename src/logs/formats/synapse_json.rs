//! Synapse's JSON logs: `TerseJsonFormatter` and `JsonFormatter` (1.23.0 on), the structured logging of 1.4.0 to 1.22.x, and
//! `GcpJsonFormatter` (1.155.0 on). Also text lines wrapped by Docker's `json-file` driver.
//!
//! Owns the keys. Times, status and costs are only in the message, which is parsed like that of the text log.
//! Source: `synapse/logging/_terse_json.py` and `_structured.py`.

use super::synapse::Synapse;
use super::synapse_prefix::{Logger, id_of};
use super::synapse_update::{self, LOGGER as UPDATE_LOGGER, SENDING};
use crate::json::{self, Value, Walker, texts};
use crate::streams::StreamUpdate;
use crate::time::epoch_seconds;
use crate::{Ambiguity, Line, Malformed, Parser, Stamp, StampMeaning, StampReader};

/// Reads any of Synapse's JSON logs. The column of an error in the message counts from the message's first byte in the line, with each
/// escape before it (mostly `\"`) as one byte.
///
/// `TerseJsonFormatter` rounds its time to two decimals, so that the stamp's interval starts 5 ms earlier and lasts 10 ms.
/// `JsonFormatter` logs no time: the record has no stamp.
#[derive(Debug, Clone)]
pub struct SynapseJson {
    text: Synapse,
    stamps: StampReader,
    scratch: Vec<u8>,
}

impl SynapseJson {
    /// `stamps` has the zone of wrapped text lines, the only ones without a zone.
    pub fn new(stamps: StampReader) -> Self {
        Self { text: Synapse::new(stamps.clone()), stamps, scratch: Vec::new() }
    }
}

impl Parser for SynapseJson {
    fn name(&self) -> &str {
        "synapse json"
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let (values, message_start) = match json::open(line).and_then(|opened| opened.map(|(walker, _)| members(walker)).transpose()) {
            Ok(Some(members)) => members,
            Ok(None) => return Line::NotRequest,
            Err(malformed) => return Line::Malformed(malformed),
        };
        let Self { text, stamps, scratch } = self;
        let quoted_time = matches!(values[TIME], Some(Value::Text { .. }));
        let [message, logger, time, request, requester] = texts(&values, scratch);
        let logger = match logger {
            None => Logger::Unknown,
            Some(name) if name.starts_with(b"synapse.access.") => Logger::Access,
            Some(_) => return Line::NotRequest,
        };
        match text.read(message.unwrap_or_default().trim_ascii_end(), logger) {
            Line::Request(mut record) => {
                record.stamp = record.stamp.or_else(|| time.and_then(|time| stamp(time, quoted_time, stamps)));
                record.request_id = request.and_then(|id| id_of(id, record.method)).or(record.request_id);
                record.user = requester.map(Into::into).or(record.user);
                Line::Request(record)
            }
            Line::NotRequest => Line::NotRequest,
            Line::Malformed(Malformed { expected, column }) => {
                Line::Malformed(Malformed { expected, column: (message_start + column).min(line.len()) })
            }
        }
    }

    fn update(&mut self, line: &[u8]) -> Option<StreamUpdate> {
        // Most lines are others, and need not be taken apart.
        memchr::memmem::find(line, SENDING)?;
        let (values, _) = members(json::open(line).ok()??.0).ok()?;
        let Self { text, stamps, scratch } = self;
        let quoted_time = matches!(values[TIME], Some(Value::Text { .. }));
        let [message, logger, time, ..] = texts(&values, scratch);
        let message = message?;
        if logger.is_some_and(|logger| logger != UPDATE_LOGGER) {
            return None;
        }
        let Some((stream, from, to)) = synapse_update::read(message) else { return text.update(message) };
        let at_us = synapse_update::middle_us(stamp(time?, quoted_time, stamps)?);
        Some(StreamUpdate { stream, from, to, at_us })
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

type Members<'a> = [Option<Value<'a>>; 5];

/// The members that are read, and the index of the message in the line.
fn members<'a>(mut walker: Walker<'a>) -> Result<(Members<'a>, usize), Malformed> {
    let mut values = [None; 5];
    let mut message_start = 0;
    while let Some((key, value)) = walker.member()? {
        let field = match key {
            b"log" | b"message" => {
                if let Value::Text { raw, .. } = value {
                    message_start = walker.column() - 1 - raw.len();
                }
                MESSAGE
            }
            b"namespace" | b"log_namespace" | b"logger" => LOGGER,
            b"time" => TIME,
            b"request" => REQUEST,
            b"requester" => REQUESTER,
            _ => continue,
        };
        values[field] = Some(value);
    }
    Ok((values, message_start))
}

/// A text is GCP's or Docker's ISO time, a number the terse formatter's.
fn stamp(time: &[u8], quoted: bool, stamps: &mut StampReader) -> Option<Stamp> {
    let (micros, resolution_us) = if quoted { stamps.iso(time)? } else { epoch_seconds(time)? };
    let meaning = StampMeaning::End;
    if quoted || resolution_us < ROUNDED_US {
        let ambiguity = if quoted { stamps.ambiguity() } else { Ambiguity::None };
        return Some(Stamp { micros, resolution_us, meaning, ambiguity });
    }
    // Rounded, not truncated, and without trailing zeros: `.1` is `.10`.
    Some(Stamp { micros: micros - i64::from(ROUNDED_US / 2), resolution_us: ROUNDED_US, meaning, ambiguity: Ambiguity::None })
}

const MESSAGE: usize = 0;
const LOGGER: usize = 1;
const TIME: usize = 2;
const REQUEST: usize = 3;
const REQUESTER: usize = 4;
/// Two decimals of a second.
const ROUNDED_US: u32 = 10_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::testing::{malformed, request, stamps, survives, tally, text};

    fn parser() -> SynapseJson {
        SynapseJson::new(stamps())
    }

    fn stamp_of(line: &str) -> Option<(i64, u32)> {
        request(&mut parser(), line).stamp.map(|stamp| (stamp.micros, stamp.resolution_us))
    }

    #[test]
    fn the_terse_form_has_a_time_rounded_to_hundredths() {
        let mut parser = parser();
        let record = request(&mut parser, TERSE);
        assert_eq!(text(&record.target), "/_matrix/client/v3/sync?filter=0&timeout=30000&since=s72594_4483_1934");
        assert_eq!(text(record.agent.as_deref().unwrap()), "Element/1.11.99 (iPhone; iOS 17.5)");
        assert_eq!((record.request_id, record.site), (Some(&b"48213"[..]), Some(&b"8083"[..])));
        assert_eq!((record.wall_us, record.send_us, record.status), (Some(30_004_000), Some(1000), 200));
        // The text log's stamp of the same request ends in .118.
        assert_eq!(stamp_of(TERSE), Some((1_782_897_342_115_000, 10_000)));
        assert_eq!(stamp_of(&TERSE.replace("342.12,", "342.1,")), Some((1_782_897_342_095_000, 10_000)));
        assert_eq!(stamp_of(&TERSE.replace("342.12,", "342,")), Some((1_782_897_341_995_000, 10_000)));
    }

    #[test]
    fn the_json_form_has_no_time_and_names_the_controlled_user() {
        let mut parser = parser();
        let record = request(&mut parser, JSON);
        assert_eq!(record.stamp, None);
        assert_eq!(text(record.user.as_deref().unwrap()), "@bob:example.org");
        assert_eq!(record.request_id, Some(&b"7001"[..]));
    }

    #[test]
    fn the_gcp_form_has_an_iso_time() {
        let mut parser = parser();
        let record = request(&mut parser, GCP);
        assert_eq!((record.user, record.agent, record.request_id), (None, None, None));
        assert_eq!(stamp_of(GCP), Some((1_782_897_342_118_000, 1000)));
    }

    #[test]
    fn the_keys_before_1_23_are_read() {
        let line = TERSE.replace("\"namespace\"", "\"log_namespace\"").replace("\"ip_address\":\"203.0.113.7\",", "\"scope\":null,");
        assert_eq!(stamp_of(&line), stamp_of(TERSE));
    }

    #[test]
    fn a_text_line_wrapped_by_docker_is_read_with_its_own_stamp() {
        let line = r#"{"log":"2026-07-01 09:15:42,118 - synapse.access.http.8008 - 641 - INFO - GET-48213 - 203.0.113.7 - 8083 - {None} Processed request: 0.004sec/0.001sec ru=(0.004sec, 0.000sec) db=(0.000sec/0.006sec/3) 412B 200 \"GET /x HTTP/1.1\" \"-\" [0 dbevts]\n","stream":"stderr","time":"2026-07-01T09:15:42.200123456Z"}"#;
        assert_eq!(stamp_of(line), Some((1_782_897_342_118_000, 1000)));
        assert_eq!(request(&mut parser(), line).request_id, Some(&b"48213"[..]));
        let other = r#"{"log":"2026-07-01 09:15:42,118 - synapse.server - 641 - INFO - main - Setting up.\n","stream":"stderr","time":"2026-07-01T09:15:42.2Z"}"#;
        assert_eq!(parser().parse(other.as_bytes()), Line::NotRequest);
    }

    #[test]
    fn other_lines_are_no_requests() {
        for line in [
            "",
            "Traceback (most recent call last):",
            r#"{"log":"***** STARTING SERVER *****","namespace":"synapse.config.logger","level":"WARNING","time":1795193608.6}"#,
            &TERSE.replace("synapse.access.http.8083\",\"level", "synapse.http.server\",\"level"),
            r#"{"log":"203.0.113.7 - 8008 - Received request: GET /x","namespace":"synapse.access.http.8008","level":"DEBUG"}"#,
            "{}",
        ] {
            assert_eq!(parser().parse(line.as_bytes()), Line::NotRequest, "{line}");
        }
    }

    #[test]
    fn a_line_truncated_anywhere_is_malformed() {
        for end in 1..TERSE.len() {
            let error = malformed(&mut parser(), &TERSE[..end]);
            assert!(error.column <= end, "{error:?} of {end}");
        }
    }

    #[test]
    fn a_broken_message_is_malformed_with_its_column() {
        let error = malformed(&mut parser(), &TERSE.replace("30.004sec", "30.004"));
        assert_eq!(error, Malformed { expected: "a duration", column: 69 });
        let error = malformed(&mut parser(), r#"{"log":"203.0.113.7 - 8083 - {No","namespace":"synapse.access.http.8083"}"#);
        assert_eq!(error.column, 32);
    }

    #[test]
    fn the_same_requests_as_in_the_text_log_are_read() {
        let text = include_bytes!("../../../samples/synapse-worker.log").split(|byte| *byte == b'\n');
        let json = include_bytes!("../../../samples/synapse-terse.json.log").split(|byte| *byte == b'\n');
        let (mut text_parser, mut json_parser) = (Synapse::new(stamps()), parser());
        for (text, json) in text.zip(json) {
            match (text_parser.parse(text), json_parser.parse(json)) {
                (Line::Request(mut text), Line::Request(mut json)) => {
                    let (at, about) = (text.stamp.take().unwrap(), json.stamp.take().unwrap());
                    assert!((about.micros..=about.micros + i64::from(about.resolution_us)).contains(&at.micros), "{at:?} {about:?}");
                    assert_eq!(text, json);
                }
                (Line::NotRequest, Line::NotRequest) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(tally(&mut parser(), include_bytes!("../../../samples/synapse-terse.json.log")), (28, 6, 0));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..60), at in 0usize..700, cut in 0usize..40) {
            survives(parser, TERSE, &noise, at, cut);
        }
    }

    const TERSE: &str = r#"{"log":"203.0.113.7 - 8083 - {@alice:example.org} Processed request: 30.004sec/0.001sec ru=(0.004sec, 0.000sec) db=(0.000sec/0.006sec/3) 412B 200 \"GET /_matrix/client/v3/sync?filter=0&timeout=30000&since=s72594_4483_1934 HTTP/1.1\" \"Element/1.11.99 (iPhone; iOS 17.5)\" [0 dbevts]","namespace":"synapse.access.http.8083","level":"INFO","time":1782897342.12,"server_name":"example.org","request":"GET-48213","ip_address":"203.0.113.7","site_tag":"8083","requester":"@alice:example.org","authenticated_entity":"@alice:example.org","method":"GET","url":"/_matrix/client/v3/sync?filter=0&timeout=30000&since=s72594_4483_1934","protocol":"HTTP/1.1","user_agent":"Element/1.11.99 (iPhone; iOS 17.5)"}"#;
    const JSON: &str = r#"{"log":"203.0.113.9 - 8008 - {@admin:example.org|@bob:example.org} Processed request: 0.054sec/0.001sec (0.010sec, 0.002sec) (0.000sec/0.022sec/6) 2B 200 \"POST /_matrix/client/v3/logout HTTP/1.1\" \"curl/8.5.0\" [1 dbevts]","namespace":"synapse.access.http.8008","level":"INFO","request":"POST-7001","ip_address":"203.0.113.9","site_tag":"8008","requester":"@bob:example.org","authenticated_entity":"@admin:example.org","method":"POST","url":"/_matrix/client/v3/logout","protocol":"HTTP/1.1","user_agent":"curl/8.5.0"}"#;
    const GCP: &str = r#"{"severity":"INFO","message":"203.0.113.7 - 8008 - {None} Processed request: 0.001sec/0.000sec ru=(0.001sec, 0.000sec) db=(0.000sec/0.000sec/0) 1042B 200 \"GET /_matrix/client/versions HTTP/1.1\" \"-\" [0 dbevts]","logger":"synapse.access.http.8008","time":"2026-07-01T09:15:42.118Z"}"#;
}
