//! The summary of a run on one screen: what to do, why, how sure, and what next. Tables are printed when asked for.

use std::io;

use anstyle::Style as Ansi;

use super::plan_cells::meets_text;
use super::run_facts::NextStep;
use super::table::Tone;
use super::terminal::{SCREEN_LINES, TerminalWriter, bold, dim, tone_style};
use wsim_advise::{Confidence, Limit, Objective, PlanSummary};
use wsim_text as text;

/// What a run says first.
pub(crate) struct Brief<'a> {
    /// What was read or simulated.
    pub(crate) head: String,
    /// That the run was interrupted.
    pub(crate) interrupted: Option<&'static str>,
    /// What the reader must know before the verdict, most important first.
    pub(crate) warnings: Vec<String>,
    pub(crate) verdict: &'a str,
    pub(crate) facts: Vec<Fact>,
    /// Most important first.
    pub(crate) reasons: Vec<&'a str>,
    pub(crate) next: Option<&'a NextStep>,
}

/// A labelled line of the summary.
pub(crate) struct Fact {
    label: &'static str,
    text: String,
    style: Ansi,
}

impl Fact {
    pub(crate) fn new(label: &'static str, text: String) -> Self {
        Self { label, text, style: Ansi::new() }
    }
}

/// The plan that a report shows: what it consists of and what limits it. `cores` says over which time its CPU is a mean.
pub(crate) fn plan(
    label: &'static str,
    plan: &PlanSummary,
    (layout, cores): (&str, &str),
    (objective, detail): (&Objective, &str),
) -> [Fact; 2] {
    let (meets, tone) = meets_text(plan.meets);
    [
        Fact { label, text: format!("{} ({layout}; {} cores {cores})", plan.plan.name, text::range(plan.total_cores)), style: bold() },
        Fact { label: "", text: format!("objective {objective}: {meets}; {detail}"), style: tone_style(tone) },
    ]
}

/// `First limit  The main process's CPU at 7.9 times this load (5.9–9.6)`; the name of a process stays as it is.
pub(crate) fn first_limit(limit: &Limit) -> Fact {
    let text = limit.to_string();
    Fact::new("First limit", if text.starts_with("the ") { text::capital(&text) } else { text })
}

/// The first limit of the server as it is, where another deployment is recommended.
pub(crate) fn first_limit_as_it_is(limit: &Limit) -> Fact {
    Fact::new("First limit", format!("as it is now: {limit}"))
}

pub(crate) fn confidence(confidence: &Confidence) -> Fact {
    Fact::new("Confidence", format!("{}: {}", confidence.level.word(), confidence.why))
}

impl Brief<'_> {
    /// Writes at most [`LINES_MAX`] lines at 80 columns or more, one fewer than a screen: the place of the report follows. What is certain to be
    /// shown is the verdict, the facts and the next command; warnings and reasons share the rest, and are cut at words.
    pub(crate) fn write(&self, terminal: &mut TerminalWriter<'_>) -> io::Result<()> {
        let in_full = LINES_MAX.saturating_sub(self.always(terminal, PART_LINES_MAX));
        let fact_lines = if in_full <= REASONS_MAX { 1 } else { PART_LINES_MAX };
        let left = LINES_MAX.saturating_sub(self.always(terminal, fact_lines));
        let reasons: Vec<&str> = self.reasons.iter().copied().take(REASONS_MAX).collect();
        let warnings = self.warnings(left.saturating_sub(reasons.len()));
        terminal.lines(0, "", &self.head, dim(), PART_LINES_MAX)?;
        if let Some(interrupted) = self.interrupted {
            terminal.lines(0, "", interrupted, tone_style(Tone::Warn), PART_LINES_MAX)?;
        }
        let mut used = 0;
        for (index, warning) in warnings.iter().enumerate() {
            let after = warnings.len() - index - 1 + reasons.len();
            let most = left.saturating_sub(used + after).clamp(1, PART_LINES_MAX);
            used += terminal.lines(0, "", warning, tone_style(Tone::Warn), most)?;
        }
        terminal.empty_line()?;
        terminal.lines(0, "", self.verdict, bold(), VERDICT_LINES_MAX)?;
        terminal.empty_line()?;
        for fact in &self.facts {
            terminal.labelled_lines(fact.label, "", &fact.text, fact.style, fact_lines)?;
        }
        for (index, reason) in reasons.iter().enumerate() {
            let most = left.saturating_sub(used + reasons.len() - index - 1).clamp(1, REASON_LINES_MAX);
            let label = if index == 0 { "Why" } else { "" };
            used += terminal.labelled_lines(label, &format!("{}. ", index + 1), reason, Ansi::new(), most)?;
        }
        let Some(step) = self.next else { return Ok(()) };
        terminal.labelled_lines("Next", "", &text::capital(&step.why), Ansi::new(), 1)?;
        terminal.command(&step.command)
    }

    /// Lines of what is never left out, with so many for a fact at most.
    fn always(&self, terminal: &TerminalWriter<'_>, fact_lines: usize) -> usize {
        let part = |text: &str| terminal.line_count(text, false).min(PART_LINES_MAX);
        let facts: usize = self.facts.iter().map(|fact| terminal.line_count(&fact.text, true).min(fact_lines)).sum();
        let verdict = terminal.line_count(self.verdict, false).min(VERDICT_LINES_MAX);
        let next = self.next.map_or(0, |step| 1 + terminal.command_lines(&step.command));
        EMPTY_LINES + part(&self.head) + self.interrupted.map_or(0, part) + verdict + facts + next
    }

    /// As many warnings as there are lines for, the last of them the number of those left out.
    fn warnings(&self, lines: usize) -> Vec<String> {
        if self.warnings.len() <= lines {
            return self.warnings.clone();
        }
        let shown = lines.saturating_sub(1);
        let more = text::plural((self.warnings.len() - shown) as u64, "more note", "more notes");
        let rest = format!("… and {more} in the report, and with -v.");
        self.warnings.iter().take(shown).cloned().chain([rest]).collect()
    }
}

