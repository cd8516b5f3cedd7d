//! Files beside the configuration: includes and maps. Tests and fuzzers have none.

use std::io;
use std::path::{Path, PathBuf};

/// Where further files come from.
pub trait Files {
    /// The text of a file; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// As the system says.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// Files that a pattern names, sorted; relative patterns are tried in each folder in turn.
    fn matching(&self, pattern: &str, folders: &[&Path]) -> Vec<PathBuf>;
}

/// The file system.
#[derive(Debug, Clone, Copy)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn matching(&self, pattern: &str, folders: &[&Path]) -> Vec<PathBuf> {
        let found = |full: &str| -> Vec<PathBuf> {
            glob::glob(full).map(|paths| paths.flatten().filter(|path| path.is_file()).take(FILES_MAX).collect()).unwrap_or_default()
        };
        if pattern.starts_with('/') {
            let files = found(pattern);
            if !files.is_empty() {
                return files;
            }
        }
        // A configuration that was copied from its machine: its absolute includes may lie beside it.
        folders
            .iter()
            .map(|folder| {
                let folder = glob::Pattern::escape(&folder.to_string_lossy());
                let inner = pattern.trim_start_matches('/');
                found(&if folder.is_empty() { inner.to_owned() } else { format!("{folder}/{inner}") })
            })
            .find(|files| !files.is_empty())
            .unwrap_or_default()
    }
}

/// No files at all.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn matching(&self, _: &str, _: &[&Path]) -> Vec<PathBuf> {
        Vec::new()
    }
}

const FILES_MAX: usize = 1000;
