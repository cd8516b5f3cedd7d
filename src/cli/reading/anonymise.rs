//! `--anonymise`: the key of the pseudonyms, and everything of a run besides its requests without names.
//!
//! Requests are anonymised by `wsim_trace::anonymise`. Invariant: what is not known to be harmless is left out.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, CommandFactory};

use super::super::provision::random_bytes;
use super::super::{Arguments, UsageError};
use super::ReadSummary;
use super::summary::is_release;
use wsim_endpoints::{Endpoint, groups};
use wsim_folder::create_private;
use wsim_profile::ProcessCpu;
use wsim_trace::Trace;
use wsim_trace::anonymise::Key;
use wsim_trace::ingest::LineTally;

/// Whether and how names are replaced.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct AnonymiseArgs {
    /// Replace people, rooms, servers and all other names
    #[arg(long, help_heading = "Output")]
    anonymise: bool,
    /// Key of the pseudonyms; made if missing [default: random]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    anonymise_key: Option<PathBuf>,
}

/// The key of a run's pseudonyms.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Anonymiser {
    pub(in crate::cli) key: Key,
    /// The key is in a file of the user, so that other runs have the same pseudonyms.
    pub(in crate::cli) kept: bool,
}

impl AnonymiseArgs {
    /// Whether names are to be replaced.
    pub(in crate::cli) fn wanted(&self) -> bool {
        self.anonymise || self.anonymise_key.is_some()
    }

    /// Reads or makes the key; `None` if names are to be kept. Says on standard error what becomes of the key.
    ///
    /// # Errors
    /// The key's file cannot be read or created, or holds no key.
    pub(super) fn anonymiser(&self, quiet: bool) -> anyhow::Result<Option<Anonymiser>> {
        if !self.wanted() {
            return Ok(None);
        }
        let (key, kept) = match &self.anonymise_key {
            Some(path) => (key_in_file(path)?, true),
            None => (Key::from_bytes(&random_bytes::<KEY_BYTES>()?), false),
        };
        if !quiet {
            // The note must not fail a run.
            let _ = writeln!(anstream::stderr(), "note: {}", key_sentence(kept));
        }
        Ok(Some(Anonymiser { key, kept }))
    }

    /// Refuses pseudonyms that nothing else knows, for a command that looks names up in a world file.
    ///
    /// # Errors
    /// The key is random.
    pub(in crate::cli) fn require_kept_key(&self) -> Result<(), UsageError> {
        if self.anonymise && self.anonymise_key.is_none() {
            let why = "the world file does not have the pseudonyms of a random key; give the --anonymise-key FILE that wsim provision had";
            return Err(UsageError(format!("--anonymise: {why}")));
        }
        Ok(())
    }
}

/// The key in a file, which is made if it does not exist.
fn key_in_file(path: &Path) -> anyhow::Result<Key> {
    let fault = |why: String| UsageError(format!("--anonymise-key: {} {why}", path.display()));
    let context = || format!("--anonymise-key: could not read {}", path.display());
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(fault("is not a file".to_owned()).into()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return new_key_in_file(path),
        Err(error) => return Err(error).with_context(context),
    }
    let mut secret = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(KEY_FILE_MAX).read_to_end(&mut secret)).with_context(context)?;
    let secret = secret.trim_ascii();
    match secret.len() {
        0 => Err(fault("is empty; name a new file, and wsim writes a random key into it".to_owned()).into()),
        length @ 1..KEY_BYTES => {
            let why = format!("is too short for a key: {length} bytes instead of at least {KEY_BYTES}");
            Err(fault(format!("{why}; name a new file, and wsim writes a random key into it")).into())
        }
        _ => Ok(Key::from_bytes(secret)),
    }
}

/// Writes a random key, readable by its owner only.
fn new_key_in_file(path: &Path) -> anyhow::Result<Key> {
    let secret: String = random_bytes::<KEY_BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let written = create_private(path).and_then(|mut file| file.write_all(format!("{secret}\n").as_bytes()));
    written.with_context(|| format!("--anonymise-key: could not write {}", path.display()))?;
    Ok(Key::from_bytes(secret.as_bytes()))
}

/// What became of the key, for the terminal and the report.
pub(super) fn key_sentence(kept: bool) -> &'static str {
    if kept {
        "names are pseudonyms made with the key of --anonymise-key: the same in every run with that key, which must stay secret"
    } else {
        "names are pseudonyms made with a random key, which is thrown away: another run has other ones (--anonymise-key keeps a key)"
    }
}

const KEY_BYTES: usize = 32;
const KEY_FILE_MAX: u64 = 64 * 1024;

impl ReadSummary {
    /// Leaves out the names of files, and texts that may quote a log or a configuration.
    pub(super) fn anonymise(&mut self, anonymiser: &Anonymiser) {
        (self.anonymised, self.key_kept, self.hides_command) = (true, anonymiser.kept, true);
        for (tally, number) in self.tallies.iter_mut().zip(1..) {
            anonymise_tally(tally, format!("log-{number}"));
        }
        if !is_release(&self.synapse_version) {
            "own table".clone_into(&mut self.synapse_version);
            "own table".clone_into(&mut self.table_note);
        }
    }
}

