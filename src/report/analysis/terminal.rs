//! The summary of an analysis on a terminal.

use std::io::{self, Write};

use anstyle::Style as Ansi;

use super::line_prose::line_prose;
use super::model::{AnalysisReport, best_by_workers, kept, warnings};
use super::tables;
use crate::shared::brief::{self, Brief};
use crate::shared::escape;
use crate::shared::plan_cells::{busiest_texts, meets_text};
use crate::shared::share_text;
use crate::shared::table::Tone;
use crate::shared::terminal::{Style, TableChoice, TableName, TerminalWriter, bar, bold, dim, tone_style};
use crate::shared::text_table::{Align, TextCell, TextTable};
use crate::shared::vocabulary;
use wsim_profile::{GroupProfile, HeavyHitter, Quantiles, Window};
use wsim_text as text;

pub(super) fn terminal(out: &mut dyn Write, report: &AnalysisReport, style: Style) -> io::Result<()> {
    let mut terminal = TerminalWriter::new(out, style);
    if style.tables == TableChoice::NONE {
        return brief(report).write(&mut terminal);
    }
    write_head(&mut terminal, report)?;
    write_verdict(&mut terminal, report)?;
    let tables: [(TableName, WriteTable); 5] = [
        (TableName::Groups, write_groups),
        (TableName::Peaks, write_peaks),
        (TableName::Heavy, write_heavy_hitters),
        (TableName::Plans, write_candidates),
        (TableName::Inputs, write_inputs),
    ];
    for (_, write) in tables.into_iter().filter(|(name, _)| style.tables.shows(*name)) {
        write(&mut terminal, report)?;
    }
    terminal.next_step(&report.facts)?;
    terminal.verdict_again(&report.advice.verdict.text)
}

type WriteTable = fn(&mut TerminalWriter<'_>, &AnalysisReport) -> io::Result<()>;

/// The summary on one screen.
fn brief(report: &AnalysisReport) -> Brief<'_> {
    let advice = &report.advice;
    let mut facts = Vec::new();
    if let Some((plan, recommended)) = advice.shown() {
        let (name, busy) = busiest_texts(plan);
        let detail = format!("busiest process {name} {busy}");
        facts.extend(brief::plan(plan_label(report, recommended), plan, (&plan.layout(), "at the peak"), (&advice.objective, &detail)));
    }
    // The limits are those of the server as it is; a plan beside them has others.
    let is_of_the_plan = kept(report) || advice.shown().is_none_or(|(plan, _)| plan.workers == 0);
    facts.extend(advice.limits.first().map(if is_of_the_plan { brief::first_limit } else { brief::first_limit_as_it_is }));
    facts.push(brief::confidence(&advice.confidence));
    let repeats = |reason: &&str| !advice.limits.is_empty() && reason.starts_with(LIMITS_OF_THE_SERVER);
    Brief {
        head: head(report, false),
        interrupted: report.facts.partial.then_some(INTERRUPTED),
        warnings: warnings(report),
        verdict: &advice.verdict.text,
        facts,
        reasons: advice.reasons.iter().map(String::as_str).filter(|reason| !repeats(reason)).collect(),
        next: report.facts.next.first(),
    }
}

fn plan_label(report: &AnalysisReport, recommended: bool) -> &'static str {
    match (kept(report), recommended) {
        (true, _) => "Smallest",
        (false, true) => "Plan",
        (false, false) => "Closest",
    }
}

fn write_head(terminal: &mut TerminalWriter<'_>, report: &AnalysisReport) -> io::Result<()> {
    terminal.paragraph(0, &head(report, true), dim())?;
    if report.facts.partial {
        terminal.paragraph(0, INTERRUPTED, tone_style(Tone::Warn))?;
    }
    Ok(())
}

/// What was read.
fn head(report: &AnalysisReport, in_full: bool) -> String {
    let mut head = format!("wsim {} · {}", report.facts.wsim, text::plural(report.requests(), "request", "requests"));
    if in_full && report.profile.internal_requests > 0 {
        head.push_str(&format!(" ({} of them between Synapse processes)", text::count(report.profile.internal_requests)));
    }
    if report.requests() > 0 {
        head.push_str(&format!(" · {}", vocabulary::window(report.profile.window)));
    }
    head
}

