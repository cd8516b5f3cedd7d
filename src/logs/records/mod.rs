//! Exports whose records are not lines, made into one line for each record.
//!
//! ```text
//! UTF-16                                     -> UTF-8
//! journalctl -o export, -o verbose           -> the object that -o json writes
//! -o json-pretty, lists, Loki, CloudWatch    -> one object a line
//! CSV with a header                          -> one object a line
//! parts of a long line (container runtimes)  -> the line
//! ```
//!
//! The kind of a file is recognised by its first bytes, once; a plain log goes through untouched. Knows the containers, not what is in
//! them: the wrappers of `collectors` read the objects.
//!
//! Invariants: a record of several lines is followed by as many empty ones, so that numbers of lines stay those of the file; memory is
//! bounded by the longest record, at most [`RECORD_MAX`].

mod csv;
mod document;
mod journal;
mod parts;
mod utf16;

use std::io::{self, Read};

use crate::compression::Damage;

/// A longer record is no record: its bytes are passed on as they are.
const RECORD_MAX: usize = 16 << 20;
/// The byte order mark of UTF-8, which says nothing.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Bytes by which the kind is recognised.
const HEAD_BYTES: usize = 64 * 1024;

type Stream = Box<dyn Read + Send>;

/// The stream with one line for each record.
///
/// # Errors
/// The stream cannot be read at all.
pub fn open(mut stream: Stream) -> io::Result<Stream> {
    let mut head = vec![0; HEAD_BYTES];
    let mut len = 0;
    let mut error = None;
    while len < head.len() {
        match stream.read(&mut head[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) if len == 0 && Damage::of(&failure).is_none() => return Err(failure),
            Err(failure) => {
                error = Some(failure);
                break;
            }
        }
    }
    head.truncate(len);
    if head.starts_with(MARK) {
        head.drain(..MARK.len());
    }
    let utf16 = utf16::Order::of(&head);
    let peeked = Box::new(Peeked { head, at: 0, error, rest: stream });
    match utf16 {
        // The text may be an export in turn.
        Some(order) => open(Box::new(Rewritten::new(peeked, utf16::Decoder::new(order)))),
        None => Ok(lines_of_records(peeked)),
    }
}

fn lines_of_records(peeked: Box<Peeked>) -> Stream {
    let head = &peeked.head;
    if document::is_document(head) {
        Box::new(Rewritten::new(peeked, document::Document::default()))
    } else if journal::is_export(head) {
        Box::new(Rewritten::new(peeked, journal::Export::default()))
    } else if journal::is_verbose(head) {
        Box::new(Rewritten::new(peeked, journal::Verbose::default()))
    } else if csv::is_table(head) {
        Box::new(Rewritten::new(peeked, csv::Table::default()))
    } else if let Some(kind) = parts::Kind::of(head) {
        Box::new(Rewritten::new(peeked, parts::Parts::new(kind)))
    } else {
        peeked
    }
}

/// The kinds of records, for tests and fuzzing: what [`open`] would make of these bytes.
pub fn rewrite(bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    if let Ok(mut stream) = open(Box::new(io::Cursor::new(bytes.to_vec()))) {
        // A cursor gives no error.
        let _ = stream.read_to_end(&mut lines);
    }
    lines
}

/// A stream of which the first bytes were looked at.
struct Peeked {
    head: Vec<u8>,
    at: usize,
    /// What followed the head.
    error: Option<io::Error>,
    rest: Stream,
}

impl Read for Peeked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.head.get(self.at..).unwrap_or_default();
        if !bytes.is_empty() {
            let taken = bytes.len().min(buffer.len());
            buffer[..taken].copy_from_slice(&bytes[..taken]);
            self.at += taken;
            if self.at == self.head.len() {
                (self.head, self.at) = (Vec::new(), 0);
            }
            return Ok(taken);
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => self.rest.read(buffer),
        }
    }
}

/// Makes lines of records.
trait Rewriter: Send {
    /// Takes bytes in, and appends the lines of the records that are complete.
    fn feed(&mut self, bytes: &[u8], lines: &mut Vec<u8>);

    /// Appends what is left at the end.
    fn finish(&mut self, lines: &mut Vec<u8>);
}

