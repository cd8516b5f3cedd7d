//! Cuts a byte stream into blocks of whole lines, which threads can parse in parallel.

use std::io::{self, Read};

use super::compression::Damage;

/// Bytes in a block: large enough that the hand-over costs nothing, small enough for the second-level cache.
pub const BLOCK_BYTES: usize = 512 * 1024;

/// A physical line longer than this is cut and counted as malformed. Real request lines are much shorter.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The rest of an overlong line is dropped up to this length. Beyond it the stream is no log and may have no end (`/dev/zero`).
const DROPPED_BYTES_MAX: u64 = 256 << 20;

/// A block of whole lines.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Longer than its content, so that it can be reused without being cleared.
    buffer: Vec<u8>,
    len: usize,
    /// Number of the first line, from 1.
    pub first_line: u64,
    pub lines: u64,
    /// The block is the start of one line longer than [`LINE_BYTES_MAX`]; the rest of the line is dropped.
    pub cut: bool,
}

impl Block {
    /// The lines with their terminators; only the last line of a stream may have none.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// The buffer, for reuse in [`Blocks::next_block`].
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

/// Reads blocks from a stream.
#[derive(Debug)]
pub struct Blocks<R> {
    stream: R,
    block_bytes: usize,
    rest: Vec<u8>,
    line: u64,
    done: bool,
    /// The rest of an overlong line is to be dropped before the next block.
    overlong: bool,
    /// An error whose bytes before it have been delivered.
    error: Option<io::Error>,
}

impl<R: Read> Blocks<R> {
    /// Blocks of `stream`, counting lines from 1.
    pub fn new(stream: R) -> Self {
        Self::sized(stream, BLOCK_BYTES)
    }

    /// As [`Self::new`] with another block size in bytes, at least 1.
    pub fn sized(stream: R, block_bytes: usize) -> Self {
        Self { stream, block_bytes: block_bytes.max(1), rest: Vec::new(), line: 1, done: false, overlong: false, error: None }
    }

    /// Whole lines delivered so far.
    pub fn lines(&self) -> u64 {
        self.line - 1
    }

    /// The error that follows the last block, if one was met.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// The next block; `None` at the end. On an error the whole lines read before it are delivered first, then the error once; the
    /// start of a line that the error cuts off is dropped, because it would be read as another line than was written. After an error
    /// the stream is at its end, unless the error is a [`Damage`] that goes on. `reuse` is the buffer of an earlier block, or an
    /// empty one; a block takes it.
    pub fn next_block(&mut self, reuse: &mut Vec<u8>) -> io::Result<Option<Block>> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.overlong
            && let Err(error) = self.skip_line()
        {
            self.done = true;
            return Err(error);
        }
        if self.done && self.rest.is_empty() {
            return Ok(None);
        }
        let mut len = self.rest.len();
        let mut buffer = std::mem::take(reuse);
        grow(&mut buffer, self.block_bytes.max(len));
        buffer[..len].copy_from_slice(&self.rest);
        self.rest.clear();
        loop {
            let wanted = self.block_bytes.max(len + self.block_bytes.div_ceil(2));
            let before = len;
            grow(&mut buffer, wanted);
            let outcome = if self.done { Ok(()) } else { self.fill(&mut buffer[..wanted], &mut len) };
            let failed = outcome.is_err();
            if let Err(error) = outcome {
                self.done = !Damage::of(&error).is_some_and(|damage| damage.goes_on);
                self.error = Some(error);
            } else if self.done {
                if len == 0 {
                    *reuse = buffer;
                    return Ok(None);
                }
                return Ok(Some(self.block(buffer, len, false)));
            }
            if let Some(end) = memchr::memrchr(b'\n', &buffer[before..len]) {
                let end = before + end + 1;
                if !(failed && self.done) {
                    self.rest.extend_from_slice(&buffer[end..len]);
                }
                return Ok(Some(self.block(buffer, end, false)));
            }
            if let Some(error) = self.error.take() {
                if !self.done {
                    self.rest.extend_from_slice(&buffer[..len]);
                }
                return Err(error);
            }
            if len > LINE_BYTES_MAX {
                self.overlong = true;
                return Ok(Some(self.block(buffer, len, true)));
            }
        }
    }

    fn block(&mut self, buffer: Vec<u8>, len: usize, cut: bool) -> Block {
        let bytes = &buffer[..len];
        let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
        let lines = if cut { 1 } else { ends + u64::from(bytes.last().is_some_and(|&b| b != b'\n')) };
        let first_line = self.line;
        self.line += lines;
        Block { buffer, len, first_line, lines, cut }
    }

