//! What every run has in common at its end: its folder, its name, its command line, and the summary that is printed.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{interrupt, terminal_width};
use wsim_report::{self as report, Report, RunFolder};

#[derive(Debug, Args)]
pub(super) struct Output {
    /// Hash users, rooms, servers and addresses [default key: random]
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "", require_equals = true, help_heading = "Output")]
    pub(super) anonymise: Option<String>,
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports", help_heading = "Output")]
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
    match print {
        Print::Nothing => {}
        Print::Json => writeln!(std::io::stdout().lock(), "{}", report.json()?.trim_end())?,
        Print::Summary => {
            // Colour codes are always written; the stream removes them where they are not wanted (NO_COLOR, no terminal).
            let style = report::Style { colour: true, width: terminal_width() };
            let written: Vec<&str> = FILES.into_iter().filter(|name| folder.is_some_and(|folder| folder.join(name).exists())).collect();
            let files = folder.map(|folder| report::WrittenFiles { folder, names: &written });
            report.terminal(&mut anstream::stdout().lock(), files, style)?;
        }
    }
    Ok(())
}

/// What a run's folder may hold, beginning with the file to open first.
const FILES: [&str; 9] =
    ["report.html", "report.md", "report.json", "plan.toml", "charts/", "tables/", "trace.parquet", "replay.hlog", "requests.parquet"];

/// Writes a run's folder with `write` and returns its path. A second Ctrl-C meanwhile leaves no half-written folder.
pub(super) fn write_folder(output: &Output, name: &str, write: impl FnOnce(&RunFolder) -> anyhow::Result<()>) -> anyhow::Result<PathBuf> {
    let folder = RunFolder::create(&output.out, name, output.force)?;
    interrupt::unfinished(Some(folder.path().to_owned()));
    write(&folder)?;
    let path = folder.finish()?;
    interrupt::unfinished(None);
    Ok(path)
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

/// The command line as typed, without the key of `--anonymise`.
pub(super) fn command_line() -> String {
    let words = std::env::args().enumerate().map(|(index, word)| match index {
        0 => "wsim".to_owned(),
        _ if word.starts_with("--anonymise=") => "--anonymise=…".to_owned(),
        _ => shell_word(&word),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A word quoted for a shell where needed (POSIX Shell Command Language, section 2.2.2).
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_./:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// A command line that a shell reads back as these words.
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
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    let plain = plain.trim_matches(['.', '-']).to_owned();
    if plain.is_empty() { "run".to_owned() } else { plain }
}

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
    }
}
