//! The prefix of Synapse's access message: stamp, logger, request ID, process name.
//!
//! The log configuration and collectors define it, so that any part may be missing. Knows the default format, the one for the systemd
//! journal in Synapse's `contrib`, and the prefixes of Docker, syslog and the journal.

use memchr::memmem;

use crate::{Stamp, StampMeaning, StampReader};

/// The position of the time stamp in a prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) start: usize,
    pub(super) end: usize,
    /// `2026-07-01 09:15:42,118`, as Python's asctime writes it.
    pub(super) asctime: bool,
}

impl Clock {
    /// Finds the first asctime; without one the first stamp of a collector (`2026-07-01T09:15:42.118Z`).
    pub(super) fn find(head: &[u8]) -> Option<Self> {
        if is_asctime(head) {
            return Some(Self::of_asctime(head, 0));
        }
        let mut collector = None;
        for colon in memchr::memchr_iter(b':', head) {
            let Some(start) = colon.checked_sub(13) else { continue };
            let text = &head[start..];
            if is_asctime(text) {
                return Some(Self::of_asctime(head, start));
            }
            if collector.is_none() && is_civil(text) {
                let length =
                    text[19..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',' | b':' | b'+' | b'-' | b'Z')).count();
                let digits = text[..19 + length].iter().rev().skip_while(|byte| matches!(byte, b'.' | b',' | b':' | b'-' | b'+')).count();
                collector = Some(Self { start, end: start + digits, asctime: false });
            }
        }
        collector
    }

    /// An asctime, perhaps with a zone: `2026-07-01 09:15:42,118+0200`.
    fn of_asctime(head: &[u8], start: usize) -> Self {
        let end = start + ASCTIME_LENGTH;
        match head.get(end..end + 5) {
            Some([b'+' | b'-', zone @ ..]) if zone.iter().all(u8::is_ascii_digit) => Self { start, end: end + 5, asctime: false },
            _ => Self { start, end, asctime: true },
        }
    }

    pub(super) fn stamp(self, head: &[u8], stamps: &mut StampReader) -> Option<Stamp> {
        let text = &head[self.start..self.end];
        let (micros, resolution_us) = if self.asctime { stamps.asctime(text).map(|micros| (micros, 1000)) } else { stamps.iso(text) }?;
        Some(Stamp { micros, resolution_us, meaning: StampMeaning::End, ambiguity: stamps.ambiguity() })
    }
}

/// `2026-07-01 09:15:42,118`, without checking the digits.
fn is_asctime(text: &[u8]) -> bool {
    text.len() >= ASCTIME_LENGTH && text[19] == b',' && text[10] == b' ' && is_civil(text)
}

fn is_civil(text: &[u8]) -> bool {
    text.len() >= 19
        && text[4] == b'-'
        && text[7] == b'-'
        && matches!(text[10], b' ' | b'T' | b't')
        && text[13] == b':'
        && text[16] == b':'
        && text[0].is_ascii_digit()
        && text[18].is_ascii_digit()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logger {
    /// `synapse.access.*`.
    Access,
    /// The prefix names another logger.
    Other,
    /// The prefix names no known logger.
    Unknown,
}

/// The logger of a line whose stamp ends at `after_clock`: from the parts between dashes (the default format and similar ones),
/// otherwise from a word such as `synapse.access.http.8008:` (the format for the systemd journal in Synapse's `contrib`).
pub(super) fn logger(head: &[u8], after_clock: usize) -> Logger {
    let text = &head[after_clock..];
    if let Some(dashed) = text.strip_prefix(b" - ") {
        if dashed.starts_with(ACCESS_LOGGER) {
            return Logger::Access;
        }
        let mut parts = Dashed(dashed);
        let parts: [&[u8]; 3] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        if parts.iter().any(|part| part.starts_with(ACCESS_LOGGER)) {
            return Logger::Access;
        }
        let default = parts[1].iter().all(u8::is_ascii_digit) && LEVELS.contains(&parts[2]);
        if default || parts.iter().any(|part| part.starts_with(b"synapse.")) {
            return Logger::Other;
        }
    }
    match text.split(|byte| *byte == b' ').find(|word| word.starts_with(b"synapse.") && word.ends_with(b":")) {
        Some(word) if word.starts_with(ACCESS_LOGGER) => Logger::Access,
        Some(_) => Logger::Other,
        None => Logger::Unknown,
    }
}

/// The parts of a text between ` - `.
struct Dashed<'a>(&'a [u8]);

impl<'a> Iterator for Dashed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = std::mem::take(&mut self.0);
        let end = memmem::find(text, b" - ");
        self.0 = end.map_or(&[][..], |end| &text[end + 3..]);
        (!text.is_empty()).then(|| &text[..end.unwrap_or(text.len())])
    }
}

/// The text after `METHOD-` at the end of a prefix: `GET-48213 - `, `GET-48213- ` (the documentation's sample), `[GET-48213] `.
/// A proxy's id may contain spaces and dashes; then the first `METHOD-` counts.
pub(super) fn request_id<'a>(head: &'a [u8], method: &[u8]) -> Option<&'a [u8]> {
    let head = head.strip_suffix(b" - ").or_else(|| head.strip_suffix(b"- ")).unwrap_or_else(|| head.trim_ascii_end());
    let head = head.strip_suffix(b":").unwrap_or(head);
    let last = memchr::memrchr(b' ', head).map_or(head, |space| &head[space + 1..]);
    if let Some(id) = id_of(last, method) {
        return Some(id);
    }
    memchr::memchr_iter(b' ', head).find_map(|space| id_of(&head[space + 1..], method))
}

/// `METHOD-ID` or `[METHOD-ID]` -> `ID`.
pub(super) fn id_of<'a>(text: &'a [u8], method: &[u8]) -> Option<&'a [u8]> {
    let text = text.strip_prefix(b"[").map_or(text, |inner| inner.strip_suffix(b"]").unwrap_or(inner));
    text.strip_prefix(method)?.strip_prefix(b"-").filter(|id| !id.is_empty())
}

/// `client_reader1` in `client_reader1 | ` (Docker), or the identifier in `host matrix-synapse[977]: ` (syslog, journal). `None` for
/// the interpreter (`python3[977]: `), which is the same for every process.
pub(super) fn process(before: &[u8]) -> Option<&[u8]> {
    if before.is_empty() {
        return None;
    }
    let last_word = |text: &'_ [u8]| memchr::memrchr(b' ', text).map_or(0, |space| space + 1);
    if let Some(name) = before.strip_suffix(b" | ") {
        let name = name.trim_ascii_end();
        return Some(&name[last_word(name)..]).filter(|name| !name.is_empty());
    }
    let closing = memmem::find(before, b"]: ")?;
    let opening = memchr::memrchr(b'[', &before[..closing])?;
    let name = &before[last_word(&before[..opening])..opening];
    let is_process = before[opening + 1..closing].iter().all(u8::is_ascii_digit) && !name.is_empty() && !name.starts_with(b"python");
    is_process.then_some(name)
}

/// Whether a word is a level or a logger, which are no process.
pub(super) fn is_field(word: &[u8]) -> bool {
    LEVELS.contains(&word) || word.starts_with(b"synapse.")
}

const ASCTIME_LENGTH: usize = "2026-07-01 09:15:42,118".len();
const LEVELS: [&[u8]; 5] = [b"DEBUG", b"INFO", b"WARNING", b"ERROR", b"CRITICAL"];
/// The start of the access loggers' names: `synapse.access.http.8008`.
pub(super) const ACCESS_LOGGER: &[u8] = b"synapse.access.";
