//! `journalctl -o export` and `-o verbose`: entries of several lines, made into the objects of `-o json`.
//!
//! Source: systemd's "Journal Export Formats" (docs/JOURNAL_EXPORT_FORMATS.md) and `src/shared/logs-show.c`.

use super::{LineCount, RECORD_MAX, Rewriter, member};

/// The fields that are of use; the others are dropped.
const FIELDS: [&str; 7] = [
    "MESSAGE",
    "SYSLOG_IDENTIFIER",
    "_SYSTEMD_UNIT",
    "CONTAINER_NAME",
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "SYSLOG_TIMESTAMP",
];

fn field(name: &[u8]) -> Option<&'static str> {
    FIELDS.into_iter().find(|known| known.as_bytes() == name)
}

/// Whether a file begins as an export does.
pub(super) fn is_export(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    [&b"__CURSOR=s="[..], b"__REALTIME_TIMESTAMP=", b"__CURSOR=i="].into_iter().any(|start| head.starts_with(start))
}

/// Whether a file begins as verbose output does: a clock and a cursor, then indented fields.
pub(super) fn is_verbose(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"-- "));
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return false };
    let is_field = |line: &[u8]| {
        line.strip_prefix(b"    ")
            .is_some_and(|line| line.first().is_some_and(|byte| byte.is_ascii_uppercase() || *byte == b'_') && line.contains(&b'='))
    };
    header(first).is_some() && is_field(second)
}

/// The clock in `Fri 2022-03-25 11:54:18.280123 UTC [s=…;i=1;…]`.
fn header(line: &[u8]) -> Option<&[u8]> {
    let open = memchr::memmem::find(line, b" [s=")?;
    (open < 64 && line.first().is_some_and(u8::is_ascii_uppercase)).then(|| &line[..open])
}

/// Reads the export format.
#[derive(Debug, Default)]
pub(super) struct Export {
    pending: Vec<u8>,
    entry: Vec<u8>,
    count: LineCount,
}

impl Export {
    /// Reads one field, or the end of an entry, at the start of `bytes`; the number of bytes used, `None` if more are needed.
    fn one(&mut self, bytes: &[u8], lines: &mut Vec<u8>) -> Option<usize> {
        let end = memchr::memchr(b'\n', bytes)?;
        let line = &bytes[..end];
        if line.is_empty() {
            self.count.add(1);
            self.end_entry(lines);
            return Some(1);
        }
        if let Some(equals) = memchr::memchr(b'=', line) {
            self.count.add(1);
            self.add(&line[..equals], &line[equals + 1..]);
            return Some(end + 1);
        }
        // A name alone: the length of the value, the value, a line break.
        let size: [u8; 8] = bytes.get(end + 1..end + 9)?.try_into().ok()?;
        let Ok(size) = usize::try_from(u64::from_le_bytes(size)).map(|size| size.min(RECORD_MAX + 1)) else { return Some(end + 1) };
        if size > RECORD_MAX {
            self.count.add(1);
            return Some(end + 1);
        }
        let start = end + 9;
        let value = bytes.get(start..start + size)?;
        bytes.get(start + size)?;
        self.count.add(2 + memchr::memchr_iter(b'\n', value).count());
        self.add(line, value);
        Some(start + size + 1)
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        if let Some(name) = field(name) {
            member(&mut self.entry, name, value);
        }
    }

    fn end_entry(&mut self, lines: &mut Vec<u8>) {
        if !self.entry.is_empty() {
            lines.append(&mut self.entry);
            lines.push(b'}');
            self.count.end(lines);
        }
    }
}

impl Rewriter for Export {
    fn feed(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(used) = self.one(&pending[at..], lines) {
            at += used;
        }
        pending.drain(..at);
        if pending.len() > 2 * RECORD_MAX {
            pending.clear();
        }
        self.pending = pending;
    }

    fn finish(&mut self, lines: &mut Vec<u8>) {
        if let Some(equals) = memchr::memchr(b'=', &self.pending) {
            let pending = std::mem::take(&mut self.pending);
            self.add(&pending[..equals], &pending[equals + 1..]);
        }
        self.end_entry(lines);
        self.count.pad(lines);
    }
}

