//! Long lines that container runtimes write in parts, put together again.
//!
//! Source: containerd and CRI-O write parts of 16 KiB with the tag `P`, the last with `F` (kubernetes/design-proposals-archive,
//! kubelet-cri-logging.md); Docker's json-file writes parts of 16 KiB without a line break at the end of `log`.

use std::collections::BTreeMap;

use super::{RECORD_MAX, Rewriter};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Cri,
    Docker,
}

impl Kind {
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if cri(first).is_some() {
            return Some(Self::Cri);
        }
        docker(first).is_some().then_some(Self::Docker)
    }

    fn split(self, line: &[u8]) -> Option<Part<'_>> {
        match self {
            Self::Cri => cri(line),
            Self::Docker => docker(line),
        }
    }
}

/// A line of a runtime.
struct Part<'a> {
    head: &'a [u8],
    text: &'a [u8],
    tail: &'a [u8],
    stream: &'a [u8],
    is_last: bool,
}

/// `2026-01-02T15:04:05.123456789Z stdout P text`
fn cri(line: &[u8]) -> Option<Part<'_>> {
    let space = memchr::memchr(b' ', &line[..line.len().min(40)]).filter(|space| *space >= 20)?;
    let stream = line.get(space + 1..space + 7).filter(|stream| matches!(*stream, b"stdout" | b"stderr"))?;
    (line[4] == b'-' && line[10] == b'T' && line.get(space + 7) == Some(&b' ')).then_some(())?;
    let is_last = match line.get(space + 8)? {
        b'F' => true,
        b'P' => false,
        _ => return None,
    };
    let behind = memchr::memchr(b' ', &line[space + 8..])? + space + 9;
    let (head, text) = line.split_at(behind);
    Some(Part { head, text, tail: b"", stream, is_last })
}

/// `{"log":"text\n","stream":"stdout",…}`
fn docker(line: &[u8]) -> Option<Part<'_>> {
    let text = line.strip_prefix(b"{\"log\":\"")?;
    let end = memchr::memmem::rfind(text, b"\",\"stream\":\"std")?;
    let (text, tail) = text.split_at(end);
    let stream = tail.get(12..18)?;
    Some(Part { head: &line[..8], text, tail, stream, is_last: text.ends_with(b"\\n") })
}

/// Puts parts together. The other lines of a file go through as they are.
#[derive(Debug)]
pub(super) struct Parts {
    kind: Kind,
    pending: Vec<u8>,
    /// The parts of a line that is not complete, by stream.
    open: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Parts {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, pending: Vec::new(), open: BTreeMap::new() }
    }

    /// Rewrites a line with its line break, if there is one.
    fn line(&mut self, line: &[u8], lines: &mut Vec<u8>) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let Some(part) = self.kind.split(text).filter(|part| !part.is_last || !self.open.is_empty()) else {
            return lines.extend_from_slice(line);
        };
        if !part.is_last {
            let open = self.open.entry(part.stream.to_vec()).or_default();
            if open.len() < RECORD_MAX {
                open.extend_from_slice(part.text);
            }
            // The line of the part is left empty, so that numbers of lines stay.
            return lines.extend_from_slice(&line[text.len()..]);
        }
        let before = self.open.remove(part.stream).unwrap_or_default();
        for piece in [part.head, &before, part.text, part.tail, &line[text.len()..]] {
            lines.extend_from_slice(piece);
        }
    }
}

impl Rewriter for Parts {
    fn feed(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        let mut rest = bytes;
        if !self.pending.is_empty() {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.pending.extend_from_slice(rest);
                if self.pending.len() > RECORD_MAX {
                    lines.append(&mut self.pending);
                }
                return;
            };
            let mut line = std::mem::take(&mut self.pending);
            line.extend_from_slice(&rest[..=end]);
            self.line(&line, lines);
            rest = &rest[end + 1..];
        }
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line(&rest[..=end], lines);
            rest = &rest[end + 1..];
        }
        self.pending.extend_from_slice(rest);
    }

    fn finish(&mut self, lines: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.pending);
        self.line(&rest, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewrite;

    #[test]
    fn parts_of_each_stream_are_one_line_at_the_place_of_the_last() {
        let log = b"2026-01-02T15:04:05.123456789Z stdout P ab\n2026-01-02T15:04:05.2Z stderr F x\n2026-01-02T15:04:05.123456789Z stdout P c\n2026-01-02T15:04:06Z stdout F d\n2026-01-02T15:04:07Z stdout F e";
        assert_eq!(
            rewrite(log),
            b"\n2026-01-02T15:04:05.2Z stderr F x\n\n2026-01-02T15:04:06Z stdout F abcd\n2026-01-02T15:04:07Z stdout F e"
        );
        let log = br#"{"log":"a\"b","stream":"stdout","time":"1"}
{"log":"c\n","stream":"stdout","time":"2"}
"#;
        assert_eq!(rewrite(log), b"\n{\"log\":\"a\\\"bc\\n\",\"stream\":\"stdout\",\"time\":\"2\"}\n");
    }
}
