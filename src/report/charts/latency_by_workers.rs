//! Response time by number of workers: a point with its interval for each plan, a line for each strategy.

use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::canvas::{self, Area, ChartText, Drawn, HoverValues, INK, LEFT, RIGHT, SERIES};
use super::labels::{self, Legend, Sign};
use super::log_axis::{LogScale, time_label};
use crate::shared::escape;
use wsim_advise::sweep::{SimulatedPlan, Sweep};
use wsim_advise::{Objective, Statistic};
use wsim_text as text;

/// 95th percentile of response times on a logarithmic axis, with 95 % intervals; the objective as a dashed line; a triangle at the upper edge for a plan
/// whose work piles up.
pub fn latency_by_workers(sweep: &Sweep) -> String {
    let strategies = strategies(sweep);
    let objective_ms = objective_ms(&sweep.objective);
    let chart_text = ChartText {
        name: "latency-by-workers",
        title: "Response time by number of workers",
        summary: strategies.iter().map(Strategy::summary).collect(),
    };
    let all = || strategies.iter().flat_map(|strategy| strategy.points.iter());
    let piling: Vec<u32> = strategies.iter().flat_map(|strategy| strategy.piling.iter().copied()).collect();
    let workers: Vec<u32> = all().map(|point| point.workers).chain(piling.iter().copied()).collect();
    let scale = Scale::new(all().flat_map(|point| [point.low, point.high]).chain(objective_ms), &workers);
    let lines = strategies.iter().zip(SERIES.iter().cycle()).map(|(strategy, colour)| (Sign::Dot(*colour), strategy.name.clone()));
    let objective_line = objective_ms.map(|ms| (Sign::Dashed, format!("objective {}", time_label(ms))));
    let pile = (!piling.is_empty()).then(|| (Sign::Triangle, "work piles up: no response time".to_owned()));
    let legend = Legend::new(lines.chain(objective_line).chain(pile));
    canvas::svg(&chart_text, BOTTOM + 46 + legend.height, |area, hovers| {
        if workers.is_empty() {
            return canvas::sentence(area, "No plan has a response time.");
        }
        scale.draw(area)?;
        if let Some(ms) = objective_ms {
            canvas::dashes(area, (AXIS, scale.y(ms)), (RIGHT, scale.y(ms)), 0.8)?;
        }
        for (strategy, index) in strategies.iter().zip(0usize..) {
            let shift = i32::try_from(index).unwrap_or(0) * 6 - i32::try_from(strategies.len()).unwrap_or(1) * 3 + 3;
            strategy.draw(area, hovers, &scale, SERIES[index % SERIES.len()], shift)?;
        }
        legend.draw(area, BOTTOM + 42)
    })
}

/// The limit of the p95 of all requests, ms.
fn objective_ms(objective: &Objective) -> Option<f64> {
    let is_whole = |term: &&wsim_advise::LatencyTerm| term.group.is_none() && term.statistic == Statistic::P95;
    objective.latencies.iter().find(is_whole).map(|term| term.below_ms).filter(|ms| ms.is_finite() && *ms > 0.0)
}

