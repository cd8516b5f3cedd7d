//! Writes a summary to a terminal, in at most 100 columns.
//!
//! Colour repeats what the words say. Log text is made visible and cut; see [`escape`].

use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Effects, Style as Ansi};

use super::escape;
use super::plan_cells::meets_text;
use super::run_facts::RunFacts;
use super::table::{Cell, Column, Table, Tone};
use super::text_table::{Align, TextCell, TextTable};
use super::wrap::{first_lines, wrap};
use wsim_advise::{Confidence, Objective, PlanSummary};
use wsim_text as text;

/// How to write to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to write ANSI colours and bold.
    pub colour: bool,
    /// Columns of the terminal. Text uses 60 to 100 of them, tables as many as they need.
    pub width: usize,
    /// The tables that follow the verdict.
    pub tables: TableChoice,
}

/// A table of a summary, by the name that `--tables` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum TableName {
    Groups,
    Peaks,
    Heavy,
    Plans,
    Times,
    Loads,
    Backtest,
    Inputs,
}

impl TableName {
    /// In the order of the summaries.
    pub const ALL: [Self; 8] =
        [Self::Groups, Self::Peaks, Self::Heavy, Self::Plans, Self::Times, Self::Loads, Self::Backtest, Self::Inputs];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Peaks => "peaks",
            Self::Heavy => "heavy",
            Self::Plans => "plans",
            Self::Times => "times",
            Self::Loads => "loads",
            Self::Backtest => "backtest",
            Self::Inputs => "inputs",
        }
    }
}

/// Which tables a summary has; none makes it one screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableChoice(u8);

impl TableChoice {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(u8::MAX);

    /// These tables.
    pub fn of(names: &[TableName]) -> Self {
        Self(names.iter().fold(0, |bits, name| bits | 1 << *name as u8))
    }

    pub fn shows(self, name: TableName) -> bool {
        self.0 & 1 << name as u8 != 0
    }
}

/// What was written to disk.
#[derive(Debug, Clone, Copy)]
pub struct WrittenFiles<'a> {
    /// Folder of the run.
    pub folder: &'a Path,
    /// Names in the folder, the one to open first at the front.
    pub names: &'a [&'a str],
}

/// Which columns of a [`Table`] a terminal shows, and how.
pub(crate) struct ColumnView<'a> {
    pub(crate) shows: &'a dyn Fn(&Column) -> bool,
    pub(crate) head: &'a dyn Fn(&Column) -> String,
    pub(crate) cell: &'a dyn Fn(&Column, &Cell) -> String,
    /// Longest text of a cell that is shown in full.
    pub(crate) cell_columns: usize,
}

/// The terminal that a summary is written to.
pub(crate) struct TerminalWriter<'a> {
    out: &'a mut dyn Write,
    width: usize,
    table_width: usize,
    colour: bool,
}

