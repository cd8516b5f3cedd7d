//! Numbers for people: separators, units, intervals, times. The same everywhere, so that one figure reads the same in every form.
//!
//! Knows nothing of what is formatted. A number that is not finite is a dash, never `NaN` or `inf`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use wsim_profile::Window;
use wsim_stats::Interval;

/// In place of a number nobody knows.
pub const UNKNOWN: &str = "–";

/// `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Two or three significant digits, never fewer before the point: `0.042`, `0.42`, `4.20`, `42.0`, `4,200`.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let size = value.abs();
    if size >= 99.95 {
        let whole = count(whole(size));
        return if value < 0.0 { format!("-{whole}") } else { whole };
    }
    match size {
        0.0 => "0".to_owned(),
        s if s < 0.000_5 => "<0.001".to_owned(),
        s if s < 0.099_5 => format!("{value:.3}"),
        s if s < 9.995 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

/// A round number as an axis shows it, without needless zeros: `0.25`, `5`, `1,000`.
pub fn tick(value: f64) -> String {
    let text = number(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A time in ms with the unit that reads best: `0.42 ms`, `180 ms`, `2.40 s`.
pub fn milliseconds(value: f64) -> String {
    if !value.is_finite() {
        UNKNOWN.to_owned()
    } else if value < 0.001 && value > 0.0 {
        "<0.001 ms".to_owned()
    } else if value < 999.5 {
        format!("{} ms", number(value))
    } else {
        format!("{} s", number(value / 1000.0))
    }
}

/// A share of 1 as a percentage: `0.4 %`, `12 %`, `120 %`.
pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{} %", percent_number(share)) } else { UNKNOWN.to_owned() }
}

/// [`percent`] without its sign.
pub fn percent_number(share: f64) -> String {
    let value = share * 100.0;
    if !value.is_finite() {
        UNKNOWN.to_owned()
    } else if value == 0.0 || value.abs() >= 9.95 {
        format!("{}{}", if value < 0.0 { "-" } else { "" }, count(whole(value.abs())))
    } else if value.abs() < 0.05 {
        "<0.1".to_owned()
    } else {
        format!("{value:.1}")
    }
}

/// `84 % (61–120)`; `84 %` where the interval has no width.
pub fn percent_range(interval: Interval) -> String {
    if is_exact(interval) {
        return percent(interval.value);
    }
    format!("{} ({}–{})", percent(interval.value), percent_number(interval.low), percent_number(interval.high))
}

/// `84 (61–120)`: a share in a column whose heading says per cent.
pub fn percent_range_number(interval: Interval) -> String {
    if is_exact(interval) {
        return percent_number(interval.value);
    }
    format!("{} ({}–{})", percent_number(interval.value), percent_number(interval.low), percent_number(interval.high))
}

/// `2.10 (1.80–3.00)`; `2.10` where the interval has no width.
pub fn range(interval: Interval) -> String {
    if is_exact(interval) {
        return number(interval.value);
    }
    format!("{} ({}–{})", number(interval.value), number(interval.low), number(interval.high))
}

/// Decimal units, as disks and networks have them: `1.20 GB`.
pub fn bytes(value: u64) -> String {
    let mut size = value as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if size < 999.5 || unit == "TB" {
            return format!("{} {unit}", if unit == "B" { count(value) } else { number(size) });
        }
        size /= 1000.0;
    }
    unreachable!("the last unit takes everything")
}

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

/// `2026-11-02 14:05:00`, UTC; the zone is said once, where the times stand.
pub fn time(micros: i64) -> String {
    stamp(micros, "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-02T14:05:00.123456Z` (RFC 3339, microseconds where there are any).
pub fn rfc3339(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| UNKNOWN.to_owned(), |t| t.to_string())
}

/// `2026-11-02 14:05:00 to 14:10:00 UTC (5 min)`; the second date only if it is another day.
pub fn window(window: Window) -> String {
    let (start, end) = (time(window.start_us), time(window.end_us));
    let end = if start.get(..10) == end.get(..10) { end.get(11..).unwrap_or(&end) } else { &end };
    format!("{start} to {end} UTC ({})", duration(window.seconds()))
}

/// A UTC time in a `strftime` pattern of jiff's.
pub fn stamp(micros: i64, pattern: &str) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| UNKNOWN.to_owned(), |t| t.to_zoned(TimeZone::UTC).strftime(pattern).to_string())
}

/// `1 request`, `2 requests`.
pub fn plural(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// The first letter as a capital, for a phrase that begins a sentence.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A share of `total`, 0 where there is nothing to share.
pub fn share(part: f64, total: f64) -> f64 {
    if total > 0.0 { part / total } else { 0.0 }
}

fn is_exact(interval: Interval) -> bool {
    let width = interval.high - interval.low;
    width.is_nan() || width <= interval.value.abs() * 0.005
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "callers pass finite values of at least 0; casts saturate")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.0001, "<0.001"),
            (0.042, "0.042"),
            (0.5, "0.50"),
            (0.0999, "0.10"),
            (4.2, "4.20"),
            (42.04, "42.0"),
            (99.97, "100"),
            (4200.4, "4,200"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!((tick(0.25), tick(5.0), tick(1000.0), tick(0.5)), ("0.25".into(), "5".into(), "1,000".into(), "0.5".into()));
        assert_eq!(number(f64::NAN), UNKNOWN);
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn units_are_chosen_by_size() {
        assert_eq!(milliseconds(0.42), "0.42 ms");
        assert_eq!(milliseconds(180.2), "180 ms");
        assert_eq!(milliseconds(2400.0), "2.40 s");
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1_200_000_000), "1.20 GB");
        assert_eq!(bytes(u64::MAX), "18,446,744 TB");
        assert_eq!(duration(12.5), "12.5 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7500.0), "2 h 5 min");
        assert_eq!(duration(86_400.0 * 7.0 - 3600.0), "6 d 23 h");
    }

    #[test]
    fn shares_carry_their_interval() {
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(percent(0.0001), "<0.1 %");
        assert_eq!(percent_range(Interval::new(0.84, 0.61, 1.2)), "84 % (61–120)");
        assert_eq!(percent_range(Interval::exact(0.5)), "50 %");
        assert_eq!(range(Interval::new(2.1, 1.8, 3.0)), "2.10 (1.80–3.00)");
    }

    #[test]
    fn windows_say_their_zone() {
        let day = Window { start_us: 1_762_092_000_000_000, end_us: 1_762_092_300_000_000 };
        assert_eq!(window(day), "2025-11-02 14:00:00 to 14:05:00 UTC (5 min)");
        assert_eq!(rfc3339(1_762_092_000_123_000), "2025-11-02T14:00:00.123Z");
        assert_eq!(time(i64::MAX), UNKNOWN);
    }
}
