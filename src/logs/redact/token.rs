//! Secrets that are recognised by their looks, and the identifiers that look alike.
//!
//! Works on decoded text. Knows nothing of parameters.

use super::word;

/// `Bearer …`, `Basic …`: the text behind the scheme, which is the word from `at` to `end`.
pub(super) fn credential(plain: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    let scheme = &plain[at..end];
    if !matches!(scheme.len(), 5 | 6) {
        return None;
    }
    let basic = scheme.eq_ignore_ascii_case(b"Basic");
    if !basic && !scheme.eq_ignore_ascii_case(b"Bearer") {
        return None;
    }
    let blanks = plain[end..].iter().take_while(|byte| matches!(byte, b' ' | b'+')).count();
    let start = end + blanks;
    let end = start + run(&plain[start..], |byte| !b" \"'<>&|}\n".contains(&byte));
    // `Basic authentication` is no credential: base64 has capitals or digits.
    let encoded = !basic || plain[start..end].iter().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'=');
    (blanks > 0 && end > start && encoded).then_some((start, end))
}

/// Tokens of Synapse: access, refresh, login, and the id by which anybody may cancel a delayed event.
const SYNAPSE: [&[u8; 3]; 4] = [b"syt", b"syr", b"syl", b"syd"];
/// Tokens of the Matrix Authentication Service: access, refresh, both for old clients, personal.
const MAS: [&[u8; 3]; 5] = [b"mat", b"mar", b"mct", b"mcr", b"mpt"];
const TOKEN_MIN: usize = 8;
/// Inside a word, and in the name of a user, only text that cannot be anything but a token is one.
const EMBEDDED_TOKEN_MIN: usize = 16;
/// Letters and digits after the prefix of such a token of the authentication service, which writes 30.
const EMBEDDED_RANDOM_MIN: usize = 20;

/// `syt_…`, `mat_…`: the token whose first `_` is at `at`.
pub(super) fn after_prefix(plain: &[u8], at: usize, floor: usize) -> Option<(usize, usize)> {
    let start = at.checked_sub(3).filter(|start| *start >= floor)?;
    let prefix: [u8; 3] = [plain[start], plain[start + 1], plain[start + 2]].map(|byte| byte.to_ascii_lowercase());
    let synapse = SYNAPSE.contains(&&prefix);
    if !synapse && !MAS.contains(&&prefix) {
        return None;
    }
    let end = if synapse { synapse_end(plain, at + 1) } else { at + 1 + token_run(&plain[at + 1..]) };
    let tail = &plain[at + 1..end];
    let embedded = start > 0 && (is_word(plain[start - 1]) || matches!(plain[start - 1], b'@' | b'#'));
    let is_token = match (embedded, synapse) {
        (true, true) => end - start >= EMBEDDED_TOKEN_MIN,
        (true, false) => word::len(tail) >= EMBEDDED_RANDOM_MIN,
        // `mat_` and `mar_` begin words too: `mar_report`.
        (false, _) if matches!(&prefix, b"mat" | b"mar") => {
            end - start >= TOKEN_MIN
                && (tail.len() >= EMBEDDED_RANDOM_MIN || tail.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()))
        }
        (false, _) => end - start >= TOKEN_MIN,
    };
    is_token.then_some((start, end))
}

/// The end of a Synapse token. Its localpart is in base64 and may hold a `/`, if a `_` and 20 random letters follow.
fn synapse_end(plain: &[u8], start: usize) -> usize {
    let mut end = start + token_run(&plain[start..]);
    while plain.get(end) == Some(&b'/') && !plain[start..end].contains(&b'_') {
        let more = token_run(&plain[end + 1..]);
        let tail = &plain[end + 1..end + 1 + more];
        let random = memchr::memchr(b'_', tail).map_or(0, |at| word::len(&tail[at + 1..]));
        if random < EMBEDDED_RANDOM_MIN {
            break;
        }
        end += 1 + more;
    }
    end
}

/// Beginnings of text in base64: JSON (web tokens), macaroons (`0018location`, as the first access tokens of Synapse were), and every
/// prefix above. With the least length of such a text.
const ENCODED: [(&[u8], usize); 13] = [
    (b"eyJ", 8),
    (b"MDAw", 16),
    (b"MDAx", 16),
    (b"MDAy", 16),
    (b"MDAz", 16),
    (b"c3l0X", 8),
    (b"c3lyX", 8),
    (b"c3lsX", 8),
    (b"bWF0X", 8),
    (b"bWFyX", 8),
    (b"bWN0X", 8),
    (b"bWNyX", 8),
    (b"bXB0X", 8),
];