fn anonymise_tally(tally: &mut LineTally, path: String) {
    let described = ["nginx log_format", "apache LogFormat"].into_iter().find(|start| tally.format.starts_with(start));
    if let Some(start) = described {
        start.clone_into(&mut tally.format);
    }
    tally.reason = sampled_lines(&tally.reason).unwrap_or_default();
    if tally.read_error.is_some() {
        tally.read_error = Some("could not be read to its end".to_owned());
    }
    for example in &mut tally.examples {
        example.path.clone_from(&path);
    }
    tally.path = path;
}

/// `200 of 200 sampled lines`, if the text says so.
fn sampled_lines(reason: &str) -> Option<String> {
    let before = &reason[..reason.find(" sampled lines")?];
    let (before, all) = before.rsplit_once(' ')?;
    let fits = before.strip_suffix(" of")?.rsplit(' ').next()?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(fits) && is_number(all)).then(|| format!("{fits} of {all} sampled lines"))
}

/// An endpoint without the words of a user's own table.
pub(super) fn anonymous_endpoint(endpoint: &Endpoint, key: &Key) -> Endpoint {
    let group = match groups::find(&endpoint.group) {
        Some(known) => known.id.to_owned(),
        None if groups::is_federation(&endpoint.group) => key.label("federation-group", &endpoint.group),
        None => key.label("group", &endpoint.group),
    };
    Endpoint { group, workers: endpoint.workers.iter().map(|worker| key.process(worker)).collect(), ..endpoint.clone() }
}

/// The CPU counters under the pseudonyms of the processes in a trace, which has its names still.
pub(super) fn anonymous_process_cpu(cpu: &ProcessCpu, trace: Option<&Trace>, key: &Key) -> ProcessCpu {
    let mut logged: Vec<&str> = Vec::new();
    if let Some(trace) = trace {
        let ids: BTreeSet<_> = trace.requests().flat_map(|request| [request.process, request.upstream]).collect();
        logged.extend(ids.into_iter().map(|id| trace.names.text(id)).filter(|name| !name.is_empty()));
    }
    cpu.renamed(&logged, |name| key.process(name))
}

/// The command line without anything that may be a name: options as typed, and of their values those that are numbers, times or words of
/// wsim.
pub(super) fn anonymous_command_line() -> String {
    let mut command = Arguments::command();
    command.build();
    let Ok(matches) = command.clone().try_get_matches_from(super::super::settings::command_line()) else { return "wsim".to_owned() };
    let Some((name, matches)) = matches.subcommand() else { return "wsim".to_owned() };
    let mut words = vec!["wsim".to_owned(), name.to_owned()];
    let arguments = command.find_subcommand(name).into_iter().flat_map(clap::Command::get_arguments);
    for argument in arguments {
        // As in other reports, the number of threads is left out: it changes no result.
        if is_typed(matches, argument.get_id().as_str()) && argument.get_long() != Some("threads") {
            words.extend(argument_words(argument, matches));
        }
    }
    words.join(" ")
}

fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
}

fn argument_words(argument: &clap::Arg, matches: &ArgMatches) -> Vec<String> {
    let Some(long) = argument.get_long() else { return vec!["LOG".to_owned()] };
    if matches!(argument.get_action(), ArgAction::SetTrue | ArgAction::Count) {
        return vec![format!("--{long}")];
    }
    let values = matches.try_get_raw(argument.get_id().as_str()).ok().flatten().into_iter().flatten();
    let shown = |value: &std::ffi::OsStr| {
        let value = value.to_string_lossy();
        if HARMLESS.contains(&long) { super::super::output::shell_word(&value) } else { "…".to_owned() }
    };
    values.map(|value| format!("--{long} {}", shown(value))).collect()
}

/// Options whose values are numbers, times or words of wsim.
const HARMLESS: [&str; 24] = [
    "concurrency",
    "connections",
    "copies",
    "cores",
    "find-limit",
    "for",
    "format",
    "from",
    "growth",
    "history",
    "load",
    "max-connections",
    "objective",
    "ramp",
    "replications",
    "seed",
    "shard",
    "speed",
    "stamp",
    "start-at",
    "synapse-version",
    "to",
    "tz",
    "workers",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_must_hold_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = key_in_file(&path).unwrap();
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
        assert_eq!(key_in_file(&path).unwrap().server("x"), first.server("x"));
        assert_ne!(key_in_file(&folder.path().join("other")).unwrap().server("x"), first.server("x"));
        for (content, why) in [("", "is empty"), ("\n \n", "is empty"), ("too short", "9 bytes instead of at least 32")] {
            std::fs::write(&path, content).unwrap();
            let error = format!("{:#}", key_in_file(&path).unwrap_err());
            assert!(error.starts_with("--anonymise-key: ") && error.contains(why), "{error}");
        }
        assert!(format!("{:#}", key_in_file(folder.path()).unwrap_err()).contains("is not a file"));
    }

    #[test]
    fn of_a_reason_only_the_numbers_stay() {
        let reason = "nginx combined with acme_field=: 199 of 200 sampled lines; acme";
        assert_eq!(sampled_lines(reason).as_deref(), Some("199 of 200 sampled lines"));
        assert_eq!((sampled_lines("as --log-format says"), sampled_lines("acme of acme sampled lines")), (None, None));
    }
}
