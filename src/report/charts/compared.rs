//! Predicted against measured, with the error.

use plotters::element::Circle;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, BLUE, Drawn, GREY, Hovers, INK, RED, Words};
use super::log_axis::LogAxis;
use crate::{escape, format};
use wsim_stats::Interval;

/// A figure that was predicted and measured.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Of what: `sync, p95`.
    pub name: String,
    /// With its interval, ms.
    pub predicted: Interval,
    /// ms.
    pub measured: f64,
    /// Whether the error is one that a model may have; `None` where nobody judges.
    pub fine: Option<bool>,
}

/// A row per figure on a logarithmic axis: the prediction as a bar over its interval, the measurement as a dot, the error in
/// words. Figures that are not positive are left out.
pub fn compared(pairs: &[Pair]) -> String {
    let pairs: Vec<&Pair> = pairs.iter().filter(|pair| pair.is_sane()).take(ROWS_MAX).collect();
    let words = Words {
        name: "compared",
        title: "Predicted against measured",
        summary: pairs.iter().map(|pair| format!("{}. ", pair.words())).collect(),
    };
    let bottom = TOP + PITCH * i32::try_from(pairs.len()).unwrap_or(0);
    canvas::svg(&words, (960, u32::try_from(bottom + 40).unwrap_or(200)), |area, hovers| {
        if pairs.is_empty() {
            return canvas::text(area, "Nothing was both predicted and measured.", (20, 40), 13, (HPos::Left, VPos::Top), 0.8);
        }
        let ends = pairs.iter().flat_map(|pair| [pair.predicted.low, pair.predicted.high, pair.measured]);
        let axis = LogAxis::over(ends, LEFT, RIGHT);
        axis.draw(area, TOP - 4, bottom)?;
        key(area)?;
        for (row, pair) in (0_i32..).zip(&pairs) {
            pair.draw(area, hovers, &axis, TOP + row * PITCH)?;
        }
        Ok(())
    })
}

impl Pair {
    fn is_sane(&self) -> bool {
        let Interval { value, low, high } = self.predicted;
        [value, low, high, self.measured].iter().all(|one| one.is_finite()) && value > 0.0 && self.measured > 0.0
    }

    /// `+50 %`: how much too high the prediction is.
    fn error(&self) -> String {
        format!("{:+.0} %", (self.predicted.value / self.measured - 1.0) * 100.0)
    }

    fn words(&self) -> String {
        let Interval { value, low, high } = self.predicted;
        format!(
            "{}: predicted {} ({} to {}), measured {}, error {}",
            self.name,
            format::milliseconds(value),
            format::milliseconds(low),
            format::milliseconds(high),
            format::milliseconds(self.measured),
            self.error()
        )
    }

    fn draw(&self, area: &Area<'_>, hovers: &mut Hovers, axis: &LogAxis, y: i32) -> Drawn {
        let middle = y + PITCH / 2;
        let colour = match self.fine {
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
        let verdict = if self.fine == Some(false) { ", outside" } else { "" };
        let text =
            format!("{} · {} · {}{verdict}", format::milliseconds(self.predicted.value), format::milliseconds(self.measured), self.error());
        canvas::text(area, &text, (RIGHT + 16, middle), 11, (HPos::Left, VPos::Center), 0.9)?;
        hovers.add((0, y), (RIGHT, y + PITCH), &self.words());
        Ok(())
    }
}

fn key(area: &Area<'_>) -> Drawn {
    let y = 18;
    canvas::bar(area, (LEFT + 2, y - 5), (LEFT + 34, y + 5), BLUE, 0.35)?;
    canvas::bar(area, (LEFT + 17, y - 8), (LEFT + 20, y + 8), BLUE, 1.0)?;
    canvas::text(area, "predicted, with its interval", (LEFT + 42, y), 12, (HPos::Left, VPos::Center), 0.9)?;
    area.draw(&Circle::new((LEFT + 226, y), 4, INK.filled()))?;
    canvas::text(area, "measured", (LEFT + 238, y), 12, (HPos::Left, VPos::Center), 0.9)?;
    canvas::text(area, "predicted · measured · error", (RIGHT + 16, y), 11, (HPos::Left, VPos::Center), 0.75)
}

const ROWS_MAX: usize = 64;
const LEFT: i32 = 220;
const RIGHT: i32 = 710;
const TOP: i32 = 44;
const PITCH: i32 = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_of_the_prediction_and_odd_figures_are_left_out() {
        let pair = |measured: f64, fine| Pair { name: "<b>sync".to_owned(), predicted: Interval::new(120.0, 110.0, 130.0), measured, fine };
        let svg = compared(&[pair(80.0, Some(false)), pair(f64::NAN, None), pair(0.0, None)]);
        assert!(svg.contains("+50 %, outside") && svg.contains("measured 80.0 ms"), "{svg}");
        assert!(!svg.contains("<b>") && !svg.contains("NaN"));
        assert_eq!(svg.matches("<title>").count(), 1);
        assert!(compared(&[]).contains("Nothing was both"));
    }
}
