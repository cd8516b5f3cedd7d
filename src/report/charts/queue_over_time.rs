//! Requests at work over time, for the best and the worst plan.

use plotters::element::PathElement;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::canvas::{self, BLUE, INK, RED, Words};
use super::time_axis::TimeAxis;
use crate::advise::sweep::{Simulated, Sweep};
use crate::report::{escape, format};

/// Requests at work in all processes (parked long polls left out), mean per bin, with the traffic as observed.
pub fn queue_over_time(sweep: &Sweep) -> String {
    let pair = best_and_worst(sweep);
    let largest = |candidate: &Simulated| candidate.working.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let words = Words {
        name: "queue-over-time",
        title: "Requests at work over time",
        summary: pair.iter().map(|(word, one)| format!("{word}, {}: at most {}. ", one.plan.name, format::number(largest(one)))).collect(),
    };
    let ticks = canvas::ticks(pair.iter().map(|(_, candidate)| largest(candidate)).fold(0.0, f64::max));
    let top = ticks.last().copied().unwrap_or(1.0);
    canvas::svg(&words, (960, 320), |area, hovers| {
        let y = |value: f64| canvas::along(BOTTOM, TOP, value / top);
        for tick in &ticks {
            canvas::line(area, (LEFT, y(*tick)), (RIGHT, y(*tick)), INK, 0.12, 1)?;
            canvas::text(area, &format::tick(*tick), (LEFT - 8, y(*tick)), 11, (HPos::Right, VPos::Center), 0.75)?;
        }
        let axis = TimeAxis { start_us: sweep.window.start_us, end_us: sweep.window.end_us, left: LEFT, right: RIGHT };
        for ((word, candidate), (colour, row)) in pair.iter().zip([(BLUE, 0), (RED, 1)]) {
            let bins = candidate.working.iter().enumerate();
            let when =
                |bin: usize| sweep.window.start_us + micros(candidate.working_from_seconds + (bin as f64 + 0.5) * candidate.bin_seconds);
            let line: Vec<(i32, i32)> = bins.clone().map(|(bin, value)| (axis.x(when(bin)), y(*value))).collect();
            area.draw(&PathElement::new(line, ShapeStyle { color: colour.mix(0.9), filled: false, stroke_width: 2 }))?;
            let label = format!("{word}: {}", escape::page(&candidate.plan.name, 40));
            let left = LEFT + row * 380;
            canvas::bar(area, (left, 12), (left + 24, 16), colour, 1.0)?;
            canvas::text(area, &label, (left + 32, 14), 12, (HPos::Left, VPos::Center), 0.95)?;
            for (bin, value) in bins {
                let x = axis.x(when(bin));
                let text = format!("{} UTC\n{label}: {} at work", format::time(when(bin)), format::number(*value));
                hovers.add((x - 2, y(*value) - 6), (x + 2, y(*value) + 6), &text);
            }
        }
        axis.draw(area, BOTTOM)
    })
}

/// By the 95th percentile of work latency.
fn best_and_worst(sweep: &Sweep) -> Vec<(&'static str, &Simulated)> {
    let key = |candidate: &&Simulated| candidate.overall.p95.value;
    let all = || sweep.candidates.iter().filter(|candidate| !candidate.working.is_empty());
    let best = sweep.recommended.and_then(|index| sweep.candidates.get(index)).filter(|candidate| !candidate.working.is_empty());
    let (word, best) = match best {
        Some(best) => ("recommended", Some(best)),
        None => ("best", all().min_by(|a, b| key(a).total_cmp(&key(b)))),
    };
    let worst = all().max_by(|a, b| key(a).total_cmp(&key(b)));
    let mut pair: Vec<(&'static str, &Simulated)> = best.map(|best| (word, best)).into_iter().collect();
    pair.extend(worst.filter(|worst| best.is_none_or(|best| best.plan.name != worst.plan.name)).map(|worst| ("worst", worst)));
    pair
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a window in µs")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

const LEFT: i32 = 60;
const RIGHT: i32 = 890;
const TOP: i32 = 34;
const BOTTOM: i32 = 264;