const LINES_MAX: usize = SCREEN_LINES;
const VERDICT_LINES_MAX: usize = 6;
/// Of any other part.
const PART_LINES_MAX: usize = 2;
const REASONS_MAX: usize = 3;
const REASON_LINES_MAX: usize = 3;
const EMPTY_LINES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::terminal::{Style, TableChoice};

    fn shown(brief: &Brief<'_>, width: usize) -> Vec<String> {
        let mut out = Vec::new();
        brief.write(&mut TerminalWriter::new(&mut out, Style { colour: false, width, tables: TableChoice::NONE })).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_summary_of_long_sentences_fits_a_screen_and_keeps_what_counts() {
        let long = "word and figure 12.5 % ".repeat(40);
        let next = NextStep { why: "simulate".to_owned(), command: format!("wsim simulate {}", "log ".repeat(20).trim()) };
        let brief = Brief {
            head: long.clone(),
            interrupted: Some("PARTIAL: reading was interrupted."),
            warnings: vec![long.clone(); 5],
            verdict: &long,
            facts: ["Plan", "", "First limit", "Confidence"].map(|label| Fact::new(label, long.clone())).into(),
            reasons: vec![&long; 6],
            next: Some(&next),
        };
        for width in [80, 100, 140] {
            let lines = shown(&brief, width);
            assert!(lines.len() <= LINES_MAX, "{width}: {} lines\n{}", lines.len(), lines.join("\n"));
            for what in ["Plan", "First limit", "Confidence", "1. word", "2. word", "3. word", "Next", "wsim simulate", "more notes"] {
                assert!(lines.iter().any(|line| line.contains(what)), "{what}");
            }
            let is_cut_in_a_figure = lines.iter().any(|line| line.trim_end_matches('…').trim_end().ends_with(|c: char| c.is_ascii_digit()));
            assert!(!is_cut_in_a_figure, "a figure and its unit stay together: {lines:?}");
        }
    }

    #[test]
    fn a_short_summary_is_shown_whole() {
        let brief = Brief {
            head: "wsim · 5 requests".to_owned(),
            interrupted: None,
            warnings: vec!["Note: one.".to_owned(), "Note: two.".to_owned()],
            verdict: "Stay with one process.",
            facts: vec![Fact::new("Confidence", "low".to_owned())],
            reasons: vec!["Because.", "And."],
            next: None,
        };
        assert_eq!(
            shown(&brief, 80),
            [
                "wsim · 5 requests",
                "Note: one.",
                "Note: two.",
                "",
                "Stay with one process.",
                "",
                "Confidence  low",
                "Why         1. Because.",
                "            2. And."
            ]
        );
    }
}
