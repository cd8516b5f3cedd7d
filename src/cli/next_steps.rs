//! The commands that a finished run suggests. Each can be run as it is printed: it has the options of the run, quoted for a shell.

use std::io::Write;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use super::output::{shell_word, shell_words};
use super::reading::ReadConfig;
use wsim_profile::{DemandMethod, Profile};
use wsim_report::{NextStep, escape};

/// What this run read and how, for another command.
pub(super) struct SameInput {
    logs: Vec<String>,
    /// Logs and options are left out of an anonymised report: they may name what it hides.
    is_anonymous: bool,
}

impl SameInput {
    /// `trace` is where this run leaves its requests, for a command that cannot read standard input again.
    pub(super) fn new(config: &ReadConfig, logs: &[String], trace: &Path) -> Self {
        let shown = config.shown_logs(logs);
        let is_anonymous = shown != logs;
        let is_gone = shown.iter().any(|log| log == "-");
        Self { logs: if is_gone { vec![trace.to_string_lossy().into_owned()] } else { shown }, is_anonymous }
    }

    /// The logs as typed, for a command that leaves no trace; standard input has to be piped again.
    pub(super) fn of_logs(config: &ReadConfig, logs: &[String]) -> Self {
        let shown = config.shown_logs(logs);
        Self { is_anonymous: shown != logs, logs: shown }
    }

    /// `wsim COMMAND` with the logs of this run, and those of its options that COMMAND has too.
    pub(super) fn command(&self, command: &str) -> String {
        self.command_with(command, &[])
    }

    /// [`Self::command`] with further options, which replace those of this run.
    pub(super) fn command_with(&self, command: &str, further: &[(&str, &str)]) -> String {
        let without: Vec<&str> = further.iter().map(|(option, _)| *option).collect();
        let options = if self.is_anonymous { Vec::new() } else { same_options(command, &without) };
        let further = further.iter().flat_map(|(option, value)| [format!("--{option}"), (*value).to_owned()]);
        let words: Vec<String> = self.logs.iter().cloned().chain(options).chain(further).collect();
        format!("wsim {command} {}", shell_words(&words))
    }
}

/// Prints the commands that go on from here, as a report prints them: what for, then the command alone on its line, to be copied.
pub(super) fn say(out: &mut dyn Write, steps: &[NextStep]) -> std::io::Result<()> {
    for (index, step) in steps.iter().enumerate() {
        let label = if index == 0 { "Next" } else { "" };
        writeln!(out, "{label:12}{}\n{:12}{}", wsim_text::capital(&step.why), "", escape::visible(&step.command))?;
    }
    Ok(())
}

/// The options on this command line that another command has too, other than those about printing and the run's folder and those in `without`.
fn same_options(command: &str, without: &[&str]) -> Vec<String> {
    let program = super::command();
    let Some(target) = program.find_subcommand(command).cloned() else { return Vec::new() };
    let Ok(matches) = program.try_get_matches_from(super::settings::command_line()) else { return Vec::new() };
    let Some((_, given)) = matches.subcommand() else { return Vec::new() };
    let is_repeated =
        |option: &&Arg| !NOT_REPEATED.contains(&option.get_id().as_str()) && option.get_long().is_none_or(|long| !without.contains(&long));
    target.get_arguments().filter(is_repeated).flat_map(|option| as_given(option, given)).collect()
}

/// The words of an option as it was given; none if it was not.
fn as_given(option: &Arg, given: &ArgMatches) -> Vec<String> {
    let id = option.get_id().as_str();
    let Some(long) = option.get_long().filter(|_| given.try_contains_id(id).is_ok()) else { return Vec::new() };
    if given.value_source(id) != Some(ValueSource::CommandLine) {
        return Vec::new();
    }
    if !matches!(option.get_action(), ArgAction::Set | ArgAction::Append) {
        return vec![format!("--{long}")];
    }
    let values = given.get_raw(id).into_iter().flatten();
    values.flat_map(|value| [format!("--{long}"), value.to_string_lossy().into_owned()]).collect()
}

/// Writing the configuration of a plan.
pub(super) fn configure(plan: &Path, is_anonymous: bool) -> NextStep {
    let plan = if is_anonymous { "plan.toml".to_owned() } else { shell_word(&plan.to_string_lossy()) };
    NextStep { why: "write the configuration of this plan".to_owned(), command: format!("wsim configure {plan} --out synapse-workers") }
}

/// Checking a configuration that was written, and trying its plan on the requests that the plan was made for, if they are beside it.
pub(super) fn after_configure(folder: &Path, plan: &str, is_audited: bool) -> Vec<NextStep> {
    let word = |path: &Path| shell_word(&path.to_string_lossy());
    let audit =
        is_audited.then(|| NextStep { why: "check where every request goes".to_owned(), command: format!("wsim audit {}", word(folder)) });
    let trace = Path::new(plan).parent().map(|run| run.join("trace.parquet")).filter(|trace| trace.is_file());
    let replay = trace.map(|trace| NextStep {
        why: "replay the log to an emulated cluster of this plan".to_owned(),
        command: format!("wsim replay {} --target emulated --plan {}", word(&trace), word(&folder.join("plan.toml"))),
    });
    audit.into_iter().chain(replay).collect()
}

/// Ids of options that are about one run.
const NOT_REPEATED: [&str; 8] = ["settings", "name", "force", "json", "quiet", "verbose", "tables", "threads"];

/// The input that would improve the result of a command most; `None` if CPU is logged and background CPU is measured.
pub(super) fn better_input(command: &str, input: &SameInput, profile: &Profile) -> Option<NextStep> {
    let again = input.command(command);
    if profile.demand.method != DemandMethod::Logged {
        return Some(NextStep {
            why: "measure CPU instead of inferring it: add Synapse's own logs".to_owned(),
            command: format!("{again} /var/log/matrix-synapse/homeserver.log"),
        });
    }
    (!profile.coverage.measured).then(|| NextStep {
        why: "measure background CPU: run `wsim record cpu.csv --for 1h` on Synapse's machine while the log is written".to_owned(),
        command: format!("{again} --process-cpu cpu.csv"),
    })
}
