//! Removes secrets from text that is going to be kept or shown.
//!
//! A parser's [`crate::Record`] borrows from the line and may hold tokens in any field, because clients choose paths, agents and
//! headers. Whatever is kept of a line passes [`scrub`] once, where it becomes a name (`Names::intern` of `wsim-trace`), a file's
//! name, a reason or a message. A repeated name costs nothing: it is found by the hash of its bytes.
//!
//! What is cut, in any field, percent-encoded (`%73`, `%u0073`), escaped as in JSON or C (`\u0073`, `\x73`, `\163`) or referred to as in HTML
//! (`&#115;`, `&#x73;`) up to four times:
//!
//! | rule | module | examples |
//! |---|---|---|
//! | values of parameters and members whose name is that of a secret | `parameter` | `access_token=…`, `"sig":"…"`, `Cookie: …` |
//! | the path segment after the name of a list of secrets | `parameter` | `/registration_tokens/…`, `/rendezvous/…` |
//! | user information in a URL | `parameter` | `https://user:password@host` |
//! | credentials after their scheme | `token` | `Bearer …`, `Basic …` |
//! | text that begins like a token | `token` | `syt_…`, `mat_…`, `MDAx…`, `eyJ…` |
//! | a word that no human wrote | `word` | tokens of application services, of registration, in base64 |
//!
//! What looks random and is no secret stays because of its sigil or its place, and only there: room and event ids after `!` and `$`, user
//! ids after `@`, aliases before a `:`, media ids after `download/SERVER/`, `thumbnail/SERVER/` and `mxc://SERVER/`, transaction ids after
//! `send/TYPE/`, device and session ids, public keys after `ed25519:`, names below `.onion`. Digits, UUIDs and hexadecimal text of
//! less than 64 digits (hashes of Git, ids of requests and containers) stay everywhere. Text that begins like a token is cut there
//! too.
//!
//! Sources: Synapse 1.163, `handlers/auth.py` (`syt_`, `syr_`, `syl_`), `rest/admin/registration_tokens.py`; Matrix Authentication
//! Service, `crates/data-model/src/tokens.rs` (`mat_`, `mar_`, `mct_`, `mcr_`, `mpt_`: 30 letters and digits, `_`, a check sum of 6);
//! the Matrix specification for identifiers and for `X-Matrix`.
//!
//! Invariants: no token survives [`scrub`], in case of doubt it cuts; scrubbed text stays as it is when scrubbed again; the time is
//! linear in the length of the text.

mod decoded;
mod parameter;
mod token;
mod word;

use std::borrow::Cow;

use decoded::Decoded;

/// What is written in place of a secret.
pub const CUT: &str = "<redacted>";

/// Cuts everything that may be a secret.
///
/// ```
/// use wsim_logs::redact::scrub;
/// assert_eq!(scrub("/sync?access%5Ftoken=syt_a_b_c&since=s1"), "/sync?access%5Ftoken=<redacted>&since=s1");
/// ```
pub fn scrub(text: &str) -> Cow<'_, str> {
    let mut scrubbed = scrub_once(text);
    // What stood before or behind a secret may look like one when it stands alone.
    for _ in 1..PASSES_MAX {
        let Cow::Owned(before) = &scrubbed else { break };
        let Cow::Owned(after) = scrub_once(before) else { break };
        if after == *before {
            break;
        }
        scrubbed = Cow::Owned(after);
    }
    scrubbed
}

const PASSES_MAX: usize = 8;

fn scrub_once(text: &str) -> Cow<'_, str> {
    let cuts = cuts(&Decoded::of(text.as_bytes()));
    if cuts.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(without(text, &cuts, |_| Cow::Borrowed(CUT))) }
}

/// [`scrub`] for the name of a file. Of 64 hexadecimal digits, which name containers, the first twelve are kept, as `docker ps` shows
/// them.
pub fn scrub_path(path: &str) -> Cow<'_, str> {
    let cuts = cuts(&Decoded::of(path.as_bytes()));
    if cuts.is_empty() {
        return Cow::Borrowed(path);
    }
    Cow::Owned(without(path, &cuts, |cut| match cut.get(..CONTAINER_ID) {
        Some(id) if cut.len() == word::HEX_MIN && word::is_hex(cut.as_bytes()) => Cow::Owned(format!("{id}…")),
        _ => Cow::Borrowed(CUT),
    }))
}

/// [`scrub`] for text that is owned already.
pub fn scrubbed(text: String) -> String {
    match scrub(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(scrubbed) => scrubbed,
    }
}

/// `text` with the ranges replaced.
fn without<'t>(text: &'t str, cuts: &[(usize, usize)], replacement: impl Fn(&'t str) -> Cow<'t, str>) -> String {
    let mut scrubbed = String::with_capacity(text.len());
    let mut kept = 0;
    for &(start, end) in cuts {
        scrubbed.push_str(&text[kept..start]);
        scrubbed.push_str(&replacement(&text[start..end]));
        kept = end;
    }
    scrubbed.push_str(&text[kept..]);
    scrubbed
}

/// The ranges of secrets in the original text, in order and disjoint. Their ends are next to ASCII characters or the text's ends, hence
/// between characters.
fn cuts(decoded: &Decoded<'_>) -> Vec<(usize, usize)> {
    let mut cuts = Vec::new();
    let plain = decoded.plain();
    // `floor`: the end of the last cut, before which no other may begin.
    let (mut at, mut floor) = (0, 0);
    while at < plain.len() {
        let (found, next) = secret_at(decoded, at, floor);
        at = next;
        if let Some((start, end)) = found {
            // A scheme or a check of the text behind a sign may have skipped what was cut before.
            let start = start.max(floor);
            if end > start {
                cuts.push((decoded.original(start), decoded.original(end)));
                floor = end;
                at = at.max(end);
            }
        }
    }
    cuts
}

/// The secret that is recognised at this byte, and the index to go on from, which is greater than `at`.
fn secret_at(decoded: &Decoded<'_>, at: usize, floor: usize) -> (Option<(usize, usize)>, usize) {
    let plain = decoded.plain();
    match plain[at] {
        b'=' => (parameter::value(decoded, at, floor), at + 1),
        b':' => (parameter::user_information(plain, at).or_else(|| parameter::value(decoded, at, floor)), at + 1),
        b'/' => (parameter::segment(plain, at), at + 1),
        b'_' => (token::after_prefix(plain, at, floor), at + 1),
        byte if byte.is_ascii_alphanumeric() && (at == 0 || !plain[at - 1].is_ascii_alphanumeric()) => {
            let end = at + word::len(&plain[at..]);
            let found = token::credential(plain, at, end)
                .or_else(|| token::encoded(plain, at))
                .or_else(|| token::random_run(plain, at))
                .or_else(|| token::random(plain, at, end, floor));
            (found, end)
        }
        _ => (None, at + 1),
    }
}

/// Digits of a container's id that tools show.
const CONTAINER_ID: usize = 12;

#[cfg(test)]
mod tests;
