//! The lines by which a writer says that a stream moved on: `Sending update for events: 57 -> 58 (limited: False, updates: 2, max token: 58)`.
//!
//! Their instant is that of the news that wakes long polls. Source: `synapse/replication/tcp/resource.py`.

use memchr::memmem;

use super::synapse_prefix::Clock;
use crate::streams::{Stream, StreamUpdate};
use crate::time::decimal;
use crate::{Stamp, StampReader};

/// The text by which such a line is found.
pub(super) const SENDING: &[u8] = b"Sending update for ";

/// The update in a text line whose message starts at `start`; `None` for streams that wake no long poll, other lines, and lines without a
/// clock.
pub(super) fn in_line(line: &[u8], start: usize, stamps: &mut StampReader) -> Option<StreamUpdate> {
    let (stream, from, to) = read(line.get(start..)?)?;
    let head = line.get(..start)?;
    if memmem::find(head, b"synapse.").is_some() && memmem::find(head, LOGGER).is_none() {
        return None;
    }
    Some(StreamUpdate { stream, from, to, at_us: middle_us(Clock::find(head)?.stamp(head, stamps)?) })
}

/// The middle of a stamp's interval, which is the best guess.
pub(super) fn middle_us(stamp: Stamp) -> i64 {
    stamp.micros.saturating_add(i64::from(stamp.resolution_us / 2))
}

/// Stream and positions of a message.
pub(super) fn read(message: &[u8]) -> Option<(Stream, u64, u64)> {
    let rest = message.strip_prefix(SENDING)?;
    let colon = memchr::memchr(b':', rest)?;
    let stream = Stream::named(&rest[..colon])?;
    let (from, rest) = number(rest[colon..].strip_prefix(b": ")?)?;
    let (to, rest) = number(rest.strip_prefix(b" -> ")?)?;
    (rest.starts_with(b" (limited: ") && from <= to).then_some((stream, from, to))
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    Some((u64::try_from(decimal(number)?).ok()?, rest))
}

/// The only logger that writes these lines.
pub(super) const LOGGER: &[u8] = b"synapse.replication.tcp.resource";

#[cfg(test)]
mod tests {
    use super::super::synapse::Synapse;
    use super::super::synapse_json::SynapseJson;
    use super::*;
    use crate::Parser;
    use crate::formats::testing::stamps;
    use proptest::prelude::*;

    const LINE: &str = "2026-11-20 16:53:38,458 - synapse.replication.tcp.resource - 256 - INFO - replication_notifier-12 - Sending update for \
                        events: 1 -> 2 (limited: False, updates: 2, max token: 2)";

    fn of_text(line: &str) -> Option<StreamUpdate> {
        Synapse::new(stamps()).update(line.as_bytes())
    }

    #[test]
    fn an_update_has_its_stream_positions_and_instant() {
        let at_us = 1_795_193_618_458_500;
        assert_eq!(of_text(LINE), Some(StreamUpdate { stream: Stream::Events, from: 1, to: 2, at_us }));
        let typing = of_text(&LINE.replace("events: 1 -> 2", "typing: 7 -> 9")).unwrap();
        assert_eq!((typing.stream, typing.from, typing.to), (Stream::Typing, 7, 9));
    }

    #[test]
    fn other_lines_are_no_updates() {
        assert_eq!(of_text(&LINE.replace("events", "caches")), None, "wakes nobody");
        assert_eq!(of_text(&LINE.replace("synapse.replication.tcp.resource", "synapse.http.server")), None, "quoted by another logger");
        assert_eq!(of_text(&LINE.replace("1 -> 2", "1 -> x")), None);
        assert_eq!(of_text(&LINE.replace("1 -> 2", "3 -> 2")), None);
        assert_eq!(of_text(&LINE[26..]), None, "without a clock");
        for end in 0..LINE.len() - 20 {
            let _ = of_text(&LINE[..end]);
        }
    }

    #[test]
    fn json_lines_have_updates_too() {
        let line = r#"{"log":"Sending update for receipts: 4 -> 5 (limited: False, updates: 1, max token: 5)","namespace":"synapse.replication.tcp.resource","level":"INFO","time":1795193618.46,"server_name":"test.local","request":"replication_notifier-3"}"#;
        let mut parser = SynapseJson::new(stamps());
        let update = parser.update(line.as_bytes()).unwrap();
        assert_eq!((update.stream, update.from, update.to, update.at_us), (Stream::Receipts, 4, 5, 1_795_193_618_460_000));
        assert_eq!(parser.update(line.replace("tcp.resource", "http.x").as_bytes()), None);
        assert_eq!(parser.update(b"{\"log\":\"Sending update for "), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let mut line = SENDING.to_vec();
            line.extend(bytes);
            let _ = (Synapse::new(stamps()).update(&line), SynapseJson::new(stamps()).update(&line), read(&line));
        }
    }
}
