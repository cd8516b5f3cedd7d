//! Looks for bytes in short texts, eight at a time.
//!
//! memchr is faster on long texts, but its call costs as much as the whole search in a field of a log line. Knows nothing of
//! what the bytes mean.

/// Place of the first `byte`.
#[inline]
pub fn find(byte: u8, text: &[u8]) -> Option<usize> {
    let wanted = EVERY * u64::from(byte);
    place(text, |word| zeros(word ^ wanted), |other| other == byte)
}

/// Place of the first of two bytes.
#[inline]
pub fn find_either(one: u8, two: u8, text: &[u8]) -> Option<usize> {
    let (first, second) = (EVERY * u64::from(one), EVERY * u64::from(two));
    place(text, |word| zeros(word ^ first) | zeros(word ^ second), |other| other == one || other == two)
}

/// Place of the first byte for which `hits` sets the highest bit of its byte; bits above the lowest one set may be wrong.
#[inline(always)]
fn place(text: &[u8], hits: impl Fn(u64) -> u64, is_hit: impl Fn(u8) -> bool) -> Option<usize> {
    let mut rest = text;
    while let Some((word, tail)) = rest.split_first_chunk() {
        let found = hits(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(text.len() - rest.len() + low_byte(found));
        }
        rest = tail;
    }
    if rest.is_empty() {
        return None;
    }
    // The last eight bytes once more, rather than the rest one by one.
    match text.last_chunk::<8>() {
        Some(word) => {
            let searched = 8 * (8 - rest.len());
            let found = hits(u64::from_le_bytes(*word)) >> searched << searched;
            (found != 0).then(|| text.len() - 8 + low_byte(found))
        }
        None => rest.iter().position(|&byte| is_hit(byte)),
    }
}

/// The highest bit of every byte that is nought, and perhaps of bytes above the lowest such one (Mycroft's test, in Warren,
/// Hacker's Delight, section 6-1).
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EVERY) & !word & HIGHEST
}

#[inline(always)]
fn low_byte(found: u64) -> usize {
    found.trailing_zeros() as usize / 8
}

const EVERY: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_place_is_found(text in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'c'), any::<u8>()], 0..40)) {
            prop_assert_eq!(find(b'a', &text), text.iter().position(|&byte| byte == b'a'));
            prop_assert_eq!(find_either(b'a', b'b', &text), text.iter().position(|&byte| byte == b'a' || byte == b'b'));
        }
    }

    #[test]
    fn a_wrong_bit_above_a_hit_is_no_hit() {
        // 0x60 above a hit of 0x61 borrows; the search in the last eight bytes must not take it for one.
        let text = [b'a', b'`', b'`', b'`', b'`', b'`', b'`', b'`', b'`', b'`'];
        assert_eq!(find(b'a', &text[1..]), None);
        assert_eq!((find(b'a', &text), find_either(b'`', b'a', &text[2..])), (Some(0), Some(0)));
    }
}
