//! The summary of a simulation on a terminal.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::model::SimulationReport;
use super::tables;
use crate::analysis::write_inputs;
use crate::shared::brief::{self, Brief};
use crate::shared::escape;
use crate::shared::plan_cells::{busiest_texts, meets_text};
use crate::shared::table::{Cell, Tone};
use crate::shared::terminal::{Style, TableChoice, TableName, TerminalWriter, bold, dim, tone_style};
use crate::shared::text_table::{Align, TextCell, TextTable};
use crate::shared::vocabulary;
use wsim_advise::sweep::{SimulatedPlan, Sweep};
use wsim_advise::{Limit, PlanSummary};
use wsim_stats::Interval;
use wsim_text as text;

pub(super) fn terminal(out: &mut dyn Write, report: &SimulationReport, style: Style) -> io::Result<()> {
    let mut terminal = TerminalWriter::new(out, style);
    if style.tables == TableChoice::NONE {
        return brief(report).write(&mut terminal);
    }
    terminal.paragraph(0, &head(report), dim())?;
    if report.is_partial() {
        terminal.paragraph(0, INTERRUPTED, tone_style(Tone::Warn))?;
    }
    write_verdict(&mut terminal, report)?;
    let tables: [(TableName, WriteTable); 5] = [
        (TableName::Plans, write_candidates),
        (TableName::Times, write_groups),
        (TableName::Loads, write_stress),
        (TableName::Backtest, write_backtest),
        (TableName::Inputs, |terminal, report| write_inputs(terminal, &report.analysis)),
    ];
    for (_, write) in tables.into_iter().filter(|(name, _)| style.tables.shows(*name)) {
        write(&mut terminal, report)?;
    }
    terminal.next_step(&report.analysis.facts)?;
    terminal.verdict_again(&report.sweep.verdict.text)
}

type WriteTable = fn(&mut TerminalWriter<'_>, &SimulationReport) -> io::Result<()>;

/// The summary on one screen.
fn brief(report: &SimulationReport) -> Brief<'_> {
    let sweep = &report.sweep;
    let mut facts = Vec::new();
    if let Some((candidate, recommended)) = sweep.shown() {
        let plan = &candidate.summary;
        let layout = if plan.workers == 0 { plan.layout() } else { plan.balance.clone() };
        let label = if recommended { "Plan" } else { "Closest" };
        facts.extend(brief::plan(label, plan, (&layout, "on average"), (&sweep.objective, &plan.reason)));
        facts.extend(plan.first_limit().map(brief::first_limit));
    }
    facts.push(brief::confidence(&report.confidence()));
    Brief {
        head: head(report),
        interrupted: report.is_partial().then_some(INTERRUPTED),
        warnings: Vec::new(),
        verdict: &sweep.verdict.text,
        facts,
        reasons: sweep.reasons.iter().map(String::as_str).collect(),
        next: report.analysis.facts.next.first(),
    }
}

/// What was simulated.
fn head(report: &SimulationReport) -> String {
    let sweep = &report.sweep;
    let growth = if (sweep.growth - 1.0).abs() > 1e-9 {
        format!(" · {} × {}", sweep.growth_kind.noun(), text::tick(sweep.growth))
    } else {
        String::new()
    };
    format!(
        "wsim {} · {} simulated, {}{growth} · {} · seed {}",
        report.analysis.facts.wsim,
        text::plural(sweep.requests, "request", "requests"),
        vocabulary::window(sweep.window),
        text::plural(u64::from(sweep.replications), "replication", "replications"),
        sweep.seed
    )
}

fn write_verdict(terminal: &mut TerminalWriter<'_>, report: &SimulationReport) -> io::Result<()> {
    let sweep = &report.sweep;
    terminal.empty_line()?;
    terminal.paragraph(0, &sweep.verdict.text, bold())?;
    terminal.empty_line()?;
    if let Some((candidate, recommended)) = sweep.shown() {
        let plan = &candidate.summary;
        let layout = if plan.workers == 0 { plan.layout() } else { plan.balance.clone() };
        terminal.plan(plan, recommended, (&layout, "on average"), (&sweep.objective, &plan.reason))?;
    }
    terminal.confidence_and_reasons(&report.confidence(), &sweep.reasons)
}

