//! Files that are read whole: never more than a limit, so that a wrong name (a device, a log, a report of another program) is an error and
//! does not fill the memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The bytes of a file that a person named, which may be a pipe.
///
/// # Errors
/// The file cannot be read, or has more than `bytes_max` bytes.
pub fn read_file(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let most = size_limit(limit);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {most}, and no file of its kind is")));
    }
    Ok(bytes)
}

/// A limit of whole megabytes without decimals: `4 MB`.
pub fn size_limit(bytes: u64) -> String {
    if bytes.is_multiple_of(1_000_000) { format!("{} MB", bytes / 1_000_000) } else { super::bytes(bytes) }
}

/// The text of a file that a person named.
///
/// # Errors
/// As [`read_file`], or the bytes are not UTF-8.
pub fn read_text(path: &Path, bytes_max: usize) -> io::Result<String> {
    String::from_utf8(read_file(path, bytes_max)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
}

/// The bytes of a file that another file names. A device or a pipe, which may never end, is an error.
///
/// # Errors
/// As [`read_file`], or the path is no regular file.
pub fn read_regular_file(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "it is a folder" } else { "it is a device, a pipe or a socket" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what}, not a file")));
    }
    read_file(path, bytes_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let this = Path::new(env!("CARGO_MANIFEST_DIR")).join("file.rs");
        let bytes = read_file(&this, 1_000_000).unwrap();
        assert_eq!(read_file(&this, bytes.len()).unwrap(), bytes);
        assert_eq!(read_regular_file(&this, bytes.len()).unwrap(), bytes);
        let error = read_text(&this, bytes.len() - 1).unwrap_err();
        assert!(error.to_string().starts_with("it is larger than "), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn a_device_is_not_read_to_its_end() {
        let zero = Path::new("/dev/zero");
        assert!(read_file(zero, 1_000_000).unwrap_err().to_string().contains("larger than 1 MB"));
        assert!(read_regular_file(zero, 1_000_000).unwrap_err().to_string().contains("a device, a pipe or a socket"));
        assert!(read_regular_file(Path::new("/"), 1_000_000).unwrap_err().to_string().contains("a folder"));
    }
}