/// Reads verbose output.
#[derive(Debug, Default)]
pub(super) struct Verbose {
    pending: Vec<u8>,
    entry: Vec<u8>,
    /// The field that further lines continue.
    open: Option<(&'static str, Vec<u8>)>,
    count: LineCount,
}

impl Verbose {
    fn line(&mut self, line: &[u8], lines: &mut Vec<u8>) {
        if let Some(clock) = header(line) {
            self.end_entry(lines);
            member(&mut self.entry, "time", clock);
        } else if let Some(text) = line.strip_prefix(b"    ") {
            let name_len = text.iter().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_').count();
            if name_len > 0 && text.get(name_len) == Some(&b'=') {
                self.end_field();
                self.open = field(&text[..name_len]).map(|name| (name, text[name_len + 1..].to_vec()));
            } else if let Some((_, value)) = &mut self.open
                && value.len() < RECORD_MAX
            {
                value.push(b'\n');
                value.extend_from_slice(text);
            }
        }
        self.count.add(1);
    }

    fn end_field(&mut self) {
        if let Some((name, value)) = self.open.take() {
            member(&mut self.entry, name, &value);
        }
    }

    fn end_entry(&mut self, lines: &mut Vec<u8>) {
        self.end_field();
        if self.entry.is_empty() {
            self.count.pad(lines);
        } else {
            lines.append(&mut self.entry);
            lines.push(b'}');
            self.count.end(lines);
        }
    }
}

impl Rewriter for Verbose {
    fn feed(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &pending[at..]) {
            self.line(&pending[at..at + end], lines);
            at += end + 1;
        }
        pending.drain(..at);
        if pending.len() > RECORD_MAX {
            pending.clear();
        }
        self.pending = pending;
    }

    fn finish(&mut self, lines: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            self.line(&rest, lines);
        }
        self.end_entry(lines);
        self.count.pad(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewrite;

    fn lines(text: &[u8]) -> Vec<String> {
        String::from_utf8(rewrite(text)).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_entry_of_the_export_is_one_object_and_keeps_its_lines() {
        let mut export =
            b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1648209258280123\n_SYSTEMD_UNIT=matrix-synapse.service\nMESSAGE=a \"b\"\n_PID=7\n\n"
                .to_vec();
        export.extend_from_slice(b"__CURSOR=s=1;i=3\n__REALTIME_TIMESTAMP=1648209258280124\nMESSAGE\n");
        export.extend_from_slice(&5u64.to_le_bytes());
        export.extend_from_slice(b"c\n=\nd\n\n");
        let found = lines(&export);
        assert_eq!(found[0], r#"{"__REALTIME_TIMESTAMP":"1648209258280123","_SYSTEMD_UNIT":"matrix-synapse.service","MESSAGE":"a \"b\""}"#);
        assert_eq!(found[6], r#"{"__REALTIME_TIMESTAMP":"1648209258280124","MESSAGE":"c\n=\nd"}"#);
        assert!(found.iter().enumerate().all(|(at, line)| line.is_empty() || at == 0 || at == 6), "{found:?}");
        // Cut off within a value.
        assert_eq!(lines(&export[..export.len() - 4]).iter().filter(|line| !line.is_empty()).count(), 2);
    }

    #[test]
    fn an_entry_of_verbose_output_is_one_object() {
        let verbose = b"-- Journal begins at Fri 2022-03-25 --\nFri 2022-03-25 11:54:18.280123 UTC [s=1;i=2;b=3]\n    PRIORITY=6\n    SYSLOG_IDENTIFIER=synapse\n    MESSAGE=a\n            b\n    _PID=7\nFri 2022-03-25 11:54:19.280123 UTC [s=1;i=3;b=3]\n    MESSAGE=c\n";
        let found = lines(verbose);
        assert_eq!(found.len(), 9);
        assert_eq!(
            found[1],
            "{\"time\":\"Fri 2022-03-25 11:54:18.280123 UTC\",\"SYSLOG_IDENTIFIER\":\"synapse\",\"MESSAGE\":\"a\\n        b\"}"
        );
        assert_eq!(found[7], r#"{"time":"Fri 2022-03-25 11:54:19.280123 UTC","MESSAGE":"c"}"#);
    }
}
