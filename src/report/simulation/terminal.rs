//! The summary of a simulation on a terminal.

use std::io::{self, Write};

use super::super::escape;
use super::super::format;
use super::super::grid::{Align, Grid, Piece};
use super::super::tables as analysis_tables;
use super::super::terminal::{Files, Style, Summary, bold, dim, tone};
use super::SimulationReport;
use super::tables;
use wsim_advise::Meets;
use wsim_advise::sweep::{Simulated, Sweep};

/// Writes the summary.
///
/// # Errors
/// Those of `out`.
pub fn terminal(out: &mut dyn Write, report: &SimulationReport, files: Option<Files<'_>>, style: Style) -> io::Result<()> {
    let mut summary = Summary::new(out, style);
    head(&mut summary, report)?;
    verdict(&mut summary, report)?;
    candidates(&mut summary, report)?;
    groups(&mut summary, report)?;
    stress(&mut summary, report)?;
    backtest(&mut summary, report)?;
    summary.inputs(&report.analysis)?;
    summary.files(&report.analysis, files)
}

fn head(summary: &mut Summary<'_>, report: &SimulationReport) -> io::Result<()> {
    let sweep = &report.sweep;
    let growth = if (sweep.growth - 1.0).abs() > 1e-9 { format!(" · load × {}", format::tick(sweep.growth)) } else { String::new() };
    let text = format!(
        "wsim {} · {} simulated, {}{growth} · {} · seed {}",
        report.analysis.facts.wsim,
        format::plural(sweep.requests, "request", "requests"),
        format::window(sweep.window),
        format::plural(u64::from(sweep.replications), "replication", "replications"),
        sweep.seed
    );
    summary.paragraph(0, &text, dim())?;
    if report.partial() {
        summary.paragraph(
            0,
            "PARTIAL: interrupted; the numbers cover what there was until then.",
            tone(super::super::table::Tone::Warn),
        )?;
    }
    Ok(())
}

fn verdict(summary: &mut Summary<'_>, report: &SimulationReport) -> io::Result<()> {
    let sweep = &report.sweep;
    summary.blank()?;
    summary.paragraph(0, &sweep.verdict, bold())?;
    summary.blank()?;
    if let Some((candidate, recommended)) = sweep.shown() {
        let (meets, meets_tone) = analysis_tables::meets(candidate.meets);
        summary.wrapped(
            if recommended { "Plan" } else { "Closest" },
            &format!("{} ({}; {} cores)", candidate.plan.name, how(candidate), format::range(candidate.total_cores)),
            bold(),
        )?;
        summary.wrapped("", &format!("objective {}: {meets}; {}", sweep.objective, candidate.verdict), tone(meets_tone))?;
    }
    let confidence = report.confidence();
    summary.wrapped("Sure", &format!("{}: {}", confidence.level, confidence.why), anstyle::Style::new())?;
    for (index, reason) in sweep.reasons.iter().enumerate() {
        summary.hanging(if index == 0 { "Why" } else { "" }, &format!("{}. ", index + 1), reason, anstyle::Style::new())?;
    }
    Ok(())
}

fn candidates(summary: &mut Summary<'_>, report: &SimulationReport) -> io::Result<()> {
    let sweep = &report.sweep;
    summary.heading("Simulated plans", "the best for each number of workers, busiest five minutes; > recommended, + runner-up")?;
    let mut grid = Grid::new(&[
        ("", Align::Left),
        ("workers", Align::Right),
        ("plan", Align::Left),
        ("busiest", Align::Left),
        ("busy", Align::Left),
        ("p95 ms", Align::Left),
        ("meets", Align::Left),
    ]);
    let shown = rows(sweep);
    for (index, candidate) in &shown {
        let index = *index;
        let mark = match index {
            index if sweep.recommended == Some(index) => ">",
            index if sweep.runner_up == Some(index) => "+",
            _ => "",
        };
        let busiest = candidate.busiest();
        let (meets, meets_tone) = analysis_tables::meets(candidate.meets);
        grid.row(vec![
            Piece::styled(mark.to_owned(), bold()),
            Piece::plain(candidate.workers.to_string()),
            Piece::plain(escape::terminal(&candidate.plan.name, 30)),
            Piece::plain(busiest.map_or_else(String::new, |process| escape::terminal(&process.name, 14))),
            Piece::plain(busiest.map_or_else(String::new, |process| format::percent_range(process.peak))),
            Piece::plain(format::range(candidate.overall.p95)),
            Piece::styled(meets.to_owned(), tone(meets_tone)),
        ]);
    }
    summary.grid(&grid)?;
    summary.more(sweep.candidates.len(), shown.len(), "simulated plans")?;
    if !sweep.discarded.is_empty() {
        let text = format!("{} not simulated; the report says why", format::plural(sweep.discarded.len() as u64, "plan", "plans"));
        summary.paragraph(2, &text, dim())?;
    }
    Ok(())
}

