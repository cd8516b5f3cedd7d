//! Time stamps whose notation the format leaves open: Caddy's `time_format`, an nginx JSON key called `time`.
//!
//! Owns the recognition of notations by their digits and separators; [`StampReader`] reads them.

use crate::StampReader;
use crate::time::{decimal, epoch_seconds};

/// Reads a stamp in any notation that a server can be configured to write: µs and resolution in µs.
///
/// Numbers count seconds, milliseconds, microseconds or nanoseconds since 1970, recognised by their size: until the year 5138
/// seconds have at most eleven digits, and from 1973 on milliseconds have at least twelve. A stamp without a zone is in the
/// reader's.
pub(crate) fn read(text: &[u8], stamps: &mut StampReader) -> Option<(i64, u32)> {
    stamps.clear_ambiguity();
    match text {
        [_, _, b'/', ..] if text.len() == 26 => Some((stamps.common(text)?, 1_000_000)),
        // HAProxy's `%t` and `%tr`.
        [_, _, b'/', ..] => Some((stamps.haproxy(text)?, if text.len() > 20 { 1000 } else { 1_000_000 })),
        [_, _, _, _, b'-', ..] => stamps.iso(text),
        [_, _, _, _, b'/', _, _, b'/', ..] => with_slashes(text, stamps),
        // Varnish writes the brackets of `%t` into JSON, too.
        [b'[', inner @ .., b']'] if inner.first() != Some(&b'[') => read(inner, stamps),
        _ => number(text),
    }
}

/// `2026/01/02 15:04:05.123`, Caddy's `wall` notations.
fn with_slashes(text: &[u8], stamps: &mut StampReader) -> Option<(i64, u32)> {
    let mut dashed = [0; 40];
    let dashed = dashed.get_mut(..text.len())?;
    dashed.copy_from_slice(text);
    // Gin's `2026/01/02 - 15:04:05`.
    if dashed.get(10..13) == Some(b" - ") {
        dashed.copy_within(13.., 11);
        let len = dashed.len() - 2;
        dashed[4] = b'-';
        dashed[7] = b'-';
        return stamps.iso(&dashed[..len]);
    }
    dashed[4] = b'-';
    dashed[7] = b'-';
    stamps.iso(dashed)
}

fn number(text: &[u8]) -> Option<(i64, u32)> {
    let whole = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let per_second: i64 = match whole {
        0..=11 => return epoch_seconds(text),
        12..=14 => 1_000,
        15..=17 => 1_000_000,
        _ => 1_000_000_000,
    };
    let value = decimal(text.get(..whole.min(18))?)? * if whole == 19 { 10 } else { 1 };
    if whole > 19 {
        return None;
    }
    let resolution = if per_second == 1_000 { 1000 } else { 1 };
    let mut micros = if per_second > 1_000_000 { value / 1000 } else { value * (1_000_000 / per_second) };
    // Caddy's `unix_milli_float` has fractions of milliseconds; fractions of smaller units are ignored.
    let fraction = text.get(whole + 1..whole + 4).and_then(decimal);
    match (text.get(whole), fraction) {
        (None, _) => Some((micros, resolution)),
        (Some(b'.'), Some(below)) if per_second == 1_000 => {
            micros += below;
            Some((micros, 1))
        }
        (Some(b'.'), _) => Some((micros, resolution)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::stamps;

    #[test]
    fn every_notation_of_one_instant_is_recognised() {
        let second = 1_767_366_245_000_000;
        for (text, micros, resolution) in [
            ("1767366245.123456", second + 123_456, 1),
            ("1767366245", second, 1_000_000),
            ("1767366245123", second + 123_000, 1000),
            ("1767366245123.456", second + 123_456, 1),
            ("1767366245123456", second + 123_456, 1),
            ("1767366245123456789", second + 123_456, 1),
            ("2026-01-02T15:04:05.123Z", second + 123_000, 1000),
            ("2026-01-02T17:04:05.123+0200", second + 123_000, 1000),
            ("2026/01/02 15:04:05.123", second + 123_000, 1000),
            ("2026/01/02 15:04:05", second, 1_000_000),
            ("02/Jan/2026:15:04:05 +0000", second, 1_000_000),
            ("02/Jan/2026:15:04:05.123", second + 123_000, 1000),
        ] {
            assert_eq!(read(text.as_bytes(), &mut stamps()), Some((micros, resolution)), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_stamp() {
        for text in ["", "x", "-1", "17673662451234567890123", "1767366245123x", "2026/01/02", &"2026/01/02".repeat(9)] {
            assert_eq!(read(text.as_bytes(), &mut stamps()), None, "{text}");
        }
    }
}
