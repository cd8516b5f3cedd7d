//! Time stamps in all the notations of logs, and the zone of those without one.
//!
//! All results are microseconds since 1970-01-01T00:00:00Z. Civil dates are converted by Howard Hinnant's algorithm
//! ("chrono-compatible low-level date algorithms", `days_from_civil`), because a library call per line would cost more than the
//! rest of the parsing; jiff is asked for the zone's offset once per hour of log time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// The zone of stamps without one: Synapse's default format, HAProxy's `%tr`.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// A `--tz` value that is not a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone: use UTC, local, an offset such as +02:00, or a name such as Europe/Berlin")]
pub struct ZoneError(pub String);

impl Zone {
    /// Coordinated universal time, the default.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Reads `UTC`, `local`, `+02:00`, `-0330` or an IANA name.
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        let error = || ZoneError(text.escape_debug().to_string());
        if text.eq_ignore_ascii_case("utc") || text == "Z" {
            return Ok(Self::utc());
        }
        if text.eq_ignore_ascii_case("local") {
            let zone = TimeZone::system();
            let name = zone.iana_name().unwrap_or("local").to_owned();
            return Ok(Self { name, zone });
        }
        if text.starts_with(['+', '-']) {
            let seconds = zone_offset(text.as_bytes()).ok_or_else(error)?;
            let offset = Offset::from_seconds(i32::try_from(seconds).map_err(|_| error())?).map_err(|_| error())?;
            return Ok(Self { name: text.to_owned(), zone: TimeZone::fixed(offset) });
        }
        let zone = TimeZone::get(text).map_err(|_| error())?;
        Ok(Self { name: text.to_owned(), zone })
    }

    /// The name as given, for reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether clocks are changed between two instants, µs since the epoch, or within `margin_us` of them.
    pub fn changes_near(&self, first_us: i64, last_us: i64, margin_us: i64) -> bool {
        let at = |micros: i64| Timestamp::from_microsecond(micros);
        let (Ok(first), Ok(last)) = (at(first_us.saturating_sub(margin_us)), at(last_us.saturating_add(margin_us))) else { return false };
        self.zone.following(first).next().is_some_and(|change| change.timestamp() <= last)
    }

    /// Whether the zone has the same offset at all times.
    pub fn is_fixed(&self) -> bool {
        self.zone.to_fixed_offset().is_ok()
    }

    /// Seconds east of UTC at an instant.
    pub fn offset_seconds_at(&self, micros: i64) -> i32 {
        Timestamp::from_microsecond(micros).map_or(0, |at| self.zone.to_offset(at).seconds())
    }
}

/// What a stamp without an offset leaves open where clocks are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ambiguity {
    #[default]
    None,
    /// Clocks were put back: the stamp is read as of the first pass, and may be this much later, of the second.
    Doubled { minutes: u8 },
    /// Clocks were put forward over this time, so that no clock has shown it; read as if they had not been.
    Missing,
}

/// Reads stamps, and caches the last one: most neighbouring lines are of the same second.
#[derive(Debug, Clone)]
pub struct StampReader {
    zone: Zone,
    /// Civil quarter of an hour since the epoch (as if in UTC), and the zone's offset during it. All changes of clocks since 1970 are
    /// at such quarters.
    offset: Option<(i64, i64, Ambiguity)>,
    ambiguity: Ambiguity,
    last: [u8; 26],
    last_micros: i64,
}

impl StampReader {
    /// `zone` is that of stamps without one.
    pub fn new(zone: Zone) -> Self {
        Self { zone, offset: None, ambiguity: Ambiguity::None, last: [0; 26], last_micros: 0 }
    }

    /// What the stamp just read leaves open.
    pub fn ambiguity(&self) -> Ambiguity {
        self.ambiguity
    }

    /// Forgets the last stamp's ambiguity, before a number is read as a time.
    pub(crate) fn clear_ambiguity(&mut self) {
        self.ambiguity = Ambiguity::None;
    }

    /// `02/Jan/2026:15:04:05 +0000` (nginx `$time_local`, Apache `%t`, Traefik): µs, resolution 1 s.
    pub fn common(&mut self, text: &[u8]) -> Option<i64> {
        let text: &[u8; 26] = text.try_into().ok()?;
        if *text == self.last {
            return Some(self.last_micros);
        }
        let seconds = clf_seconds(text.first_chunk()?)?;
        if text[20] != b' ' {
            return None;
        }
        let micros = (seconds - zone_offset(&text[21..])?) * 1_000_000;
        (self.last, self.last_micros) = (*text, micros);
        Some(micros)
    }

