//! Writes the folder of a configuration, completely or not at all.
//!
//! The files are written to a temporary folder beside the target, which is then renamed. Invariant: the target is missing, holds the
//! complete old configuration, or holds the complete new one.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::OutputFile;

/// Why a configuration was not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder holds a configuration that this program wrote.
    #[error("{} already exists: name another folder with --out, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// The folder holds something else than a configuration that this program wrote.
    #[error("{} contains other files: name an empty folder with --out", .0.display())]
    Foreign(PathBuf),
    /// The file system returned an error.
    #[error("could not write {}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        source: io::Error,
    },
}

/// Writes all files into `folder`, which is created if it is missing. A folder with files is replaced only with `force`, and only if it
/// holds a configuration that this program wrote.
///
/// # Errors
/// The folder cannot be written or must not be replaced; its contents are then unchanged.
pub fn write(folder: &Path, files: &[OutputFile], force: bool) -> Result<(), FolderError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Io { path, source }
    };
    check(folder, force)?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io(parent))?;
    let partial = tempfile::Builder::new().prefix(".wsim.").suffix(".partial").tempdir_in(parent).map_err(io(parent))?;
    for file in files {
        let path = partial.path().join(&file.path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| write_file(&path, file));
        written.map_err(io(&folder.join(&file.path)))?;
    }
    open_to_readers(partial.path()).map_err(io(folder))?;
    // Again, because another process may have created the folder meanwhile.
    check(folder, force)?;
    if !folder.exists() {
        fs::rename(partial.path(), folder).map_err(io(folder))?;
        let _renamed = partial.keep();
        return Ok(());
    }
    let aside = tempfile::Builder::new().prefix(".wsim.").suffix(".old").tempdir_in(parent).map_err(io(parent))?;
    let old = aside.path().join("old");
    fs::rename(folder, &old).map_err(io(folder))?;
    if let Err(source) = fs::rename(partial.path(), folder) {
        // If this fails too, the temporary folder must not be deleted, because it holds the old files.
        if fs::rename(&old, folder).is_err() {
            let _kept = aside.keep();
        }
        return Err(FolderError::Io { path: folder.to_owned(), source });
    }
    let _renamed = partial.keep();
    Ok(())
}

fn check(folder: &Path, force: bool) -> Result<(), FolderError> {
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // A file, or a folder that cannot be read.
        Err(_) => return Err(FolderError::Foreign(folder.to_owned())),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if !MARKS.iter().all(|mark| folder.join(mark).is_file()) {
        return Err(FolderError::Foreign(folder.to_owned()));
    }
    if force { Ok(()) } else { Err(FolderError::Exists(folder.to_owned())) }
}

fn write_file(path: &Path, file: &OutputFile) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // The mode is set before the first byte of a secret is written.
        options.mode(if file.secret { 0o600 } else { 0o644 });
    }
    options.open(path)?.write_all(file.text.as_bytes())
}

/// Temporary folders are readable by their owner only; a configuration must be readable, except for its secret files.
fn open_to_readers(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// The files by which a configuration of this program is recognised.
const MARKS: [&str; 2] = ["CHECKLIST.md", "plan.toml"];

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<OutputFile> {
        let secret = OutputFile { path: "synapse/secret.yaml".to_owned(), text: "s".to_owned(), secret: true };
        vec![OutputFile::new("CHECKLIST.md", text), OutputFile::new("plan.toml", ""), secret]
    }

    #[test]
    fn force_replaces_an_earlier_configuration_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        write(&folder, &files("one"), false).unwrap();
        assert!(matches!(write(&folder, &files("two"), false), Err(FolderError::Exists(_))));
        assert_eq!(fs::read_to_string(folder.join("CHECKLIST.md")).unwrap(), "one");
        write(&folder, &files("two"), true).unwrap();
        assert_eq!(fs::read_to_string(folder.join("CHECKLIST.md")).unwrap(), "two");
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("mine"), "").unwrap();
        assert!(matches!(write(&other, &files("x"), true), Err(FolderError::Foreign(_))));
        let left: Vec<_> = fs::read_dir(parent.path().join("a")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing temporary stays behind: {left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_secrets() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("out");
        write(&folder, &files("one"), false).unwrap();
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("synapse/secret.yaml"), 0o600);
        assert_eq!(mode(""), 0o755);
        assert_eq!(mode("plan.toml") & 0o077, 0o044);
    }
}
