//! The columns of a trace file in one table that writing and reading share.

use wsim_trace::{NameId, Request, flag};

pub(super) struct Column {
    pub name: &'static str,
    pub kind: Kind,
}

/// The type of a column, and the field of the request.
pub(super) enum Kind {
    /// Signed 64-bit.
    Arrival,
    /// Signed 32-bit.
    Send,
    /// Unsigned 64-bit, null for 0.
    RequestId,
    /// Unsigned 32-bit; null if the flag `known` is not set. With `known` 0 never null.
    Number { of: Gather, into: fn(&mut Request, u32), known: u16 },
    /// Text through the names; null for the empty name.
    Name { of: Gather, into: fn(&mut Request, NameId) },
    /// HTTP method as text.
    Method,
    /// Endpoint group as text, for other tools; reading uses the column `endpoint`.
    Group,
}

/// Appends one field of every row. Called per column and block, not per row, because it runs for every request.
pub(super) type Gather = fn(&[Request], &mut Vec<u32>);

macro_rules! number {
    ($name:literal, $of:expr, $into:expr, $known:expr) => {
        Column { name: $name, kind: Kind::Number { of: |rows, out| out.extend(rows.iter().map($of)), into: $into, known: $known } }
    };
}

macro_rules! name {
    ($name:literal, $field:ident) => {
        Column {
            name: $name,
            kind: Kind::Name { of: |rows, out| out.extend(rows.iter().map(|r| r.$field.0)), into: |r, id| r.$field = id },
        }
    };
}

fn short(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// Columns that files of earlier versions do not have.
pub(super) const LATER: [&str; 3] = ["news", "news_stream", "woken_us"];

/// All columns, in file order. Documented for users in `docs/trace.md`; add at the end, never rename.
pub(super) const COLUMNS: [Column; 29] = [
    Column { name: "arrival_us", kind: Kind::Arrival },
    Column { name: "group", kind: Kind::Group },
    Column { name: "method", kind: Kind::Method },
    name!("template", template),
    number!("status", |r: &Request| u32::from(r.status), |r, v| r.status = short(v), 0),
    number!("wall_us", |r: &Request| r.wall_us, |r, v| r.wall_us = v, flag::WALL),
    Column { name: "send_us", kind: Kind::Send },
    number!("proxy_us", |r: &Request| r.proxy_us, |r, v| r.proxy_us = v, flag::PROXY_TIME),
    number!("cpu_us", |r: &Request| r.cpu_us, |r, v| r.cpu_us = v, flag::COST),
    number!("db_sched_us", |r: &Request| r.db_sched_us, |r, v| r.db_sched_us = v, flag::COST),
    number!("db_txn_us", |r: &Request| r.db_txn_us, |r, v| r.db_txn_us = v, flag::COST),
    number!("db_count", |r: &Request| r.db_count, |r, v| r.db_count = v, flag::COST),
    number!("events", |r: &Request| r.events, |r, v| r.events = v, flag::COST),
    number!("bytes_sent", |r: &Request| r.bytes_sent, |r, v| r.bytes_sent = v, 0),
    number!("bytes_received", |r: &Request| r.bytes_received, |r, v| r.bytes_received = v, 0),
    number!("timeout_ms", |r: &Request| r.timeout_ms, |r, v| r.timeout_ms = v, 0),
    name!("user", user),
    name!("room", room),
    name!("peer", peer),
    name!("agent", agent),
    name!("process", process),
    name!("upstream", upstream),
    Column { name: "request_id", kind: Kind::RequestId },
    number!("endpoint", |r: &Request| u32::from(r.endpoint.0), |r, v| r.endpoint.0 = short(v), 0),
    number!("flags", |r: &Request| u32::from(r.flags), |r, v| r.flags = short(v), 0),
    number!("match_hash", |r: &Request| r.match_hash, |r, v| r.match_hash = v, 0),
    number!("news", |r: &Request| r.news, |r, v| r.news = v, 0),
    number!("news_stream", |r: &Request| u32::from(r.news_stream), |r, v| r.news_stream = short(v), 0),
    number!("woken_us", |r: &Request| r.woken_us, |r, v| r.woken_us = v, 0),
];
