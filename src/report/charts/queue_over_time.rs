//! Requests in progress over time: a small panel for each plan, all with the same axes.

use plotters::element::{PathElement, Polygon};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::canvas::{self, Area, BLUE, ChartText, Drawn, GREY, HoverValues, INK, RED};
use super::labels;
use super::log_axis::LogScale;
use super::time_axis::TimeAxis;
use crate::shared::escape;
use wsim_advise::Meets;
use wsim_advise::sweep::{SimulatedPlan, Sweep};
use wsim_text as text;

/// Requests in progress in all processes (waiting long polls excluded), averaged over each bin, with the traffic of the log. The axis is logarithmic, so
/// that a plan whose queue grows without end does not flatten the others.
pub fn queue_over_time(sweep: &Sweep) -> String {
    let panels = panels(sweep);
    let chart_text = ChartText {
        name: "queue-over-time",
        title: "Requests in progress over time, by plan",
        summary: panels.iter().map(|panel| format!("{}: at most {}. ", panel.name, text::number(panel.largest()))).collect(),
    };
    // The simulation leaves out what no log covers.
    let simulated_end_us = panels.iter().map(|panel| panel.bin_start_us(panel.candidate.working.len())).max();
    let cut_end_us = simulated_end_us.filter(|end_us| sweep.window.end_us - end_us > NOTICEABLE_US);
    let end_us = cut_end_us.unwrap_or(sweep.window.end_us);
    let ends = [FLOOR, CEILING_MIN].into_iter().chain(panels.iter().map(Panel::largest));
    let scale = LogScale::of(ends, FLOOR);
    let rows = i32::try_from(panels.len().div_ceil(2)).unwrap_or(0);
    let height = rows * PANEL_PITCH + 40;
    canvas::svg(&chart_text, height, |area, hovers| {
        if panels.is_empty() {
            return canvas::sentence(area, "No plan was simulated with the traffic of the log.");
        }
        for (index, panel) in (0_i32..).zip(&panels) {
            let left = AXIS + index % COLUMNS * (PANEL_WIDTH + GAP);
            let top = index / COLUMNS * PANEL_PITCH + HEAD;
            let axis = TimeAxis { start_us: sweep.window.start_us, end_us, left, right: left + PANEL_WIDTH, series: None };
            let frame = Frame { axis, top, bottom: top + PANEL_HEIGHT, scale: scale.clone() };
            frame.draw(area, sweep)?;
            panel.draw(area, hovers, &frame)?;
        }
        let day = text::strftime(sweep.window.start_us, "%A %-d %B %Y");
        let when = if cut_end_us.is_some() {
            format!("Simulated time from {day} on, without the gaps of the log.")
        } else {
            format!("{day}, UTC. Shaded: the busiest five minutes.")
        };
        canvas::text(
            area,
            "Vertical axes: requests in progress, logarithmic.",
            (canvas::LEFT, height - 26),
            11,
            (HPos::Left, VPos::Center),
            0.75,
        )?;
        let when = labels::fitted(&when, 11, canvas::RIGHT - canvas::LEFT);
        canvas::text(area, &when, (canvas::LEFT, height - 10), 11, (HPos::Left, VPos::Center), 0.75)
    })
}

/// The curve of a plan.
struct Panel<'a> {
    name: String,
    candidate: &'a SimulatedPlan,
    start_us: i64,
}

/// Position and axes of a panel.
struct Frame {
    axis: TimeAxis<'static>,
    top: i32,
    bottom: i32,
    scale: LogScale,
}

/// The recommended plan, the runner-up, the best plan without workers, the slowest plan, and then the best plan of each number of
/// workers; fewest workers first.
fn panels(sweep: &Sweep) -> Vec<Panel<'_>> {
    let p95 = |index: usize| sweep.candidates[index].overall.p95.value;
    let mut all: Vec<usize> = (0..sweep.candidates.len()).filter(|&index| !sweep.candidates[index].working.is_empty()).collect();
    all.sort_by(|&a, &b| p95(a).total_cmp(&p95(b)));
    let workers = |index: usize| sweep.candidates[index].summary.workers;
    let mut chosen: Vec<usize> = Vec::new();
    let special = [sweep.recommended, sweep.runner_up, all.iter().copied().find(|&index| workers(index) == 0), all.last().copied()];
    for index in special.into_iter().flatten().filter(|index| all.contains(index)) {
        if !chosen.contains(&index) {
            chosen.push(index);
        }
    }
    for &index in &all {
        if chosen.len() < PANELS_MAX && !chosen.iter().any(|&other| workers(other) == workers(index)) {
            chosen.push(index);
        }
    }
    chosen.sort_by_key(|&index| workers(index));
    let panel = |index: usize| {
        let candidate = &sweep.candidates[index];
        let word = if sweep.recommended == Some(index) { "recommended: " } else { "" };
        Panel { name: escape::page(&format!("{word}{}", candidate.summary.plan.name), 40), candidate, start_us: sweep.window.start_us }
    };
    chosen.into_iter().map(panel).collect()
}

