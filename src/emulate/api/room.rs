//! Rooms: creating, joining, sending, reading.

use std::rc::Rc;

use serde_json::{Value, json};

use super::super::homeserver::{Event, Homeserver, RoomId, UserId};
use super::{ApiRequest, ApiResponse, ApiResult, not_found, text};

/// Handles requests about rooms; `None` for responses without content.
pub(super) fn respond(homeserver: &mut Homeserver, request: &ApiRequest, user: UserId, at_ms: u64) -> Option<ApiResult> {
    let segments = request.segments();
    Some(match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["createRoom"]) => create(homeserver, request, user, at_ms),
        ("GET", ["joined_rooms"]) => {
            let rooms: Vec<&str> = homeserver.users[user].rooms.iter().map(|&room| homeserver.rooms[room].id.as_str()).collect();
            Ok(json!({"joined_rooms": rooms}))
        }
        ("POST", ["join" | "knock", id] | ["rooms", id, "join"]) => join(homeserver, request, user, id, at_ms),
        ("GET", ["directory", "room", alias]) => match homeserver.room(alias) {
            Some(room) => Ok(json!({"room_id": homeserver.rooms[room].id, "servers": [homeserver.server_name]})),
            None => Err(not_found("Room alias not found")),
        },
        (_, ["directory", ..]) => return None,
        (_, ["publicRooms"]) => request.json().map(|_| json!({"chunk": [], "total_room_count_estimate": 0})),
        (method, ["rooms", id, rest @ ..]) => {
            let Some(room) = homeserver.room(id) else { return Some(Err(ApiResponse::error(403, "M_FORBIDDEN", "not in the room"))) };
            let is_member = homeserver.rooms[room].members.contains(&user);
            if !is_member && !matches!(rest, ["leave" | "forget"]) {
                return Some(Err(ApiResponse::error(403, "M_FORBIDDEN", "User not in room")));
            }
            if method == "GET" {
                return Some(read(homeserver, request, room, rest));
            }
            return write(homeserver, request, user, room, rest, at_ms);
        }
        _ => return None,
    })
}

fn create(homeserver: &mut Homeserver, request: &ApiRequest, user: UserId, at_ms: u64) -> ApiResult {
    let body = request.json()?;
    let alias = text(&body, "room_alias_name").map(|name| format!("#{name}:{}", homeserver.server_name));
    if alias.as_ref().is_some_and(|alias| homeserver.aliases.contains_key(alias)) {
        return Err(ApiResponse::error(400, "M_ROOM_IN_USE", "Room alias already taken"));
    }
    let room = homeserver.create_room(user, at_ms);
    let names = [("m.room.name", "name"), ("m.room.topic", "topic")];
    for (kind, field) in names {
        if let Some(value) = text(&body, field) {
            homeserver.add(room, user, kind, Some(""), json!({field: value}), at_ms);
        }
    }
    for event in body.get("initial_state").and_then(Value::as_array).into_iter().flatten().take(LIST_MAX) {
        let key = text(event, "state_key").unwrap_or_default();
        let content = event.get("content").cloned().unwrap_or_else(|| json!({}));
        homeserver.add(room, user, text(event, "type").unwrap_or_default(), Some(key), content, at_ms);
    }
    if let Some(alias) = alias {
        homeserver.aliases.insert(alias, room);
    }
    for name in body.get("invite").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).take(LIST_MAX) {
        if let Some(user) = homeserver.user(name) {
            homeserver.invite(room, user, user, at_ms);
        }
    }
    Ok(json!({"room_id": homeserver.rooms[room].id}))
}

fn join(homeserver: &mut Homeserver, request: &ApiRequest, user: UserId, id: &str, at_ms: u64) -> ApiResult {
    request.json()?;
    let room = homeserver.room(id).ok_or_else(|| not_found("No known servers"))?;
    homeserver.join(room, user, at_ms);
    Ok(json!({"room_id": homeserver.rooms[room].id}))
}

