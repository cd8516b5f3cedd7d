//! Numbers in sentences: whole per cents, two digits of a time, no trailing zeros.

use wsim_stats::Interval;

use crate::number::{UNKNOWN, count, whole};
use crate::range::between;

/// `14 %`; below one per cent one decimal: `0.4 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        UNKNOWN.to_owned()
    } else if percent.abs() < 0.95 && percent != 0.0 {
        format!("{percent:.1} %")
    } else {
        let sign = if percent <= -0.5 { "-" } else { "" };
        format!("{sign}{} %", count(whole(percent.abs())))
    }
}

/// `14 % (11–16 %)`; `14 %` where both ends read alike.
pub fn percent_range(share: Interval) -> String {
    format!("{}{}", percent(share.value), percent_spread(share))
}

/// The range of [`percent_range`] alone, for a sentence that puts a word between: ` (11–16 %)`. Empty where both ends read alike.
pub fn percent_spread(share: Interval) -> String {
    spread(&percent(share.low), &percent(share.high))
}

/// `0.43 cores`; below a tenth of a core three decimals.
pub fn cores(cores: f64) -> String {
    if !cores.is_finite() {
        UNKNOWN.to_owned()
    } else if cores < 0.095 {
        format!("{cores:.3} cores")
    } else {
        format!("{cores:.2} cores")
    }
}

/// A factor of growth, rounded down: `1.7`, `12`.
pub fn factor(factor: f64) -> String {
    if !factor.is_finite() {
        UNKNOWN.to_owned()
    } else if factor >= 10.0 {
        format!("{:.0}", factor.floor())
    } else {
        format!("{:.1}", (factor * 10.0).floor() / 10.0).trim_end_matches(".0").to_owned()
    }
}

/// An amount with two digits: `0.43`, `3.1`, `58`, `1,200`.
pub fn amount(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => UNKNOWN.to_owned(),
        size if size >= 9.95 => count(whole(value.max(0.0))),
        size if size >= 0.995 || size == 0.0 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{value:.2}"),
    }
}

/// `4.5 (3.0–6.0)`, in any unit, with so many decimals.
pub fn range(value: Interval, decimals: usize) -> String {
    let show = |x: f64| if x.is_finite() { format!("{x:.decimals$}") } else { UNKNOWN.to_owned() };
    format!("{}{}", show(value.value), spread(&show(value.low), &show(value.high)))
}

/// A time in ms: `4.5 ms`, `180 ms`, `2.4 s`, `12 s`.
pub fn milliseconds(ms: f64) -> String {
    match ms {
        ms if !ms.is_finite() => UNKNOWN.to_owned(),
        ms if ms >= 9_999.5 => format!("{:.0} s", ms / 1000.0),
        ms if ms >= 999.5 => format!("{:.1} s", ms / 1000.0),
        ms if ms >= 9.95 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}

/// `180 ms (170–190 ms)`; `180 ms` where both ends read alike.
pub fn milliseconds_range(ms: Interval) -> String {
    format!("{}{}", milliseconds(ms.value), spread(&milliseconds(ms.low), &milliseconds(ms.high)))
}

fn spread(low: &str, high: &str) -> String {
    if low == high { String::new() } else { format!(" ({})", between(low, high)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_round_what_tables_do_not() {
        assert_eq!(percent(0.137), "14 %");
        assert_eq!(percent(0.042), "4 %");
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(f64::INFINITY), UNKNOWN);
        assert_eq!(factor(5.09), "5");
        assert_eq!(factor(1.79), "1.7");
        assert_eq!(factor(12.9), "12");
        assert_eq!([0.0, 0.43, 1.0, 3.12, 58.2, 1234.0].map(amount), ["0", "0.43", "1", "3.1", "58", "1,234"]);
        assert_eq!((cores(0.02).as_str(), cores(0.43).as_str()), ("0.020 cores", "0.43 cores"));
        assert_eq!((milliseconds(4.52).as_str(), milliseconds(2400.0).as_str()), ("4.5 ms", "2.4 s"));
    }

    #[test]
    fn a_range_follows_its_value_unless_it_has_no_width() {
        assert_eq!(percent_range(Interval { value: 0.84, low: 0.61, high: 1.2 }), "84 % (61–120 %)");
        assert_eq!(percent_range(Interval::exact(0.84)), "84 %");
        assert_eq!(percent_spread(Interval { value: 0.84, low: 0.61, high: 1.2 }), " (61–120 %)");
        assert_eq!(range(Interval { value: 4.5, low: 3.0, high: 6.0 }, 1), "4.5 (3.0–6.0)");
        assert_eq!(milliseconds_range(Interval { value: 180.0, low: 170.0, high: 190.0 }), "180 ms (170–190 ms)");
        assert_eq!(milliseconds_range(Interval { value: 1100.0, low: 950.0, high: 1200.0 }), "1.1 s (950 ms–1.2 s)");
    }
}
