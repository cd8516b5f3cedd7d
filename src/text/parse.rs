//! Durations as people type them.

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

#[cfg(test)]
mod tests {
    use super::*;

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