struct Strategy {
    name: String,
    points: Vec<Point>,
    /// Numbers of workers with which work piles up.
    piling: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Point {
    workers: u32,
    low: f64,
    value: f64,
    high: f64,
}

/// The recommended strategy first, then in the order of the best response time of each. Every line starts at the plan without workers.
fn strategies(sweep: &Sweep) -> Vec<Strategy> {
    let mut names: Vec<&str> = Vec::new();
    let recommended = sweep.recommended.and_then(|index| sweep.candidates.get(index)).map(|candidate| candidate.strategy.as_str());
    // Plans whose work piles up have no response time and come last.
    let p95 = |candidate: &SimulatedPlan| candidate.response_times().map_or(f64::INFINITY, |times| times.p95.value);
    let mut candidates: Vec<&SimulatedPlan> = sweep.candidates.iter().collect();
    candidates.sort_by(|a, b| p95(a).total_cmp(&p95(b)));
    for name in recommended.into_iter().chain(candidates.iter().map(|candidate| candidate.strategy.as_str())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let alone = sweep.candidates.iter().find(|candidate| candidate.summary.workers == 0);
    if names.len() > 1 {
        names.retain(|name| alone.is_none_or(|alone| alone.strategy != *name));
    }
    names
        .into_iter()
        .take(STRATEGIES_MAX)
        .map(|name| {
            let with_workers = sweep.candidates.iter().filter(|candidate| candidate.strategy == name && candidate.summary.workers > 0);
            let plans: Vec<&SimulatedPlan> = alone.into_iter().chain(with_workers).collect();
            let mut points: Vec<Point> = plans.iter().filter_map(|plan| point(plan)).collect();
            points.sort_by_key(|point| point.workers);
            let piling = plans.iter().filter(|plan| plan.response_times().is_none()).map(|plan| plan.summary.workers).collect();
            Strategy { name: escape::page(name, 26), points, piling }
        })
        .filter(|strategy| !strategy.points.is_empty() || !strategy.piling.is_empty())
        .collect()
}

fn point(candidate: &SimulatedPlan) -> Option<Point> {
    let p95 = candidate.response_times()?.p95;
    let known = p95.value.is_finite() && p95.high.is_finite();
    known.then_some(Point { workers: candidate.summary.workers, low: p95.low, value: p95.value, high: p95.high })
}

impl Strategy {
    fn summary(&self) -> String {
        let points = self.points.iter().map(|point| {
            let workers = text::plural(u64::from(point.workers), "worker", "workers");
            format!("{workers} {}", text::milliseconds(point.value))
        });
        format!("{}: {}. ", self.name, points.collect::<Vec<_>>().join(", "))
    }

    /// Draws the strategy `shift` pixels beside the number of workers, so that equal plans stay visible.
    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, scale: &Scale, colour: RGBColor, shift: i32) -> Drawn {
        let at = |point: &Point, ms: f64| (scale.x(point.workers) + shift, scale.y(ms));
        let line: Vec<(i32, i32)> = self.points.iter().map(|point| at(point, point.value)).collect();
        area.draw(&PathElement::new(line, ShapeStyle { color: colour.mix(0.5), filled: false, stroke_width: 1 }))?;
        for point in &self.points {
            let (x, y) = at(point, point.value);
            canvas::line(area, (x, scale.y(point.low)), (x, scale.y(point.high)), colour, 0.9, 1)?;
            area.draw(&Circle::new((x, y), 4, colour.filled()))?;
            let value = format!(
                "{}, {}: p95 {} ({})",
                self.name,
                text::plural(u64::from(point.workers), "worker", "workers"),
                text::milliseconds(point.value),
                text::range::between(&text::milliseconds(point.low), &text::milliseconds(point.high))
            );
            hovers.add((x - 3, y - 8), (x + 3, y + 8), &value);
        }
        for &workers in &self.piling {
            let (x, y) = (scale.x(workers) + shift, TOP + 5);
            area.draw(&Polygon::new(labels::triangle((x, y)), colour.mix(0.9).filled()))?;
            let plan = format!("{}, {}", self.name, text::plural(u64::from(workers), "worker", "workers"));
            hovers.add((x - 3, y - 6), (x + 3, y + 6), &format!("{plan}: work piles up, so there is no response time"));
        }
        Ok(())
    }
}

/// The number of workers horizontally, response times vertically.
struct Scale {
    /// Fewest and most.
    workers: (u32, u32),
    /// Those of which there is a plan.
    known: Vec<u32>,
    times: LogScale,
}

impl Scale {
    fn new(times: impl Iterator<Item = f64>, workers: &[u32]) -> Self {
        let mut known = workers.to_vec();
        known.sort_unstable();
        known.dedup();
        let ends = (known.first().copied().unwrap_or(0), known.last().copied().unwrap_or(1));
        Self { workers: ends, known, times: LogScale::from_values(times) }
    }

    fn x(&self, workers: u32) -> i32 {
        let (least, most) = self.workers;
        let share = if most > least { f64::from(workers - least) / f64::from(most - least) } else { 0.5 };
        canvas::interpolate(AXIS + 26, RIGHT - 26, share)
    }

    fn y(&self, ms: f64) -> i32 {
        canvas::interpolate(BOTTOM, TOP + 12, self.times.share(ms))
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        canvas::text(area, "p95 response time (logarithmic)", (LEFT, 8), 11, (HPos::Left, VPos::Center), 0.75)?;
        let ticks: Vec<(i32, String)> = self.times.ticks(8).into_iter().map(|ms| (self.y(ms), time_label(ms))).collect();
        for (y, _) in &ticks {
            canvas::line(area, (AXIS, *y), (RIGHT, *y), INK, 0.14, 1)?;
        }
        labels::ticks_beside(area, &ticks, AXIS - 6)?;
        canvas::line(area, (AXIS, BOTTOM), (RIGHT, BOTTOM), INK, 0.4, 1)?;
        let numbers: Vec<(i32, String)> = self.known.iter().map(|workers| (self.x(*workers), workers.to_string())).collect();
        for (x, _) in &numbers {
            canvas::line(area, (*x, BOTTOM), (*x, BOTTOM + 4), INK, 0.4, 1)?;
        }
        labels::ticks_along(area, &numbers, BOTTOM + 6)?;
        let middle = i32::midpoint(AXIS, RIGHT);
        canvas::text(area, "workers besides the main process", (middle, BOTTOM + 22), 11, (HPos::Center, VPos::Top), 0.75)
    }
}

/// One for each colour.
const STRATEGIES_MAX: usize = SERIES.len();
/// Pixel of the vertical axis.
const AXIS: i32 = 60;
const TOP: i32 = 20;
const BOTTOM: i32 = 232;
