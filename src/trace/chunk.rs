//! Requests in sealed, sorted chunks of columns.

use std::ops::Range;

use super::packed::Packed;
use super::request::{NameId, Request};
use wsim_endpoints::{EndpointId, Method};

/// Rows in a full chunk, which fits the second-level cache while it is packed column by column.
pub(super) const CHUNK_ROWS: usize = 4096;

/// What is known of the news of a request: see [`Request::news`], [`Request::news_stream`] and [`Request::woken_us`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct News {
    pub(super) news: u32,
    pub(super) stream: u16,
    pub(super) woken_us: u32,
}

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
        const NAMES: [&str; COLUMNS - 1] = [$(stringify!($field)),+];
        const COLUMNS: usize = 1 + [$(stringify!($field)),+].len();

        /// Packs every column of sorted rows. Each is first copied out of the rows, which are too many for the first-level cache.
        fn pack(rows: &[Request], first_us: i64) -> [Packed; COLUMNS] {
            let mut column = Vec::with_capacity(rows.len());
            [
                packed(rows, &mut column, |request| request.arrival_us.wrapping_sub(first_us).cast_unsigned()),
                $(packed(rows, &mut column, |request| request.$field.to_number()),)+
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

#[inline]
fn packed(rows: &[Request], column: &mut Vec<u64>, value: impl Fn(&Request) -> u64) -> Packed {
    column.clear();
    column.extend(rows.iter().map(value));
    Packed::new(column)
}

columns! {
    wall_us, send_us, proxy_us, cpu_us, db_sched_us, db_txn_us, db_count, events, bytes_sent, bytes_received, timeout_ms,
    user, room, peer, template, agent, process, upstream, request_id, match_hash, since, news, news_stream, woken_us, endpoint, status,
    method, flags,
}

impl Chunk {
    /// Sorts by arrival (equal arrivals keep their order) and packs. `None` if there are no rows.
    pub(super) fn seal(rows: &mut [Request]) -> Option<Self> {
        sort(rows);
        let first_us = rows.first()?.arrival_us;
        Some(Self { rows: rows.len(), first_us, columns: pack(rows, first_us) })
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Arrival of the last row, µs.
    pub(super) fn last_us(&self) -> i64 {
        self.arrival_us(self.rows.saturating_sub(1))
    }

    /// Sets the news of some rows, by row, and takes that of all others and the tokens.
    pub(super) fn set_news(&mut self, news: &[(usize, News)]) {
        let mut column = Vec::new();
        let mut set = |name: &str, value: fn(&News) -> u64| {
            let Some(index) = NAMES.iter().position(|known| *known == name) else { return };
            column.clear();
            column.resize(self.rows, 0);
            news.iter().for_each(|(row, news)| column[*row] = value(news));
            self.columns[index + 1] = Packed::new(&column);
        };
        set("since", |_| 0);
        set("news", |news| news.news.to_number());
        set("news_stream", |news| news.stream.to_number());
        set("woken_us", |news| news.woken_us.to_number());
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

/// Sorts by arrival; equal arrivals keep their order. A row is moved once, because it is long.
fn sort(rows: &mut [Request]) {
    if rows.is_sorted_by_key(|request| request.arrival_us) {
        return;
    }
    let mut order: Vec<(i64, usize)> = rows.iter().enumerate().map(|(row, request)| (request.arrival_us, row)).collect();
    order.sort_unstable();
    let sorted: Vec<Request> = order.into_iter().map(|(_, row)| rows[row]).collect();
    rows.copy_from_slice(&sorted);
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
    fn news_are_set_and_nothing_else() {
        let request = |arrival_us| Request { arrival_us, since: 7, user: NameId(3), news: 9, ..Request::default() };
        let mut chunk = Chunk::seal(&mut [request(1), request(2), request(3)]).unwrap();
        chunk.set_news(&[(1, News { news: 4, stream: 2, woken_us: 70_000 })]);
        let mut rows = Vec::new();
        chunk.decode(0..3, &mut rows);
        let without = |arrival_us| Request { since: 0, news: 0, ..request(arrival_us) };
        assert_eq!(rows, [without(1), Request { news: 4, news_stream: 2, woken_us: 70_000, ..without(2) }, without(3)]);
        assert_eq!(chunk.last_us(), 3);
    }

    #[test]
    fn no_rows_make_no_chunk() {
        assert_eq!(Chunk::seal(&mut []), None);
    }
}
