//! Response times by endpoint group: median to 99th percentile on a logarithmic axis, long-poll waiting separately.

use plotters::element::Circle;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

use super::canvas::{self, Area, BLUE, ChartText, Drawn, GREY, HoverValues};
use super::log_axis::LogAxis;
use crate::shared::escape;
use wsim_profile::{Profile, Quantiles};
use wsim_text as text;

/// Bars from p50 to p99 with a mark at p95; below, in grey, the time that long polls waited.
pub fn latency_by_group(profile: &Profile) -> String {
    let clients = || profile.groups.iter().filter(|group| !group.internal);
    let name = |id: &str| escape::page(id, 26);
    let work: Vec<Row> =
        clients().filter_map(|group| Some(Row { name: name(&group.id), quantiles: finite(group.latency_ms?)? })).take(ROWS_MAX).collect();
    let waiting: Vec<Row> =
        clients().filter_map(|group| Some(Row { name: name(&group.id), quantiles: finite(group.waiting_ms?)? })).take(6).collect();
    let chart_text = ChartText {
        name: "latency-by-group",
        title: "Response times by endpoint group",
        summary: work
            .iter()
            .take(4)
            .map(|row| {
                format!(
                    "{}: median {}, 95th percentile {}, 99th {}. ",
                    row.name,
                    text::milliseconds(row.quantiles.p50),
                    text::milliseconds(row.quantiles.p95),
                    text::milliseconds(row.quantiles.p99)
                )
            })
            .collect(),
    };
    let rows = i32::try_from(work.len() + waiting.len()).unwrap_or(0);
    let gap = if waiting.is_empty() { 0 } else { 40 };
    let bottom = TOP + rows * ROW_HEIGHT + gap;
    canvas::svg(&chart_text, (WIDTH, u32::try_from(bottom + 44).unwrap_or(200)), |area, hovers| {
        if rows == 0 {
            return canvas::text(area, "The log contains no durations.", (20, 40), 13, (HPos::Left, VPos::Top), 0.8);
        }
        let axis = LogAxis::from_values(work.iter().chain(&waiting).flat_map(|row| [row.quantiles.p50, row.quantiles.p99]), LEFT, RIGHT);
        axis.draw(area, TOP - 6, bottom)?;
        key(area)?;
        for (index, row) in (0_i32..).zip(&work) {
            row.draw(area, hovers, &axis, TOP + index * ROW_HEIGHT, BLUE)?;
        }
        let start = TOP + (rows - i32::try_from(waiting.len()).unwrap_or(0)) * ROW_HEIGHT + gap;
        if gap > 0 {
            canvas::text(area, "Long-poll waiting (hardly any CPU)", (LEFT, start - 14), 12, (HPos::Left, VPos::Center), 0.75)?;
        }
        for (index, row) in (0_i32..).zip(&waiting) {
            row.draw(area, hovers, &axis, start + index * ROW_HEIGHT, GREY)?;
        }
        Ok(())
    })
}

struct Row {
    name: String,
    quantiles: Quantiles,
}

impl Row {
    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, axis: &LogAxis, y: i32, colour: RGBColor) -> Drawn {
        let (p50, p95, p99) = (axis.x(self.quantiles.p50), axis.x(self.quantiles.p95), axis.x(self.quantiles.p99));
        let middle = y + ROW_HEIGHT / 2;
        canvas::text(area, &self.name, (LEFT - 10, middle), 13, (HPos::Right, VPos::Center), 1.0)?;
        canvas::bar(area, (p50, middle - 4), (p99.max(p50 + 1), middle + 4), colour, 0.35)?;
        area.draw(&Circle::new((p50, middle), 5, colour.filled()))?;
        canvas::bar(area, (p95 - 1, middle - 8), (p95 + 2, middle + 8), colour, 1.0)?;
        let values = format!(
            "{} · {} · {}",
            text::milliseconds(self.quantiles.p50),
            text::milliseconds(self.quantiles.p95),
            text::milliseconds(self.quantiles.p99)
        );
        canvas::text(area, &values, (RIGHT + 16, middle), 11, (HPos::Left, VPos::Center), 0.9)?;
        hovers.add(
            (0, y),
            (RIGHT, y + ROW_HEIGHT),
            &format!(
                "{}\np50 {}\np90 {}\np95 {}\np99 {}\nmax {}",
                self.name,
                text::milliseconds(self.quantiles.p50),
                text::milliseconds(self.quantiles.p90),
                text::milliseconds(self.quantiles.p95),
                text::milliseconds(self.quantiles.p99),
                text::milliseconds(self.quantiles.max)
            ),
        );
        Ok(())
    }
}

fn key(area: &Area<'_>) -> Drawn {
    let y = 18;
    area.draw(&Circle::new((LEFT + 6, y), 5, BLUE.filled()))?;
    canvas::text(area, "median", (LEFT + 18, y), 12, (HPos::Left, VPos::Center), 0.9)?;
    canvas::bar(area, (LEFT + 84, y - 8), (LEFT + 87, y + 8), BLUE, 1.0)?;
    canvas::text(area, "95th percentile", (LEFT + 96, y), 12, (HPos::Left, VPos::Center), 0.9)?;
    canvas::bar(area, (LEFT + 204, y - 4), (LEFT + 240, y + 4), BLUE, 0.35)?;
    canvas::text(area, "up to the 99th", (LEFT + 248, y), 12, (HPos::Left, VPos::Center), 0.9)?;
    canvas::text(area, "p50 · p95 · p99", (RIGHT + 16, y), 11, (HPos::Left, VPos::Center), 0.75)
}

/// The quantiles, if the drawn ones are finite and not negative.
fn finite(q: Quantiles) -> Option<Quantiles> {
    [q.p50, q.p95, q.p99].iter().all(|value| value.is_finite() && *value >= 0.0).then_some(q)
}

const ROWS_MAX: usize = 16;
const WIDTH: u32 = 960;
const LEFT: i32 = 190;
const RIGHT: i32 = 730;
const TOP: i32 = 44;
const ROW_HEIGHT: i32 = 28;
