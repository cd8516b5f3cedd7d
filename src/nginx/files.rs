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
    /// A relative pattern is tried in each folder until one has a match. An absolute pattern is tried below the folders as well, because a
    /// configuration that was copied from another machine keeps its absolute includes. For such a copy what lies below comes first, and
    /// wildcards never reach out of it: this machine may have a configuration of its own at that place.
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
        let is_copy = pattern.starts_with('/') && is_copy(pattern, folders);
        if pattern.starts_with('/') && !is_copy {
            let files = matching_files(pattern);
            if !files.is_empty() {
                return files;
            }
        }
        let below = |folder: &Path, inner: &str| {
            let folder = glob::Pattern::escape(&folder.to_string_lossy());
            matching_files(&if folder.is_empty() { inner.to_owned() } else { format!("{folder}/{inner}") })
        };
        let ends = ends_of(pattern);
        // The whole pattern in every folder first, then its ends.
        let found = ends.iter().flat_map(|end| folders.iter().map(move |folder| below(folder, end)));
        let found = found.into_iter().find(|files| !files.is_empty());
        let is_one = !pattern.contains(['*', '?', '[']);
        found.or_else(|| (is_copy && is_one).then(|| matching_files(pattern))).unwrap_or_default()
    }
}

/// Whether a configuration in these folders is a copy of one from another place: it lies neither where systems keep configurations, nor in
/// the tree of the absolute pattern.
fn is_copy(pattern: &str, folders: &[&Path]) -> bool {
    let is_at_home = |folder: &Path| {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let first = |path: &Path| path.components().nth(1).map(|part| part.as_os_str().to_owned());
        HOMES.iter().any(|home| folder.starts_with(home)) || first(&folder) == first(Path::new(pattern))
    };
    !folders.iter().any(|folder| is_at_home(folder))
}

/// The pattern below a folder, and for an absolute pattern its ends: a copy of `/etc/nginx` has `sites-enabled/*` below itself. A pattern
/// of files keeps its last folder, because `*.conf` alone would match too much.
fn ends_of(pattern: &str) -> Vec<&str> {
    let inner = pattern.trim_start_matches('/');
    let mut ends = vec![inner];
    if pattern.starts_with('/') {
        let mut rest = inner;
        while let Some((_, end)) = rest.split_once('/') {
            if end.contains(['*', '?', '[']) && !end.contains('/') {
                break;
            }
            ends.push(end);
            rest = end;
        }
    }
    ends.truncate(ENDS_MAX);
    ends
}

/// The file system, and for files that it does not have the given ones: a configuration that was copied into one folder, or named file by
/// file, keeps the includes of the machine that it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Among<'g> {
    given: &'g [PathBuf],
    texts: &'g [(PathBuf, String)],
}

impl<'g> Among<'g> {
    /// Files by their paths on this machine.
    pub fn new(given: &'g [PathBuf]) -> Self {
        Self { given, texts: &[] }
    }

    /// With files that are not on the disk but parts of others, by the paths that they were given.
    #[must_use]
    pub fn with_texts(self, texts: &'g [(PathBuf, String)]) -> Self {
        Self { texts, ..self }
    }

    fn text(&self, path: &Path) -> Option<String> {
        self.texts.iter().find(|(own, _)| own == path).map(|(_, text)| text.clone())
    }

    /// The given files that a path or pattern means: those of the same name, and of these the ones with the most folders in common.
    fn meant(&self, pattern: &str) -> Vec<PathBuf> {
        let wanted: Vec<&str> = pattern.split('/').rev().filter(|part| !part.is_empty()).collect();
        let is_glob = pattern.contains(['*', '?', '[']);
        let common = |path: &Path| {
            let parts: Vec<_> = path.iter().rev().map(|part| part.to_string_lossy().into_owned()).collect();
            let is_same = |wanted: &str, own: &str| wanted == own || glob::Pattern::new(wanted).is_ok_and(|wanted| wanted.matches(own));
            wanted.iter().zip(&parts).take_while(|(wanted, own)| is_same(wanted, own)).count()
        };
        let least = if is_glob { 2 } else { 1 };
        let found: Vec<(usize, &PathBuf)> = self
            .given
            .iter()
            .chain(self.texts.iter().map(|(path, _)| path))
            .map(|path| (common(path), path))
            .filter(|(count, _)| *count >= least)
            .collect();
        let best = found.iter().map(|(count, _)| *count).max().unwrap_or(0);
        let mut paths: Vec<PathBuf> = found.into_iter().filter(|(count, _)| *count == best).map(|(_, path)| path.clone()).collect();
        paths.sort();
        if !is_glob {
            paths.truncate(1);
        }
        paths.truncate(FILES_MAX);
        paths
    }
}

