//! Content codings of responses: bodies that are kept are decompressed, all others are only counted.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Identity,
    Gzip,
    Deflate,
    /// One that nobody asked for.
    Other,
}

impl Encoding {
    /// Reads the value of `Content-Encoding`.
    pub(crate) fn of(value: &[u8]) -> Self {
        let is = |name: &str| value.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        if is("identity") || value.is_empty() {
            Self::Identity
        } else if is("gzip") || is("x-gzip") {
            Self::Gzip
        } else if is("deflate") {
            Self::Deflate
        } else {
            Self::Other
        }
    }

    /// Decompresses at most `bytes_max` bytes; also says whether there were more. A damaged body is returned as far as it can be read.
    pub(crate) fn decode(self, bytes: Vec<u8>, bytes_max: usize) -> (Vec<u8>, bool) {
        match self {
            Self::Identity | Self::Other => (bytes, false),
            Self::Gzip => read_limited(MultiGzDecoder::new(&bytes[..]), bytes_max),
            // RFC 9110, section 8.4.1.2: some send the deflate stream without zlib's wrapper.
            Self::Deflate if bytes.first().is_some_and(|byte| byte & 0x0f == 8) => read_limited(ZlibDecoder::new(&bytes[..]), bytes_max),
            Self::Deflate => read_limited(DeflateDecoder::new(&bytes[..]), bytes_max),
        }
    }
}

fn read_limited(decoder: impl Read, bytes_max: usize) -> (Vec<u8>, bool) {
    let mut decoded = Vec::new();
    // One byte more than the limit tells whether there is more.
    let _ = decoder.take(bytes_max as u64 + 1).read_to_end(&mut decoded);
    let cut = decoded.len() > bytes_max;
    decoded.truncate(bytes_max);
    (decoded, cut)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn bodies_are_decompressed_up_to_a_limit() {
        let text = b"{\"next_batch\":\"s1\"}".repeat(100);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut plain = DeflateEncoder::new(Vec::new(), Compression::fast());
        plain.write_all(&text).unwrap();
        for (name, bytes) in [
            ("gzip", gzip.finish().unwrap()),
            ("Deflate", zlib.finish().unwrap()),
            ("deflate", plain.finish().unwrap()),
            ("", text.clone()),
        ] {
            let encoding = Encoding::of(name.as_bytes());
            assert_eq!(encoding.decode(bytes.clone(), 1 << 20), (text.clone(), false), "{name}");
            if encoding != Encoding::Identity {
                assert_eq!(encoding.decode(bytes, 10), (text[..10].to_vec(), true), "{name}");
            }
        }
        assert_eq!(Encoding::of(b"br").decode(b"x".to_vec(), 10), (b"x".to_vec(), false));
        assert_eq!(Encoding::Gzip.decode(b"no gzip".to_vec(), 10), (Vec::new(), false));
    }
}
