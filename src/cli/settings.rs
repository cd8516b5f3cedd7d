//! `wsim.toml`: what is the same every day, so that `wsim analyse` is enough.
//!
//! ```text
//! command line + wsim.toml ─▶ a command line with everything ─▶ clap
//! ```
//!
//! A setting stands for an option, and is added to the command line where the command has that option, nothing on the command line sets it, and nothing there
//! excludes it. So each setting is checked as its option is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};
use serde::Deserialize;

/// Where settings are read.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct SettingsArgs {
    /// File of settings [default: wsim.toml in the working folder, if there is one]
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    settings: Option<PathBuf>,
}

/// The file, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Settings {
    logs: Option<OneOrMore>,
    objective: Option<String>,
    release: Option<String>,
    table: Option<String>,
    proxy: Option<String>,
    observed: Option<String>,
    process_cpu: Option<String>,
    prometheus: Option<OneOrMore>,
    prometheus_select: Option<OneOrMore>,
    prometheus_credentials: Option<String>,
    prometheus_ca: Option<String>,
    format: Option<String>,
    log_format: Option<String>,
    nginx_config: Option<String>,
    stamp: Option<String>,
    tz: Option<String>,
    virtual_host: Option<OneOrMore>,
    connections: Option<u32>,
    cores: Option<f64>,
    memory: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(list) => list,
        }
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    #[error("could not read {}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// With the line, as the parser shows it.
    #[error("{}: {problem}", .path.display())]
    Parse { path: PathBuf, problem: String },
}

/// The command line with everything, and what of it is from the file.
#[derive(Debug, Clone, Default)]
struct Expanded {
    words: Vec<OsString>,
    file: PathBuf,
    used: Vec<&'static str>,
}

static EXPANDED: OnceLock<Expanded> = OnceLock::new();

/// The command line with what the settings add; to be called once, first.
///
/// # Errors
/// The file cannot be read, or has a key that is not known.
pub(super) fn expand(command: &Command) -> Result<Vec<OsString>, SettingsError> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let expanded = with_settings(command, &words)?.unwrap_or(Expanded { words, ..Expanded::default() });
    Ok(EXPANDED.get_or_init(|| expanded).words.clone())
}

/// A command line that runs in place of this program's own: a step of `wsim demo`.
static STEP: Mutex<Option<Vec<OsString>>> = Mutex::new(None);

/// Lets [`command_line`] be that of a step.
pub(super) fn begin_step(words: &[String]) {
    *STEP.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.iter().map(OsString::from).collect());
}

/// The command line with what the settings added.
pub(super) fn command_line() -> Vec<OsString> {
    if let Some(step) = STEP.lock().unwrap_or_else(PoisonError::into_inner).clone() {
        return step;
    }
    EXPANDED.get().map_or_else(|| std::env::args_os().collect(), |expanded| expanded.words.clone())
}

/// For a report: which settings came from a file.
pub(super) fn note() -> Option<String> {
    let expanded = EXPANDED.get().filter(|expanded| !expanded.used.is_empty())?;
    Some(format!("From {}: {}.", expanded.file.display(), wsim_text::list(&expanded.used)))
}

/// `None` if the command has no settings, or there is no file.
fn with_settings(command: &Command, words: &[OsString]) -> Result<Option<Expanded>, SettingsError> {
    let Some((subcommand, given)) = given(command, words) else { return Ok(None) };
    if !subcommand.get_arguments().any(|argument| argument.get_id() == SETTINGS) {
        return Ok(None);
    }
    let named = given.get_one::<OsString>(SETTINGS).map(PathBuf::from);
    let file = match named {
        Some(file) => file,
        None if Path::new(FILE).is_file() => PathBuf::from(FILE),
        None => return Ok(None),
    };
    let text = wsim_text::read_text(&file, BYTES_MAX).map_err(|source| SettingsError::Read { path: file.clone(), source })?;
    let parse = |error: toml::de::Error| SettingsError::Parse { path: file.clone(), problem: error.to_string().trim_end().to_owned() };
    let settings: Settings = toml::from_str(&text).map_err(parse)?;
    let mut expanded = Expanded { words: words.to_vec(), file: file.clone(), used: Vec::new() };
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut positional = Vec::new();
    for (key, option, values) in settings.entries() {
        let Some(argument) = subcommand.get_arguments().find(|argument| argument.get_id() == option) else { continue };
        let is_given = |id: &str| given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine);
        let conflicts = CONFLICTS.iter().filter(|(one, _)| *one == option).map(|(_, other)| *other);
        if is_given(option) || conflicts.into_iter().any(is_given) || values.is_empty() {
            continue;
        }
        expanded.used.push(key);
        let values = values.into_iter().map(|value| if PATHS.contains(&key) { relative(folder, &value) } else { value });
        match argument.get_long() {
            Some(long) => expanded.words.extend(values.into_iter().flat_map(|value| [format!("--{long}").into(), value.into()])),
            None => positional.extend(values),
        }
    }
    if !positional.is_empty() {
        // The last option may take a value that is not given.
        expanded.words.push("--".into());
        expanded.words.extend(positional.into_iter().map(OsString::from));
    }
    Ok(Some(expanded))
}

/// What is on the command line, with nothing required and no value read.
fn given(command: &Command, words: &[OsString]) -> Option<(Command, ArgMatches)> {
    let mut plain = command.clone();
    plain.build();
    let plain = plain.mut_subcommands(|subcommand| {
        subcommand.mut_args(|argument| {
            let takes_value = argument.get_action().takes_values();
            let argument = argument.required(false);
            if takes_value { argument.value_parser(clap::value_parser!(OsString)) } else { argument }
        })
    });
    let matches = plain.clone().ignore_errors(true).try_get_matches_from(words).ok()?;
    let (name, given) = matches.subcommand()?;
    Some((plain.find_subcommand(name)?.clone(), given.clone()))
}