/// A stream of rewritten lines.
struct Rewritten<W> {
    stream: Box<Peeked>,
    rewriter: W,
    input: Vec<u8>,
    output: Vec<u8>,
    at: usize,
    done: bool,
}

impl<W: Rewriter> Rewritten<W> {
    fn new(stream: Box<Peeked>, rewriter: W) -> Self {
        Self { stream, rewriter, input: vec![0; HEAD_BYTES], output: Vec::new(), at: 0, done: false }
    }
}

impl<W: Rewriter> Read for Rewritten<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.output.len() && !self.done {
            self.output.clear();
            self.at = 0;
            // An error is passed on; the stream may go on behind it.
            let read = self.stream.read(&mut self.input)?;
            if read == 0 {
                self.done = true;
                self.rewriter.finish(&mut self.output);
            } else {
                self.rewriter.feed(&self.input[..read], &mut self.output);
            }
        }
        let bytes = &self.output[self.at..];
        let taken = bytes.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&bytes[..taken]);
        self.at += taken;
        Ok(taken)
    }
}

/// Counts the lines of the file, so that a record is followed by as many empty lines as it has further ones.
#[derive(Debug, Default)]
struct LineCount {
    /// Line breaks read and not yet written; negative if several records were in one line.
    read: i64,
}

impl LineCount {
    /// Ends a record's line and pads it.
    fn end(&mut self, lines: &mut Vec<u8>) {
        let breaks = self.read.max(1);
        self.read -= breaks;
        lines.resize(lines.len() + usize::try_from(breaks).unwrap_or(1), b'\n');
    }

    /// Pads what precedes the first record or follows the last.
    fn pad(&mut self, lines: &mut Vec<u8>) {
        if let Ok(breaks) = usize::try_from(self.read) {
            lines.resize(lines.len() + breaks, b'\n');
            self.read = 0;
        }
    }

    fn add(&mut self, breaks: usize) {
        self.read = self.read.saturating_add_unsigned(breaks as u64);
    }
}

/// Appends a member of an object, with a comma if others precede.
fn member(object: &mut Vec<u8>, key: &str, value: &[u8]) {
    object.push(if object.is_empty() { b'{' } else { b',' });
    let value = String::from_utf8_lossy(value);
    for text in [key, &value] {
        // Writing into memory cannot fail.
        let _ = serde_json::to_writer(&mut *object, text);
        object.push(b':');
    }
    object.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(rewrite(bytes)).unwrap()
    }

    #[test]
    fn a_plain_log_goes_through_untouched() {
        for log in [
            &b""[..],
            b"a",
            b"a\nb\n",
            b"[24/Apr/2024:20:28:54 +0000] - 200\n",
            b"{\"a\":1}\n{\"b\":[2]}\n",
            b"\xff\x00x",
            b"[0] tag: [1, {\"log\"=>\"a\"}]\n",
            b"\x89PNG\r\n\x1a\n\0\0\0",
        ] {
            assert_eq!(rewrite(log), log, "{}", String::from_utf8_lossy(log));
        }
        let long = b"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000]\n".repeat(20_000);
        assert!(rewrite(&long) == long);
    }

    #[test]
    fn utf_16_is_read_in_both_orders_with_and_without_a_mark() {
        let log = "2026 é 🚀\r\nb\n";
        let units: Vec<u16> = log.encode_utf16().collect();
        for bytes in [
            units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>(),
            units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        ] {
            let mark: &[u8] = if bytes[0] == 0 { b"\xfe\xff" } else { b"\xff\xfe" };
            assert_eq!(text(&[mark, &bytes].concat()), log);
        }
        let long = "203.0.113.7 - - x\n".repeat(10);
        let bare: Vec<u8> = long.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&bare), long);
    }

    #[test]
    fn an_error_behind_the_first_bytes_is_passed_on_after_them() {
        struct Failing(Vec<io::Result<&'static [u8]>>);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() {
                    return Ok(0);
                }
                let bytes = self.0.remove(0)?;
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
        let mut stream = open(Box::new(Failing(vec![Ok(b"a\nb"), Err(io::Error::other("cut off"))]))).unwrap();
        let mut lines = Vec::new();
        assert_eq!(stream.read_to_end(&mut lines).unwrap_err().to_string(), "cut off");
        assert_eq!(lines, b"a\nb");
    }
}
