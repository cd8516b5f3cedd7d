//! Secrets that are recognised by their name or place: values of parameters, members and headers, path segments, user information.
//!
//! Knows nothing of what a secret looks like.

use super::decoded::Decoded;

/// Names of secrets, without case, `_`, `-`, `.` and brackets: `client_secret` as `clientsecret`.
const NAMES: [&str; 18] = [
    "code",
    "hmac",
    "jwt",
    "mac",
    "nonce",
    "otp",
    "pass",
    "passwd",
    "pushkey",
    "pwd",
    "relaystate",
    "samlrequest",
    "samlresponse",
    "sid",
    "sig",
    "state",
    "ticket",
    "xamzcredential",
];
/// Ends of such names: `registration_token`, `_oauth2_session`.
const ENDS: [&str; 21] = [
    "accesskeyid",
    "apikey",
    "assertion",
    "authcode",
    "authorizationcode",
    "codeverifier",
    "credential",
    "credentials",
    "devicecode",
    "macaroon",
    "passphrase",
    "password",
    "privatekey",
    "recoverykey",
    "secret",
    "secretkey",
    "session",
    "sessionid",
    "signature",
    "token",
    "usercode",
];
/// Ends of the names of headers whose value is a list of secrets.
const LISTS: [&str; 4] = ["authorization", "cookie", "cookies", "setcookie"];
/// Path segments before a secret: registration tokens (Synapse's admin API), rendezvous sessions (MSC4108), webhooks of bridges.
const BEFORE_SECRET: [&str; 5] = ["registration_tokens", "registration-tokens", "rendezvous", "webhook", "webhooks"];
/// No name of a secret is longer; longer names are judged by their end.
const NAME_MAX: usize = 64;
/// Blanks between a name and its sign.
const BLANKS_MAX: usize = 4;

/// How far the value of a secret name goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// To the next delimiter.
    Value,
    /// To the end of the quotes or of the line.
    List,
}

/// The value of a secret whose `=` or `:` is at `sign`: `name=value`, `"name": "value"`, `name: value`.
pub(super) fn value(decoded: &Decoded<'_>, sign: usize, floor: usize) -> Option<(usize, usize)> {
    let plain = decoded.plain();
    let blanks = plain[floor.min(sign)..sign].iter().rev().take(BLANKS_MAX).take_while(|byte| **byte == b' ').count();
    let mut end = sign - blanks;
    let quoted = end > floor && matches!(plain[end - 1], b'"' | b'\'');
    end -= usize::from(quoted);
    let name = name_before(plain, end, floor);
    let extent = extent_of(name)?;
    if plain[sign] == b':' && !quoted && !is_header(name, extent, plain.get(sign + 1)) {
        return None;
    }
    let start = sign + 1 + blanks_at(plain, sign + 1);
    let opening = *plain.get(start)?;
    let close = match opening {
        b'"' | b'\'' => opening,
        b'[' => b']',
        b'{' => b'}',
        _ => return Some((start, unquoted_end(decoded, start, decoded.depth(sign), extent))),
    };
    let depth = decoded.depth(start);
    let inner = start + 1;
    let end = (inner..plain.len()).find(|at| plain[*at] == close && decoded.depth(*at) <= depth).unwrap_or(plain.len());
    Some((inner, end))
}

/// `Cookie: …`, `access_token: …`, but not `state: …` nor an option (`--secret-file: …`) nor the pseudonym `token:0123…`.
fn is_header(name: &[u8], extent: Extent, next: Option<&u8>) -> bool {
    let compound = memchr::memchr2(b'_', b'-', name).is_some_and(|at| at > 0);
    extent == Extent::List || (compound && matches!(next, Some(b' ' | b'+')))
}

