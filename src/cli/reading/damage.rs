//! Inputs that are damaged, ended early or could not be opened: said on the terminal, in the report, in the confidence and in the exit
//! status, which is decided here for every command that reads logs.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::Exit;
use super::{ReadConfig, ReadSummary};
use wsim_logs::source::Input;
use wsim_report::escape;
use wsim_trace::ingest::LineTally;

/// Whether an input of this run was not read as it should be.
static DAMAGED: AtomicBool = AtomicBool::new(false);

/// The exit status of a finished command: done, but not with all the traffic, if an input is damaged.
pub(in crate::cli) fn exit(exit: Exit) -> Exit {
    if exit == Exit::Done && DAMAGED.load(Ordering::Relaxed) { Exit::Missed } else { exit }
}

/// Says which inputs are damaged, one line each, even if only errors are wanted.
pub(super) fn report(tallies: &[LineTally]) {
    let mut out = anstream::stderr();
    let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    let mut untold = 0;
    for (index, (path, error)) in damages(tallies).enumerate() {
        DAMAGED.store(true, Ordering::Relaxed);
        if index >= LINES_MAX {
            untold += 1;
            continue;
        }
        let (path, error) = (escape::visible(path), escape::visible(error));
        let _ = writeln!(out, "{style}error:{style:#} {path}: {error}");
    }
    if untold > 0 {
        let _ = writeln!(out, "{style}error:{style:#} {untold} more inputs are damaged; the report lists them");
    }
}

/// Says what was left out of the arguments, and what is waited for.
pub(super) fn notes(config: &ReadConfig) {
    if config.quiet {
        return;
    }
    let mut out = io::stderr();
    if config.anonymise.is_some() {
        if !config.source_notes.is_empty() {
            let _ = writeln!(out, "note: some files are left out or read once; a run without --anonymise names them");
        }
        return;
    }
    for note in config.source_notes.iter().take(LINES_MAX) {
        let _ = writeln!(out, "note: {}", escape::visible(note));
    }
    if let Some(more) = config.source_notes.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        let _ = writeln!(out, "note: and {more} more of this kind");
    }
    if config.sources.iter().any(|source| source.input == Input::StandardInput) && io::stdin().is_terminal() {
        let _ = writeln!(out, "note: reading lines from the terminal; Ctrl-D ends them");
    }
}

/// Says which files of folders and patterns were not read, and why: in the first lines, because their requests are missing from all that
/// follows.
pub(super) fn unread(config: &ReadConfig, tallies: &[LineTally]) {
    if config.quiet {
        return;
    }
    let mut out = io::stderr();
    let unread: Vec<&LineTally> = tallies.iter().filter(|tally| tally.format == "unknown" && tally.read_error.is_none()).collect();
    // What belongs to the logs and is already given is not missing.
    let unread: Vec<(&LineTally, Option<BesideLogs>)> = unread.into_iter().map(|tally| (tally, BesideLogs::of(&tally.path))).collect();
    let is_given = |kind: &Option<BesideLogs>| match kind {
        Some(BesideLogs::Recording) => config.process_cpu.is_some(),
        Some(BesideLogs::Plan) => config.observed.is_some(),
        None => false,
    };
    let unread: Vec<(&LineTally, Option<BesideLogs>)> = unread.into_iter().filter(|(_, kind)| !is_given(kind)).collect();
    for (tally, kind) in unread.iter().take(LINES_MAX) {
        let reason = kind.map_or(tally.reason.as_str(), |kind| kind.words());
        let _ = writeln!(out, "note: {} is not read: {}", escape::visible(&tally.path), escape::visible(reason));
    }
    if let Some(more) = unread.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        let _ = writeln!(out, "note: and {more} more files are not read; the report lists them");
    }
}

/// A file beside logs that is read by an option.
#[derive(Debug, Clone, Copy)]
enum BesideLogs {
    /// CPU of processes, as `wsim record` writes it.
    Recording,
    /// A plan, probably that of the deployment.
    Plan,
}

impl BesideLogs {
    fn of(path: &str) -> Option<Self> {
        let mut head = [0_u8; 64];
        let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
        if head[..read].starts_with(b"epoch,process,") {
            return Some(Self::Recording);
        }
        std::path::Path::new(path).extension().is_some_and(|end| end == "toml").then_some(Self::Plan)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Recording => "it is a recording of CPU, which --process-cpu takes",
            Self::Plan => "it is no log; --observed takes the plan of a deployment",
        }
    }
}

impl ReadSummary {
    /// Why part of the traffic may be missing, for the confidence; `None` if all inputs are whole.
    pub(in crate::cli) fn lost(&self) -> Option<String> {
        let count = damages(&self.tallies).count();
        let (first, _) = damages(&self.tallies).next()?;
        Some(match self.tallies.len() {
            1 => "the input is damaged or unreadable, so that requests are missing or wrong".to_owned(),
            all => {
                let verb = if count == 1 { "is" } else { "are" };
                format!("{count} of {all} inputs {verb} damaged or unreadable ({first}), so that requests are missing or wrong")
            }
        })
    }
}

pub(super) fn damages(tallies: &[LineTally]) -> impl Iterator<Item = (&str, &str)> {
    tallies.iter().filter_map(|tally| Some((tally.path.as_str(), tally.read_error.as_deref()?)))
}

/// Lines of one kind on the terminal.
const LINES_MAX: usize = 20;
