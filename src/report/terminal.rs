//! The summary on a terminal: the verdict first, then what it rests on, in at most 100 columns.
//!
//! Colour repeats what words say. Log text is made visible and cut; see [`escape`].

use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Effects, Style as Ansi};

use super::account;
use super::analysis::{self, AnalysisReport};
use super::escape;
use super::format;
use super::grid::{Align, Grid, Piece};
use super::table::Tone;
use super::tables;
use super::words;
use wsim_profile::{Heavy, Peak};

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours and bold.
    pub colour: bool,
    /// Columns of the terminal; tables use 60 to 100 of them.
    pub width: usize,
}

/// What was written to disk.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// Names in it, the one to open first.
    pub names: &'a [&'a str],
}

/// Writes the summary.
///
/// # Errors
/// Those of `out`.
pub fn terminal(out: &mut dyn Write, report: &AnalysisReport, files: Option<Files<'_>>, style: Style) -> io::Result<()> {
    let mut summary = Summary::new(out, style);
    summary.head(report)?;
    summary.verdict(report)?;
    summary.groups(report)?;
    summary.peaks(report)?;
    summary.heavy(report)?;
    summary.candidates(report)?;
    summary.inputs(report)?;
    summary.files(report, files)
}

/// Where a summary goes, and how.
pub(super) struct Summary<'a> {
    out: &'a mut dyn Write,
    width: usize,
    colour: bool,
}

impl<'a> Summary<'a> {
    /// A summary in this style.
    pub(super) fn new(out: &'a mut dyn Write, style: Style) -> Self {
        Self { out, width: style.width.clamp(60, 100), colour: style.colour }
    }

    /// An empty line.
    pub(super) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    fn head(&mut self, report: &AnalysisReport) -> io::Result<()> {
        let mut text = format!("wsim {} · {}", report.facts.wsim, format::plural(report.requests(), "request", "requests"));
        if report.requests() > 0 {
            text.push_str(&format!(" · {}", format::window(report.profile.window)));
        }
        self.paragraph(0, &text, dim())?;
        if report.facts.partial {
            self.paragraph(0, "PARTIAL: reading was interrupted; the numbers cover what had been read until then.", tone(Tone::Warn))?;
        }
        Ok(())
    }

    fn verdict(&mut self, report: &AnalysisReport) -> io::Result<()> {
        let advice = &report.advice;
        writeln!(self.out)?;
        self.paragraph(0, &advice.verdict, bold())?;
        if advice.candidates.is_empty() {
            return Ok(());
        }
        writeln!(self.out)?;
        if let Some(shown) = report.shown() {
            let candidate = shown.candidate;
            let (meets, meets_tone) = tables::meets(candidate.meets_objective);
            let workers = if candidate.workers == 0 {
                "main process only".to_owned()
            } else {
                format!("main + {}", format::plural(u64::from(candidate.workers), "worker", "workers"))
            };
            self.wrapped(
                if shown.recommended { "Plan" } else { "Closest" },
                &format!("{} ({workers}, {} cores)", candidate.plan.name, format::range(candidate.total_cores)),
                bold(),
            )?;
            let busiest = analysis::busiest(candidate).map_or_else(String::new, |process| {
                format!("busiest process {} {}; ", process.name, format::percent_range(process.utilisation))
            });
            self.wrapped("", &format!("{busiest}objective {}: {meets}", advice.objective), tone(meets_tone))?;
        }
        self.wrapped("Sure", &format!("{}: {}", advice.confidence.level, advice.confidence.why), Ansi::new())?;
        for (index, reason) in advice.reasons.iter().enumerate() {
            self.hanging(if index == 0 { "Why" } else { "" }, &format!("{}. ", index + 1), reason, Ansi::new())?;
        }
        Ok(())
    }

