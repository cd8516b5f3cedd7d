//! Response times by endpoint group: median to 99th percentile on a logarithmic axis, long-poll waiting separately.

use plotters::element::Circle;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

use super::canvas::{self, Area, BLUE, ChartText, Drawn, GREY, HoverValues, LEFT, RIGHT};
use super::labels::{self, Legend, Sign};
use super::log_axis::LogAxis;
use crate::shared::escape;
use wsim_endpoints::groups;
use wsim_profile::{Profile, Quantiles};
use wsim_text as text;

/// Bars from p50 to p99 with a mark at p95, the groups with the largest share first; below, in grey, the time that long polls waited.
pub fn latency_by_group(profile: &Profile) -> String {
    let clients = || profile.groups.iter().filter(|group| !group.internal);
    let row = |id: &str, quantiles: Quantiles| {
        let description = groups::description(id);
        let description = if description.is_empty() { String::new() } else { format!(" ({description})") };
        Some(Row { name: escape::page(id, 26), description, quantiles: finite(quantiles)? })
    };
    let work: Vec<Row> = clients().filter_map(|group| row(&group.id, group.latency_ms?)).take(ROWS_MAX).collect();
    let waiting: Vec<Row> = clients().filter_map(|group| row(&group.id, group.waiting_ms?)).take(WAITING_MAX).collect();
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
    let legend = Legend::new([
        (Sign::Dot(BLUE), "p50 (median)".to_owned()),
        (Sign::Upright(BLUE), "p95".to_owned()),
        (Sign::Square(BLUE, 0.35), "up to p99".to_owned()),
    ]);
    let rows = i32::try_from(work.len() + waiting.len()).unwrap_or(0);
    let gap = if waiting.is_empty() { 0 } else { 26 };
    let top = legend.height + 6;
    let bottom = top + rows * ROW_HEIGHT + gap;
    canvas::svg(&chart_text, bottom + 26, |area, hovers| {
        if rows == 0 {
            return canvas::sentence(area, "The log contains no durations.");
        }
        let ends = work.iter().chain(&waiting).flat_map(|row| [row.quantiles.p50, row.quantiles.p99]);
        let axis = LogAxis::from_values(ends, LEFT + 6, RIGHT - 6);
        axis.draw(area, top, bottom)?;
        legend.draw(area, 0)?;
        for (index, row) in (0_i32..).zip(&work) {
            row.draw(area, hovers, &axis, top + index * ROW_HEIGHT, BLUE)?;
        }
        let start = top + (rows - i32::try_from(waiting.len()).unwrap_or(0)) * ROW_HEIGHT + gap;
        if gap > 0 {
            canvas::text(area, "Long-poll waiting (hardly any CPU)", (LEFT, start - 12), 12, (HPos::Left, VPos::Center), 0.75)?;
        }
        for (index, row) in (0_i32..).zip(&waiting) {
            row.draw(area, hovers, &axis, start + index * ROW_HEIGHT, GREY)?;
        }
        Ok(())
    })
}

struct Row {
    name: String,
    /// What the requests of the group are, in brackets; may be empty.
    description: String,
    quantiles: Quantiles,
}

impl Row {
    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, axis: &LogAxis, y: i32, colour: RGBColor) -> Drawn {
        let Quantiles { p50, p90, p95, p99, max, .. } = self.quantiles;
        let (from, mark, to) = (axis.x(p50), axis.x(p95), axis.x(p99));
        let middle = y + ROW_HEIGHT - 10;
        let values = [p50, p95, p99].map(text::milliseconds).join(" · ");
        labels::name_and_value(area, y + 7, &self.name, &values)?;
        canvas::bar(area, (from, middle - 4), (to.max(from + 1), middle + 4), colour, 0.35)?;
        area.draw(&Circle::new((from, middle), 4, colour.filled()))?;
        canvas::bar(area, (mark - 1, middle - 6), (mark + 2, middle + 6), colour, 1.0)?;
        let hover = format!(
            "{}{}\np50 {}\np90 {}\np95 {}\np99 {}\nmax {}",
            self.name,
            self.description,
            text::milliseconds(p50),
            text::milliseconds(p90),
            text::milliseconds(p95),
            text::milliseconds(p99),
            text::milliseconds(max)
        );
        hovers.add((LEFT, y), (RIGHT, y + ROW_HEIGHT), &hover);
        Ok(())
    }
}

/// The quantiles, if the drawn ones are finite and not negative.
fn finite(q: Quantiles) -> Option<Quantiles> {
    [q.p50, q.p95, q.p99].iter().all(|value| value.is_finite() && *value >= 0.0).then_some(q)
}

const ROWS_MAX: usize = 10;
const WAITING_MAX: usize = 3;
const ROW_HEIGHT: i32 = 34;
