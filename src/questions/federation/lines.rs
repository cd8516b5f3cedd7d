//! What a federation sender logs of its transactions to other servers.
//!
//! Synapse, `federation/sender/transaction_manager.py` and `federation/sender/per_destination_queue.py`, at level INFO or above:
//!
//! ```text
//! TX [DESTINATION] {ID} Sending transaction [ID], (PDUs: 2, EDUs: 1)
//! TX [DESTINATION] {ID} got 200 response
//! TX [DESTINATION] Failed to send transaction: …
//! ```
//!
//! Lines may be plain (`2026-11-20 16:53:58,317 - …`), with anything before the stamp, or JSON with a `time` in seconds. Any bytes; never panics. A
//! destination is what may be a server's name, so that no text of a log gets through.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderLine<'a> {
    Sending {
        destination: &'a str,
        transaction: u64,
        pdus: u32,
        edus: u32,
    },
    Answered {
        destination: &'a str,
        transaction: u64,
        status: u16,
    },
    /// No response, or one that was no success.
    Failed {
        destination: &'a str,
    },
}

/// Reads a line; `None` if it tells nothing of a transaction. The time is in µs, of whatever zone the log has.
pub fn read(line: &[u8]) -> Option<(i64, SenderLine<'_>)> {
    let at = find(line, b"TX [")?;
    let text = std::str::from_utf8(line.get(at + 4..)?).ok()?;
    let (destination, rest) = text.split_once("] ")?;
    if !is_server_name(destination) {
        return None;
    }
    let said = if let Some(rest) = rest.strip_prefix('{') {
        let (id, rest) = rest.split_once("} ")?;
        let transaction = id.parse().ok()?;
        if let Some(rest) = rest.strip_prefix("Sending transaction [") {
            let (pdus, rest) = rest.split_once("(PDUs: ")?.1.split_once(", EDUs: ")?;
            SenderLine::Sending { destination, transaction, pdus: pdus.parse().ok()?, edus: rest.split_once(')')?.0.parse().ok()? }
        } else {
            let status = rest.strip_prefix("got ")?.split_once(" response")?.0.parse().ok()?;
            SenderLine::Answered { destination, transaction, status }
        }
    } else if rest.starts_with("Failed to send transaction") {
        SenderLine::Failed { destination }
    } else {
        return None;
    };
    let time = stamp(&line[..at]).or_else(|| json_time(line))?;
    Some((time, said))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    // `TX [` begins with a letter that is rare in logs.
    let mut from = 0;
    while let Some(next) = text.get(from..)?.iter().position(|byte| *byte == what[0]) {
        if text[from + next..].starts_with(what) {
            return Some(from + next);
        }
        from += next + 1;
    }
    None
}

/// Characters of server names (Matrix specification, appendices, server name), and no more than it allows.
fn is_server_name(text: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    (1..=255).contains(&text.len()) && text.bytes().all(is_of_names)
}

/// The last stamp `2026-11-20 16:53:58,317` in the text, as µs.
fn stamp(text: &[u8]) -> Option<i64> {
    let comma =
        (STAMP_SECONDS..text.len()).rev().find(|at| matches!(text[*at], b',' | b'.') && is_stamp(&text[at - STAMP_SECONDS..*at]))?;
    let number = |from: usize, length: usize| -> Option<i64> { number(&text[comma - STAMP_SECONDS + from..][..length]) };
    let part = |from: usize| number(from, 2).and_then(|value| i8::try_from(value).ok());
    let milliseconds = self::number(text.get(comma + 1..comma + 4)?)?;
    let year = i16::try_from(number(0, 4)?).ok()?;
    let at = DateTime::new(year, part(5)?, part(8)?, part(11)?, part(14)?, part(17)?, 0).ok()?;
    let seconds = at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    Some(seconds * 1_000_000 + milliseconds * 1000)
}

/// `2026-11-20 16:53:58`, or with a `T`.
fn is_stamp(text: &[u8]) -> bool {
    b"dddd-dd-dd dd:dd:dd".iter().zip(text).all(|(wanted, found)| match wanted {
        b'd' => found.is_ascii_digit(),
        b' ' => matches!(found, b' ' | b'T'),
        other => found == other,
    })
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

/// `"time":1700000000.12` of Synapse's structured logs, as µs.
fn json_time(line: &[u8]) -> Option<i64> {
    let text = &line[memchr(line, b"\"time\":")? + 7..];
    let end = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b' ')).unwrap_or(text.len());
    let seconds: f64 = std::str::from_utf8(&text[..end]).ok()?.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "up to the year 5138")]
    (0.0..1e11).contains(&seconds).then(|| (seconds * 1e6).round() as i64)
}

fn memchr(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

/// Bytes of `2026-11-20 16:53:58`.
const STAMP_SECONDS: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_sender_are_read_plain_and_as_json() {
        let sending = b"x | 2026-11-20 16:53:58,993 - synapse.federation.sender.transaction_manager - 142 - INFO - loop-0 - TX [other.local:8448] {17} Sending transaction [17], (PDUs: 2, EDUs: 5)";
        let said = SenderLine::Sending { destination: "other.local:8448", transaction: 17, pdus: 2, edus: 5 };
        // 2026-11-20 is the 20,777th day since 1970.
        let at = (20_777 * 86_400 + 16 * 3600 + 53 * 60 + 58) * 1_000_000 + 993_000;
        assert_eq!(read(sending), Some((at, said)));
        let json = br#"{"log":"TX [b.org] {18} got 200 response","namespace":"synapse.federation.sender.transaction_manager","level":"INFO","time":1700000000.25}"#;
        assert_eq!(read(json), Some((1_700_000_000_250_000, SenderLine::Answered { destination: "b.org", transaction: 18, status: 200 })));
        let failed =
            b"2026-11-20 00:00:00,001 - a - 1 - WARNING - b - TX [b.org] Failed to send transaction: Failed to send request: ConnectError";
        assert_eq!(read(failed).map(|(_, said)| said), Some(SenderLine::Failed { destination: "b.org" }));
    }

    #[test]
    fn other_lines_and_names_that_are_none_say_nothing() {
        for line in [
            &b"2026-11-20 16:53:58,993 - TX [other\x1b[2J] {17} got 200 response"[..],
            b"2026-11-20 16:53:58,993 - TX [a.b] {17} Sending transaction [17], (PDUs: -2, EDUs: 5)",
            b"TX [a.b] {17} got 200 response",
            b"2026-13-20 16:53:58,993 - TX [a.b] {17} got 200 response",
            b"TX [",
            b"T",
            b"",
        ] {
            assert_eq!(read(line), None, "{}", String::from_utf8_lossy(line));
        }
    }
}
