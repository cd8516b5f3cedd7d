//! Thrift's compact protocol, walked without keeping anything: structs, lists and texts must lie in the bytes.
//!
//! The readers of polars take the memory for as many elements as a list claims to have before they read the first one; a failed allocation
//! ends the process, so what they are given is walked here before. Knows nothing of what fields mean.
//!
//! Source: Thrift's `doc/specs/thrift-compact-protocol.md`.

/// A whole number, or the length of a list, and its place in the outermost struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The field of the outermost struct.
    pub(super) field: i64,
    /// The field of the struct in that field; 0 for a value of the outermost struct itself.
    pub(super) inner: i64,
    /// The number; of a list its length.
    pub(super) value: i64,
}

/// Walks one struct at the beginning of some bytes. Returns what is after it, `None` where a value is longer than what is left or nested too
/// deep. `found` gets the numbers and lists of the struct and of the structs directly in it.
pub(super) fn walk<'b>(bytes: &'b [u8], found: &mut dyn FnMut(Found)) -> Option<&'b [u8]> {
    let mut walker = Walker { rest: bytes, found, place: [0; 2] };
    walker.structure(0)?;
    Some(walker.rest)
}

struct Walker<'b, 'f> {
    rest: &'b [u8],
    found: &'f mut dyn FnMut(Found),
    /// Fields of the outermost struct and of the struct in it.
    place: [i64; 2],
}

impl Walker<'_, '_> {
    fn structure(&mut self, depth: usize) -> Option<()> {
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            let (delta, kind) = (head >> 4, head & 15);
            field = if delta == 0 { self.zigzag()? } else { field.checked_add(i64::from(delta))? };
            if let Some(place) = self.place.get_mut(depth) {
                *place = field;
                self.place[depth + 1..].fill(0);
            }
            // The head says which of the two a truth value is.
            if !matches!(kind, TRUE | FALSE) {
                self.value(kind, depth)?;
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth >= DEPTH_MAX {
            return None;
        }
        match kind {
            TRUE | FALSE | BYTE => self.skip(1),
            I16 | I32 | I64 => {
                let value = self.zigzag()?;
                self.report(depth, value);
                Some(())
            }
            DOUBLE => self.skip(8),
            BINARY => {
                let length = self.varint()?;
                self.skip(length)
            }
            LIST | SET => self.list(depth),
            MAP => self.map(depth),
            STRUCT => self.structure(depth + 1),
            UUID => self.skip(16),
            _ => None,
        }
    }

    fn report(&mut self, depth: usize, value: i64) {
        if depth < self.place.len() {
            let [field, inner] = self.place;
            (self.found)(Found { field, inner, value });
        }
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        let head = self.byte()?;
        let size = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        // Every element has a byte or more.
        if size > self.rest.len() as u64 {
            return None;
        }
        self.report(depth, size.cast_signed());
        for _ in 0..size {
            self.value(head & 15, depth + ELEMENT)?;
        }
        Some(())
    }

    fn map(&mut self, depth: usize) -> Option<()> {
        let size = self.varint()?;
        if size > self.rest.len() as u64 {
            return None;
        }
        let kinds = if size == 0 { 0 } else { self.byte()? };
        for _ in 0..size {
            self.value(kinds >> 4, depth + ELEMENT)?;
            self.value(kinds & 15, depth + ELEMENT)?;
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn skip(&mut self, length: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(length).ok()?..)?;
        Some(())
    }
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;
/// Elements are deeper than the places that are reported.
const ELEMENT: usize = 2;
const DEPTH_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Option<Vec<Found>> {
        let mut all = Vec::new();
        walk(bytes, &mut |found| all.push(found)).map(|_| all)
    }

    #[test]
    fn numbers_and_lists_are_found_at_their_place() {
        // Field 1 is -3; field 2 a list of two empty structs; field 3 a text; field 5 a struct whose field 1 is 2; then two bytes more.
        let bytes = [0x15, 5, 0x19, 0x2c, 0, 0, 0x18, 2, b'a', b'b', 0x2c, 0x15, 4, 0, 0, 7, 7];
        let place = |field, inner, value| Found { field, inner, value };
        assert_eq!(found(&bytes).unwrap(), [place(1, 0, -3), place(2, 0, 2), place(5, 1, 2)]);
        assert_eq!(walk(&bytes, &mut |_| ()), Some(&[7, 7][..]));
    }

    #[test]
    fn what_claims_more_than_there_is_is_refused() {
        let two_thousand_million = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0];
        let a_long_text = [0x18, 0xff, 0xff, 0x03, b'a', 0];
        let an_unknown_type = [0x1e, 0];
        for bytes in [&two_thousand_million[..], &a_long_text, &an_unknown_type, &[], &[0x1c; 4000], &[0x19; 4000]] {
            assert_eq!(found(bytes), None, "{bytes:?}");
        }
    }
}