    /// `02/Jan/2026:15:04:05.123` without a zone (HAProxy `%tr`): µs, resolution 1 ms. The fraction may be absent.
    pub fn haproxy(&mut self, text: &[u8]) -> Option<i64> {
        let civil = clf_seconds(text.first_chunk()?)?;
        let fraction = if text.len() > 20 { fraction_us(text.get(20..)?, b".")? } else { 0 };
        Some(self.localise(civil) * 1_000_000 + fraction)
    }

    /// `2026-07-01 09:15:42,118` without a zone (Python's asctime): µs, resolution 1 ms. The fraction may be absent.
    pub fn asctime(&mut self, text: &[u8]) -> Option<i64> {
        let civil = civil_seconds(text.first_chunk()?)?;
        let fraction = if text.len() > 19 { fraction_us(text.get(19..)?, b",.")? } else { 0 };
        Some(self.localise(civil) * 1_000_000 + fraction)
    }

    /// RFC 3339 and similar notations: `2026-01-02T15:04:05[.frac][Z|+00:00|+0000]`; without a zone in the reader's own.
    /// Returns µs and the resolution in µs by the number of digits.
    pub fn iso(&mut self, text: &[u8]) -> Option<(i64, u32)> {
        let civil = civil_seconds(text.first_chunk()?)?;
        let mut rest = text.get(19..)?;
        let mut fraction = 0;
        let mut resolution = 1_000_000;
        if let Some(b'.' | b',') = rest.first() {
            let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            fraction = fraction_us(&rest[..=digits], b".,")?;
            resolution = resolution_of(digits);
            rest = &rest[digits + 1..];
        }
        self.ambiguity = Ambiguity::None;
        let seconds = match rest {
            b"" => self.localise(civil),
            b"Z" | b"z" | b" UTC" | b" GMT" => civil,
            zone => civil - zone_offset(zone.strip_prefix(b" ").unwrap_or(zone))?,
        };
        Some((seconds * 1_000_000 + fraction, resolution))
    }

    /// The instant of a date and a time of day in numbers, in µs: with an offset from UTC in seconds, otherwise in the reader's zone.
    pub(crate) fn civil(&mut self, date: [i64; 3], clock: [i64; 3], offset: Option<i64>) -> Option<i64> {
        let civil = civil_numbers(date, clock)?;
        self.ambiguity = Ambiguity::None;
        Some(offset.map_or_else(|| self.localise(civil), |offset| civil - offset) * 1_000_000)
    }

    /// Local seconds -> seconds in UTC, with the offset before a change of clocks where it leaves two or none; [`Self::ambiguity`] says
    /// so.
    fn localise(&mut self, civil: i64) -> i64 {
        let quarter = civil.div_euclid(QUARTER_SECONDS);
        if let Some((cached, offset, ambiguity)) = self.offset
            && cached == quarter
        {
            self.ambiguity = ambiguity;
            return civil - offset;
        }
        let (offset, ambiguity) = self.offset_during(quarter);
        self.offset = Some((quarter, offset, ambiguity));
        self.ambiguity = ambiguity;
        civil - offset
    }

    fn offset_during(&self, quarter: i64) -> (i64, Ambiguity) {
        let Ok(as_utc) = Timestamp::from_second(quarter * QUARTER_SECONDS) else { return (0, Ambiguity::None) };
        let civil: DateTime = TimeZone::UTC.to_datetime(as_utc);
        let seconds = |offset: Offset| i64::from(offset.seconds());
        match self.zone.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => (seconds(offset), Ambiguity::None),
            AmbiguousOffset::Gap { before, .. } => (seconds(before), Ambiguity::Missing),
            AmbiguousOffset::Fold { before, after } => {
                let minutes = u8::try_from((seconds(before) - seconds(after)) / 60).unwrap_or(u8::MAX);
                (seconds(before), Ambiguity::Doubled { minutes })
            }
        }
    }
}

const QUARTER_SECONDS: i64 = 900;

/// Epoch seconds as a decimal number (`1767366245.123`, nginx `$msec`, Caddy `ts`): µs and the resolution by the number of
/// digits. Exponents (`1.7e9`) are read too, but slowly.
pub fn epoch_seconds(text: &[u8]) -> Option<(i64, u32)> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || digits > 12 {
        return None;
    }
    let seconds = decimal(&text[..digits])?;
    let rest = &text[digits..];
    match rest.first() {
        None => Some((seconds * 1_000_000, 1_000_000)),
        Some(b'.') if rest[1..].iter().all(u8::is_ascii_digit) => {
            Some((seconds * 1_000_000 + fraction_us(rest, b".")?, resolution_of(rest.len() - 1)))
        }
        Some(_) => {
            let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "a float to integer cast saturates, and the range is checked")]
            (value.is_finite() && value.abs() < 1e12).then_some(((value * 1e6).round() as i64, 1))
        }
    }
}

