//! Single files: created for their owner only, or replaced in one step.
//!
//! Invariant: a file that is replaced holds its old bytes or all of its new ones.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::work::Unfinished;

/// Creates a new file that only its owner can read, for what holds people or secrets. The mode is set before the first byte is written.
///
/// # Errors
/// The file exists, or cannot be created.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a file that must not exist yet. After an error there is no file.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn write_new_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    temporary(path, bytes, |file| file.persist_noclobber(path))
}

/// Writes a file, in place of the one that is there. After an error the old file is unchanged.
///
/// # Errors
/// The path is not a file, or cannot be written.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link or a device (`/dev/stdout`) is written to, because a rename would put a file in its place.
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => std::fs::write(path, bytes),
        _ => temporary(path, bytes, |file| file.persist(path)),
    }
}

/// Writes a file beside `path`, with the usual mode of new files, and moves it when it is complete.
fn temporary(path: &Path, bytes: &[u8], persist: impl FnOnce(NamedTempFile) -> Result<File, tempfile::PersistError>) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wsim.").suffix(".partial");
    #[cfg(unix)]
    let usual_mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    // The umask of the process applies.
    #[cfg(unix)]
    builder.permissions(usual_mode);
    let (mut file, _unfinished) = Unfinished::make(|| builder.tempfile_in(parent))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    persist(file).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_a_new_one_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        write_new_file(&path, b"one").unwrap();
        assert_eq!(write_new_file(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        replace_file(&path, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(replace_file(folder.path(), b"").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_a_private_file_and_everybody_a_new_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let [private, new, plain] = ["private", "new", "plain"].map(|name| folder.path().join(name));
        create_private(&private).unwrap();
        write_new_file(&new, b"").unwrap();
        std::fs::write(&plain, "").unwrap();
        assert_eq!((mode(&private), mode(&new)), (0o600, mode(&plain)));
    }
}