impl Settings {
    /// Key, id of the option, values; in the order of a command line.
    fn entries(self) -> Vec<(&'static str, &'static str, Vec<String>)> {
        let one = |value: Option<String>| value.into_iter().collect::<Vec<_>>();
        let more = |value: Option<OneOrMore>| value.map(OneOrMore::into_list).unwrap_or_default();
        vec![
            ("logs", "logs", more(self.logs)),
            ("objective", "objective", one(self.objective)),
            ("release", "synapse_version", one(self.release)),
            ("table", "table", one(self.table)),
            ("proxy", "proxy", one(self.proxy)),
            ("observed", "observed", one(self.observed)),
            ("process-cpu", "process_cpu", one(self.process_cpu)),
            ("prometheus", "prometheus", more(self.prometheus)),
            ("prometheus-select", "prometheus_select", more(self.prometheus_select)),
            ("prometheus-credentials", "prometheus_credentials", one(self.prometheus_credentials)),
            ("prometheus-ca", "prometheus_ca", one(self.prometheus_ca)),
            ("format", "format", one(self.format)),
            ("log-format", "log_format", one(self.log_format)),
            ("nginx-config", "nginx_config", one(self.nginx_config)),
            ("stamp", "stamp", one(self.stamp)),
            ("tz", "tz", one(self.tz)),
            ("virtual-host", "virtual_host", more(self.virtual_host)),
            ("connections", "connections", one(self.connections.map(|number| number.to_string()))),
            ("cores", "cores", one(self.cores.map(|number| number.to_string()))),
            ("memory", "memory", one(self.memory)),
        ]
    }
}

/// A path of the file's folder; standard input, a URL and an absolute path stay.
fn relative(folder: &Path, value: &str) -> String {
    if value == "-" || value.contains("://") { value.to_owned() } else { folder.join(value).to_string_lossy().into_owned() }
}

/// Settings that are left out where the command line has the other option.
const CONFLICTS: &[(&str, &str)] = &[
    ("process_cpu", "prometheus"),
    ("prometheus", "process_cpu"),
    ("prometheus_select", "process_cpu"),
    ("prometheus_credentials", "process_cpu"),
    ("prometheus_ca", "process_cpu"),
    ("synapse_version", "table"),
    ("table", "synapse_version"),
    ("logs", "synthetic"),
];

/// Settings whose values are files, unless they are something else.
const PATHS: &[&str] =
    &["logs", "table", "observed", "process-cpu", "prometheus", "prometheus-credentials", "prometheus-ca", "nginx-config"];

const FILE: &str = "wsim.toml";
const SETTINGS: &str = "settings";
const BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, words: &[&str]) -> Result<(String, Vec<&'static str>), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wsim.toml");
        std::fs::write(&file, text).unwrap();
        let mut all: Vec<OsString> = words.iter().map(OsString::from).collect();
        all.extend(["--settings".into(), file.into()]);
        let expanded = with_settings(&super::super::command(), &all).map_err(|error| error.to_string())?.unwrap();
        let added = expanded.words[all.len()..].iter().map(|word| word.to_string_lossy().replace(&*folder.path().to_string_lossy(), "DIR"));
        Ok((added.collect::<Vec<_>>().join(" "), expanded.used))
    }

    const TEXT: &str = "logs = [\"access.log\", \"/var/log/h.log\"]\nobjective = \"busy < 60%\"\nrelease = \"1.157\"\nproxy = \"nginx\"\nprocess-cpu = \"cpu.csv\"\n";

    #[test]
    fn settings_are_options_that_the_command_line_overrides() {
        let all = of(TEXT, &["wsim", "analyse"]).unwrap();
        assert_eq!(all.0, "--objective busy < 60% --synapse-version 1.157 --process-cpu DIR/cpu.csv -- DIR/access.log /var/log/h.log");
        assert_eq!(all.1, ["logs", "objective", "release", "process-cpu"]);
        let some = of(TEXT, &["wsim", "analyse", "other.log", "--objective", "busy < 90%", "--prometheus", "http://p"]).unwrap();
        assert_eq!(some.0, "--synapse-version 1.157");
        assert_eq!(of(TEXT, &["wsim", "configure", "plan.toml"]).unwrap().0, "--synapse-version 1.157 --proxy nginx");
        assert_eq!(of("prometheus = \"http://p:9090\"", &["wsim", "doctor", "a"]).unwrap().0, "--prometheus http://p:9090");
        assert_eq!(of("logs = \"a\"", &["wsim", "simulate", "--synthetic", "x"]).unwrap().0, "");
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let error = of("logs = \"a\"\nobjectives = \"busy < 60%\"\n", &["wsim", "analyse"]).unwrap_err();
        assert!(error.contains("line 2") && error.contains("objectives") && error.contains("wsim.toml"), "{error}");
        let error = of("logs = 5\n", &["wsim", "analyse"]).unwrap_err();
        assert!(error.contains("line 1") && error.contains("a text or a list of texts"), "{error}");
    }

    #[test]
    fn other_commands_have_no_settings() {
        let words: Vec<OsString> = ["wsim", "endpoints"].map(OsString::from).into();
        assert!(with_settings(&super::super::command(), &words).unwrap().is_none());
    }
}