fn write_candidates(terminal: &mut TerminalWriter<'_>, report: &SimulationReport) -> io::Result<()> {
    let sweep = &report.sweep;
    let note = format!("the best {PLANS_PER_COUNT_MAX} for each number of workers, at the peak; > recommended, + runner-up");
    terminal.heading("Simulated plans", &note)?;
    let mut table = TextTable::new(&[
        ("", Align::Left),
        ("workers", Align::Right),
        ("plan", Align::Left),
        ("busiest", Align::Left),
        ("busy", Align::Figures),
        ("p95 ms", Align::Figures),
        ("limit", Align::Left),
        ("meets", Align::Left),
    ]);
    let shown = best_plans_by_workers(sweep);
    for &(index, candidate) in &shown {
        let mark = match index {
            index if sweep.recommended == Some(index) => ">",
            index if sweep.runner_up == Some(index) => "+",
            _ => "",
        };
        let plan = &candidate.summary;
        let (meets, tone) = meets_text(plan.meets);
        let (name, busy) = busiest_texts(plan);
        table.push(vec![
            TextCell::styled(mark.to_owned(), bold()),
            TextCell::plain(plan.workers.to_string()),
            TextCell::plain(escape::terminal(&plan.plan.name, 30)),
            TextCell::plain(escape::terminal(&name, 15)),
            TextCell::plain(busy),
            TextCell::plain(p95(candidate.response_times().map(|times| times.p95), candidate.instead_of_times())),
            TextCell::plain(first_limit(plan)),
            TextCell::styled(meets.to_owned(), tone_style(tone)),
        ]);
    }
    terminal.text_table(&table)?;
    terminal.left_out(sweep.candidates.len(), shown.len(), "simulated plan", "simulated plans")?;
    if !sweep.discarded.is_empty() {
        let plans = text::plural(sweep.discarded.len() as u64, "plan was", "plans were");
        terminal.paragraph(2, &format!("{plans} not simulated; the report says why"), dim())?;
    }
    Ok(())
}

/// A response time, or why there is none.
fn p95(interval: Option<Interval>, instead: &str) -> String {
    interval.map_or_else(|| instead.to_owned(), text::range)
}

fn first_limit(plan: &PlanSummary) -> String {
    plan.first_limit().map(Limit::brief).unwrap_or_default()
}

/// The best few plans for each number of workers, by the objective and then by response time, with their indices. The recommended
/// plan and the runner-up are always among them.
fn best_plans_by_workers(sweep: &Sweep) -> Vec<(usize, &SimulatedPlan)> {
    let mut order: Vec<(usize, &SimulatedPlan)> = sweep.candidates.iter().enumerate().collect();
    let unmarked = |index: usize| sweep.recommended != Some(index) && sweep.runner_up != Some(index);
    let latency = |candidate: &SimulatedPlan| candidate.response_times().map_or(f64::INFINITY, |times| times.p95.value);
    order.sort_by(|(i, a), (j, b)| {
        let key = |index: usize, candidate: &SimulatedPlan| (candidate.summary.workers, unmarked(index), candidate.summary.meets);
        key(*i, a).cmp(&key(*j, b)).then(latency(a).total_cmp(&latency(b)))
    });
    let mut shown = BTreeMap::<u32, usize>::new();
    order.retain(|(_, candidate)| {
        let count = shown.entry(candidate.summary.workers).or_default();
        *count += 1;
        *count <= PLANS_PER_COUNT_MAX
    });
    order
}

fn write_groups(terminal: &mut TerminalWriter<'_>, report: &SimulationReport) -> io::Result<()> {
    let shown = report.sweep.shown().filter(|(candidate, _)| candidate.response_times().is_some());
    let Some((SimulatedPlan { summary, groups, .. }, _)) = shown else { return Ok(()) };
    let note = format!("ms, under {}, long-poll waiting excluded", escape::terminal(&summary.plan.name, 40));
    terminal.heading("Response times", &note)?;
    let mut table = TextTable::new(&[
        ("group", Align::Left),
        ("requests", Align::Right),
        ("mean", Align::Figures),
        ("p50", Align::Figures),
        ("p95", Align::Figures),
        ("p99", Align::Figures),
    ]);
    let mut order: Vec<_> = groups.iter().collect();
    order.sort_by(|a, b| b.requests.cmp(&a.requests).then(a.id.cmp(&b.id)));
    for group in order.iter().take(GROUPS_MAX) {
        let latency = group.latency_ms;
        table.push(vec![
            TextCell::plain(escape::terminal(&group.id, 20)),
            TextCell::plain(text::count(group.requests)),
            TextCell::plain(text::number(latency.mean.value)),
            TextCell::plain(text::number(latency.p50.value)),
            TextCell::plain(text::range(latency.p95)),
            TextCell::plain(text::range(latency.p99)),
        ]);
    }
    terminal.text_table(&table)?;
    terminal.left_out(groups.len(), GROUPS_MAX, "group", "groups")
}