impl<'a> TerminalWriter<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, style: Style) -> Self {
        Self { out, width: style.width.clamp(60, 100), table_width: style.width.clamp(60, 200), colour: style.colour }
    }

    pub(crate) fn empty_line(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    pub(crate) fn heading(&mut self, title: &str, note: &str) -> io::Result<()> {
        let note = escape::terminal(note, self.width.saturating_sub(escape::columns(title) + 2));
        let title = TextCell::styled(title.to_owned(), bold()).render(self.colour);
        let line = format!("{title}  {}", TextCell::styled(note, dim()).render(self.colour));
        writeln!(self.out, "\n{}", line.trim_end())
    }

    /// Writes a text indented by `indent` and wrapped at words.
    pub(crate) fn paragraph(&mut self, indent: usize, text: &str, style: Ansi) -> io::Result<()> {
        let text = escape::terminal(text, TEXT_COLUMNS_MAX);
        for line in wrap(&text, self.width - indent) {
            writeln!(self.out, "{:indent$}{}", "", TextCell::styled(line, style).render(self.colour))?;
        }
        Ok(())
    }

    /// Writes a text wrapped at words in at most `most` lines; returns how many. What does not fit is left out at a word.
    pub(crate) fn lines(&mut self, indent: usize, label: &str, text: &str, style: Ansi, most: usize) -> io::Result<usize> {
        let lines = first_lines(wrap(&escape::terminal(text, TEXT_COLUMNS_MAX), self.width - indent), most, self.width - indent);
        for (index, line) in lines.iter().enumerate() {
            let label = TextCell::styled(format!("{:indent$}", if index == 0 { label } else { "" }), dim()).render(self.colour);
            writeln!(self.out, "{label}{}", TextCell::styled(line.clone(), style).render(self.colour))?;
        }
        Ok(lines.len())
    }

    /// [`Self::lines`] beside a label, indented by the width of its `mark` (`1. `).
    pub(crate) fn labelled_lines(&mut self, label: &str, mark: &str, text: &str, style: Ansi, most: usize) -> io::Result<usize> {
        let indent = LABEL_COLUMNS + escape::columns(mark);
        self.lines(indent, &format!("{label:LABEL_COLUMNS$}{mark}"), text, style, most)
    }

    /// Lines of a text, beside a label or not.
    pub(crate) fn line_count(&self, text: &str, is_labelled: bool) -> usize {
        let indent = if is_labelled { LABEL_COLUMNS } else { 0 };
        wrap(&escape::terminal(text, TEXT_COLUMNS_MAX), self.width - indent).len()
    }

    /// Writes a command to be copied: indented where it fits a line, never wrapped by us.
    pub(crate) fn command(&mut self, command: &str) -> io::Result<()> {
        let command = escape::terminal(command, COMMAND_COLUMNS_MAX);
        let indent = if LABEL_COLUMNS + escape::columns(&command) <= self.table_width { LABEL_COLUMNS } else { 2 };
        writeln!(self.out, "{:indent$}{command}", "")
    }

    /// Lines that [`Self::command`] takes on a terminal, which wraps it.
    pub(crate) fn command_lines(&self, command: &str) -> usize {
        let columns = escape::columns(command);
        if LABEL_COLUMNS + columns <= self.table_width { 1 } else { (2 + columns).div_ceil(self.table_width) }
    }

    /// Writes a label and, beside it, a text wrapped at words.
    pub(crate) fn labelled(&mut self, label: &str, text: &str, style: Ansi) -> io::Result<()> {
        self.labelled_item(label, "", text, style)
    }

    /// Writes a label and, beside it, a text that is indented by the width of its `mark` (`1. `).
    fn labelled_item(&mut self, label: &str, mark: &str, text: &str, style: Ansi) -> io::Result<()> {
        let text = escape::terminal(text, TEXT_COLUMNS_MAX);
        let indent = escape::columns(mark);
        for (index, line) in wrap(&text, self.width - LABEL_COLUMNS - indent).into_iter().enumerate() {
            let (label, mark) = if index == 0 { (label, mark) } else { ("", "") };
            let label = TextCell::styled(format!("{label:LABEL_COLUMNS$}"), dim()).render(self.colour);
            writeln!(self.out, "{label}{mark:indent$}{}", TextCell::styled(line, style).render(self.colour))?;
        }
        Ok(())
    }

    /// Writes the plan that a report shows first. `layout` says in words what it consists of, `cores` over which time its CPU is a mean,
    /// `detail` what limits it.
    pub(crate) fn plan(
        &mut self,
        plan: &PlanSummary,
        recommended: bool,
        (layout, cores): (&str, &str),
        (objective, detail): (&Objective, &str),
    ) -> io::Result<()> {
        let label = if recommended { "Plan" } else { "Closest" };
        self.labelled_plan(label, plan, (layout, cores), (objective, detail))
    }

    /// A plan under a label of its own.
    pub(crate) fn labelled_plan(
        &mut self,
        label: &str,
        plan: &PlanSummary,
        (layout, cores): (&str, &str),
        (objective, detail): (&Objective, &str),
    ) -> io::Result<()> {
        let (meets, tone) = meets_text(plan.meets);
        self.labelled(label, &format!("{} ({layout}; {} cores {cores})", plan.plan.name, text::range(plan.total_cores)), bold())?;
        self.labelled("", &format!("objective {objective}: {meets}; {detail}"), tone_style(tone))
    }

    pub(crate) fn confidence_and_reasons(&mut self, confidence: &Confidence, reasons: &[String]) -> io::Result<()> {
        self.labelled("Confidence", &format!("{}: {}", confidence.level.word(), confidence.why), Ansi::new())?;
        for (index, reason) in reasons.iter().enumerate() {
            self.labelled_item(if index == 0 { "Why" } else { "" }, &format!("{}. ", index + 1), reason, Ansi::new())?;
        }
        Ok(())
    }

    /// Writes the verdict below what is longer than a screen.
    pub(crate) fn verdict_again(&mut self, verdict: &str) -> io::Result<()> {
        self.empty_line()?;
        self.paragraph(0, verdict, bold())
    }

    pub(crate) fn text_table(&mut self, table: &TextTable) -> io::Result<()> {
        table.write(self.out, self.table_width, self.colour)
    }

    /// Writes a table of the report under its title, with the columns that `view` selects.
    pub(crate) fn table(&mut self, table: &Table, note: &str, view: &ColumnView<'_>) -> io::Result<()> {
        let shown: Vec<(usize, &Column)> = table.columns.iter().enumerate().filter(|(_, column)| (view.shows)(column)).collect();
        let heads: Vec<String> = shown.iter().map(|(_, column)| (view.head)(column)).collect();
        let align = |column: &Column| if column.number { Align::Right } else { Align::Left };
        let heads: Vec<(&str, Align)> = heads.iter().zip(&shown).map(|(head, (_, column))| (head.as_str(), align(column))).collect();
        let mut lines = TextTable::new(&heads);
        for row in &table.rows {
            let cells = shown.iter().filter_map(|&(index, column)| Some((column, row.get(index)?)));
            let cell = |(column, cell): (&Column, &Cell)| {
                TextCell::styled(escape::terminal(&(view.cell)(column, cell), view.cell_columns), tone_style(cell.tone))
            };
            lines.push(cells.map(cell).collect());
        }
        self.heading(table.title, note)?;
        self.text_table(&lines)
    }

    /// Says how many rows were left out of `all`.
    pub(crate) fn left_out(&mut self, all: usize, shown: usize, one: &str, many: &str) -> io::Result<()> {
        if all > shown {
            let rows = text::plural((all - shown) as u64, &format!("more {one}"), &format!("more {many}"));
            self.paragraph(2, &format!("… and {rows} in the report"), dim())?;
        }
        Ok(())
    }

    fn written_files(&mut self, files: WrittenFiles<'_>) -> io::Result<()> {
        let WrittenFiles { folder, names } = files;
        self.heading("Written", "")?;
        let mut names = names.iter();
        if let Some(first) = names.next() {
            let path = escape::path(&folder.join(first).to_string_lossy(), self.table_width - 2);
            writeln!(self.out, "  {}", TextCell::styled(path, bold()).render(self.colour))?;
        }
        let rest: Vec<&str> = names.copied().collect();
        if !rest.is_empty() {
            self.paragraph(2, &format!("and in the same folder {}", rest.join(", ")), dim())?;
        }
        Ok(())
    }

    /// Writes the most useful next command. The command is not wrapped, because it is there to be copied.
    pub(crate) fn next_step(&mut self, facts: &RunFacts) -> io::Result<()> {
        let Some(step) = facts.next.first() else { return Ok(()) };
        self.empty_line()?;
        self.labelled("Next", &text::capital(&step.why), Ansi::new())?;
        self.command(&step.command)
    }
}

