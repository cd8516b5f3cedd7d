//! A horizontal axis of milliseconds in whole powers of ten.

use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, Drawn, INK};

/// From `left` to `right` in the chart's units.
pub(super) struct LogAxis {
    left: i32,
    right: i32,
    low: i32,
    high: i32,
}

impl LogAxis {
    /// An axis on which all `values` (ms) have their place; those below a tenth of a millisecond stand at its beginning.
    #[expect(clippy::cast_possible_truncation, reason = "an exponent of ten of an f64 is below 400")]
    pub(super) fn over(values: impl Iterator<Item = f64>, left: i32, right: i32) -> Self {
        let (low, high) = values.fold((f64::INFINITY, SMALLEST_MS), |(low, high), value| (low.min(value), high.max(value)));
        let low = low.min(high);
        let low = low.max(SMALLEST_MS).log10().floor() as i32;
        let high = high.log10().ceil() as i32;
        Self { left, right, low, high: high.max(low + 1) }
    }

    /// Where a value lies.
    pub(super) fn x(&self, ms: f64) -> i32 {
        let share = (ms.max(SMALLEST_MS).log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        canvas::along(self.left, self.right, share)
    }

    /// Lines from `top` to `bottom` with their labels below.
    pub(super) fn draw(&self, area: &Area<'_>, top: i32, bottom: i32) -> Drawn {
        for power in self.low..=self.high {
            let ms = 10_f64.powi(power);
            canvas::line(area, (self.x(ms), top), (self.x(ms), bottom + 4), INK, 0.14, 1)?;
            let label = if ms < 1000.0 { format!("{ms} ms") } else { format!("{} s", ms / 1000.0) };
            canvas::text(area, &label, (self.x(ms), bottom + 10), 11, (HPos::Center, VPos::Top), 0.75)?;
        }
        Ok(())
    }
}

/// A tenth of the resolution of Synapse's log; what is shorter is rounding.
const SMALLEST_MS: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_whole_powers_and_never_of_no_width() {
        let axis = LogAxis::over([3.0, 250.0].into_iter(), 0, 300);
        assert_eq!((axis.x(1.0), axis.x(10.0), axis.x(1000.0)), (0, 100, 300));
        let axis = LogAxis::over(std::iter::empty(), 0, 100);
        assert_eq!(axis.x(0.0), 0);
        assert!(axis.high > axis.low);
    }
}
