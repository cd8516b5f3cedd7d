//! A horizontal time axis in UTC, with at most nine labels at round instants. Where a series leaves time out, the axis does too, and marks it.

use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, Drawn, INK};
use wsim_profile::Series;
use wsim_text as text;

/// Maps instants to pixels.
#[derive(Clone, Copy)]
pub(super) struct TimeAxis<'a> {
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    /// Pixel of the first instant.
    pub(super) left: i32,
    /// Pixel of the last instant.
    pub(super) right: i32,
    /// The series that says which time is left out.
    pub(super) series: Option<&'a Series>,
}

impl<'a> TimeAxis<'a> {
    /// The axis of all bins of a series.
    pub(super) fn of_series(series: &'a Series, bins: usize, left: i32, right: i32) -> Self {
        Self { start_us: series.start_us, end_us: series.bin_start_us(bins), left, right, series: Some(series) }
    }

    /// The pixel of an instant, within the axis.
    pub(super) fn x(&self, at_us: i64) -> i32 {
        canvas::interpolate(self.left, self.right, self.shown_before(at_us) as f64 / self.shown_before(self.end_us).max(1) as f64)
    }

    /// Time from the start to an instant that the axis shows, µs.
    fn shown_before(&self, at_us: i64) -> i64 {
        at_us - self.start_us - self.skips().map(|(from_us, to_us)| at_us.clamp(from_us, to_us) - from_us).sum::<i64>()
    }

    /// Start and end of the time that is left out.
    fn skips(&self) -> impl Iterator<Item = (i64, i64)> + 'a {
        self.series.into_iter().flat_map(|series| {
            series.skips.iter().map(|skip| {
                let to_us = series.bin_start_us(skip.bin);
                #[expect(clippy::cast_possible_truncation, reason = "a length of log time")]
                let length_us = (skip.seconds * 1e6) as i64;
                (to_us - length_us, to_us)
            })
        })
    }

    /// The pixel where bin `index` of `bins` starts.
    pub(super) fn bin(&self, index: usize, bins: usize) -> i32 {
        canvas::interpolate(self.left, self.right, index as f64 / bins.max(1) as f64)
    }

    /// Draws ticks and labels below `y`, and the zone at the right end.
    pub(super) fn draw(&self, area: &Area<'_>, y: i32) -> Drawn {
        canvas::line(area, (self.left, y), (self.right, y), INK, 0.4, 1)?;
        let step = self.step();
        let mut at = self.start_us.div_euclid(step) * step;
        let mut last_day = String::new();
        let mut last_x = self.left;
        while at <= self.end_us {
            if let Some((_, to_us)) = self.skips().find(|(from_us, to_us)| (*from_us..*to_us).contains(&at)) {
                // The first round instant after the time that is left out.
                at = -(-to_us).div_euclid(step) * step;
                continue;
            }
            let x = self.x(at);
            let is_free = self.skips().next().is_none() || last_day.is_empty() || x - last_x >= LABEL_WIDTH;
            if at >= self.start_us && is_free {
                last_x = x;
                canvas::line(area, (x, y), (x, y + 4), INK, 0.4, 1)?;
                let day = text::strftime(at, "%a %-d %b");
                if step < DAY_US {
                    let pattern = if step < 60_000_000 { "%H:%M:%S" } else { "%H:%M" };
                    canvas::text(area, &text::strftime(at, pattern), (x, y + 8), 11, (HPos::Center, VPos::Top), 0.75)?;
                    if day != last_day {
                        canvas::text(area, &day, (x, y + 22), 11, (HPos::Center, VPos::Top), 0.75)?;
                    }
                } else {
                    canvas::text(area, &day, (x, y + 8), 11, (HPos::Center, VPos::Top), 0.75)?;
                }
                last_day = day;
            }
            at += step;
        }
        for (from_us, _) in self.skips() {
            let x = self.x(from_us);
            canvas::line(area, (x - 4, y + 4), (x, y - 4), INK, 0.7, 1)?;
            canvas::line(area, (x, y + 4), (x + 4, y - 4), INK, 0.7, 1)?;
        }
        let zone_x = (last_x + 36).max(self.right + 8);
        canvas::text(area, "UTC", (zone_x, y + 8), 11, (HPos::Left, VPos::Top), 0.75)
    }

    /// Time between labels, µs, so that there are at most nine.
    fn step(&self) -> i64 {
        let span = self.shown_before(self.end_us).max(1);
        STEPS_S.iter().map(|seconds| seconds * 1_000_000).find(|step| span / step <= 8).unwrap_or(span / 8)
    }
}

const DAY_US: i64 = 86_400_000_000;
/// Least distance of two labels, pixels.
const LABEL_WIDTH: i32 = 34;

/// Round steps, seconds.
const STEPS_S: [i64; 22] = [
    1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_419_200,
    4_838_400, 31_536_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_span_has_few_labels() {
        for span_s in [1, 7, 59, 3_600, 90_000, 700_000, 40_000_000, 4_000_000_000] {
            let axis = TimeAxis {
                start_us: 1_700_000_000_000_000,
                end_us: 1_700_000_000_000_000 + span_s * 1_000_000,
                left: 0,
                right: 800,
                series: None,
            };
            assert!(span_s * 1_000_000 / axis.step() <= 9, "{span_s}");
        }
    }

    #[test]
    fn instants_become_pixels() {
        let axis = TimeAxis { start_us: 0, end_us: 1_000, left: 100, right: 200, series: None };
        assert_eq!((axis.x(0), axis.x(500), axis.x(5_000)), (100, 150, 200));
        assert_eq!((axis.bin(0, 4), axis.bin(4, 4)), (100, 200));
    }

    #[test]
    fn time_that_no_log_covers_takes_no_room() {
        const YEAR_S: f64 = 365.0 * 86_400.0;
        let skips = vec![wsim_profile::SeriesSkip { bin: 100, seconds: YEAR_S }];
        let series = Series { start_us: 0, bin_seconds: 1.0, skips, ..Series::default() };
        let axis = TimeAxis::of_series(&series, 200, 0, 200);
        assert_eq!((axis.x(50_000_000), axis.x(100_000_000), axis.x(axis.end_us - 50_000_000)), (50, 100, 150));
        assert_eq!(axis.x(100_000_000 + 86_400_000_000), 100, "in the gap");
        assert!(axis.step() <= 30_000_000, "labels are those of 200 s");
    }
}
