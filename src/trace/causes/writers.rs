//! The requests that make news.

use std::collections::HashMap;

use wsim_endpoints::Method;
use wsim_logs::streams::Stream;

use crate::names::Names;
use crate::request::{NameId, Request, flag};

/// Requests that may have made news, by stream.
pub(super) struct Writers<'n> {
    names: &'n Names,
    of_template: HashMap<NameId, Option<Stream>>,
    /// (end, arrival, row) of requests that have not been taken, by stream and end.
    writes: Vec<Vec<Write>>,
    sorted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Write {
    end_us: i64,
    arrival_us: i64,
    row: u32,
    slack_us: i64,
    taken: bool,
}

impl<'n> Writers<'n> {
    pub(super) fn new(names: &'n Names) -> Self {
        Self { names, of_template: HashMap::new(), writes: vec![Vec::new(); Stream::ALL.len()], sorted: false }
    }

    pub(super) fn observe(&mut self, request: &Request, row: u32) {
        let reads = matches!(request.method, Method::Get | Method::Head | Method::Options);
        if reads || request.status >= 400 {
            return;
        }
        let names = self.names;
        let of_template = self.of_template.entry(request.template).or_insert_with(|| written(names.text(request.template)));
        let Some(stream) = *of_template else { return };
        let end_us = request.arrival_us.saturating_add(request.wall_us.into());
        let is_coarse = request.has(flag::DRAWN | flag::NO_DURATION);
        let slack_us = if is_coarse { COARSE_SLACK_US } else { SLACK_US };
        self.writes[stream as usize].push(Write { end_us, arrival_us: request.arrival_us, row, slack_us, taken: false });
    }

    /// Takes the request that made the news of an instant: the one under way that ended next. Without a logged instant, which is then
    /// late, the one whose end is nearest.
    pub(super) fn take(&mut self, stream: Stream, at_us: i64, is_logged: bool) -> Option<u32> {
        if !self.sorted {
            self.writes.iter_mut().for_each(|writes| writes.sort_unstable());
            self.sorted = true;
        }
        let writes = self.writes.get_mut(stream as usize)?;
        let first = writes.partition_point(|write| write.end_us < at_us - COARSE_SLACK_US);
        let near = writes.get_mut(first..).unwrap_or_default().iter_mut().take(CANDIDATES_MAX);
        let fits = |write: &&mut Write| {
            let early_us = if is_logged && write.slack_us == SLACK_US { STAMP_SLACK_US } else { write.slack_us };
            let begun_us = if write.slack_us == SLACK_US { STAMP_SLACK_US } else { write.slack_us };
            !write.taken && write.end_us >= at_us - early_us && write.arrival_us <= at_us + begun_us
        };
        let write = near.filter(fits).min_by_key(|write| (write.end_us.abs_diff(at_us), write.row))?;
        write.taken = true;
        Some(write.row)
    }
}

/// The stream to which a request with this template writes.
fn written(template: &str) -> Option<Stream> {
    let path = template.split('?').next().unwrap_or(template);
    let has = |part: &str| path.contains(part);
    if has("/_synapse/replication/") {
        return (has("presence_set_state") || has("bump_presence_active_time")).then_some(Stream::Presence);
    }
    if has("/_matrix/federation/") {
        return (has("/send/") || has("/send_join/") || has("/send_leave/") || has("/send_knock/") || has("/invite/"))
            .then_some(Stream::Events);
    }
    if let Some((_, stream)) = BY_PART.into_iter().find(|(part, _)| has(part)) {
        return Some(stream);
    }
    let joins = has("/join") || has("/leave") || has("/knock");
    (joins || has("/rooms/") && EVENT_PARTS.iter().any(|part| has(part))).then_some(Stream::Events)
}

