//! Which files to read, and in which order.
//!
//! Arguments may be files, `-`, folders and globs. Rotated logs are ordered oldest first, so that line numbers and duplicates mean
//! what a reader of the files expects; requests are merged by time later. Invariant: a file is read once, however many names, links
//! and arguments lead to it, and whatever is left out is noted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use super::compression::ENDINGS;
use super::{redact, wildcard};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub input: Input,
    /// Named by the user, so that it must be readable as a log. A file found in a folder may be skipped instead.
    pub explicit: bool,
    /// The file that the path led to when it was listed; `None` if that could not be found out.
    pub identity: Option<Identity>,
}

/// A file or the standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `-`
    StandardInput,
    /// A file, which may be compressed.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.input {
            Input::StandardInput => f.write_str("-"),
            // A file's name may hold a token, and is shown in every report.
            Input::File(path) => f.write_str(&redact::scrub_path(&path.to_string_lossy())),
        }
    }
}

impl Source {
    fn named(&self) -> &Path {
        match &self.input {
            Input::StandardInput => Path::new("-"),
            Input::File(path) => path,
        }
    }
}

/// What tells files apart, whatever their paths: the inode, or the absolute path where there are none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] PathBuf);

impl Identity {
    /// The identity of the file with this path and these metadata, links followed.
    #[cfg(unix)]
    pub fn of(_: &Path, metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self((metadata.dev(), metadata.ino()))
    }

    /// The identity of the file with this path, links followed.
    #[cfg(not(unix))]
    pub fn of(path: &Path, _: &Metadata) -> Self {
        Self(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
    }
}

/// The inputs that arguments name.
#[derive(Debug, Clone, Default)]
pub struct Expansion {
    /// In reading order.
    pub sources: Vec<Source>,
    /// What was left out and why, as sentence fragments.
    pub notes: Vec<String>,
}

/// An argument that names no input.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{0}: no such file or folder")]
    Missing(String),
    #[error("{0}: the pattern matches no file{1}")]
    NoMatch(String, String),
    #[error("{0}: not a valid pattern: {1}")]
    BadPattern(String, String),
    #[error("{0}: the folder contains no files{1}")]
    EmptyFolder(String, String),
    #[error("{0}: {1}")]
    Unreadable(String, io::Error),
    #[error("{0}: the standard input can be read only once")]
    StandardInputTwice(String),
    #[error("{0}: a pipe can be read only once, and is named twice")]
    PipeTwice(String),
}

/// The inputs that the arguments name, each file once.
///
/// # Errors
/// An argument names nothing, or a pipe is named twice.
pub fn expand(arguments: &[String]) -> Result<Expansion, SourceError> {
    let mut list = List::default();
    for argument in arguments {
        list.add_argument(argument)?;
    }
    Ok(list.finish())
}

#[derive(Default)]
struct List {
    found: Vec<Found>,
    /// Index of each file in the list.
    known: HashMap<Identity, usize>,
    notes: Vec<String>,
}

struct Found {
    source: Source,
    is_link: bool,
    is_pipe: bool,
}

