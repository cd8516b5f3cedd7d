//! What every run has in common at its end: its folder, its name, its command line, and the summary that is printed.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::reading::AnonymiseArgs;
use super::terminal_width;
use wsim_folder::{FolderError, OutputFolder};
use wsim_logs::redact;
use wsim_report::{self as report, Report, TableChoice, TableName, escape, write_report};

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

    /// [`deliver`] of a run's report, with the folder as the user may see it.
    ///
    /// # Errors
    /// As [`deliver`].
    pub(super) fn deliver(
        &self,
        tables: TableChoice,
        folder: RunFolder,
        report: &dyn Report,
        partial: bool,
        write: impl FnOnce(&OutputFolder) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if let Some(path) = deliver(self.print(), tables, folder, report, partial, write)? {
            say_where(tables, &path, &self.shown_folder(&path))?;
        }
        Ok(())
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

/// Prints a report, then writes its files, and says where they are. A disk that is full and a folder that may not be written to cost the
/// files only, and a reader that closed the pipe the print only.
///
/// # Errors
/// Printing or writing failed.
pub(super) fn print_and_write(
    (print, tables): (Print, TableChoice),
    folder: RunFolder,
    report: &dyn Report,
    partial: bool,
    write: impl FnOnce(&OutputFolder) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match deliver(print, tables, folder, report, partial, write)? {
        Some(path) => say_where(tables, &path, &path),
        None => Ok(()),
    }
}

/// Prints a report, then writes its files; `write` writes what is not part of the report. Returns the folder, if it is to be named.
fn deliver(
    print: Print,
    tables: TableChoice,
    folder: RunFolder,
    report: &dyn Report,
    partial: bool,
    write: impl FnOnce(&OutputFolder) -> anyhow::Result<()>,
) -> anyhow::Result<Option<PathBuf>> {
    let printed = show(print, report, tables);
    let written = folder.0.and_then(|folder| {
        write_report(&folder, report)?;
        write(&folder)?;
        finish_folder(folder, partial)
    });
    let path = match (written, print) {
        (Ok(path), _) => path,
        (Err(error), Print::Nothing) => return Err(error),
        (Err(error), _) => return Err(error.context("the figures above are complete, but their files could not be written")),
    };
    printed?;
    Ok((print == Print::Summary).then_some(path))
}

fn show(print: Print, report: &dyn Report, tables: TableChoice) -> anyhow::Result<()> {
    match print {
        Print::Nothing => {}
        Print::Json => writeln!(std::io::stdout().lock(), "{}", report.json()?.trim_end())?,
        Print::Summary => report.terminal(&mut anstream::stdout().lock(), style(tables))?,
    }
    Ok(())
}

/// Prints where the files of a report are; `shown` is the folder as the user may see it.
fn say_where(tables: TableChoice, folder: &Path, shown: &Path) -> anyhow::Result<()> {
    let files = files_in(folder);
    let files = report::WrittenFiles { folder: shown, names: &files };
    report::written_files(&mut anstream::stdout().lock(), files, style(tables))?;
    Ok(())
}

/// Colour codes are always written; the stream removes them where they are not wanted (NO_COLOR, no terminal).
fn style(tables: TableChoice) -> report::Style {
    report::Style { colour: true, width: terminal_width(), tables }
}

fn files_in(folder: &Path) -> Vec<&'static str> {
    FILES.into_iter().filter(|name| folder.join(name).exists()).collect()
}

/// The usual folder of reports.
const OUT: &str = "reports";

/// What a run's folder may hold, beginning with the file to open first.
const FILES: [&str; 9] =
    ["report.html", "report.md", "report.json", "plan.toml", "charts/", "tables/", "trace.parquet", "replay.hlog", "requests.parquet"];

/// Whether the tables are printed.
#[derive(Debug, Args)]
pub(super) struct VerboseArg {
    /// Print all tables below the verdict
    #[arg(long, short, help_heading = "Output")]
    verbose: bool,
}

impl VerboseArg {
    pub(super) fn choice(&self) -> TableChoice {
        if self.verbose { TableChoice::ALL } else { TableChoice::NONE }
    }
}

/// The tables that are printed below the verdict.
#[derive(Debug, Args)]
pub(super) struct PrintArgs {
    #[command(flatten)]
    verbose: VerboseArg,
    /// Print some of the tables: groups,plans
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = table_names(), help_heading = "Output")]
    tables: Vec<TableName>,
}

impl PrintArgs {
    pub(super) fn choice(&self) -> TableChoice {
        if self.verbose.verbose { TableChoice::ALL } else { TableChoice::of(&self.tables) }
    }
}

fn table_names() -> impl TypedValueParser<Value = TableName> {
    let name = |text: String| TableName::ALL.into_iter().find(|name| name.name() == text).unwrap_or(TableName::Groups);
    PossibleValuesParser::new(TableName::ALL.map(TableName::name)).map(name)
}

/// A run's folder, or why it cannot be written: the figures are printed all the same.
pub(super) struct RunFolder(anyhow::Result<OutputFolder>);

impl RunFolder {
    /// Starts a run's folder, before the work whose result it will hold. A place that may not be written to is said at once.
    ///
    /// # Errors
    /// The name is no name, or there is something by that name that is not replaced.
    pub(super) fn start(output: &Output, name: &str) -> anyhow::Result<Self> {
        Self::create(&output.out, name, output.force)
    }

    /// [`Self::start`] in the folder `out`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) fn create(out: &Path, name: &str, force: bool) -> anyhow::Result<Self> {
        match OutputFolder::create(out, name, force) {
            Ok(folder) => Ok(Self(Ok(folder))),
            Err(error @ (FolderError::Parent { .. } | FolderError::Io { .. })) => Ok(Self(Err(without_files(error.into())))),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes files in the folder that are written during the work. If they cannot be, this is said at once, and no files are written.
    pub(super) fn begin_files<T>(&mut self, make: impl FnOnce(&Path) -> anyhow::Result<T>) -> Option<T> {
        match make(self.0.as_ref().ok()?.path()) {
            Ok(made) => Some(made),
            Err(error) => {
                self.0 = Err(without_files(error));
                None
            }
        }
    }
}

/// Says why no files are written.
fn without_files(error: anyhow::Error) -> anyhow::Error {
    let note = format!("note: {error:#}; the figures are printed, no files are written");
    let _ = writeln!(anstream::stderr(), "{}", escape::visible(&note));
    error
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
