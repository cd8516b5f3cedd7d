//! Removes secrets from text that is going to be kept or shown.
//!
//! Only values that a module names are kept of a request. This is the safety net for text that is shown as a whole: examples, error
//! messages, template paths. Invariant: no token survives [`scrub`]; in case of doubt it cuts.

use std::borrow::Cow;

use super::escape::pair;

/// Parameters whose values are secrets, in the spelling of the Matrix specification; compared without case.
pub const SECRET_PARAMETERS: [&str; 12] = [
    "access_token",
    "client_secret",
    "code",
    "id_token",
    "login_token",
    "loginToken",
    "password",
    "refresh_token",
    "session",
    "sig",
    "state",
    "token",
];

/// Cuts everything that may be a secret: values of [`SECRET_PARAMETERS`] (also percent-encoded, once or several times, in name,
/// `=` or value), Matrix tokens, `Bearer` and `Basic` credentials, JSON web tokens, long opaque text.
///
/// ```
/// use wsim_logs::redact::scrub;
/// assert_eq!(scrub("/sync?access%5Ftoken=syt_a_b_c&since=s1"), "/sync?access%5Ftoken=<redacted>&since=s1");
/// ```
pub fn scrub(text: &str) -> Cow<'_, str> {
    let decoded = Decoded::of(text.as_bytes());
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < decoded.plain.len() {
        match decoded.secret_at(at) {
            Some((start, end)) if end > start => {
                cuts.push((decoded.index[start], decoded.index[end]));
                at = end;
            }
            _ => at += 1,
        }
    }
    if cuts.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut scrubbed = String::with_capacity(text.len());
    let mut kept = 0;
    for (start, end) in cuts {
        scrubbed.push_str(&text[kept..start]);
        scrubbed.push_str(CUT);
        kept = end;
    }
    scrubbed.push_str(&text[kept..]);
    Cow::Owned(scrubbed)
}

/// Text with all percent-encoding decoded, and the origin of each byte.
struct Decoded {
    plain: Vec<u8>,
    /// How many times each byte was encoded.
    depth: Vec<u8>,
    /// Index of each byte in the original text, and at the end that text's length.
    index: Vec<usize>,
}

impl Decoded {
    fn of(text: &[u8]) -> Self {
        let mut decoded = Self { plain: text.to_vec(), depth: vec![0; text.len()], index: (0..=text.len()).collect() };
        for _ in 0..LAYERS_MAX {
            if !decoded.decode_once() {
                break;
            }
        }
        decoded
    }

    fn decode_once(&mut self) -> bool {
        let (mut read, mut write) = (0, 0);
        let len = self.plain.len();
        while read < len {
            let escaped = match self.plain[read..] {
                [b'%', high, low, ..] => pair(high, low),
                _ => None,
            };
            self.index[write] = self.index[read];
            self.plain[write] = escaped.unwrap_or(self.plain[read]);
            self.depth[write] = self.depth[read] + u8::from(escaped.is_some());
            read += if escaped.is_some() { 3 } else { 1 };
            write += 1;
        }
        self.index[write] = self.index[len];
        self.plain.truncate(write);
        self.depth.truncate(write);
        self.index.truncate(write + 1);
        write < len
    }

    /// The range of a secret that starts, or whose name starts, at `at`.
    fn secret_at(&self, at: usize) -> Option<(usize, usize)> {
        let before = at.checked_sub(1).map(|before| self.plain[before]);
        if before.is_some_and(is_word) {
            return self.embedded_token(at);
        }
        self.parameter(at).or_else(|| self.credential(at)).or_else(|| self.opaque(at))
    }

    /// `name=value`, `"name":"value"`.
    fn parameter(&self, at: usize) -> Option<(usize, usize)> {
        let rest = &self.plain[at..];
        let name = SECRET_PARAMETERS.iter().filter(|name| starts_with(rest, name.as_bytes())).map(|name| name.len()).max()?;
        let mut next = at + name;
        let quoted = matches!(self.plain.get(next), Some(b'"' | b'\''));
        next += usize::from(quoted);
        next += self.spaces(next);
        let sign = *self.plain.get(next)?;
        if !(sign == b'=' || (sign == b':' && quoted)) {
            return None;
        }
        let depth = self.depth[next];
        next += 1;
        next += self.spaces(next);
        next += usize::from(matches!(self.plain.get(next), Some(b'"' | b'\'')));
        // An encoded delimiter belongs to the value, unless the whole parameter is encoded as often.
        let ends = |index: usize| {
            self.depth[index] <= depth && matches!(self.plain[index], b'&' | b'"' | b'\'' | b' ' | b'<' | b'>' | b'#' | b'\n')
        };
        let end = (next..self.plain.len()).find(|index| ends(*index)).unwrap_or(self.plain.len());
        Some((next, end))
    }

    /// `Bearer …`, `Basic …`, `syt_…`, `eyJ….….…`
    fn credential(&self, at: usize) -> Option<(usize, usize)> {
        let rest = &self.plain[at..];
        if let Some(scheme) = SCHEMES.iter().find(|scheme| starts_with(rest, scheme.as_bytes())) {
            let start = at + scheme.len();
            let spaces = self.spaces(start);
            let end = self.run(start + spaces, |byte| !matches!(byte, b' ' | b'"' | b'\'' | b'<' | b'>' | b'&' | b'|' | b'}' | b'\n'));
            return (spaces > 0 && end > start + spaces).then_some((start + spaces, end));
        }
        let is_token = TOKENS.iter().any(|token| starts_with(rest, token.as_bytes())) || rest.starts_with(b"eyJ");
        let end = self.run(at, |byte| is_opaque(byte) || byte == b'.');
        (is_token && end - at >= TOKEN_MIN).then_some((at, end))
    }

