//! Single numbers with three significant digits, for tables and charts.

/// In place of a number that is unknown or not finite.
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

/// A round number as an axis shows it, without trailing zeros: `0.25`, `5`, `1,000`.
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

/// Decimal units, as for disks and networks: `1.20 GB`.
pub fn bytes(value: u64) -> String {
    let mut size = value as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if size < 999.5 || unit == "TB" {
            return format!("{} {unit}", if unit == "B" { count(value) } else { number(size) });
        }
        size /= 1000.0;
    }
    unreachable!("every size that is left fits the last unit")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "callers pass finite values of at least 0; casts saturate")]
pub(crate) fn whole(value: f64) -> u64 {
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
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(percent(0.0001), "<0.1 %");
    }
}
