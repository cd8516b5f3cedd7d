//! The cells of the matrix: kinds of secrets, encodings, and log lines that hold one of each in one field.

use super::has_user_ids;
use crate::planted::{Field, LogFormat};

/// A secret that was planted, and where.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) kind: &'static str,
    pub(super) field: String,
    pub(super) file: &'static str,
    pub(super) encoding: &'static str,
    /// A part of the secret that is in no other cell and, where it is encoded, a part of the encoded text. Neither may be found.
    pub(super) needle: String,
    pub(super) encoded: Option<String>,
}

/// A kind of secret: how a log writes it, and the part of it that is looked for.
pub(super) struct Kind {
    pub(super) name: &'static str,
    write: fn(&mut Random) -> (String, String),
    /// At the place of an id, where any text may be one, it cannot be told from an id.
    looks_like_an_id: bool,
    pub(super) holds_slashes: bool,
}

const fn token(name: &'static str, write: fn(&mut Random) -> (String, String)) -> Kind {
    Kind { name, write, looks_like_an_id: false, holds_slashes: false }
}

pub(super) const KINDS: [Kind; 17] = [
    token("Synapse access", |random| {
        let core = random.text(LETTERS, 20);
        (format!("syt_YWxpY2U_{core}_{}", random.text(BASE62, 6)), core)
    }),
    token("Synapse login", |random| {
        let core = random.text(LETTERS, 20);
        (format!("syl_{core}_{}", random.text(BASE62, 6)), core)
    }),
    token("Synapse refresh", |random| {
        let core = random.text(LETTERS, 20);
        (format!("syr_Ym9i_{core}_{}", random.text(BASE62, 6)), core)
    }),
    token("MAS access", |random| mas("mat", random)),
    token("MAS refresh", |random| mas("mar", random)),
    token("MAS compat access", |random| mas("mct", random)),
    token("MAS compat refresh", |random| mas("mcr", random)),
    token("MAS personal", |random| mas("mpt", random)),
    token("macaroon", |random| {
        let core = random.text(BASE62, 40);
        (format!("MDAxOGxvY2F0aW9uIGhzLmV4YW1wbGU{core}"), core)
    }),
    token("JSON web token", |random| {
        let core = random.text(BASE62, 40);
        (format!("eyJhbGciOiJFUzI1NiJ9.{core}.c2lnbmF0dXJl"), core)
    }),
    token("appservice, hex", |random| {
        let core = random.text(b"0123456789abcdef", 64);
        (core.clone(), core)
    }),
    Kind { looks_like_an_id: true, ..token("appservice, base64url", |random| random.mixed(BASE62, 43)) },
    Kind { looks_like_an_id: true, ..token("registration", |random| random.mixed(BASE62, 16)) },
    token("parameter", |random| {
        const NAMES: [&str; 14] = [
            "access_token",
            "loginToken",
            "token",
            "registration_token",
            "refresh_token",
            "id_token",
            "client_secret",
            "session",
            "sid",
            "code",
            "state",
            "sig",
            "password",
            "X-Amz-Signature",
        ];
        let core = random.text(b"0123456789abcdefghijklmnopqrstuvwxyz", 14);
        let name = NAMES[random.below(NAMES.len())];
        (format!("{name}={core}"), core)
    }),
    token("bearer", |random| {
        let core = random.text(b"0123456789abcdefghijklmnopqrstuvwxyz", 14);
        (format!("Bearer+{core}"), core)
    }),
    token("basic", |random| {
        let core = random.text(BASE62, 15);
        (format!("Basic+{core}0"), core)
    }),
    Kind {
        holds_slashes: true,
        ..token("URL user", |random| {
            let core = random.text(b"0123456789abcdefghijklmnopqrstuvwxyz", 14);
            (format!("https://bob:{core}@hs.example"), core)
        })
    },
];

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const BASE62: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fn mas(prefix: &str, random: &mut Random) -> (String, String) {
    let core = random.text(BASE62, 30);
    (format!("{prefix}_{core}_{}", random.text(BASE62, 6)), core)
}

/// How a secret is written.
pub(super) struct Encoding {
    name: &'static str,
    write: fn(&str) -> String,
    pub(super) fits_file_names: bool,
}

pub(super) const ENCODINGS: [Encoding; 8] = [
    Encoding { name: "as it is", write: str::to_owned, fits_file_names: true },
    Encoding { name: "percent", write: |text| each(text, |byte| format!("%{byte:02X}")), fits_file_names: true },
    Encoding { name: "percent, lower case", write: |text| each(text, |byte| format!("%{byte:02x}")), fits_file_names: true },
    Encoding { name: "percent, some", write: some_percent, fits_file_names: true },
    Encoding { name: "percent, twice", write: |text| each(text, |byte| format!("%25{byte:02X}")), fits_file_names: false },
    Encoding { name: "JSON", write: |text| each(text, |byte| format!("\\u{byte:04x}")), fits_file_names: false },
    Encoding { name: "nginx", write: |text| each(text, |byte| format!("\\x{byte:02X}")), fits_file_names: false },
    Encoding { name: "base64", write: base64, fits_file_names: true },
];

