//! Cuts a byte stream into blocks of whole lines, which threads can parse in parallel.

use std::io::{self, Read};

/// Bytes in a block: large enough that the hand-over costs nothing, small enough for the second-level cache.
pub const BLOCK_BYTES: usize = 512 * 1024;

/// A physical line longer than this is cut and counted as malformed. Real request lines are much shorter.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

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
}

impl<R: Read> Blocks<R> {
    /// Blocks of `stream`, counting lines from 1.
    pub fn new(stream: R) -> Self {
        Self::sized(stream, BLOCK_BYTES)
    }

    /// As [`Self::new`] with another block size in bytes, at least 1.
    pub fn sized(stream: R, block_bytes: usize) -> Self {
        Self { stream, block_bytes: block_bytes.max(1), rest: Vec::new(), line: 1, done: false }
    }

    /// The next block; `None` at the end. On an error the bytes read before it are delivered first, then the error once.
    /// `reuse` is the buffer of an earlier block, or an empty one.
    pub fn next_block(&mut self, reuse: Vec<u8>) -> io::Result<Option<Block>> {
        let mut buffer = reuse;
        let mut len = self.rest.len();
        grow(&mut buffer, self.block_bytes.max(len));
        buffer[..len].copy_from_slice(&self.rest);
        self.rest.clear();
        loop {
            let wanted = self.block_bytes.max(len + self.block_bytes.div_ceil(2));
            let before = len;
            grow(&mut buffer, wanted);
            let outcome = if self.done { Ok(()) } else { self.fill(&mut buffer[..wanted], &mut len) };
            if let Err(error) = outcome {
                if len == 0 {
                    self.done = true;
                    return Err(error);
                }
                // Deliver the bytes read; the stream will repeat its error or be at its end.
                return Ok(Some(self.block(buffer, len, false)));
            }
            if self.done {
                return Ok((len > 0).then(|| self.block(buffer, len, false)));
            }
            if let Some(end) = memchr::memrchr(b'\n', &buffer[before..len]) {
                let end = before + end + 1;
                self.rest.extend_from_slice(&buffer[end..len]);
                return Ok(Some(self.block(buffer, end, false)));
            }
            if len > LINE_BYTES_MAX {
                self.skip_line()?;
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
        let mut piece = Vec::new();
        loop {
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
        while let Some(block) = blocks.next_block(used).unwrap() {
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

    #[test]
    fn a_read_error_follows_the_bytes_before_it() {
        struct Broken(u8);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 > 1 {
                    return Err(io::Error::other("cut off"));
                }
                buffer[..4].copy_from_slice(b"a\nb\n");
                Ok(4)
            }
        }
        let mut blocks = Blocks::new(Broken(0));
        assert_eq!(blocks.next_block(Vec::new()).unwrap().unwrap().lines, 2);
        assert!(blocks.next_block(Vec::new()).is_err());
        assert!(blocks.next_block(Vec::new()).unwrap().is_none());
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
