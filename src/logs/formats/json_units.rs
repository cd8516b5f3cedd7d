//! The unit of a key's durations, from a sample of its values.
//!
//! No single number says its unit: 30004 is half a minute or half an hour. A unit is ruled out where a value would be a duration that a
//! request cannot have, or longer than the log's span allows; of the others the one counts that fits best what else the log says:
//! long polls last as long as their `timeout`, a client's syncs follow each other, and other requests take milliseconds.

use memchr::memmem;

use super::value::written;
use super::variable::Unit;
use crate::time::decimal;

/// One value of a key, with what its line says about how long the request can have taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Observation {
    pub(super) text: Vec<u8>,
    /// The `timeout` of a long poll, ms.
    pub(super) timeout_ms: Option<u64>,
    /// Whether the request waits for news, whatever its timeout.
    pub(super) long_poll: bool,
    /// Since the end of the same client's last sync, µs.
    pub(super) gap_us: Option<u64>,
    /// The longest that this value can be, µs: the request's own duration, for an upstream's.
    pub(super) longest_us: Option<u64>,
}

/// Whether a request waits for news, and for how long at most by its `timeout`, ms.
pub(super) fn long_poll(target: &[u8]) -> (bool, Option<u64>) {
    let long_poll = memmem::find(target, b"/sync").is_some() || memmem::find(target, b"/events").is_some();
    let timeout = memmem::find(target, b"timeout=").and_then(|at| {
        let digits = &target[at + 8..];
        let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        u64::try_from(decimal(&digits[..len])?).ok()
    });
    (long_poll, timeout.filter(|_| long_poll))
}

/// The unit of a key's values; `None` if none of them gives durations that requests can have. `span_us` is the time between the first
/// and the last stamp of the sample.
pub(super) fn unit(observations: &[Observation], span_us: Option<u64>, nginx_name: bool) -> Option<Unit> {
    let present: Vec<&Observation> = observations.iter().filter(|one| !matches!(one.text.as_slice(), b"" | b"-")).collect();
    if present.iter().any(|one| one.text.last().is_some_and(u8::is_ascii_alphabetic)) {
        let readable = present.iter().filter(|one| written(&one.text).is_some()).count();
        return (readable * 2 > present.len()).then_some(Unit::Written);
    }
    let values: Vec<(&Observation, f64)> = present.iter().filter_map(|one| Some((*one, number(&one.text)?))).collect();
    if values.is_empty() {
        return None;
    }
    if values.iter().all(|(_, value)| is_epoch(*value)) {
        return None;
    }
    let form = Form::of(&values.iter().map(|(one, _)| one.text.as_slice()).collect::<Vec<_>>());
    if form == Form::Thousandths && nginx_name {
        return Some(Unit::Seconds);
    }
    let candidates = [Unit::Millis, Unit::Seconds, Unit::Micros, Unit::Nanos];
    let scores = candidates.into_iter().filter_map(|unit| Some((unit, score(&values, unit, form, span_us)?)));
    scores.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(unit, _)| unit)
}

/// How the numbers of a key are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    /// All with exactly three decimals.
    Thousandths,
    Fractions,
}

impl Form {
    fn of(texts: &[&[u8]]) -> Self {
        let decimals = |text: &[u8]| memchr::memchr(b'.', text).map(|dot| text.len() - dot - 1);
        if texts.iter().all(|text| decimals(text).is_none()) {
            Self::Whole
        } else if texts.iter().all(|text| decimals(text) == Some(3)) {
            Self::Thousandths
        } else {
            Self::Fractions
        }
    }

    /// How common the unit is for numbers of this form, in decades.
    fn prior(self, unit: Unit) -> f64 {
        match (self, unit) {
            (Self::Whole, Unit::Millis) | (Self::Fractions, Unit::Seconds) => 0.7,
            (Self::Whole, Unit::Micros | Unit::Nanos) | (Self::Thousandths | Self::Fractions, Unit::Millis) => 0.3,
            (Self::Thousandths, Unit::Seconds) => 1.5,
            (Self::Whole, _) => 0.0,
            (_, Unit::Micros) => -1.0,
            (_, _) => -2.0,
        }
    }
}

/// How well a unit fits, in decades of plausibility; `None` where it cannot be.
fn score(values: &[(&Observation, f64)], unit: Unit, form: Form, span_us: Option<u64>) -> Option<f64> {
    let factor = match unit {
        Unit::Seconds | Unit::SecondsMillis => 1.0,
        Unit::Millis => 1e-3,
        Unit::Micros => 1e-6,
        Unit::Nanos => 1e-9,
        Unit::Written | Unit::SecondsOrMillis => return None,
    };
    if unit == Unit::Nanos && form != Form::Whole {
        return None;
    }
    let seconds: Vec<f64> = values.iter().map(|(_, value)| value * factor).collect();
    let mut sorted = seconds.clone();
    sorted.sort_by(f64::total_cmp);
    let (longest, typical_longest) = (sorted[sorted.len() - 1], sorted[(sorted.len() - 1) * 9 / 10]);
    // A sample is a part of a log: what lasts longer than it began before it, but not by hours.
    let allowed = span_us.map_or(HOUR_S, |span| (span as f64 * 1e-6 + SPAN_MARGIN_S).min(HOUR_S));
    if longest > allowed || typical_longest > TYPICAL_MAX_S || (longest > 0.0 && longest < SHORTEST_S) {
        return None;
    }
    let beyond = values
        .iter()
        .zip(&seconds)
        .filter(|((one, _), at)| one.longest_us.is_some_and(|most| **at > most as f64 * 1.05e-6 + 0.005))
        .count();
    if beyond * 5 > values.len() {
        return None;
    }
    let evidence: f64 = values.iter().zip(&seconds).map(|((one, _), at)| evidence(one, *at)).sum::<f64>() / values.len() as f64;
    let mut plain: Vec<f64> =
        values.iter().zip(&seconds).filter(|((one, _), at)| !one.long_poll && **at > 0.0).map(|(_, at)| *at).collect();
    plain.sort_by(f64::total_cmp);
    let distance = plain.get(plain.len().saturating_sub(1) / 2).map_or(0.0, |median| (median / TYPICAL_S).log10().abs());
    Some(form.prior(unit) + EVIDENCE_WEIGHT * evidence - distance)
}

