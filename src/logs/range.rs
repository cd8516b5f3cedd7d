//! `--from` and `--to`: absolute and relative points in time.

use jiff::civil::{Date, DateTime};
use jiff::fmt::friendly::SpanParser;
use jiff::{Timestamp, Zoned};

use super::time::Zone;

/// A text that is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a point in time: use 2026-11-20, 2026-11-20T16:30, 2026-11-20T16:30:00Z, 16:30, -3h, -1h30m, -2d, today, yesterday or now"
)]
pub struct RangeError(pub String);

/// Reads a point in time as µs since the epoch. Relative times count back from `now`; times without a zone are in `zone`.
///
/// With `end` a day means its end: `--to yesterday` includes yesterday.
pub fn parse(text: &str, zone: &Zone, now: Timestamp, end: bool) -> Result<i64, RangeError> {
    let error = || RangeError(text.escape_debug().to_string());
    let local = now.to_zoned(zone.time_zone().clone());
    let at = relative(text, &local, end).or_else(|| absolute(text, zone, &local, end)).ok_or_else(error)?;
    Ok(at.as_microsecond())
}

fn relative(text: &str, now: &Zoned, end: bool) -> Option<Timestamp> {
    let day = |date: Date| {
        let date = if end { date.tomorrow().ok()? } else { date };
        Some(date.to_zoned(now.time_zone().clone()).ok()?.timestamp())
    };
    match text {
        "now" => return Some(now.timestamp()),
        "today" => return day(now.date()),
        "yesterday" => return day(now.date().yesterday().ok()?),
        _ => {}
    }
    let span = SpanParser::new().parse_span(text.strip_prefix('-')?).ok()?;
    // `3mo` is too close to `3m`, and no log is read by the year.
    if span.is_negative() || span.get_years() != 0 || span.get_months() != 0 {
        return None;
    }
    now.checked_sub(span).ok().map(|at| at.timestamp())
}

fn absolute(text: &str, zone: &Zone, now: &Zoned, end: bool) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    // In an hour that comes twice a range begins with the first pass and ends with the second.
    let local = |at: DateTime| {
        let at = zone.time_zone().to_ambiguous_timestamp(at);
        if end { at.later().ok() } else { at.compatible().ok() }
    };
    // A bare date parses as a date and time as well, so its length decides.
    if text.len() == 10
        && let Ok(date) = text.parse::<Date>()
    {
        let date = if end { date.tomorrow().ok()? } else { date };
        return local(date.at(0, 0, 0, 0));
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return local(at);
    }
    let time: jiff::civil::Time = text.parse().ok()?;
    local(now.date().to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_read_in_the_forms_that_people_type() {
        let now: Timestamp = "2026-11-20T18:00:00Z".parse().unwrap();
        let at = |text: &str, end| parse(text, &Zone::utc(), now, end).map(|us| Timestamp::from_microsecond(us).unwrap().to_string());
        assert_eq!(at("-3h", false).unwrap(), "2026-11-20T15:00:00Z");
        assert_eq!(at("-1h30m", false).unwrap(), "2026-11-20T16:30:00Z");
        assert_eq!(at("-2d", false).unwrap(), "2026-11-18T18:00:00Z");
        assert_eq!(at("yesterday", false).unwrap(), "2026-11-19T00:00:00Z");
        assert_eq!(at("yesterday", true).unwrap(), "2026-11-20T00:00:00Z");
        assert_eq!(at("2026-11-20", false).unwrap(), "2026-11-20T00:00:00Z");
        assert_eq!(at("2026-11-20", true).unwrap(), "2026-11-21T00:00:00Z");
        assert_eq!(at("2026-11-20T16:30", false).unwrap(), "2026-11-20T16:30:00Z");
        assert_eq!(at("2026-11-20 16:30:05", false).unwrap(), "2026-11-20T16:30:05Z");
        assert_eq!(at("2026-11-20T16:30:00+02:00", false).unwrap(), "2026-11-20T14:30:00Z");
        assert_eq!(at("16:30", false).unwrap(), "2026-11-20T16:30:00Z");
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(parse("today", &berlin, now, false).unwrap(), parse("2026-11-19T23:00:00Z", &berlin, now, false).unwrap());
        let doubled = |end| parse("2026-10-25T02:30", &berlin, now, end).unwrap();
        assert_eq!(doubled(true) - doubled(false), 3_600_000_000, "the whole of an hour that comes twice");
        for bad in ["", "-", "-3", "-3y", "--3h", "-3mo", "soon", "-h", "2026-13-01"] {
            assert!(at(bad, false).is_err(), "{bad}");
        }
    }
}
