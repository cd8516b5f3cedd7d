//! The processes before (as logged) and after (under the plan), by how busy they are.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, BLUE, Drawn, GREY, Hovers, INK, RED, Words};
use crate::{analysis, escape, format};
use wsim_advise::sweep::{Simulated, Sweep};
use wsim_advise::{Advice, Candidate};
use wsim_profile::Profile;
use wsim_stats::Interval;

/// Bars with whiskers against the objective and a full core. Before: the monolith among the candidates, and the processes as
/// logged if there are several. After: the recommended plan, or the one that comes closest.
pub fn processes(profile: &Profile, advice: &Advice) -> String {
    let mut sections = before(profile, advice);
    sections.extend(after(advice));
    bars("processes", "Processes before and after", &sections, analysis::objective_share(&advice.objective))
}

/// The same bars for the plan that a sweep shows, and for its runner-up.
pub fn simulated_processes(sweep: &Sweep) -> String {
    let section = |(title, candidate): (&str, &Simulated)| Section {
        title: format!("{title}: {}", escape::page(&candidate.plan.name, 48)),
        rows: candidate
            .processes
            .iter()
            .take(ROWS_MAX)
            .map(|process| Row { name: escape::page(&process.name, 26), busy: process.peak })
            .collect(),
        judged: true,
    };
    let shown = sweep.shown().map(|(candidate, recommended)| (if recommended { "Recommended" } else { "Closest" }, candidate));
    let other = sweep.runner_up.and_then(|index| sweep.candidates.get(index)).map(|candidate| ("Runner-up", candidate));
    let sections: Vec<Section> = shown.into_iter().chain(other).map(section).collect();
    bars("simulated-processes", "How busy every process is", &sections, Some(sweep.busy))
}

fn bars(name: &str, title: &str, sections: &[Section], objective: Option<f64>) -> String {
    let words =
        Words { name, title, summary: sections.iter().map(|section| format!("{}: {}. ", section.title, list(&section.rows))).collect() };
    let rows: i32 = sections.iter().map(|section| HEAD + PITCH * i32::try_from(section.rows.len()).unwrap_or(0)).sum();
    let largest =
        sections.iter().flat_map(|section| &section.rows).map(|row| row.busy.high).filter(|high| high.is_finite()).fold(1.0, f64::max);
    let bottom = TOP + rows;
    canvas::svg(&words, (WIDTH, u32::try_from(bottom + 44).unwrap_or(200)), |area, hovers| {
        let scale = largest * 1.04;
        axis(area, scale, bottom, objective)?;
        let mut y = TOP;
        for section in sections {
            canvas::text(area, &section.title, (LEFT, y + HEAD / 2), 12, (HPos::Left, VPos::Center), 0.75)?;
            y += HEAD;
            for row in &section.rows {
                row.draw(area, hovers, scale, y, objective.filter(|_| section.judged))?;
                y += PITCH;
            }
        }
        Ok(())
    })
}

struct Section {
    title: String,
    rows: Vec<Row>,
    /// Whether the objective, which is for the peak, applies to the numbers.
    judged: bool,
}

struct Row {
    name: String,
    busy: Interval,
}

impl Row {
    fn draw(&self, area: &Area<'_>, hovers: &mut Hovers, scale: f64, y: i32, objective: Option<f64>) -> Drawn {
        let x = |share: f64| canvas::along(LEFT, RIGHT, share / scale);
        let middle = y + PITCH / 2;
        let over = objective.is_some_and(|limit| self.busy.value > limit);
        let colour: RGBColor = match objective {
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
        let value = format!("{}{}", format::percent_range(self.busy), if over { ", over" } else { "" });
        canvas::text(area, &value, (RIGHT + 16, middle), 12, (HPos::Left, VPos::Center), 0.95)?;
        hovers.add((0, y), (WIDTH.cast_signed(), y + PITCH), &format!("{}: {} of a core", self.name, format::percent_range(self.busy)));
        Ok(())
    }
}

/// Everything on the main process at the peak, and, where the log shows several processes, what they did.
fn before(profile: &Profile, advice: &Advice) -> Vec<Section> {
    let mut sections = Vec::new();
    if let Some(monolith) = advice.candidates.iter().find(|candidate| candidate.workers == 0) {
        sections.push(Section { title: "Everything on the main process".to_owned(), rows: rows_of(monolith), judged: true });
    }
    let mut rows: Vec<Row> = profile
        .processes
        .iter()
        .filter_map(|process| {
            Some(Row {
                name: escape::page(&process.name, 26),
                busy: Interval::exact(process.utilisation.filter(|value| value.is_finite())?),
            })
        })
        .collect();
    if rows.len() > 1 || sections.is_empty() {
        rows.sort_by(|a, b| b.busy.value.total_cmp(&a.busy.value));
        rows.truncate(LOGGED_MAX);
        sections.push(Section { title: "As logged: mean over the whole log, request lines only".to_owned(), rows, judged: false });
    }
    sections
}

/// The plan, unless it is the monolith that is drawn already.
fn after(advice: &Advice) -> Option<Section> {
    let shown = analysis::shown(advice).filter(|shown| shown.candidate.workers > 0)?;
    let name = escape::page(&shown.candidate.plan.name, 48);
    let word = if shown.recommended { "Recommended" } else { "Closest" };
    Some(Section { title: format!("{word}: {name}"), rows: rows_of(shown.candidate), judged: true })
}

fn rows_of(candidate: &Candidate) -> Vec<Row> {
    candidate
        .processes
        .iter()
        .take(ROWS_MAX)
        .map(|process| Row { name: escape::page(&process.name, 26), busy: process.utilisation })
        .collect()
}

fn list(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("{} {}", row.name, format::percent(row.busy.value))).collect::<Vec<_>>().join(", ")
}

fn axis(area: &Area<'_>, scale: f64, bottom: i32, objective: Option<f64>) -> Drawn {
    let x = |share: f64| canvas::along(LEFT, RIGHT, share / scale);
    for tick in canvas::ticks(scale).into_iter().filter(|tick| *tick <= scale) {
        canvas::line(area, (x(tick), TOP), (x(tick), bottom), INK, 0.12, 1)?;
        canvas::text(area, &format::percent(tick), (x(tick), bottom + 8), 11, (HPos::Center, VPos::Top), 0.75)?;
    }
    canvas::line(area, (x(1.0), TOP), (x(1.0), bottom), INK, 0.5, 1)?;
    canvas::text(area, "one core", (x(1.0), TOP - 8), 11, (HPos::Center, VPos::Center), 0.75)?;
    if let Some(limit) = objective.filter(|limit| *limit < scale) {
        for dash in (TOP..bottom).step_by(8) {
            canvas::line(area, (x(limit), dash), (x(limit), (dash + 4).min(bottom)), INK, 0.7, 1)?;
        }
        canvas::text(
            area,
            &format!("objective {}", format::percent(limit)),
            (x(limit), TOP - 8),
            11,
            (if limit < 0.9 { HPos::Center } else { HPos::Right }, VPos::Center),
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
const PITCH: i32 = 28;
const HEAD: i32 = 34;
