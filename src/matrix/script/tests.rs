//! Requests that the script makes, and what responses change.

use std::collections::HashSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::operation::TABLE;
use crate::provision::{WorldConfig, design};
use crate::{Survey, manifest};
use wsim_endpoints::Method;
use wsim_trace::{NameId, flag};
use wsim_transport::Keep;

/// Builds the rows of a log.
#[derive(Default)]
struct Log {
    names: Names,
    rows: Vec<Request>,
}

impl Log {
    fn row(&mut self, user: &str, method: Method, template: &str) -> &mut Self {
        let template_id = self.names.intern(template.as_bytes());
        let room = if template.contains("{room}") { self.names.intern(b"!secret:old.example") } else { NameId::NONE };
        let user = self.names.intern(user.as_bytes());
        let arrival_us = i64::try_from(self.rows.len()).unwrap();
        let agent = self.names.intern(b"Element");
        self.rows.push(Request {
            arrival_us,
            user,
            room,
            agent,
            template: template_id,
            method,
            status: 200,
            bytes_received: 1_000,
            ..Request::default()
        });
        self
    }

    fn status(&mut self, status: u16) -> &mut Self {
        self.rows.last_mut().unwrap().status = status;
        self
    }

    fn world(&self) -> Manifest {
        let mut world = Manifest::new("http://localhost", [3; 16]);
        let survey = Survey::from_rows(&self.names, self.rows.iter().copied());
        design(&mut world, &survey, &self.names, &WorldConfig { copies: 2, ..WorldConfig::default() });
        world.server_name = "new.example".to_owned();
        world.media.push(manifest::Media { bytes: 1_000, image: false, id: None });
        world.media.push(manifest::Media { bytes: 1_000, image: true, id: None });
        world.with_placeholder_ids()
    }

    fn script(&self, allowed: Tier) -> Script {
        let config = ScriptConfig { allowed, run: "r1".to_owned(), ..ScriptConfig::default() };
        Script::new(&self.world(), &self.names, self.rows.iter().copied(), config)
    }
}

fn response(status: u16, body: &str) -> Response {
    let body = Bytes::from(body.to_owned());
    Response { status, bytes: body.len() as u64, body, cut: false, upstream: None }
}

const SYNC: &str = "/_matrix/client/v3/sync?since={since}&timeout=30000";
const MESSAGES: &str = "/_matrix/client/v3/rooms/{room}/messages?from={from}&dir=b&limit=10";
const SEND: &str = "/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}";

#[test]
fn a_row_is_small() {
    assert!(size_of::<decisions::RowDecision>() <= 32, "{}", size_of::<decisions::RowDecision>());
}

#[test]
fn every_operation_makes_a_well_formed_request_without_names_of_the_log() {
    for entry in TABLE.iter().filter(|entry| entry.tier <= Tier::Write && entry.op != Op::Unsupported) {
        for &method in entry.methods {
            let prefix = if entry.media { "/_matrix/media/v3/" } else { "/_matrix/client/v3/" };
            let template = format!("{prefix}{}", entry.pattern.replace("{type}", "m.room.message").replace("{any}", "hunter"));
            let mut log = Log::default();
            log.row("@alice:old.example", Method::Get, MESSAGES).row("@bob:old.example", Method::Get, MESSAGES);
            log.row("@alice:old.example", Method::Put, "/_matrix/client/v3/room_keys/keys");
            log.row("@alice:old.example", Method::Post, "/_matrix/client/v3/login");
            if entry.op == Op::Forget {
                log.row("@alice:old.example", Method::Post, "/_matrix/client/v3/rooms/{room}/leave");
            }
            log.row("@alice:old.example", method, &template);
            let mut script = log.script(Tier::Write);
            script.learn(3, 0, &response(200, "{\"user_id\":\"@a:b\",\"access_token\":\"spare\"}"));
            let last = u32::try_from(log.rows.len() - 1).unwrap();
            let made = script.request(last, 0).unwrap_or_else(|skip| panic!("{template}: {skip:?}"));
            let uri: hyper::Uri = made.target.parse().unwrap_or_else(|error| panic!("{}: {error}", made.target));
            assert_eq!(uri.path_and_query().unwrap().as_str(), made.target);
            let text = format!("{} {}", made.target, String::from_utf8_lossy(&made.body));
            for logged in ["old.example", "alice", "bob", "secret", "hunter", "{"] {
                let inside = if logged == "{" { made.target.contains('{') } else { text.contains(logged) };
                assert!(!inside, "{logged} is in {text}");
            }
            if made.content_type == Some("application/json") {
                let body: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
                assert!(body.is_object(), "{template}");
            }
            let has_body = matches!(method, Method::Post | Method::Put);
            assert_eq!(made.content_type.is_some(), has_body, "{template}");
            assert_eq!(made.method.as_str(), method.name());
            let open = matches!(entry.op, Op::Open | Op::UsernameAvailable | Op::Login);
            assert_eq!(made.authorization.is_some(), !open, "{template}");
        }
    }
}

