//! The content of one log line, before anything is looked up or kept.
//!
//! A [`Record`] borrows from the line. Values that the format does not have are `None`; nothing is guessed here.

use std::borrow::Cow;

use super::time::Ambiguity;

/// The result of parsing one physical line.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation a line")]
pub enum Line<'a> {
    /// A request, even an invalid one, if the server logged it properly.
    Request(Record<'a>),
    /// A complete line that reports no request: other loggers, tracebacks, headers, blank lines.
    NotRequest,
    /// A line that the format cannot explain.
    Malformed(Malformed),
}

/// Why a line could not be read. Never contains text from the log, which is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// For example `"a closing quote after the request line"`.
    pub expected: &'static str,
    /// Byte offset in the line where it was expected, counted from 0.
    pub column: usize,
}

/// Whether a time stamp was taken when the request arrived or when it was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampMeaning {
    /// Apache `%t`, HAProxy `%tr`, Traefik.
    Start,
    /// nginx, Caddy, Synapse.
    End,
}

/// A time stamp of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since 1970-01-01T00:00:00Z. With a resolution above 1 µs this is the start of the interval.
    pub micros: i64,
    /// The true instant is in `[micros, micros + resolution_us)`.
    pub resolution_us: u32,
    pub meaning: StampMeaning,
    /// What is open because clocks were changed.
    pub ambiguity: Ambiguity,
}

/// One request as a log line reports it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record<'a> {
    /// `None` if the format has no time (a bare Synapse message).
    pub stamp: Option<Stamp>,
    /// HTTP method as logged; empty if the request line is unreadable.
    pub method: &'a [u8],
    /// Request target as sent: path and query, percent-encoding kept, log escapes undone. Empty if unreadable. May be an absolute
    /// URI (`https://host/path`, HAProxy with HTTP/2); [`wsim_http::target`] splits it.
    pub target: Cow<'a, [u8]>,
    /// HTTP status; 0 if none was sent (HAProxy -1, nginx 000, Caddy 0).
    pub status: u16,
    /// The client left before the response was complete (Synapse `!`, nginx 499, HAProxy `C...`, Apache `%X` = X).
    pub aborted: bool,
    /// Wall time in the server whose log this is: nginx `$request_time`, Apache `%D`, HAProxy `Ta`, Caddy `duration`,
    /// Traefik `Duration`; for Synapse PROC (start of handling to the end of the handler).
    pub wall_us: Option<u64>,
    /// Synapse SEND: from the end of the handler to the last byte; negative if the response ended first.
    pub send_us: Option<i64>,
    /// Time spent with upstreams, the sum of all attempts (nginx `$upstream_response_time`, HAProxy `Tr` + data, Traefik `OriginDuration`).
    pub upstream_us: Option<u64>,
    /// The upstream that answered (the last of a list): `127.0.0.1:8081`, `unix:/path`, HAProxy `backend/server`.
    pub upstream: Option<Cow<'a, [u8]>>,
    /// How many upstreams were tried; 0 if the proxy answered itself or does not say.
    pub upstream_tries: u8,
    /// Body bytes sent to the client, with headers if the format has only that sum.
    pub bytes_sent: Option<u64>,
    /// Bytes of the request with its body.
    pub bytes_received: Option<u64>,
    /// Client address without port.
    pub address: Option<&'a [u8]>,
    /// The user: Synapse's requester (`@user:server`, a server name), a proxy's basic-auth user, or a logged user hash.
    pub user: Option<Cow<'a, [u8]>>,
    /// A logged `Authorization` header or access token. Secret: only ever hashed or reduced to its localpart.
    pub authorization: Option<Cow<'a, [u8]>>,
    /// User agent. Log escapes are undone in the product's name; the text after its version or comment may be as logged.
    pub agent: Option<Cow<'a, [u8]>>,
    /// The page that the request came from, `Referer`: a URL. Secret: only its host is ever kept.
    pub referrer: Option<Cow<'a, [u8]>>,
    /// Request id as text: the number of Synapse's `GET-123`, or the proxy's id (`$request_id`).
    pub request_id: Option<&'a [u8]>,
    /// Synapse listener tag (port, `unix` or name), or the virtual host of a proxy log.
    pub site: Option<&'a [u8]>,
    /// Process name found in the line's prefix (`synapse_main | `, `client_reader1 | `, a journald unit).
    pub process: Option<&'a [u8]>,
    /// The request's cost, in Synapse's log only.
    pub cost: Option<Cost>,
}

/// The cost of a request as Synapse logs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// User CPU time, µs.
    pub cpu_user_us: u64,
    /// System CPU time, µs.
    pub cpu_system_us: u64,
    /// Sum of waits for a database connection, µs; 0 for releases that do not log it.
    pub db_sched_us: u64,
    /// Sum of time inside transactions, µs; parallel queries add up.
    pub db_txn_us: u64,
    /// Number of transactions.
    pub db_count: u32,
    /// Events fetched from the database.
    pub events: u32,
}

impl<'a> Record<'a> {
    /// Whether a logged duration cannot be one of this request, so that something else was read as a duration: hours for a request
    /// that neither upgrades its connection nor moves much data.
    #[inline]
    pub fn has_impossible_duration(&self) -> bool {
        let longest = self.wall_us.unwrap_or(0).max(self.upstream_us.unwrap_or(0));
        longest > PLAIN_MAX_US && self.is_too_long(longest)
    }

    #[cold]
    fn is_too_long(&self, longest: u64) -> bool {
        let upgraded = self.status == 101 || self.method == b"CONNECT";
        let moved = self.bytes_sent.unwrap_or(0).saturating_add(self.bytes_received.unwrap_or(0));
        let transfers = moved >= TRANSFER_MIN || matches!(self.method, b"POST" | b"PUT" | b"PATCH");
        !(upgraded || transfers && longest <= TRANSFER_MAX_US)
    }

    /// Arrival, µs since the epoch: the stamp, minus the duration if the stamp marks the end. `None` without a stamp.
    ///
    /// Synapse writes its line at the later of handler end and send end, so a request starts at
    /// `stamp - PROC - max(SEND, 0)`.
    pub fn arrival_us(&self) -> Option<i64> {
        let stamp = self.stamp?;
        Some(match stamp.meaning {
            StampMeaning::Start => stamp.micros,
            StampMeaning::End => {
                stamp.micros.saturating_sub_unsigned(self.wall_us.unwrap_or(0)).saturating_sub(self.send_us.unwrap_or(0).max(0))
            }
        })
    }
}

/// The longest that a request without much data takes: two hours.
const PLAIN_MAX_US: u64 = 7_200_000_000;
/// The longest that an upload or download takes: a day.
const TRANSFER_MAX_US: u64 = 12 * PLAIN_MAX_US;
/// Bytes from which a transfer may take long.
const TRANSFER_MIN: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_a_duration_of_uploads_and_open_connections_only() {
        let lasting =
            |hours: u64, record: Record<'static>| Record { wall_us: Some(hours * 3_600_000_000), ..record }.has_impossible_duration();
        let get = || Record { method: b"GET", status: 200, ..Record::default() };
        assert!(!lasting(2, get()) && lasting(3, get()) && lasting(470_000, get()));
        assert!(!lasting(100, Record { status: 101, ..get() }));
        assert!(!lasting(3, Record { method: b"POST", ..get() }) && lasting(25, Record { method: b"POST", ..get() }));
        assert!(!lasting(3, Record { bytes_sent: Some(50_000_000), ..get() }));
        assert!(Record { upstream_us: Some(1_715_677_921_000_000), ..get() }.has_impossible_duration());
    }
}
