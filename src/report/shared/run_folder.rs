//! The folder of one run: written beside its place and moved there when whole.
//!
//! Owns the temporary folder and the one rename; knows nothing of what the files say. Invariant: the place of the run holds
//! either nothing, the old run whole, or the new run whole. Dropping a [`RunFolder`] leaves nothing behind.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

/// A run being written.
#[derive(Debug)]
pub struct RunFolder {
    temporary: TempDir,
    place: PathBuf,
    force: bool,
}

/// What can go wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another run is there.
    #[error("{} is there already: give another --name, move it away, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// Something is there that is no run folder: `--force` does not replace it.
    #[error("{} is there and is not a folder that wsim wrote, so --force does not replace it: give another --name or move it away", .0.display())]
    NotARun(PathBuf),
    /// Not one plain name.
    #[error("{0:?} is not a name for a run: use one folder name without slashes, not starting with a dot")]
    Name(String),
    /// The file system said no.
    #[error("could not write {}", .path.display())]
    Io {
        /// File or folder concerned.
        path: PathBuf,
        /// Reason.
        source: io::Error,
    },
}

impl RunFolder {
    /// Starts the run `parent/name` in a temporary folder in `parent`, which is made if missing. With `force` a run that
    /// is there already is replaced by [`Self::finish`], not before.
    ///
    /// # Errors
    /// [`FolderError::Exists`] if there is one and `force` is false, [`FolderError::NotARun`] if what is there is no run,
    /// [`FolderError::Name`] if `name` is not one plain folder name, [`FolderError::Io`].
    pub fn create(parent: &Path, name: &str, force: bool) -> Result<Self, FolderError> {
        let plain = matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(only)] if only == name);
        if !plain || name.starts_with('.') || name.chars().any(char::is_control) {
            return Err(FolderError::Name(super::escape::terminal(name, 80)));
        }
        let place = parent.join(name);
        check_place(&place, force)?;
        fs::create_dir_all(parent).map_err(|source| FolderError::Io { path: parent.to_owned(), source })?;
        // Beside its place, so that the rename stays within one file system.
        let temporary = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".partial")
            .tempdir_in(parent)
            .map_err(|source| FolderError::Io { path: parent.to_owned(), source })?;
        Ok(Self { temporary, place, force })
    }

    /// The temporary folder. Files written into it by others become part of the run.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Where the run will be.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Writes one file; `name` is relative and may name folders (`charts/demand.svg`), which are made.
    ///
    /// # Errors
    /// [`FolderError::Name`] if `name` leaves the folder, [`FolderError::Io`].
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), FolderError> {
        if name.is_empty() || !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(FolderError::Name(name.to_owned()));
        }
        let path = self.path().join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        written.map_err(|source| FolderError::Io { path: self.place.join(name), source })
    }

    /// Moves the run to its place and says where that is.
    ///
    /// # Errors
    /// As [`Self::create`], if another run has come there meanwhile; [`FolderError::Io`]. The old run is then still there.
    pub fn finish(self) -> Result<PathBuf, FolderError> {
        check_place(&self.place, self.force)?;
        let io = |source| FolderError::Io { path: self.place.clone(), source };
        open_to_readers(self.path()).map_err(io)?;
        if !self.place.exists() {
            fs::rename(self.path(), &self.place).map_err(io)?;
            return Ok(self.gone());
        }
        // Aside first: a rename cannot replace a folder that has something in it.
        let aside = tempfile::Builder::new().prefix(".old.").tempdir_in(self.place.parent().unwrap_or(Path::new("."))).map_err(io)?;
        let old = aside.path().join("run");
        fs::rename(&self.place, &old).map_err(io)?;
        if let Err(source) = fs::rename(self.path(), &self.place) {
            // If even this fails the old run must not go with the temporary folder it lies in.
            if fs::rename(&old, &self.place).is_err() {
                let _kept = aside.keep();
            }
            return Err(FolderError::Io { path: self.place.clone(), source });
        }
        Ok(self.gone())
    }

    /// The temporary folder has been renamed: nothing to clean up.
    fn gone(self) -> PathBuf {
        let _renamed = self.temporary.keep();
        self.place
    }
}

fn check_place(place: &Path, force: bool) -> Result<(), FolderError> {
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(FolderError::Io { path: place.to_owned(), source }),
        Ok(_) if !force => Err(FolderError::Exists(place.to_owned())),
        Ok(found) if found.is_dir() && looks_like_a_run(place) => Ok(()),
        Ok(_) => Err(FolderError::NotARun(place.to_owned())),
    }
}

/// A folder that holds a report, or nothing.
fn looks_like_a_run(place: &Path) -> bool {
    place.join("report.json").is_file() || fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none())
}

/// Temporary folders are made for their owner only; a report is as readable as any other new folder.
#[cfg(unix)]
fn open_to_readers(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // The process's umask is known only by making something: a folder made plainly has the usual mode.
    let probe = path.join(".mode");
    fs::create_dir(&probe)?;
    let mode = fs::metadata(&probe)?.permissions().mode();
    fs::remove_dir(&probe)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn open_to_readers(_: &Path) -> io::Result<()> {
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
    fn a_run_appears_whole_or_not_at_all() {
        let parent = tempfile::tempdir().unwrap();
        let run = RunFolder::create(parent.path(), "access", false).unwrap();
        run.write("report.json", "{}").unwrap();
        assert!(!parent.path().join("access").exists());
        let place = run.finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("report.json")).unwrap(), "{}");
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
    fn a_run_that_appears_meanwhile_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let late = RunFolder::create(parent.path(), "access", false).unwrap();
        finished(parent.path(), "first", false).unwrap();
        assert!(matches!(late.finish(), Err(FolderError::Exists(_))));
        assert_eq!(entries(parent.path()), ["access"]);
    }

    #[test]
    fn force_replaces_the_old_run_only_when_the_new_one_is_whole() {
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
    fn force_does_not_replace_what_is_no_run() {
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
        let place = finished(parent.path(), "{}", false).unwrap();
        fs::create_dir(parent.path().join("plain")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&place), mode(&parent.path().join("plain")));
    }
}
