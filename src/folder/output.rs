//! A folder that a command writes.
//!
//! Invariant: its final path holds what it held before, or the complete new folder. Dropping an [`OutputFolder`] leaves nothing behind.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::FolderError;
use super::file::create_private;
use super::found::{Found, named, word};
use super::list::FileList;
use super::work::{WorkFolder, hold_removal, is_one_name};

/// A folder that is being written.
#[derive(Debug)]
pub struct OutputFolder {
    /// Declared before the created folders, which are empty only when the work folder is gone.
    work: WorkFolder,
    new: PathBuf,
    final_path: PathBuf,
    /// Whether to replace an existing folder.
    force: bool,
    /// What the user can do about a refusal.
    way_out: &'static str,
    _created: CreatedFolders,
}

/// A folder at its final path, or beside it.
#[derive(Debug)]
pub struct Finished {
    pub path: PathBuf,
    /// Why the folder is not where it was meant to be; `None` if it is.
    pub beside: Option<String>,
}

impl OutputFolder {
    /// Starts the run `parent/name`. `parent` is created if it is missing. With `force`, [`Self::finish`] replaces an existing run, which stays
    /// until then.
    ///
    /// # Errors
    /// [`FolderError`] if `name` is not a plain folder name, if there is something that must not be replaced, or if nothing can be written.
    pub fn create(parent: &Path, name: &str, force: bool) -> Result<Self, FolderError> {
        check_name(name)?;
        Self::start(parent, name, parent.join(name), force, "give another --name")
    }

    /// Starts the folder at `path`, whose parents are created if they are missing.
    ///
    /// # Errors
    /// Those of [`Self::create`].
    pub fn create_at(path: &Path, force: bool) -> Result<Self, FolderError> {
        let way_out = "name another folder with --out";
        let not_usable = FolderError::NotAFolder { path: path.to_owned(), what: "not a folder that can be replaced as a whole", way_out };
        // `out/.` has the last component `out`, but the user means what is in it.
        let ends_in_dot = path.as_os_str().as_encoded_bytes().ends_with(b"/.");
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| !ends_in_dot) else { return Err(not_usable) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::start(parent, name, path.to_owned(), force, way_out)
    }

    /// `final_path` is `parent/name` as the user wrote it.
    fn start(parent: &Path, name: &str, final_path: PathBuf, force: bool, way_out: &'static str) -> Result<Self, FolderError> {
        match look(&final_path, parent)? {
            Found::Nothing | Found::EmptyFolder => {}
            found => {
                if let Some(refusal) = refusal(&final_path, found, force, way_out) {
                    return Err(refusal);
                }
            }
        }
        let created = CreatedFolders::make(parent)?;
        let work = WorkFolder::create(parent, name).map_err(|source| FolderError::Parent { path: parent.to_owned(), source })?;
        Ok(Self { new: work.new_path(), work, final_path, force, way_out, _created: created })
    }

    /// The folder that is being written. Files that other code writes to it become part of the result.
    pub fn path(&self) -> &Path {
        &self.new
    }

    /// The path that the folder is meant to have after [`Self::finish`].
    pub fn final_path(&self) -> &Path {
        &self.final_path
    }

