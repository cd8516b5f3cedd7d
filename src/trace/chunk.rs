//! Requests in sealed, sorted chunks of columns.

use std::ops::Range;

use super::packed::Packed;
use super::request::{NameId, Request};
use wsim_endpoints::{EndpointId, Method};

/// Rows in a full chunk: they fit the second-level cache while they are packed, column by column.
pub(super) const CHUNK_ROWS: usize = 4096;

/// Up to [`CHUNK_ROWS`] requests in arrival order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    rows: usize,
    first_us: i64,
    columns: [Packed; COLUMNS],
}

const COLUMNS: usize = 24;

impl Chunk {
    /// Sorts by arrival (equal arrivals keep their order) and packs. `None` if there are no rows.
    pub(super) fn seal(rows: &mut [Request]) -> Option<Self> {
        rows.sort_by_key(|request| request.arrival_us);
        let first_us = rows.first()?.arrival_us;
        let column = |value: fn(&Request) -> u64| Packed::from_values(rows.iter().map(value));
        let columns = [
            Packed::from_values(rows.iter().map(|r| r.arrival_us.wrapping_sub(first_us).cast_unsigned())),
            column(|r| u64::from(r.wall_us)),
            column(|r| u64::from(zigzag(r.send_us))),
            column(|r| u64::from(r.proxy_us)),
            column(|r| u64::from(r.cpu_us)),
            column(|r| u64::from(r.db_sched_us)),
            column(|r| u64::from(r.db_txn_us)),
            column(|r| u64::from(r.db_count)),
            column(|r| u64::from(r.events)),
            column(|r| u64::from(r.bytes_sent)),
            column(|r| u64::from(r.bytes_received)),
            column(|r| u64::from(r.timeout_ms)),
            column(|r| u64::from(r.user.0)),
            column(|r| u64::from(r.room.0)),
            column(|r| u64::from(r.peer.0)),
            column(|r| u64::from(r.template.0)),
            column(|r| u64::from(r.agent.0)),
            column(|r| u64::from(r.process.0)),
            column(|r| u64::from(r.upstream.0)),
            column(|r| r.request_id),
            column(|r| u64::from(r.match_hash)),
            column(|r| u64::from(r.endpoint.0)),
            column(|r| u64::from(r.status)),
            column(|r| (u64::from(r.flags) << 8) | u64::from(r.method as u8)),
        ];
        Some(Self { rows: rows.len(), first_us, columns })
    }

    /// Number of requests.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Arrival of row `row`.
    #[inline]
    pub(super) fn arrival_us(&self, row: usize) -> i64 {
        self.first_us.wrapping_add(self.columns[0].at(row).cast_signed())
    }

    /// Rows `rows`, unpacked column by column into `out`, whose content is replaced.
    pub(super) fn decode(&self, rows: Range<usize>, out: &mut Vec<Request>) {
        out.clear();
        out.resize(rows.len(), Request::EMPTY);
        let c = &self.columns;
        let each = |column: usize, set: fn(&mut Request, u64), out: &mut Vec<Request>| {
            c[column].each(rows.clone(), |row, value| set(&mut out[row], value));
        };
        for (row, request) in rows.clone().zip(out.iter_mut()) {
            request.arrival_us = self.arrival_us(row);
        }
        each(1, |r, v| r.wall_us = low32(v), out);
        each(2, |r, v| r.send_us = unzigzag(low32(v)), out);
        each(3, |r, v| r.proxy_us = low32(v), out);
        each(4, |r, v| r.cpu_us = low32(v), out);
        each(5, |r, v| r.db_sched_us = low32(v), out);
        each(6, |r, v| r.db_txn_us = low32(v), out);
        each(7, |r, v| r.db_count = low32(v), out);
        each(8, |r, v| r.events = low32(v), out);
        each(9, |r, v| r.bytes_sent = low32(v), out);
        each(10, |r, v| r.bytes_received = low32(v), out);
        each(11, |r, v| r.timeout_ms = low32(v), out);
        each(12, |r, v| r.user = NameId(low32(v)), out);
        each(13, |r, v| r.room = NameId(low32(v)), out);
        each(14, |r, v| r.peer = NameId(low32(v)), out);
        each(15, |r, v| r.template = NameId(low32(v)), out);
        each(16, |r, v| r.agent = NameId(low32(v)), out);
        each(17, |r, v| r.process = NameId(low32(v)), out);
        each(18, |r, v| r.upstream = NameId(low32(v)), out);
        each(19, |r, v| r.request_id = v, out);
        each(20, |r, v| r.match_hash = low32(v), out);
        each(21, |r, v| r.endpoint = EndpointId(low16(v)), out);
        each(22, |r, v| r.status = low16(v), out);
        each(23, set_tail, out);
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.columns.iter().map(Packed::heap_bytes).sum::<usize>()
    }
}

/// Flags above the method.
fn set_tail(request: &mut Request, tail: u64) {
    request.method = Method::from_number(u8::try_from(tail & 0xff).unwrap_or(0));
    request.flags = low16(tail >> 8);
}

#[expect(clippy::cast_possible_truncation, reason = "the column was made from 32-bit values")]
fn low32(value: u64) -> u32 {
    value as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the column was made from 16-bit values")]
fn low16(value: u64) -> u16 {
    value as u16
}

/// Small negative numbers as small positive ones.
fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

fn unzigzag(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
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
