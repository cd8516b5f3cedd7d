//! Decodes one HTTP/1.1 response from bytes as they arrive (RFC 9112). Knows nothing of sockets.
//!
//! Interim responses (100, 103) are passed over. Invariant: whatever the bytes are, the decoder ends in one response or one failure, and keeps
//! no more than the limits allow.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::sync::Arc;

use http::header::HeaderName;

use super::super::Failure;
use super::super::encoding::Encoding;

/// What a decoder must know of the request and of the limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecoderConfig<'c> {
    /// The request was a HEAD: the response has no body, whatever its head says.
    pub(crate) head_only: bool,
    /// Keep the body.
    pub(crate) keep: bool,
    pub(crate) keep_bytes_max: usize,
    pub(crate) body_bytes_max: u64,
    pub(crate) upstream_header: &'c HeaderName,
}

/// A response that is being read.
#[derive(Debug)]
pub(crate) struct Decoder<'c> {
    config: DecoderConfig<'c>,
    phase: Phase,
    /// Beginning of a head or a line that is not complete.
    partial: Vec<u8>,
    interim: usize,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) kept: Vec<u8>,
    pub(crate) cut: bool,
    pub(crate) encoding: Encoding,
    pub(crate) upstream: Option<Arc<str>>,
    /// The connection can carry another request after this response.
    pub(crate) keeps_alive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head,
    /// A body with this many bytes left.
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    Done,
}

impl<'c> Decoder<'c> {
    pub(crate) fn new(config: DecoderConfig<'c>) -> Self {
        Self {
            config,
            phase: Phase::Head,
            partial: Vec::new(),
            interim: 0,
            status: 0,
            bytes: 0,
            kept: Vec::new(),
            cut: false,
            encoding: Encoding::Identity,
            upstream: None,
            keeps_alive: false,
        }
    }

    /// Whether the head of the response is still incomplete.
    pub(crate) fn awaits_head(&self) -> bool {
        self.phase == Phase::Head
    }

    /// Whether nothing of a response has been read.
    pub(crate) fn is_untouched(&self) -> bool {
        self.phase == Phase::Head && self.partial.is_empty() && self.interim == 0
    }

    /// Takes in bytes. `true` once the response is complete.
    pub(crate) fn feed(&mut self, mut input: &[u8]) -> Result<bool, Failure> {
        loop {
            match self.phase {
                Phase::Done => {
                    // Bytes beyond the end: the next response could not be told from them.
                    self.keeps_alive &= input.is_empty();
                    return Ok(true);
                }
                _ if input.is_empty() => return Ok(false),
                Phase::Head => {
                    if self.partial.is_empty() {
                        let Some(length) = self.read_head(input)? else {
                            self.partial.extend_from_slice(input);
                            return Ok(false);
                        };
                        input = &input[length..];
                    } else {
                        let before = self.partial.len();
                        self.partial.extend_from_slice(input);
                        let whole = std::mem::take(&mut self.partial);
                        let length =
                            if has_end_of_head(&whole, before) { self.read_head(&whole)? } else { check_head(&whole).map(|()| None)? };
                        let Some(length) = length else {
                            self.partial = whole;
                            return Ok(false);
                        };
                        // The head ends within the new bytes.
                        input = &input[length.saturating_sub(before)..];
                    }
                }
                Phase::Length(left) => {
                    let (data, rest) = split(input, left);
                    self.take_data(data)?;
                    input = rest;
                    let left = left - data.len() as u64;
                    self.phase = if left == 0 { Phase::Done } else { Phase::Length(left) };
                }
                Phase::UntilClose => {
                    self.take_data(input)?;
                    return Ok(false);
                }
                Phase::Chunk(left) => {
                    let (data, rest) = split(input, left);
                    self.take_data(data)?;
                    input = rest;
                    let left = left - data.len() as u64;
                    self.phase = if left == 0 { Phase::ChunkEnd } else { Phase::Chunk(left) };
                }
                Phase::ChunkSize | Phase::ChunkEnd | Phase::Trailer => {
                    let Some(line) = take_line(&mut self.partial, &mut input)? else { return Ok(false) };
                    self.phase = match self.phase {
                        Phase::ChunkSize => match chunk_size(&line).ok_or(Failure::Protocol)? {
                            0 => Phase::Trailer,
                            size => Phase::Chunk(size),
                        },
                        Phase::ChunkEnd if line.is_empty() => Phase::ChunkSize,
                        Phase::Trailer if line.is_empty() => Phase::Done,
                        Phase::Trailer => Phase::Trailer,
                        _ => return Err(Failure::Protocol),
                    };
                }
            }
        }
    }