#[test]
fn a_sync_continues_from_the_last_response() {
    let mut log = Log::default();
    log.row("@a:old", Method::Get, SYNC).row("@a:old", Method::Get, SYNC).row("@b:old", Method::Get, SYNC);
    let mut script = log.script(Tier::Read);
    let first = script.request(0, 0).unwrap();
    assert_eq!((first.target.as_str(), first.keep), ("/_matrix/client/v3/sync?timeout=30000", Keep::Body));
    script.learn(0, 0, &response(200, "{\"next_batch\":\"s1_2/3\",\"rooms\":{\"join\":{}}}"));
    assert_eq!(script.request(1, 0).unwrap().target, "/_matrix/client/v3/sync?since=s1_2%2F3&timeout=30000");
    // Others are not touched: another user, another copy, a response with an error status.
    assert!(!script.request(2, 0).unwrap().target.contains("since"));
    assert!(!script.request(1, 1).unwrap().target.contains("since"));
    script.learn(1, 0, &response(502, "{\"next_batch\":\"wrong\"}"));
    assert!(script.request(1, 0).unwrap().target.contains("s1_2"));
}

#[test]
fn a_long_poll_waits_no_longer_than_in_the_log() {
    let mut log = Log::default();
    log.row("@a:old", Method::Get, SYNC).row("@a:old", Method::Get, SYNC).row("@a:old", Method::Get, SYNC);
    for (row, wall_us, cpu_us, cost) in [(0, 1_500_400, 7_000, flag::COST), (1, 30_004_000, 0, 0)] {
        let request = &mut log.rows[row];
        (request.wall_us, request.cpu_us, request.timeout_ms) = (wall_us, cpu_us, 30_000);
        request.flags = flag::LONG_POLL | flag::WALL | cost;
    }
    let mut script = log.script(Tier::Read);
    let waits: Vec<_> = (0..3).map(|row| script.request(row, 0).unwrap().target.rsplit('=').next().unwrap().to_owned()).collect();
    assert_eq!(waits, ["1493", "29990", "30000"]);
}

#[test]
fn a_device_is_brought_up_to_date_before_the_run() {
    let mut log = Log::default();
    log.row("@a:old", Method::Get, SYNC).row("@b:old", Method::Get, "/_matrix/client/v3/devices");
    let mut script = log.script(Tier::Read);
    let lane = script.lane(0).user;
    assert_eq!(script.prime(lane, 0).unwrap().target, "/_matrix/client/v3/sync?timeout=0&filter=0");
    assert!(script.prime(script.lane(1).user, 0).is_none(), "who does not sync is not primed");
    script.primed(lane, 0, &response(200, "{\"next_batch\":\"s9\"}"));
    assert!(script.request(0, 0).unwrap().target.contains("since=s9"));
}

#[test]
fn sliding_sync_acknowledges_and_restarts_if_its_position_is_unknown() {
    let template = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos={pos}&timeout=30000";
    let mut log = Log::default();
    log.row("@a:old", Method::Post, template);
    let mut script = log.script(Tier::Read);
    assert!(!script.request(0, 0).unwrap().target.contains("pos"));
    script.learn(
        0,
        0,
        &response(200, "{\"pos\":\"5/s1\",\"extensions\":{\"to_device\":{\"next_batch\":\"12\",\"events\":[]}},\"rooms\":{}}"),
    );
    let next = script.request(0, 0).unwrap();
    assert!(next.target.ends_with("?timeout=30000&pos=5%2Fs1"), "{}", next.target);
    let body: serde_json::Value = serde_json::from_slice(&next.body).unwrap();
    assert_eq!(body["extensions"]["to_device"]["since"], "12");
    script.learn(0, 0, &response(400, "{\"errcode\":\"M_UNKNOWN_POS\"}"));
    assert!(!script.request(0, 0).unwrap().target.contains("pos"));
}

