//! The work folder, in which a folder is written before it gets its final path.
//!
//! Layout: `.NAME.XXXXXX.partial/`, readable by its owner only, with `new/` (what is being written), `old/` (what is being replaced, where
//! the file system cannot exchange two folders) and `state.json`. A process locks its work folder as long as it lives, so a work folder
//! without a lock belongs to a process that was killed. Invariant: such a folder is removed by the next run in the same place; what
//! another process still writes, and what is not a work folder, is never touched; a replaced folder in `old/` goes back to its path.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::found::Found;

const STATE: &str = "state.json";
const NEW: &str = "new";
const OLD: &str = "old";
const SUFFIX: &str = ".partial";
const SCHEMA: &str = "wsim.work/1";

/// Work folders and temporary files of this process.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A path that is removed if the process ends at once. Dropping forgets it.
#[derive(Debug)]
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    /// Makes a temporary file or folder. Nothing is removed meanwhile, so that it is never there and not yet in the list.
    pub(crate) fn make<T: AsRef<Path>>(make: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Self)> {
        let mut paths = registered();
        let made = make()?;
        let path = made.as_ref().to_owned();
        paths.push(path.clone());
        Ok((made, Self(path)))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        registered().retain(|path| *path != self.0);
    }
}

/// A work folder; dropping it removes it.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    /// Holds the lock. Declared before the folder, because some systems do not delete what is open. `None` where folders cannot be
    /// locked: such a work folder is never taken for that of a killed process.
    _lock: Option<File>,
    folder: TempDir,
    _unfinished: Unfinished,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    schema: String,
    /// Name of the final path in the parent of the work folder.
    name: String,
}

impl WorkFolder {
    /// Removes what killed processes left in `parent`, and makes a work folder there for the final path `parent/name`.
    pub(crate) fn create(parent: &Path, name: &str) -> io::Result<Self> {
        sweep(parent);
        let shown: String = name.chars().take(NAME_CHARS).collect();
        // The sweep of another process may take a folder for an abandoned one before this process has locked it.
        for _ in 1..ATTEMPTS {
            if let Ok(work) = Self::try_create(parent, name, &shown) {
                return Ok(work);
            }
        }
        Self::try_create(parent, name, &shown)
    }

    fn try_create(parent: &Path, name: &str, shown: &str) -> io::Result<Self> {
        let prefix = format!(".{shown}.");
        let (folder, unfinished) = Unfinished::make(|| tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).tempdir_in(parent))?;
        let lock = match lock(folder.path()) {
            Locked::Yes(file) => Some(file),
            Locked::Impossible => None,
            Locked::ByAnother => return Err(io::ErrorKind::WouldBlock.into()),
        };
        let state = State { schema: SCHEMA.to_owned(), name: name.to_owned() };
        fs::write(folder.path().join(STATE), serde_json::to_vec(&state)?)?;
        fs::create_dir(folder.path().join(NEW))?;
        Ok(Self { _lock: lock, folder, _unfinished: unfinished })
    }

    /// The folder that is being written.
    pub(crate) fn new_path(&self) -> PathBuf {
        self.folder.path().join(NEW)
    }

    /// Where the folder that is replaced lies meanwhile.
    pub(crate) fn old_path(&self) -> PathBuf {
        self.folder.path().join(OLD)
    }

    /// Leaves the work folder where it is, because it holds what could not be put back.
    pub(crate) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }
}

/// Removes the work folders and temporary files of this process, before it ends at once. Waits for a folder that is just getting its final path.
pub fn remove_unfinished() {
    for _ in 0..LOCK_ATTEMPTS {
        if let Ok(mut paths) = UNFINISHED.try_lock() {
            for path in paths.drain(..) {
                // Another thread may still write there.
                let remove = || if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                let _ = (0..LOCK_ATTEMPTS).find(|_| remove().is_ok() || !path.exists());
            }
            return;
        }
        std::thread::sleep(LOCK_PAUSE);
    }
}

fn registered() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While the guard lives, [`remove_unfinished`] waits. A work folder must not be dropped meanwhile.
pub(crate) fn hold_removal() -> MutexGuard<'static, Vec<PathBuf>> {
    registered()
}

enum Locked {
    Yes(File),
    ByAnother,
    Impossible,
}

/// Locks a folder until the process ends or the file is dropped.
fn lock(folder: &Path) -> Locked {
    let Ok(file) = File::open(folder) else {
        return if folder.exists() { Locked::Impossible } else { Locked::ByAnother };
    };
    match file.try_lock() {
        // Between the two calls the folder may have been removed by the process that held the lock.
        Ok(()) if folder.exists() => Locked::Yes(file),
        Ok(()) | Err(fs::TryLockError::WouldBlock) => Locked::ByAnother,
        Err(fs::TryLockError::Error(_)) => Locked::Impossible,
    }
}