fn write_verdict(terminal: &mut TerminalWriter<'_>, report: &AnalysisReport) -> io::Result<()> {
    let advice = &report.advice;
    terminal.empty_line()?;
    for warning in warnings(report) {
        terminal.paragraph(0, &warning, tone_style(Tone::Warn))?;
    }
    if !warnings(report).is_empty() {
        terminal.empty_line()?;
    }
    terminal.paragraph(0, &advice.verdict.text, bold())?;
    if advice.candidates.is_empty() {
        return terminal.confidence_and_reasons(&advice.confidence, &advice.reasons);
    }
    terminal.empty_line()?;
    if let Some((plan, recommended)) = advice.shown() {
        let (name, busy) = busiest_texts(plan);
        terminal.labelled_plan(
            plan_label(report, recommended),
            plan,
            (&plan.layout(), "at the peak"),
            (&advice.objective, &format!("busiest process {name} {busy}")),
        )?;
    }
    terminal.confidence_and_reasons(&advice.confidence, &advice.reasons)
}

fn write_groups(terminal: &mut TerminalWriter<'_>, report: &AnalysisReport) -> io::Result<()> {
    let groups = &report.profile.groups;
    if groups.is_empty() {
        return Ok(());
    }
    terminal.heading("Endpoint groups", "p50 and p95 are response times, long-poll waiting excluded")?;
    let mut table = TextTable::new(&[
        ("group", Align::Left),
        ("requests", Align::Right),
        ("CPU s", Align::Right),
        (if report.cpu_seconds().is_some() { "of CPU" } else { "of requests" }, Align::Right),
        ("", Align::Left),
        ("p50 ms", Align::Right),
        ("p95 ms", Align::Right),
        ("may be served by", Align::Left),
    ]);
    groups.iter().take(GROUPS_MAX).for_each(|group| table.push(group_row(report, group)));
    terminal.text_table(&table)?;
    terminal.left_out(groups.len(), GROUPS_MAX, "group", "groups")
}

fn group_row(report: &AnalysisReport, group: &GroupProfile) -> Vec<TextCell> {
    let share = report.group_share(group);
    let known = |value: Option<f64>| TextCell::plain(value.map_or_else(|| text::UNKNOWN.to_owned(), text::number));
    let quantile = |pick: fn(&Quantiles) -> f64| known(group.latency_ms.as_ref().map(pick));
    vec![
        TextCell::plain(escape::terminal(&group.id, 20)),
        TextCell::plain(text::count(group.requests)),
        known(group.cpu_seconds),
        TextCell::plain(share_text(share, group.requests)),
        TextCell::styled(if group.requests < wsim_advise::REQUESTS_FOR_SHARES { String::new() } else { bar(share, 10) }, dim()),
        quantile(|q| q.p50),
        quantile(|q| q.p95),
        TextCell::plain(escape::terminal(&vocabulary::served_by(group), 40)),
    ]
}

fn write_peaks(terminal: &mut TerminalWriter<'_>, report: &AnalysisReport) -> io::Result<()> {
    if report.requests() == 0 {
        return Ok(());
    }
    let note = if report.profile.peaks.five_minutes.cores.is_some() {
        "chosen by CPU demand; CPU of all requests, background CPU excluded; times in UTC"
    } else {
        "chosen by requests; times in UTC"
    };
    terminal.heading("Peaks", note)?;
    let mut table = TextTable::new(&[
        ("span", Align::Left),
        ("from", Align::Right),
        ("to", Align::Right),
        ("requests/s", Align::Right),
        ("CPU cores", Align::Right),
    ]);
    let peaks = &report.profile.peaks;
    let spans = [peaks.one_minute, peaks.five_minutes, peaks.busy_hour, peaks.mean];
    for (name, peak) in tables::PEAK_NAMES.into_iter().chain(["mean"]).zip(spans) {
        table.push(vec![
            TextCell::plain(name.to_owned()),
            TextCell::plain(text::date_time(peak.window.start_us)),
            TextCell::plain(end_of(peak.window)),
            TextCell::plain(text::number(peak.requests_per_second)),
            TextCell::plain(peak.cores.map_or_else(|| text::UNKNOWN.to_owned(), text::number)),
        ]);
    }
    terminal.text_table(&table)
}

