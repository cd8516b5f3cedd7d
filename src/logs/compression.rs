//! Compressed logs, recognised by their first bytes, never by their name.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

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
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstandard,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }
}

/// The decompressed stream. Files of several compressed members (logrotate appending, `pigz`, `cat a.gz b.gz`) are read to their
/// end.
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
    Ok((
        compression,
        match compression {
            Compression::None => Box::new(whole),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(whole))),
            Compression::Zstandard => Box::new(zstd::stream::read::Decoder::with_buffer(buffered(whole))?),
            Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(buffered(whole))),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(whole))),
        },
    ))
}

fn buffered<R: Read>(raw: R) -> impl BufRead {
    BufReader::with_capacity(128 * 1024, raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read_back(bytes: Vec<u8>) -> (Compression, Vec<u8>) {
        let (compression, mut reader) = open(Cursor::new(bytes)).unwrap();
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        (compression, text)
    }

    #[test]
    fn each_compression_is_recognised_by_content_and_read_to_its_last_member() {
        let text = b"one line\nand another\n".repeat(500);
        let gzip = |text: &[u8]| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(text).unwrap();
            writer.finish().unwrap()
        };
        let twice = [gzip(&text[..99]), gzip(&text[99..])].concat();
        assert_eq!(read_back(twice), (Compression::Gzip, text.clone()));
        let twice = [zstd::encode_all(&text[..99], 1).unwrap(), zstd::encode_all(&text[99..], 1).unwrap()].concat();
        assert_eq!(read_back(twice), (Compression::Zstandard, text.clone()));
        let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
        writer.write_all(&text).unwrap();
        assert_eq!(read_back(writer.finish().unwrap()), (Compression::Xz, text.clone()));
        let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        writer.write_all(&text).unwrap();
        assert_eq!(read_back(writer.finish().unwrap()), (Compression::Bzip2, text.clone()));
        assert_eq!(read_back(text.clone()), (Compression::None, text));
        assert_eq!(read_back(b"x".to_vec()), (Compression::None, b"x".to_vec()));
    }
}
