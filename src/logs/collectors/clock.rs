//! The clocks that collectors put before a line.
//!
//! Owns their notations, and the year of those without one: the latest in which the stamp is not after the file's last change. A comma
//! before the fraction is Python's and belongs to the program's own line.

use crate::time::{decimal, epoch_seconds};
use crate::{Stamp, StampMeaning, StampReader};

/// Reads the clocks of collectors.
#[derive(Debug, Clone)]
pub struct Clock {
    stamps: StampReader,
    /// No stamp is later than this, µs since the epoch.
    latest_us: i64,
    /// The year that a stamp without one was last given, for the report.
    assumed: Option<i64>,
}

impl Clock {
    /// `stamps` has the zone of clocks without one; `latest_us` is when the file was last changed, µs since the epoch.
    pub fn new(stamps: StampReader, latest_us: i64) -> Self {
        Self { stamps, latest_us, assumed: None }
    }

    /// The year that a stamp without a year was last given, if there was one.
    pub fn assumed_year(&self) -> Option<i64> {
        self.assumed
    }

    /// The clock at the start of a text, and the index behind the blank that follows. The stamp is `None` for a clock that only counts
    /// from the start of the machine.
    pub(super) fn read(&mut self, text: &[u8]) -> Option<(Option<Stamp>, usize)> {
        match text {
            [b'0'..=b'9', _, _, _, b'-', ..] => self.iso(text),
            [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', b'0'..=b'9', _, _, _, b'-', ..] => self.full(text),
            [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', b'A'..=b'Z', ..] => {
                let (stamp, len) = self.month_first(&text[4..])?;
                Some((stamp, len + 4))
            }
            [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', ..] => self.month_first(text),
            [b'[', b' ' | b'0'..=b'9', ..] => monotonic(text).map(|len| (None, len)),
            [b'0'..=b'9', ..] => self.epoch(text),
            [b'@', b'4', b'0', b'0', b'0', ..] => tai64n(text).map(|len| (None, len)),
            _ => None,
        }
    }

    /// `2026-01-02T15:04:05.123Z `, `2026-01-02 15:04:05.123456789 +0000 `, `2026-01-02_15:04:05.12345 ` (svlogd).
    fn iso(&mut self, text: &[u8]) -> Option<(Option<Stamp>, usize)> {
        if !matches_pattern(text, b"dddd-dd-dd?dd:dd:dd") || !matches!(text[10], b'T' | b't' | b' ' | b'_') {
            return None;
        }
        let mut written: [u8; ISO_MAX] = [0; ISO_MAX];
        let fraction = text.get(19) == Some(&b'.');
        let digits = if fraction { text[20..].iter().take(12).take_while(|byte| byte.is_ascii_digit()).count() } else { 0 };
        let clock_len = if digits > 0 { 20 + digits } else { 19 };
        let rest = &text[clock_len..];
        let (zone, zone_len) = zone_of(rest);
        let len = clock_len + zone_len;
        // A colon (RFC 3339 of rsyslog's old templates), a blank or a tab.
        let behind = match text.get(len..)? {
            [b' ' | b'\t', ..] => len + 1,
            [] => len,
            _ => return None,
        };
        let whole = clock_len + zone.len();
        let written = written.get_mut(..whole)?;
        written[..clock_len].copy_from_slice(&text[..clock_len]);
        written[10] = b'T';
        written[clock_len..].copy_from_slice(zone);
        let (micros, resolution_us) = self.stamps.iso(written)?;
        Some((Some(self.stamp(micros, resolution_us)), behind))
    }

    /// `Fri 2022-03-25 11:54:18 UTC `, short-full and with-unit of the journal.
    fn full(&mut self, text: &[u8]) -> Option<(Option<Stamp>, usize)> {
        let (stamp, len) = self.iso(&text[4..])?;
        Some((stamp, len + 4))
    }

    /// `Jan  2 15:04:05 `, `Mar 25 11:54:18.280123 `, `May 28 2024 19:35:54 `, `May 28 19:35:54 2024 `.
    fn month_first(&mut self, text: &[u8]) -> Option<(Option<Stamp>, usize)> {
        let month = MONTHS.iter().zip(1..).find(|(name, _)| text.starts_with(name.as_bytes())).map(|(_, month)| month)?;
        let day = match text.get(3..7)? {
            [b' ', b' ', day @ b'1'..=b'9', b' '] => i64::from(day - b'0'),
            [b' ', tens @ b'0'..=b'3', ones @ b'0'..=b'9', b' '] => i64::from(tens - b'0') * 10 + i64::from(ones - b'0'),
            _ => return None,
        };
        let before = text.get(7..11).and_then(decimal).filter(|_| text.get(11) == Some(&b' '));
        let at = if before.is_some() { 12 } else { 7 };
        let time = text.get(at..at + 8).filter(|time| matches_pattern(time, b"dd:dd:dd"))?;
        let rest = &text[at + 8..];
        let digits = match rest {
            [b'.', fraction @ ..] => fraction.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count(),
            _ => 0,
        };
        let fraction = if digits > 0 { &rest[..=digits] } else { &[][..] };
        let mut len = at + 8 + fraction.len();
        let after =
            || text.get(len + 1..len + 5).and_then(decimal).filter(|year| (1990..2200).contains(year) && text.get(len + 5) == Some(&b' '));
        let year = before.or_else(after);
        len += if before.is_none() && year.is_some() { 5 } else { 0 };
        let len = match text.get(len..)? {
            [b' ' | b'\t', ..] => len + 1,
            // Cisco and FreeBSD write a colon behind the clock.
            [b':', b' ', ..] => len + 2,
            [] => len,
            _ => return None,
        };
        let (micros, resolution_us) = match year {
            Some(year) => self.civil(year, month, day, time, fraction)?,
            None => self.without_year(month, day, time, fraction)?,
        };
        Some((Some(self.stamp(micros, resolution_us)), len))
    }

    /// The latest year in which the stamp is not after the file's last change.
    fn without_year(&mut self, month: i64, day: i64, time: &[u8], fraction: &[u8]) -> Option<(i64, u32)> {
        let this_year = 1970 + self.latest_us.div_euclid(YEAR_US) + 1;
        // A 29th of February may be eight years ago.
        let years = (this_year - 9..=this_year).rev();
        for year in years {
            if month == 2 && day == 29 && !(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
                continue;
            }
            let (micros, resolution) = self.civil(year, month, day, time, fraction)?;
            if micros <= self.latest_us.saturating_add(DAY_US) {
                self.assumed = Some(year);
                return Some((micros, resolution));
            }
        }
        None
    }

    fn civil(&mut self, year: i64, month: i64, day: i64, time: &[u8], fraction: &[u8]) -> Option<(i64, u32)> {
        let mut written = *b"0000-00-00T00:00:00.000000000";
        let two = |number: i64| [b'0' + u8::try_from(number / 10 % 10).unwrap_or(0), b'0' + u8::try_from(number % 10).unwrap_or(0)];
        written[..2].copy_from_slice(&two(year / 100));
        written[2..4].copy_from_slice(&two(year));
        written[5..7].copy_from_slice(&two(month));
        written[8..10].copy_from_slice(&two(day));
        written[11..19].copy_from_slice(time);
        let len = 19 + fraction.len();
        written.get_mut(19..len)?.copy_from_slice(fraction);
        self.stamps.iso(&written[..len])
    }

    /// `1648209258.280123 `, short-unix of the journal.
    fn epoch(&mut self, text: &[u8]) -> Option<(Option<Stamp>, usize)> {
        let len = text.iter().take(24).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        (len >= 12 && text.get(10) == Some(&b'.') && text.get(len) == Some(&b' ')).then_some(())?;
        self.stamps.clear_ambiguity();
        let (micros, resolution_us) = epoch_seconds(&text[..len])?;
        Some((Some(self.stamp(micros, resolution_us)), len + 1))
    }

    /// A stamp in any notation of a member of a JSON object: a number counts seconds, milliseconds, microseconds or nanoseconds.
    pub(super) fn value(&mut self, text: &[u8]) -> Option<Stamp> {
        let text = text.trim_ascii();
        if let [b'0'..=b'9', _, _, _, b'-', ..] | [b'A'..=b'Z', ..] = text
            && let Some((stamp, _)) = self.read(text)
        {
            return stamp;
        }
        let (micros, resolution_us) = crate::formats::stamp_text::read(text, &mut self.stamps)?;
        Some(self.stamp(micros, resolution_us))
    }

    fn stamp(&self, micros: i64, resolution_us: u32) -> Stamp {
        Stamp { micros, resolution_us, meaning: StampMeaning::End, ambiguity: self.stamps.ambiguity() }
    }
}

/// The zone at the start of a text as RFC 3339 writes it, and its length in the text: `Z`, `+00:00`, ` +0000`, ` UTC`, ` CEST`. Of the
/// abbreviations only those are known that stand for one zone; another one is as good as none.
fn zone_of(text: &[u8]) -> (&[u8], usize) {
    let blank = usize::from(text.first() == Some(&b' '));
    let zone = &text[blank..];
    match zone {
        [b'Z' | b'z', ..] if blank == 0 => (b"Z", 1),
        [b'+' | b'-', rest @ ..] => {
            let len = rest.iter().take(6).take_while(|byte| byte.is_ascii_digit() || **byte == b':').count();
            let is_zone = matches!(len, 2 | 4 | 5);
            if is_zone { (&zone[..=len], blank + len + 1) } else { (b"", 0) }
        }
        _ if blank == 1 => {
            let len = zone.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
            if !(3..=5).contains(&len) || zone.get(len).is_some_and(|byte| *byte != b' ') {
                return (b"", 0);
            }
            match ABBREVIATIONS.iter().find(|(name, _)| name.as_bytes() == &zone[..len]) {
                Some((_, offset)) => (offset.as_bytes(), 1 + len),
                None if zone[..len].ends_with(b"T") => (b"", 1 + len),
                None => (b"", 0),
            }
        }
        _ => (b"", 0),
    }
}

const ABBREVIATIONS: [(&str, &str); 22] = [
    ("UTC", "Z"),
    ("GMT", "Z"),
    ("WET", "Z"),
    ("WEST", "+01:00"),
    ("BST", "+01:00"),
    ("CET", "+01:00"),
    ("CEST", "+02:00"),
    ("EET", "+02:00"),
    ("EEST", "+03:00"),
    ("MSK", "+03:00"),
    ("EST", "-05:00"),
    ("EDT", "-04:00"),
    ("CDT", "-05:00"),
    ("MST", "-07:00"),
    ("MDT", "-06:00"),
    ("PST", "-08:00"),
    ("PDT", "-07:00"),
    ("JST", "+09:00"),
    ("KST", "+09:00"),
    ("AEST", "+10:00"),
    ("AEDT", "+11:00"),
    ("NZST", "+12:00"),
];

/// `[ 1234.567890] ` and `[ 1234.567890 <    0.000123 >] `: short-monotonic and short-delta.
fn monotonic(text: &[u8]) -> Option<usize> {
    let close = memchr::memchr(b']', &text[..text.len().min(48)])?;
    let inner = &text[1..close];
    let fits = inner.contains(&b'.') && inner.iter().all(|byte| byte.is_ascii_digit() || b" .<>".contains(byte));
    (fits && text.get(close + 1) == Some(&b' ')).then_some(close + 2)
}

/// `@4000000066432a3f1e2d3c4c `: the label of multilog and s6-log. Its leap seconds depend on the machine, so that it is no stamp.
fn tai64n(text: &[u8]) -> Option<usize> {
    let digits = text.get(1..25)?;
    (digits.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')) && text.get(25) == Some(&b' ')).then_some(26)
}

/// Whether a text starts with a pattern: `d` is a digit, `?` any byte, other bytes themselves.
fn matches_pattern(text: &[u8], pattern: &[u8]) -> bool {
    text.len() >= pattern.len()
        && pattern.iter().zip(text).all(|(pattern, byte)| match pattern {
            b'd' => byte.is_ascii_digit(),
            b'?' => true,
            other => byte == other,
        })
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_US: i64 = 86_400_000_000;
/// A year of 365.2425 days.
const YEAR_US: i64 = 31_556_952_000_000;
/// The longest stamp with its zone.
const ISO_MAX: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zone;
    use proptest::prelude::*;

    /// 2026-07-01T12:00:00Z.
    const NOW: i64 = 1_782_907_200_000_000;

    fn clock() -> Clock {
        Clock::new(StampReader::new(Zone::utc()), NOW)
    }

    fn read(text: &str) -> Option<(Option<i64>, String)> {
        clock().read(text.as_bytes()).map(|(stamp, len)| (stamp.map(|stamp| stamp.micros), text[len..].to_owned()))
    }

    #[test]
    fn every_notation_of_one_instant_is_read() {
        let instant = 1_648_209_258_000_000;
        for (written, beyond) in [
            ("2022-03-25T11:54:18Z", 0),
            ("2022-03-25T11:54:18+0000", 0),
            ("2022-03-25T12:54:18.280123+01:00", 280_123),
            ("2022-03-25T11:54:18.280123456Z", 280_123),
            ("2022-03-25 11:54:18.280123456 +0000", 280_123),
            ("2022-03-25_11:54:18.28012", 280_120),
            ("Fri 2022-03-25 11:54:18 UTC", 0),
            ("Fri 2022-03-25 12:54:18.280123 CET", 280_123),
            ("Fri 2022-03-25 14:54:18 +03", 0),
            ("Mar 25 2022 11:54:18", 0),
            ("Mar 25 11:54:18 2022", 0),
            ("Fri Mar 25 11:54:18 2022", 0),
            ("1648209258.280123", 280_123),
        ] {
            assert_eq!(read(&format!("{written} host x")), Some((Some(instant + beyond), "host x".to_owned())), "{written}");
        }
        for written in ["[ 1234.567890]", "[ 1234.567890 <    0.000123 >]", "@4000000066432a3f1e2d3c4c"] {
            assert_eq!(read(&format!("{written} host x")), Some((None, "host x".to_owned())), "{written}");
        }
    }

    #[test]
    fn a_stamp_without_a_year_is_of_the_latest_that_fits() {
        let year = |text: &str| {
            let mut clock = clock();
            clock.read(text.as_bytes()).and_then(|_| clock.assumed_year())
        };
        assert_eq!(year("Jul  1 11:54:18 x"), Some(2026));
        assert_eq!(year("Jul  2 11:54:18.280123 x"), Some(2026), "clocks differ, and zones");
        assert_eq!(year("Jul  3 12:54:18 x"), Some(2025));
        assert_eq!(year("Dec 31 23:59:59 x"), Some(2025));
        assert_eq!(year("Feb 29 00:00:00 x"), Some(2024));
        assert_eq!(year("Jul  1 2020 11:54:18 x"), None);
    }

    #[test]
    fn what_belongs_to_a_program_is_no_clock_of_a_collector() {
        for text in [
            "",
            "2026-07-01 09:15:42,118 - synapse.access",
            "2026/07/01 09:15:42 [error]",
            "02/Jan/2026:15:04:05 +0000",
            "203.0.113.7 - - [",
            "[24/Apr/2024:20:28:54 +0000] - 200",
            "GET / HTTP/1.1",
            "Mar 25 x",
            "Mar 32 11:54:18",
            "2026-13-01T00:00:00Z x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(text: Vec<u8>, like in "[A-Z][a-z]{2} [ 0-9]{1,4}[-:0-9 .TZ+]{0,30}") {
            for text in [&text[..], like.as_bytes()] {
                if let Some((_, len)) = clock().read(text) {
                    prop_assert!(len <= text.len());
                }
                let _ = clock().value(text);
            }
        }
    }
}
