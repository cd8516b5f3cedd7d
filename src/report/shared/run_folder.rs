//! The folder of a run. It is written to a temporary folder next to its final path and renamed when it is complete.
//!
//! Knows nothing of the content of the files. Invariant: the final path holds nothing, the complete old run, or the complete new
//! run. Dropping a [`RunFolder`] leaves nothing behind.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

/// A run that is being written.
#[derive(Debug)]
pub struct RunFolder {
    temporary: TempDir,
    final_path: PathBuf,
    /// Whether to replace an existing run.
    force: bool,
}

/// Why a run folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is another run.
    #[error("{} exists already: give another --name, move it away, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// There is something other than a run, which `--force` does not replace.
    #[error("{} exists and was not written by wsim, so --force does not replace it: give another --name or move it away", .0.display())]
    NotARun(PathBuf),
    /// Not a plain folder name.
    #[error("{0:?} is not a name for a run: use one folder name without slashes, not starting with a dot")]
    Name(String),
    #[error("could not write {}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl RunFolder {
    /// Starts the run `parent/name` in a temporary folder in `parent`, which is created if it is missing. With `force`,
    /// [`Self::finish`] replaces an existing run; it stays until then.
    ///
    /// # Errors
    /// [`FolderError::Exists`] if the run exists and `force` is false, [`FolderError::NotARun`] if the path holds something else,
    /// [`FolderError::Name`] if `name` is not a plain folder name, [`FolderError::Io`].
    pub fn create(parent: &Path, name: &str, force: bool) -> Result<Self, FolderError> {
        let plain = matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(only)] if only == name);
        if !plain || name.starts_with('.') || name.chars().any(char::is_control) {
            return Err(FolderError::Name(super::escape::terminal(name, 80)));
        }
        let final_path = parent.join(name);
        check_place(&final_path, force)?;
        fs::create_dir_all(parent).map_err(|source| FolderError::Io { path: parent.to_owned(), source })?;
        // In the same parent, so that the rename stays within one file system.
        let temporary = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".partial")
            .tempdir_in(parent)
            .map_err(|source| FolderError::Io { path: parent.to_owned(), source })?;
        Ok(Self { temporary, final_path, force })
    }

    /// The temporary folder. Files that other code writes to it become part of the run.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// The path of the run after [`Self::finish`].
    pub fn final_path(&self) -> &Path {
        &self.final_path
    }

    /// Writes a file. `name` is relative and may contain folders (`charts/demand.svg`), which are created.
    ///
    /// # Errors
    /// [`FolderError::Name`] if `name` leaves the folder, [`FolderError::Io`].
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), FolderError> {
        if name.is_empty() || !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(FolderError::Name(name.to_owned()));
        }
        let path = self.path().join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        written.map_err(|source| FolderError::Io { path: self.final_path.join(name), source })
    }

    /// Moves the run to its final path and returns that path.
    ///
    /// # Errors
    /// Those of [`Self::create`] if another run was written in the meantime; [`FolderError::Io`]. An old run is not lost.
    pub fn finish(self) -> Result<PathBuf, FolderError> {
        check_place(&self.final_path, self.force)?;
        let io = |source| FolderError::Io { path: self.final_path.clone(), source };
        set_usual_mode(self.path()).map_err(io)?;
        if !self.final_path.exists() {
            fs::rename(self.path(), &self.final_path).map_err(io)?;
            return Ok(self.into_final_path());
        }
        // A rename cannot replace a folder that is not empty, so the old run is moved away first.
        let aside = tempfile::Builder::new().prefix(".old.").tempdir_in(self.final_path.parent().unwrap_or(Path::new("."))).map_err(io)?;
        let old = aside.path().join("run");
        fs::rename(&self.final_path, &old).map_err(io)?;
        if let Err(source) = fs::rename(self.path(), &self.final_path) {
            // If the old run cannot be moved back either, the temporary folder that contains it must not be deleted.
            if fs::rename(&old, &self.final_path).is_err() {
                let _kept = aside.keep();
            }
            return Err(FolderError::Io { path: self.final_path.clone(), source });
        }
        Ok(self.into_final_path())
    }

    /// Forgets the temporary folder, which has been renamed.
    fn into_final_path(self) -> PathBuf {
        let _renamed = self.temporary.keep();
        self.final_path
    }
}

