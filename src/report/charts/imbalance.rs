//! Imbalance within the pools of each plan.

use super::canvas::{self, BLUE, ChartText, INK, LEFT, RIGHT};
use super::labels;
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
    canvas::svg(&chart_text, bottom + 26, |area, hovers| {
        let x = |factor: f64| canvas::interpolate(LEFT, RIGHT - 8, (factor - 1.0) / (largest - 1.0));
        let ticks = canvas::ticks(largest - 1.0).into_iter().map(|tick| tick + 1.0).filter(|tick| *tick <= largest);
        let ticks: Vec<(i32, String)> = ticks.map(|tick| (x(tick), text::tick(tick))).collect();
        for (at, _) in &ticks {
            canvas::line(area, (*at, TOP), (*at, bottom), INK, 0.12, 1)?;
        }
        labels::ticks_along(area, &ticks, bottom + 6)?;
        for ((candidate, imbalance), row) in rows.iter().zip(0_i32..) {
            let (y, factor) = (TOP + row * ROW_HEIGHT, imbalance.factor);
            let middle = y + ROW_HEIGHT - 8;
            let value = format!("{}, pool {}", text::range(factor), escape::page(&imbalance.pool, 16));
            labels::name_and_value(area, y + 7, &escape::page(&candidate.summary.plan.name, 34), &value)?;
            canvas::bar(area, (LEFT, middle - 4), (x(factor.value).max(LEFT + 1), middle + 4), BLUE, 0.85)?;
            canvas::line(area, (x(factor.low), middle), (x(factor.high), middle), INK, 0.9, 1)?;
            hovers.add((LEFT, y), (RIGHT, y + ROW_HEIGHT), &format!("{}: {value}", candidate.summary.plan.name));
        }
        canvas::line(area, (LEFT, TOP), (LEFT, bottom), INK, 0.4, 1)
    })
}

const ROWS_MAX: usize = 12;
const TOP: i32 = 4;
const ROW_HEIGHT: i32 = 30;
