//! Demand by endpoint group over time, stacked.

use plotters::element::Polygon;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, ChartText, Drawn, GREY, HoverValues, INK, LEFT as EDGE, RIGHT, SERIES};
use super::labels::{self, Legend, Sign};
use super::time_axis::TimeAxis;
use crate::shared::escape;
use wsim_profile::{Profile, Series};
use wsim_text as text;

/// Stacked steps, in CPU cores if CPU is known, else in requests per second: the six groups with the largest demand, and all others together.
pub fn demand_over_time(profile: &Profile) -> String {
    let series = &profile.series;
    let layers = layers(series);
    let bins = layers.first().map_or(0, |layer| layer.values.len());
    let totals: Vec<f64> = (0..bins).map(|bin| layers.iter().map(|layer| layer.values[bin]).sum()).collect();
    let largest = totals.iter().copied().fold(0.0, f64::max);
    let unit = unit(series);
    let heaviest = layers.first().map_or("none", |layer| layer.name.as_str());
    let chart_text = ChartText {
        name: "demand-over-time",
        title: "Demand over time by endpoint group",
        summary: format!(
            "Stacked area chart. Largest value {} {unit} in a bin of {}; largest group: {heaviest}.",
            text::number(largest),
            text::duration(series.bin_seconds)
        ),
    };
    let legend = Legend::new(layers.iter().enumerate().map(|(index, layer)| (Sign::Square(colour(index), 0.9), layer.name.clone())));
    canvas::svg(&chart_text, BOTTOM + 44 + legend.height, |area, hovers| {
        let Some(ticks) = (bins > 0).then(|| canvas::ticks(largest)) else {
            return canvas::sentence(area, "The demand over time is unknown.");
        };
        let top = ticks.last().copied().unwrap_or(1.0);
        let y = |value: f64| canvas::interpolate(BOTTOM, TOP, value / top);
        for &tick in &ticks {
            canvas::line(area, (LEFT, y(tick)), (RIGHT, y(tick)), INK, 0.12, 1)?;
        }
        let numbers: Vec<(i32, String)> = ticks.iter().map(|&tick| (y(tick), labels::compact(tick))).collect();
        labels::ticks_beside(area, &numbers, LEFT - 6)?;
        canvas::text(area, unit, (EDGE, 8), 11, (HPos::Left, VPos::Center), 0.75)?;
        let axis = TimeAxis::of_series(series, bins, LEFT, RIGHT);
        stack(area, &layers, axis, &y)?;
        peak(area, profile, axis)?;
        legend.draw(area, BOTTOM + 42)?;
        axis.draw(area, BOTTOM)?;
        hover(hovers, series, &layers, &totals, axis);
        Ok(())
    })
}

/// The values that have one colour.
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

fn unit(series: &Series) -> &'static str {
    if series.cpu_seconds.is_empty() { "requests per second" } else { "CPU cores" }
}

/// Largest first; the last layer sums up the groups for which there is no colour.
fn layers(series: &Series) -> Vec<Layer> {
    let per_second = 1.0 / series.bin_seconds.max(1e-6);
    let finite = |value: f64| if value.is_finite() { value.max(0.0) * per_second } else { 0.0 };
    let rows: Vec<Vec<f64>> = if series.cpu_seconds.is_empty() {
        series.requests.iter().map(|row| row.iter().map(|&n| finite(n as f64)).collect()).collect()
    } else {
        series.cpu_seconds.iter().map(|row| row.iter().map(|&seconds| finite(seconds)).collect()).collect()
    };
    let bins = rows.iter().map(Vec::len).max().unwrap_or(0);
    let name = |index: usize| series.groups.get(index).map_or_else(String::new, |id| escape::page(id, 24));
    let mut layers: Vec<Layer> = rows
        .into_iter()
        .enumerate()
        .map(|(i, mut values)| {
            values.resize(bins, 0.0);
            Layer { name: name(i), values }
        })
        .collect();
    let total = |layer: &Layer| layer.values.iter().sum::<f64>();
    layers.sort_by(|a, b| total(b).total_cmp(&total(a)));
    if layers.len() > SERIES.len() + 1 {
        let rest = layers.split_off(SERIES.len());
        let values = (0..bins).map(|bin| rest.iter().map(|layer| layer.values[bin]).sum()).collect();
        layers.push(Layer { name: text::plural(rest.len() as u64, "other group", "other groups"), values });
    }
    layers
}

fn stack(area: &Area<'_>, layers: &[Layer], axis: TimeAxis<'_>, y: &dyn Fn(f64) -> i32) -> Drawn {
    let bins = layers.first().map_or(0, |layer| layer.values.len());
    let mut floor = vec![0.0; bins];
    for (index, layer) in layers.iter().enumerate() {
        let ceiling: Vec<f64> = floor.iter().zip(&layer.values).map(|(below, value)| below + value).collect();
        let steps = |heights: &[f64]| -> Vec<(i32, i32)> {
            heights
                .iter()
                .enumerate()
                .flat_map(|(bin, &height)| [(axis.bin(bin, bins), y(height)), (axis.bin(bin + 1, bins), y(height))])
                .collect()
        };
        let mut outline = steps(&ceiling);
        outline.extend(steps(&floor).into_iter().rev());
        area.draw(&Polygon::new(outline, colour(index).mix(0.9).filled()))?;
        floor = ceiling;
    }
    Ok(())
}

/// Shades the peak, widened if it would be too thin to see.
fn peak(area: &Area<'_>, profile: &Profile, axis: TimeAxis<'_>) -> Drawn {
    let window = profile.peaks.five_minutes.window;
    if window.end_us <= axis.start_us || window.start_us >= axis.end_us || window.end_us <= window.start_us {
        return Ok(());
    }
    let (from, to) = (axis.x(window.start_us), axis.x(window.end_us).max(axis.x(window.start_us) + 2));
    if to - from > (RIGHT - LEFT) * 9 / 10 {
        return Ok(()); // a log of five minutes is all peak
    }
    canvas::bar(area, (from, TOP - 6), (to, BOTTOM), INK, 0.12)?;
    let is_right = from > (LEFT + RIGHT) / 2;
    let (anchor, x) = if is_right { (HPos::Right, from - 3) } else { (HPos::Left, to + 3) };
    // The unit is above the axis at the left.
    let x = x.clamp(LEFT + 150, RIGHT - 34);
    canvas::text(area, "peak", (x, 8), 11, (anchor, VPos::Center), 0.85)
}

fn hover(hovers: &mut HoverValues, series: &Series, layers: &[Layer], totals: &[f64], axis: TimeAxis<'_>) {
    for (bin, total) in totals.iter().enumerate() {
        let when = text::date_time(series.bin_start_us(bin));
        let mut text = format!("{when} UTC: {} {}", text::number(*total), unit(series));
        for layer in layers.iter().filter(|layer| layer.values[bin] > 0.0) {
            text.push_str(&format!("\n{}: {}", layer.name, text::number(layer.values[bin])));
        }
        hovers.add((axis.bin(bin, totals.len()), TOP), (axis.bin(bin + 1, totals.len()), BOTTOM), &text);
    }
}

fn colour(index: usize) -> plotters::style::RGBColor {
    SERIES.get(index).copied().unwrap_or(GREY)
}

const LEFT: i32 = 46;
const TOP: i32 = 24;
const BOTTOM: i32 = 214;