/// Writes where a run's files are, below a summary.
///
/// # Errors
/// Those of `out`.
pub fn written_files(out: &mut dyn Write, files: WrittenFiles<'_>, style: Style) -> io::Result<()> {
    let mut terminal = TerminalWriter::new(out, style);
    if style.tables != TableChoice::NONE {
        return terminal.written_files(files);
    }
    let WrittenFiles { folder, names } = files;
    let Some(first) = names.first() else { return Ok(()) };
    let hint = "  (-v prints the tables)";
    let path = escape::path(&folder.join(first).to_string_lossy(), terminal.table_width - LABEL_COLUMNS - escape::columns(hint));
    let path = TextCell::styled(path, bold()).render(terminal.colour);
    let label = TextCell::styled(format!("{:LABEL_COLUMNS$}", "Report"), dim()).render(terminal.colour);
    writeln!(terminal.out, "{label}{path}{}", TextCell::styled(hint.to_owned(), dim()).render(terminal.colour))
}

/// A bar of at most `columns` block characters, in steps of an eighth of a column.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 8 × columns")]
pub(crate) fn bar(share: f64, columns: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * 8.0 * columns as f64).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8 - 1]);
    }
    bar
}

pub(crate) fn bold() -> Ansi {
    Ansi::new().effects(Effects::BOLD)
}

pub(crate) fn dim() -> Ansi {
    Ansi::new().effects(Effects::DIMMED)
}

pub(crate) fn tone_style(tone: Tone) -> Ansi {
    let colour = match tone {
        Tone::Plain => return Ansi::new(),
        Tone::Good => AnsiColor::Green,
        Tone::Warn => AnsiColor::Yellow,
        Tone::Bad => AnsiColor::Red,
    };
    Ansi::new().fg_color(Some(colour.into()))
}

/// Lines of a summary on one screen, but for the place of its files.
pub(crate) const SCREEN_LINES: usize = 23;
/// Width of the labels to the left of a text.
const LABEL_COLUMNS: usize = 12;
/// Longest text that is written in full.
const TEXT_COLUMNS_MAX: usize = 1_200;
/// Longest command that is written in full.
const COMMAND_COLUMNS_MAX: usize = 4_000;
