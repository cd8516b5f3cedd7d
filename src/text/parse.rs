//! Durations and amounts of memory as people type them.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

/// Reads `500ms`, `250us`, `90s`, `1.5 s`, `5m`, `1h30m` and whatever else jiff's friendly format allows; `None` for anything else, for
/// a negative duration, and for one in days or longer, whose length depends on the calendar.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    // jiff wants a digit before the point.
    let text = if text.starts_with('.') { format!("0{text}") } else { text.to_owned() };
    SpanParser::new().parse_unsigned_duration(&text).ok()
}

/// Reads `8GB`, `8 GiB`, `16G`, `512 MB` or a number of bytes; `None` for anything else, and for nothing at all. `G` and `GiB` are 2³⁰
/// bytes, as in the units of systemd and Docker, `GB` is 10⁹.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1_048_576.0,
        "g" | "gib" => 1_073_741_824.0,
        "t" | "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor).filter(|bytes| *bytes > 0.0 && bytes.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_the_units_that_people_type() {
        let sizes = [("8GB", 8e9), ("8 GiB", 8.0 * 1_073_741_824.0), ("1.5g", 1.5 * 1_073_741_824.0), ("512MB", 512e6), ("1024", 1024.0)];
        for (text, bytes) in sizes {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "GB", "8 lots", "-1GB", "0", "1.2.3GB", "８GB", "NaN"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_in_the_forms_that_people_type() {
        for (text, ms) in [
            ("500ms", 500.0),
            ("1.5 s", 1_500.0),
            (".5s", 500.0),
            ("250us", 0.25),
            ("250µs", 0.25),
            ("90s", 90_000.0),
            ("5m", 300_000.0),
            ("1.5m", 90_000.0),
            ("2h", 7_200_000.0),
            ("1h30m", 5_400_000.0),
            ("0s", 0.0),
        ] {
            assert_eq!(parse_duration(text).map(|duration| duration.as_nanos() as f64 / 1e6), Some(ms), "{text}");
        }
        for text in ["", "5", "soon", "-1s", "2d", "s", "1e3", "ms 5"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