    /// The connection ended. A body without a length ends with it.
    pub(crate) fn end(&mut self, reset: bool) -> Result<(), Failure> {
        match self.phase {
            Phase::Done => Ok(()),
            Phase::UntilClose if !reset => {
                self.phase = Phase::Done;
                Ok(())
            }
            _ if self.is_untouched() => Err(if reset { Failure::Reset } else { Failure::Closed }),
            _ if reset => Err(Failure::ResetWithin),
            Phase::Length(_) => Err(Failure::WrongLength),
            _ => Err(Failure::Broken),
        }
    }

    /// Reads a complete head and returns its length; `None` if it is not complete.
    fn read_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        check_head(bytes)?;
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
        let length = match parsed {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Failure::HeadTooLong),
            Err(_) => return Err(Failure::Protocol),
        };
        let status = response.code.ok_or(Failure::Protocol)?;
        if (100..200).contains(&status) {
            self.interim += 1;
            // Nobody asked to change the protocol.
            return if status == 101 || self.interim > INTERIM_MAX { Err(Failure::Protocol) } else { Ok(Some(length)) };
        }
        self.status = status;
        let mut framing = Framing { keeps_alive: response.version == Some(1), ..Framing::default() };
        for header in response.headers.iter() {
            framing.read(header)?;
            if header.name.eq_ignore_ascii_case(self.config.upstream_header.as_str()) {
                self.upstream = std::str::from_utf8(header.value).ok().map(Arc::from);
            }
        }
        self.encoding = framing.encoding;
        self.keeps_alive = framing.keeps_alive;
        self.phase = if self.config.head_only || matches!(status, 204 | 304) {
            Phase::Done
        } else if framing.chunked {
            // RFC 9112, section 6.3: a length beside chunks is ignored, and the connection is not used again.
            self.keeps_alive &= framing.length.is_none();
            Phase::ChunkSize
        } else {
            match framing.length {
                _ if framing.other_transfer => Phase::UntilClose,
                Some(0) => Phase::Done,
                Some(length) => Phase::Length(length),
                None => Phase::UntilClose,
            }
        };
        self.keeps_alive &= self.phase != Phase::UntilClose;
        Ok(Some(length))
    }

    fn take_data(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.bytes += data.len() as u64;
        if self.bytes > self.config.body_bytes_max {
            return Err(Failure::TooLong);
        }
        if self.config.keep {
            let left = self.config.keep_bytes_max - self.kept.len();
            self.cut |= data.len() > left;
            self.kept.extend_from_slice(&data[..data.len().min(left)]);
        }
        Ok(())
    }
}

/// What the headers say of where the body ends.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    /// A transfer coding that does not end with chunks.
    other_transfer: bool,
    keeps_alive: bool,
    encoding: Encoding,
}

