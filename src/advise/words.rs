//! Numbers and names as an administrator reads them.

use wsim_profile::{Heavy, Peak};
use wsim_stats::Interval;

/// `14 %`; below one per cent one decimal.
pub fn percent(share: f64) -> String {
    format!("{} %", percent_number(share))
}

/// `14 % (11-16)`; without the range where it does not show.
pub fn percent_range(share: Interval) -> String {
    let (low, high) = (percent_number(share.low), percent_number(share.high));
    if low == high { percent(share.value) } else { format!("{} ({low}-{high})", percent(share.value)) }
}

fn percent_number(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 0.95 && percent.abs() > 0.0 { format!("{percent:.1}") } else { format!("{percent:.0}") }
}

/// `0.43 cores`.
pub fn cores(cores: f64) -> String {
    if cores < 0.095 { format!("{cores:.3} cores") } else { format!("{cores:.2} cores") }
}

/// A factor with the digits it deserves: `1.7`, `12`; never rounded up.
pub fn factor(factor: f64) -> String {
    if factor >= 10.0 {
        format!("{:.0}", factor.floor())
    } else {
        format!("{:.1}", (factor * 10.0).floor() / 10.0).trim_end_matches(".0").to_owned()
    }
}

/// `4.5 (3-6)`, of any unit.
pub fn range(value: Interval, digits: usize) -> String {
    let show = |x: f64| format!("{x:.digits$}");
    if show(value.low) == show(value.high) {
        show(value.value)
    } else {
        format!("{} ({}-{})", show(value.value), show(value.low), show(value.high))
    }
}

/// `busiest five minutes (2026-11-20 16:57 UTC)`.
pub fn peak(peak: &Peak) -> String {
    format!("busiest {} ({})", span(peak.window.seconds()), instant(peak.window.start_us))
}

/// `five minutes`, `3 minutes`, `40 seconds`.
fn span(seconds: f64) -> String {
    match seconds.round() {
        s if s >= 295.0 => "five minutes".to_owned(),
        s if s >= 120.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{s:.0} seconds"),
    }
}

/// `2026-11-20 16:57 UTC`.
pub fn instant(microseconds: i64) -> String {
    jiff::Timestamp::from_microsecond(microseconds)
        .map_or_else(|_| "at an unreadable time".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// Text from a log in quotes, control characters escaped, cut at [`NAME_CHARS_MAX`].
pub fn name(heavy: &Heavy) -> String {
    quoted(&heavy.name)
}

/// See [`name`].
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(NAME_CHARS_MAX).collect();
    if text.chars().nth(NAME_CHARS_MAX).is_some() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// What a group is called in a sentence.
pub fn group(id: &str) -> &str {
    match id {
        "sync" => "/sync",
        "initial_sync" => "initial sync",
        "sliding_sync" => "sliding sync",
        "federation" => "federation reads",
        "federation_send" => "inbound federation",
        "client" => "client reads",
        "event_sending" => "event sending",
        "pagination" => "/messages",
        "registration_login" => "logins",
        "user_directory" => "user search",
        "encryption" => "key queries",
        "device_lists" => "device and key uploads",
        "to_device" => "to-device messages",
        "account_data" => "account data",
        "push_rules" => "push rules",
        "media_admin" => "media administration",
        "client_other" => "client requests in no table",
        "federation_other" => "federation requests in no table",
        other => other,
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// `1 worker`, `3 workers`.
pub fn workers(count: u32) -> String {
    if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") }
}

/// `one strategy`, `4 strategies`.
pub fn strategies(count: usize) -> String {
    if count == 1 { "one strategy".to_owned() } else { format!("{count} strategies") }
}

/// `180 ms`, `2.4 s`.
pub fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms >= 9_999.5 => format!("{:.0} s", ms / 1000.0),
        ms if ms >= 999.5 => format!("{:.1} s", ms / 1000.0),
        ms if ms >= 9.95 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}

/// `180 ms (170-190)`.
pub fn milliseconds_range(ms: Interval) -> String {
    let (low, high) = (milliseconds(ms.low), milliseconds(ms.high));
    if low == high {
        return milliseconds(ms.value);
    }
    let unit = if ms.value >= 999.5 { " s" } else { " ms" };
    format!("{} ({}-{})", milliseconds(ms.value), low.trim_end_matches(unit), high.trim_end_matches(unit))
}

/// `Monday 2026-11-16 09:05 UTC`.
pub fn weekday_instant(microseconds: i64) -> String {
    jiff::Timestamp::from_microsecond(microseconds)
        .map_or_else(|_| "an unreadable time".to_owned(), |time| time.strftime("%A %Y-%m-%d %H:%M UTC").to_string())
}

const NAME_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(percent(0.137), "14 %");
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(percent_range(Interval { value: 0.84, low: 0.61, high: 1.2 }), "84 % (61-120)");
        assert_eq!(percent_range(Interval::exact(0.84)), "84 %");
        assert_eq!(factor(5.09), "5");
        assert_eq!(factor(1.79), "1.7");
        assert_eq!(factor(12.9), "12");
        assert_eq!(range(Interval { value: 4.5, low: 3.0, high: 6.0 }, 1), "4.5 (3.0-6.0)");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(instant(1_795_193_820_000_000), "2026-11-20 16:57 UTC");
    }

    #[test]
    fn names_from_a_log_cannot_do_anything() {
        assert_eq!(quoted("@a\u{1b}[2J\n:x"), "\"@a\\u{1b}[2J\\n:x\"");
        assert_eq!(quoted(&"é".repeat(100)).chars().count(), 83);
    }
}
