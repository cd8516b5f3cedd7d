//! A figure of several runs over time, with its trend and the prediction interval.

use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::canvas::{self, BLUE, ChartText, INK, RIGHT};
use super::labels;
use super::time_axis::TimeAxis;
use wsim_stats::Interval;
use wsim_text as text;

/// What is drawn of a figure that several runs measured.
pub struct GrowthData<'a> {
    pub name: &'static str,
    pub title: &'static str,
    /// Of the values; `None`: they are shares of a limit, which is drawn as a dashed line at 100 %.
    pub unit: Option<&'static str>,
    /// Begin and end of each run, µs since the epoch, oldest first, with its value.
    pub runs: Vec<(i64, i64, f64)>,
    /// What to expect of a run at an instant; `None` without a trend.
    pub expected_at: &'a dyn Fn(i64) -> Option<Interval>,
}

/// A point for each run, the fitted line and its band until half a year after the last run.
pub fn growth(data: &GrowthData<'_>) -> String {
    let GrowthData { name, title, unit, runs, expected_at } = data;
    let is_share = unit.is_none();
    let format = |value: f64| unit.map_or_else(|| text::percent(value), |unit| format!("{} {unit}", text::number(value)));
    let start_us = runs.first().map_or(0, |run| run.0);
    let last_us = runs.last().map_or(start_us, |run| run.1);
    let end_us = last_us + AHEAD_US;
    let chart_text = ChartText {
        name,
        title,
        summary: runs
            .iter()
            .map(|(start_us, _, value)| format!("{}: {}. ", text::strftime(*start_us, "%Y-%m-%d"), format(*value)))
            .collect(),
    };
    let points_max = runs.iter().map(|run| run.2).fold(if is_share { 1.0 } else { 0.0 }, f64::max);
    // A band that is far wider than the values would flatten them.
    let fitted_max = expected_at(end_us).map_or(0.0, |at| at.value.max(at.high.min(points_max * 2.0)));
    let ticks = canvas::ticks(points_max.max(fitted_max.min(points_max * 4.0)));
    let top_value = ticks.last().copied().unwrap_or(1.0);
    canvas::svg(&chart_text, BOTTOM + 44, |area, hovers| {
        let y = |value: f64| canvas::interpolate(BOTTOM, TOP, value / top_value);
        let axis = TimeAxis { start_us, end_us, left: LEFT, right: RIGHT, series: None };
        canvas::text(area, unit.unwrap_or("of the first limit"), (canvas::LEFT, 8), 11, (HPos::Left, VPos::Center), 0.75)?;
        let numbers: Vec<(i32, String)> =
            ticks.iter().map(|&tick| (y(tick), if is_share { text::percent(tick) } else { labels::compact(tick) })).collect();
        for (at, _) in &numbers {
            canvas::line(area, (LEFT, *at), (RIGHT, *at), INK, 0.12, 1)?;
        }
        labels::ticks_beside(area, &numbers, LEFT - 6)?;
        let steps: Vec<(i32, Interval)> = (0..=STEPS)
            .filter_map(|step| {
                let at_us = start_us + (end_us - start_us) / STEPS * step;
                Some((axis.x(at_us), expected_at(at_us)?))
            })
            .collect();
        if !steps.is_empty() {
            let upper = steps.iter().map(|(x, at)| (*x, y(at.high)));
            let lower = steps.iter().rev().map(|(x, at)| (*x, y(at.low)));
            area.draw(&Polygon::new(upper.chain(lower).collect::<Vec<_>>(), BLUE.mix(0.18).filled()))?;
            let line: Vec<(i32, i32)> = steps.iter().map(|(x, at)| (*x, y(at.value))).collect();
            area.draw(&PathElement::new(line, ShapeStyle { color: BLUE.mix(0.8), filled: false, stroke_width: 2 }))?;
        }
        if is_share {
            canvas::dashes(area, (LEFT, y(1.0)), (RIGHT, y(1.0)), 0.8)?;
        }
        for (from_us, to_us, value) in runs {
            let x = axis.x(i64::midpoint(*from_us, *to_us));
            area.draw(&Circle::new((x, y(*value)), 4, BLUE.filled()))?;
            let when = text::strftime(*from_us, "%Y-%m-%d");
            hovers.add((x - 5, TOP), (x + 5, BOTTOM), &format!("{when}: {}", format(*value)));
        }
        for weeks in FORECAST_WEEKS {
            let at_us = last_us + weeks * WEEK_US;
            if let Some(at) = expected_at(at_us) {
                let range = text::range::between(&format(at.low), &format(at.high));
                let words = format!("{}: {} expected ({range})", text::strftime(at_us, "%Y-%m-%d"), format(at.value));
                hovers.add((axis.x(at_us) - 5, TOP), (axis.x(at_us) + 5, BOTTOM), &words);
            }
        }
        axis.draw(area, BOTTOM)
    })
}

const WEEK_US: i64 = 7 * 86_400_000_000;
/// How far ahead the trend is drawn.
const AHEAD_US: i64 = 26 * WEEK_US;
const STEPS: i64 = 60;
/// Forecasts whose values are shown, weeks after the end of the last run.
const FORECAST_WEEKS: [i64; 4] = [4, 8, 13, 25];
const LEFT: i32 = 50;
const TOP: i32 = 24;
const BOTTOM: i32 = 204;
