//! A value with its range, three significant digits, for tables and charts.

use wsim_stats::Interval;

use crate::number::{milliseconds, number, percent, percent_number};

/// `84 % (61–120 %)`; `84 %` where the interval has no width.
pub fn percent_range(interval: Interval) -> String {
    if is_exact(interval) {
        return percent(interval.value);
    }
    format!("{} ({})", percent(interval.value), between(&percent(interval.low), &percent(interval.high)))
}

/// `84 (61–120)`: a share in a column whose heading says per cent.
pub fn percent_range_number(interval: Interval) -> String {
    if is_exact(interval) {
        return percent_number(interval.value);
    }
    format!("{} ({})", percent_number(interval.value), between(&percent_number(interval.low), &percent_number(interval.high)))
}

/// `2.10 (1.80–3.00)`; `2.10` where the interval has no width.
pub fn range(interval: Interval) -> String {
    if is_exact(interval) {
        return number(interval.value);
    }
    format!("{} ({})", number(interval.value), between(&number(interval.low), &number(interval.high)))
}

/// `180 ms (170–190 ms)`, `1.10 s (950 ms–1.20 s)`; `180 ms` where the interval has no width.
pub fn milliseconds_range(interval: Interval) -> String {
    if is_exact(interval) {
        return milliseconds(interval.value);
    }
    format!("{} ({})", milliseconds(interval.value), between(&milliseconds(interval.low), &milliseconds(interval.high)))
}

/// The two ends of a range; a unit that both have is written once: `61–120 %`, `950 ms–1.2 s`.
pub fn between(low: &str, high: &str) -> String {
    match (low.rsplit_once(' '), high.rsplit_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number}–{high}"),
        _ => format!("{low}–{high}"),
    }
}

/// Narrower than half a per cent of its value: the ends would read like the value.
fn is_exact(interval: Interval) -> bool {
    let width = interval.high - interval.low;
    width.is_nan() || width <= interval.value.abs() * 0.005
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_follows_its_value_with_its_unit() {
        assert_eq!(percent_range(Interval::new(0.84, 0.61, 1.2)), "84 % (61–120 %)");
        assert_eq!(percent_range(Interval::exact(0.5)), "50 %");
        assert_eq!(percent_range_number(Interval::new(0.84, 0.61, 1.2)), "84 (61–120)");
        assert_eq!(range(Interval::new(2.1, 1.8, 3.0)), "2.10 (1.80–3.00)");
        assert_eq!(milliseconds_range(Interval::new(180.0, 170.0, 190.0)), "180 ms (170–190 ms)");
        assert_eq!(milliseconds_range(Interval::new(1100.0, 950.0, 1200.0)), "1.10 s (950 ms–1.20 s)");
        assert_eq!(percent_range(Interval { value: f64::INFINITY, low: 0.5, high: f64::INFINITY }), "–");
    }
}
