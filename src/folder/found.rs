//! What is at a path that a command wants to write to: nothing, a folder of wsim, or something that must be kept.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use super::list::{FileList, LIST_NAME, ListedFile};

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    EmptyFolder,
    /// Exactly what wsim wrote, or a part of it; `whole` if the run came to its end.
    Written {
        whole: bool,
    },
    /// A folder without a list of files.
    Unlisted,
    /// A folder that wsim wrote, with something else in it: each with what is wrong with it.
    Foreign(Vec<String>),
    /// Not a folder: a file, a symbolic link, …
    Other(&'static str),
}

impl Found {
    /// Looks at a path without following a symbolic link.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        };
        if !metadata.is_dir() {
            return Ok(Self::Other(word(metadata.file_type())));
        }
        if fs::read_dir(path)?.next().is_none() {
            return Ok(Self::EmptyFolder);
        }
        let Some(list) = FileList::read(path) else { return Ok(Self::Unlisted) };
        let mut walk = Walk::new(&list);
        walk.folder(path, "")?;
        Ok(if walk.obstacles.is_empty() { Self::Written { whole: list.whole } } else { Self::Foreign(walk.obstacles) })
    }
}

/// The kind of a path that is not a folder.
pub(crate) fn word(kind: fs::FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_file() {
        "a file"
    } else {
        "a device, pipe or socket"
    }
}

/// Compares a folder with the list of what was written there.
struct Walk<'l> {
    files: HashMap<&'l str, &'l ListedFile>,
    folders: HashSet<&'l str>,
    obstacles: Vec<String>,
}

impl<'l> Walk<'l> {
    fn new(list: &'l FileList) -> Self {
        let files = list.files.iter().map(|file| (file.path.as_str(), file)).collect();
        let ancestors = |path: &'l str| path.match_indices('/').map(move |(end, _)| &path[..end]);
        let folders = list.files.iter().flat_map(|file| ancestors(&file.path)).collect();
        Self { files, folders, obstacles: Vec::new() }
    }

    fn folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if self.folders.contains(path.as_str()) {
                    self.folder(&entry.path(), &format!("{path}/"))?;
                } else {
                    self.obstacles.push(format!("{path}/ (not written by wsim)"));
                }
            } else if !kind.is_file() {
                self.obstacles.push(format!("{path} ({})", word(kind)));
            } else if path != LIST_NAME {
                match self.files.get(path.as_str()) {
                    None => self.obstacles.push(format!("{path} (not written by wsim)")),
                    Some(listed) if !listed.is_unchanged(&entry.path())? => {
                        self.obstacles.push(format!("{path} (changed since wsim wrote it)"));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// The first of several obstacles, and how many more there are.
pub(crate) fn named(obstacles: &[String]) -> String {
    let mut named: Vec<String> = obstacles.iter().take(NAMED_MAX).cloned().collect();
    if obstacles.len() > NAMED_MAX {
        named.push(format!("and {} more", obstacles.len() - NAMED_MAX));
    }
    named.join(", ")
}

/// Obstacles that an error names.
const NAMED_MAX: usize = 5;
