//! Response time by number of workers: a line with a band for each strategy.

use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::canvas::{self, Area, ChartText, Drawn, HoverValues, INK, SERIES};
use super::log_axis::LogScale;
use crate::shared::escape;
use wsim_advise::sweep::{SimulatedPlan, Sweep};
use wsim_text as text;

/// 95th percentile of response times on a logarithmic axis; bands are 95 % intervals.
pub fn latency_by_workers(sweep: &Sweep) -> String {
    let strategies = strategies(sweep);
    let chart_text = ChartText {
        name: "latency-by-workers",
        title: "Response time by number of workers",
        summary: strategies.iter().map(Strategy::summary).collect(),
    };
    let all = || strategies.iter().flat_map(|strategy| strategy.points.iter());
    let workers_max = all().map(|point| point.workers).max().unwrap_or(0);
    let scale = Scale::from_points(all().copied(), workers_max);
    canvas::svg(&chart_text, (960, BOTTOM.unsigned_abs() + 48), |area, hovers| {
        scale.draw(area)?;
        for (strategy, index) in strategies.iter().zip(0usize..) {
            let colour = SERIES[index % SERIES.len()];
            strategy.draw(area, hovers, &scale, colour)?;
            let y = TOP + 10 + 22 * i32::try_from(index).unwrap_or(0);
            canvas::bar(area, (RIGHT + 24, y - 2), (RIGHT + 48, y + 2), colour, 1.0)?;
            canvas::text(area, &strategy.name, (RIGHT + 56, y), 12, (HPos::Left, VPos::Center), 0.95)?;
        }
        Ok(())
    })
}

struct Strategy {
    name: String,
    points: Vec<Point>,
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
            let mut points: Vec<Point> = alone.into_iter().chain(with_workers).filter_map(point).collect();
            points.sort_by_key(|point| point.workers);
            Strategy { name: escape::page(name, 26), points }
        })
        .filter(|strategy| !strategy.points.is_empty())
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

    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, scale: &Scale, colour: RGBColor) -> Drawn {
        let at = |point: &Point, ms: f64| (scale.x(point.workers), scale.y(ms));
        let upper = self.points.iter().map(|point| at(point, point.high));
        let lower = self.points.iter().rev().map(|point| at(point, point.low));
        if self.points.len() > 1 {
            area.draw(&Polygon::new(upper.chain(lower).collect::<Vec<_>>(), colour.mix(0.15).filled()))?;
        }
        let line: Vec<(i32, i32)> = self.points.iter().map(|point| at(point, point.value)).collect();
        area.draw(&PathElement::new(line, ShapeStyle { color: colour.mix(1.0), filled: false, stroke_width: 2 }))?;
        for point in &self.points {
            let (x, y) = at(point, point.value);
            canvas::line(area, (x, scale.y(point.low)), (x, scale.y(point.high)), colour, 0.8, 1)?;
            area.draw(&Circle::new((x, y), 4, colour.filled()))?;
            let value = format!(
                "{}, {}: p95 {} ({})",
                self.name,
                text::plural(u64::from(point.workers), "worker", "workers"),
                text::milliseconds(point.value),
                text::range::between(&text::milliseconds(point.low), &text::milliseconds(point.high))
            );
            hovers.add((x - 8, y - 8), (x + 8, y + 8), &value);
        }
        Ok(())
    }
}

/// The number of workers horizontally, response times vertically.
struct Scale {
    workers_max: u32,
    times: LogScale,
}

impl Scale {
    fn from_points(points: impl Iterator<Item = Point>, workers_max: u32) -> Self {
        let times = LogScale::from_values(points.flat_map(|point| [point.low, point.high]));
        Self { workers_max: workers_max.max(1), times }
    }

    fn x(&self, workers: u32) -> i32 {
        canvas::interpolate(LEFT + 20, RIGHT - 20, f64::from(workers) / f64::from(self.workers_max))
    }

    fn y(&self, ms: f64) -> i32 {
        canvas::interpolate(BOTTOM, TOP, self.times.share(ms))
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        for (ms, label) in self.times.ticks() {
            let y = self.y(ms);
            canvas::line(area, (LEFT, y), (RIGHT, y), INK, 0.14, 1)?;
            canvas::text(area, &label, (LEFT - 8, y), 11, (HPos::Right, VPos::Center), 0.75)?;
        }
        for workers in (0..=self.workers_max).step_by(usize::try_from(self.workers_max.div_ceil(16)).unwrap_or(1).max(1)) {
            canvas::text(area, &workers.to_string(), (self.x(workers), BOTTOM + 8), 11, (HPos::Center, VPos::Top), 0.75)?;
        }
        canvas::text(
            area,
            "workers besides the main process",
            (i32::midpoint(LEFT, RIGHT), BOTTOM + 26),
            12,
            (HPos::Center, VPos::Top),
            0.75,
        )
    }
}

/// One for each colour.
const STRATEGIES_MAX: usize = SERIES.len();
const LEFT: i32 = 70;
const RIGHT: i32 = 700;
const TOP: i32 = 16;
const BOTTOM: i32 = 330;
