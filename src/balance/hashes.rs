//! Hash functions of the proxies: HAProxy's sdbm, djb2, wt6, its key as a number, and its avalanche (the final mix of a hash);
//! FNV-1a of Caddy and Traefik; CRC-32, from `crc32fast`, for all rules that use it.
//!
//! All arithmetic wraps at 32 or 64 bits. Definitions: HAProxy's as in its `src/hash.c` and `include/haproxy/intops.h`; FNV-1a from
//! Fowler, Noll and Vo; CRC-32 is ISO 3309, as in nginx `src/core/ngx_crc32.c`.

pub(super) use crc32fast::{Hasher as Crc32, hash as crc32};

/// sdbm: `h = c + 65599 h`.
pub(super) fn sdbm(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |hash: u32, &byte| hash.wrapping_mul(65_599).wrapping_add(u32::from(byte)))
}

/// djb2: `h = c + 33 h`.
pub(super) fn djb2(bytes: &[u8]) -> u32 {
    bytes.iter().fold(5381, |hash: u32, &byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

/// wt6: two lanes, swapped at every byte, rotated by amounts that depend on the bytes before.
pub(super) fn wt6(bytes: &[u8]) -> u32 {
    let (mut left, mut right) = (0xA53C_965A_u32, 0x5CA6_953A_u32);
    let (mut left_turn, mut right_turn) = (6, 18);
    for &byte in bytes {
        let byte = u32::from(byte);
        let turned = (!right.wrapping_add(byte)).rotate_left(left_turn);
        right = (!(left ^ byte)).rotate_left(right_turn);
        left = turned;
        let mix = ((left >> 16) ^ right) & 0xFFFF;
        (left_turn, right_turn) = (mix & 0x1F, mix >> 11);
    }
    left ^ right
}

/// HAProxy's `none`: the key is a decimal integer, cut to 32 bits; text after the digits is ignored.
pub(super) fn number(bytes: &[u8]) -> u32 {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let value = digits.fold(0_i64, |value, byte| {
        let digit = i64::from(byte - b'0');
        let value = value.saturating_mul(10);
        if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) }
    });
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Bob Jenkins' integer mix, then a multiplication by a prime near three quarters of 2^32.
pub(super) fn avalanche(hash: u32) -> u32 {
    let mut a = hash;
    a = a.wrapping_add(0x7ED5_5D16).wrapping_add(a << 12);
    a = (a ^ 0xC761_C23C) ^ (a >> 19);
    a = a.wrapping_add(0x1656_67B1).wrapping_add(a << 5);
    a = a.wrapping_add(0xD3A2_646C) ^ (a << 9);
    a = a.wrapping_add(0xFD70_46C5).wrapping_add(a << 3);
    a = (a ^ 0xB55A_4F09) ^ (a >> 16);
    a.wrapping_mul(3_221_225_473)
}

/// FNV-1a, 32 bits, over two parts as if they were one text.
pub(super) fn fnv1a_32(parts: [&[u8]; 2]) -> u32 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0x811C_9DC5, |hash: u32, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// FNV-1a, 64 bits, over two parts as if they were one text.
pub(super) fn fnv1a_64(parts: [&[u8]; 2]) -> u64 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_definitions_hold() {
        // The values that the definitions publish for these texts.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(fnv1a_32([b"foo", b"bar"]), 0xBF9C_F968);
        assert_eq!(fnv1a_64([b"", b"foobar"]), 0x8594_4171_F739_67E8);
        assert_eq!(djb2(b""), 5381);
        assert_eq!(sdbm(b"a"), 97);
    }

    #[test]
    fn a_crc_in_pieces_is_the_crc_of_the_whole() {
        let text = b"Bearer syt_YWxpY2U_kQpWzXvBnTyUiOpAsDf_0aBcDe";
        for cut in 0..text.len() {
            let (a, b) = text.split_at(cut);
            let mut state = Crc32::new();
            state.update(a);
            state.update(b);
            assert_eq!(state.finalize(), crc32(text), "{cut}");
        }
    }

    #[test]
    fn a_number_is_read_as_far_as_its_digits_go() {
        assert_eq!(number(b"4294967297"), 1);
        assert_eq!(number(b"42/x"), 42);
        assert_eq!(number(b"-1"), u32::MAX);
        assert_eq!(number(b""), 0);
        assert_eq!(number(b"!room"), 0);
    }
}