fn check_place(final_path: &Path, force: bool) -> Result<(), FolderError> {
    match fs::symlink_metadata(final_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(FolderError::Io { path: final_path.to_owned(), source }),
        Ok(_) if !force => Err(FolderError::Exists(final_path.to_owned())),
        Ok(found) if found.is_dir() && looks_like_a_run(final_path) => Ok(()),
        Ok(_) => Err(FolderError::NotARun(final_path.to_owned())),
    }
}

/// Whether a folder contains a report, or nothing.
fn looks_like_a_run(final_path: &Path) -> bool {
    final_path.join("report.json").is_file() || fs::read_dir(final_path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Gives the folder the usual mode of new folders, because temporary folders are readable by their owner only.
#[cfg(unix)]
fn set_usual_mode(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Only a new folder reveals the umask of the process.
    let probe = path.join(".mode");
    fs::create_dir(&probe)?;
    let mode = fs::metadata(&probe)?.permissions().mode();
    fs::remove_dir(&probe)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn set_usual_mode(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(parent: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn finished(parent: &Path, text: &str, force: bool) -> Result<PathBuf, FolderError> {
        let run = RunFolder::create(parent, "access", force)?;
        run.write("report.json", text)?;
        run.write("charts/demand.svg", "<svg/>")?;
        run.finish()
    }

    #[test]
    fn a_run_appears_when_it_is_complete() {
        let parent = tempfile::tempdir().unwrap();
        let run = RunFolder::create(parent.path(), "access", false).unwrap();
        run.write("report.json", "{}").unwrap();
        assert!(!parent.path().join("access").exists());
        let final_path = run.finish().unwrap();
        assert_eq!(fs::read_to_string(final_path.join("report.json")).unwrap(), "{}");
        assert_eq!(entries(parent.path()), ["access"]);
    }

    #[test]
    fn dropping_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let run = RunFolder::create(parent.path(), "access", false).unwrap();
        run.write("report.json", "{}").unwrap();
        drop(run);
        assert!(entries(parent.path()).is_empty());
    }

    #[test]
    fn another_run_is_never_overwritten_without_force() {
        let parent = tempfile::tempdir().unwrap();
        finished(parent.path(), "old", false).unwrap();
        let error = finished(parent.path(), "new", false).unwrap_err();
        assert!(error.to_string().contains("--force"), "{error}");
        assert_eq!(fs::read_to_string(parent.path().join("access/report.json")).unwrap(), "old");
        assert_eq!(entries(parent.path()), ["access"]);
    }

    #[test]
    fn a_run_written_in_the_meantime_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let late = RunFolder::create(parent.path(), "access", false).unwrap();
        finished(parent.path(), "first", false).unwrap();
        assert!(matches!(late.finish(), Err(FolderError::Exists(_))));
        assert_eq!(entries(parent.path()), ["access"]);
    }

    #[test]
    fn force_replaces_the_old_run_only_when_the_new_one_is_complete() {
        let parent = tempfile::tempdir().unwrap();
        finished(parent.path(), "old", false).unwrap();
        fs::write(parent.path().join("access/extra"), "old").unwrap();
        drop(RunFolder::create(parent.path(), "access", true).unwrap());
        assert_eq!(fs::read_to_string(parent.path().join("access/report.json")).unwrap(), "old");
        finished(parent.path(), "new", true).unwrap();
        assert_eq!(fs::read_to_string(parent.path().join("access/report.json")).unwrap(), "new");
        assert!(!parent.path().join("access/extra").exists());
        assert_eq!(entries(parent.path()), ["access"]);
    }

    #[test]
    fn force_does_not_replace_other_files() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("access")).unwrap();
        fs::write(parent.path().join("access/thesis.tex"), "years of work").unwrap();
        assert!(matches!(finished(parent.path(), "new", true), Err(FolderError::NotARun(_))));
        fs::write(parent.path().join("file"), "").unwrap();
        assert!(matches!(RunFolder::create(parent.path(), "file", true), Err(FolderError::NotARun(_))));
    }

    #[test]
    fn names_stay_in_their_folder() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "a/b", "/tmp/x", ".hidden", "a\nb"] {
            assert!(matches!(RunFolder::create(parent.path(), name, true), Err(FolderError::Name(_))), "{name:?}");
        }
        let run = RunFolder::create(parent.path(), "access", false).unwrap();
        assert!(matches!(run.write("../escape", ""), Err(FolderError::Name(_))));
        assert!(matches!(run.write("/escape", ""), Err(FolderError::Name(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_finished_run_is_as_readable_as_any_new_folder() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let final_path = finished(parent.path(), "{}", false).unwrap();
        fs::create_dir(parent.path().join("plain")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&final_path), mode(&parent.path().join("plain")));
    }
}