    /// Reads until `buffer` is full or the stream ends; its first `len` bytes are in use.
    fn fill(&mut self, buffer: &mut [u8], len: &mut usize) -> io::Result<()> {
        while *len < buffer.len() {
            match self.stream.read(&mut buffer[*len..]) {
                Ok(0) => {
                    self.done = true;
                    break;
                }
                Ok(read) => *len += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Drops the rest of an overlong line.
    fn skip_line(&mut self) -> io::Result<()> {
        self.overlong = false;
        let mut piece = Vec::new();
        let mut dropped = 0;
        loop {
            dropped += piece.len() as u64;
            if dropped > DROPPED_BYTES_MAX {
                return Err(io::Error::other(format!("line {} has no end within 256 MiB, so this is no log", self.lines())));
            }
            piece.clear();
            if self.stream.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut piece)? == 0 {
                self.done = true;
                return Ok(());
            }
            if let Some(end) = memchr::memchr(b'\n', &piece) {
                self.rest.extend_from_slice(&piece[end + 1..]);
                return Ok(());
            }
        }
    }
}

/// Extends the buffer. Bytes that it had before are not cleared, which would cost as much as reading.
fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

/// The lines of a block without `\n` or `\r\n`.
pub fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let line = match memchr::memchr(b'\n', rest) {
            Some(end) => {
                let line = &rest[..end];
                rest = &rest[end + 1..];
                line
            }
            None => std::mem::take(&mut rest),
        };
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, u64, usize) {
        read_sized(bytes, BLOCK_BYTES)
    }

    fn read_sized(bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, u64, usize) {
        let mut blocks = Blocks::sized(bytes, size);
        let (mut found, mut total, mut cut) = (Vec::new(), 0, 0);
        let mut used = Vec::new();
        while let Some(block) = blocks.next_block(&mut used).unwrap() {
            assert_eq!(block.first_line, total + 1);
            total += block.lines;
            cut += usize::from(block.cut);
            found.extend(lines(block.bytes()).map(<[u8]>::to_vec));
            used = block.into_buffer();
        }
        (found, total, cut)
    }

    #[test]
    fn long_lines_are_whole_and_overlong_ones_are_cut_once() {
        let long = vec![b'x'; 2 * BLOCK_BYTES + 7];
        let text = [b"a\n".as_slice(), &long, b"\r\nb"].concat();
        let (found, total, cut) = read_all(&text);
        assert_eq!((found.len(), total, cut), (3, 3, 0));
        assert_eq!(found[1], long);
        let endless = vec![b'x'; 3 * LINE_BYTES_MAX];
        let (found, total, cut) = read_all(&[b"a\n".as_slice(), &endless, b"\nlast\n"].concat());
        assert_eq!((found.len(), total, cut), (3, 3, 1));
        assert_eq!(found[2], b"last");
    }

    /// A stream of these pieces and errors.
    struct Pieces(Vec<io::Result<&'static [u8]>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0)?;
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn an_error_follows_the_whole_lines_before_it_and_is_told_once() {
        // Decoders report a damage once and are then at their end.
        let cut_off = || Err(io::Error::other("cut off"));
        for pieces in [vec![Ok(&b"a\nb\nfragm"[..]), cut_off()], vec![Ok(&b"a\n"[..]), Ok(b"b\n"), cut_off(), Ok(b"never\n")]] {
            let mut blocks = Blocks::new(Pieces(pieces));
            assert_eq!(blocks.next_block(&mut Vec::new()).unwrap().unwrap().bytes(), b"a\nb\n");
            assert_eq!(blocks.next_block(&mut Vec::new()).unwrap_err().to_string(), "cut off");
            assert!(blocks.next_block(&mut Vec::new()).unwrap().is_none());
            assert_eq!(blocks.lines(), 2);
        }
        let mut blocks = Blocks::new(Pieces(vec![Ok(b"no line"), cut_off()]));
        assert!(blocks.next_block(&mut Vec::new()).is_err() && blocks.next_block(&mut Vec::new()).unwrap().is_none());
    }

    #[test]
    fn lines_go_on_behind_a_damage_that_goes_on() {
        let damage = || Err(Damage::new("wrong checksum", 7, true).into());
        let mut blocks = Blocks::new(Pieces(vec![Ok(b"a\nb"), damage(), Ok(b"c\nd\n"), damage()]));
        assert_eq!(blocks.next_block(&mut Vec::new()).unwrap().unwrap().bytes(), b"a\n");
        assert!(blocks.next_block(&mut Vec::new()).is_err());
        assert_eq!(blocks.next_block(&mut Vec::new()).unwrap().unwrap().bytes(), b"bc\nd\n");
        assert!(blocks.next_block(&mut Vec::new()).is_err());
        assert!(blocks.next_block(&mut Vec::new()).unwrap().is_none());
        assert_eq!(blocks.lines(), 3);
    }

    #[test]
    fn a_line_without_end_ends_the_stream() {
        let mut blocks = Blocks::new(io::repeat(0));
        let first = blocks.next_block(&mut Vec::new()).unwrap().unwrap();
        assert!(first.cut && first.lines == 1);
        assert!(blocks.next_block(&mut Vec::new()).unwrap_err().to_string().contains("no end"));
        assert!(blocks.next_block(&mut Vec::new()).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn no_line_is_lost(text in "[ab\n]{0,200}", size in 1usize..40) {
            let (found, total, _) = read_sized(text.as_bytes(), size);
            let expected: Vec<&[u8]> = if text.is_empty() { vec![] } else {
                let body = text.strip_suffix('\n').unwrap_or(&text);
                body.split('\n').map(str::as_bytes).collect()
            };
            prop_assert_eq!(total, expected.len() as u64);
            prop_assert_eq!(found, expected);
        }
    }
}