/// The end of a window, without the day if that is the day of the beginning.
fn end_of(window: Window) -> String {
    let (start, end) = (text::date_time(window.start_us), text::date_time(window.end_us));
    if start.get(..10) == end.get(..10) { end.get(11..).unwrap_or(&end).to_owned() } else { end }
}

fn write_heavy_hitters(terminal: &mut TerminalWriter<'_>, report: &AnalysisReport) -> io::Result<()> {
    let hitters = &report.profile.heavy_hitters;
    let kinds: [(&str, &[HeavyHitter]); 5] = [
        ("user", &hitters.users),
        ("bridge", &hitters.appservices),
        ("room", &hitters.rooms),
        ("server", &hitters.origins),
        ("client", &hitters.agents),
    ];
    if kinds.iter().all(|(_, heavies)| heavies.is_empty()) {
        return Ok(());
    }
    let by_cpu = hitters.users.iter().chain(&hitters.rooms).chain(&hitters.origins).any(|heavy| heavy.cpu_seconds.is_some());
    terminal.heading("Heavy hitters", "the top three of each kind")?;
    let mut table = TextTable::new(&[
        ("", Align::Left),
        ("name", Align::Left),
        ("requests", Align::Right),
        (if by_cpu { "of CPU" } else { "of requests" }, Align::Right),
    ]);
    for (kind, heavies) in kinds {
        for (index, heavy) in heavies.iter().take(3).enumerate() {
            table.push(vec![
                TextCell::styled(if index == 0 { kind } else { "" }.to_owned(), dim()),
                TextCell::plain(escape::terminal(&heavy.name, 56)),
                TextCell::plain(text::count(heavy.requests)),
                TextCell::plain(share_text(heavy.share, heavy.requests)),
            ]);
        }
    }
    terminal.text_table(&table)
}

fn write_candidates(terminal: &mut TerminalWriter<'_>, report: &AnalysisReport) -> io::Result<()> {
    let best = best_by_workers(&report.advice);
    if best.is_empty() {
        return Ok(());
    }
    terminal.heading("Candidate plans", "the best for each number of workers, at the peak; > recommended")?;
    let mut table = TextTable::new(&[
        ("", Align::Left),
        ("workers", Align::Right),
        ("plan", Align::Left),
        ("busiest process", Align::Left),
        ("busy (uncertainty)", Align::Figures),
        ("cores", Align::Right),
        ("meets", Align::Left),
    ]);
    for (index, plan) in &best {
        let (meets, tone) = meets_text(plan.meets);
        let (name, busy) = busiest_texts(plan);
        table.push(vec![
            TextCell::styled(if report.advice.recommended == Some(*index) { ">" } else { "" }.to_owned(), bold()),
            TextCell::plain(plan.workers.to_string()),
            TextCell::plain(escape::terminal(&plan.plan.name, 34)),
            TextCell::plain(escape::terminal(&name, 16)),
            TextCell::plain(busy),
            TextCell::plain(text::number(plan.total_cores.value)),
            TextCell::styled(meets.to_owned(), tone_style(tone)),
        ]);
    }
    terminal.text_table(&table)?;
    terminal.left_out(report.advice.candidates.len(), best.len(), "candidate plan", "candidate plans")
}

