//! A request as every crate after the logs uses it: of fixed size, with names as ids.

use wsim_endpoints::{EndpointId, Method};

/// Index into [`super::Names`]. 0 is the empty name: unknown or absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct NameId(pub u32);

impl NameId {
    /// The empty name.
    pub const NONE: NameId = NameId(0);

    pub fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// One request. Durations saturate at 2^32 - 1 µs (71 minutes), counts at their type's largest value. The default is a request
/// of which nothing is known.
///
/// A new field is also added to the columns in `chunk`, to those of trace files in the crate `parquet`, to `any_request`, and to
/// [`Self::names_mut`] if it is a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Time of arrival, µs since the epoch.
    pub arrival_us: i64,
    /// Wall time in Synapse's handler (PROC); with only a proxy log, upstream time if logged, else the proxy's time.
    pub wall_us: u32,
    /// Synapse SEND, may be negative; 0 for proxy logs.
    pub send_us: i32,
    /// The proxy's own time from first byte to last byte; 0 unless [`flag::PROXY_TIME`].
    pub proxy_us: u32,
    /// CPU time, user + system; 0 unless [`flag::COST`].
    pub cpu_us: u32,
    /// Sum of waits for a database connection.
    pub db_sched_us: u32,
    /// Sum of time in transactions.
    pub db_txn_us: u32,
    /// Number of transactions.
    pub db_count: u32,
    /// Events fetched from the database.
    pub events: u32,
    /// Bytes sent to the client.
    pub bytes_sent: u32,
    /// Bytes received from the client.
    pub bytes_received: u32,
    /// `timeout` of a long poll in ms, saturating; 0 if absent.
    pub timeout_ms: u32,
    /// Local user, or what identifies one in a proxy's log (see [`UserKeys`](super::ingest::UserKeys)).
    pub user: NameId,
    /// Room id or alias from the path.
    pub room: NameId,
    /// Origin server of a federation request; otherwise the client's address.
    pub peer: NameId,
    /// Path template with allow-listed query, for example `/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}`.
    pub template: NameId,
    /// User agent family.
    pub agent: NameId,
    /// The process that served it, by the worker's name, its log file or its listener tag.
    pub process: NameId,
    /// The upstream that a proxy chose, in the proxy's spelling.
    pub upstream: NameId,
    /// Hash of a proxy-made request id; 0 if there is none.
    pub request_id: u64,
    /// Hash of method and target without secrets, by which a proxy's and Synapse's line of the same request are joined if they
    /// have no common id; 0 if nothing is to be joined.
    pub match_hash: u32,
    /// Number of the sync token that a poll starts from, until [`causes`](super::causes) has used it; 0 if there is none.
    pub since: u32,
    /// Number of the news that the request made or, if it is a long poll, was woken by, from 1 in the order of time; 0 if it is not known.
    pub news: u32,
    /// Stream of the news: 1 events, 2 presence, 3 typing, 4 receipts, 5 account data, 6 push rules, 7 to-device messages, 8 device
    /// lists; 0 without news.
    pub news_stream: u16,
    /// Long polls with news: time from the arrival to the news, µs; 0 if the news was there before.
    pub woken_us: u32,
    pub endpoint: EndpointId,
    /// HTTP status; 0 if none was sent.
    pub status: u16,
    pub method: Method,
    /// See [`flag`].
    pub flags: u16,
}