    fn groups(&mut self, report: &AnalysisReport) -> io::Result<()> {
        let groups = &report.profile.groups;
        if groups.is_empty() {
            return Ok(());
        }
        let cpu = report.cpu_seconds();
        self.heading("Endpoint groups", "latency is work; time parked in long polls is not in it")?;
        let mut grid = Grid::new(&[
            ("group", Align::Left),
            ("requests", Align::Right),
            ("CPU s", Align::Right),
            (if cpu.is_some() { "of CPU" } else { "of requests" }, Align::Right),
            ("", Align::Left),
            ("p50 ms", Align::Right),
            ("p95 ms", Align::Right),
            ("may be served by", Align::Left),
        ]);
        let whole = cpu.unwrap_or(report.requests() as f64);
        for group in groups.iter().take(GROUPS_MAX) {
            let share = format::share(if cpu.is_some() { group.cpu_seconds.unwrap_or(0.0) } else { group.requests as f64 }, whole);
            let quantile = |pick: fn(&wsim_profile::Quantiles) -> f64| {
                group.latency_ms.as_ref().map_or_else(|| format::UNKNOWN.to_owned(), |q| format::number(pick(q)))
            };
            grid.row(vec![
                Piece::plain(escape::terminal(&group.id, 20)),
                Piece::plain(format::count(group.requests)),
                Piece::plain(group.cpu_seconds.map_or_else(|| format::UNKNOWN.to_owned(), format::number)),
                Piece::plain(format::percent(share)),
                Piece::styled(bar(share, 10), dim()),
                Piece::plain(quantile(|q| q.p50)),
                Piece::plain(quantile(|q| q.p95)),
                Piece::plain(escape::terminal(&words::served_by(group), 40)),
            ]);
        }
        self.grid(&grid)?;
        self.more(groups.len(), GROUPS_MAX, "groups")
    }

    fn peaks(&mut self, report: &AnalysisReport) -> io::Result<()> {
        if report.requests() == 0 {
            return Ok(());
        }
        self.heading("Peaks", "by CPU demand where it is known; times in UTC")?;
        let mut grid = Grid::new(&[
            ("span", Align::Left),
            ("from", Align::Left),
            ("to", Align::Left),
            ("requests/s", Align::Right),
            ("CPU cores", Align::Right),
        ]);
        let peaks = &report.profile.peaks;
        for (name, peak) in
            [("busiest minute", &peaks.one_minute), ("busiest five minutes", &peaks.five_minutes), ("busiest hour", &peaks.busy_hour)]
        {
            grid.row(peak_row(name, peak));
        }
        let seconds = report.profile.window.seconds();
        let mean = Peak {
            window: report.profile.window,
            requests_per_second: report.profile.requests as f64 / seconds,
            cores: report.cpu_seconds().map(|cpu| cpu / seconds),
        };
        grid.row(peak_row("mean", &mean));
        self.grid(&grid)
    }