impl List {
    fn add_argument(&mut self, argument: &str) -> Result<(), SourceError> {
        if argument == "-" {
            let metadata = std::fs::metadata("/dev/stdin").ok();
            return self.add(argument, Input::StandardInput, metadata, true);
        }
        let path = Path::new(argument);
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(SourceError::Unreadable(argument.to_owned(), error)),
            Err(_) if std::fs::symlink_metadata(path).is_ok() => {
                let error = io::Error::new(io::ErrorKind::NotFound, "the link leads nowhere");
                return Err(SourceError::Unreadable(argument.to_owned(), error));
            }
            Err(_) if argument.contains(['*', '?', '[']) => return self.add_matches(argument),
            Err(_) => return Err(SourceError::Missing(argument.to_owned())),
        };
        if metadata.is_dir() {
            self.add_folder(argument, path)
        } else {
            self.add(argument, Input::File(path.to_owned()), Some(metadata), true)
        }
    }

    fn add_matches(&mut self, argument: &str) -> Result<(), SourceError> {
        let matches = wildcard::matches(argument).map_err(|error| SourceError::BadPattern(argument.to_owned(), error.msg.to_owned()))?;
        let unreadable = matches.unreadable.iter().map(|(folder, error)| format!("{} is left out: {error}", folder.display()));
        let mut left_out: Vec<String> = unreadable.collect();
        let files = regular(matches.paths, &mut left_out);
        if files.is_empty() {
            return Err(SourceError::NoMatch(argument.to_owned(), in_brackets(&left_out)));
        }
        self.notes.append(&mut left_out);
        self.add_files(files)
    }

    /// The files directly in a folder, without hidden ones.
    fn add_folder(&mut self, argument: &str, path: &Path) -> Result<(), SourceError> {
        let unreadable = |error| SourceError::Unreadable(argument.to_owned(), error);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                paths.push(entry.path());
            }
        }
        let mut left_out = Vec::new();
        let files = regular(paths, &mut left_out);
        if files.is_empty() {
            return Err(SourceError::EmptyFolder(argument.to_owned(), in_brackets(&left_out)));
        }
        self.notes.append(&mut left_out);
        self.add_files(files)
    }

    fn add_files(&mut self, mut files: Vec<(PathBuf, Metadata)>) -> Result<(), SourceError> {
        files.sort_by_cached_key(|(path, _)| rotation_key(path));
        for (path, metadata) in files {
            let name = path.display().to_string();
            self.add(&name, Input::File(path), Some(metadata), false)?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, input: Input, metadata: Option<Metadata>, explicit: bool) -> Result<(), SourceError> {
        let path = if let Input::File(path) = &input { path.as_path() } else { Path::new("/dev/stdin") };
        let is_pipe = metadata.as_ref().is_none_or(|metadata| !metadata.is_file());
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        let identity = metadata.map(|metadata| Identity::of(path, &metadata));
        let found = Found { source: Source { input, explicit, identity: identity.clone() }, is_link, is_pipe };
        let Some(identity) = identity else {
            // Only the standard input can be without metadata.
            if self.found.iter().any(|known| known.source.input == found.source.input) {
                return Err(SourceError::StandardInputTwice(name.to_owned()));
            }
            self.found.push(found);
            return Ok(());
        };
        let index = match self.known.entry(identity) {
            Entry::Vacant(free) => {
                free.insert(self.found.len());
                self.found.push(found);
                return Ok(());
            }
            Entry::Occupied(taken) => *taken.get(),
        };
        let known = &mut self.found[index];
        let both_standard = [&known.source, &found.source].iter().all(|source| source.input == Input::StandardInput);
        if both_standard {
            return Err(SourceError::StandardInputTwice(name.to_owned()));
        }
        if found.is_pipe {
            return Err(SourceError::PipeTwice(name.to_owned()));
        }
        let explicit = known.source.explicit || explicit;
        let (one, other) = (known.source.to_string(), found.source.to_string());
        // The file's own name says more than that of a link to it.
        let swap = known.is_link && !found.is_link;
        if swap {
            *known = found;
        }
        known.source.explicit = explicit;
        if one != other {
            let (kept, dropped) = if swap { (other, one) } else { (one, other) };
            self.notes.push(format!("{dropped} is the same file as {kept} and is read once"));
        } else if explicit {
            self.notes.push(format!("{one} is named twice and is read once"));
        }
        Ok(())
    }

    /// Puts rotated files of one log next to each other, oldest first, where the first of them stands.
    fn finish(mut self) -> Expansion {
        let mut logs: HashMap<String, usize> = HashMap::new();
        self.found.sort_by_cached_key(|found| {
            let (log, age, number, name) = rotation_key(found.source.named());
            let next = logs.len();
            (*logs.entry(log).or_insert(next), age, number, name)
        });
        Expansion {
            sources: self.found.into_iter().map(|found| found.source).collect(),
            notes: self.notes.into_iter().map(redact::scrubbed).collect(),
        }
    }
}

/// The regular files among `paths`; the others are noted, except for folders.
fn regular(paths: Vec<PathBuf>, left_out: &mut Vec<String>) -> Vec<(PathBuf, Metadata)> {
    let mut files = Vec::new();
    for path in paths {
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => files.push((path, metadata)),
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => left_out.push(format!("{} is left out: {}", path.display(), kind(&metadata))),
            Err(error) => left_out.push(format!("{} is left out: {error}", path.display())),
        }
    }
    left_out.sort();
    files
}

/// What a special file is.
fn kind(metadata: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe (name it to read it)";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    let _ = metadata;
    "a device"
}

fn in_brackets(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}

/// The log that a file is a part of: its path without rotation numbers, dates and endings of compression.
pub fn log_name(path: &str) -> String {
    rotation_key(Path::new(path)).0
}

