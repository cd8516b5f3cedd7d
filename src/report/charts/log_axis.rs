//! Logarithmic scales of milliseconds in whole powers of ten.

use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, Drawn, INK};

/// Maps milliseconds to a share of an axis.
pub(super) struct LogScale {
    /// Exponents of ten at the two ends.
    low: i32,
    high: i32,
}

impl LogScale {
    /// A scale that contains all `values` (ms). Values below a tenth of a millisecond are placed at its start.
    #[expect(clippy::cast_possible_truncation, reason = "an exponent of ten of an f64 is below 400")]
    pub(super) fn from_values(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, SMALLEST_MS), |(low, high), value| (low.min(value), high.max(value)));
        let low = low.min(high);
        let low = low.max(SMALLEST_MS).log10().floor() as i32;
        let high = high.log10().ceil() as i32;
        Self { low, high: high.max(low + 1) }
    }

    /// Position of a value, 0 at the start of the axis and 1 at its end.
    pub(super) fn share(&self, ms: f64) -> f64 {
        (ms.max(SMALLEST_MS).log10() - f64::from(self.low)) / f64::from(self.high - self.low)
    }

    /// Value and label of each tick.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        (self.low..=self.high).map(|power| {
            let ms = 10_f64.powi(power);
            (ms, if ms < 1000.0 { format!("{ms} ms") } else { format!("{} s", ms / 1000.0) })
        })
    }
}

/// A horizontal axis from `left` to `right`, in pixels.
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
        for (ms, label) in self.scale.ticks() {
            canvas::line(area, (self.x(ms), top), (self.x(ms), bottom + 4), INK, 0.14, 1)?;
            canvas::text(area, &label, (self.x(ms), bottom + 10), 11, (HPos::Center, VPos::Top), 0.75)?;
        }
        Ok(())
    }
}

/// A tenth of the resolution of Synapse's log; shorter times are rounding.
const SMALLEST_MS: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_spans_whole_powers_of_ten() {
        let axis = LogAxis::from_values([3.0, 250.0].into_iter(), 0, 300);
        assert_eq!((axis.x(1.0), axis.x(10.0), axis.x(1000.0)), (0, 100, 300));
        let axis = LogAxis::from_values(std::iter::empty(), 0, 100);
        assert_eq!(axis.x(0.0), 0);
        assert!(axis.scale.high > axis.scale.low);
    }
}