impl Framing {
    fn read(&mut self, header: &httparse::Header<'_>) -> Result<(), Failure> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        // Lengths of names first: most headers are none of these.
        match header.name.len() {
            14 if is("content-length") => {
                // Equal repetitions are one length (RFC 9110, section 8.6); different ones are an attack.
                for value in header.value.split(|&byte| byte == b',') {
                    let length = decimal(value.trim_ascii()).ok_or(Failure::Protocol)?;
                    if self.length.replace(length).is_some_and(|before| before != length) {
                        return Err(Failure::Protocol);
                    }
                }
            }
            17 if is("transfer-encoding") => {
                let last = header.value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
                self.chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
                self.other_transfer = !self.chunked;
            }
            10 if is("connection") => {
                for word in header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                    if word.eq_ignore_ascii_case(b"close") {
                        self.keeps_alive = false;
                    } else if word.eq_ignore_ascii_case(b"keep-alive") {
                        self.keeps_alive = true;
                    }
                }
            }
            16 if is("content-encoding") => self.encoding = Encoding::of(header.value),
            _ => {}
        }
        Ok(())
    }
}

/// That the bytes may be the beginning of a head.
fn check_head(bytes: &[u8]) -> Result<(), Failure> {
    let compared = bytes.len().min(HTTP.len());
    if bytes[..compared] != HTTP[..compared] {
        return Err(Failure::Protocol);
    }
    if bytes.len() > HEAD_BYTES_MAX && !has_end_of_head(&bytes[..HEAD_BYTES_MAX], 0) { Err(Failure::HeadTooLong) } else { Ok(()) }
}

/// Whether an empty line ends at or after `from`: a head that comes byte by byte is parsed once, not once for every byte.
fn has_end_of_head(bytes: &[u8], from: usize) -> bool {
    let mut after_line = false;
    for &byte in &bytes[from.saturating_sub(2)..] {
        match byte {
            b'\n' if after_line => return true,
            b'\n' => after_line = true,
            b'\r' => {}
            _ => after_line = false,
        }
    }
    false
}

/// A line without its end, once it is complete.
fn take_line<'a>(partial: &mut Vec<u8>, input: &mut &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, Failure> {
    let all: &'a [u8] = input;
    let Some(end) = all.iter().position(|&byte| byte == b'\n') else {
        partial.extend_from_slice(all);
        *input = &[];
        return if partial.len() > LINE_BYTES_MAX { Err(Failure::Protocol) } else { Ok(None) };
    };
    *input = &all[end + 1..];
    let mut line = if partial.is_empty() {
        Cow::Borrowed(&all[..end])
    } else {
        partial.extend_from_slice(&all[..end]);
        Cow::Owned(std::mem::take(partial))
    };
    if line.len() > LINE_BYTES_MAX {
        return Err(Failure::Protocol);
    }
    if line.last() == Some(&b'\r') {
        match &mut line {
            Cow::Borrowed(line) => *line = &line[..line.len() - 1],
            Cow::Owned(line) => drop(line.pop()),
        }
    }
    Ok(Some(line))
}

/// `1a2b;extension`.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The first `left` bytes, and the rest.
fn split(input: &[u8], left: u64) -> (&[u8], &[u8]) {
    input.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(input.len()))
}

