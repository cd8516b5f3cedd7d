//! A horizontal time axis in UTC, with labels at round instants, as many as there is room for. Where a series leaves time out, the axis does too, and
//! marks it.

use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, Drawn, INK};
use super::labels;
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

    /// Draws ticks and labels below `y`: times, below them days, and the zone at the right end of the days.
    pub(super) fn draw(&self, area: &Area<'_>, y: i32) -> Drawn {
        canvas::line(area, (self.left, y), (self.right, y), INK, 0.4, 1)?;
        let step = self.step();
        let mut times: Vec<(i32, String)> = Vec::new();
        let mut days: Vec<(i32, String)> = Vec::new();
        let mut at = self.start_us.div_euclid(step) * step;
        while at <= self.end_us {
            if let Some((_, to_us)) = self.skips().find(|(from_us, to_us)| (*from_us..*to_us).contains(&at)) {
                // The first round instant after the time that is left out.
                at = -(-to_us).div_euclid(step) * step;
                continue;
            }
            if at >= self.start_us {
                let x = self.x(at);
                canvas::line(area, (x, y), (x, y + 4), INK, 0.4, 1)?;
                if step < DAY_US {
                    times.push((x, text::strftime(at, time_pattern(step))));
                }
                days.push((x, text::strftime(at, DAY_PATTERN)));
            }
            at += step;
        }
        for (from_us, _) in self.skips() {
            let x = self.x(from_us);
            canvas::line(area, (x - 4, y + 4), (x, y - 4), INK, 0.7, 1)?;
            canvas::line(area, (x, y + 4), (x + 4, y - 4), INK, 0.7, 1)?;
        }
        days.dedup_by(|next, day| next.1 == day.1);
        labels::ticks_along(area, &times, y + 7)?;
        let zone_start = self.right - labels::width(ZONE, labels::TICK_SIZE) - 8;
        days.retain(|(x, day)| x + labels::width(day, labels::TICK_SIZE) / 2 < zone_start);
        let second_line = y + 7 + labels::LINE_HEIGHT;
        labels::ticks_along(area, &days, if step < DAY_US { second_line } else { y + 7 })?;
        canvas::text(area, ZONE, (self.right, second_line), labels::TICK_SIZE, (HPos::Right, VPos::Top), 0.75)
    }

    /// Time between labels, µs, so that these fit.
    fn step(&self) -> i64 {
        let span = self.shown_before(self.end_us).max(1);
        let fits = |step: &i64| {
            let pattern = if *step < DAY_US { time_pattern(*step) } else { DAY_PATTERN };
            let wide = i64::from(labels::width(&text::strftime(self.start_us, pattern), labels::TICK_SIZE) + LABEL_GAP);
            span / step <= (i64::from(self.right - self.left) / wide).clamp(1, 8)
        };
        STEPS_S.iter().map(|seconds| seconds * 1_000_000).find(fits).unwrap_or(span / 2)
    }
}

fn time_pattern(step_us: i64) -> &'static str {
    if step_us < 60_000_000 { "%H:%M:%S" } else { "%H:%M" }
}

const DAY_PATTERN: &str = "%a %-d %b";
const ZONE: &str = "UTC";
const DAY_US: i64 = 86_400_000_000;
/// Between two labels, pixels.
const LABEL_GAP: i32 = 12;

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
        assert!(TimeAxis::of_series(&series, 200, 0, 600).step() <= 30_000_000, "labels are those of 200 s");
    }
}
