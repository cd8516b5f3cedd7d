//! The folders and files that commands write: complete or not at all, and never at the cost of anything that wsim did not write.
//!
//! ```text
//! OutputFolder::create ─▶ work folder beside the final path ─▶ files ─▶ finish: list of files, rename ─▶ final path
//!        └─▶ what killed runs left is removed        └─▶ (dropped, signal: removed)   └─▶ (refused: another name beside)
//! ```
//!
//! Knows nothing of the content of files. Invariants: a final path holds what it held before, or a complete folder; a folder is replaced only if
//! every file in it is one that wsim listed there and that has not changed since; an interrupted run never replaces a complete one.

mod file;
mod found;
mod list;
mod output;
mod work;

pub use file::{create_private, replace_file, write_new_file};
pub use list::LIST_NAME;
pub use output::{Finished, OutputFolder, check_name};
pub use work::remove_unfinished;

use std::io;
use std::path::{Path, PathBuf};

/// Why a folder was not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is something, and `--force` was not given.
    #[error("{} already exists: {way_out}, move it away, or replace it with --force", .path.display())]
    Exists { path: PathBuf, way_out: &'static str },
    /// There is a folder without a list of the files that wsim wrote.
    #[error(
        "{} is not replaced, because it has no list of the files that wsim wrote there (another program or an earlier version of wsim wrote it): \
         move it away or delete it, or {way_out}",
        .path.display()
    )]
    Unlisted { path: PathBuf, way_out: &'static str },
    /// There is a folder with more in it than what wsim wrote.
    #[error("{} is not replaced, because of what is in it: {what}: move that away, or {way_out}", .path.display())]
    Foreign { path: PathBuf, what: String, way_out: &'static str },
    /// The path of the folder is something else.
    #[error("{} is {what}, not a folder: {way_out}", .path.display())]
    NotAFolder { path: PathBuf, what: &'static str, way_out: &'static str },
    /// The folder to write into is something else.
    #[error("--out: {} is {what}, not a folder: name another one", .path.display())]
    NoParent { path: PathBuf, what: &'static str },
    /// Not a plain folder name.
    #[error("{0:?} is not a name for a run: {1}")]
    Name(String, &'static str),
    /// The folder to write into cannot be written to.
    #[error("could not write in {}, so name another folder with --out", .path.display())]
    Parent { path: PathBuf, source: io::Error },
    #[error("could not write {}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl FolderError {
    /// The error that a file or folder could not be written.
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