/// What one line says for (1) or against (-1) a duration of `seconds`.
fn evidence(one: &Observation, seconds: f64) -> f64 {
    let mut sum = 0.0;
    if let Some(timeout) = one.timeout_ms.filter(|timeout| *timeout >= 1000) {
        let timeout = timeout as f64 * 1e-3;
        if (timeout - 0.1..timeout * 1.1 + 1.0).contains(&seconds) {
            sum += 1.0;
        } else if seconds > timeout * 2.0 + 60.0 {
            sum -= 1.0;
        }
    }
    if let Some(gap) = one.gap_us.filter(|gap| *gap >= 2_000_000) {
        let gap = gap as f64 * 1e-6;
        if (gap * 0.8 - 1.0..gap + 1.5).contains(&seconds) {
            sum += 0.5;
        } else if seconds > gap * 1.5 + 5.0 {
            sum -= 0.5;
        }
    }
    sum
}

/// Whether a number counts seconds, milliseconds, microseconds or nanoseconds since 1970: between 2014 and 2039.
fn is_epoch(value: f64) -> bool {
    [1.0, 1e3, 1e6, 1e9].into_iter().any(|unit| (1.4e9..2.2e9).contains(&(value / unit)))
}

fn number(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

const HOUR_S: f64 = 3600.0;
/// What may have begun before the sample.
const SPAN_MARGIN_S: f64 = 900.0;
/// Nine of ten requests take less, long polls too.
const TYPICAL_MAX_S: f64 = 600.0;
/// No request through a server takes less.
const SHORTEST_S: f64 = 20e-6;
/// A request that waits for nothing.
const TYPICAL_S: f64 = 0.02;
/// Decades that a line's evidence counts if all lines have it.
const EVIDENCE_WEIGHT: f64 = 6.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(values: &[&str]) -> Option<Unit> {
        let observations: Vec<Observation> =
            values.iter().map(|text| Observation { text: text.as_bytes().to_vec(), ..Observation::default() }).collect();
        unit(&observations, None, false)
    }

    fn polled(values: &[&str]) -> Option<Unit> {
        let observations: Vec<Observation> = values
            .iter()
            .map(|text| Observation { text: text.as_bytes().to_vec(), timeout_ms: Some(30_000), long_poll: true, ..Observation::default() })
            .collect();
        unit(&observations, None, false)
    }

    #[test]
    fn the_size_of_numbers_shows_their_unit() {
        for (values, unit) in [
            (&["26"][..], Unit::Millis),
            (&["30004", "4"], Unit::Millis),
            (&["0", "3", "120", "45"], Unit::Millis),
            (&["2310", "1800", "30004000"], Unit::Micros),
            (&["2310", "1800", "950"], Unit::Micros),
            (&["30001482113", "1482113"], Unit::Nanos),
            (&["0.004", "0.012", "30.004"], Unit::Seconds),
            (&["0.000004", "0.5"], Unit::Seconds),
            (&["4.123", "12.900", "3.200", "30001.310"], Unit::Millis),
            (&["4.1", "12.94", "3.2"], Unit::Millis),
            (&["4.1ms", "1.2s"], Unit::Written),
            (&["0", "0"], Unit::Millis),
        ] {
            assert_eq!(chosen(values), Some(unit), "{values:?}");
        }
        for values in [&["1715677921.123"][..], &["1715677921123456789000"], &["1715677921", "1715677922"], &["soon"], &["-1"], &["-"], &[]]
        {
            assert_eq!(chosen(values), None, "{values:?}");
        }
    }

    #[test]
    fn long_polls_show_the_unit_by_their_timeout() {
        assert_eq!(polled(&["30"]), Some(Unit::Seconds));
        assert_eq!(polled(&["30004", "12001"]), Some(Unit::Millis));
        assert_eq!(polled(&["30004123"]), Some(Unit::Micros));
        assert_eq!(polled(&["30004123456"]), Some(Unit::Nanos));
    }

    #[test]
    fn nothing_lasts_much_longer_than_the_log() {
        let polls: Vec<Observation> = std::iter::repeat_n("30", 20)
            .chain(["2000"])
            .map(|text| Observation { text: text.as_bytes().to_vec(), long_poll: true, ..Observation::default() })
            .collect();
        let values: Vec<(&Observation, f64)> = polls.iter().map(|one| (one, number(&one.text).unwrap())).collect();
        assert!(score(&values, Unit::Seconds, Form::Whole, None).is_some());
        assert!(score(&values, Unit::Seconds, Form::Whole, Some(60_000_000)).is_none());
        let upstream = [Observation { text: b"118".to_vec(), longest_us: Some(1000), ..Observation::default() }];
        assert_eq!(unit(&upstream, None, false), Some(Unit::Micros));
    }

    #[test]
    fn a_clients_syncs_follow_each_other() {
        let observations: Vec<Observation> = (0..8)
            .map(|_| Observation { text: b"25012".to_vec(), long_poll: true, gap_us: Some(25_100_000), ..Observation::default() })
            .collect();
        assert_eq!(unit(&observations, Some(200_000_000), false), Some(Unit::Millis));
    }
}
