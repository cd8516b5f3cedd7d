//! The paths that a pattern of `*`, `?`, `[…]` and `**` matches.
//!
//! `**` stands for any number of folders, links to folders included. Invariant: each folder is entered once for each component of the
//! pattern, so that links in a circle end; a folder that cannot be read is reported, not passed over.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use super::source::Identity;

/// What a pattern matches.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// Files and whatever else has a matching name, in no particular order.
    pub(super) paths: Vec<PathBuf>,
    /// Folders that could not be read.
    pub(super) unreadable: Vec<(PathBuf, std::io::Error)>,
}

/// Finds the paths.
///
/// # Errors
/// The text is not a pattern.
pub(super) fn matches(pattern: &str) -> Result<Matches, glob::PatternError> {
    Pattern::new(pattern)?;
    let mut steps = Vec::new();
    let mut start = PathBuf::new();
    for component in Path::new(pattern).components() {
        let text = component.as_os_str();
        let name = text.to_string_lossy();
        if name == "**" {
            if !matches!(steps.last(), Some(Step::AnyFolders)) {
                steps.push(Step::AnyFolders);
            }
        } else if matches!(component, Component::Normal(_)) && name.contains(['*', '?', '[']) {
            steps.push(Step::Name(Pattern::new(&name)?));
        } else if steps.is_empty() {
            start.push(text);
        } else {
            steps.push(Step::Literal(text.to_owned()));
        }
    }
    let mut walk = Walk::default();
    walk.enter(&start, &steps);
    Ok(walk.found)
}

enum Step {
    Literal(OsString),
    Name(Pattern),
    AnyFolders,
}

#[derive(Default)]
struct Walk {
    found: Matches,
    /// Folders entered by a `**`, with the number of steps that follow.
    entered: HashSet<(usize, Identity)>,
}

impl Walk {
    fn enter(&mut self, path: &Path, steps: &[Step]) {
        let Some((step, rest)) = steps.split_first() else {
            if std::fs::symlink_metadata(path).is_ok() {
                self.found.paths.push(path.to_owned());
            }
            return;
        };
        match step {
            Step::Literal(name) => self.enter(&path.join(name), rest),
            Step::Name(pattern) => {
                for entry in self.entries(path).into_iter().filter(|entry| pattern.matches(&entry.to_string_lossy())) {
                    self.enter(&path.join(entry), rest);
                }
            }
            Step::AnyFolders => self.enter_all(path, steps),
        }
    }

    /// Matches the steps behind a `**` in a folder, and the whole rest in the folders below it. Folders to come are on a list, not on the
    /// stack, because a tree may be deep.
    fn enter_all(&mut self, path: &Path, steps: &[Step]) {
        let rest = &steps[1..];
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
            let Ok(metadata) = std::fs::metadata(here) else { continue };
            if !metadata.is_dir() || !self.entered.insert((rest.len(), Identity::of(here, &metadata))) {
                continue;
            }
            let entries = self.entries(&folder);
            // A pattern that ends with `**` stands for everything below.
            if rest.is_empty() {
                self.found.paths.extend(entries.iter().map(|entry| folder.join(entry)));
            } else {
                self.enter(&folder, rest);
            }
            folders.extend(entries.iter().map(|entry| folder.join(entry)));
        }
    }

    fn entries(&mut self, folder: &Path) -> Vec<OsString> {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let read = || std::fs::read_dir(here)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<std::io::Result<Vec<_>>>();
        match read() {
            Ok(names) => names,
            // A name in the middle of a pattern may match files as well as folders.
            Err(_) if !here.is_dir() => Vec::new(),
            Err(error) => {
                self.found.unreadable.push((here.to_owned(), error));
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path, pattern: &str) -> Vec<String> {
        let found = matches(&format!("{}/{pattern}", folder.display())).unwrap();
        let mut names: Vec<String> =
            found.paths.iter().map(|path| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn components_are_matched_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in ["a.log", "b.txt", "web/a.log", "web/deep/a.log", "db/a.log", "db/[1].log"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), b"").unwrap();
        }
        assert_eq!(names(root, "*.log"), ["a.log"]);
        assert_eq!(names(root, "*/a.log"), ["db/a.log", "web/a.log"]);
        assert_eq!(names(root, "**/a.log"), ["a.log", "db/a.log", "web/a.log", "web/deep/a.log"]);
        assert_eq!(names(root, "w?b/**/**/*"), ["web/a.log", "web/deep", "web/deep/a.log"]);
        assert_eq!(names(root, "db/[[]1[]].log"), ["db/[1].log"]);
        assert_eq!(names(root, "none/*"), Vec::<String>::new());
        assert!(matches("a***").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        // Four links in each of two folders: 4^40 paths for a walk that only ends where the system ends it.
        for name in ["one", "two"] {
            std::fs::create_dir(root.join(name)).unwrap();
            std::fs::write(root.join(name).join("a.log"), b"").unwrap();
            for link in 0..4 {
                std::os::unix::fs::symlink(root, root.join(name).join(format!("up{link}"))).unwrap();
            }
        }
        std::os::unix::fs::symlink("self", root.join("self")).unwrap();
        assert_eq!(names(root, "**/a.log").len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf_8_is_found() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff.log")), b"").unwrap();
        assert_eq!(names(folder.path(), "*.log").len(), 1);
    }
}
