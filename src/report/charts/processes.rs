//! CPU of each process: everything on the main process, and under the plan, on one basis.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, BLUE, ChartText, Drawn, GREY, HoverValues, INK, LEFT, RED, RIGHT};
use super::labels::{self, Legend, Sign};
use crate::shared::escape;
use wsim_advise::PlanSummary;
use wsim_advise::sweep::Sweep;
use wsim_stats::Interval;
use wsim_text as text;

/// Bars with whiskers, compared with `busy_max` of the objective and a full core; all of them at the peak, with background CPU: everything on the main
/// process, and `shown`, with whether it is recommended.
pub fn processes(candidates: &[PlanSummary], shown: Option<(&PlanSummary, bool)>, busy_max: f64) -> String {
    // The monolith is drawn already.
    let plan = shown.filter(|(plan, _)| plan.workers > 0).map(|(plan, recommended)| Section::from_shown(plan, recommended));
    let sections: Vec<Section> = alone(candidates).into_iter().chain(plan).collect();
    bars("processes", "CPU of each process at the peak", &sections, busy_max)
}

/// The same bars for the plan that a sweep shows first, and for its runner-up.
pub fn simulated_processes(sweep: &Sweep) -> String {
    let shown = sweep.shown().map(|(candidate, recommended)| Section::from_shown(&candidate.summary, recommended));
    let runner_up = sweep.runner_up.and_then(|index| sweep.candidates.get(index));
    let sections: Vec<Section> =
        shown.into_iter().chain(runner_up.map(|candidate| Section::from_plan("Runner-up", &candidate.summary))).collect();
    bars("simulated-processes", "CPU of each process", &sections, sweep.objective.busy)
}

fn bars(name: &str, title: &str, sections: &[Section], busy_max: f64) -> String {
    let chart_text = ChartText {
        name,
        title,
        summary: sections.iter().map(|section| format!("{}: {}. ", section.title, list(&section.rows))).collect(),
    };
    let all = || sections.iter().flat_map(|section| &section.rows).map(|row| row.busy);
    let highest = |of: fn(Interval) -> f64| all().map(of).filter(|share| share.is_finite()).fold(1.0, f64::max);
    // A whisker that is far longer than all bars leaves the chart, so that these stay visible.
    let largest = highest(|busy| busy.high).min(highest(|busy| busy.value) * WHISKER_MAX);
    let scale = largest * 1.04;
    let legend = Legend::new([
        (Sign::Dashed, format!("objective {}", text::percent(busy_max))),
        (Sign::Upright(GREY), "100 %: all that the process may use".to_owned()),
        (Sign::Square(RED, 0.85), "over the objective".to_owned()),
    ]);
    let top = legend.height + 4;
    let bottom = top + sections.iter().map(Section::height).sum::<i32>();
    canvas::svg(&chart_text, bottom + 26, |area, hovers| {
        legend.draw(area, 0)?;
        axis(area, scale, (top, bottom), busy_max)?;
        let mut y = top;
        for section in sections {
            let title = labels::fitted(&section.title, 12, RIGHT - LEFT);
            canvas::text(area, &title, (LEFT, y + HEAD / 2), 12, (HPos::Left, VPos::Center), 0.75)?;
            y += HEAD;
            for row in &section.rows {
                row.draw(area, hovers, scale, y, busy_max)?;
                y += ROW_HEIGHT;
            }
            if let Some(more) = section.more() {
                canvas::text(area, &more, (LEFT, y + HEAD / 2), 11, (HPos::Left, VPos::Center), 0.75)?;
                y += HEAD;
            }
        }
        Ok(())
    })
}

struct Section {
    title: String,
    rows: Vec<Row>,
    /// Processes beyond those in `rows`.
    left_out: usize,
}

impl Section {
    fn from_shown(plan: &PlanSummary, recommended: bool) -> Self {
        Self::from_plan(if recommended { "Recommended" } else { "Closest" }, plan)
    }

