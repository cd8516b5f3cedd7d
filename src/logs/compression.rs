//! Compressed logs, recognised by their first bytes; the name only tells what the file should have been.
//!
//! Owns decompression and its damages: wherever `gzip -t`, `zstd -t`, `xz -t` or `bzip2 -t` reports an error, reading the stream
//! returns a [`Damage`] that says what is wrong and at which byte. Knows nothing of lines. Invariant: bytes that were decompressed
//! before a damage are delivered before its error, except for those of the last [`PIECE_BYTES`].

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use super::input::InputError;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstandard,
    /// The .xz file format.
    Xz,
    Bzip2,
}

impl Compression {
    /// Reads the magic number. Six bytes are enough.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstandard,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The compression that a file's name promises.
    pub fn of_name(name: &str) -> Self {
        ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map_or(Self::None, |(_, compression)| *compression)
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "not compressed",
            Self::Gzip => "gzip",
            Self::Zstandard => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// What is wrong with a file of this name whose content is compressed as `self`; `None` if they agree or the name promises nothing.
    pub fn contradicts(self, name: &str, is_empty: bool) -> Option<String> {
        let promised = Self::of_name(name);
        match (promised, self) {
            (Self::None, _) => None,
            (promised, content) if promised == content => None,
            (promised, _) if is_empty => {
                Some(format!("empty, although the name promises {}, which has a header at least", promised.name()))
            }
            (promised, Self::None) => Some(format!("not {}, although the name promises it: read as it is", promised.name())),
            (promised, content) => {
                Some(format!("{}, although the name promises {}: read as {}", content.name(), promised.name(), content.name()))
            }
        }
    }
}

/// Endings of compressed logs' names.
pub(crate) const ENDINGS: [(&str, Compression); 4] =
    [(".gz", Compression::Gzip), (".zst", Compression::Zstandard), (".xz", Compression::Xz), (".bz2", Compression::Bzip2)];

/// A compressed file that is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at byte {offset} of the compressed file")]
pub struct Damage {
    what: String,
    /// Bytes of the compressed file that precede the damage, or the place where it was noticed.
    pub offset: u64,
    /// The stream can be read on behind the damage.
    pub goes_on: bool,
}

impl Damage {
    pub(crate) fn new(what: impl Into<String>, offset: u64, goes_on: bool) -> Self {
        Self { what: what.into(), offset, goes_on }
    }

