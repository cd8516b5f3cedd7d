//! Synapse's JSON logs: `TerseJsonFormatter` and `JsonFormatter` (1.23.0 on), the structured logging of 1.4.0 to 1.22.x, and
//! `GcpJsonFormatter` (1.155.0 on). Also text lines that Docker's `json-file` driver has wrapped.
//!
//! Owns the keys. Times, status and costs stand only inside the message, which is read as the text log's is.
//! Source: `synapse/logging/_terse_json.py` and `_structured.py`.

use super::synapse::{Logger, Synapse, id_of};
use crate::logs::json::{self, Value, Walker, texts};
use crate::logs::time::epoch_seconds;
use crate::logs::{Line, Malformed, Parser, Stamp, StampMeaning, StampReader};

/// Reads any of Synapse's JSON logs. A column inside the message is counted from the message's first byte in the line;
/// escapes before it (mostly `\"`) are counted once.
///
/// `TerseJsonFormatter` rounds its time to two decimals, so the stamp begins 5 ms earlier and its resolution is 10 ms.
/// `JsonFormatter` logs no time at all: the record has no stamp.
#[derive(Debug, Clone)]
pub struct SynapseJson {
    text: Synapse,
    stamps: StampReader,
    scratch: Vec<u8>,
}

impl SynapseJson {
    /// Only wrapped text lines have stamps without a zone; they are in that of `stamps`.
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

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(self.clone())
    }
}

type Members<'a> = [Option<Value<'a>>; 5];

/// The members of interest, and where the message begins in the line.
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

/// Text is GCP's or Docker's ISO time; a number is the terse formatter's.
fn stamp(time: &[u8], quoted: bool, stamps: &mut StampReader) -> Option<Stamp> {
    let (micros, resolution_us) = if quoted { stamps.iso(time)? } else { epoch_seconds(time)? };
    let meaning = StampMeaning::End;
    if quoted || resolution_us < ROUNDED_US {
        return Some(Stamp { micros, resolution_us, meaning });
    }
    // Rounded, not cut, and without trailing zeros: `.1` is `.10`.
    Some(Stamp { micros: micros - i64::from(ROUNDED_US / 2), resolution_us: ROUNDED_US, meaning })
}

const MESSAGE: usize = 0;
const LOGGER: usize = 1;
const TIME: usize = 2;
const REQUEST: usize = 3;
const REQUESTER: usize = 4;
/// Two decimals of a second.
const ROUNDED_US: u32 = 10_000;
