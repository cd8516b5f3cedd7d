//! The positions in a sync token, and tables of them.

use prefetch_index::prefetch_index;
use wsim_logs::streams::Stream;
use wsim_stats::hashing::NumberMap;

/// The position of every stream, in the order of [`Stream::ALL`]: the low 32 bits, which are enough to compare positions that lie close
/// together. 0: the token has none.
pub type Positions = [u32; Stream::ALL.len()];

/// Reads `s58_2_0_1_1_1_1_85`, also with the positions of several writers (`m56~2.58~3.59_…`), of sliding sync (`12/s58_2_…`) and with
/// a topological part (`t7-58_…`). `None` for anything else, such as the numbers of a sliding sync proxy.
pub(crate) fn positions(token: &[u8]) -> Option<Positions> {
    let token = memchr::memrchr(b'/', token).map_or(token, |slash| &token[slash + 1..]);
    let (kind, rest) = token.split_first()?;
    let token = match kind {
        b's' | b'm' => rest,
        b't' => &rest[memchr::memchr(b'-', rest)? + 1..],
        _ => return None,
    };
    memchr::memchr(b'_', token)?;
    if let Some(positions) = plain(token) {
        return Some(positions);
    }
    let mut positions = Positions::default();
    for (position, part) in positions.iter_mut().zip(token.split(|byte| *byte == b'_')) {
        *position = furthest(part)?;
    }
    Some(positions)
}

/// Positions of one writer each, as nearly all are; `None` for any other text.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn plain(token: &[u8]) -> Option<Positions> {
    let mut positions = Positions::default();
    let (mut part, mut number, mut digits) = (0, 0u64, 0);
    for byte in token {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 if digits < DIGITS_MAX => (number, digits) = (number * 10 + u64::from(digit), digits + 1),
            _ if *byte == b'_' && digits > 0 => {
                positions[part] = number as u32;
                (part, number, digits) = (part + 1, 0, 0);
                if part == positions.len() {
                    return Some(positions);
                }
            }
            _ => return None,
        }
    }
    positions[part] = number as u32;
    (digits > 0).then_some(positions)
}

/// As [`wsim_logs::time::decimal`] reads.
const DIGITS_MAX: u32 = 18;

/// The furthest of a part's positions: `58`, or `m56~2.58~3.59` for several writers.
fn furthest(part: &[u8]) -> Option<u32> {
    let part = part.strip_prefix(b"m").unwrap_or(part);
    let mut furthest = 0;
    for piece in part.split(|byte| *byte == b'~') {
        let position = memchr::memrchr(b'.', piece).map_or(piece, |dot| &piece[dot + 1..]);
        furthest = furthest.max(wsim_logs::time::decimal(position)?);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low bits of a number that is not negative")]
    Some(furthest as u32)
}

/// How far `new` lies beyond `old`; `None` if it does not, or if one of them is unknown.
pub(super) fn beyond(old: u32, new: u32) -> Option<u32> {
    let step = new.wrapping_sub(old);
    (old != 0 && new != 0 && (1..=u32::MAX / 2).contains(&step)).then_some(step)
}

/// Distinct tokens by number, from 1. Equal 64-bit hashes are taken for equal tokens, as with names.
#[derive(Debug, Default)]
pub struct TokenTable {
    tokens: Vec<Positions>,
    /// By hash.
    numbers: NumberMap<u64, u32>,
}

impl TokenTable {
    /// The number of a token, 0 if it has no positions.
    pub fn number(&mut self, token: &[u8]) -> u32 {
        let Some(positions) = positions(token) else { return 0 };
        let next = u32::try_from(self.tokens.len() + 1).unwrap_or(0);
        *self.numbers.entry(hash_of(&positions)).or_insert_with(|| {
            self.tokens.push(positions);
            next
        })
    }

    /// Takes over the tokens of another table; returns what is to be added to its numbers. Equal tokens are not looked for, because that
    /// would need more memory than the tokens.
    pub(crate) fn append(&mut self, other: Vec<Positions>) -> u32 {
        let offset = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        self.tokens.extend(other);
        offset
    }

    /// All tokens by number, which leaves none.
    pub(crate) fn take(&mut self) -> Vec<Positions> {
        self.numbers.clear();
        std::mem::take(&mut self.tokens)
    }

    pub(super) fn all(&self) -> &[Positions] {
        &self.tokens
    }

    /// Lets the memory of a token arrive that is looked at a little later: tokens of neighbouring requests are far apart where devices
    /// sync rarely.
    #[inline]
    pub(super) fn prefetch(&self, number: u32) {
        prefetch_index(&self.tokens, number.saturating_sub(1) as usize);
    }

    pub(super) fn get(&self, number: u32) -> Option<&Positions> {
        self.tokens.get(number.checked_sub(1)? as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

fn hash_of(positions: &Positions) -> u64 {
    let mut bytes = [0; size_of::<Positions>()];
    for (bytes, position) in bytes.chunks_exact_mut(size_of::<u32>()).zip(positions) {
        bytes.copy_from_slice(&position.to_le_bytes());
    }
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_a_token_is_read() {
        let read = |token: &str| positions(token.as_bytes());
        assert_eq!(read("s222_2_0_1_1_1_1_85_0_1_2_1_1_1"), Some([222, 2, 0, 1, 1, 1, 1, 85]));
        assert_eq!(read("s72594_4483_1934"), Some([72594, 4483, 1934, 0, 0, 0, 0, 0]), "an old release");
        assert_eq!(read("m56~2.58~3.59_2_0_m4~1.7_1_1_1_85"), Some([59, 2, 0, 7, 1, 1, 1, 85]), "several writers");
        assert_eq!(read("12/s58_2_0"), Some([58, 2, 0, 0, 0, 0, 0, 0]), "sliding sync");
        assert_eq!(read("t7-58_2_0"), Some([58, 2, 0, 0, 0, 0, 0, 0]));
        assert_eq!(read("s4294967301_1").unwrap()[0], 5, "the low 32 bits");
        assert_eq!(read("s1_2_3_4_5_6_7_8_x"), Some([1, 2, 3, 4, 5, 6, 7, 8]), "streams that are not looked at");
        assert_eq!((read("s1_9999999999999999999"), read("s1_999999999999999999").is_some()), (None, true));
        for other in ["", "s", "5", "s5", "0", "s_", "s5__", "s5_x", "s5_-1", "{since}", "t5_1"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn positions_may_pass_the_end_of_32_bits() {
        assert_eq!((beyond(5, 7), beyond(7, 5), beyond(5, 5)), (Some(2), None, None));
        assert_eq!((beyond(u32::MAX, 2), beyond(0, 7), beyond(7, 0)), (Some(3), None, None));
    }

    #[test]
    fn equal_tokens_have_one_number_and_tables_are_joined() {
        let mut block = TokenTable::default();
        assert_eq!([block.number(b"s5_1"), block.number(b"s6_1"), block.number(b"s5_1"), block.number(b"x")], [1, 2, 1, 0]);
        let mut all = TokenTable::default();
        all.append(vec![[1; 8]; 3]);
        let offset = all.append(block.take());
        assert_eq!((offset, all.get(2 + offset).unwrap()[0], all.get(0)), (3, 6, None));
        assert_eq!(block.number(b"s9_1"), 1, "numbers start again");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(token: Vec<u8>) {
            let _ = positions(&token);
        }
    }
}