/// An encoded delimiter belongs to the value, unless the parameter's sign is encoded as often.
fn unquoted_end(decoded: &Decoded<'_>, start: usize, depth: u8, extent: Extent) -> usize {
    let plain = decoded.plain();
    let delimits = |byte: u8| match extent {
        Extent::Value => matches!(byte, b'&' | b'"' | b'\'' | b' ' | b'<' | b'>' | b'#' | b'\n'),
        Extent::List => matches!(byte, b'"' | b'<' | b'|' | b'}' | b'\n'),
    };
    (start..plain.len()).find(|at| delimits(plain[*at]) && decoded.depth(*at) <= depth).unwrap_or(plain.len())
}

/// The segment after a `/` at `slash`, if the segment before is followed by secrets.
pub(super) fn segment(plain: &[u8], slash: usize) -> Option<(usize, usize)> {
    // The last letters of the names, since slashes are frequent.
    if slash == 0 || !matches!(plain[slash - 1] | 0x20, b's' | b'k') {
        return None;
    }
    let name = name_before(plain, slash, 0);
    BEFORE_SECRET.iter().any(|before| ends_with(name, before)).then_some(())?;
    let rest = &plain[slash + 1..];
    let len = rest.iter().position(|byte| b"/?#\"'& <>\n".contains(byte)).unwrap_or(rest.len());
    let word_of_api = matches!(&rest[..len], b"new" | [] | [b'{', ..]);
    (!word_of_api).then_some((slash + 1, slash + 1 + len))
}

/// `user:password` in `scheme://user:password@host`, whose first `:` is at `colon`.
pub(super) fn user_information(plain: &[u8], colon: usize) -> Option<(usize, usize)> {
    let Some(rest) = plain[colon..].strip_prefix(b"://") else { return password(plain, colon) };
    let authority = rest.iter().position(|byte| b"/?#\"' <>|\n".contains(byte)).unwrap_or(rest.len());
    let len = memchr::memrchr(b'@', &rest[..authority]).filter(|len| *len > 0)?;
    Some((colon + 3, colon + 3 + len))
}

/// `password` in `user:password@host`, as of a URL whose scheme a parser has removed.
fn password(plain: &[u8], colon: usize) -> Option<(usize, usize)> {
    colon.checked_sub(1).filter(|before| plain[*before].is_ascii_alphanumeric())?;
    let rest = &plain[colon + 1..];
    let len = rest.iter().position(|byte| b"@/?#\"' <>|,&:\n".contains(byte)).filter(|len| *len > 0 && rest[*len] == b'@')?;
    rest.get(len + 1).filter(|host| host.is_ascii_alphanumeric())?;
    Some((colon + 1, colon + 1 + len))
}

/// The name that ends at `end`.
fn name_before(plain: &[u8], end: usize, floor: usize) -> &[u8] {
    let from = floor.max(end.saturating_sub(NAME_MAX)).min(end);
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte);
    let len = plain[from..end].iter().rev().take_while(|byte| belongs(byte)).count();
    &plain[end - len..end]
}

/// `None` if the name is not that of a secret.
fn extent_of(name: &[u8]) -> Option<Extent> {
    let written = name.strip_suffix(b"]").unwrap_or(name);
    let mut letters = [0; NAME_MAX];
    let mut len = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        letters[len] = byte.to_ascii_lowercase();
        len += 1;
    }
    let name = &letters[..len];
    if LISTS.iter().any(|list| name.ends_with(list.as_bytes())) {
        return Some(Extent::List);
    }
    // `app-state` too, but not `status_code`.
    let is_last = |secret: &str| {
        let before = &written[..written.len().saturating_sub(secret.len())];
        name == secret.as_bytes() || (ends_with(written, secret) && before.last().is_some_and(|sign| b"-.[".contains(sign)))
    };
    let secret = NAMES.iter().any(|secret| is_last(secret)) || ENDS.iter().any(|end| name.ends_with(end.as_bytes()));
    secret.then_some(Extent::Value)
}

fn blanks_at(plain: &[u8], at: usize) -> usize {
    plain[at..].iter().take_while(|byte| matches!(byte, b' ' | b'+')).count()
}

fn ends_with(name: &[u8], end: &str) -> bool {
    name.len() >= end.len() && name[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
}