/// The best few for each number of workers, by the objective and then by latency; what is recommended is always there.
fn rows(sweep: &Sweep) -> Vec<(usize, &Simulated)> {
    let mut order: Vec<(usize, &Simulated)> = sweep.candidates.iter().enumerate().collect();
    let marked = |index: usize| sweep.recommended != Some(index) && sweep.runner_up != Some(index);
    let latency = |candidate: &Simulated| candidate.overall.p95.value;
    order.sort_by(|(i, a), (j, b)| {
        let key = |index: usize, one: &Simulated| (one.workers, marked(index), one.meets != Meets::Yes, one.meets == Meets::No);
        key(*i, a).cmp(&key(*j, b)).then(latency(a).total_cmp(&latency(b)))
    });
    let mut seen = std::collections::BTreeMap::<u32, usize>::new();
    order.retain(|(_, candidate)| {
        let count = seen.entry(candidate.workers).or_default();
        *count += 1;
        *count <= EACH_MAX
    });
    order
}

fn groups(summary: &mut Summary<'_>, report: &SimulationReport) -> io::Result<()> {
    let Some((Simulated { groups, plan, .. }, _)) = report.sweep.shown() else { return Ok(()) };
    summary.heading("Work latency", &format!("ms, under {}; time parked in long polls is not in it", escape::terminal(&plan.name, 40)))?;
    let mut grid = Grid::new(&[
        ("group", Align::Left),
        ("requests", Align::Right),
        ("mean", Align::Left),
        ("p50", Align::Left),
        ("p95", Align::Left),
        ("p99", Align::Left),
    ]);
    let mut order: Vec<_> = groups.iter().collect();
    order.sort_by(|a, b| b.requests.cmp(&a.requests).then(a.id.cmp(&b.id)));
    for group in order.iter().take(GROUPS_MAX) {
        let latency = group.latency_ms;
        grid.row(vec![
            Piece::plain(escape::terminal(&group.id, 20)),
            Piece::plain(format::count(group.requests)),
            Piece::plain(format::number(latency.mean.value)),
            Piece::plain(format::number(latency.p50.value)),
            Piece::plain(format::range(latency.p95)),
            Piece::plain(format::range(latency.p99)),
        ]);
    }
    summary.grid(&grid)?;
    summary.more(groups.len(), GROUPS_MAX, "groups")
}

fn stress(summary: &mut Summary<'_>, report: &SimulationReport) -> io::Result<()> {
    let sweep = &report.sweep;
    if sweep.growth_steps.is_empty() && sweep.sensitivity.is_empty() {
        return Ok(());
    }
    summary.heading("Other loads and assumptions", "the same plan")?;
    let mut grid = Grid::new(&[
        ("case", Align::Left),
        ("busiest", Align::Left),
        ("busy", Align::Left),
        ("p95 ms", Align::Left),
        ("meets", Align::Left),
    ]);
    for case in sweep.growth_steps.iter().chain(&sweep.sensitivity) {
        let (meets, meets_tone) = analysis_tables::meets(case.meets);
        grid.row(vec![
            Piece::plain(case.name.clone()),
            Piece::plain(escape::terminal(&case.busiest, 16)),
            Piece::plain(format::percent_range(case.busy)),
            Piece::plain(format::range(case.p95_ms)),
            Piece::styled(meets.to_owned(), tone(meets_tone)),
        ]);
    }
    summary.grid(&grid)
}

fn backtest(summary: &mut Summary<'_>, report: &SimulationReport) -> io::Result<()> {
    let table = tables::backtest(report);
    summary.heading("The model against the log", "observed deployment, held-out time")?;
    summary.paragraph(2, &tables::backtest_sentence(report), anstyle::Style::new())?;
    if table.is_empty() {
        return Ok(());
    }
    let mut grid = Grid::new(&[
        ("of", Align::Left),
        ("figure", Align::Left),
        ("requests", Align::Right),
        ("observed", Align::Right),
        ("simulated", Align::Left),
        ("error", Align::Right),
        ("limit", Align::Right),
    ]);
    let counted = |row: &&Vec<super::super::table::Cell>| row.last().is_some_and(|cell| cell.text != "not counted");
    let rows: Vec<_> = table.rows.iter().filter(counted).collect();
    for row in rows.iter().take(BACKTEST_MAX) {
        let texts = row.iter().take(7).enumerate().map(|(place, cell)| {
            let text = escape::terminal(&cell.text, 30);
            if place == 5 { Piece::styled(text, tone(cell.tone)) } else { Piece::plain(text) }
        });
        grid.row(texts.collect());
    }
    summary.grid(&grid)?;
    summary.more(table.rows.len(), rows.len().min(BACKTEST_MAX), "figures")
}

const EACH_MAX: usize = 3;
const GROUPS_MAX: usize = 12;
const BACKTEST_MAX: usize = 24;

/// How a plan spreads its work, in words.
fn how(candidate: &Simulated) -> &str {
    if candidate.workers == 0 { "main process only" } else { &candidate.balance }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn printed(report: &SimulationReport, colour: bool) -> String {
        let mut out = Vec::new();
        terminal(&mut out, report, None, Style { colour, width: 100 }).unwrap();
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
    fn log_text_is_inert() {
        let text = printed(&fixture::report(), false);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }
}
