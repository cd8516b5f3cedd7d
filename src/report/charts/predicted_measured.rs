//! Predicted against measured: a dumbbell for the median and one for the 95th percentile of each group, on a logarithmic axis.

use plotters::element::Circle;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::Chart;
use super::canvas::{self, Area, BLUE, Drawn, GREY, Hovers, INK, RED, Words};
use crate::report::{escape, format};
use crate::stats::Interval;

/// A group with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Group id.
    pub name: String,
    /// Median, ms.
    pub p50: Option<Dumbbell>,
    /// 95th percentile, ms.
    pub p95: Option<Dumbbell>,
}

/// A figure both ways, ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dumbbell {
    predicted: Interval,
    measured: f64,
}

impl Dumbbell {
    /// The two ends, if both are known and above 0, as a logarithmic axis needs it.
    pub fn of(predicted: Option<Interval>, measured: Option<Interval>) -> Option<Self> {
        let sane = |value: f64| value.is_finite() && value > 0.0;
        let (predicted, measured) = (predicted?, measured?.value);
        (sane(predicted.value) && sane(measured)).then_some(Self { predicted, measured })
    }

    /// Predicted over measured, less 1.
    fn error(self) -> f64 {
        self.predicted.value / self.measured - 1.0
    }
}

/// The chart, if any group has both ends.
pub fn predicted(mut rows: Vec<Predicted>) -> Vec<Chart> {
    rows.retain(|row| row.p50.is_some() || row.p95.is_some());
    rows.truncate(ROWS_MAX);
    if rows.is_empty() {
        return Vec::new();
    }
    vec![Chart {
        name: "predicted-measured",
        title: "Predicted against measured",
        caption: "Work by endpoint group, median above 95th percentile; logarithmic axis. The whisker is the predicted 95 % interval, the figures on the right are the errors.".to_owned(),
        svg: svg(&rows),
    }]
}

fn svg(rows: &[Predicted]) -> String {
    let name = |row: &Predicted| escape::page(&row.name, 26);
    let error = |one: Option<Dumbbell>| one.map_or_else(|| format::UNKNOWN.to_owned(), |one| format!("{:+.0} %", one.error() * 100.0));
    let words = Words {
        name: "predicted-measured",
        title: "Predicted against measured",
        summary: rows.iter().map(|row| format!("{}: median {}, 95th percentile {}. ", name(row), error(row.p50), error(row.p95))).collect(),
    };
    let bottom = TOP + PITCH * i32::try_from(rows.len()).unwrap_or(0);
    canvas::svg(&words, (960, u32::try_from(bottom + 40).unwrap_or(200)), |area, hovers| {
        let scale = Scale::over(rows);
        scale.draw(area, bottom)?;
        key(area)?;
        for (row, place) in rows.iter().zip(0_i32..) {
            let y = TOP + place * PITCH;
            canvas::text(area, &name(row), (LEFT - 10, y + PITCH / 2), 13, (HPos::Right, VPos::Center), 1.0)?;
            for (label, one, middle) in [("p50", row.p50, y + 12), ("p95", row.p95, y + 28)] {
                if let Some(one) = one {
                    one.draw(area, hovers, &scale, middle, &format!("{} {label}", name(row)))?;
                    let text = format!("{label} {}", error(Some(one)));
                    canvas::text(area, &text, (RIGHT + 16, middle), 11, (HPos::Left, VPos::Center), 0.9)?;
                }
            }
        }
        Ok(())
    })
}

impl Dumbbell {
    fn draw(self, area: &Area<'_>, hovers: &mut Hovers, scale: &Scale, y: i32, name: &str) -> Drawn {
        let (predicted, measured) = (scale.x(self.predicted.value), scale.x(self.measured));
        canvas::bar(area, (predicted.min(measured), y - 1), (predicted.max(measured), y + 1), GREY, 0.6)?;
        canvas::line(area, (scale.x(self.predicted.low), y), (scale.x(self.predicted.high), y), BLUE, 0.9, 1)?;
        canvas::bar(area, (predicted - 4, y - 4), (predicted + 4, y + 4), BLUE, 1.0)?;
        area.draw(&Circle::new((measured, y), 4, RED.filled()))?;
        let text = format!("{name}: predicted {} ms, measured {}", format::range(self.predicted), format::milliseconds(self.measured));
        hovers.add((LEFT, y - 8), (RIGHT, y + 8), &text);
        Ok(())
    }
}

/// Whole powers of ten, ms.
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    #[expect(clippy::cast_possible_truncation, reason = "an exponent of ten of an f64 is below 400")]
    fn over(rows: &[Predicted]) -> Self {
        let ends = rows.iter().flat_map(|row| [row.p50, row.p95]).flatten().flat_map(|one| [one.predicted.value, one.measured]);
        let (low, high) = ends.fold((f64::INFINITY, SMALLEST_MS), |(low, high), value| (low.min(value), high.max(value)));
        let low = low.max(SMALLEST_MS).log10().floor() as i32;
        let high = high.log10().ceil() as i32;
        Self { low, high: high.max(low + 1) }
    }

    fn x(&self, ms: f64) -> i32 {
        canvas::along(LEFT, RIGHT, (ms.max(SMALLEST_MS).log10() - f64::from(self.low)) / f64::from(self.high - self.low))
    }

    fn draw(&self, area: &Area<'_>, bottom: i32) -> Drawn {
        for power in self.low..=self.high {
            let ms = 10_f64.powi(power);
            let x = self.x(ms);
            canvas::line(area, (x, TOP - 6), (x, bottom + 4), INK, 0.14, 1)?;
            let label = if ms < 1000.0 { format!("{ms} ms") } else { format!("{} s", ms / 1000.0) };
            canvas::text(area, &label, (x, bottom + 10), 11, (HPos::Center, VPos::Top), 0.75)?;
        }
        Ok(())
    }
}

fn key(area: &Area<'_>) -> Drawn {
    let y = 16;
    canvas::bar(area, (LEFT + 2, y - 4), (LEFT + 10, y + 4), BLUE, 1.0)?;
    canvas::text(area, "predicted", (LEFT + 18, y), 12, (HPos::Left, VPos::Center), 0.9)?;
    area.draw(&Circle::new((LEFT + 104, y), 4, RED.filled()))?;
    canvas::text(area, "measured", (LEFT + 116, y), 12, (HPos::Left, VPos::Center), 0.9)
}

const SMALLEST_MS: f64 = 0.01;
const ROWS_MAX: usize = 40;
const LEFT: i32 = 190;
const RIGHT: i32 = 790;
const TOP: i32 = 40;
const PITCH: i32 = 42;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bears_odd_numbers_and_hostile_names() {
        let end = |value: f64| Some(Interval::new(value, 0.0, f64::INFINITY));
        let row = |name: &str, predicted: f64, measured: f64| Predicted {
            name: name.to_owned(),
            p50: Dumbbell::of(end(predicted), end(measured)),
            p95: Dumbbell::of(end(f64::NAN), end(1.0)),
        };
        let charts = predicted(vec![row("<script>alert(1)</script>\u{202e}", 12.0, 10.0), row("gone", 0.0, 5.0)]);
        let svg = &charts[0].svg;
        assert!(svg.contains("+20 %") && svg.contains("<desc") && !svg.contains("gone"), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains('\u{202e}') && !svg.contains("NaN"));
        assert!(predicted(vec![row("gone", 0.0, 5.0)]).is_empty());
    }
}
