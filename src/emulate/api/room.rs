//! Rooms: making, joining, sending, reading back.

use std::rc::Rc;

use serde_json::{Value, json};

use super::super::world::{Event, RoomId, UserId, World};
use super::{Answer, Call, Reply, not_found, text};

/// Answers what is about rooms; `None` for what needs no content.
pub(super) fn answer(world: &mut World, call: &Call, who: UserId, at_ms: u64) -> Option<Answer> {
    let words = call.words();
    Some(match (call.method.as_str(), words.as_slice()) {
        ("POST", ["createRoom"]) => create(world, call, who, at_ms),
        ("GET", ["joined_rooms"]) => {
            let rooms: Vec<&str> = world.users[who].rooms.iter().map(|&room| world.rooms[room].id.as_str()).collect();
            Ok(json!({"joined_rooms": rooms}))
        }
        ("POST", ["join" | "knock", id] | ["rooms", id, "join"]) => join(world, call, who, id, at_ms),
        ("GET", ["directory", "room", alias]) => match world.room(alias) {
            Some(room) => Ok(json!({"room_id": world.rooms[room].id, "servers": [world.server_name]})),
            None => Err(not_found("Room alias not found")),
        },
        (_, ["directory", ..]) => return None,
        (_, ["publicRooms"]) => call.json().map(|_| json!({"chunk": [], "total_room_count_estimate": 0})),
        (method, ["rooms", id, rest @ ..]) => {
            let Some(room) = world.room(id) else { return Some(Err(Reply::error(403, "M_FORBIDDEN", "not in the room"))) };
            let inside = world.rooms[room].members.contains(&who);
            if !inside && !matches!(rest, ["leave" | "forget"]) {
                return Some(Err(Reply::error(403, "M_FORBIDDEN", "User not in room")));
            }
            if method == "GET" {
                return Some(read(world, call, room, rest));
            }
            return change(world, call, who, room, rest, at_ms);
        }
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call, who: UserId, at_ms: u64) -> Answer {
    let wish = call.json()?;
    let alias = text(&wish, "room_alias_name").map(|name| format!("#{name}:{}", world.server_name));
    if alias.as_ref().is_some_and(|alias| world.aliases.contains_key(alias)) {
        return Err(Reply::error(400, "M_ROOM_IN_USE", "Room alias already taken"));
    }
    let room = world.create_room(who, at_ms);
    let named = [("m.room.name", "name"), ("m.room.topic", "topic")];
    for (kind, field) in named {
        if let Some(value) = text(&wish, field) {
            world.add(room, who, kind, Some(""), json!({field: value}), at_ms);
        }
    }
    for event in wish.get("initial_state").and_then(Value::as_array).into_iter().flatten().take(LIST_MAX) {
        let key = text(event, "state_key").unwrap_or_default();
        let content = event.get("content").cloned().unwrap_or_else(|| json!({}));
        world.add(room, who, text(event, "type").unwrap_or_default(), Some(key), content, at_ms);
    }
    if let Some(alias) = alias {
        world.aliases.insert(alias, room);
    }
    for name in wish.get("invite").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).take(LIST_MAX) {
        if let Some(user) = world.user(name) {
            world.invite(room, who, user, at_ms);
        }
    }
    Ok(json!({"room_id": world.rooms[room].id}))
}

fn join(world: &mut World, call: &Call, who: UserId, id: &str, at_ms: u64) -> Answer {
    call.json()?;
    let room = world.room(id).ok_or_else(|| not_found("No known servers"))?;
    world.join(room, who, at_ms);
    Ok(json!({"room_id": world.rooms[room].id}))
}

fn read(world: &World, call: &Call, room: RoomId, rest: &[&str]) -> Answer {
    let place = &world.rooms[room];
    let all = |events: Vec<&Rc<Event>>| events.iter().map(|event| event.json(&place.id)).collect::<Vec<Value>>();
    Ok(match rest {
        ["messages"] => messages(world, call, room),
        ["members"] => {
            let members = place.state.values().filter(|event| event.kind == "m.room.member").collect();
            json!({"chunk": all(members)})
        }
        ["joined_members"] => {
            let joined: serde_json::Map<String, Value> = place.members.iter().map(|&m| (world.users[m].id.clone(), json!({}))).collect();
            json!({"joined": joined})
        }
        ["state"] => Value::Array(all(place.state.values().collect())),
        ["state", kind, key @ ..] => {
            let key = ((*kind).to_owned(), key.first().copied().unwrap_or_default().to_owned());
            place.state.get(&key).map(|event| event.content.clone()).ok_or_else(|| not_found("Event not found."))?
        }
        ["event", id] => event(world, room, id)?.json(&place.id),
        ["context", id] => {
            let found = event(world, room, id)?;
            let token = format!("t{}", found.place);
            json!({"event": found.json(&place.id), "events_before": [], "events_after": [], "state": [], "start": token, "end": token})
        }
        ["relations", ..] | ["threads"] => json!({"chunk": []}),
        ["hierarchy"] => json!({"rooms": []}),
        ["aliases"] => json!({"aliases": []}),
        ["timestamp_to_event"] => {
            let first = place.events.front().ok_or_else(|| not_found("no event"))?;
            json!({"event_id": first.id, "origin_server_ts": first.at_ms})
        }
        _ => json!({}),
    })
}

fn event<'w>(world: &'w World, room: RoomId, id: &str) -> Result<&'w Rc<Event>, Reply> {
    world.rooms[room].events.iter().rev().find(|event| event.id == id).ok_or_else(|| not_found("Event not found."))
}

