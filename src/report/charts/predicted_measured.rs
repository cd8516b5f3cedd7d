//! Predicted and measured figures, with the error.

use plotters::element::Circle;
use plotters::style::Color;

use super::canvas::{self, Area, BLUE, ChartText, Drawn, GREY, HoverValues, INK, LEFT, RED, RIGHT};
use super::labels::{self, Legend, Sign};
use super::log_axis::LogAxis;
use crate::shared::{REQUESTS_FOR_ERRORS, escape, too_few};
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
    /// Requests that the measurement rests on.
    pub requests: u64,
    /// Whether the error is judged: there are enough requests, and the measurement is independent of the prediction.
    pub counts: bool,
    /// Whether the error is within the limit for a model; `None` if there is no limit.
    pub within_limit: Option<bool>,
}

/// One row for each figure on a logarithmic axis: the prediction as a bar over its uncertainty, the measurement as a dot, and the
/// error as text. Figures that rest on most requests first; those that are not positive are left out.
pub fn predicted_measured(figures: &[PredictedFigure]) -> String {
    let mut figures: Vec<&PredictedFigure> = figures.iter().filter(|figure| figure.is_positive()).collect();
    figures.sort_by_key(|figure| (!figure.counts, std::cmp::Reverse(figure.requests)));
    let left_out = figures.len().saturating_sub(ROWS_MAX);
    figures.truncate(ROWS_MAX);
    let chart_text = ChartText {
        name: "compared",
        title: "Predicted and measured",
        summary: figures.iter().map(|figure| format!("{}. ", figure.description())).collect(),
    };
    let legend =
        Legend::new([(Sign::Square(BLUE, 0.35), "predicted, with uncertainty".to_owned()), (Sign::Dot(INK), "measured".to_owned())]);
    let more =
        Legend::new((left_out > 0).then(|| {
            (Sign::Dot(GREY), format!("{} with fewer requests: see the table", text::plural(left_out as u64, "figure", "figures")))
        }));
    let top = legend.height + 6;
    let bottom = top + ROW_HEIGHT * i32::try_from(figures.len()).unwrap_or(0);
    canvas::svg(&chart_text, bottom + 28 + more.height, |area, hovers| {
        if figures.is_empty() {
            return canvas::sentence(area, "No figure was both predicted and measured.");
        }
        let ends = figures.iter().flat_map(|figure| [figure.predicted.low, figure.predicted.high, figure.measured]);
        let axis = LogAxis::from_values(ends, LEFT + 6, RIGHT - 6);
        axis.draw(area, top, bottom)?;
        legend.draw(area, 0)?;
        more.draw(area, bottom + 26)?;
        for (row, figure) in (0_i32..).zip(&figures) {
            figure.draw(area, hovers, &axis, top + row * ROW_HEIGHT)?;
        }
        Ok(())
    })
}

impl PredictedFigure {
    fn is_positive(&self) -> bool {
        let Interval { value, low, high } = self.predicted;
        [value, low, high, self.measured].iter().all(|value| value.is_finite()) && value > 0.0 && self.measured > 0.0
    }

    /// Whether an error is more than chance.
    fn is_enough(&self) -> bool {
        self.counts || self.requests >= REQUESTS_FOR_ERRORS
    }

    /// `+50 %` if the prediction is half again as high as the measurement; in words where the measurement rests on too few requests.
    fn error(&self) -> String {
        if self.is_enough() {
            format!("{:+.0} %", ((self.predicted.value / self.measured - 1.0) * 100.0).round() + 0.0)
        } else {
            too_few(self.requests)
        }
    }

    fn description(&self) -> String {
        let Interval { value, low, high } = self.predicted;
        format!(
            "{}: predicted {} ({}), measured {}, {}{}",
            self.name,
            text::milliseconds(value),
            text::range::between(&text::milliseconds(low), &text::milliseconds(high)),
            text::milliseconds(self.measured),
            if self.is_enough() { "error " } else { "" },
            self.error()
        )
    }

    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, axis: &LogAxis, y: i32) -> Drawn {
        let middle = y + ROW_HEIGHT - 9;
        let colour = match self.within_limit.filter(|_| self.counts) {
            Some(true) => BLUE,
            Some(false) => RED,
            None => GREY,
        };
        let (low, value, high) = (axis.x(self.predicted.low), axis.x(self.predicted.value), axis.x(self.predicted.high));
        let measured = axis.x(self.measured);
        let verdict = if self.counts && self.within_limit == Some(false) { ", outside" } else { "" };
        let figures =
            format!("{} · {} · {}{verdict}", text::milliseconds(self.predicted.value), text::milliseconds(self.measured), self.error());
        labels::name_and_value(area, y + 7, &escape::page(&self.name, 36), &figures)?;
        canvas::line(area, (value.min(measured), middle), (value.max(measured), middle), INK, 0.35, 1)?;
        canvas::bar(area, (low, middle - 4), (high.max(low + 1), middle + 4), colour, 0.35)?;
        canvas::bar(area, (value - 1, middle - 6), (value + 2, middle + 6), colour, 1.0)?;
        area.draw(&Circle::new((measured, middle), 4, INK.filled()))?;
        hovers.add((LEFT, y), (RIGHT, y + ROW_HEIGHT), &self.description());
        Ok(())
    }
}

const ROWS_MAX: usize = 16;
const ROW_HEIGHT: i32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_relative_to_the_measurement_and_figures_that_are_not_positive_are_left_out() {
        let figure = |measured: f64, within_limit| PredictedFigure {
            name: "<b>sync".to_owned(),
            predicted: Interval::new(120.0, 110.0, 130.0),
            measured,
            requests: 400,
            counts: true,
            within_limit,
        };
        let svg = predicted_measured(&[figure(80.0, Some(false)), figure(f64::NAN, None), figure(0.0, None)]);
        assert!(svg.contains("+50 %, outside") && svg.contains("measured 80.0 ms"), "{svg}");
        assert!(!svg.contains("<b>") && !svg.contains("NaN"));
        assert_eq!(svg.matches("<title>").count(), 1);
        assert!(predicted_measured(&[]).contains("No figure was both"));
        let few = predicted_measured(&[PredictedFigure { requests: 5, counts: false, ..figure(1.0, Some(false)) }]);
        assert!(few.contains("5 requests: too few") && !few.contains("outside") && !few.contains("+11"), "{few}");
    }
}
