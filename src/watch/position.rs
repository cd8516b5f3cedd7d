//! Where the reading of each file stopped, kept in a small file so that a restart goes on there.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    device: u64,
    inode: u64,
    /// Bytes before it.
    pub(crate) offset: u64,
    /// The first bytes of the file, as a number that others would hardly have.
    head: u64,
    head_bytes: usize,
}

/// The places in all files, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Positions {
    schema: String,
    pub(crate) files: BTreeMap<String, Position>,
}

impl Position {
    pub(crate) fn new(_path: &Path, metadata: &Metadata, offset: u64, head: &[u8]) -> Option<Self> {
        let (device, inode) = identity(metadata);
        Some(Self { device, inode, offset, head: sum(head), head_bytes: head.len() })
    }

    /// Whether a file with these first bytes is the one of the position. It may have grown since.
    pub(crate) fn is_of(&self, metadata: &Metadata, head: &[u8]) -> bool {
        self.has_inode(metadata) && head.get(..self.head_bytes).is_some_and(|head| sum(head) == self.head)
    }

    pub(crate) fn has_inode(&self, metadata: &Metadata) -> bool {
        identity(metadata) == (self.device, self.inode)
    }
}

impl Positions {
    /// Those of an earlier run; none if there was none, or if the file is not readable as such, which loses nothing but the place.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = wsim_text::read_regular_file(path, BYTES_MAX).unwrap_or_default();
        serde_json::from_slice::<Self>(&bytes).ok().filter(|positions| positions.schema == SCHEMA).unwrap_or_default()
    }

    /// Replaces the file, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let whole = Self { schema: SCHEMA.to_owned(), files: self.files.clone() };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)?;
        }
        wsim_folder::replace_file(path, &serde_json::to_vec(&whole)?)
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// FNV-1a, 64 bits.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

const SCHEMA: &str = "wsim.watch/1";
const BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_back_and_damage_is_no_position() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/watch.json");
        assert_eq!(Positions::read(&path), Positions::default());
        let metadata = std::fs::metadata(folder.path()).unwrap();
        let position = Position::new(&path, &metadata, 7, b"abc").unwrap();
        let positions = Positions { files: BTreeMap::from([("a.log".to_owned(), position.clone())]), ..Positions::default() };
        positions.write(&path).unwrap();
        assert_eq!(Positions::read(&path).files, positions.files);
        assert!(position.is_of(&metadata, b"abcd") && !position.is_of(&metadata, b"ab") && !position.is_of(&metadata, b"xbcd"));
        for text in ["", "{}", "[1]", "{\"schema\":\"other\",\"files\":{}}"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Positions::read(&path), Positions::default(), "{text}");
        }
    }
}
