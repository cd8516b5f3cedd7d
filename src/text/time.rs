//! Instants, spans and durations. Instants are µs since the epoch and are shown in UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::number::{UNKNOWN, count, milliseconds, number, whole};

/// A length of time in its two largest units: `6 d 23 h`, `2 h 5 min`, `3 min 20 s`, `12.5 s`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return UNKNOWN.to_owned();
    }
    if seconds < 1.0 {
        return milliseconds(seconds * 1000.0);
    }
    if seconds < 60.0 {
        return format!("{} s", number(seconds));
    }
    let total = whole(seconds);
    let (large, large_unit, small, small_unit) = match total {
        0..3600 => (total / 60, "min", total % 60, "s"),
        3600..86_400 => (total / 3600, "h", total % 3600 / 60, "min"),
        _ => (total / 86_400, "d", total % 86_400 / 3600, "h"),
    };
    if small == 0 { format!("{} {large_unit}", count(large)) } else { format!("{} {large_unit} {small} {small_unit}", count(large)) }
}

/// `2026-11-02 14:05:00`, without the zone: the text around it says UTC once.
pub fn date_time(micros: i64) -> String {
    strftime(micros, "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-02 14:05 UTC`.
pub fn minute(micros: i64) -> String {
    strftime(micros, "%Y-%m-%d %H:%M UTC")
}

/// `Monday 2026-11-02 14:05 UTC`.
pub fn weekday_minute(micros: i64) -> String {
    strftime(micros, "%A %Y-%m-%d %H:%M UTC")
}

/// `2026-11-02T14:05:00.123456Z` (RFC 3339, microseconds where there are any).
pub fn rfc3339(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| UNKNOWN.to_owned(), |time| time.to_string())
}

/// `2026-11-02 14:05:00 to 14:10:00 UTC (5 min)`; the second date only if it is another day. The end is exclusive.
pub fn time_span(start_us: i64, end_us: i64) -> String {
    let (start, end) = (date_time(start_us), date_time(end_us));
    let end = if start.get(..10) == end.get(..10) { end.get(11..).unwrap_or(&end) } else { &end };
    let seconds = (end_us - start_us).max(1) as f64 / 1e6;
    format!("{start} to {end} UTC ({})", duration(seconds))
}

/// An instant in a `strftime` pattern of jiff.
pub fn strftime(micros: i64, pattern: &str) -> String {
    Timestamp::from_microsecond(micros)
        .map_or_else(|_| UNKNOWN.to_owned(), |time| time.to_zoned(TimeZone::UTC).strftime(pattern).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        assert_eq!(duration(12.5), "12.5 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7500.0), "2 h 5 min");
        assert_eq!(duration(86_400.0 * 7.0 - 3600.0), "6 d 23 h");
    }

    #[test]
    fn spans_say_their_zone() {
        assert_eq!(time_span(1_762_092_000_000_000, 1_762_092_300_000_000), "2025-11-02 14:00:00 to 14:05:00 UTC (5 min)");
        assert_eq!(rfc3339(1_762_092_000_123_000), "2025-11-02T14:00:00.123Z");
        assert_eq!(minute(1_795_193_820_000_000), "2026-11-20 16:57 UTC");
        assert_eq!(weekday_minute(1_795_193_820_000_000), "Friday 2026-11-20 16:57 UTC");
        assert_eq!(date_time(i64::MAX), UNKNOWN);
    }
}
