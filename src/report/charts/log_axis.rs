//! Logarithmic scales with round ticks: powers of ten, and 2 and 5 times these where there is room.

use super::canvas::{self, Area, Drawn, INK};
use super::labels;

/// Maps positive values to a share of an axis.
#[derive(Clone, Debug)]
pub(super) struct LogScale {
    /// Values at the two ends.
    low: f64,
    high: f64,
}

impl LogScale {
    /// A scale of milliseconds that contains all `values`. Those below a tenth of a millisecond are placed at its start.
    pub(super) fn from_values(values: impl Iterator<Item = f64>) -> Self {
        Self::of(values, SMALLEST_MS)
    }

    /// A scale that contains all finite `values`, from the round value below the smallest to the round value above the largest. Those below `least` are
    /// placed at its start.
    pub(super) fn of(values: impl Iterator<Item = f64>, least: f64) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, least), |(low, high), value| (low.min(value), high.max(value)));
        let low = round_down(low.min(high).max(least));
        let high = round_up(high.max(least));
        Self { low, high: if high > low * 1.5 { high } else { low * 10.0 } }
    }

    /// Position of a value, 0 at the start of the axis and 1 at its end.
    pub(super) fn share(&self, value: f64) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
    }

    /// Round values of the axis, at most `most` of them if possible: 1, 2 and 5 times a power of ten, else powers of ten, else every second one, ….
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        let all: Vec<(f64, i32)> = round_values(self.low, self.high);
        let of = |keep: &dyn Fn(&(f64, i32)) -> bool| all.iter().filter(|tick| keep(tick)).map(|tick| tick.0).collect::<Vec<f64>>();
        if all.len() <= most {
            return of(&|_| true);
        }
        let is_power = |(value, power): &(f64, i32)| (value / 10_f64.powi(*power) - 1.0).abs() < 1e-6;
        let powers = of(&is_power);
        let step = i32::try_from(powers.len().div_ceil(most.max(1)).max(1)).unwrap_or(1);
        of(&|tick| is_power(tick) && tick.1.rem_euclid(step) == 0)
    }
}

/// 1, 2 and 5 times the powers of ten between two values, with the exponent of each.
fn round_values(low: f64, high: f64) -> Vec<(f64, i32)> {
    let exponents = exponent(low)..=exponent(high);
    let values = exponents.flat_map(|power| [1.0, 2.0, 5.0].map(|factor| (factor * 10_f64.powi(power), power)));
    values.filter(|(value, _)| *value >= low * 0.999 && *value <= high * 1.001).collect()
}

/// The exponent of the largest power of ten that is not larger.
#[expect(clippy::cast_possible_truncation, reason = "an exponent of ten of an f64 is below 400")]
fn exponent(value: f64) -> i32 {
    (value.log10() + 1e-9).floor() as i32
}

fn round_down(value: f64) -> f64 {
    let power = 10_f64.powi(exponent(value));
    [5.0, 2.0, 1.0].into_iter().map(|factor| factor * power).find(|round| *round <= value * 1.001).unwrap_or(power)
}

fn round_up(value: f64) -> f64 {
    let power = 10_f64.powi(exponent(value));
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|round| *round >= value * 0.999).unwrap_or(power * 10.0)
}

/// `2 ms`, `500 ms`, `5 s`.
pub(super) fn time_label(ms: f64) -> String {
    if ms < 999.5 { format!("{} ms", wsim_text::tick(ms)) } else { format!("{} s", wsim_text::tick(ms / 1000.0)) }
}

/// A horizontal axis of times from `left` to `right`, in pixels.
pub(super) struct LogAxis {
    scale: LogScale,
    left: i32,
    right: i32,
}

impl LogAxis {
    /// An axis that contains all `values` (ms).
    pub(super) fn from_values(values: impl Iterator<Item = f64>, left: i32, right: i32) -> Self {
        Self { scale: LogScale::from_values(values), left, right }
    }

    /// The pixel of a value.
    pub(super) fn x(&self, ms: f64) -> i32 {
        canvas::interpolate(self.left, self.right, self.scale.share(ms))
    }

    /// Draws a line from `top` to `bottom` for each tick, with its label below.
    pub(super) fn draw(&self, area: &Area<'_>, top: i32, bottom: i32) -> Drawn {
        let ticks: Vec<(i32, String)> = self.scale.ticks(TICKS_MAX).into_iter().map(|ms| (self.x(ms), time_label(ms))).collect();
        for (x, _) in &ticks {
            canvas::line(area, (*x, top), (*x, bottom + 4), INK, 0.14, 1)?;
        }
        labels::ticks_along(area, &ticks, bottom + 8)
    }
}

const TICKS_MAX: usize = 7;
/// A tenth of the resolution of Synapse's log; shorter times are rounding.
const SMALLEST_MS: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_round_values() {
        let axis = LogAxis::from_values([3.0, 250.0].into_iter(), 0, 300);
        assert_eq!((axis.scale.low, axis.scale.high), (2.0, 500.0));
        assert_eq!((axis.x(2.0), axis.x(500.0)), (0, 300));
        let empty = LogAxis::from_values(std::iter::empty(), 0, 100);
        assert_eq!(empty.x(0.0), 0);
        assert!(empty.scale.high > empty.scale.low);
    }

    #[test]
    fn ticks_are_round_few_and_within_the_axis() {
        assert_eq!(LogScale::from_values([3.0, 40.0].into_iter()).ticks(7), [2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(LogScale::from_values([0.4, 90_000.0].into_iter()).ticks(7), [1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0]);
        assert_eq!(time_label(0.5), "0.5 ms");
        assert_eq!(time_label(5000.0), "5 s");
    }

    proptest::proptest! {
        #[test]
        fn any_values_have_a_scale(values in proptest::collection::vec(-1e300_f64..1e300, 0..6), most in 2_usize..9) {
            let scale = LogScale::from_values(values.iter().copied());
            let ticks = scale.ticks(most);
            proptest::prop_assert!(ticks.len() <= most && scale.high > scale.low, "{ticks:?}");
            proptest::prop_assert!(ticks.iter().all(|tick| (-0.01..=1.01).contains(&scale.share(*tick))));
            for value in values {
                proptest::prop_assert!((-0.001..=1.01).contains(&scale.share(value)), "{value} {scale:?}");
            }
        }
    }
}
