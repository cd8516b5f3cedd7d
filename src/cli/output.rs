//! What every run has in common at its end: its folder, its name, its command line, and the summary that is printed.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::reading::AnonymiseArgs;
use super::terminal_width;
use wsim_folder::OutputFolder;
use wsim_logs::redact;
use wsim_report::{self as report, Report, escape};

#[derive(Debug, Args)]
pub(super) struct Output {
    #[command(flatten)]
    pub(super) anonymise: AnonymiseArgs,
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = OUT, help_heading = "Output")]
    pub(super) out: PathBuf,
    /// Name of this run's folder [default: after the first log]
    #[arg(long, help_heading = "Output")]
    pub(super) name: Option<String>,
    /// Replace the run of this name
    #[arg(long, help_heading = "Output")]
    pub(super) force: bool,
    /// Print only report.json
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    pub(super) quiet: bool,
}

impl Output {
    pub(super) fn print(&self) -> Print {
        Print::of(self.json, self.quiet)
    }

    /// The name of a run of `logs`: as typed, or a free one.
    pub(super) fn run_name(&self, logs: &[String], suffix: &str) -> String {
        let free = |logs: &[String]| free_name(&self.out, logs, suffix, self.force);
        match &self.name {
            Some(name) => name.clone(),
            None if self.anonymise.wanted() => free(&["anonymised".to_owned()]),
            None => free(logs),
        }
    }

    /// Prints a finished run's report.
    pub(super) fn show(&self, report: &dyn Report, folder: Option<&Path>) -> anyhow::Result<()> {
        let shown = folder.map(|folder| self.shown_folder(folder));
        show_as(self.print(), report, folder.zip(shown.as_deref()))
    }

    /// A run's folder as the terminal names it: without names that the user chose, if names are to be left out.
    fn shown_folder(&self, folder: &Path) -> PathBuf {
        if !self.anonymise.wanted() {
            return folder.to_owned();
        }
        let out = if self.out == Path::new(OUT) { OUT } else { "OUT" };
        let name = folder.file_name().filter(|_| self.name.is_none()).unwrap_or("NAME".as_ref());
        Path::new(out).join(name)
    }
}

/// What to print of a finished run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Print {
    Summary,
    Json,
    Nothing,
}

impl Print {
    pub(super) fn of(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Nothing,
            (false, false) => Self::Summary,
        }
    }
}

/// Prints a report; `folder` holds its files, if they could be written.
pub(super) fn show(print: Print, report: &dyn Report, folder: Option<&Path>) -> anyhow::Result<()> {
    show_as(print, report, folder.zip(folder))
}

/// [`show`] with a folder and the name by which it is shown.
fn show_as(print: Print, report: &dyn Report, folder: Option<(&Path, &Path)>) -> anyhow::Result<()> {
    match print {
        Print::Nothing => {}
        Print::Json => writeln!(std::io::stdout().lock(), "{}", report.json()?.trim_end())?,
        Print::Summary => {
            // Colour codes are always written; the stream removes them where they are not wanted (NO_COLOR, no terminal).
            let style = report::Style { colour: true, width: terminal_width() };
            let written: Vec<&str> =
                FILES.into_iter().filter(|name| folder.is_some_and(|(folder, _)| folder.join(name).exists())).collect();
            let files = folder.map(|(_, shown)| report::WrittenFiles { folder: shown, names: &written });
            report.terminal(&mut anstream::stdout().lock(), files, style)?;
        }
    }
    Ok(())
}

/// The usual folder of reports.
const OUT: &str = "reports";

/// What a run's folder may hold, beginning with the file to open first.
const FILES: [&str; 9] =
    ["report.html", "report.md", "report.json", "plan.toml", "charts/", "tables/", "trace.parquet", "replay.hlog", "requests.parquet"];

/// Starts a run's folder, before the work whose result it will hold: a place that cannot be written to is found at once.
pub(super) fn start_folder(output: &Output, name: &str) -> anyhow::Result<OutputFolder> {
    Ok(OutputFolder::create(&output.out, name, output.force)?)
}