fn messages(world: &World, call: &Call, room: RoomId) -> Value {
    let place = &world.rooms[room];
    let limit = call.number("limit", 10, PAGE_MAX);
    let from = call.query("from").and_then(token_place);
    let backwards = call.query("dir").is_none_or(|dir| dir != "f");
    let chosen: Vec<&Rc<Event>> = if backwards {
        let from = from.unwrap_or(u64::MAX);
        place.events.iter().rev().filter(|event| event.place < from).take(limit).collect()
    } else {
        let from = from.unwrap_or(0);
        place.events.iter().filter(|event| event.place > from).take(limit).collect()
    };
    let chunk: Vec<Value> = chosen.iter().map(|event| event.json(&place.id)).collect();
    let start = format!("t{}", from.unwrap_or(world.stream + 1));
    let mut page = json!({"chunk": chunk, "start": start});
    let more = match (backwards, chosen.last(), place.events.front()) {
        (true, Some(last), Some(first)) => last.place > first.place,
        (false, Some(last), _) => last.place < place.last(),
        _ => false,
    };
    if let (true, Some(last), Some(fields)) = (more, chosen.last(), page.as_object_mut()) {
        fields.insert("end".to_owned(), json!(format!("t{}", last.place)));
    }
    page
}

fn change(world: &mut World, call: &Call, who: UserId, room: RoomId, rest: &[&str], at_ms: u64) -> Option<Answer> {
    let sent = |id: String| json!({"event_id": id});
    Some(match rest {
        ["send", kind, ..] => call.json().map(|content| sent(world.add(room, who, kind, None, content, at_ms))),
        ["state", kind, key @ ..] => {
            let key = key.first().copied().unwrap_or_default();
            call.json().map(|content| sent(world.add(room, who, kind, Some(key), content, at_ms)))
        }
        ["redact", id, ..] => {
            let content = json!({"redacts": id});
            call.json().map(|_| sent(world.add(room, who, "m.room.redaction", None, content, at_ms)))
        }
        ["invite"] => match call.json() {
            Ok(wish) => match world.user(text(&wish, "user_id").unwrap_or_default()) {
                Some(user) => {
                    world.invite(room, who, user, at_ms);
                    Ok(json!({}))
                }
                None => Err(not_found("Unknown user")),
            },
            Err(error) => Err(error),
        },
        ["leave"] => call.json().map(|_| {
            world.leave(room, who, at_ms);
            json!({})
        }),
        _ => return None,
    })
}

/// The place that a token of a sync or of a page stands for.
pub(super) fn token_place(token: &str) -> Option<u64> {
    token.strip_prefix(['s', 't'])?.parse().ok()
}

const LIST_MAX: usize = 1_000;
const PAGE_MAX: usize = 1_000;
