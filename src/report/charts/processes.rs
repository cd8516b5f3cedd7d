//! CPU of each process: as logged, and under the plan.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, BLUE, ChartText, Drawn, GREY, HoverValues, INK, RED};
use crate::shared::escape;
use wsim_advise::PlanSummary;
use wsim_advise::sweep::Sweep;
use wsim_profile::{ProcessProfile, Profile};
use wsim_stats::Interval;
use wsim_text as text;

/// Bars with whiskers, compared with `busy_max` of the objective and a full core. Now: the monolith among the candidates, and the
/// processes as logged if there are several. Under the plan: `shown`, with whether it is recommended.
pub fn processes(profile: &Profile, candidates: &[PlanSummary], shown: Option<(&PlanSummary, bool)>, busy_max: f64) -> String {
    let mut sections = now(profile, candidates);
    // The monolith is drawn already.
    sections.extend(shown.filter(|(plan, _)| plan.workers > 0).map(|(plan, recommended)| Section::from_shown(plan, recommended)));
    bars("processes", "CPU of each process, now and under the plan", &sections, busy_max)
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
    let rows: i32 = sections.iter().map(|section| HEAD + ROW_HEIGHT * i32::try_from(section.rows.len()).unwrap_or(0)).sum();
    let largest =
        sections.iter().flat_map(|section| &section.rows).map(|row| row.busy.high).filter(|high| high.is_finite()).fold(1.0, f64::max);
    let bottom = TOP + rows;
    canvas::svg(&chart_text, (WIDTH, u32::try_from(bottom + 44).unwrap_or(200)), |area, hovers| {
        let scale = largest * 1.04;
        axis(area, scale, bottom, busy_max)?;
        let mut y = TOP;
        for section in sections {
            canvas::text(area, &section.title, (LEFT, y + HEAD / 2), 12, (HPos::Left, VPos::Center), 0.75)?;
            y += HEAD;
            for row in &section.rows {
                row.draw(area, hovers, scale, y, section.judged.then_some(busy_max))?;
                y += ROW_HEIGHT;
            }
        }
        Ok(())
    })
}

struct Section {
    title: String,
    rows: Vec<Row>,
    /// Whether the objective applies; it does to values at the peak only.
    judged: bool,
}

impl Section {
    fn from_shown(plan: &PlanSummary, recommended: bool) -> Self {
        Self::from_plan(if recommended { "Recommended" } else { "Closest" }, plan)
    }

    fn from_plan(label: &str, plan: &PlanSummary) -> Self {
        Self { title: format!("{label}: {}", escape::page(&plan.plan.name, 48)), rows: rows(plan), judged: true }
    }
}

struct Row {
    name: String,
    busy: Interval,
}

impl Row {
    fn draw(&self, area: &Area<'_>, hovers: &mut HoverValues, scale: f64, y: i32, busy_max: Option<f64>) -> Drawn {
        let x = |share: f64| canvas::interpolate(LEFT, RIGHT, share / scale);
        let middle = y + ROW_HEIGHT / 2;
        let over = busy_max.is_some_and(|limit| self.busy.value > limit);
        let colour: RGBColor = match busy_max {
            None => GREY,
            Some(_) if over => RED,
            Some(_) => BLUE,
        };
        canvas::text(area, &self.name, (LEFT - 10, middle), 13, (HPos::Right, VPos::Center), 1.0)?;
        canvas::bar(area, (LEFT, middle - 8), (x(self.busy.value).max(LEFT + 1), middle + 8), colour, 0.85)?;
        if self.busy.high > self.busy.low {
            let (low, high) = (x(self.busy.low), x(self.busy.high));
            canvas::line(area, (low, middle), (high, middle), INK, 0.9, 1)?;
            canvas::line(area, (low, middle - 4), (low, middle + 4), INK, 0.9, 1)?;
            canvas::line(area, (high, middle - 4), (high, middle + 4), INK, 0.9, 1)?;
        }
        let value = format!("{}{}", text::percent_range(self.busy), if over { ", over" } else { "" });
        canvas::text(area, &value, (RIGHT + 16, middle), 12, (HPos::Left, VPos::Center), 0.95)?;
        hovers.add((0, y), (WIDTH.cast_signed(), y + ROW_HEIGHT), &format!("{}: {} of a core", self.name, text::percent_range(self.busy)));
        Ok(())
    }
}

/// Everything on the main process at the peak, and the processes of the log if there are several.
fn now(profile: &Profile, candidates: &[PlanSummary]) -> Vec<Section> {
    let mut sections = Vec::new();
    if let Some(monolith) = candidates.iter().find(|plan| plan.workers == 0) {
        sections.push(Section { title: "Everything on the main process".to_owned(), rows: rows(monolith), judged: true });
    }
    let row = |process: &ProcessProfile| {
        let busy = process.utilisation.filter(|value| value.is_finite())?;
        Some(Row { name: escape::page(&process.name, 26), busy: Interval::exact(busy) })
    };
    let mut rows: Vec<Row> = profile.processes.iter().filter_map(row).collect();
    if rows.len() > 1 || sections.is_empty() {
        rows.sort_by(|a, b| b.busy.value.total_cmp(&a.busy.value));
        rows.truncate(LOGGED_MAX);
        sections.push(Section { title: "As logged: mean over the whole log, background CPU excluded".to_owned(), rows, judged: false });
    }
    sections
}

fn rows(plan: &PlanSummary) -> Vec<Row> {
    plan.processes.iter().take(ROWS_MAX).map(|process| Row { name: escape::page(&process.name, 26), busy: process.peak }).collect()
}

fn list(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("{} {}", row.name, text::percent(row.busy.value))).collect::<Vec<_>>().join(", ")
}

fn axis(area: &Area<'_>, scale: f64, bottom: i32, busy_max: f64) -> Drawn {
    let x = |share: f64| canvas::interpolate(LEFT, RIGHT, share / scale);
    for tick in canvas::ticks(scale).into_iter().filter(|tick| *tick <= scale) {
        canvas::line(area, (x(tick), TOP), (x(tick), bottom), INK, 0.12, 1)?;
        canvas::text(area, &text::percent(tick), (x(tick), bottom + 8), 11, (HPos::Center, VPos::Top), 0.75)?;
    }
    canvas::line(area, (x(1.0), TOP), (x(1.0), bottom), INK, 0.5, 1)?;
    canvas::text(area, "one core", (x(1.0), TOP - 8), 11, (HPos::Center, VPos::Center), 0.75)?;
    if busy_max < scale {
        for dash in (TOP..bottom).step_by(8) {
            canvas::line(area, (x(busy_max), dash), (x(busy_max), (dash + 4).min(bottom)), INK, 0.7, 1)?;
        }
        canvas::text(
            area,
            &format!("objective {}", text::percent(busy_max)),
            (x(busy_max), TOP - 8),
            11,
            (if busy_max < 0.9 { HPos::Center } else { HPos::Right }, VPos::Center),
            0.85,
        )?;
    }
    canvas::bar(area, (LEFT, bottom), (RIGHT, bottom + 1), GREY, 0.6)
}

const ROWS_MAX: usize = 24;
const LOGGED_MAX: usize = 10;
const WIDTH: u32 = 960;
const LEFT: i32 = 190;
const RIGHT: i32 = 780;
const TOP: i32 = 30;
const ROW_HEIGHT: i32 = 28;
const HEAD: i32 = 34;
