//! The list of a folder's files, which is the mark by which wsim recognises what it wrote.
//!
//! Format: JSON, schema `wsim.files/1`. Invariant: the list is written after all other files, so a folder that has one is complete.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Name of the file with the list.
pub const LIST_NAME: &str = ".wsim-files.json";

const SCHEMA: &str = "wsim.files/1";

/// The files of a folder when wsim wrote it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileList {
    schema: String,
    /// Version of wsim.
    wsim: String,
    /// Whether the run that wrote the folder came to its end.
    pub(crate) whole: bool,
    pub(crate) files: Vec<ListedFile>,
}

/// A file as wsim wrote it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListedFile {
    /// Relative, with `/` between folders.
    pub(crate) path: String,
    bytes: u64,
    /// SHA-256 in hexadecimal digits; missing for a file over [`HASHED_BYTES_MAX`].
    sha256: Option<String>,
}

impl ListedFile {
    fn of(path: &str, file: &Path) -> io::Result<Self> {
        let bytes = fs::metadata(file)?.len();
        Ok(Self { path: path.to_owned(), bytes, sha256: hash(file, bytes)? })
    }

    /// Whether a file is still as it was written.
    pub(crate) fn is_unchanged(&self, file: &Path) -> io::Result<bool> {
        let bytes = fs::metadata(file)?.len();
        Ok(bytes == self.bytes && (self.sha256.is_none() || hash(file, bytes)? == self.sha256))
    }
}

impl FileList {
    /// Lists the files in a folder, in the order of their paths.
    pub(crate) fn of(folder: &Path, whole: bool) -> io::Result<Self> {
        let mut files = Vec::new();
        collect(folder, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { schema: SCHEMA.to_owned(), wsim: env!("CARGO_PKG_VERSION").to_owned(), whole, files })
    }

    /// Writes the list into the folder.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        fs::write(folder.join(LIST_NAME), text)
    }

    /// The list in a folder; `None` if there is none that this version can read.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(LIST_NAME);
        if !fs::symlink_metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut text = Vec::new();
        File::open(path).ok()?.take(LIST_BYTES_MAX).read_to_end(&mut text).ok()?;
        serde_json::from_slice::<Self>(&text).ok().filter(|list| list.schema == SCHEMA)
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<ListedFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if path != LIST_NAME {
            files.push(ListedFile::of(&path, &entry.path())?);
        }
    }
    Ok(())
}

/// The hash of a file, unless the file is large: a trace of gigabytes would be read once more, and nobody edits one.
fn hash(file: &Path, bytes: u64) -> io::Result<Option<String>> {
    if bytes > HASHED_BYTES_MAX {
        return Ok(None);
    }
    let digest = Sha256::digest(fs::read(file)?);
    Ok(Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

const HASHED_BYTES_MAX: u64 = 16 << 20;
const LIST_BYTES_MAX: u64 = 16 << 20;
