//! Recognises files that are not text, for an error message that says so.

/// The kind of a binary file; `None` for text. The outer `Some` without a name is a binary file of an unknown kind.
pub(crate) fn kind(lines: &[&[u8]]) -> Option<Option<&'static str>> {
    let start = lines.first()?;
    let is_archive = start.get(257..262) == Some(b"ustar");
    let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| *name);
    let known = known.or(is_archive.then_some("a tar archive: unpack it before"));
    let is_binary = known.is_some() || lines.iter().any(|line| line.contains(&0));
    is_binary.then_some(known)
}

/// The first bytes of files that are often in a folder of logs, up to the first line break.
const MAGIC: [(&[u8], &str); 30] = [
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"RIFF", "a picture or a sound"),
    (b"OggS", "a sound or a film"),
    (b"ID3", "a sound"),
    (b"\x1a\x45\xdf\xa3", "a film"),
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"!<arch>", "an archive or a Debian package"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"PGDMP", "a dump of PostgreSQL"),
    (b"\xd4\xc3\xb2\xa1", "a capture of network packets"),
    (b"\xa1\xb2\xc3\xd4", "a capture of network packets"),
    (b"ElfFile\0", "an event log of Windows"),
    (b"LPKSHHRH", "a systemd journal; export it with journalctl --file FILE -o json"),
    (b"PAR1", "Parquet; a trace is read only alone and as a file, not through a pipe"),
    (b"\x1f\x8b", "gzip within a compressed file: decompress it once before"),
    (b"\x28\xb5\x2f\xfd", "zstd within a compressed file: decompress it once before"),
    (b"\xfd7zXZ\0", "xz within a compressed file: decompress it once before"),
    (b"BZh", "bzip2 within a compressed file: decompress it once before"),
    (b"\x04\x22\x4d\x18", "LZ4, which is not supported; decompress it before"),
    (b"LZIP", "lzip, which is not supported; decompress it before"),
    (b"\x1f\x9d", "compress (.Z), which is not supported; decompress it before"),
    (b"\xff\xfe\0\0", "UTF-32 text, which is not supported"),
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
