//! Recognises files that are no access logs, by their first bytes or by the form of their lines, for an error message that says so.

/// The kind of a binary file; `None` for text. The outer `Some` without a name is a binary file of an unknown kind.
pub(crate) fn kind(lines: &[&[u8]]) -> Option<Option<&'static str>> {
    let start = lines.first()?;
    let is_archive = start.get(257..262) == Some(b"ustar");
    let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| *name);
    let known = known.or(is_archive.then_some("a tar archive: unpack it before"));
    let is_binary = known.is_some() || lines.iter().any(|line| line.contains(&0));
    is_binary.then_some(known)
}

/// What a text is that no format reads: a page, a configuration, the log of a service that stands beside Synapse. `None` if that is not
/// known.
pub(crate) fn kind_of_text(lines: &[&[u8]]) -> Option<&'static str> {
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.trim_ascii()).filter(|line| !line.is_empty()).collect();
    let first = lines.first()?.to_ascii_lowercase();
    if let Some((_, name)) = BEGINNINGS.iter().find(|(start, _)| first.starts_with(start)) {
        return Some(name);
    }
    let most = |is: &dyn Fn(&[u8]) -> bool| lines.iter().filter(|line| is(line)).count() * 5 >= lines.len() * 4;
    let has = |line: &[u8], texts: &[&[u8]]| texts.iter().any(|text| memchr::memmem::find(line, text).is_some());
    if lines.iter().any(|line| has(line, &[b"/_matrix/", b"/_synapse/"]) || line.starts_with(b"{")) {
        return None;
    }
    let is_comment = |line: &[u8]| line.starts_with(b"#");
    if most(&|line| has(line, &[b"LOG:  ", b"STATEMENT:  ", b"ERROR:  ", b"DETAIL:  ", b"FATAL:  ", b"HINT:  "])) {
        Some("the log of PostgreSQL")
    } else if most(&is_redis) {
        Some("the log of Redis")
    } else if most(&|line| has(line, &[b": session 0", b": INFO: ", b": DEBUG: ", b": handle_", b": log file opened"])) {
        Some("the log of coturn")
    } else if most(&|line| is_comment(line) || matches!(line.last(), Some(b';' | b'{' | b'}'))) && lines.len() > 2 {
        Some("a configuration of nginx or another server")
    } else if most(&|line| is_comment(line) || is_yaml(line)) && lines.len() > 2 {
        Some("YAML, such as a configuration")
    } else {
        None
    }
}

/// `12:M 20 Nov 2026 09:12:01.118 * DB saved on disk`
fn is_redis(line: &[u8]) -> bool {
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && matches!(line.get(digits..digits + 3), Some([b':', b'X' | b'C' | b'S' | b'M', b' ']))
}

/// `key: value`, `key:`, `- item`
fn is_yaml(line: &[u8]) -> bool {
    let item = line.strip_prefix(b"- ");
    let name = item.unwrap_or(line).iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.\"".contains(byte)).count();
    let behind = item.unwrap_or(line).get(name..).unwrap_or_default();
    // Levels of logs are capitals.
    item.is_some() || (name > 0 && !line[0].is_ascii_uppercase() && (behind == b":" || behind.starts_with(b": ")))
}

/// Of texts that are often given in place of a log, in small letters.
const BEGINNINGS: [(&[u8], &str); 6] = [
    (b"<!doctype html", "an HTML page, as a download without a login gives"),
    (b"<html", "an HTML page, as a download without a login gives"),
    (b"<?xml", "XML"),
    (b"-----begin ", "a key or a certificate"),
    (b"traceback (most recent call last)", "a traceback of Python without the log around it"),
    (b"create table", "a dump of a database"),
];

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

    #[test]
    fn texts_that_are_no_logs_are_recognised_by_the_form_of_their_lines() {
        for (text, kind) in [
            ("<!DOCTYPE html>\n<html>", "an HTML page, as a download without a login gives"),
            (
                "2026-11-20 09:12:01 UTC [12] LOG:  checkpoint complete\n2026-11-20 09:12:02 UTC [12] STATEMENT:  SELECT 1",
                "the log of PostgreSQL",
            ),
            ("12:M 20 Nov 2026 09:12:01.118 * DB saved on disk", "the log of Redis"),
            ("0: : log file opened: /var/log/turn.log\n1: : session 001000000000000001: new", "the log of coturn"),
            ("server {\n  listen 80;\n}\n", "a configuration of nginx or another server"),
            ("server_name: example.org\nlisteners:\n  - port: 8008\n", "YAML, such as a configuration"),
        ] {
            assert_eq!(kind_of_text(&text.lines().map(str::as_bytes).collect::<Vec<_>>()), Some(kind), "{text}");
        }
        assert_eq!(kind_of_text(&[b"203.0.113.7 - - [x] \"GET / HTTP/1.1\" 200"]), None);
        assert_eq!(kind_of_text(&[]), None);
    }
}