    /// The damage that an error of a stream reports, if it reports one.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}

/// The decompressed stream. Files of several compressed members (logrotate appending, `pigz`, `cat a.gz b.gz`) are read to their
/// end. After an error the stream is at its end, unless the error is a [`Damage`] that goes on.
pub fn open<R: Read + Send + 'static>(mut raw: R) -> io::Result<(Compression, Box<dyn Read + Send>)> {
    let mut start = [0u8; 6];
    let mut filled = 0;
    while filled < start.len() {
        match raw.read(&mut start[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let compression = Compression::of(&start[..filled]);
    let whole: Chain<Cursor<Vec<u8>>, R> = Cursor::new(start[..filled].to_vec()).chain(raw);
    let (input, consumed) = Input::new(whole);
    let checked = |decoder| -> Box<dyn Read + Send> { Box::new(Checked { decoder, compression, consumed, done: false }) };
    Ok((
        compression,
        match compression {
            Compression::None => Box::new(input.inner.into_inner()),
            Compression::Gzip => checked(Box::new(Gzip { member: None, input: Some(input), members: 0 })),
            Compression::Zstandard => checked(Box::new(zstd::stream::read::Decoder::with_buffer(input)?)),
            Compression::Xz => checked(Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(input))),
            Compression::Bzip2 => checked(Box::new(bzip2::bufread::MultiBzDecoder::new(input))),
        },
    ))
}

/// The compressed bytes, of which those that the decoder has used are counted.
struct Input<R> {
    inner: BufReader<R>,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Input<R> {
    fn new(raw: R) -> (Self, Arc<AtomicU64>) {
        let consumed = Arc::new(AtomicU64::new(0));
        (Self { inner: BufReader::with_capacity(128 * 1024, raw), consumed: Arc::clone(&consumed) }, consumed)
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.consumed.fetch_add(amount as u64, Ordering::Relaxed);
    }
}

/// Turns what a decoder says into a [`Damage`] with its place.
struct Checked {
    decoder: Box<dyn Read + Send>,
    compression: Compression,
    consumed: Arc<AtomicU64>,
    done: bool,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done {
            return Ok(0);
        }
        let piece = buffer.len().min(PIECE_BYTES);
        let error = match self.decoder.read(&mut buffer[..piece]) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => error,
            other => return other,
        };
        let wrong = error.get_ref().and_then(|inner| inner.downcast_ref::<Wrong>());
        self.done = wrong.is_none_or(|wrong| !wrong.goes_on());
        // Errors of the system and interruptions are no damages of the compressed data.
        if wrong.is_none() && (error.raw_os_error().is_some() || InputError::of(&error).is_some()) {
            return Err(error);
        }
        let name = self.compression.name();
        let what = match wrong {
            Some(wrong) => wrong.to_string(),
            None if error.kind() == io::ErrorKind::UnexpectedEof => format!("the {name} data end too early"),
            None => format!("the {name} data are damaged ({error})"),
        };
        Err(Damage::new(what, self.consumed.load(Ordering::Relaxed), !self.done).into())
    }
}

/// What can be wrong with gzip members apart from their data.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Wrong {
    #[error("wrong checksum or length of a gzip member, whose lines may be wrong")]
    Checksum,
    #[error("zeros between two gzip members")]
    Zeros,
    #[error("bytes after the last gzip member that are no gzip")]
    Garbage,
}

impl Wrong {
    /// Where the next member begins is known.
    fn goes_on(self) -> bool {
        !matches!(self, Self::Garbage)
    }
}

impl From<Wrong> for io::Error {
    fn from(wrong: Wrong) -> Self {
        Self::new(io::ErrorKind::InvalidData, wrong)
    }
}

/// The members of a gzip file. A decoder of its own for each, because the library's decoder of several skips all members after a
/// wrong checksum, and takes the zeros that may follow the last member for one.
struct Gzip<R> {
    member: Option<GzDecoder<Input<R>>>,
    /// `None` while a member is read.
    input: Option<Input<R>>,
    members: u64,
}

impl<R: Read> Gzip<R> {
    /// Opens the next member; false at the end of the file.
    fn next_member(&mut self, mut input: Input<R>) -> io::Result<bool> {
        if self.members > 0 {
            let (zeros, next) = match skip_zeros(&mut input) {
                Ok(found) => found,
                Err(error) => {
                    self.input = Some(input);
                    return Err(error);
                }
            };
            match next {
                None => {
                    self.input = Some(input);
                    return Ok(false);
                }
                Some(0x1f) if zeros => {
                    self.members = 0; // so that the next call opens a member
                    self.input = Some(input);
                    return Err(Wrong::Zeros.into());
                }
                Some(0x1f) => {}
                Some(_) => {
                    self.input = Some(input);
                    return Err(Wrong::Garbage.into());
                }
            }
        }
        self.members += 1;
        self.member = Some(GzDecoder::new(input));
        Ok(true)
    }
}

/// Skips zeros: whether there was one, and the byte behind them.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<(bool, Option<u8>)> {
    let mut zeros = false;
    loop {
        let bytes = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let (len, skipped) = (bytes.len(), bytes.iter().take_while(|byte| **byte == 0).count());
        let next = bytes.get(skipped).copied();
        zeros |= skipped > 0;
        input.consume(skipped);
        if next.is_some() || len == 0 {
            return Ok((zeros, next));
        }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(input) = self.input.take()
                && !self.next_member(input)?
            {
                return Ok(0);
            }
            let Some(member) = &mut self.member else { return Ok(0) };
            let error = match member.read(buffer) {
                Ok(0) if !buffer.is_empty() => None,
                // The whole trailer has been read; the decoder reports nothing else as invalid input behind the data.
                Err(error) if member.header().is_some() && error.to_string().contains("matching checksum") => Some(Wrong::Checksum),
                other => return other,
            };
            self.input = self.member.take().map(GzDecoder::into_inner);
            if let Some(wrong) = error {
                return Err(wrong.into());
            }
        }
    }
}