    /// `xsyt_…`: in the middle of a word only text that cannot be anything but a token.
    fn embedded_token(&self, at: usize) -> Option<(usize, usize)> {
        let is_token = ["syt_", "mct_", "mpt_"].iter().any(|token| starts_with(&self.plain[at..], token.as_bytes()));
        let end = if is_token { self.run(at, |byte| is_opaque(byte) || byte == b'.') } else { at };
        (end - at >= EMBEDDED_TOKEN_MIN).then_some((at, end))
    }

    /// Macaroons, tokens of application services: long text without a delimiter.
    fn opaque(&self, at: usize) -> Option<(usize, usize)> {
        let end = self.run(at, is_opaque);
        (end - at >= OPAQUE_MIN).then_some((at, end))
    }

    fn run(&self, start: usize, belongs: impl Fn(u8) -> bool) -> usize {
        self.plain[start.min(self.plain.len())..].iter().position(|byte| !belongs(*byte)).map_or(self.plain.len(), |len| start + len)
    }

    fn spaces(&self, at: usize) -> usize {
        self.plain.get(at..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b' ' | b'+')).count()
    }
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_opaque(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-+=~".contains(&byte)
}

const CUT: &str = "<redacted>";
/// How many layers of percent-encoding are decoded.
const LAYERS_MAX: usize = 4;
/// The prefixes of tokens of Synapse and of the Matrix authentication service (access, refresh, personal).
const TOKENS: [&str; 6] = ["syt_", "syr_", "mct_", "mat_", "mpt_", "mcr_"];
const SCHEMES: [&str; 2] = ["Bearer", "Basic"];
const TOKEN_MIN: usize = 8;
const EMBEDDED_TOKEN_MIN: usize = 16;
/// Room and event ids have 43 characters, hexadecimal application service tokens 64.
const OPAQUE_MIN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: &str = "syt_YWxpY2U_hSsyFQHqpjzBtuMmKRvL_3VVZyc";

    #[test]
    fn a_token_is_cut_wherever_it_is() {
        for (text, scrubbed) in [
            (format!("/sync?access_token={TOKEN}&since=s1"), "/sync?access_token=<redacted>&since=s1"),
            (format!("/sync?access%5Ftoken={TOKEN}&since=s1"), "/sync?access%5Ftoken=<redacted>&since=s1"),
            (format!("/sync%3Faccess_token%3D{TOKEN}%26since%3Ds1"), "/sync%3Faccess_token%3D<redacted>%26since%3Ds1"),
            (format!("/sync%253F%61ccess%255Ftoken%253D{TOKEN}"), "/sync%253F%61ccess%255Ftoken%253D<redacted>"),
            ("/x?token=a%26b%20c&d=e".to_owned(), "/x?token=<redacted>&d=e"),
            (format!("/join/{TOKEN}/x"), "/join/<redacted>/x"),
            (format!("{{Bearer {TOKEN}|Element/1.11}}"), "{Bearer <redacted>|Element/1.11}"),
            ("auth=Bearer opaque".to_owned(), "auth=Bearer <redacted>"),
            ("Basic dXNlcjpwYXNz x".to_owned(), "Basic <redacted> x"),
            ("/login?loginToken=abc".to_owned(), "/login?loginToken=<redacted>"),
            ("/cb?code=1&state=2".to_owned(), "/cb?code=<redacted>&state=<redacted>"),
            (r#"{"access_token":"abc","x":1}"#.to_owned(), r#"{"access_token":"<redacted>","x":1}"#),
            (r#"X-Matrix origin="a",sig="AbC""#.to_owned(), r#"X-Matrix origin="a",sig="<redacted>""#),
            (
                format!("/r?redirectUrl=https%3A%2F%2Fapp%2F%3FloginToken%3D{TOKEN}&a=b"),
                "/r?redirectUrl=https%3A%2F%2Fapp%2F%3FloginToken%3D<redacted>&a=b",
            ),
            ("mct_abcdefgh.x".to_owned(), "<redacted>"),
            ("a".repeat(60), "<redacted>"),
        ] {
            assert_eq!(scrub(&text), scrubbed, "{text}");
        }
    }

    #[test]
    fn text_without_a_secret_stays() {
        for text in [
            "/_matrix/client/v3/rooms/!NPhsp-jxd9SUPO1jeLRVoMIANmMlGMLFGa2jz5PbSpw/state/m.room.name",
            "/_matrix/client/v3/rooms/!a:b/event/$NPhsp-jxd9SUPO1jeLRVoMIANmMlGMLFGa2jz5PbSpw",
            "/sync?filter=0&timeout=30000&since=s529_150_118_80_32_3_21_139_0_1_2_1_1_1",
            "status code: 404",
            "Element/1.11 (X11)",
            "",
            "100% %zz ünï",
        ] {
            assert!(matches!(scrub(text), Cow::Borrowed(_)), "{text} became {}", scrub(text));
        }
    }

    proptest! {
        #[test]
        fn no_token_survives(before in "[ -~]{0,20}", after in "[ /?&\"][ -~]{0,20}") {
            let text = format!("{before}{TOKEN}{after}");
            prop_assert!(!scrub(&text).contains("hSsyFQHqpjzBtuMmKRvL"), "{}", scrub(&text));
        }

        #[test]
        fn any_text_is_scrubbed_without_a_panic(text: String) {
            let once = scrub(&text).into_owned();
            prop_assert_eq!(scrub(&once).into_owned(), once);
        }
    }
}
