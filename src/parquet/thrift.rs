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

/// The type that a field must have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    /// A whole number of 16 bits or more.
    Number,
    /// A number of eight bits.
    Byte,
    /// A truth value.
    Bool,
    /// A text or bytes.
    Text,
    /// A list of elements of one type.
    List(&'static Type),
    /// A struct; its fields of other numbers may have any type.
    Struct(&'static [(i64, Type)]),
}

/// Walks one struct at the beginning of some bytes. Returns what is after it, `None` where a value is longer than what is left, nested too
/// deep, or of another type than `fields` says. `found` gets the numbers and lists of the struct and of the structs directly in it.
pub(super) fn walk<'b>(bytes: &'b [u8], fields: &'static [(i64, Type)], found: &mut dyn FnMut(Found)) -> Option<&'b [u8]> {
    let mut walker = Walker { rest: bytes, found, place: [0; 2] };
    walker.structure(fields, 0)?;
    Some(walker.rest)
}

struct Walker<'b, 'f> {
    rest: &'b [u8],
    found: &'f mut dyn FnMut(Found),
    /// Fields of the outermost struct and of the struct in it.
    place: [i64; 2],
}

impl Walker<'_, '_> {
    fn structure(&mut self, fields: &'static [(i64, Type)], depth: usize) -> Option<()> {
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            let (delta, kind) = (head >> 4, head & 15);
            field = if delta == 0 { self.zigzag()? } else { field.checked_add(i64::from(delta))? };
            // Numbers of fields have 16 bits; a longer one would be another field for polars.
            i16::try_from(field).ok()?;
            if let Some(place) = self.place.get_mut(depth) {
                *place = field;
                self.place[depth + 1..].fill(0);
            }
            let wanted = fields.iter().find(|(number, _)| *number == field).map(|(_, wanted)| *wanted);
            // The head says which of the two a truth value is.
            if matches!(kind, TRUE | FALSE) {
                wanted.is_none_or(|wanted| wanted.is(kind)).then_some(())?;
            } else {
                self.value(kind, wanted, depth)?;
            }
        }
    }

    fn value(&mut self, kind: u8, wanted: Option<Type>, depth: usize) -> Option<()> {
        if depth >= DEPTH_MAX || wanted.is_some_and(|wanted| !wanted.is(kind)) {
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
            LIST | SET => self.list(wanted.and_then(Type::element), depth),
            MAP => self.map(depth),
            STRUCT => self.structure(wanted.map_or(&[], Type::fields), depth + 1),
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

    fn list(&mut self, wanted: Option<Type>, depth: usize) -> Option<()> {
        let head = self.byte()?;
        let size = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        // Every element has a byte or more.
        if size > self.rest.len() as u64 {
            return None;
        }
        // Polars takes such an element for no byte and would read another structure than was checked here; no footer and no page header has one.
        if size > 0 && matches!(head & 15, TRUE | FALSE) {
            return None;
        }
        self.report(depth, size.cast_signed());
        for _ in 0..size {
            self.value(head & 15, wanted, depth + ELEMENT)?;
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
            self.value(kinds >> 4, None, depth + ELEMENT)?;
            self.value(kinds & 15, None, depth + ELEMENT)?;
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

impl Type {
    /// Whether a type of the protocol is this one. Polars reads sets as errors, so they are no lists here.
    fn is(self, kind: u8) -> bool {
        match self {
            Type::Number => matches!(kind, I16 | I32 | I64),
            Type::Byte => kind == BYTE,
            Type::Bool => matches!(kind, TRUE | FALSE),
            Type::Text => kind == BINARY,
            Type::List(_) => kind == LIST,
            Type::Struct(_) => kind == STRUCT,
        }
    }

    /// The type of a list's elements.
    fn element(self) -> Option<Type> {
        if let Type::List(element) = self { Some(*element) } else { None }
    }

    /// The fields of a struct.
    fn fields(self) -> &'static [(i64, Type)] {
        if let Type::Struct(fields) = self { fields } else { &[] }
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
        walk(bytes, &[], &mut |found| all.push(found)).map(|_| all)
    }

    #[test]
    fn numbers_and_lists_are_found_at_their_place() {
        // Field 1 is -3; field 2 a list of two empty structs; field 3 a text; field 5 a struct whose field 1 is 2; then two bytes more.
        let bytes = [0x15, 5, 0x19, 0x2c, 0, 0, 0x18, 2, b'a', b'b', 0x2c, 0x15, 4, 0, 0, 7, 7];
        let place = |field, inner, value| Found { field, inner, value };
        assert_eq!(found(&bytes).unwrap(), [place(1, 0, -3), place(2, 0, 2), place(5, 1, 2)]);
        assert_eq!(walk(&bytes, &[], &mut |_| ()), Some(&[7, 7][..]));
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

    #[test]
    fn a_field_of_another_type_is_refused() {
        const FIELDS: &[(i64, Type)] = &[(1, Type::Number), (2, Type::List(&Type::Struct(&[(1, Type::Text)]))), (3, Type::Bool)];
        let fits = |bytes: &[u8]| walk(bytes, FIELDS, &mut |_| ()).is_some();
        // Field 1 is a number, field 2 a list of one struct whose field 1 is an empty text, field 3 is true, field 4 is not known.
        assert!(fits(&[0x15, 2, 0x19, 0x1c, 0x18, 0, 0, 0x11, 0x15, 2, 0]));
        let a_text_for_a_number = [0x18, 1, b'a', 0];
        let a_list_of_numbers = [0x29, 0x15, 2, 0];
        let a_number_in_the_struct = [0x29, 0x1c, 0x15, 2, 0, 0];
        let a_number_for_a_truth_value = [0x35, 2, 0];
        let a_truth_value_for_a_number = [0x11, 0];
        let a_set = [0x2a, 0x0c, 0];
        let field_65537 = [0x05, 0x82, 0x80, 0x08, 2, 0];
        let others = [
            &a_text_for_a_number[..],
            &a_list_of_numbers,
            &a_number_in_the_struct,
            &a_number_for_a_truth_value,
            &a_truth_value_for_a_number,
            &a_set,
            &field_65537,
        ];
        for bytes in others {
            assert!(!fits(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn a_list_of_truth_values_is_refused() {
        // Polars would take 127 of them for no bytes at all.
        let list = [vec![0x19, 0xf1, 0x7f], vec![1; 127], vec![0]].concat();
        assert_eq!(found(&list), None);
    }
}
