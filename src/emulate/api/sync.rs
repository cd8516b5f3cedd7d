//! Syncs: the events after a position of the stream, and whether there are any.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::homeserver::{Homeserver, RoomId, UserId};
use super::room::token_position;
use super::{ApiRequest, ApiResponse, ApiResult};

/// The user and the longest wait of a sync for which there are no new events. A first sync never waits.
pub(super) fn long_poll_wait(homeserver: &Homeserver, request: &ApiRequest) -> Option<(UserId, Duration)> {
    if request.area != super::Area::Client {
        return None;
    }
    let segments = request.segments();
    let since = match segments.as_slice() {
        ["sync"] if request.query("full_state") != Some("true") => request.query("since").and_then(token_position)?,
        ["org.matrix.simplified_msc3575", "sync"] => request.query("pos").and_then(parse_position)?.1,
        _ => return None,
    };
    let timeout = request.number("timeout", 0, TIMEOUT_MAX_MS);
    let user = request.user(homeserver).ok()?;
    (timeout > 0 && homeserver.users[user].last_event <= since).then(|| (user, Duration::from_millis(timeout as u64)))
}

/// `GET /sync`.
pub(super) fn sync(homeserver: &Homeserver, request: &ApiRequest, user: UserId) -> Option<ApiResult> {
    let since = request.query("since").filter(|_| request.query("full_state") != Some("true"));
    let since = match since.map(token_position) {
        Some(None) => return Some(Err(ApiResponse::error(400, "M_UNKNOWN", "Invalid stream token"))),
        Some(Some(position)) => Some(position),
        None => None,
    };
    let user = &homeserver.users[user];
    let mut joined = Map::new();
    for &room in &user.rooms {
        if since.is_none_or(|since| homeserver.rooms[room].last_position() > since) {
            joined.insert(homeserver.rooms[room].id.clone(), room_of(homeserver, room, since));
        }
    }
    let invited: Map<String, Value> = match since {
        None => user.invites.iter().map(|&room| (homeserver.rooms[room].id.clone(), json!({"invite_state": {"events": []}}))).collect(),
        Some(_) => Map::new(),
    };
    Some(Ok(json!({
        "next_batch": format!("s{}", homeserver.stream),
        "rooms": {"join": joined, "invite": invited, "leave": {}},
        "presence": {"events": []}, "account_data": {"events": []}, "to_device": {"events": []},
        "device_one_time_keys_count": {"signed_curve25519": 50},
    })))
}

fn room_of(homeserver: &Homeserver, room: RoomId, since: Option<u64>) -> Value {
    let room = &homeserver.rooms[room];
    let (events, limited) = room.since(since.unwrap_or(0), TIMELINE);
    let first = events.first().map_or(homeserver.stream, |event| event.position);
    let timeline: Vec<Value> = events.iter().map(|event| event.json(&room.id)).collect();
    // All clients load members lazily.
    let state: Vec<Value> = match since {
        None => {
            room.state.values().filter(|event| event.kind != "m.room.member" && event.position < first).map(|e| e.json(&room.id)).collect()
        }
        Some(_) => Vec::new(),
    };
    json!({
        "timeline": {"events": timeline, "limited": limited, "prev_batch": format!("t{first}")},
        "state": {"events": state}, "ephemeral": {"events": []}, "account_data": {"events": []},
        "summary": {"m.joined_member_count": room.members.len()}, "unread_notifications": {"highlight_count": 0, "notification_count": 0},
    })
}

/// Simplified sliding sync (MSC4186).
pub(super) fn sliding(homeserver: &Homeserver, request: &ApiRequest, user: UserId) -> Option<ApiResult> {
    Some(sliding_body(homeserver, request, user))
}

fn sliding_body(homeserver: &Homeserver, request: &ApiRequest, user: UserId) -> ApiResult {
    let body = request.json()?;
    let before = match request.query("pos").map(parse_position) {
        Some(None) => return Err(ApiResponse::error(400, "M_UNKNOWN_POS", "Unknown position")),
        Some(Some(known)) => Some(known),
        None => None,
    };
    let (number, since) = before.unwrap_or((0, 0));
    let user = &homeserver.users[user];
    let mut by_last_event: Vec<RoomId> =
        user.rooms.iter().copied().filter(|&room| homeserver.rooms[room].last_position() > since).collect();
    by_last_event.sort_by_key(|&room| std::cmp::Reverse(homeserver.rooms[room].last_position()));
    let mut rooms = Map::new();
    for &room in by_last_event.iter().take(ROOMS_MAX) {
        let room = &homeserver.rooms[room];
        let (events, limited) = room.since(since, SLIDING_TIMELINE);
        let timeline: Vec<Value> = events.iter().map(|event| event.json(&room.id)).collect();
        let first = events.first().map_or(homeserver.stream, |event| event.position);
        rooms.insert(
            room.id.clone(),
            json!({
                "timeline": timeline, "limited": limited, "prev_batch": format!("t{first}"), "initial": before.is_none(),
                "joined_count": room.members.len(), "notification_count": 0, "highlight_count": 0, "required_state": [],
            }),
        );
    }
    let lists = body.get("lists").and_then(Value::as_object).into_iter().flat_map(|lists| lists.keys());
    let lists: Map<String, Value> = lists.map(|name| (name.clone(), json!({"count": user.rooms.len()}))).collect();
    Ok(json!({
        "pos": format!("{}/s{}", number + 1, homeserver.stream), "lists": lists, "rooms": rooms,
        "extensions": {"to_device": {"next_batch": format!("{}", homeserver.stream), "events": []}},
    }))
}

/// Parses `7/s123`: the number of responses on the connection, and the stream position.
fn parse_position(text: &str) -> Option<(u64, u64)> {
    let (number, position) = text.split_once('/')?;
    Some((number.parse().ok()?, token_position(position)?))
}

/// Longest wait; Matrix clients never ask for more.
const TIMEOUT_MAX_MS: usize = 300_000;
const TIMELINE: usize = 10;
const SLIDING_TIMELINE: usize = 20;
/// Most rooms in one response.
const ROOMS_MAX: usize = 50;
