//! Latency against the number of workers, a line per strategy with its band.

use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::canvas::{self, Area, Drawn, Hovers, INK, SERIES, Words};
use crate::{escape, format};
use wsim_advise::sweep::{Simulated, Sweep};

/// 95th percentile of the work latency on a logarithmic axis; bands are 95 % intervals.
pub fn latency_by_workers(sweep: &Sweep) -> String {
    let strategies = strategies(sweep);
    let words = Words {
        name: "latency-by-workers",
        title: "Work latency against the number of workers",
        summary: strategies.iter().map(Strategy::summary).collect(),
    };
    let all = || strategies.iter().flat_map(|strategy| strategy.points.iter());
    let most = all().map(|point| point.workers).max().unwrap_or(0);
    let scale = Scale::over(all().copied(), most);
    canvas::svg(&words, (960, BOTTOM.unsigned_abs() + 48), |area, hovers| {
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

/// The recommended strategy first, then by the best latency each reaches. Every line begins where there are no workers.
fn strategies(sweep: &Sweep) -> Vec<Strategy> {
    let mut names: Vec<&str> = Vec::new();
    let recommended = sweep.recommended.and_then(|index| sweep.candidates.get(index)).map(|one| one.strategy.as_str());
    let mut candidates: Vec<&Simulated> = sweep.candidates.iter().collect();
    candidates.sort_by(|a, b| a.overall.p95.value.total_cmp(&b.overall.p95.value));
    for name in recommended.into_iter().chain(candidates.iter().map(|candidate| candidate.strategy.as_str())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let alone = sweep.candidates.iter().find(|candidate| candidate.workers == 0);
    if names.len() > 1 {
        names.retain(|name| alone.is_none_or(|alone| alone.strategy != *name));
    }
    names
        .into_iter()
        .take(STRATEGIES_MAX)
        .map(|name| {
            let own = sweep.candidates.iter().filter(|candidate| candidate.strategy == name && candidate.workers > 0);
            let mut points: Vec<Point> = alone.into_iter().chain(own).filter_map(point).collect();
            points.sort_by_key(|point| point.workers);
            Strategy { name: escape::page(name, 26), points }
        })
        .filter(|strategy| !strategy.points.is_empty())
        .collect()
}

fn point(candidate: &Simulated) -> Option<Point> {
    let p95 = candidate.overall.p95;
    let known = p95.value.is_finite() && p95.high.is_finite();
    known.then_some(Point { workers: candidate.workers, low: p95.low, value: p95.value, high: p95.high })
}

impl Strategy {
    fn summary(&self) -> String {
        let points = self.points.iter().map(|point| format!("{} workers {}", point.workers, format::milliseconds(point.value)));
        format!("{}: {}. ", self.name, points.collect::<Vec<_>>().join(", "))
    }

    fn draw(&self, area: &Area<'_>, hovers: &mut Hovers, scale: &Scale, colour: RGBColor) -> Drawn {
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
            let words = format!(
                "{}, {}: p95 {} ({} to {})",
                self.name,
                format::plural(u64::from(point.workers), "worker", "workers"),
                format::milliseconds(point.value),
                format::milliseconds(point.low),
                format::milliseconds(point.high)
            );
            hovers.add((x - 8, y - 8), (x + 8, y + 8), &words);
        }
        Ok(())
    }
}

/// Workers across, whole powers of ten of ms upwards.
struct Scale {
    most: u32,
    low: i32,
    high: i32,
}

impl Scale {
    #[expect(clippy::cast_possible_truncation, reason = "an exponent of ten of an f64 is below 400")]
    fn over(points: impl Iterator<Item = Point>, most: u32) -> Self {
        let (low, high) = points.fold((f64::INFINITY, 0.0_f64), |(low, high), point| (low.min(point.low), high.max(point.high)));
        let low = if low.is_finite() { low.max(SMALLEST_MS).log10().floor() as i32 } else { 0 };
        let high = high.max(SMALLEST_MS).log10().ceil() as i32;
        Self { most: most.max(1), low, high: high.max(low + 1) }
    }

    fn x(&self, workers: u32) -> i32 {
        canvas::along(LEFT + 20, RIGHT - 20, f64::from(workers) / f64::from(self.most))
    }

    fn y(&self, ms: f64) -> i32 {
        canvas::along(BOTTOM, TOP, (ms.max(SMALLEST_MS).log10() - f64::from(self.low)) / f64::from(self.high - self.low))
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        for power in self.low..=self.high {
            let ms = 10_f64.powi(power);
            let y = self.y(ms);
            canvas::line(area, (LEFT, y), (RIGHT, y), INK, 0.14, 1)?;
            let label = if ms < 1000.0 { format!("{ms} ms") } else { format!("{} s", ms / 1000.0) };
            canvas::text(area, &label, (LEFT - 8, y), 11, (HPos::Right, VPos::Center), 0.75)?;
        }
        for workers in (0..=self.most).step_by(usize::try_from(self.most.div_ceil(16)).unwrap_or(1).max(1)) {
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

/// As many as there are colours.
const STRATEGIES_MAX: usize = SERIES.len();
const SMALLEST_MS: f64 = 0.1;
const LEFT: i32 = 70;
const RIGHT: i32 = 700;
const TOP: i32 = 16;
const BOTTOM: i32 = 330;
