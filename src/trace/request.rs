//! One request in the form everything after the logs works with: fixed size, identities as numbers.

use wsim_endpoints::{EndpointId, Method};

/// Index into [`super::Names`]. 0 is the empty name: unknown or absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct NameId(pub u32);

impl NameId {
    /// Unknown or absent.
    pub const NONE: NameId = NameId(0);

    /// Whether there is a name.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// One request. Times in µs; durations saturate at 2^32 - 1 µs (71 minutes), counts at their type's largest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// When it arrived, µs since the epoch.
    pub arrival_us: i64,
    /// Wall time in Synapse's handler (PROC); with only a proxy log, upstream time if logged, else the proxy's time.
    pub wall_us: u32,
    /// Synapse SEND, may be negative; 0 for proxy logs.
    pub send_us: i32,
    /// The proxy's own time from first byte to last byte; 0 unless [`flag::PROXY_TIME`].
    pub proxy_us: u32,
    /// CPU, user + system; 0 unless [`flag::COST`].
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
    /// Local user, or a stand-in for one (see `trace::identity`).
    pub user: NameId,
    /// Room id or alias from the path.
    pub room: NameId,
    /// Federation: origin server. Else the client's address.
    pub peer: NameId,
    /// Path template with allow-listed query, for example `/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}`.
    pub template: NameId,
    /// User agent family.
    pub agent: NameId,
    /// The process that served it: the worker's name, its file or listener tag.
    pub process: NameId,
    /// The upstream a proxy chose, as the proxy names it.
    pub upstream: NameId,
    /// Hash of a proxy-made request id; 0 if there is none.
    pub request_id: u64,
    /// Hash of method and target without secrets, by which a proxy's line and Synapse's are told to be the same request
    /// where there is no common id; 0 if nothing is to be joined.
    pub match_hash: u32,
    /// Class of request.
    pub endpoint: EndpointId,
    /// HTTP status; 0 if none was sent.
    pub status: u16,
    /// HTTP method.
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
    /// The client left before the answer was complete.
    pub const ABORTED: u16 = 1 << 3;
    /// A sync that may wait for news (a `timeout` above 0, or a sliding sync with a position).
    pub const LONG_POLL: u16 = 1 << 4;
    /// Traffic between Synapse processes.
    pub const INTERNAL: u16 = 1 << 5;
    /// The arrival's sub-second part was drawn, not logged.
    pub const DRAWN: u16 = 1 << 6;
    /// The query string was logged, so an absent `since` means an initial sync.
    pub const QUERY: u16 = 1 << 7;
    /// Application service or bridge traffic (`user_id=` in the query).
    pub const APPSERVICE: u16 = 1 << 8;
    /// Seen by a proxy (joined or proxy only).
    pub const PROXY: u16 = 1 << 9;
    /// Seen by Synapse.
    pub const SYNAPSE: u16 = 1 << 10;
    /// The arrival is off by the request's unknown duration (a stamp at the end and no duration logged).
    pub const NO_DURATION: u16 = 1 << 11;
    /// A proxy tried more than one upstream.
    pub const RETRIED: u16 = 1 << 12;
}

impl Request {
    /// A request of which nothing is known.
    pub const EMPTY: Self = Self {
        arrival_us: 0,
        wall_us: 0,
        send_us: 0,
        proxy_us: 0,
        cpu_us: 0,
        db_sched_us: 0,
        db_txn_us: 0,
        db_count: 0,
        events: 0,
        bytes_sent: 0,
        bytes_received: 0,
        timeout_ms: 0,
        user: NameId::NONE,
        room: NameId::NONE,
        peer: NameId::NONE,
        template: NameId::NONE,
        agent: NameId::NONE,
        process: NameId::NONE,
        upstream: NameId::NONE,
        request_id: 0,
        match_hash: 0,
        endpoint: EndpointId(0),
        status: 0,
        method: Method::Other,
        flags: 0,
    };

    /// Whether a [`flag`] is set.
    pub fn has(&self, bit: u16) -> bool {
        self.flags & bit != 0
    }

    /// Time an answer waited for news rather than for work, µs: `max(0, wall - cpu - db_txn - db_sched)`, at most the
    /// request's `timeout`; 0 unless it is a long poll. For a proxy log the whole wall time up to the timeout.
    /// Source: the park estimate of the worker model (P = L + work; the work comes almost entirely after the wake).
    pub fn park_us(&self) -> u32 {
        if !self.has(flag::LONG_POLL) {
            return 0;
        }
        let busy = u64::from(self.cpu_us) + u64::from(self.db_txn_us) + u64::from(self.db_sched_us);
        let rest = u64::from(self.wall_us).saturating_sub(busy);
        let cap = if self.timeout_ms == 0 { u64::from(u32::MAX) } else { u64::from(self.timeout_ms) * 1000 };
        u32::try_from(rest.min(cap)).unwrap_or(u32::MAX)
    }

    /// Work time, µs: wall time less [`Self::park_us`].
    pub fn work_us(&self) -> u32 {
        self.wall_us - self.park_us().min(self.wall_us)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request of nothing but an arrival.
    pub(crate) fn request_at(arrival_us: i64) -> Request {
        Request { arrival_us, status: 200, method: Method::Get, ..Request::EMPTY }
    }

    #[test]
    fn a_park_is_what_work_does_not_explain_up_to_the_timeout() {
        let poll = Request { wall_us: 30_004_000, cpu_us: 4_000, timeout_ms: 30_000, flags: flag::LONG_POLL | flag::WALL, ..request_at(0) };
        assert_eq!((poll.park_us(), poll.work_us()), (30_000_000, 4_000));
        let woken = Request { wall_us: 90_000, cpu_us: 30_000, db_txn_us: 70_000, ..poll };
        assert_eq!((woken.park_us(), woken.work_us()), (0, 90_000));
        let plain = Request { wall_us: 90_000, ..request_at(0) };
        assert_eq!((plain.park_us(), plain.work_us()), (0, 90_000));
    }
}