#[test]
fn pagination_tokens_and_event_ids_are_the_targets_own() {
    let mut log = Log::default();
    log.row("@a:old", Method::Get, MESSAGES).row("@a:old", Method::Put, SEND);
    log.row("@a:old", Method::Post, "/_matrix/client/v3/rooms/{room}/receipt/m.read/{event}").row("@a:old", Method::Get, SYNC);
    let world = log.world();
    let room = world.copies[0].rooms[0].room_id.clone().unwrap();
    let mut script = log.script(Tier::Write);
    assert!(!script.request(0, 0).unwrap().target.contains("from"));
    script.learn(
        3,
        0,
        &response(
            200,
            &serde_json::json!({"next_batch": "s1", "rooms": {"join": {
        room: {"timeline": {"prev_batch": "p1", "events": [{"event_id": "$old"}, {"type": "x"}, {"event_id": "$new"}]}},
        "!unknown:x": {"timeline": {"events": []}}}}})
            .to_string(),
        ),
    );
    assert!(script.request(0, 0).unwrap().target.ends_with("&from=p1"));
    script.learn(0, 0, &response(200, "{\"chunk\":[],\"end\":\"p0\"}"));
    assert!(script.request(0, 0).unwrap().target.ends_with("&from=p0"));
    script.learn(0, 0, &response(200, "{\"chunk\":[]}"));
    assert!(script.request(0, 0).unwrap().target.ends_with("&from=p1"), "at the beginning of the room the next page is the newest again");
    assert!(script.request(2, 0).unwrap().target.ends_with("/receipt/m.read/%24new"));
    script.learn(1, 0, &response(200, "{\"event_id\":\"$mine\"}"));
    assert!(script.request(2, 0).unwrap().target.ends_with("/receipt/m.read/%24mine"));
}

#[test]
fn transaction_ids_are_new_for_every_row_copy_and_run() {
    let mut log = Log::default();
    log.row("@a:old", Method::Put, SEND).row("@a:old", Method::Put, SEND);
    let mut seen = HashSet::new();
    for run in ["r1", "r2"] {
        let config = ScriptConfig { allowed: Tier::Write, run: run.to_owned(), ..ScriptConfig::default() };
        let mut script = Script::new(&log.world(), &log.names, log.rows.iter().copied(), config);
        for (row, copy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let target = script.request(row, copy).unwrap().target;
            assert!(seen.insert(target.rsplit('/').next().unwrap().to_owned()), "{target}");
        }
    }
}

#[test]
fn tiers_and_reasons() {
    let mut log = Log::default();
    log.row("@a:old", Method::Put, SEND)
        .row("@a:old", Method::Put, "/_matrix/client/v3/rooms/{room}/state/m.room.power_levels/{key}")
        .row("@a:old", Method::Put, "/_matrix/client/v3/rooms/{room}/state/m.room.join_rules/{key}")
        .row("@a:old", Method::Post, "/_matrix/client/v3/register")
        .row("", Method::Get, "/_matrix/client/v3/devices")
        .row("", Method::Get, "/_matrix/client/versions")
        .row("@a:old", Method::Options, SEND)
        .row("@a:old", Method::Get, "/_synapse/admin/v1/rooms");
    let reasons = |allowed| {
        let script = log.script(allowed);
        (0..8).map(|row| script.decide(row).err()).collect::<Vec<_>>()
    };
    let (write, dangerous, missing, no_user, never) = (
        Some(Unsendable::Write),
        Some(Unsendable::Dangerous),
        Some(Unsendable::NotProvisioned),
        Some(Unsendable::NoUser),
        Some(Unsendable::Never),
    );
    assert_eq!(reasons(Tier::Read), [write, write, write, dangerous, no_user, None, None, never]);
    assert_eq!(reasons(Tier::Write), [None, dangerous, dangerous, dangerous, no_user, None, None, never]);
    assert_eq!(reasons(Tier::Dangerous), [None, missing, None, missing, no_user, None, None, never]);
    let script = log.script(Tier::Write);
    assert_eq!(script.counts().values().sum::<u64>(), 8);
    assert_eq!(script.decide(8), Err(Unsendable::Invalid));
}

