//! Predicted and measured figures, with the error.

use plotters::element::Circle;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, BLUE, ChartText, Drawn, GREY, HoverValues, INK, RED};
use super::log_axis::LogAxis;
use crate::shared::escape;
use wsim_stats::Interval;
use wsim_text as text;

/// A time that was predicted and measured.
#[derive(Debug, Clone)]
pub struct PredictedFigure {
    /// `sync, p95`.
    pub name: String,
    /// ms, with its uncertainty.
    pub predicted: Interval,
    /// ms.
    pub measured: f64,
    /// Whether the error is within the limit for a model; `None` if there is no limit.
    pub within_limit: Option<bool>,
}

/// One row for each figure on a logarithmic axis: the prediction as a bar over its uncertainty, the measurement as a dot, and the
/// error as text. Figures that are not positive are left out.
pub fn predicted_measured(figures: &[PredictedFigure]) -> String {
    let figures: Vec<&PredictedFigure> = figures.iter().filter(|figure| figure.is_positive()).take(ROWS_MAX).collect();
    let chart_text = ChartText {
        name: "compared",
        title: "Predicted and measured",
        summary: figures.iter().map(|figure| format!("{}. ", figure.description())).collect(),
    };
    let bottom = TOP + ROW_HEIGHT * i32::try_from(figures.len()).unwrap_or(0);
    canvas::svg(&chart_text, (960, u32::try_from(bottom + 40).unwrap_or(200)), |area, hovers| {
        if figures.is_empty() {
            return canvas::text(area, "No figure was both predicted and measured.", (20, 40), 13, (HPos::Left, VPos::Top), 0.8);
        }
        let ends = figures.iter().flat_map(|figure| [figure.predicted.low, figure.predicted.high, figure.measured]);
        let axis = LogAxis::from_values(ends, LEFT, RIGHT);
        axis.draw(area, TOP - 4, bottom)?;
        key(area)?;
        for (row, figure) in (0_i32..).zip(&figures) {
            figure.draw(area, hovers, &axis, TOP + row * ROW_HEIGHT)?;
        }
        Ok(())
    })
}

impl PredictedFigure {
    fn is_positive(&self) -> bool {
        let Interval { value, low, high } = self.predicted;
        [value, low, high, self.measured].iter().all(|value| value.is_finite()) && value > 0.0 && self.measured > 0.0
    }

    /// `+50 %` if the prediction is half again as high as the measurement.
    fn error(&self) -> String {
        format!("{:+.0} %", (self.predicted.value / self.measured - 1.0) * 100.0)
    }

    fn description(&self) -> String {
        let Interval { value, low, high } = self.predicted;
        format!(
            "{}: predicted {} ({}), measured {}, error {}",
            self.name,
            text::milliseconds(value),
            text::range::between(&text::milliseconds(low), &text::milliseconds(high)),
            text::milliseconds(self.measured),
            self.error()
        )
    }

    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, axis: &LogAxis, y: i32) -> Drawn {
        let middle = y + ROW_HEIGHT / 2;
        let colour = match self.within_limit {
            Some(true) => BLUE,
            Some(false) => RED,
            None => GREY,
        };
        let (low, value, high) = (axis.x(self.predicted.low), axis.x(self.predicted.value), axis.x(self.predicted.high));
        let measured = axis.x(self.measured);
        canvas::text(area, &escape::page(&self.name, 30), (LEFT - 10, middle), 12, (HPos::Right, VPos::Center), 1.0)?;
        canvas::line(area, (value.min(measured), middle), (value.max(measured), middle), INK, 0.35, 1)?;
        canvas::bar(area, (low, middle - 5), (high.max(low + 1), middle + 5), colour, 0.35)?;
        canvas::bar(area, (value - 1, middle - 8), (value + 2, middle + 8), colour, 1.0)?;
        area.draw(&Circle::new((measured, middle), 4, INK.filled()))?;
        let verdict = if self.within_limit == Some(false) { ", outside" } else { "" };
        let text =
            format!("{} · {} · {}{verdict}", text::milliseconds(self.predicted.value), text::milliseconds(self.measured), self.error());
        canvas::text(area, &text, (RIGHT + 16, middle), 11, (HPos::Left, VPos::Center), 0.9)?;
        hovers.add((0, y), (RIGHT, y + ROW_HEIGHT), &self.description());
        Ok(())
    }
}

fn key(area: &Area<'_>) -> Drawn {
    let y = 18;
    canvas::bar(area, (LEFT + 2, y - 5), (LEFT + 34, y + 5), BLUE, 0.35)?;
    canvas::bar(area, (LEFT + 17, y - 8), (LEFT + 20, y + 8), BLUE, 1.0)?;
    canvas::text(area, "predicted, with uncertainty", (LEFT + 42, y), 12, (HPos::Left, VPos::Center), 0.9)?;
    area.draw(&Circle::new((LEFT + 226, y), 4, INK.filled()))?;
    canvas::text(area, "measured", (LEFT + 238, y), 12, (HPos::Left, VPos::Center), 0.9)?;
    canvas::text(area, "predicted · measured · error", (RIGHT + 16, y), 11, (HPos::Left, VPos::Center), 0.75)
}

const ROWS_MAX: usize = 64;
const LEFT: i32 = 220;
const RIGHT: i32 = 710;
const TOP: i32 = 44;
const ROW_HEIGHT: i32 = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_relative_to_the_measurement_and_figures_that_are_not_positive_are_left_out() {
        let figure = |measured: f64, within_limit| PredictedFigure {
            name: "<b>sync".to_owned(),
            predicted: Interval::new(120.0, 110.0, 130.0),
            measured,
            within_limit,
        };
        let svg = predicted_measured(&[figure(80.0, Some(false)), figure(f64::NAN, None), figure(0.0, None)]);
        assert!(svg.contains("+50 %, outside") && svg.contains("measured 80.0 ms"), "{svg}");
        assert!(!svg.contains("<b>") && !svg.contains("NaN"));
        assert_eq!(svg.matches("<title>").count(), 1);
        assert!(predicted_measured(&[]).contains("No figure was both"));
    }
}
