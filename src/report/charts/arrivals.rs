//! When requests arrive: by weekday and hour, or over time if the log is short.

use plotters::element::Polygon;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, BLUE, ChartText, INK, RIGHT};
use super::labels;
use super::time_axis::TimeAxis;
use crate::shared::share;
use wsim_profile::Profile;
use wsim_text as text;

/// A heat map of weekday × hour in the profile's time zone; for a log shorter than two days, the rate of arrivals over time.
pub fn arrivals(profile: &Profile) -> String {
    if covers_a_week_rhythm(profile) { week(profile) } else { rate(profile) }
}

/// Whether the log is long enough to show a rhythm by weekday and hour.
pub fn covers_a_week_rhythm(profile: &Profile) -> bool {
    profile.observed_seconds() >= 2.0 * 86_400.0 && profile.series.week.iter().flatten().any(|&count| count > 0)
}

fn week(profile: &Profile) -> String {
    let week = &profile.series.week;
    let largest = week.iter().flatten().copied().max().unwrap_or(0);
    let cells = || {
        week.iter()
            .take(7)
            .enumerate()
            .flat_map(|(day, hours)| hours.iter().take(24).enumerate().map(move |(hour, &count)| (day, hour, count)))
    };
    let (day, hour, _) = cells().max_by_key(|&(.., count)| count).unwrap_or((0, 0, 0));
    let chart_text = ChartText {
        name: "arrivals",
        title: "Arrivals by weekday and hour",
        summary: format!("Heat map. Most requests on {} from {hour}:00 to {}:00: {}.", DAYS[day], hour + 1, text::count(largest)),
    };
    canvas::svg(&chart_text, 190, |area, hovers| {
        let (left, top, wide, high) = (44, 26, 16, 18);
        for (row, name) in (0_i32..).zip(DAYS) {
            canvas::text(area, name, (left - 8, top + row * high + high / 2), 11, (HPos::Right, VPos::Center), 0.9)?;
        }
        let hours = (0..24_i32).step_by(4).map(|hour| (left + hour * wide + wide / 2, format!("{hour:02}:00")));
        labels::ticks_along(area, &hours.collect::<Vec<_>>(), 6)?;
        for (day, hour, count) in cells() {
            let (x, y) = (left + i32::try_from(hour).unwrap_or(0) * wide, top + i32::try_from(day).unwrap_or(0) * high);
            let share = share(count as f64, largest as f64);
            canvas::bar(
                area,
                (x, y),
                (x + wide - 1, y + high - 1),
                if count == 0 { INK } else { BLUE },
                if count == 0 { 0.05 } else { 0.08 + 0.92 * share },
            )?;
            hovers.add(
                (x, y),
                (x + wide, y + high),
                &format!("{} {hour:02}:00–{:02}:00: {}", DAYS[day], hour + 1, text::plural(count, "request", "requests")),
            );
        }
        draw_colour_scale(area, (left, top + 7 * high + 16), &text::plural(largest, "request", "requests"))
    })
}

/// Draws the scale of a heat map, from none to the value that `most` describes.
pub(super) fn draw_colour_scale(area: &canvas::Area<'_>, (x, y): (i32, i32), most: &str) -> canvas::Drawn {
    canvas::text(area, "none", (x, y + 6), 11, (HPos::Left, VPos::Center), 0.75)?;
    for step in 0..8_i32 {
        canvas::bar(area, (x + 36 + step * 12, y), (x + 48 + step * 12, y + 12), BLUE, 0.08 + 0.92 * f64::from(step) / 7.0)?;
    }
    let start = x + 140;
    canvas::text(area, &labels::fitted(most, 11, RIGHT - start), (start, y + 6), 11, (HPos::Left, VPos::Center), 0.75)
}

fn rate(profile: &Profile) -> String {
    let series = &profile.series;
    let bins = series.requests.iter().map(Vec::len).max().unwrap_or(0);
    let seconds = series.bin_seconds.max(1e-6);
    // Requests between processes arrive because of others.
    let internal = |id: &String| profile.groups.iter().any(|group| group.internal && group.id == *id);
    let rows: Vec<&Vec<u64>> =
        series.requests.iter().zip(&series.groups).filter(|(_, id)| !internal(id)).map(|(requests, _)| requests).collect();
    let rates: Vec<f64> = (0..bins).map(|bin| rows.iter().filter_map(|row| row.get(bin)).sum::<u64>() as f64 / seconds).collect();
    let largest = rates.iter().copied().fold(0.0, f64::max);
    let mean = share(rates.iter().sum(), bins as f64);
    let chart_text = ChartText {
        name: "arrivals",
        title: "Arrivals over time",
        summary: format!(
            "Requests per second: mean {}, at most {} over {}.",
            text::number(mean),
            text::number(largest),
            text::duration(series.bin_seconds)
        ),
    };
    canvas::svg(&chart_text, 224, |area, hovers| {
        let (left, right, top, bottom) = (46, RIGHT, 24, 184);
        if bins == 0 {
            return canvas::sentence(area, "The log contains no arrivals over time.");
        }
        let ticks = canvas::ticks(largest);
        let y = |value: f64| canvas::interpolate(bottom, top, value / ticks.last().copied().unwrap_or(1.0));
        for &tick in &ticks {
            canvas::line(area, (left, y(tick)), (right, y(tick)), INK, 0.12, 1)?;
        }
        let numbers: Vec<(i32, String)> = ticks.iter().map(|&tick| (y(tick), labels::compact(tick))).collect();
        labels::ticks_beside(area, &numbers, left - 6)?;
        canvas::text(area, "requests per second", (canvas::LEFT, 8), 11, (HPos::Left, VPos::Center), 0.75)?;
        let axis = TimeAxis::of_series(series, bins, left, right);
        let mut outline = vec![(left, bottom)];
        for (bin, &value) in rates.iter().enumerate() {
            outline.extend([(axis.bin(bin, bins), y(value)), (axis.bin(bin + 1, bins), y(value))]);
            let when = text::date_time(series.bin_start_us(bin));
            hovers.add(
                (axis.bin(bin, bins), top),
                (axis.bin(bin + 1, bins), bottom),
                &format!("{when} UTC: {} requests per second", text::number(value)),
            );
        }
        outline.push((right, bottom));
        area.draw(&Polygon::new(outline, BLUE.mix(0.8).filled()))?;
        canvas::line(area, (left, y(mean)), (right, y(mean)), INK, 0.7, 1)?;
        let mean_text = format!("line: mean {}", text::number(mean));
        canvas::text(area, &mean_text, (right, 8), 11, (HPos::Right, VPos::Center), 0.85)?;
        axis.draw(area, bottom)
    })
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