    fn heavy(&mut self, report: &AnalysisReport) -> io::Result<()> {
        let hitters = &report.profile.heavy_hitters;
        let kinds: [(&str, &[Heavy]); 5] = [
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
        self.heading("Heavy hitters", "the top three of each kind")?;
        let mut grid = Grid::new(&[
            ("", Align::Left),
            ("name", Align::Left),
            ("requests", Align::Right),
            (if by_cpu { "of CPU" } else { "of requests" }, Align::Right),
        ]);
        for (kind, heavies) in kinds {
            for (index, heavy) in heavies.iter().take(3).enumerate() {
                grid.row(vec![
                    Piece::styled(if index == 0 { kind } else { "" }.to_owned(), dim()),
                    Piece::plain(escape::terminal(&heavy.name, 56)),
                    Piece::plain(format::count(heavy.requests)),
                    Piece::plain(format::percent(heavy.share)),
                ]);
            }
        }
        self.grid(&grid)
    }

    fn candidates(&mut self, report: &AnalysisReport) -> io::Result<()> {
        let best = analysis::best_by_workers(&report.advice);
        if best.is_empty() {
            return Ok(());
        }
        self.heading(
            "Candidates",
            &format!("the best for each number of workers, busiest five minutes; objective {}", report.advice.objective),
        )?;
        let mut grid = Grid::new(&[
            ("", Align::Left),
            ("workers", Align::Right),
            ("plan", Align::Left),
            ("busiest process", Align::Left),
            ("busy (range)", Align::Left),
            ("cores", Align::Right),
            ("meets", Align::Left),
        ]);
        for (index, candidate) in &best {
            let busiest = analysis::busiest(candidate);
            let (meets, meets_tone) = tables::meets(candidate.meets_objective);
            grid.row(vec![
                Piece::styled(if report.advice.recommended == Some(*index) { ">" } else { "" }.to_owned(), bold()),
                Piece::plain(candidate.workers.to_string()),
                Piece::plain(escape::terminal(&candidate.plan.name, 34)),
                Piece::plain(busiest.map_or_else(String::new, |process| escape::terminal(&process.name, 16))),
                Piece::plain(busiest.map_or_else(String::new, |process| format::percent_range(process.utilisation))),
                Piece::plain(format::number(candidate.total_cores.value)),
                Piece::styled(meets.to_owned(), tone(meets_tone)),
            ]);
        }
        self.grid(&grid)?;
        self.more(report.advice.candidates.len(), best.len(), "candidates")
    }

    pub(super) fn inputs(&mut self, report: &AnalysisReport) -> io::Result<()> {
        self.heading("Inputs", "lines = requests + not requests + malformed")?;
        let mut grid = Grid::new(&[
            ("input", Align::Left),
            ("format", Align::Left),
            ("lines", Align::Right),
            ("requests", Align::Right),
            ("not requests", Align::Right),
            ("malformed", Align::Right),
        ]);
        for input in report.inputs.iter().take(INPUTS_MAX) {
            grid.row(vec![
                Piece::plain(escape::terminal(&input.path, 36)),
                Piece::plain(escape::terminal(&input.format, 28)),
                Piece::plain(format::count(input.lines)),
                Piece::plain(format::count(input.requests)),
                Piece::plain(format::count(input.not_requests)),
                Piece::styled(format::count(input.malformed), if input.malformed > 0 { tone(Tone::Warn) } else { Ansi::new() }),
            ]);
        }
        self.grid(&grid)?;
        self.more(report.inputs.len(), INPUTS_MAX, "inputs")?;
        let skip = usize::from(report.inputs.len() == 1);
        for line in account::lines(report).iter().skip(skip) {
            self.paragraph(2, line, dim())?;
        }
        for example in report.malformed_examples.iter().take(3) {
            self.paragraph(2, &format!("malformed: {}:{}: {}", escape::terminal(&example.path, 40), example.line, example.reason), dim())?;
        }
        Ok(())
    }

    /// What was written, and what to type next.
    pub(super) fn files(&mut self, report: &AnalysisReport, files: Option<Files<'_>>) -> io::Result<()> {
        self.places(files)?;
        if let Some(step) = report.facts.next.first() {
            writeln!(self.out)?;
            self.wrapped("Next", &format::capital(&step.why), Ansi::new())?;
            // Not wrapped: a command is there to be copied.
            writeln!(self.out, "{}{}", " ".repeat(LABEL), escape::terminal(&step.command, 1_000))?;
        }
        Ok(())
    }

    /// What was written.
    pub(super) fn places(&mut self, files: Option<Files<'_>>) -> io::Result<()> {
        if let Some(Files { folder, names }) = files {
            self.heading("Written", "")?;
            let mut names = names.iter();
            if let Some(first) = names.next() {
                let path = escape::terminal(&folder.join(first).to_string_lossy(), self.width - 2);
                writeln!(self.out, "  {}", Piece::styled(path, bold()).show(self.colour))?;
            }
            let rest: Vec<&str> = names.copied().collect();
            if !rest.is_empty() {
                self.paragraph(2, &format!("and beside it {}", rest.join(", ")), dim())?;
            }
        }
        Ok(())
    }

    pub(super) fn heading(&mut self, title: &str, note: &str) -> io::Result<()> {
        let note = escape::terminal(note, self.width.saturating_sub(escape::columns(title) + 2));
        let line =
            format!("{}  {}", Piece::styled(title.to_owned(), bold()).show(self.colour), Piece::styled(note, dim()).show(self.colour));
        writeln!(self.out, "\n{}", line.trim_end())
    }

    pub(super) fn grid(&mut self, grid: &Grid) -> io::Result<()> {
        grid.write(self.out, self.width, self.colour)
    }

    pub(super) fn more(&mut self, all: usize, shown: usize, what: &str) -> io::Result<()> {
        if all > shown {
            self.paragraph(2, &format!("… and {} more {what} in the report", all - shown), dim())?;
        }
        Ok(())
    }

    /// A text indented by `indent`, wrapped at words.
    pub(super) fn paragraph(&mut self, indent: usize, text: &str, style: Ansi) -> io::Result<()> {
        let text = escape::terminal(text, 1_200);
        for line in wrap(&text, self.width - indent) {
            writeln!(self.out, "{:indent$}{}", "", Piece::styled(line, style).show(self.colour))?;
        }
        Ok(())
    }

    /// A label and a text beside it, wrapped at words.
    pub(super) fn wrapped(&mut self, label: &str, text: &str, style: Ansi) -> io::Result<()> {
        self.hanging(label, "", text, style)
    }

    /// A label, and beside it a text that hangs on its mark (`1. `).
    pub(super) fn hanging(&mut self, label: &str, mark: &str, text: &str, style: Ansi) -> io::Result<()> {
        let text = escape::terminal(text, 1_200);
        let indent = escape::columns(mark);
        for (index, line) in wrap(&text, self.width - LABEL - indent).into_iter().enumerate() {
            let (label, mark) = if index == 0 { (label, mark) } else { ("", "") };
            writeln!(
                self.out,
                "{}{mark:indent$}{}",
                Piece::styled(format!("{label:LABEL$}"), dim()).show(self.colour),
                Piece::styled(line, style).show(self.colour)
            )?;
        }
        Ok(())
    }
}

fn peak_row(name: &str, peak: &Peak) -> Vec<Piece> {
    vec![
        Piece::plain(name.to_owned()),
        Piece::plain(format::time(peak.window.start_us)),
        Piece::plain(format::time(peak.window.end_us)),
        Piece::plain(format::number(peak.requests_per_second)),
        Piece::plain(peak.cores.map_or_else(|| format::UNKNOWN.to_owned(), format::number)),
    ]
}

/// Lines of at most `room` columns, broken at spaces, else anywhere.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    // A number and its sign stay on one line.
    for word in text.replace(" %", TIED_PERCENT).split(' ') {
        let mut word = word.to_owned();
        let used = lines.last().map_or(0, |line| escape::columns(line));
        if used > 0 && used + 1 + escape::columns(&word) > room {
            lines.push(String::new());
        }
        while escape::columns(&word) > room {
            let head = escape::cut(&word, room + 1).trim_end_matches('…').to_owned();
            if head.is_empty() {
                break;
            }
            word = word[head.len()..].to_owned();
            if let Some(line) = lines.last_mut().filter(|line| line.is_empty()) {
                line.push_str(&head);
            }
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines.into_iter().map(|line| line.replace(TIED_PERCENT, " %")).collect()
}

/// A bar of at most `columns` block characters, in eighths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 8 × columns")]
fn bar(share: f64, columns: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * 8.0 * columns as f64).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8 - 1]);
    }
    bar
}

