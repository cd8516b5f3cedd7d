//! Which files to read, and in which order.
//!
//! Arguments may be files, `-`, folders and globs. Rotated logs are ordered oldest first, so that line numbers and duplicates mean
//! what a reader of the files expects; requests are merged by time later.

use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub input: Input,
    /// Named by the user, so that it must be readable as a log. A file found in a folder may be skipped instead.
    pub explicit: bool,
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
            Input::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An argument that names no input.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{0}: no such file or folder")]
    Missing(String),
    #[error("{0}: the pattern matches no file")]
    NoMatch(String),
    #[error("{0}: not a valid pattern: {1}")]
    BadPattern(String, String),
    #[error("{0}: the folder contains no files")]
    EmptyFolder(String),
    #[error("{0}: {1}")]
    Unreadable(String, std::io::Error),
    #[error("-: the standard input can be read only once")]
    StandardInputTwice,
}

/// The inputs that the arguments name, each file once.
pub fn expand(arguments: &[String]) -> Result<Vec<Source>, SourceError> {
    let mut sources: Vec<Source> = Vec::new();
    for argument in arguments {
        for source in expand_one(argument)? {
            if !sources.iter().any(|known| known.input == source.input) {
                sources.push(source);
            } else if source.input == Input::StandardInput {
                return Err(SourceError::StandardInputTwice);
            }
        }
    }
    Ok(sources)
}

fn expand_one(argument: &str) -> Result<Vec<Source>, SourceError> {
    if argument == "-" {
        return Ok(vec![Source { input: Input::StandardInput, explicit: true }]);
    }
    let path = Path::new(argument);
    if path.is_dir() {
        return folder(argument, path);
    }
    if path.exists() {
        return Ok(vec![Source { input: Input::File(path.to_owned()), explicit: true }]);
    }
    if !argument.contains(['*', '?', '[']) {
        return Err(SourceError::Missing(argument.to_owned()));
    }
    let matches = glob::glob(argument).map_err(|error| SourceError::BadPattern(argument.to_owned(), error.msg.to_owned()))?;
    let files: Vec<PathBuf> = matches.flatten().filter(|path| path.is_file()).collect();
    if files.is_empty() {
        return Err(SourceError::NoMatch(argument.to_owned()));
    }
    Ok(in_order(files))
}

/// The files directly in a folder, without hidden ones.
fn folder(argument: &str, path: &Path) -> Result<Vec<Source>, SourceError> {
    let unreadable = |error| SourceError::Unreadable(argument.to_owned(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_file() && !entry.file_name().to_string_lossy().starts_with('.') {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        return Err(SourceError::EmptyFolder(argument.to_owned()));
    }
    Ok(in_order(files))
}

fn in_order(mut files: Vec<PathBuf>) -> Vec<Source> {
    files.sort_by_cached_key(|path| rotation_key(path));
    files.into_iter().map(|path| Source { input: Input::File(path), explicit: false }).collect()
}

/// Sorts a rotated set oldest first: `x.log-20260101` before `x.log-20260102`, `x.log.2.gz` before `x.log.1` before `x.log`.
/// (logrotate: numbers grow with age, `dateext` stamps grow with time.)
fn rotation_key(path: &Path) -> (String, u8, i64, String) {
    let full = path.to_string_lossy().into_owned();
    let mut name = full.as_str();
    for ending in [".gz", ".zst", ".xz", ".bz2"] {
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
        let found = expand(&[folder.path().to_string_lossy().into_owned()]).unwrap();
        let order: Vec<String> = found.iter().map(|s| s.to_string().rsplit('/').next().unwrap().to_owned()).collect();
        assert_eq!(
            order,
            ["access.log-20260101.gz", "access.log-20260102", "access.log.10.gz", "access.log.2.gz", "access.log.1", "access.log"]
        );
    }

    #[test]
    fn a_file_named_twice_is_read_once_and_a_missing_one_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().to_string_lossy().into_owned();
        assert_eq!(expand(&[name.clone(), name.clone()]).unwrap().len(), 1);
        let glob = format!("{}*", &name[..name.len() - 2]);
        assert_eq!(expand(&[glob]).unwrap().len(), 1);
        assert!(matches!(expand(&["/no/such/file".to_owned()]), Err(SourceError::Missing(_))));
        assert!(matches!(expand(&["/no/such/*.log".to_owned()]), Err(SourceError::NoMatch(_))));
        assert!(matches!(expand(&["-".to_owned(), "-".to_owned()]), Err(SourceError::StandardInputTwice)));
    }
}