    /// Writes a file. `name` is relative and may contain folders (`charts/demand.svg`), which are created.
    ///
    /// # Errors
    /// [`FolderError::Name`] if `name` leaves the folder, [`FolderError::Io`].
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), FolderError> {
        let path = self.place(name)?;
        fs::write(path, bytes).map_err(FolderError::io(&self.final_path.join(name)))
    }

    /// Creates a file that only its owner can read, for what holds people or secrets.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub fn create_private(&self, name: &str) -> Result<File, FolderError> {
        let path = self.place(name)?;
        create_private(&path).map_err(FolderError::io(&self.final_path.join(name)))
    }

    /// Lets only the owner into the folder.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn make_private(&self) -> Result<(), FolderError> {
        #[cfg(unix)]
        {
            let mode: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(&self.new, mode).map_err(FolderError::io(&self.final_path))?;
        }
        Ok(())
    }

    /// The path of a file that is being written; makes its folders.
    fn place(&self, name: &str) -> Result<PathBuf, FolderError> {
        if name.is_empty() || !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(FolderError::Name(name.to_owned(), "it leaves the folder"));
        }
        // One by one below the work folder: if a signal has just removed that, it must not come back.
        let mut folder = self.new.clone();
        for part in Path::new(name).parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(FolderError::io(&self.final_path.join(name))(error));
                }
                _ => {}
            }
        }
        Ok(self.new.join(name))
    }

    /// Lists the files and moves the folder to its final path. `whole` is whether the run came to its end: an interrupted one does not
    /// replace a whole one. If something at the final path must be kept, the folder gets another name beside it.
    ///
    /// # Errors
    /// [`FolderError::Io`]. What was at the final path is not lost.
    pub fn finish(mut self, whole: bool) -> Result<Finished, FolderError> {
        let removal = hold_removal();
        let finished = self.finish_held(whole);
        // Before the work folder is dropped, which takes the same lock.
        drop(removal);
        finished
    }

    fn finish_held(&mut self, whole: bool) -> Result<Finished, FolderError> {
        let listed = FileList::of(&self.new, whole).and_then(|list| list.write(&self.new));
        listed.map_err(FolderError::io(&self.final_path))?;
        match self.obstacle(whole)? {
            None => Ok(Finished { path: self.final_path.clone(), beside: None }),
            Some(why) => {
                let path = self.move_beside(if whole { "" } else { "-partial" })?;
                Ok(Finished { path, beside: Some(why) })
            }
        }
    }

    /// Moves the folder to its final path; if something there must be kept, says what.
    fn obstacle(&mut self, whole: bool) -> Result<Option<String>, FolderError> {
        let io = FolderError::io(&self.final_path);
        let found = Found::at(&self.final_path).map_err(FolderError::io(&self.final_path))?;
        match found {
            Found::Nothing | Found::EmptyFolder => match fs::rename(&self.new, &self.final_path) {
                Ok(()) => Ok(None),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory
                    ) =>
                {
                    Ok(Some(format!("{} was written meanwhile", self.final_path.display())))
                }
                Err(error) => Err(io(error)),
            },
            Found::Written { whole: true } if self.force && !whole => {
                Ok(Some(format!("{} holds a complete run, which an interrupted one does not replace", self.final_path.display())))
            }
            found => match refusal(&self.final_path, found, self.force, self.way_out) {
                Some(refusal) => Ok(Some(refusal.to_string())),
                None => self.replace(),
            },
        }
    }

    /// Replaces the folder at the final path; if there is something new in it, says what.
    fn replace(&mut self) -> Result<Option<String>, FolderError> {
        let io = |source| FolderError::Io { path: self.final_path.clone(), source };
        // After a power failure there must be the old files or the new ones.
        sync(&self.new).map_err(io)?;
        let (new, old) = (&self.new, self.work.old_path());
        let replaced = if exchange(new, &self.final_path).map_err(io)? {
            new.clone()
        } else {
            if let Err(source) = rename_in_turn(new, &self.final_path, &old) {
                if old.exists() {
                    self.work.keep();
                }
                return Err(FolderError::Io { path: self.final_path.clone(), source });
            }
            old.clone()
        };
        // Somebody may have written a file there after the first look. Now nobody can.
        let found = Found::at(&replaced).map_err(io)?;
        let Some(refusal) = refusal(&self.final_path, found, self.force, self.way_out) else { return Ok(None) };
        if replaced == *new {
            exchange(new, &self.final_path).map_err(io)?;
        } else {
            fs::rename(&self.final_path, new).and_then(|()| fs::rename(&old, &self.final_path)).map_err(io)?;
        }
        Ok(Some(refusal.to_string()))
    }

    /// Moves the folder to a free name after its own.
    fn move_beside(&self, suffix: &str) -> Result<PathBuf, FolderError> {
        let name = self.final_path.file_name().unwrap_or_default().to_string_lossy();
        let first = if suffix.is_empty() { 2 } else { 1 };
        for number in first..=BESIDE_MAX {
            let number = if number == 1 { String::new() } else { format!("-{number}") };
            let path = self.final_path.with_file_name(format!("{name}{suffix}{number}"));
            let is_free = Found::at(&path).is_ok_and(|found| found == Found::Nothing);
            if is_free && fs::rename(&self.new, &path).is_ok() {
                return Ok(path);
            }
        }
        Err(FolderError::Io { path: self.final_path.clone(), source: io::ErrorKind::AlreadyExists.into() })
    }
}