    fn from_plan(label: &str, plan: &PlanSummary) -> Self {
        let row = |process: &wsim_advise::ProcessSummary| Row { name: escape::page(&process.name, 40), busy: process.peak };
        Self::new(format!("{label}: {}", escape::page(&plan.plan.name, 48)), plan.processes.iter().map(row).collect())
    }

    fn new(title: String, mut rows: Vec<Row>) -> Self {
        let left_out = rows.len().saturating_sub(ROWS_MAX);
        if left_out > 0 {
            rows.sort_by(|a, b| b.busy.value.total_cmp(&a.busy.value));
            rows.truncate(ROWS_MAX);
        }
        Self { title, rows, left_out }
    }

    fn more(&self) -> Option<String> {
        (self.left_out > 0).then(|| format!("and {} that are less busy", text::plural(self.left_out as u64, "process", "processes")))
    }

    fn height(&self) -> i32 {
        HEAD * (1 + i32::from(self.left_out > 0)) + ROW_HEIGHT * i32::try_from(self.rows.len()).unwrap_or(0)
    }
}

struct Row {
    name: String,
    busy: Interval,
}

impl Row {
    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, scale: f64, y: i32, busy_max: f64) -> Drawn {
        let x = |share: f64| canvas::interpolate(LEFT, RIGHT, share / scale);
        let middle = y + ROW_HEIGHT - 10;
        let over = self.busy.value > busy_max;
        let colour: RGBColor = if over { RED } else { BLUE };
        let value = format!("{}{}", text::percent_range(self.busy), if over { ", over" } else { "" });
        labels::name_and_value(area, y + 7, &self.name, &value)?;
        canvas::bar(area, (LEFT, middle - 5), (x(self.busy.value).max(LEFT + 1), middle + 5), colour, 0.85)?;
        if self.busy.high > self.busy.low {
            let (low, high) = (x(self.busy.low), x(self.busy.high));
            canvas::line(area, (low, middle), (high, middle), INK, 0.9, 1)?;
            canvas::line(area, (low, middle - 4), (low, middle + 4), INK, 0.9, 1)?;
            canvas::line(area, (high, middle - 4), (high, middle + 4), INK, 0.9, 1)?;
        }
        hovers.add((LEFT, y), (RIGHT, y + ROW_HEIGHT), &format!("{}: {} busy", self.name, text::percent_range(self.busy)));
        Ok(())
    }
}

/// Everything on the main process.
fn alone(candidates: &[PlanSummary]) -> Option<Section> {
    let monolith = candidates.iter().find(|plan| plan.workers == 0)?;
    Some(Section { title: "Everything on the main process".to_owned(), ..Section::from_plan("", monolith) })
}

fn list(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("{} {}", row.name, text::percent(row.busy.value))).collect::<Vec<_>>().join(", ")
}

fn axis(area: &Area<'_>, scale: f64, (top, bottom): (i32, i32), busy_max: f64) -> Drawn {
    let x = |share: f64| canvas::interpolate(LEFT, RIGHT, share / scale);
    let ticks = canvas::ticks(scale).into_iter().filter(|tick| *tick <= scale);
    let ticks: Vec<(i32, String)> = ticks.map(|tick| (x(tick), text::percent(tick))).collect();
    for (at, _) in &ticks {
        canvas::line(area, (*at, top), (*at, bottom), INK, 0.12, 1)?;
    }
    labels::ticks_along(area, &ticks, bottom + 6)?;
    canvas::line(area, (x(1.0), top), (x(1.0), bottom), INK, 0.5, 1)?;
    if busy_max < scale {
        canvas::dashes(area, (x(busy_max), top), (x(busy_max), bottom), 0.8)?;
    }
    canvas::bar(area, (LEFT, bottom), (RIGHT, bottom + 1), GREY, 0.6)
}

const ROWS_MAX: usize = 10;
/// How far the axis reaches beyond the longest bar.
const WHISKER_MAX: f64 = 1.6;
const ROW_HEIGHT: i32 = 33;
const HEAD: i32 = 22;
