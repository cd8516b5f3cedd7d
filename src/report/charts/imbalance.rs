//! Imbalance within the pools of each plan.

use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, BLUE, ChartText, GREY, INK};
use crate::shared::escape;
use wsim_advise::sweep::{Imbalance, SimulatedPlan, Sweep};
use wsim_text as text;

/// CPU of the busiest worker divided by the mean of its pool, for the most uneven pool of each plan; 1 means perfectly even.
pub fn imbalance(sweep: &Sweep) -> String {
    let mut rows: Vec<(&SimulatedPlan, &Imbalance)> =
        sweep.candidates.iter().filter_map(|candidate| Some((candidate, candidate.imbalance.as_ref()?))).collect();
    rows.sort_by(|a, b| b.1.factor.value.total_cmp(&a.1.factor.value));
    rows.truncate(ROWS_MAX);
    let largest = rows.iter().map(|(_, imbalance)| imbalance.factor.high).filter(|high| high.is_finite()).fold(1.5, f64::max);
    let chart_text = ChartText {
        name: "imbalance",
        title: "Imbalance within pools",
        summary: rows
            .iter()
            .map(|(candidate, imbalance)| format!("{}: {}. ", candidate.summary.plan.name, text::number(imbalance.factor.value)))
            .collect(),
    };
    let bottom = TOP + ROW_HEIGHT * i32::try_from(rows.len()).unwrap_or(0);
    canvas::svg(&chart_text, (960, u32::try_from(bottom + 40).unwrap_or(200)), |area, hovers| {
        let x = |factor: f64| canvas::interpolate(LEFT, RIGHT, (factor - 1.0) / (largest - 1.0));
        for tick in canvas::ticks(largest - 1.0).into_iter().map(|tick| tick + 1.0).filter(|tick| *tick <= largest) {
            canvas::line(area, (x(tick), TOP), (x(tick), bottom), INK, 0.12, 1)?;
            canvas::text(area, &text::tick(tick), (x(tick), bottom + 8), 11, (HPos::Center, VPos::Top), 0.75)?;
        }
        for ((candidate, imbalance), row) in rows.iter().zip(0_i32..) {
            let (y, factor) = (TOP + row * ROW_HEIGHT, imbalance.factor);
            let middle = y + ROW_HEIGHT / 2;
            canvas::text(area, &escape::page(&candidate.summary.plan.name, 34), (LEFT - 10, middle), 12, (HPos::Right, VPos::Center), 1.0)?;
            canvas::bar(area, (LEFT, middle - 6), (x(factor.value).max(LEFT + 1), middle + 6), BLUE, 0.85)?;
            canvas::line(area, (x(factor.low), middle), (x(factor.high), middle), INK, 0.9, 1)?;
            let text = format!("{}, pool {}", text::range(factor), escape::page(&imbalance.pool, 16));
            canvas::text(area, &text, (RIGHT + 14, middle), 11, (HPos::Left, VPos::Center), 0.9)?;
            hovers.add((0, y), (RIGHT, y + ROW_HEIGHT), &format!("{}: {text}", candidate.summary.plan.name));
        }
        canvas::bar(area, (LEFT, TOP), (LEFT + 1, bottom), GREY, 0.6)
    })
}

const ROWS_MAX: usize = 20;
const LEFT: i32 = 260;
const RIGHT: i32 = 740;
const TOP: i32 = 14;
const ROW_HEIGHT: i32 = 24;