/// Bits of [`Request::flags`].
pub mod flag {
    /// `wall_us` is known.
    pub const WALL: u16 = 1;
    /// `cpu_us`, `db_*`, `events` are known (a Synapse log line).
    pub const COST: u16 = 1 << 1;
    /// `proxy_us` is known.
    pub const PROXY_TIME: u16 = 1 << 2;
    /// The client left before the response was complete.
    pub const ABORTED: u16 = 1 << 3;
    /// A long poll: a sync that may wait for an event (`timeout` above 0; any sync if the log has no queries).
    pub const LONG_POLL: u16 = 1 << 4;
    /// Traffic between Synapse processes.
    pub const INTERNAL: u16 = 1 << 5;
    /// The arrival's sub-second part was drawn at random, not logged.
    pub const DRAWN: u16 = 1 << 6;
    /// The target has a query.
    pub const QUERY: u16 = 1 << 7;
    /// Application service or bridge traffic (`user_id=` in the query).
    pub const APPSERVICE: u16 = 1 << 8;
    /// In a proxy's log.
    pub const PROXY: u16 = 1 << 9;
    /// In Synapse's log.
    pub const SYNAPSE: u16 = 1 << 10;
    /// The arrival is late by the request's unknown duration: the stamp marks the end, and no duration is logged.
    pub const NO_DURATION: u16 = 1 << 11;
    /// A proxy tried more than one upstream.
    pub const RETRIED: u16 = 1 << 12;
    /// In a proxy's log only, and never at Synapse: the proxy answered it, or another program behind the same proxy. See
    /// [`foreign`](super::super::foreign).
    pub const FOREIGN: u16 = 1 << 13;
    /// The room's id is escaped in the path (`%21`), as proxies hash it.
    pub const ESCAPED_ROOM: u16 = 1 << 14;
}

impl Request {
    /// All fields that are names.
    pub(crate) fn names_mut(&mut self) -> [&mut NameId; 7] {
        [&mut self.user, &mut self.room, &mut self.peer, &mut self.template, &mut self.agent, &mut self.process, &mut self.upstream]
    }

    pub fn has(&self, bit: u16) -> bool {
        self.flags & bit != 0
    }

    /// The part of the wall time that a long poll waited for an event rather than for work, µs:
    /// `max(0, wall - cpu - db_txn - db_sched)`, at most the request's `timeout`; 0 for other requests. For a proxy's line this is
    /// the whole wall time up to the timeout. Assumes that nearly all work follows the wake-up.
    pub fn long_poll_wait_us(&self) -> u32 {
        if !self.has(flag::LONG_POLL) {
            return 0;
        }
        let busy = u64::from(self.cpu_us) + u64::from(self.db_txn_us) + u64::from(self.db_sched_us);
        let rest = u64::from(self.wall_us).saturating_sub(busy);
        let cap = if self.timeout_ms == 0 { u64::from(u32::MAX) } else { u64::from(self.timeout_ms) * 1000 };
        u32::try_from(rest.min(cap)).unwrap_or(u32::MAX)
    }

    /// Whether a long poll was ended by its timeout.
    pub fn timed_out(&self) -> bool {
        self.timeout_ms > 0 && u64::from(self.long_poll_wait_us()) + TIMEOUT_SLACK_US >= u64::from(self.timeout_ms) * 1000
    }

    /// Work time, µs: wall time without [`Self::long_poll_wait_us`].
    pub fn work_us(&self) -> u32 {
        self.wall_us - self.long_poll_wait_us().min(self.wall_us)
    }
}

/// A wait that ends this close to the timeout was ended by it.
const TIMEOUT_SLACK_US: u64 = 20_000;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A GET of status 200 with nothing but an arrival.
    pub(crate) fn request_at(arrival_us: i64) -> Request {
        Request { arrival_us, status: 200, method: Method::Get, ..Request::default() }
    }

    #[test]
    fn a_long_poll_waits_for_the_time_that_work_does_not_explain_up_to_the_timeout() {
        let poll = Request { wall_us: 30_004_000, cpu_us: 4_000, timeout_ms: 30_000, flags: flag::LONG_POLL | flag::WALL, ..request_at(0) };
        assert_eq!((poll.long_poll_wait_us(), poll.work_us()), (30_000_000, 4_000));
        let woken = Request { wall_us: 90_000, cpu_us: 30_000, db_txn_us: 70_000, ..poll };
        assert!(poll.timed_out() && !woken.timed_out() && !Request { timeout_ms: 0, ..poll }.timed_out());
        assert_eq!((woken.long_poll_wait_us(), woken.work_us()), (0, 90_000));
        let plain = Request { wall_us: 90_000, ..request_at(0) };
        assert_eq!((plain.long_poll_wait_us(), plain.work_us()), (0, 90_000));
    }
}