/// Writes the inputs with their line counts, and how lines became requests.
pub(crate) fn write_inputs(terminal: &mut TerminalWriter<'_>, report: &AnalysisReport) -> io::Result<()> {
    terminal.heading("Input files", "lines = requests + other lines + malformed")?;
    let mut table = TextTable::new(&[
        ("input", Align::Path),
        ("format", Align::Left),
        ("lines", Align::Right),
        ("requests", Align::Right),
        ("other lines", Align::Right),
        ("malformed", Align::Right),
    ]);
    for input in report.inputs.iter().take(INPUTS_MAX) {
        table.push(vec![
            TextCell::plain(escape::path(&input.path, 72)),
            TextCell::plain(escape::terminal(&input.format, 28)),
            TextCell::plain(text::count(input.lines)),
            TextCell::plain(text::count(input.requests)),
            TextCell::plain(text::count(input.not_requests)),
            TextCell::styled(text::count(input.malformed), if input.malformed > 0 { tone_style(Tone::Warn) } else { Ansi::new() }),
        ]);
    }
    terminal.text_table(&table)?;
    terminal.left_out(report.inputs.len(), INPUTS_MAX, "input", "inputs")?;
    // The first sentence repeats the table if there is only one input.
    let skip = usize::from(report.inputs.len() == 1);
    for sentence in line_prose(report).iter().skip(skip) {
        terminal.paragraph(2, sentence, dim())?;
    }
    for example in report.malformed_examples().take(3) {
        let text = format!("malformed: {}:{}: {}", escape::terminal(&example.path, 40), example.line, example.reason);
        terminal.paragraph(2, &text, dim())?;
    }
    Ok(())
}

const INTERRUPTED: &str = "PARTIAL: reading was interrupted; the numbers cover what had been read until then.";
/// How the reason begins that lists the limits of the observed deployment.
const LIMITS_OF_THE_SERVER: &str = "Limits of the server as it is";
const GROUPS_MAX: usize = 16;
const INPUTS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::analysis::fixture;
    use crate::shared::terminal::{WrittenFiles, written_files};

    fn shown(report: &AnalysisReport, style: Style) -> String {
        let mut out = Vec::new();
        let names = ["report.html", "report.md", "report.json", "trace.parquet", "plan.toml", "charts/"];
        terminal(&mut out, report, style).unwrap();
        written_files(&mut out, WrittenFiles { folder: Path::new("reports/access"), names: &names }, style).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn plain(report: &AnalysisReport) -> String {
        shown(report, Style { colour: false, width: 100, tables: TableChoice::ALL })
    }

    #[test]
    fn the_summary_reads_like_this() {
        insta::assert_snapshot!(plain(&fixture::report()));
    }

    #[test]
    fn a_proxy_log_without_cpu_reads_like_this() {
        insta::assert_snapshot!(plain(&fixture::proxy_only()));
    }

    #[test]
    fn an_empty_log_reads_like_this() {
        insta::assert_snapshot!(plain(&fixture::empty()));
    }

    #[test]
    fn without_tables_it_is_one_screen() {
        let style = Style { colour: false, width: 80, tables: TableChoice::NONE };
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            let text = shown(&report, style);
            assert!(text.lines().count() <= 24, "{text}");
            assert!(text.contains("reports/access/report.html"), "{text}");
            assert!(!text.contains("\n\n\n"), "{text}");
        }
        insta::assert_snapshot!(shown(&fixture::report(), style));
    }

    #[test]
    fn a_table_is_printed_by_its_name() {
        let mut out = Vec::new();
        let tables = TableChoice::of(&[TableName::Peaks]);
        terminal(&mut out, &fixture::report(), Style { colour: false, width: 100, tables }).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("busiest hour") && !text.contains("Endpoint groups") && !text.contains("Input files"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            for width in [60, 80, 100, 200] {
                let text = shown(&report, Style { colour: false, width, tables: TableChoice::ALL });
                let commands: Vec<&str> = report.facts.next.iter().map(|step| step.command.as_str()).collect();
                for line in text.lines().filter(|line| !commands.contains(&line.trim())) {
                    assert!(escape::columns(line) <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn nothing_from_a_log_acts_on_the_terminal() {
        let text = plain(&fixture::report());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        assert!(!text.contains('\u{202e}'));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let coloured = shown(&fixture::report(), Style { colour: true, width: 100, tables: TableChoice::ALL });
        assert!(coloured.contains('\x1b'));
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(stripped, plain(&fixture::report()));
    }
}
