//! Where the text of further files comes from: the disk, or nothing at all in tests and fuzz targets.

use std::io;
use std::path::{Path, PathBuf};

/// A source of the files that a configuration refers to.
pub trait Files {
    /// The text of a file; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// Those of the file system; on disk also for what is no regular file, or too large for a configuration.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// The files that a glob pattern matches, sorted as glob(3) does.
    ///
    /// A relative pattern is tried in each folder until one has a match. An absolute pattern without a match is tried below
    /// the folders as well, because a configuration that was copied from another machine keeps its absolute includes.
    fn matching(&self, pattern: &str, folders: &[&Path]) -> Vec<PathBuf>;
}

/// The file system.
#[derive(Debug, Clone, Copy)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        wsim_text::read_regular_file(path, BYTES_MAX).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn matching(&self, pattern: &str, folders: &[&Path]) -> Vec<PathBuf> {
        if pattern.starts_with('/') {
            let files = matching_files(pattern);
            if !files.is_empty() {
                return files;
            }
        }
        folders
            .iter()
            .map(|folder| {
                let folder = glob::Pattern::escape(&folder.to_string_lossy());
                let inner = pattern.trim_start_matches('/');
                matching_files(&if folder.is_empty() { inner.to_owned() } else { format!("{folder}/{inner}") })
            })
            .find(|files| !files.is_empty())
            .unwrap_or_default()
    }
}

fn matching_files(pattern: &str) -> Vec<PathBuf> {
    // Two stars are one in glob(3), and would walk through whole trees here.
    let mut pattern = pattern.to_owned();
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    let paths = glob::glob(&pattern);
    paths.map(|paths| paths.flatten().filter(|path| path.is_file()).take(FILES_MAX).collect()).unwrap_or_default()
}

/// No files: every include is missing.
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
/// Of a configuration file, a map or a list.
pub const BYTES_MAX: usize = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn what_never_ends_is_not_read() {
        let error = |path: &str| Disk.read(Path::new(path)).unwrap_err().to_string();
        assert!(error("/dev/zero").contains("a device, a pipe or a socket"), "{}", error("/dev/zero"));
        assert!(error("/").contains("a folder"), "{}", error("/"));
    }

    #[test]
    fn two_stars_are_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/x.conf"), "").unwrap();
        std::fs::write(folder.path().join("a/b/y.conf"), "").unwrap();
        let found = Disk.matching("**/*.conf", &[folder.path()]);
        assert_eq!(found, [folder.path().join("a/x.conf")]);
    }
}