fn each(text: &str, encode: impl Fn(u8) -> String) -> String {
    text.bytes().map(encode).collect()
}

/// Every third byte, and all that are no letters or digits.
fn some_percent(text: &str) -> String {
    let encoded = |(index, byte): (usize, u8)| match byte {
        byte if index % 3 == 0 || !byte.is_ascii_alphanumeric() => format!("%{byte:02X}"),
        byte => char::from(byte).to_string(),
    };
    text.bytes().enumerate().map(encoded).collect()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    out
}

/// The same numbers in every run (SplitMix64).
#[derive(Default)]
pub(super) struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn text(&mut self, alphabet: &[u8], len: usize) -> String {
        (0..len).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    /// A text with letters of both cases and digits in every eight characters, as most random ones are, and a sign in a long one.
    fn mixed(&mut self, alphabet: &[u8], len: usize) -> (String, String) {
        let mut text: Vec<u8> = self.text(alphabet, len).into_bytes();
        for at in (0..len.saturating_sub(3)).step_by(8) {
            for (offset, kind) in [&b"ABCDEFGHKLMNPQRSTUVWXYZ"[..], b"23456789", b"bcdfghjkmnpqrstvwxz"].iter().enumerate() {
                text[at + offset] = kind[self.below(kind.len())];
            }
        }
        if len > 16 {
            text[len / 2] = b"-_"[self.below(2)];
        }
        let text = String::from_utf8(text).unwrap();
        (text.clone(), text)
    }
}

/// Plants secrets and remembers them.
#[derive(Default)]
pub(super) struct Planter {
    pub(super) cells: Vec<Cell>,
    random: Random,
}

impl Planter {
    /// A new secret as it stands in the log.
    pub(super) fn plant(&mut self, kind: &Kind, encoding: &Encoding, field: &str, file: &'static str) -> String {
        let (text, needle) = (kind.write)(&mut self.random);
        let written = (encoding.write)(&text);
        let encoded = (written != text).then(|| {
            // The middle of the text, where no two are alike.
            let part = (encoding.write)(&needle);
            if encoding.name == "base64" {
                written[written.len() / 3..].to_owned()
            } else if encoding.name == "percent, some" {
                written.clone()
            } else {
                part
            }
        });
        self.cells.push(Cell { kind: kind.name, field: field.to_owned(), file, encoding: encoding.name, needle, encoded });
        written
    }
}

/// A log of one format with one line for each field, kind and encoding.
pub(super) fn planted_log(format: &LogFormat, planter: &mut Planter) -> String {
    let mut log = String::new();
    for field in format.fields() {
        let is_id = matches!(field, Field::Room | Field::Alias) || (field == Field::User && has_user_ids(format));
        let mut wanted: Vec<(&Kind, &Encoding)> = KINDS
            .iter()
            .filter(|kind| !(is_id && kind.looks_like_an_id))
            .flat_map(|kind| ENCODINGS.iter().map(move |encoding| (kind, encoding)))
            // In base64 a secret that only its name or scheme shows looks like an id too.
            .filter(|(kind, encoding)| {
                !(is_id && encoding.name == "base64" && ["parameter", "bearer", "basic", "URL user"].contains(&kind.name))
            })
            .collect();
        wanted.reverse();
        let mut planted = Vec::new();
        while !wanted.is_empty() {
            let lines = format.log(1, |found| match if found == field { wanted.pop() } else { None } {
                Some((kind, encoding)) => {
                    let text = planter.plant(kind, encoding, &format!("{field:?}"), format.file);
                    planted.push(text.clone());
                    text
                }
                None => found.usual().to_owned(),
            });
            keep_planted(&lines, &planted, &mut log);
            planted.clear();
        }
    }
    log
}

/// Appends the lines that hold a secret.
fn keep_planted(lines: &str, planted: &[String], log: &mut String) {
    for line in lines.lines().filter(|line| planted.iter().any(|text| line.contains(text.as_str()))) {
        log.push_str(line);
        log.push('\n');
    }
}

/// Lines that no format reads.
pub(super) fn malformed_lines(planter: &mut Planter, file: &'static str) -> String {
    let mut lines = String::new();
    for (number, kind) in KINDS.iter().enumerate() {
        let secret = planter.plant(kind, &ENCODINGS[0], "malformed", file);
        lines.push_str(&match number % 3 {
            0 => format!("garbage {secret} [\"\n"),
            1 => format!("{{\"{secret}\":\"{secret}\n"),
            _ => format!("203.0.113.9 - - [20/Nov/2026:16:00:01 +0000] \"GET /{secret}\n"),
        });
    }
    lines
}