/// Sorts a rotated set oldest first: `x.log-20260101` before `x.log-20260102`, `x.log.2.gz` before `x.log.1` before `x.log`.
/// (logrotate: numbers grow with age, `dateext` stamps grow with time.)
fn rotation_key(path: &Path) -> (String, u8, i64, String) {
    let full = path.to_string_lossy().into_owned();
    let mut name = full.as_str();
    for (ending, _) in ENDINGS {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    let suffix = name.rfind(['.', '-']).map(|at| (&name[..at], &name[at + 1..]));
    match suffix {
        Some((base, digits)) if !digits.is_empty() && digits.len() <= 14 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let number: i64 = digits.parse().unwrap_or(0);
            if digits.len() >= 8 { (base.to_owned(), 0, number, full) } else { (base.to_owned(), 1, -number, full) }
        }
        _ => (name.to_owned(), 2, 0, full),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_set_is_read_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "access.log",
            "access.log.1",
            "access.log.10.gz",
            "access.log.2.gz",
            "access.log-20260102",
            "access.log-20260101.gz",
            ".hidden",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        let found = expand(&[folder.path().to_string_lossy().into_owned()]).unwrap().sources;
        let order: Vec<String> = found.iter().map(|s| s.to_string().rsplit('/').next().unwrap().to_owned()).collect();
        assert_eq!(
            order,
            ["access.log-20260101.gz", "access.log-20260102", "access.log.10.gz", "access.log.2.gz", "access.log.1", "access.log"]
        );
    }

    /// The last components of what the arguments name, and the notes.
    fn names(folder: &Path, arguments: &[&str]) -> (Vec<String>, Vec<String>) {
        let arguments: Vec<String> = arguments.iter().map(|name| folder.join(name).display().to_string()).collect();
        let found = expand(&arguments).unwrap();
        let last = |text: &str| text.replace(&format!("{}/", folder.display()), "");
        (found.sources.iter().map(|source| last(&source.to_string())).collect(), found.notes.iter().map(|note| last(note)).collect())
    }

    #[test]
    fn files_that_the_shell_listed_are_ordered_too() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.log", "a.log", "a.log.1", "a.log.2.gz", "c.log"] {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        let (order, _) = names(folder.path(), &["b.log", "a.log", "a.log.1", "a.log.2.gz", "c.log"]);
        assert_eq!(order, ["b.log", "a.log.2.gz", "a.log.1", "a.log", "c.log"]);
    }

    #[test]
    fn a_missing_argument_is_an_error() {
        let error = |text: &str| expand(&[text.to_owned()]).unwrap_err().to_string();
        assert_eq!(error("/no/such/file"), "/no/such/file: no such file or folder");
        assert_eq!(error("/no/such/*.log"), "/no/such/*.log: the pattern matches no file");
        assert!(matches!(expand(&["-".to_owned(), "-".to_owned()]), Err(SourceError::StandardInputTwice(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_read_once_whatever_leads_to_it() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::write(root.join("access.log"), b"x").unwrap();
        std::fs::hard_link(root.join("access.log"), root.join("hard.log")).unwrap();
        symlink("access.log", root.join("a-link.log")).unwrap();
        let (order, notes) = names(root, &["access.log", "./access.log", "*.log", "access.log"]);
        assert_eq!(order, ["access.log"]);
        assert!(notes.contains(&"hard.log is the same file as access.log and is read once".to_owned()), "{notes:?}");
        assert!(notes.contains(&"access.log is named twice and is read once".to_owned()), "{notes:?}");
        let (order, notes) = names(root, &[""]);
        assert_eq!(order, ["access.log"], "the file's own name, although the link comes first");
        assert_eq!(notes[0], "a-link.log is the same file as access.log and is read once");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_left_out_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket.log")).unwrap();
        std::os::unix::fs::symlink("gone", root.join("gone.log")).unwrap();
        std::os::unix::fs::symlink("/dev/null", root.join("null.log")).unwrap();
        std::os::unix::fs::symlink("circle.log", root.join("circle.log")).unwrap();
        let empty = expand(&[root.display().to_string()]).unwrap_err().to_string();
        assert!(empty.contains("no files") && empty.contains("socket.log is left out: a socket"), "{empty}");
        std::fs::write(root.join("access.log"), b"x").unwrap();
        let (order, notes) = names(root, &[""]);
        assert_eq!(order, ["access.log"]);
        for (name, note) in ["circle.log", "gone.log", "null.log", "socket.log"].iter().zip(&notes) {
            assert!(note.starts_with(&format!("{name} is left out: ")), "{notes:?}");
        }
        assert!(notes[2].ends_with("a device"), "{notes:?}");
        let gone = expand(&[root.join("gone.log").display().to_string()]).unwrap_err().to_string();
        assert!(gone.ends_with("the link leads nowhere"), "{gone}");
    }
}
