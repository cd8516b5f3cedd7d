//! Whether something became faster or slower: the ratio of two times with its interval, and the word for it.
//!
//! Knows nothing of runs.

use super::table::Tone;
use wsim_stats::Interval;
use wsim_text as text;

/// The ratio of a later time to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    /// 1: no change. With its 95 % interval; without width if that is unknown.
    pub(crate) ratio: Interval,
}

impl Change {
    /// The change between two times with their intervals; `None` if one is not positive and finite.
    ///
    /// The interval is that of the difference of the logarithms, recovered from the intervals of its parts (MOVER: Zou and Donner, Statistics in Medicine
    /// 27, 2008).
    pub(crate) fn between(before: Interval, after: Interval) -> Option<Self> {
        let positive =
            |interval: Interval| [interval.value, interval.low, interval.high].iter().all(|value| value.is_finite() && *value > 0.0);
        if !positive(before) || !positive(after) {
            return None;
        }
        let [a, b] = [before, after].map(|interval| (interval.value.ln(), interval.low.ln(), interval.high.ln()));
        let log = b.0 - a.0;
        let (low, high) = (log - (b.0 - b.1).hypot(a.2 - a.0), log + (b.2 - b.0).hypot(a.0 - a.1));
        Some(Self { ratio: Interval::new(log.exp(), low.exp(), high.exp()) })
    }

    /// The mean change of several groups, weighted by their requests: the geometric mean of the ratios, with its interval if the groups are independent.
    pub(crate) fn mean(parts: &[(f64, Self)]) -> Option<Self> {
        let weights: f64 = parts.iter().map(|(weight, _)| weight).sum();
        if parts.is_empty() || weights <= 0.0 {
            return None;
        }
        let log = parts.iter().map(|(weight, change)| weight * change.ratio.value.ln()).sum::<f64>() / weights;
        let half = |of: fn(Interval) -> f64| {
            parts.iter().map(|(weight, change)| (weight * of(change.ratio)).powi(2)).sum::<f64>().sqrt() / weights
        };
        let below = half(|ratio| (ratio.value / ratio.low).ln());
        let above = half(|ratio| (ratio.high / ratio.value).ln());
        Some(Self { ratio: Interval::new(log.exp(), (log - below).exp(), (log + above).exp()) })
    }

    /// Whether the interval is known.
    fn has_interval(self) -> bool {
        self.ratio.high > self.ratio.low
    }

    /// `Faster`, `Slower`, or `Same`: the interval contains no change, or lies within [`NOTICEABLE`].
    pub(crate) fn word(self) -> &'static str {
        let Interval { value, low, high } = self.ratio;
        let is_small = |ratio: f64| (ratio - 1.0).abs() <= NOTICEABLE;
        let is_same = if self.has_interval() { (low <= 1.0 && 1.0 <= high) || (is_small(low) && is_small(high)) } else { is_small(value) };
        match value {
            _ if is_same => "Same",
            value if value > 1.0 => "Slower",
            _ => "Faster",
        }
    }

    pub(crate) fn tone(self) -> Tone {
        match self.word() {
            "Slower" => Tone::Bad,
            "Faster" => Tone::Good,
            _ => Tone::Plain,
        }
    }

    /// `+50 % (+30 to +72 %)`, `3.1 times (2.0 to 4.5 times)`; without an interval `+50 %, uncertainty unknown`.
    pub(crate) fn words(self) -> String {
        let Interval { value, low, high } = self.ratio;
        let times = value >= 3.0;
        let one = |ratio: f64| if times { text::number(ratio) } else { signed((ratio - 1.0) * 100.0) };
        let unit = if times { " times" } else { " %" };
        if self.has_interval() {
            format!("{}{unit} ({} to {}{unit})", one(value), one(low), one(high))
        } else {
            format!("{}{unit}, uncertainty unknown", one(value))
        }
    }
}

/// A change in whole per cent with its sign; none where there is no change.
pub(crate) fn signed(percent: f64) -> String {
    let text = format!("{percent:+.0}");
    if matches!(text.as_str(), "+0" | "-0") { "0".to_owned() } else { text }
}

/// Largest change that a reader would not notice.
pub(crate) const NOTICEABLE: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;

    fn around(value: f64, factor: f64) -> Interval {
        Interval::new(value, value / factor, value * factor)
    }

    #[test]
    fn a_change_within_its_interval_is_none() {
        let change = |after: f64, factor: f64| Change::between(around(100.0, factor), around(after, factor)).unwrap();
        assert_eq!((change(120.0, 1.2).word(), change(150.0, 1.1).word(), change(60.0, 1.1).word()), ("Same", "Slower", "Faster"));
        assert_eq!(change(103.0, 1.001).word(), "Same", "nobody notices three per cent");
        assert_eq!(change(150.0, 1.1).words(), "+50 % (+31 to +72 %)");
        assert_eq!(change(400.0, 1.1).words(), "4.00 times (3.50 to 4.58 times)");
        assert_eq!(change(150.0, 1.0).words(), "+50 %, uncertainty unknown");
        assert_eq!(Change::between(Interval::exact(100.0), Interval::exact(99.8)).unwrap().words(), "0 %, uncertainty unknown");
        assert_eq!(Change::between(Interval::exact(0.0), Interval::exact(1.0)), None);
    }

    #[test]
    fn a_mean_of_equal_changes_is_that_change_with_a_narrower_interval() {
        let one = Change::between(around(100.0, 1.2), around(200.0, 1.2)).unwrap();
        let mean = Change::mean(&[(1.0, one), (1.0, one), (1.0, one), (1.0, one)]).unwrap();
        assert!((mean.ratio.value - 2.0).abs() < 1e-9);
        assert!(((mean.ratio.high / 2.0).ln() * 2.0 - (one.ratio.high / 2.0).ln()).abs() < 1e-9, "half as wide for four groups");
        assert_eq!(Change::mean(&[]), None);
    }
}
