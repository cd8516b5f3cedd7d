//! When requests arrive: by weekday and hour, or over time if the log is short.

use plotters::element::Polygon;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, BLUE, ChartText, INK};
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
    canvas::svg(&chart_text, (960, 300), |area, hovers| {
        let (left, top, wide, high) = (60, 34, 35, 32);
        for (row, name) in (0_i32..).zip(DAYS) {
            canvas::text(area, name, (left - 10, top + row * high + high / 2), 12, (HPos::Right, VPos::Center), 0.9)?;
        }
        for hour in (0..24_i32).step_by(3) {
            canvas::text(area, &format!("{hour:02}:00"), (left + hour * wide, top - 10), 11, (HPos::Left, VPos::Center), 0.75)?;
        }
        for (day, hour, count) in cells() {
            let (x, y) = (left + i32::try_from(hour).unwrap_or(0) * wide, top + i32::try_from(day).unwrap_or(0) * high);
            let share = share(count as f64, largest as f64);
            canvas::bar(
                area,
                (x, y),
                (x + wide - 2, y + high - 2),
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
    for step in 0..10_i32 {
        canvas::bar(area, (x + 34 + step * 16, y), (x + 50 + step * 16, y + 12), BLUE, 0.08 + 0.92 * f64::from(step) / 9.0)?;
    }
    canvas::text(area, most, (x + 202, y + 6), 11, (HPos::Left, VPos::Center), 0.75)
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
    canvas::svg(&chart_text, (960, 260), |area, hovers| {
        let (left, right, top, bottom) = (56, 860, 34, 216);
        if bins == 0 {
            return canvas::text(area, "The log contains no arrivals over time.", (20, 40), 13, (HPos::Left, VPos::Top), 0.8);
        }
        let ticks = canvas::ticks(largest);
        let y = |value: f64| canvas::interpolate(bottom, top, value / ticks.last().copied().unwrap_or(1.0));
        for &tick in &ticks {
            canvas::line(area, (left, y(tick)), (right, y(tick)), INK, 0.12, 1)?;
            canvas::text(area, &text::tick(tick), (left - 8, y(tick)), 11, (HPos::Right, VPos::Center), 0.75)?;
        }
        canvas::text(area, "requests per second", (left - 8, top - 20), 11, (HPos::Left, VPos::Center), 0.75)?;
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
        canvas::text(area, &format!("mean {}", text::number(mean)), (right + 6, y(mean)), 11, (HPos::Left, VPos::Center), 0.85)?;
        axis.draw(area, bottom)
    })
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
