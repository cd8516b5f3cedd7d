//! Syncs: what is new since a place in the stream, and whether there is anything.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::world::{RoomId, UserId, World};
use super::room::token_place;
use super::{Answer, Call, Reply};

/// Whether a sync waits, whose, and how long. A first sync never does.
pub(super) fn parks(world: &World, call: &Call) -> Option<(UserId, Duration)> {
    if call.area != super::Area::Client {
        return None;
    }
    let words = call.words();
    let since = match words.as_slice() {
        ["sync"] if call.query("full_state") != Some("true") => call.query("since").and_then(token_place)?,
        ["org.matrix.simplified_msc3575", "sync"] => call.query("pos").and_then(position)?.1,
        _ => return None,
    };
    let timeout = call.number("timeout", 0, TIMEOUT_MAX_MS);
    let who = call.who(world).ok()?;
    (timeout > 0 && world.users[who].news <= since).then(|| (who, Duration::from_millis(timeout as u64)))
}

/// `GET /sync`.
pub(super) fn sync(world: &World, call: &Call, who: UserId) -> Option<Answer> {
    let since = call.query("since").filter(|_| call.query("full_state") != Some("true"));
    let since = match since.map(token_place) {
        Some(None) => return Some(Err(Reply::error(400, "M_UNKNOWN", "Invalid stream token"))),
        Some(Some(place)) => Some(place),
        None => None,
    };
    let user = &world.users[who];
    let mut joined = Map::new();
    for &room in &user.rooms {
        if since.is_none_or(|since| world.rooms[room].last() > since) {
            joined.insert(world.rooms[room].id.clone(), room_of(world, room, since));
        }
    }
    let invited: Map<String, Value> = match since {
        None => user.invites.iter().map(|&room| (world.rooms[room].id.clone(), json!({"invite_state": {"events": []}}))).collect(),
        Some(_) => Map::new(),
    };
    Some(Ok(json!({
        "next_batch": format!("s{}", world.stream),
        "rooms": {"join": joined, "invite": invited, "leave": {}},
        "presence": {"events": []}, "account_data": {"events": []}, "to_device": {"events": []},
        "device_one_time_keys_count": {"signed_curve25519": 50},
    })))
}

fn room_of(world: &World, room: RoomId, since: Option<u64>) -> Value {
    let room = &world.rooms[room];
    let (events, limited) = room.since(since.unwrap_or(0), TIMELINE);
    let first = events.first().map_or(world.stream, |event| event.place);
    let timeline: Vec<Value> = events.iter().map(|event| event.json(&room.id)).collect();
    // Members are loaded lazily, by everybody.
    let state: Vec<Value> = match since {
        None => {
            room.state.values().filter(|event| event.kind != "m.room.member" && event.place < first).map(|e| e.json(&room.id)).collect()
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
pub(super) fn sliding(world: &World, call: &Call, who: UserId) -> Option<Answer> {
    Some(slide(world, call, who))
}

fn slide(world: &World, call: &Call, who: UserId) -> Answer {
    let wish = call.json()?;
    let before = match call.query("pos").map(position) {
        Some(None) => return Err(Reply::error(400, "M_UNKNOWN_POS", "Unknown position")),
        Some(Some(known)) => Some(known),
        None => None,
    };
    let (number, since) = before.unwrap_or((0, 0));
    let user = &world.users[who];
    let mut by_news: Vec<RoomId> = user.rooms.iter().copied().filter(|&room| world.rooms[room].last() > since).collect();
    by_news.sort_by_key(|&room| std::cmp::Reverse(world.rooms[room].last()));
    let mut rooms = Map::new();
    for &room in by_news.iter().take(WINDOW) {
        let room = &world.rooms[room];
        let (events, limited) = room.since(since, SLIDING_TIMELINE);
        let timeline: Vec<Value> = events.iter().map(|event| event.json(&room.id)).collect();
        let first = events.first().map_or(world.stream, |event| event.place);
        rooms.insert(
            room.id.clone(),
            json!({
                "timeline": timeline, "limited": limited, "prev_batch": format!("t{first}"), "initial": before.is_none(),
                "joined_count": room.members.len(), "notification_count": 0, "highlight_count": 0, "required_state": [],
            }),
        );
    }
    let lists = wish.get("lists").and_then(Value::as_object).into_iter().flat_map(|lists| lists.keys());
    let lists: Map<String, Value> = lists.map(|name| (name.clone(), json!({"count": user.rooms.len()}))).collect();
    Ok(json!({
        "pos": format!("{}/s{}", number + 1, world.stream), "lists": lists, "rooms": rooms,
        "extensions": {"to_device": {"next_batch": format!("{}", world.stream), "events": []}},
    }))
}

/// `7/s123`: how often the connection has been answered, and the place.
fn position(text: &str) -> Option<(u64, u64)> {
    let (number, place) = text.split_once('/')?;
    Some((number.parse().ok()?, token_place(place)?))
}

/// Longest wait: what Synapse's own clients never exceed.
const TIMEOUT_MAX_MS: usize = 300_000;
const TIMELINE: usize = 10;
const SLIDING_TIMELINE: usize = 20;
/// Rooms in one answer.
const WINDOW: usize = 50;