fn read(homeserver: &Homeserver, request: &ApiRequest, room: RoomId, rest: &[&str]) -> ApiResult {
    let found_room = &homeserver.rooms[room];
    let all = |events: Vec<&Rc<Event>>| events.iter().map(|event| event.json(&found_room.id)).collect::<Vec<Value>>();
    Ok(match rest {
        ["messages"] => messages(homeserver, request, room),
        ["members"] => {
            let members = found_room.state.values().filter(|event| event.kind == "m.room.member").collect();
            json!({"chunk": all(members)})
        }
        ["joined_members"] => {
            let joined: serde_json::Map<String, Value> =
                found_room.members.iter().map(|&m| (homeserver.users[m].id.clone(), json!({}))).collect();
            json!({"joined": joined})
        }
        ["state"] => Value::Array(all(found_room.state.values().collect())),
        ["state", kind, key @ ..] => {
            let key = ((*kind).to_owned(), key.first().copied().unwrap_or_default().to_owned());
            found_room.state.get(&key).map(|event| event.content.clone()).ok_or_else(|| not_found("Event not found."))?
        }
        ["event", id] => event(homeserver, room, id)?.json(&found_room.id),
        ["context", id] => {
            let found = event(homeserver, room, id)?;
            let token = format!("t{}", found.position);
            json!({"event": found.json(&found_room.id), "events_before": [], "events_after": [], "state": [], "start": token, "end": token})
        }
        ["relations", ..] | ["threads"] => json!({"chunk": []}),
        ["hierarchy"] => json!({"rooms": []}),
        ["aliases"] => json!({"aliases": []}),
        ["timestamp_to_event"] => {
            let first = found_room.events.front().ok_or_else(|| not_found("no event"))?;
            json!({"event_id": first.id, "origin_server_ts": first.at_ms})
        }
        _ => json!({}),
    })
}

fn event<'w>(homeserver: &'w Homeserver, room: RoomId, id: &str) -> Result<&'w Rc<Event>, ApiResponse> {
    homeserver.rooms[room].events.iter().rev().find(|event| event.id == id).ok_or_else(|| not_found("Event not found."))
}

fn messages(homeserver: &Homeserver, request: &ApiRequest, room: RoomId) -> Value {
    let found_room = &homeserver.rooms[room];
    let limit = request.number("limit", 10, PAGE_MAX);
    let from = request.query("from").and_then(token_position);
    let backwards = request.query("dir").is_none_or(|dir| dir != "f");
    let chosen: Vec<&Rc<Event>> = if backwards {
        let from = from.unwrap_or(u64::MAX);
        found_room.events.iter().rev().filter(|event| event.position < from).take(limit).collect()
    } else {
        let from = from.unwrap_or(0);
        found_room.events.iter().filter(|event| event.position > from).take(limit).collect()
    };
    let chunk: Vec<Value> = chosen.iter().map(|event| event.json(&found_room.id)).collect();
    let start = format!("t{}", from.unwrap_or(homeserver.stream + 1));
    let mut page = json!({"chunk": chunk, "start": start});
    let more = match (backwards, chosen.last(), found_room.events.front()) {
        (true, Some(last), Some(first)) => last.position > first.position,
        (false, Some(last), _) => last.position < found_room.last_position(),
        _ => false,
    };
    if let (true, Some(last), Some(fields)) = (more, chosen.last(), page.as_object_mut()) {
        fields.insert("end".to_owned(), json!(format!("t{}", last.position)));
    }
    page
}

fn write(homeserver: &mut Homeserver, request: &ApiRequest, user: UserId, room: RoomId, rest: &[&str], at_ms: u64) -> Option<ApiResult> {
    let sent = |id: String| json!({"event_id": id});
    Some(match rest {
        ["send", kind, ..] => request.json().map(|content| sent(homeserver.add(room, user, kind, None, content, at_ms))),
        ["state", kind, key @ ..] => {
            let key = key.first().copied().unwrap_or_default();
            request.json().map(|content| sent(homeserver.add(room, user, kind, Some(key), content, at_ms)))
        }
        ["redact", id, ..] => {
            let content = json!({"redacts": id});
            request.json().map(|_| sent(homeserver.add(room, user, "m.room.redaction", None, content, at_ms)))
        }
        ["invite"] => match request.json() {
            Ok(body) => match homeserver.user(text(&body, "user_id").unwrap_or_default()) {
                Some(user) => {
                    homeserver.invite(room, user, user, at_ms);
                    Ok(json!({}))
                }
                None => Err(not_found("Unknown user")),
            },
            Err(error) => Err(error),
        },
        ["leave"] => request.json().map(|_| {
            homeserver.leave(room, user, at_ms);
            json!({})
        }),
        _ => return None,
    })
}

/// The stream position of a token of a sync or of a page.
pub(super) fn token_position(token: &str) -> Option<u64> {
    token.strip_prefix(['s', 't'])?.parse().ok()
}

const LIST_MAX: usize = 1_000;
const PAGE_MAX: usize = 1_000;