/// Parts of paths of requests that write to one stream.
const BY_PART: [(&str, Stream); 14] = [
    ("/typing/", Stream::Typing),
    ("/receipt/", Stream::Receipts),
    ("/read_markers", Stream::Receipts),
    ("/presence/", Stream::Presence),
    ("/sendToDevice/", Stream::ToDevice),
    ("/account_data/", Stream::AccountData),
    ("/tags/", Stream::AccountData),
    ("/pushrules/", Stream::PushRules),
    ("/keys/upload", Stream::DeviceLists),
    ("/keys/signatures/upload", Stream::DeviceLists),
    ("/keys/device_signing/upload", Stream::DeviceLists),
    ("/delete_devices", Stream::DeviceLists),
    ("/devices/", Stream::DeviceLists),
    ("/createRoom", Stream::Events),
];
/// Parts of paths, within a room, of requests that make events.
const EVENT_PARTS: [&str; 8] = ["/send/", "/state/", "/redact/", "/invite", "/kick", "/ban", "/unban", "/upgrade"];
/// A request ends at most this long before a poll wakes that has its news, where nothing tells the instant of the news.
const SLACK_US: i64 = 250_000;
/// The same where stamps are seconds.
const COARSE_SLACK_US: i64 = 1_200_000;
/// Roundings of stamps and small differences of clocks.
const STAMP_SLACK_US: i64 = 5_000;
/// Requests that are looked at for one piece of news.
const CANDIDATES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_write_to_the_stream_of_their_path() {
        for (template, stream) in [
            ("/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}", Some(Stream::Events)),
            ("/_matrix/client/v3/rooms/{room}/state/m.room.name", Some(Stream::Events)),
            ("/_matrix/client/v3/join/{room}", Some(Stream::Events)),
            ("/_matrix/client/v3/createRoom", Some(Stream::Events)),
            ("/_matrix/federation/v1/send/{txn}", Some(Stream::Events)),
            ("/_matrix/client/v3/rooms/{room}/typing/{user}", Some(Stream::Typing)),
            ("/_matrix/client/v3/rooms/{room}/receipt/m.read/{event}", Some(Stream::Receipts)),
            ("/_matrix/client/v3/presence/{user}/status", Some(Stream::Presence)),
            ("/_synapse/replication/presence_set_state/{user}", Some(Stream::Presence)),
            ("/_matrix/client/v3/sendToDevice/m.room.encrypted/{txn}", Some(Stream::ToDevice)),
            ("/_matrix/client/v3/user/{user}/account_data/m.direct", Some(Stream::AccountData)),
            ("/_matrix/client/v3/user/{user}/rooms/{room}/account_data/{type}", Some(Stream::AccountData)),
            ("/_matrix/client/v3/pushrules/global/override/{rule}", Some(Stream::PushRules)),
            ("/_matrix/client/v3/keys/upload", Some(Stream::DeviceLists)),
            ("/_matrix/client/v3/keys/query", None),
            ("/_synapse/replication/send_events/{id}", None),
            ("/_matrix/client/v3/sync?timeout=30000", None),
        ] {
            assert_eq!(written(template), stream, "{template}");
        }
    }

    #[test]
    fn the_request_under_way_that_ended_next_made_the_news_and_makes_no_other() {
        let mut names = Names::new();
        let template = names.intern(b"/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}");
        let send = |at_ms: i64, wall_ms: u32| Request {
            arrival_us: at_ms * 1000,
            wall_us: wall_ms * 1000,
            method: Method::Put,
            status: 200,
            template,
            ..Request::default()
        };
        let mut writers = Writers::new(&names);
        for (request, row) in [send(0, 900), send(400, 60), send(445, 100), send(600, 10)].iter().zip(0..) {
            writers.observe(request, row);
        }
        writers.observe(&Request { status: 403, ..send(440, 20) }, 9);
        writers.observe(&Request { method: Method::Get, ..send(440, 20) }, 10);
        let mut take = |ms: i64, logged| writers.take(Stream::Events, ms * 1000, logged);
        assert_eq!(take(450, true), Some(1));
        assert_eq!(take(450, true), Some(2), "1 has made other news");
        assert_eq!((take(590, true), take(590, true)), (Some(0), None), "3 had not arrived");
        assert_eq!(take(700, false), Some(3), "ended before the first poll woke");
        assert_eq!(take(5000, false), None);
    }
}