const HTTP: &[u8] = b"HTTP/";
const HEADERS_MAX: usize = 128;
/// Longest head. Proxies send at most some tens of KB.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// Longest line of a chunk's size, or of a trailer.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Most interim responses before the response itself.
const INTERIM_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static UPSTREAM: HeaderName = HeaderName::from_static("x-upstream");

    fn config() -> DecoderConfig<'static> {
        DecoderConfig { head_only: false, keep: true, keep_bytes_max: 1000, body_bytes_max: 5000, upstream_header: &UPSTREAM }
    }

    /// Feeds bytes in pieces and then the end of the connection; returns status, body and whether the connection could go on.
    fn decode(bytes: &[u8], piece: usize, config: DecoderConfig<'static>) -> Result<(u16, Vec<u8>, bool), Failure> {
        let mut decoder = Decoder::new(config);
        for part in bytes.chunks(piece) {
            // What comes after the end is seen with the last piece only.
            if decoder.feed(part)? {
                return Ok((decoder.status, decoder.kept, decoder.keeps_alive));
            }
        }
        decoder.end(false)?;
        Ok((decoder.status, decoder.kept, decoder.keeps_alive))
    }

    #[test]
    fn framings_are_those_of_the_standard() {
        /// Bytes, and the status, the body and whether the connection is kept.
        type Case = (&'static str, Result<(u16, &'static str, bool), Failure>);
        let cases: [Case; 17] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", true))),
            ("HTTP/1.1 200\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", true))),
            ("HTTP/1.0 200 OK\nContent-Length: 2\n\nok", Ok((200, "ok", false))),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", Ok((200, "to the end", false))),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n", Ok((200, "ok", true))),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
                Ok((200, "x", true)),
            ),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n", Ok((304, "", true))),
            ("HTTP/1.1 204 No Content\r\n\r\na body", Ok((204, "", false))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxx", Ok((200, "x", false))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", Err(Failure::WrongLength)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", Err(Failure::Protocol)),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Err(Failure::Protocol)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Err(Failure::Protocol)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", Err(Failure::Broken)),
            ("HTTP/1.1 101 Switching\r\n\r\n", Err(Failure::Protocol)),
            ("HTTP/1.1 200 OK\r\nContent-", Err(Failure::Broken)),
            ("", Err(Failure::Closed)),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(status, body, keeps_alive)| (status, body.as_bytes().to_vec(), keeps_alive));
            assert_eq!(decode(text.as_bytes(), usize::MAX, config()), expected, "{text:?}");
        }
        let head_only = DecoderConfig { head_only: true, ..config() };
        assert_eq!(decode(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 7, head_only), Ok((200, Vec::new(), true)));
    }

    #[test]
    fn limits_hold() {
        let long_head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
        assert_eq!(decode(long_head.as_bytes(), 16384, config()), Err(Failure::HeadTooLong));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(500));
        assert_eq!(decode(many.as_bytes(), usize::MAX, config()), Err(Failure::HeadTooLong));
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(6000));
        assert_eq!(decode(endless.as_bytes(), 100, config()), Err(Failure::TooLong));
        let interim = "HTTP/1.1 103 Early\r\n\r\n".repeat(1000);
        assert_eq!(decode(interim.as_bytes(), 500, config()), Err(Failure::Protocol));
        let line = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", "0".repeat(100_000));
        assert_eq!(decode(line.as_bytes(), 500, config()), Err(Failure::Protocol));
        assert_eq!(decode(b"SSH-2.0-OpenSSH_9.2", usize::MAX, config()), Err(Failure::Protocol));
    }

    #[test]
    fn a_body_beyond_what_is_kept_is_cut() {
        let mut decoder = Decoder::new(DecoderConfig { keep_bytes_max: 3, ..config() });
        assert_eq!(decoder.feed(b"HTTP/1.1 200 OK\r\nX-Upstream: worker1\r\nContent-Length: 5\r\n\r\nhello"), Ok(true));
        assert_eq!((&decoder.kept[..], decoder.cut, decoder.bytes, decoder.upstream.as_deref()), (&b"hel"[..], true, 5, Some("worker1")));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(piece in 1_usize..40, body in "[a-z]{0,60}", chunked: bool) {
            let text = if chunked {
                let chunks: String = body.as_bytes().chunks(7).map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part))).collect();
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
            } else {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            };
            prop_assert_eq!(decode(text.as_bytes(), piece, config()), Ok((200, body.into_bytes(), true)));
        }

        #[test]
        fn any_bytes_end_in_a_response_or_a_failure(bytes: Vec<u8>, piece in 1_usize..40, prefix: bool) {
            let start = if prefix { &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..] } else { b"HTTP/1.1 " };
            let _ = decode(&[start, &bytes].concat(), piece, config());
            let _ = decode(&bytes, piece, config());
        }
    }
}