fn write_stress(terminal: &mut TerminalWriter<'_>, report: &SimulationReport) -> io::Result<()> {
    let sweep = &report.sweep;
    if sweep.growth_steps.is_empty() && sweep.sensitivity.is_empty() {
        return Ok(());
    }
    terminal.heading("Other loads and assumptions", "the same plan")?;
    let mut table = TextTable::new(&[
        ("case", Align::Left),
        ("busiest process", Align::Left),
        ("busy", Align::Figures),
        ("p95 ms", Align::Figures),
        ("meets", Align::Left),
    ]);
    for case in sweep.growth_steps.iter().chain(&sweep.sensitivity) {
        let (meets, tone) = meets_text(case.meets);
        table.push(vec![
            TextCell::plain(case.name.clone()),
            TextCell::plain(escape::terminal(&case.busiest, 16)),
            TextCell::plain(text::percent_range(case.busy)),
            TextCell::plain(p95(case.p95_ms, case.instead_of_times())),
            TextCell::styled(meets.to_owned(), tone_style(tone)),
        ]);
    }
    terminal.text_table(&table)
}

fn write_backtest(terminal: &mut TerminalWriter<'_>, report: &SimulationReport) -> io::Result<()> {
    let figures = tables::backtest(report);
    terminal.heading("Back-test", "the observed deployment, simulated for time that was not used to fit the model")?;
    terminal.paragraph(2, &tables::backtest_sentence(report), anstyle::Style::new())?;
    if figures.is_empty() {
        return Ok(());
    }
    let mut table = TextTable::new(&[
        ("process or group", Align::Left),
        ("figure", Align::Left),
        ("requests", Align::Right),
        ("observed", Align::Right),
        ("simulated", Align::Left),
        ("error", Align::Right),
        ("limit", Align::Right),
    ]);
    let counts = |row: &&Vec<Cell>| row.last().is_some_and(|result| result.text != tables::NOT_COUNTED);
    let rows: Vec<&Vec<Cell>> = figures.rows.iter().filter(counts).collect();
    for row in rows.iter().take(FIGURES_MAX) {
        // Without the last cell, the result: the colour of the error shows it.
        let cells = row.iter().take(7).map(|cell| TextCell::styled(escape::terminal(&cell.text, 30), tone_style(cell.tone)));
        table.push(cells.collect());
    }
    terminal.text_table(&table)?;
    terminal.left_out(figures.rows.len(), rows.len().min(FIGURES_MAX), "figure", "figures")
}

/// Plans shown for each number of workers.
const INTERRUPTED: &str = "PARTIAL: the run was interrupted; the numbers cover what was finished until then.";
const PLANS_PER_COUNT_MAX: usize = 3;
const GROUPS_MAX: usize = 12;
const FIGURES_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::fixture;

    fn printed(report: &SimulationReport, colour: bool) -> String {
        let mut out = Vec::new();
        terminal(&mut out, report, Style { colour, width: 100, tables: TableChoice::ALL }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_summary_reads_like_this() {
        insta::assert_snapshot!(printed(&fixture::report(), false));
    }

    #[test]
    fn without_a_recommendation_the_closest_is_named() {
        let text = printed(&fixture::out_of_reach(), false);
        assert!(text.contains("Closest") && text.contains("PARTIAL") && text.contains("No back-test: the log is too short"), "{text}");
    }

    #[test]
    fn without_tables_it_is_one_screen() {
        for report in [fixture::report(), fixture::out_of_reach()] {
            let mut out = Vec::new();
            terminal(&mut out, &report, Style { colour: false, width: 80, tables: TableChoice::NONE }).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.lines().count() <= 23 && text.contains("Confidence"), "{text}");
        }
    }

    #[test]
    fn log_text_is_inert() {
        let text = printed(&fixture::report(), false);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }
}