/// A secret in base64 that begins at `at`.
pub(super) fn encoded(plain: &[u8], at: usize) -> Option<(usize, usize)> {
    let text = &plain[at..];
    if !matches!(text[0], b'e' | b'M' | b'c' | b'b') {
        return None;
    }
    let (_, least) = ENCODED.iter().find(|(start, _)| text.starts_with(start))?;
    let len = token_run(text);
    (len >= *least).then_some((at, at + len))
}

/// How far the text around a random word is looked at for what it belongs to.
const AROUND_MAX: usize = 128;

/// The random word from `at` to `end` with the text that belongs to the same secret, unless it is an identifier.
pub(super) fn random(plain: &[u8], at: usize, end: usize, floor: usize) -> Option<(usize, usize)> {
    if !word::is_random(&plain[at..end]) {
        return None;
    }
    // Hexadecimal text has no signs: what follows is another word (`<id>-json.log`).
    if word::is_hex(&plain[at..end]) {
        return (!is_identifier(plain, at, end)).then_some((at, end));
    }
    let from = floor.max(at.saturating_sub(AROUND_MAX));
    let belongs = |byte: u8| is_word(byte) || b"-~+".contains(&byte);
    let start = at - plain[from..at].iter().rev().take_while(|byte| belongs(**byte)).count();
    let mut end = end + run(&plain[end..], belongs);
    if is_identifier(plain, start, end) {
        return None;
    }
    end += run(&plain[end..], |byte| byte == b'=');
    Some((start, end))
}

/// Random words with signs between them, from `at`, unless they are an identifier.
pub(super) fn random_run(plain: &[u8], at: usize) -> Option<(usize, usize)> {
    let belongs = |byte: u8| is_word(byte) || b"-~.".contains(&byte);
    let text = &plain[at..];
    if text.len() < word::RANDOM_MIN || (at > 0 && belongs(plain[at - 1])) {
        return None;
    }
    let len = run(text, belongs);
    let len = len - text[..len].iter().rev().take_while(|byte| **byte == b'.').count();
    (word::is_random_run(&text[..len]) && !is_identifier(plain, at, at + len)).then_some((at, at + len))
}

/// Whether random text is an identifier by its sigil or place.
fn is_identifier(plain: &[u8], start: usize, end: usize) -> bool {
    let before = &plain[..start];
    let is_short = end - start <= ID_MAX;
    let (Some(sigil), first) = (before.last(), before.len().checked_sub(2).map(|at| before[at])) else { return false };
    let begins = !first.is_some_and(is_word);
    match sigil {
        b'!' | b'$' | b'@' => begins && is_short,
        b'#' => begins && is_short && plain.get(end) == Some(&b':'),
        b':' => before.ends_with(b"25519:"),
        b'/' => is_place_of_identifiers(before) || ends_event_id(plain, end),
        _ => plain[end..].starts_with(b".onion"),
    }
}

/// Longest random text that is an identifier: room and event ids have 43 characters.
const ID_MAX: usize = 44;

/// Whether the path up to here, with its last `/`, is followed by the id of a medium, a transaction, a device, a filter or a session.
fn is_place_of_identifiers(before: &[u8]) -> bool {
    let path = &before[before.len().saturating_sub(2 * AROUND_MAX)..];
    let mut segments = path.rsplit(|byte| *byte == b'/').skip(1);
    let (last, second, third) = (segments.next(), segments.next(), segments.next());
    matches!(last, Some(b"download" | b"thumbnail" | b"send" | b"devices" | b"filter"))
        || matches!(second, Some(b"download" | b"thumbnail" | b"send" | b"sendToDevice" | b"redact" | b"keys"))
        || (second == Some(b"") && third.is_some_and(|scheme| scheme.ends_with(b"mxc:")))
}

/// Whether an event id of room version 3 ends here, which may hold a `/`.
fn ends_event_id(plain: &[u8], end: usize) -> bool {
    let id = &plain[end.saturating_sub(44)..end];
    id.len() == 44 && id[0] == b'$' && id[1..].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

fn token_run(text: &[u8]) -> usize {
    run(text, |byte| is_word(byte) || b"-+=~.".contains(&byte))
}

fn run(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !belongs(*byte)).unwrap_or(text.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
