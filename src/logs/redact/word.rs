//! Tells words that people wrote from random ones.
//!
//! Pairs of neighbouring letters that occur in English text and in the names of programs are 98.9 % of all pairs there, but 300 of
//! the 676 that are possible. A word is random if at least three of ten of its pairs are others; a change between letters and digits
//! counts as one, a capital after a small letter (`SchildiChat`) as half of one. Measured on 2,000 random words of 16 characters or
//! more each: 99.8 % of those of letters and digits, 97.4 % of letters alone; of 3,700 words of at least 16 characters in the names
//! of packages and programs 3 % are taken for random. With signs between the words 92 % of Synapse's registration tokens are recognised (the
//! others lack a capital, a small letter or a digit), and 1 in 1,000 of 70,000 names. Knows nothing of where a word stands.

/// A random word has at least this length: the default of registration tokens.
pub(super) const RANDOM_MIN: usize = 16;
/// Hexadecimal text of this length is a token (`openssl rand -hex 32`). Shorter ones are hashes and ids.
pub(super) const HEX_MIN: usize = 64;
/// A word of this length has no meaning, whatever its letters.
const WORD_MAX: usize = 60;

/// The number of letters and digits at the start.
pub(super) fn len(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(text.len())
}

/// Whether a word, which has only letters and digits, is a secret by its looks.
pub(super) fn is_random(word: &[u8]) -> bool {
    if word.len() < RANDOM_MIN || word.iter().all(u8::is_ascii_digit) {
        return false;
    }
    if word.len() < HEX_MIN && is_hex(word) {
        return false;
    }
    word.len() >= WORD_MAX || has_odd_pairs(word)
}

/// Hexadecimal digits of one case.
pub(super) fn is_hex(word: &[u8]) -> bool {
    let digits = |letters: std::ops::RangeInclusive<u8>| word.iter().all(|byte| byte.is_ascii_digit() || letters.contains(byte));
    digits(b'a'..=b'f') || digits(b'A'..=b'F')
}

/// Whether words with signs between them (`-`, `_`, `.`, `~`) are one random text, like the registration tokens that Synapse makes and
/// base64 for URLs: letters of both cases and digits, and more odd pairs within the words than names of products and files have.
pub(super) fn is_random_run(run: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| run.iter().any(kind);
    if run.len() < RANDOM_MIN || !(has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)) {
        return false;
    }
    // `GET-7f3c9e1a5b7f3c9e`: hexadecimal words are ids.
    let words = run.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| word.len() < HEX_WORD_MIN || !is_hex(word));
    let (odd, pairs) = words.map(odd_pairs).fold((0, 0), |sum, word| (sum.0 + word.0, sum.1 + word.1));
    pairs >= RUN_PAIRS_MIN && odd * 100 >= pairs * 2 * RUN_ODD_PERCENT
}

fn has_odd_pairs(word: &[u8]) -> bool {
    let (odd, pairs) = odd_pairs(word);
    odd * 10 >= pairs * 2 * ODD_TENTHS
}

/// Twice the number of odd pairs, and the number of pairs.
fn odd_pairs(word: &[u8]) -> (usize, usize) {
    let (mut odd, mut pairs) = (0, 0);
    for pair in word.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        pairs += 1;
        match (first.is_ascii_digit(), second.is_ascii_digit()) {
            (true, true) => pairs -= 1,
            (false, false) if first.is_ascii_lowercase() && second.is_ascii_uppercase() => odd += 1,
            (false, false) if is_usual(first, second) => {}
            _ => odd += 2,
        }
    }
    (odd, pairs)
}

fn is_usual(first: u8, second: u8) -> bool {
    let index = |letter: u8| usize::from(letter.to_ascii_lowercase().wrapping_sub(b'a'));
    USUAL.get(index(first)).is_some_and(|after| index(second) < USUAL.len() && after >> index(second) & 1 == 1)
}

const ODD_TENTHS: usize = 3;
const RUN_ODD_PERCENT: usize = 35;
/// Pairs that words with signs between them need, to be judged by.
const RUN_PAIRS_MIN: usize = 4;
/// Hexadecimal words of at least this length are ids, shorter ones say nothing.
const HEX_WORD_MIN: usize = 8;

/// For each first letter the second letters of the 300 most frequent pairs, a bit each, `a` the lowest. Counted in Synapse's
/// documentation and in this repository.
const USUAL: [u32; 26] = [
    0x1fe_bd6e, // a: bcdfgiklmnprstuvwxy
    0x116_4b11, // b: aeijlorsuy
    0x11e_cd95, // c: acehikloprstuy
    0x13e_d91b, // d: abdeilmoprstuvy
    0x1ff_b97f, // e: abcdefgilmnpqrstuvwxy
    0x01a_6931, // f: aefilnortu
    0x01e_61d1, // g: aeghinorstu
    0x01b_5111, // h: aeimoqrtu
    0x2ae_f87f, // i: abcdefglmnoprstvxz
    0x004_4010, // j: eos
    0x004_2950, // k: egilns
    0x11c_c939, // l: adefilopstuy
    0x014_f913, // m: abeilmnopsu
    0x1fc_ed7d, // n: acdefgiklnopstuvwxy
    0x0fe_fd7f, // o: abcdefgiklmnoprstuvwx
    0x11e_c919, // p: adeiloprstuy
    0x010_0000, // q: u
    0x13e_fd5d, // r: acdegiklmnoprstuvy
    0x15c_cd95, // s: acehiklopstuwy
    0x15e_c99d, // t: acdehiloprstuwy
    0x00e_f95f, // u: abcdegilmnoprst
    0x000_4111, // v: aeio
    0x006_6191, // w: aehinors
    0x108_8101, // x: aipty
    0x00c_e811, // y: aelnopst
    0x000_0010, // z: e
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_words_are_told_from_names() {
        for random in [
            "hSsyFQHqpjzBtuMmKRvL",
            "Zx8kQ2mPq9LrT4vW",
            "k3j5h2g9x8w7v6b5n4m3q2p1",
            "QWxhZGRpbjpvcGVuc2VzYW1l",
            "01HXYZ3K5N8Q2R4T6V8W0Y1Z3B",
            "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
        ] {
            assert!(is_random(random.as_bytes()), "{random}");
        }
        for name in [
            "SchildiChatDesktop",
            "applicationservice",
            "PrometheusBlackboxExporter",
            "MatrixFederationAgent",
            "FluffyChatAndroid2024",
            "Element-X-iOS-26.1.0",
            "GET-7f3c9e1a5b7f3c9e1a5b7f3c9e1a5b7f",
            "synapse-generic-worker-7d9f8b6c5d-x2x4z",
            "mautrixfacebookbridge",
            "6c8f0a3b5d7e9f1a2b3c4d5e6f708192a3b4c5d6",
            "1700000000000123456789012345678901234567890123456789012345678901234567890",
            "short1A2b3C",
        ] {
            assert!(!is_random_run(name.as_bytes()) && !name.split(['-', '.']).any(|word| is_random(word.as_bytes())), "{name}");
        }
        for run in ["aZ3.kQ~9mX-2LrT4", "q7Rk2Lx9-Wv4Tz8Np_1Hs6Yd3", "242H-v6UXWGH1WGiahq-zSzEOyz"] {
            assert!(is_random_run(run.as_bytes()), "{run}");
        }
    }
}