/// Seconds with a fraction as a duration (`0.003`, `30.001`): µs. `None` for `-`, negative or other text.
pub fn duration_us(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || digits > 12 {
        return None;
    }
    let whole = decimal(&text[..digits])? * 1_000_000;
    let rest = &text[digits..];
    let fraction = if rest.is_empty() { 0 } else { fraction_us(rest, b".")? };
    u64::try_from(whole + fraction).ok()
}

/// Digits only, at most 18 of them.
pub fn decimal(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// A separator, then at least one digit: µs, further digits cut off.
pub(crate) fn fraction_us(text: &[u8], separators: &[u8]) -> Option<i64> {
    let (first, digits) = text.split_first()?;
    if !separators.contains(first) || digits.is_empty() {
        return None;
    }
    let mut value = 0;
    for index in 0..6 {
        value = value * 10 + digits.get(index).map_or(Some(0), |byte| byte.is_ascii_digit().then(|| i64::from(byte - b'0')))?;
    }
    digits.iter().skip(6).all(u8::is_ascii_digit).then_some(value)
}

fn resolution_of(digits: usize) -> u32 {
    10u32.pow(6 - u32::try_from(digits.min(6)).unwrap_or(6))
}

/// `+0000`, `-03:30`, `+02`: seconds east of UTC.
pub(crate) fn zone_offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.split_first()? {
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [a, b] => (decimal(&[*a, *b])?, 0),
        [a, b, c, d] | [a, b, b':', c, d] => (decimal(&[*a, *b])?, decimal(&[*c, *d])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// `02/Jan/2026:15:04:05` in seconds, as if in UTC.
fn clf_seconds(text: &[u8; 20]) -> Option<i64> {
    if text[2] != b'/' || text[6] != b'/' || text[11] != b':' {
        return None;
    }
    civil(decimal(&text[7..11])?, month_number(&text[3..6])?, decimal(&text[0..2])?, &text[12..20])
}

/// The number of a month's English abbreviation.
#[inline]
pub(crate) fn month_number(name: &[u8]) -> Option<i64> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// `2026-07-01 09:15:42` or with a `T`, in seconds, as if in UTC.
fn civil_seconds(text: &[u8; 19]) -> Option<i64> {
    if text[4] != b'-' || text[7] != b'-' || !matches!(text[10], b' ' | b'T' | b't') {
        return None;
    }
    civil(decimal(&text[0..4])?, decimal(&text[5..7])?, decimal(&text[8..10])?, &text[11..19])
}

/// Seconds since the epoch of a civil date and `15:04:05`. A leap second (`:60`) counts as the next second.
fn civil(year: i64, month: i64, day: i64, clock: &[u8]) -> Option<i64> {
    if clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    civil_numbers([year, month, day], [decimal(&clock[0..2])?, decimal(&clock[3..5])?, decimal(&clock[6..8])?])
}

/// Seconds since the epoch of year, month and day with hour, minute and second, as if in UTC.
#[inline]
fn civil_numbers([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc() -> StampReader {
        StampReader::new(Zone::utc())
    }

    #[test]
    fn reads_every_way_of_writing_the_same_instant() {
        let instant = 1_767_366_245_000_000;
        assert_eq!(utc().common(b"02/Jan/2026:15:04:05 +0000"), Some(instant));
        assert_eq!(utc().common(b"02/Jan/2026:17:04:05 +0200"), Some(instant));
        assert_eq!(utc().haproxy(b"02/Jan/2026:15:04:05.123"), Some(instant + 123_000));
        assert_eq!(utc().asctime(b"2026-01-02 15:04:05,123"), Some(instant + 123_000));
        assert_eq!(utc().iso(b"2026-01-02T15:04:05+00:00"), Some((instant, 1_000_000)));
        assert_eq!(utc().iso(b"2026-01-02T15:04:05.123456789Z"), Some((instant + 123_456, 1)));
        assert_eq!(epoch_seconds(b"1767366245.123"), Some((instant + 123_000, 1000)));
        assert_eq!(epoch_seconds(b"1767366245"), Some((instant, 1_000_000)));
        assert_eq!(epoch_seconds(b"1.767366245123e9"), Some((instant + 123_000, 1)));
    }

    #[test]
    fn agrees_with_jiff_over_four_centuries() {
        for day in (-60_000..100_000i64).step_by(37) {
            let at = Timestamp::from_second(day * 86_400 + 3_723).unwrap();
            let text = at.strftime("%Y-%m-%d %H:%M:%S,000").to_string();
            assert_eq!(utc().asctime(text.as_bytes()), Some(at.as_microsecond()), "{text}");
            let text = at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            assert_eq!(utc().common(text.as_bytes()), Some(at.as_microsecond()), "{text}");
        }
    }

    #[test]
    fn a_zone_without_a_stamp_is_applied_with_its_summer_time() {
        let mut berlin = StampReader::new(Zone::parse("Europe/Berlin").unwrap());
        assert_eq!(berlin.asctime(b"2026-01-02 16:04:05,000"), Some(1_767_366_245_000_000));
        let july = utc().asctime(b"2026-07-01 07:15:42,118").unwrap();
        assert_eq!(berlin.asctime(b"2026-07-01 09:15:42,118"), Some(july));
        assert_eq!(StampReader::new(Zone::parse("+02:00").unwrap()).asctime(b"2026-07-01 09:15:42,118"), Some(july));
    }

    #[test]
    fn changes_of_clocks_leave_hours_open_in_stamps_without_an_offset_only() {
        let mut berlin = StampReader::new(Zone::parse("Europe/Berlin").unwrap());
        let mut read = |text: &str| {
            let micros = berlin.iso(text.as_bytes()).unwrap().0;
            (Timestamp::from_microsecond(micros).unwrap().strftime("%H:%M:%S").to_string(), berlin.ambiguity())
        };
        let doubled = Ambiguity::Doubled { minutes: 60 };
        assert_eq!(read("2026-10-25T01:59:59"), ("23:59:59".to_owned(), Ambiguity::None));
        assert_eq!(read("2026-10-25T02:00:00"), ("00:00:00".to_owned(), doubled));
        assert_eq!(read("2026-10-25T02:59:59"), ("00:59:59".to_owned(), doubled));
        assert_eq!(read("2026-10-25T03:00:00"), ("02:00:00".to_owned(), Ambiguity::None));
        assert_eq!(read("2026-10-25T02:30:00+01:00"), ("01:30:00".to_owned(), Ambiguity::None));
        assert_eq!(read("2026-03-29T01:59:59"), ("00:59:59".to_owned(), Ambiguity::None));
        assert_eq!(read("2026-03-29T02:30:00"), ("01:30:00".to_owned(), Ambiguity::Missing));
        assert_eq!(read("2026-03-29T03:30:00"), ("01:30:00".to_owned(), Ambiguity::None));
        // Half an hour, from 02:00 back to 01:30.
        let mut island = StampReader::new(Zone::parse("Australia/Lord_Howe").unwrap());
        for (text, ambiguity) in
            [("01:29:59", Ambiguity::None), ("01:30:00", Ambiguity::Doubled { minutes: 30 }), ("02:00:00", Ambiguity::None)]
        {
            island.asctime(format!("2026-04-05 {text},000").as_bytes()).unwrap();
            assert_eq!(island.ambiguity(), ambiguity, "{text}");
        }
    }

    #[test]
    fn a_zone_knows_when_its_clocks_are_changed() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let us = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
        let near = |first: &str, last: &str| berlin.changes_near(us(first), us(last), 7_200_000_000);
        assert!(near("2026-10-20T00:00:00Z", "2026-10-30T00:00:00Z"));
        assert!(near("2026-10-25T02:30:00Z", "2026-10-25T04:00:00Z"));
        assert!(!near("2026-10-25T03:30:00Z", "2026-12-01T00:00:00Z"));
        assert!(!berlin.is_fixed() && Zone::utc().is_fixed() && Zone::parse("+02:00").unwrap().is_fixed());
    }

    #[test]
    fn other_text_is_no_stamp() {
        for text in [
            &b""[..],
            b"02/Jxx/2026:15:04:05 +0000",
            b"2026-13-01 00:00:00,000",
            b"aaaaaaaaaaaaaaaaaaaaaaaaaa",
            b"02/Jan/2026:25:04:05 +0000",
        ] {
            assert_eq!(utc().common(text), None);
            assert_eq!(utc().asctime(text), None);
            assert_eq!(utc().iso(text), None);
            assert_eq!(utc().haproxy(text), None);
        }
        assert!(Zone::parse("Mars/Olympus").is_err());
        assert_eq!(duration_us(b"-"), None);
        assert_eq!(duration_us(b"30.001"), Some(30_001_000));
        assert_eq!(duration_us(b"5"), Some(5_000_000));
    }
}
