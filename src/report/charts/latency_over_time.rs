//! Response times over time as a heat map.

use plotters::style::text_anchor::{HPos, VPos};

use super::arrivals::draw_colour_scale;
use super::canvas::{self, BLUE, ChartText, INK};
use super::time_axis::TimeAxis;
use wsim_profile::{LATENCY_BUCKETS_MS, Profile};
use wsim_text as text;

/// Time horizontally, response times vertically, the number of requests as strength of colour on a logarithmic scale.
pub fn latency_over_time(profile: &Profile) -> String {
    let series = &profile.series;
    let heat: Vec<&Vec<u64>> = series.latency_heat.iter().take(LATENCY_BUCKETS_MS.len()).collect();
    let bins = heat.iter().map(|row| row.len()).max().unwrap_or(0);
    let largest = heat.iter().flat_map(|row| row.iter()).copied().max().unwrap_or(0);
    let busiest = heat.iter().enumerate().max_by_key(|(_, row)| row.iter().sum::<u64>()).map_or(0, |(bucket, _)| bucket);
    let chart_text = ChartText {
        name: "latency-over-time",
        title: "Response times over time",
        summary: format!("Heat map of {} ranges of response times. Most requests took {}.", heat.len(), label(busiest)),
    };
    let rows = i32::try_from(heat.len()).unwrap_or(0);
    let bottom = TOP + rows * ROW_HEIGHT;
    canvas::svg(&chart_text, (960, u32::try_from(bottom + 76).unwrap_or(300)), |area, hovers| {
        let axis = TimeAxis::of_series(series, bins, LEFT, RIGHT);
        for (bucket, row) in heat.iter().enumerate() {
            let y = bottom - (i32::try_from(bucket).unwrap_or(0) + 1) * ROW_HEIGHT;
            canvas::text(area, &label(bucket), (LEFT - 10, y + ROW_HEIGHT / 2), 11, (HPos::Right, VPos::Center), 0.85)?;
            canvas::line(area, (LEFT, y), (RIGHT, y), INK, 0.06, 1)?;
            for (bin, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                let share = ((count + 1) as f64).ln() / ((largest + 1) as f64).ln();
                canvas::bar(
                    area,
                    (axis.bin(bin, bins), y + 1),
                    (axis.bin(bin + 1, bins), y + ROW_HEIGHT),
                    BLUE,
                    0.08 + 0.92 * share * share,
                )?;
            }
        }
        for bin in 0..bins {
            let lines: Vec<String> = (0..heat.len())
                .rev()
                .filter_map(|bucket| {
                    heat[bucket].get(bin).filter(|count| **count > 0).map(|&count| format!("{}: {}", label(bucket), text::count(count)))
                })
                .collect();
            let when = text::date_time(series.bin_start_us(bin));
            hovers.add((axis.bin(bin, bins), TOP), (axis.bin(bin + 1, bins), bottom), &format!("{when} UTC\n{}", lines.join("\n")));
        }
        axis.draw(area, bottom)?;
        draw_colour_scale(area, (LEFT, bottom + 50), &format!("{} requests per cell (logarithmic)", text::count(largest)))
    })
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

const LEFT: i32 = 100;
const RIGHT: i32 = 880;
const TOP: i32 = 14;
const ROW_HEIGHT: i32 = 20;

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
}
