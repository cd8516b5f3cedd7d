//! Response times over time as a heat map.

use plotters::style::text_anchor::{HPos, VPos};

use super::arrivals::draw_colour_scale;
use super::canvas::{self, BLUE, ChartText, INK, RIGHT};
use super::labels;
use super::log_axis::time_label;
use super::time_axis::TimeAxis;
use wsim_profile::{LATENCY_BUCKETS_MS, Profile};
use wsim_text as text;

/// Time horizontally, response times in logarithmic ranges vertically, the number of requests as strength of colour on a logarithmic scale.
pub fn latency_over_time(profile: &Profile) -> String {
    let series = &profile.series;
    let heat: Vec<&Vec<u64>> = series.latency_heat.iter().take(LATENCY_BUCKETS_MS.len()).collect();
    let bins = heat.iter().map(|row| row.len()).max().unwrap_or(0);
    let columns = columns(bins);
    let count = |row: &[u64], column: usize| -> u64 { row.iter().skip(column * columns.width).take(columns.width).sum() };
    let largest = heat.iter().flat_map(|row| (0..columns.count).map(|column| count(row, column))).max().unwrap_or(0);
    let busiest = heat.iter().enumerate().max_by_key(|(_, row)| row.iter().sum::<u64>()).map_or(0, |(bucket, _)| bucket);
    let chart_text = ChartText {
        name: "latency-over-time",
        title: "Response times over time",
        summary: format!("Heat map of {} ranges of response times. Most requests took {}.", heat.len(), label(busiest)),
    };
    let rows = i32::try_from(heat.len()).unwrap_or(0);
    let bottom = TOP + rows * ROW_HEIGHT;
    canvas::svg(&chart_text, bottom + 66, |area, hovers| {
        let axis = TimeAxis::of_series(series, bins, LEFT, RIGHT);
        canvas::text(area, "response time (logarithmic)", (canvas::LEFT, 8), 11, (HPos::Left, VPos::Center), 0.75)?;
        let top_of = |bucket: usize| bottom - (i32::try_from(bucket).unwrap_or(0) + 1) * ROW_HEIGHT;
        let edges = LATENCY_BUCKETS_MS.iter().enumerate().skip(1).take(heat.len().saturating_sub(1));
        let edges: Vec<(i32, String)> = edges.map(|(bucket, ms)| (top_of(bucket) + ROW_HEIGHT, time_label(*ms))).collect();
        labels::ticks_beside(area, &edges, LEFT - 6)?;
        for (y, _) in &edges {
            canvas::line(area, (LEFT - 3, *y), (RIGHT, *y), INK, 0.1, 1)?;
        }
        let pixel = |column: usize| axis.bin((column * columns.width).min(bins), bins);
        for (bucket, row) in heat.iter().enumerate() {
            let y = top_of(bucket);
            for (column, requests) in (0..columns.count).map(|column| (column, count(row, column))).filter(|(_, requests)| *requests > 0) {
                let share = ((requests + 1) as f64).ln() / ((largest + 1) as f64).ln();
                let (from, to) = (pixel(column), pixel(column + 1));
                canvas::bar(area, (from, y + 1), (to.max(from + 1), y + ROW_HEIGHT), BLUE, 0.08 + 0.92 * share * share)?;
            }
        }
        for column in 0..columns.count {
            let lines: Vec<String> = (0..heat.len())
                .rev()
                .map(|bucket| (bucket, count(heat[bucket], column)))
                .filter(|(_, requests)| *requests > 0)
                .map(|(bucket, requests)| format!("{}: {}", label(bucket), text::count(requests)))
                .collect();
            let when = text::date_time(series.bin_start_us(column * columns.width));
            hovers.add((pixel(column), TOP), (pixel(column + 1), bottom), &format!("{when} UTC\n{}", lines.join("\n")));
        }
        axis.draw(area, bottom)?;
        draw_colour_scale(area, (canvas::LEFT, bottom + 46), &format!("{} requests per cell (logarithmic)", text::count(largest)))
    })
}

/// Columns of equal width; several bins share one that would be too narrow to see.
struct Columns {
    count: usize,
    /// Bins of a column.
    width: usize,
}

fn columns(bins: usize) -> Columns {
    let width = bins.div_ceil(COLUMNS_MAX).max(1);
    Columns { count: bins.div_ceil(width), width }
}

/// `5–10 ms`, `1–5 s`, `5 s and more`.
fn label(bucket: usize) -> String {
    let unit = |ms: f64| if ms >= 1000.0 { format!("{} s", ms / 1000.0) } else { format!("{ms} ms") };
    let low = LATENCY_BUCKETS_MS.get(bucket).copied().unwrap_or(0.0);
    match LATENCY_BUCKETS_MS.get(bucket + 1) {
        None => format!("{} and more", unit(low)),
        Some(&high) if low == 0.0 => format!("under {}", unit(high)),
        Some(&high) if high < 1000.0 => format!("{low}–{}", unit(high)),
        Some(&high) if low >= 1000.0 => format!("{}–{}", low / 1000.0, unit(high)),
        Some(&high) => format!("{}–{}", unit(low), unit(high)),
    }
}

const COLUMNS_MAX: usize = 90;
const LEFT: i32 = 62;
const TOP: i32 = 22;
const ROW_HEIGHT: i32 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_readable_names() {
        let labels: Vec<String> = (0..LATENCY_BUCKETS_MS.len()).map(label).collect();
        assert_eq!(labels[0], "under 1 ms");
        assert_eq!(labels[4], "10–20 ms");
        assert_eq!(labels[9], "500 ms–1 s");
        assert_eq!(labels[10], "1–5 s");
        assert_eq!(labels[11], "5 s and more");
    }

    #[test]
    fn columns_hold_every_bin_and_are_wide_enough_to_see() {
        for bins in [0, 1, 89, 90, 91, 240] {
            let columns = columns(bins);
            assert!(columns.count * columns.width >= bins && columns.count <= COLUMNS_MAX, "{bins}");
        }
        assert_eq!(columns(240).width, 3);
    }
}