/// Bytes that are decompressed at once. The libraries do not say how many of them were good when they find a damage.
const PIECE_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What was read, and the damages on the way.
    fn read(bytes: &[u8]) -> (Vec<u8>, Vec<Damage>) {
        let (_, mut stream) = open(Cursor::new(bytes.to_vec())).unwrap();
        let (mut text, mut damages) = (Vec::new(), Vec::new());
        while let Err(error) = stream.read_to_end(&mut text) {
            let damage = Damage::of(&error).unwrap_or_else(|| panic!("{error}")).clone();
            let goes_on = damage.goes_on;
            damages.push(damage);
            if !goes_on {
                break;
            }
        }
        (text, damages)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let mut writer = zstd::Encoder::new(Vec::new(), 1).unwrap();
        writer.include_checksum(true).unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn bzip2(text: &[u8]) -> Vec<u8> {
        let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    type Compress = fn(&[u8]) -> Vec<u8>;

    const ALL: [(&str, Compress); 4] = [("gzip", gzip), ("zstd", zstd), ("xz", xz), ("bzip2", bzip2)];

    /// Lines that do not compress to nothing, so that damages have room.
    fn lines(count: u64) -> Vec<u8> {
        (0..count).flat_map(|n| format!("{n} {:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes()).collect()
    }

    #[test]
    fn each_compression_is_recognised_by_content_and_read_to_its_last_member() {
        let text = lines(500);
        for (name, compress) in ALL {
            let twice = [compress(&text[..99]), compress(&text[99..])].concat();
            assert_eq!(open(Cursor::new(twice.clone())).unwrap().0.name(), name);
            assert_eq!(read(&twice), (text.clone(), Vec::new()), "{name}");
            assert_eq!(read(&compress(b"")), (Vec::new(), Vec::new()), "{name}");
        }
        assert_eq!(read(&text), (text.clone(), Vec::new()));
        assert_eq!(read(b"x"), (b"x".to_vec(), Vec::new()));
    }

    #[test]
    fn a_member_with_a_wrong_checksum_is_reported_and_later_members_are_read() {
        let text = lines(2000);
        let mut first = gzip(&text[..9000]);
        let end = first.len();
        for wrong in [end - 8, end - 1] {
            first[wrong] ^= 1;
            let (found, damages) = read(&[first.clone(), gzip(&text[9000..])].concat());
            assert!(found == text, "{} of {} bytes", found.len(), text.len());
            assert_eq!(damages.len(), 1);
            assert_eq!(damages[0].offset, end as u64);
            assert!(damages[0].to_string().contains("checksum"), "{}", damages[0]);
            first[wrong] ^= 1;
        }
    }

    #[test]
    fn zeros_may_follow_the_last_gzip_member_and_nothing_else() {
        let text = lines(100);
        let after = |rest: &[u8]| read(&[gzip(&text), rest.to_vec()].concat());
        assert_eq!(after(&[0; 1000]), (text.clone(), Vec::new()));
        for (rest, word) in [(&b"garbage"[..], "no gzip"), (b"\0\0x", "no gzip"), (b"\x1f", "too early"), (b"\x1f\x8c1234567890", "header")]
        {
            let (found, damages) = after(rest);
            assert_eq!(found, text);
            assert!(damages.len() == 1 && damages[0].to_string().contains(word), "{rest:?}: {damages:?}");
        }
        let (found, damages) = after(&[vec![0; 8], gzip(&text)].concat());
        assert_eq!(found, [text.clone(), text.clone()].concat(), "the member behind the zeros is read");
        assert!(damages.len() == 1 && damages[0].to_string().contains("zeros"), "{damages:?}");
    }

    #[test]
    fn a_name_is_a_promise_about_the_content() {
        assert_eq!(Compression::Gzip.contradicts("a.log.1.gz", false), None);
        assert_eq!(Compression::Gzip.contradicts("a.log.1", false), None);
        assert_eq!(Compression::None.contradicts("a.log", true), None);
        assert!(Compression::None.contradicts("a.gz", false).unwrap().contains("not gzip"));
        assert!(Compression::None.contradicts("a.zst", true).unwrap().contains("empty"));
        assert!(Compression::Xz.contradicts("a.bz2", false).unwrap().contains("read as xz"));
    }

    /// Whether the program itself finds the file whole.
    fn is_whole(program: &str, bytes: &[u8]) -> bool {
        let mut child = Command::new(program)
            .arg("-t")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} (needed by this test): {error}"));
        // The program may have seen enough before everything is written.
        let _ = child.stdin.take().unwrap().write_all(bytes);
        child.wait().unwrap().success()
    }

    /// Copies of a file of two members with one damage each: a bit flipped, cut off, garbage and zeros at many positions.
    fn damaged(first: &[u8], second: &[u8]) -> Vec<(String, Vec<u8>)> {
        let whole = [first, second].concat();
        let step = (whole.len() / 40).max(1);
        let ends = (1..=12).flat_map(|back| [first.len() - back, whole.len() - back]).chain(first.len()..first.len() + 12).chain(6..20);
        let positions: std::collections::BTreeSet<usize> = (6..whole.len()).step_by(step).chain(ends).collect();
        let mut all = vec![
            ("garbage at the end".to_owned(), [&whole[..], b"garbage"].concat()),
            ("a zero at the end".to_owned(), [&whole[..], b"\0"].concat()),
            ("zeros at the end".to_owned(), [&whole[..], &[0; 64]].concat()),
            ("garbage between".to_owned(), [first, b"garbage", second].concat()),
            ("zeros between".to_owned(), [first, &[0; 64], second].concat()),
            ("whole".to_owned(), whole.clone()),
        ];
        for at in positions {
            all.push((format!("cut at {at}"), whole[..at].to_vec()));
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            all.push((format!("a bit flipped at {at}"), flipped));
        }
        all
    }

    #[test]
    fn whatever_the_programs_report_is_reported() {
        let text = lines(400);
        for (program, compress) in ALL {
            let (mut refused, mut all) = (0, 0);
            for (what, bytes) in damaged(&compress(&text[..3000]), &compress(&text[3000..])) {
                let (found, damages) = read(&bytes);
                let whole = is_whole(program, &bytes);
                assert!(whole || !damages.is_empty(), "{program}: {what}: {} bytes read without a word", found.len());
                // A file that is cut between its members is whole.
                let complete = found == text || found == text[..3000];
                assert!(!whole || complete || !damages.is_empty(), "{program}: {what}: {} bytes", found.len());
                refused += usize::from(!whole);
                all += 1;
            }
            assert!(refused * 2 > all, "{program} refuses {refused} of {all}");
        }
    }

    #[test]
    fn a_dictionary_that_is_missing_and_a_window_that_is_too_large_are_damages() {
        let text = lines(3000);
        let mut with_dictionary = zstd::Encoder::with_dictionary(Vec::new(), 1, &lines(50)).unwrap();
        with_dictionary.write_all(&text).unwrap();
        let with_dictionary = with_dictionary.finish().unwrap();
        let mut wide = zstd::Encoder::new(Vec::new(), 1).unwrap();
        wide.window_log(30).unwrap();
        wide.write_all(&text).unwrap();
        for bytes in [with_dictionary, wide.finish().unwrap()] {
            let (found, damages) = read(&bytes);
            assert!(found == text || damages.len() == 1, "{damages:?}");
            assert!(is_whole("zstd", &bytes) || damages.len() == 1, "{damages:?}");
        }
    }
}