impl Files for Among<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if let Some(text) = self.text(path) {
            return Ok(text);
        }
        // A file of a copy comes before one of this machine at the same place.
        let folders: Vec<&Path> = self.given.iter().take(1).filter_map(|path| path.parent()).collect();
        if path.is_absolute()
            && !folders.is_empty()
            && is_copy(&path.to_string_lossy(), &folders)
            && let Some(given) = self.meant(&path.to_string_lossy()).first()
        {
            return self.text(given).map_or_else(|| Disk.read(given), Ok);
        }
        match Disk.read(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                match self.meant(&path.to_string_lossy()).first() {
                    Some(given) => self.text(given).map_or_else(|| Disk.read(given), Ok),
                    None => Err(error),
                }
            }
            read => read,
        }
    }

    fn matching(&self, pattern: &str, folders: &[&Path]) -> Vec<PathBuf> {
        let is_copy = pattern.starts_with('/') && is_copy(pattern, folders);
        let is_of_copy = |path: &PathBuf| folders.iter().any(|folder| path.starts_with(folder));
        let found = Disk.matching(pattern, folders);
        if !found.is_empty() && (!is_copy || found.iter().all(is_of_copy)) {
            return found;
        }
        let meant = self.meant(pattern);
        if meant.is_empty() { found } else { meant }
    }
}

fn matching_files(pattern: &str) -> Vec<PathBuf> {
    // Two stars are one in glob(3), and would walk through whole trees here.
    let mut pattern = pattern.to_owned();
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    let paths = glob::glob(&pattern);
    paths.map(|paths| paths.flatten().filter_map(file_of).take(FILES_MAX).collect()).unwrap_or_default()
}

/// A file; of a link to an absolute path the file beside the folder, if there is one: in a copy of `/etc/nginx`, `sites-enabled/a` still points to
/// `/etc/nginx/sites-available/a`.
fn file_of(path: PathBuf) -> Option<PathBuf> {
    let copy = || {
        let target = std::fs::read_link(&path).ok().filter(|target| target.is_absolute())?;
        let (folder, name) = (target.parent()?.file_name()?, target.file_name()?);
        let copy = path.parent()?.parent()?.join(folder).join(name);
        copy.is_file().then_some(copy)
    };
    copy().or_else(|| path.is_file().then_some(path))
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

/// Where systems keep the configurations that they use.
const HOMES: [&str; 4] = ["/etc", "/usr", "/opt", "/nix"];
const FILES_MAX: usize = 1000;
const ENDS_MAX: usize = 16;
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
    fn a_copy_never_takes_in_what_this_machine_has_at_the_same_place() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("etc");
        std::fs::create_dir_all(copy.join("hosts.d")).unwrap();
        std::fs::write(copy.join("hosts"), "the copy's").unwrap();
        // This machine has files in /etc, whatever they are; the copy has one of them.
        assert_eq!(Disk.matching("/etc/hosts", &[&copy]), [copy.join("hosts")]);
        assert_eq!(Disk.matching("/etc/*", &[folder.path()]), [copy.join("hosts")]);
        assert_eq!(Disk.matching("/etc/pas[s]wd", &[&copy]), Vec::<PathBuf>::new());
        assert_eq!(Disk.matching("/etc/passwd", &[&copy]), [PathBuf::from("/etc/passwd")]);
        let given = [copy.join("hosts")];
        assert_eq!(Among::new(&given).read(Path::new("/etc/hosts")).unwrap(), "the copy's");
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