/// Why something at a path is not replaced; `None` if it may be.
fn refusal(path: &Path, found: Found, force: bool, way_out: &'static str) -> Option<FolderError> {
    let path = path.to_owned();
    match found {
        Found::Nothing | Found::EmptyFolder => None,
        Found::Other(what) => Some(FolderError::NotAFolder { path, what, way_out }),
        Found::Unlisted => Some(FolderError::Unlisted { path, way_out }),
        Found::Foreign(obstacles) => Some(FolderError::Foreign { path, what: named(&obstacles), way_out }),
        Found::Written { .. } if !force => Some(FolderError::Exists { path, way_out }),
        Found::Written { .. } => None,
    }
}

/// What is at the final path. An error names the parent if that is at fault.
fn look(final_path: &Path, parent: &Path) -> Result<Found, FolderError> {
    match fs::metadata(parent) {
        Ok(metadata) if !metadata.is_dir() => {
            return Err(FolderError::NoParent { path: parent.to_owned(), what: word(metadata.file_type()) });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(parent).is_ok() => {
            return Err(FolderError::NoParent { path: parent.to_owned(), what: "a symbolic link to something that does not exist" });
        }
        _ => {}
    }
    Found::at(final_path).map_err(FolderError::io(final_path))
}

/// Checks the name of a run, which must work in every shell, file system and archive.
///
/// # Errors
/// [`FolderError::Name`] says what is wrong.
pub fn check_name(name: &str) -> Result<(), FolderError> {
    let fault = if !is_one_name(name) || name.contains('\\') {
        "use one folder name without slashes"
    } else if name.starts_with('.') {
        "it begins with a dot"
    } else if name.chars().any(char::is_control) {
        "it has control characters"
    } else if name.len() > NAME_BYTES_MAX {
        "it is longer than 200 bytes"
    } else if name.ends_with([' ', '.']) || name.contains([':', '<', '>', '"', '|', '?', '*']) || is_device(name) {
        "Windows reserves such names"
    } else {
        return Ok(());
    };
    Err(FolderError::Name(name.to_owned(), fault))
}

/// Whether Windows takes a name for a device, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered =
        |prefix: &str| stem.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest.chars().all(|c| ('1'..='9').contains(&c)));
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// Exchanges two folders in one step. `false` where the system or the file system cannot.
fn exchange(new: &Path, existing: &Path) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, new, CWD, existing, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::XDEV | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (new, existing);
        Ok(false)
    }
}

/// Moves the existing folder to `old` and the new one to its place. After an error the existing folder is in its place again, or in `old` if
/// that is not possible.
fn rename_in_turn(new: &Path, existing: &Path, old: &Path) -> io::Result<()> {
    fs::rename(existing, old)?;
    fs::rename(new, existing).inspect_err(|_| {
        let _ = fs::rename(old, existing);
    })
}

/// Waits until the files of a folder are on the disk.
fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    Ok(())
}

/// The folders that were made for an output folder. Dropping removes those that are empty.
#[derive(Debug)]
struct CreatedFolders(Vec<PathBuf>);

impl CreatedFolders {
    fn make(folder: &Path) -> Result<Self, FolderError> {
        let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        // Innermost first, which is the order of removal.
        let created = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(folder).map_err(|source| FolderError::Parent { path: folder.to_owned(), source })?;
        Ok(created)
    }
}

impl Drop for CreatedFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

/// Leaves room for what is added to the name.
const NAME_BYTES_MAX: usize = 200;
/// Names beside the final path that are tried.
const BESIDE_MAX: usize = 1000;

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
