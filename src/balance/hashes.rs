//! The hash functions that proxies use, beside xxHash (crate `xxhash-rust`) and SHA-256 (crate `sha2`).
//!
//! All arithmetic wraps at 32 or 64 bits. Definitions: CRC-32 as in ISO 3309 (nginx `src/core/ngx_crc32.c`); sdbm, djb2, wt6
//! and the avalanche as in HAProxy `src/hash.c` and `include/haproxy/intops.h`; FNV-1a from Fowler, Noll and Vo.

/// The running state of a CRC-32, so that a common beginning is hashed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crc32(u32);

impl Crc32 {
    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Eight bytes a step (slicing; Kounavis and Berry, 2005).
    pub(super) fn update(mut self, bytes: &[u8]) -> Self {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for &[a, b, c, d, e, f, g, h] in chunks {
            let low = self.0 ^ u32::from_le_bytes([a, b, c, d]);
            let [a, b, c, d] = low.to_le_bytes();
            self.0 = table(7, a) ^ table(6, b) ^ table(5, c) ^ table(4, d) ^ table(3, e) ^ table(2, f) ^ table(1, g) ^ table(0, h);
        }
        for byte in rest {
            self.0 = (self.0 >> 8) ^ table(0, self.0.to_le_bytes()[0] ^ byte);
        }
        self
    }

    pub(super) const fn finish(self) -> u32 {
        !self.0
    }
}

fn table(slice: usize, byte: u8) -> u32 {
    CRC_TABLES[slice][usize::from(byte)]
}

/// CRC-32 of a text.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    Crc32::new().update(bytes).finish()
}

/// sdbm: `h = c + 65599 h`.
pub(super) fn sdbm(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |hash: u32, &byte| hash.wrapping_mul(65_599).wrapping_add(u32::from(byte)))
}

/// djb2: `h = c + 33 h`.
pub(super) fn djb2(bytes: &[u8]) -> u32 {
    bytes.iter().fold(5381, |hash: u32, &byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

/// wt6: two lanes, swapped at every byte, turned by amounts that depend on what came before.
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

/// HAProxy's `none`: the key is a decimal integer; what follows the digits is ignored, and it is cut to 32 bits.
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

/// FNV-1a, 32 bits, over several parts as if they were one text.
pub(super) fn fnv1a_32(parts: [&[u8]; 2]) -> u32 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0x811C_9DC5, |hash: u32, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// FNV-1a, 64 bits, over several parts as if they were one text.
pub(super) fn fnv1a_64(parts: [&[u8]; 2]) -> u64 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

const CRC_TABLES: [[u32; 256]; 8] = crc_tables();

const fn crc_tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ CRC_POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut slice = 1;
    while slice < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[slice - 1][byte];
            tables[slice][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

/// The polynomial of CRC-32, lowest power first.
const CRC_POLYNOMIAL: u32 = 0xEDB8_8320;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_definitions_hold() {
        // The check values that the definitions publish for these texts.
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
            assert_eq!(Crc32::new().update(a).update(b).finish(), crc32(text), "{cut}");
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