/// Removes the work folders of killed processes.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(SUFFIX) && entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_mine(&entry.path()) {
            // What cannot be removed stays for the next run.
            let _ = recover(parent, &entry.path());
        }
    }
}

/// Whether a folder belongs to the user of this process.
fn is_mine(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw())
    }
    #[cfg(not(unix))]
    folder.exists()
}

/// Puts back what a killed process was replacing, and removes its work folder.
fn recover(parent: &Path, work: &Path) -> io::Result<()> {
    let Locked::Yes(_lock) = lock(work) else { return Ok(()) };
    let entries: Vec<String> =
        fs::read_dir(work)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>()?;
    if entries.is_empty() {
        return fs::remove_dir(work);
    }
    if !entries.iter().all(|entry| [STATE, NEW, OLD].contains(&entry.as_str())) || !entries.iter().any(|entry| entry == STATE) {
        return Ok(());
    }
    let old = work.join(OLD);
    if Found::at(&old)? != Found::Nothing {
        let Some(name) = state(&work.join(STATE)).map(|state| state.name).filter(|name| is_one_name(name)) else { return Ok(()) };
        let final_path = parent.join(name);
        match (Found::at(&final_path)?, Found::at(&old)?) {
            (Found::Nothing, _) => fs::rename(&old, &final_path)?,
            (_, Found::Written { .. }) => {}
            _ => return Ok(()),
        }
    }
    // After an exchange `new/` holds what was replaced. Files that somebody else put there are kept.
    if matches!(Found::at(&work.join(NEW))?, Found::Foreign(_)) {
        return Ok(());
    }
    fs::remove_dir_all(work)
}

fn state(path: &Path) -> Option<State> {
    let mut text = Vec::new();
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    File::open(path).ok()?.take(STATE_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice::<State>(&text).ok().filter(|state| state.schema == SCHEMA)
}

/// Whether a name has no folders in it.
pub(crate) fn is_one_name(name: &str) -> bool {
    matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(only)] if only == name)
}

/// Characters of the final name in that of the work folder; file systems allow 255 bytes.
const NAME_CHARS: usize = 40;
const ATTEMPTS: usize = 3;
const STATE_BYTES_MAX: u64 = 4096;
const LOCK_ATTEMPTS: usize = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(parent: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The work folder of a killed process with these folders in it.
    fn left(parent: &Path, name: &str, folders: &[&str]) -> PathBuf {
        let work = parent.join(format!(".{name}.abc123.partial"));
        fs::create_dir(&work).unwrap();
        let state = State { schema: SCHEMA.to_owned(), name: name.to_owned() };
        fs::write(work.join(STATE), serde_json::to_vec(&state).unwrap()).unwrap();
        for folder in folders {
            fs::create_dir(work.join(folder)).unwrap();
            fs::write(work.join(folder).join("report.json"), *folder).unwrap();
        }
        work
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = WorkFolder::create(parent.path(), "a").unwrap();
        fs::write(living.new_path().join("report.json"), "{}").unwrap();
        left(parent.path(), "b", &[NEW]);
        fs::create_dir(parent.path().join(".c.abc123.partial")).unwrap();
        let second = WorkFolder::create(parent.path(), "a").unwrap();
        assert_eq!(entries(parent.path()).len(), 2, "{:?}", entries(parent.path()));
        assert!(living.new_path().join("report.json").exists() && second.new_path().exists());
        drop((living, second));
        assert!(entries(parent.path()).is_empty());
    }

    #[test]
    fn what_is_not_a_work_folder_stays() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join(".thesis.partial")).unwrap();
        fs::write(parent.path().join(".thesis.partial/chapter1.tex"), "").unwrap();
        fs::write(left(parent.path(), "b", &[NEW]).join("notes"), "").unwrap();
        fs::write(parent.path().join(".file.partial"), "").unwrap();
        drop(WorkFolder::create(parent.path(), "a").unwrap());
        assert_eq!(entries(parent.path()), [".b.abc123.partial", ".file.partial", ".thesis.partial"]);
    }

    #[test]
    fn a_run_that_was_being_replaced_goes_back_to_its_place() {
        let parent = tempfile::tempdir().unwrap();
        left(parent.path(), "monday", &[NEW, OLD]);
        drop(WorkFolder::create(parent.path(), "a").unwrap());
        assert_eq!(entries(parent.path()), ["monday"]);
        assert_eq!(fs::read_to_string(parent.path().join("monday/report.json")).unwrap(), OLD);
        // There is another now, and the old one is not known to be wsim's: both stay.
        left(parent.path(), "monday", &[NEW, OLD]);
        drop(WorkFolder::create(parent.path(), "a").unwrap());
        assert_eq!(entries(parent.path()), [".monday.abc123.partial", "monday"]);
    }

    #[test]
    fn a_long_name_leaves_room_for_the_rest() {
        let parent = tempfile::tempdir().unwrap();
        assert!(WorkFolder::create(parent.path(), &"ä".repeat(200)).is_ok());
    }
}