pub(super) fn bold() -> Ansi {
    Ansi::new().effects(Effects::BOLD)
}

pub(super) fn dim() -> Ansi {
    Ansi::new().effects(Effects::DIMMED)
}

pub(super) fn tone(tone: Tone) -> Ansi {
    let colour = match tone {
        Tone::Plain => return Ansi::new(),
        Tone::Good => AnsiColor::Green,
        Tone::Warn => AnsiColor::Yellow,
        Tone::Bad => AnsiColor::Red,
    };
    Ansi::new().fg_color(Some(colour.into()))
}

/// A no-break space and the sign.
const TIED_PERCENT: &str = "\u{a0}%";
/// Columns before wrapped text.
const LABEL: usize = 9;
const GROUPS_MAX: usize = 16;
const INPUTS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn shown(report: &AnalysisReport, style: Style) -> String {
        let mut out = Vec::new();
        let files = Files {
            folder: Path::new("reports/access"),
            names: &["report.html", "report.md", "report.json", "trace.parquet", "plan.toml", "charts/"],
        };
        terminal(&mut out, report, Some(files), style).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn plain(report: &AnalysisReport) -> String {
        shown(report, Style { colour: false, width: 100 })
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
    fn no_line_is_wider_than_the_terminal() {
        for report in [fixture::report(), fixture::proxy_only(), fixture::empty(), fixture::large()] {
            for width in [60, 80, 100, 200] {
                let text = shown(&report, Style { colour: false, width });
                let commands: Vec<&str> = report.facts.next.iter().map(|step| step.command.as_str()).collect();
                for line in text.lines().filter(|line| !commands.contains(&line.trim())) {
                    assert!(escape::columns(line) <= width.min(100), "{width}: {line}");
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
        let coloured = shown(&fixture::report(), Style { colour: true, width: 100 });
        assert!(coloured.contains('\x1b'));
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(stripped, plain(&fixture::report()));
    }

    #[test]
    fn words_are_wrapped_whole_where_they_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("below 70 % busy", 9), ["below", "70 % busy"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a 漢字漢字", 4), ["a", "漢字", "漢字"]);
    }
}
