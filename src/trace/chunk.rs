//! Requests in sealed, sorted chunks of columns.

use std::ops::Range;

use super::packed::Packed;
use super::request::{NameId, Request};
use wsim_endpoints::{EndpointId, Method};

/// Rows in a full chunk, which fits the second-level cache while it is packed column by column.
pub(super) const CHUNK_ROWS: usize = 4096;

/// Up to [`CHUNK_ROWS`] requests in arrival order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    rows: usize,
    first_us: i64,
    columns: [Packed; COLUMNS],
}

/// The columns after the arrival, in one table that packing and unpacking share.
macro_rules! columns {
    ($($field:ident),+ $(,)?) => {
        const COLUMNS: usize = 1 + [$(stringify!($field)),+].len();

        /// Packs every column of sorted rows.
        fn pack(rows: &[Request], first_us: i64) -> [Packed; COLUMNS] {
            [
                Packed::from_values(rows.iter().map(|request| request.arrival_us.wrapping_sub(first_us).cast_unsigned())),
                $(Packed::from_values(rows.iter().map(|request| request.$field.to_number())),)+
            ]
        }

        /// Sets every field but the arrival of `out`, column by column.
        fn unpack(columns: &[Packed; COLUMNS], rows: &Range<usize>, out: &mut [Request]) {
            let mut columns = columns[1..].iter();
            $(if let Some(column) = columns.next() {
                column.each(rows.clone(), |row, number| out[row].$field = Number::from_number(number));
            })+
        }
    };
}

columns! {
    wall_us, send_us, proxy_us, cpu_us, db_sched_us, db_txn_us, db_count, events, bytes_sent, bytes_received, timeout_ms,
    user, room, peer, template, agent, process, upstream, request_id, match_hash, since, news, news_stream, woken_us, endpoint, status,
    method, flags,
}

impl Chunk {
    /// Sorts by arrival (equal arrivals keep their order) and packs. `None` if there are no rows.
    pub(super) fn seal(rows: &mut [Request]) -> Option<Self> {
        rows.sort_by_key(|request| request.arrival_us);
        let first_us = rows.first()?.arrival_us;
        Some(Self { rows: rows.len(), first_us, columns: pack(rows, first_us) })
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    #[inline]
    pub(super) fn arrival_us(&self, row: usize) -> i64 {
        self.first_us.wrapping_add(self.columns[0].at(row).cast_signed())
    }

    /// Replaces the content of `out` by the given rows, unpacked column by column.
    pub(super) fn decode(&self, rows: Range<usize>, out: &mut Vec<Request>) {
        out.clear();
        out.resize(rows.len(), Request::default());
        for (row, request) in rows.clone().zip(out.iter_mut()) {
            request.arrival_us = self.arrival_us(row);
        }
        unpack(&self.columns, &rows, out);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.columns.iter().map(Packed::heap_bytes).sum::<usize>()
    }
}

/// A field as a number of a column, 0 for the default.
trait Number {
    fn to_number(self) -> u64;
    /// The inverse of [`Self::to_number`].
    fn from_number(number: u64) -> Self;
}

impl Number for u64 {
    fn to_number(self) -> u64 {
        self
    }

    fn from_number(number: u64) -> Self {
        number
    }
}

impl Number for u32 {
    fn to_number(self) -> u64 {
        u64::from(self)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the column was made from 32-bit values")]
    fn from_number(number: u64) -> Self {
        number as u32
    }
}

impl Number for u16 {
    fn to_number(self) -> u64 {
        u64::from(self)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the column was made from 16-bit values")]
    fn from_number(number: u64) -> Self {
        number as u16
    }
}

/// Zigzag: small negative numbers become small positive ones.
impl Number for i32 {
    fn to_number(self) -> u64 {
        ((self << 1) ^ (self >> 31)).cast_unsigned().to_number()
    }

    fn from_number(number: u64) -> Self {
        let zigzag = u32::from_number(number);
        (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed()
    }
}

impl Number for NameId {
    fn to_number(self) -> u64 {
        self.0.to_number()
    }

    fn from_number(number: u64) -> Self {
        Self(Number::from_number(number))
    }
}

impl Number for EndpointId {
    fn to_number(self) -> u64 {
        self.0.to_number()
    }

    fn from_number(number: u64) -> Self {
        Self(Number::from_number(number))
    }
}

impl Number for Method {
    fn to_number(self) -> u64 {
        u64::from(self as u8)
    }

    fn from_number(number: u64) -> Self {
        Self::from_number(u8::try_from(number).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::any_request::any_request;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_chunk_gives_back_its_requests_in_order(mut rows in proptest::collection::vec(any_request(), 1..50)) {
            let mut expected = rows.clone();
            expected.sort_by_key(|r| r.arrival_us);
            let chunk = Chunk::seal(&mut rows).unwrap();
            let mut decoded = Vec::new();
            chunk.decode(0..chunk.len(), &mut decoded);
            prop_assert_eq!(&decoded, &expected);
            chunk.decode(1..chunk.len(), &mut decoded);
            prop_assert_eq!(&decoded[..], &expected[1..]);
        }
    }

    #[test]
    fn no_rows_make_no_chunk() {
        assert_eq!(Chunk::seal(&mut []), None);
    }
}
