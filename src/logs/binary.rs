//! Recognises files that are not text, for an error message that says so.

/// The kind of a binary file; `None` for text. The outer `Some` without a name is a binary file of an unknown kind.
pub(crate) fn kind(lines: &[&[u8]]) -> Option<Option<&'static str>> {
    let start = lines.first()?;
    let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| *name);
    let is_binary = known.is_some() || lines.iter().any(|line| line.contains(&0));
    is_binary.then_some(known)
}

/// The first bytes of files that are often in a folder of logs, up to the first line break.
const MAGIC: [(&[u8], &str); 18] = [
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"LPKSHHRH", "a systemd journal; export it with journalctl -o cat"),
    (b"PAR1", "Parquet; a trace is read only alone and as a file, not through a pipe"),
    (b"\x1f\x8b", "gzip within a compressed file: decompress it once before"),
    (b"\x28\xb5\x2f\xfd", "zstd within a compressed file: decompress it once before"),
    (b"\xfd7zXZ\0", "xz within a compressed file: decompress it once before"),
    (b"BZh", "bzip2 within a compressed file: decompress it once before"),
    (b"\x04\x22\x4d\x18", "LZ4, which is not supported; decompress it before"),
    (b"\x1f\x9d", "compress (.Z), which is not supported; decompress it before"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_files_are_recognised_by_their_first_bytes_or_by_a_zero_byte() {
        assert_eq!(kind(&[b"\x89PNG\r", b"\x1a"]), Some(Some("PNG")));
        assert_eq!(kind(&[b"text", b"a\0b"]), Some(None));
        assert_eq!(kind(&[b"GET / HTTP/1.1", "ü".as_bytes(), b"\xe9"]), None);
        assert_eq!(kind(&[]), None);
    }
}