/// Moves a run's folder to its place and returns its path. If it had to go elsewhere, says so on standard error.
pub(super) fn finish_folder(folder: OutputFolder, partial: bool) -> anyhow::Result<PathBuf> {
    let finished = folder.finish(!partial)?;
    if let Some(why) = &finished.beside {
        let what = if partial { "the interrupted run" } else { "this run" };
        let note = format!("note: {why}: {what} is in {}", finished.path.display());
        // The note must not fail a run that is written.
        let _ = writeln!(anstream::stderr(), "{}", escape::visible(&note));
    }
    Ok(finished.path)
}

/// A free name for a run, after its first log or folder: `access`, `access-2`, …
pub(super) fn free_name(out: &Path, logs: &[String], suffix: &str, force: bool) -> String {
    let base = match logs.first().map(String::as_str) {
        None | Some("-") => "stdin".to_owned(),
        Some(log) => run_name(Path::new(log)),
    } + suffix;
    if force || !out.join(&base).exists() {
        return base;
    }
    (2..).map(|number| format!("{base}-{number}")).find(|name| !out.join(name).exists()).unwrap_or(base)
}

/// The command line as typed, without `--threads`, which changes no result: a run on another machine has the same report.
pub(super) fn command_line() -> String {
    let mut words = vec!["wsim".to_owned()];
    let mut arguments = std::env::args().skip(1);
    while let Some(word) = arguments.next() {
        if word == "--threads" {
            arguments.next();
        } else if !word.starts_with("--threads=") {
            words.push(shell_word(&word));
        }
    }
    words.join(" ")
}

/// A word of a command that is shown: without secrets, and quoted for a shell where needed (POSIX Shell Command Language, section 2.2.2).
pub(super) fn shell_word(word: &str) -> String {
    let word = &*redact::scrub_path(word);
    let plain = |c: char| c.is_alphanumeric() || "_./:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// A command line that a shell reads back as these words, in which no secret is.
pub(super) fn shell_words(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// A run's name after its log: `/var/log/nginx/access.log.1.gz` gives `access`.
fn run_name(path: &Path) -> String {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = if file == "trace.parquet" {
        path.parent().and_then(Path::file_name).map_or_else(|| "trace".to_owned(), |name| name.to_string_lossy().into_owned())
    } else {
        file.split(".log").next().unwrap_or_default().to_owned()
    };
    let plain: String = redact::scrub_path(&stem)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .collect();
    let plain = plain.trim_matches(['.', '-']).to_owned();
    let plain: String = plain.chars().take(NAME_CHARS_MAX).collect();
    match plain.as_str() {
        "" => "run".to_owned(),
        // Such as `aux.log`.
        _ if wsim_folder::check_name(&plain).is_err() => plain + "-log",
        _ => plain,
    }
}

/// Characters of a default name.
const NAME_CHARS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_never_run_by_a_shell() {
        assert_eq!(shell_words(&["/var/log/a.log".to_owned(), "b c.log".to_owned()]), "/var/log/a.log 'b c.log'");
        for word in ["$(id)", "`id`", "a;id", "a\nid", "~", "#a", "it's", "", "a(b)"] {
            let printed = std::process::Command::new("sh").arg("-c").arg(format!("printf %s {}", shell_word(word))).output().unwrap();
            assert_eq!(String::from_utf8(printed.stdout).unwrap(), word);
        }
    }

    #[test]
    fn a_run_is_named_after_its_first_log() {
        assert_eq!(run_name(Path::new("/var/log/nginx/matrix-access.log.1.gz")), "matrix-access");
        assert_eq!(run_name(Path::new("reports/monday/trace.parquet")), "monday");
        assert_eq!(run_name(Path::new("../..")), "run");
        assert_eq!(run_name(Path::new("my log.log")), "my-log");
        assert!(run_name(Path::new("x-mct_Zk3vR8pQ1xW6yT4uN9mB2cL7sD5fGh_0aB1cD.log")).ends_with("redacted"));
    }

    #[test]
    fn a_command_that_is_shown_holds_no_secret() {
        let token = "mct_Zk3vR8pQ1xW6yT4uN9mB2cL7sD5fGh_0aB1cD";
        assert_eq!(shell_words(&[format!("/tmp/{token}.log"), "--x".to_owned()]), "'/tmp/<redacted>' --x");
    }

    #[test]
    fn a_default_name_is_one_that_name_accepts() {
        assert_eq!(run_name(Path::new("aux.log.1")), "aux-log");
        assert_eq!(run_name(Path::new(&"matrix-".repeat(35))).len(), 100);
    }
}
