//! Requests in sealed, sorted chunks of columns.

use super::packed::Packed;
use super::request::{NameId, Request};
use crate::endpoints::{EndpointId, Method};

/// Rows in a full chunk.
pub(super) const CHUNK_ROWS: usize = 65_536;

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

    /// Row `row`, unpacked.
    pub(super) fn request(&self, row: usize) -> Request {
        let c = &self.columns;
        let word = |column: usize| low32(c[column].at(row));
        let tail = c[23].at(row);
        Request {
            arrival_us: self.arrival_us(row),
            wall_us: word(1),
            send_us: unzigzag(word(2)),
            proxy_us: word(3),
            cpu_us: word(4),
            db_sched_us: word(5),
            db_txn_us: word(6),
            db_count: word(7),
            events: word(8),
            bytes_sent: word(9),
            bytes_received: word(10),
            timeout_ms: word(11),
            user: NameId(word(12)),
            room: NameId(word(13)),
            peer: NameId(word(14)),
            template: NameId(word(15)),
            agent: NameId(word(16)),
            process: NameId(word(17)),
            upstream: NameId(word(18)),
            request_id: c[19].at(row),
            match_hash: word(20),
            endpoint: EndpointId(low16(c[21].at(row))),
            status: low16(c[22].at(row)),
            method: Method::from_number((tail & 0xff).try_into().unwrap_or(0)),
            flags: low16(tail >> 8),
        }
    }

    /// All rows, unpacked, in order.
    pub(super) fn requests(&self) -> impl Iterator<Item = Request> + '_ {
        (0..self.rows).map(|row| self.request(row))
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.columns.iter().map(Packed::heap_bytes).sum::<usize>()
    }
}

fn low32(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX)
}

fn low16(value: u64) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or(u16::MAX)
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
    use crate::trace::request::tests::any_request;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_chunk_gives_back_its_requests_in_order(mut rows in proptest::collection::vec(any_request(), 1..50)) {
            let mut expected = rows.clone();
            expected.sort_by_key(|r| r.arrival_us);
            let chunk = Chunk::seal(&mut rows).unwrap();
            prop_assert_eq!(chunk.requests().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn no_rows_make_no_chunk() {
        assert_eq!(Chunk::seal(&mut []), None);
    }
}