impl Panel<'_> {
    fn largest(&self) -> f64 {
        self.candidate.working.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
    }

    /// Start of a bin, µs.
    fn bin_start_us(&self, bin: usize) -> i64 {
        self.start_us + micros(self.candidate.working_from_seconds + bin as f64 * self.candidate.bin_seconds)
    }

    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, frame: &Frame) -> Drawn {
        let colour = match self.candidate.summary.meets {
            Meets::Yes => BLUE,
            Meets::Maybe => GREY,
            Meets::No => RED,
        };
        let word = match self.candidate.summary.meets {
            Meets::Yes => "meets",
            Meets::Maybe => "may meet",
            Meets::No => "misses",
        };
        let axis = frame.axis;
        let name = labels::fitted(&self.name, 12, PANEL_WIDTH + 4);
        canvas::text(area, &name, (axis.left, frame.top - 26), 12, (HPos::Left, VPos::Center), 1.0)?;
        let subtitle = format!("{word}; at most {}", text::number(self.largest()));
        let subtitle = labels::fitted(&subtitle, 10, PANEL_WIDTH + 4);
        canvas::text(area, &subtitle, (axis.left, frame.top - 11), 10, (HPos::Left, VPos::Center), 0.75)?;
        let values = &self.candidate.working;
        let line: Vec<(i32, i32)> = values
            .iter()
            .enumerate()
            .flat_map(|(bin, &value)| {
                [(axis.x(self.bin_start_us(bin)), frame.y(value)), (axis.x(self.bin_start_us(bin + 1)), frame.y(value))]
            })
            .collect();
        if let (Some(first), Some(last)) = (line.first(), line.last()) {
            let ground = [(last.0, frame.bottom), (first.0, frame.bottom)];
            area.draw(&Polygon::new(line.iter().copied().chain(ground).collect::<Vec<_>>(), colour.mix(0.35).filled()))?;
            area.draw(&PathElement::new(line, ShapeStyle { color: colour.mix(1.0), filled: false, stroke_width: 1 }))?;
        }
        let bins_per_hover = values.len().div_ceil(HOVERS_MAX).max(1);
        for (index, part) in values.chunks(bins_per_hover).enumerate() {
            let (from, to) = (index * bins_per_hover, index * bins_per_hover + part.len());
            let highest = part.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
            let text = format!("{}\n{} UTC: {} in progress", self.name, text::date_time(self.bin_start_us(from)), text::number(highest));
            hovers.add((axis.x(self.bin_start_us(from)), frame.top), (axis.x(self.bin_start_us(to)), frame.bottom), &text);
        }
        Ok(())
    }
}

impl Frame {
    fn y(&self, value: f64) -> i32 {
        canvas::interpolate(self.bottom, self.top, self.scale.share(value))
    }

    fn draw(&self, area: &Area<'_>, sweep: &Sweep) -> Drawn {
        let TimeAxis { left, right, .. } = self.axis;
        let (from, to) = (self.axis.x(sweep.peak.start_us), self.axis.x(sweep.peak.end_us));
        if to - from < PANEL_WIDTH * 9 / 10 {
            canvas::bar(area, (from, self.top), (to.max(from + 1), self.bottom), INK, 0.09)?;
        }
        let ticks: Vec<(i32, String)> = self.scale.ticks(5).into_iter().map(|value| (self.y(value), labels::compact(value))).collect();
        for (y, _) in &ticks {
            canvas::line(area, (left, *y), (right, *y), INK, 0.14, 1)?;
        }
        labels::ticks_beside(area, &ticks, left - 4)?;
        let label = |at_us: i64| text::strftime(at_us, "%H:%M");
        canvas::text(area, &label(self.axis.start_us), (left, self.bottom + 4), 11, (HPos::Left, VPos::Top), 0.75)?;
        canvas::text(area, &label(self.axis.end_us), (right, self.bottom + 4), 11, (HPos::Right, VPos::Top), 0.75)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a window in µs")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

const PANELS_MAX: usize = 6;
/// Gaps of an hour and more are left out.
const NOTICEABLE_US: i64 = 3_000_000_000;
/// Values in a panel that a pointer can tell apart.
const HOVERS_MAX: usize = 40;
/// Least value of the axis: fewer requests in progress on average are drawn at its start.
const FLOOR: f64 = 0.1;
/// The axis reaches at least this.
const CEILING_MIN: f64 = 2.0;
const COLUMNS: i32 = 2;
/// Room for the ticks of the first column.
const AXIS: i32 = 42;
const PANEL_WIDTH: i32 = 166;
/// Between two panels, with the ticks of the second.
const GAP: i32 = 54;
/// Name and subtitle of a panel.
const HEAD: i32 = 38;
const PANEL_HEIGHT: i32 = 84;
const PANEL_PITCH: i32 = 148;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::fixture;

    #[test]
    fn few_panels_stand_for_all_plans_and_the_recommended_is_one() {
        let sweep = fixture::report().sweep;
        let panels = panels(&sweep);
        assert!((2..=PANELS_MAX).contains(&panels.len()), "{}", panels.len());
        assert_eq!(panels.iter().filter(|panel| panel.name.starts_with("recommended: ")).count(), 1);
        assert!(panels.is_sorted_by_key(|panel| panel.candidate.summary.workers));
    }
}