#[test]
fn room_membership_follows_the_log() {
    let (join, leave) = ("/_matrix/client/v3/join/{room}", "/_matrix/client/v3/rooms/{room}/leave");
    let mut log = Log::default();
    log.row("@in:old", Method::Get, MESSAGES)
        .row("@new:old", Method::Post, join)
        .row("@new:old", Method::Get, MESSAGES)
        .row("@new:old", Method::Post, leave)
        .row("@new:old", Method::Post, leave)
        .row("@new:old", Method::Get, MESSAGES)
        .row("@new:old", Method::Get, MESSAGES)
        .status(403);
    let script = log.script(Tier::Write);
    let missing = Err(Unsendable::NotProvisioned);
    let decided: Vec<_> = (0..7).map(|row| script.decide(row)).collect();
    // A request that failed in the log may fail again.
    assert_eq!(decided, [Ok(()), Ok(()), Ok(()), Ok(()), missing, missing, Ok(())]);
    // Without writes no user joins, so requests after the join cannot succeed.
    assert_eq!(log.script(Tier::Read).decide(2), missing);
}

#[test]
fn lanes_are_devices_or_addresses() {
    let mut log = Log::default();
    log.row("@a:old", Method::Get, SYNC).row("@a:old", Method::Put, SEND).row("@b:old", Method::Get, SYNC);
    log.row("", Method::Get, "/_matrix/client/versions").row("", Method::Get, "/_matrix/client/versions");
    log.rows[4].peer = log.names.intern(b"192.0.2.7");
    let script = log.script(Tier::Write);
    let lanes: Vec<_> = (0..5).map(|row| script.lane(row)).collect();
    assert_eq!((lanes[0].user, lanes[0].kind), (lanes[1].user, LaneKind::Sync));
    assert_eq!(lanes[1].kind, LaneKind::Plain);
    let users: HashSet<u32> = lanes.iter().map(|lane| lane.user).collect();
    assert_eq!(users.len(), 4);
    assert!(users.iter().all(|&user| user < script.lanes()));
}

#[test]
fn the_number_of_created_rooms_is_limited() {
    let mut log = Log::default();
    log.row("@a:old", Method::Post, "/_matrix/client/v3/createRoom").row("@a:old", Method::Post, "/_matrix/client/v3/createRoom");
    let config = ScriptConfig { allowed: Tier::Write, rooms_max: 1, ..ScriptConfig::default() };
    let mut script = Script::new(&log.world(), &log.names, log.rows.iter().copied(), config);
    assert!(script.request(0, 0).is_ok());
    assert_eq!(script.request(1, 0).unwrap_err(), Unsendable::NotProvisioned);
}

#[test]
fn a_large_response_is_parsed_and_a_truncated_one_yields_its_token() {
    let mut log = Log::default();
    log.row("@a:old", Method::Get, SYNC);
    let mut script = log.script(Tier::Read);
    let event = serde_json::json!({"type": "m.room.message", "event_id": "$e", "content": {"body": "x".repeat(1000)}});
    let events: Vec<_> = std::iter::repeat_n(event, 5_000).collect();
    let body = serde_json::json!({"next_batch": "s5", "rooms": {"join": {"!r:x": {"timeline": {"events": events}}}}}).to_string();
    assert!(body.len() > 5_000_000);
    script.learn(0, 0, &response(200, &body));
    assert!(script.request(0, 0).unwrap().target.contains("since=s5"));
    let cut = format!("{{\"next_batch\":\"s6\",{}", &body[1..1_000]);
    script.learn(0, 0, &Response { cut: true, ..response(200, &cut) });
    assert!(script.request(0, 0).unwrap().target.contains("since=s6"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hostile_template_reaches_no_target(
        segments in proptest::collection::vec(prop_oneof!["rooms|send|\\{room\\}|\\{event\\}|user|\\{user\\}|account_data|state|typing|messages", "[a-z.]{1,20}HOSTILE"], 1..8),
        method in 0_u8..8,
        query in "[a-z]{1,6}=HOSTILE",
    ) {
        let mut log = Log::default();
        log.row("@a:old.example", Method::Get, MESSAGES);
        log.row("@a:old.example", Method::from_number(method), &format!("/_matrix/client/v3/{}?{query}", segments.join("/")));
        let mut script = log.script(Tier::Dangerous);
        if let Ok(made) = script.request(1, 0) {
            prop_assert!(!made.target.contains("HOSTILE"), "{}", made.target);
            prop_assert!(made.target.parse::<hyper::Uri>().is_ok());
        }
    }

    #[test]
    fn any_response_is_accepted(body in ".{0,200}", status in 0_u16..600) {
        let mut log = Log::default();
        log.row("@a:old", Method::Get, SYNC).row("@a:old", Method::Get, MESSAGES).row("@a:old", Method::Put, SEND);
        let mut script = log.script(Tier::Write);
        for row in 0..3 {
            script.learn(row, 0, &response(status, &body));
            prop_assert!(script.request(row, 0).is_ok());
        }
    }
}
