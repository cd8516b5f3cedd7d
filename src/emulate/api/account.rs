//! Accounts: registration with the shared secret, login, devices, keys, profiles; and what an administrator does with them.

use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha1::Sha1;

use super::super::world::{UserId, World};
use super::{Answer, Call, Reply, not_found, text, unrecognised};

/// What needs no token; `None` for everything else.
pub(super) fn open(world: &mut World, call: &Call) -> Option<Answer> {
    let words = call.words();
    Some(match (call.method.as_str(), words.as_slice()) {
        ("GET" | "HEAD", ["login"]) => Ok(json!({"flows": [{"type": "m.login.password"}]})),
        ("POST", ["login"]) => log_in(world, call),
        ("GET" | "HEAD", ["auth_metadata" | "auth_issuer" | "org.matrix.msc2965", ..]) => Err(unrecognised()),
        ("GET" | "HEAD", ["register", "available"]) => Ok(json!({"available": true})),
        ("POST", ["register"]) => Err(Reply::error(403, "M_FORBIDDEN", "Registration has been disabled")),
        _ => return None,
    })
}

fn log_in(world: &mut World, call: &Call) -> Answer {
    let wish = call.json()?;
    let name = wish.pointer("/identifier/user").or_else(|| wish.get("user")).and_then(Value::as_str).unwrap_or_default();
    let refused = || Reply::error(403, "M_FORBIDDEN", "Invalid username or password");
    let user = world.user(name).ok_or_else(refused)?;
    if text(&wish, "password") != Some(world.users[user].password.as_str()) {
        return Err(refused());
    }
    let device = text(&wish, "device_id").map(str::to_owned);
    Ok(world.log_in(user, device.as_deref()))
}

/// What a user asks about themselves and others; `None` for what needs no content.
pub(super) fn answer(world: &mut World, call: &Call, who: UserId) -> Option<Answer> {
    let words = call.words();
    let user = &world.users[who];
    Some(match (call.method.as_str(), words.as_slice()) {
        ("GET", ["account", "whoami"]) => {
            let device = call.token.as_deref().and_then(|token| world.whose(token)).map_or("", |(_, device)| device);
            Ok(json!({"user_id": user.id, "device_id": device, "is_guest": false}))
        }
        ("GET", ["account", "3pid"]) => Ok(json!({"threepids": []})),
        ("GET", ["capabilities"]) => Ok(json!({"capabilities": {"m.room_versions": {"default": "10", "available": {"10": "stable"}}}})),
        ("GET", ["devices"]) => {
            let devices: Vec<Value> = user.devices.keys().map(|id| json!({"device_id": id})).collect();
            Ok(json!({"devices": devices}))
        }
        ("GET", ["pushers"]) => Ok(json!({"pushers": []})),
        ("GET", ["pushrules", ..]) => Ok(json!({"global": {"override": [], "content": [], "room": [], "sender": [], "underride": []}})),
        ("GET", ["notifications"]) => Ok(json!({"notifications": []})),
        ("GET", ["profile", name, rest @ ..]) => profile(world, name, rest.first().copied()),
        ("PUT", ["profile", _, field, ..]) => set_profile(world, call, who, field),
        ("GET", ["presence", ..]) => Ok(json!({"presence": "offline"})),
        ("POST", ["user", _, "filter"]) => call.json().map(|filter| {
            let filters = &mut world.users[who].filters;
            // Synapse gives equal filters one id, too.
            let place = filters.iter().position(|known| *known == filter).unwrap_or_else(|| {
                filters.push(filter);
                filters.len() - 1
            });
            json!({"filter_id": place.to_string()})
        }),
        ("GET", ["user", _, "filter", id]) => {
            let filter = id.parse::<usize>().ok().and_then(|place| user.filters.get(place));
            filter.cloned().ok_or_else(|| not_found("no such filter"))
        }
        ("GET", ["user", _, .., "tags"]) => Ok(json!({"tags": {}})),
        ("GET", ["user", ..]) => Err(not_found("Account data not found")),
        ("POST", ["keys", "upload", ..]) => keys_upload(world, call, who),
        ("POST", ["keys", "query"]) => keys_query(world, call),
        ("POST", ["keys", "claim"]) => call.json().map(|_| json!({"one_time_keys": {}, "failures": {}})),
        ("GET", ["keys", "changes"]) => Ok(json!({"changed": [], "left": []})),
        ("GET", ["room_keys", "version", ..]) if user.backup == 0 => Err(not_found("No backup found")),
        ("GET", ["room_keys", "version", ..]) => Ok(json!({
            "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {}, "count": 0, "etag": "0", "version": user.backup.to_string(),
        })),
        ("POST", ["room_keys", "version"]) => call.json().map(|_| {
            world.users[who].backup += 1;
            json!({"version": world.users[who].backup.to_string()})
        }),
        ("GET", ["room_keys", "keys", ..]) => Ok(json!({"rooms": {}, "sessions": {}})),
        ("PUT", ["room_keys", "keys", ..]) => call.json().map(|_| json!({"etag": "1", "count": 1})),
        ("POST", ["user_directory", "search"]) => call.json().map(|_| json!({"limited": false, "results": []})),
        ("POST", ["search"]) => {
            call.json().map(|_| json!({"search_categories": {"room_events": {"count": 0, "highlights": [], "results": []}}}))
        }
        ("POST", ["logout", rest @ ..]) => {
            if rest.is_empty() {
                world.log_out(call.token.as_deref().unwrap_or_default());
            }
            Ok(json!({}))
        }
        _ => return None,
    })
}

fn profile(world: &World, name: &str, field: Option<&str>) -> Answer {
    let user = world.user(name).ok_or_else(|| not_found("Profile was not found"))?;
    let profile = &world.users[user].profile;
    match field {
        None => Ok(json!(profile)),
        Some(field) => Ok(profile.get(field).map_or_else(|| json!({}), |value| json!({field: value}))),
    }
}

fn set_profile(world: &mut World, call: &Call, who: UserId, field: &str) -> Answer {
    let wish = call.json()?;
    let profile = &mut world.users[who].profile;
    if let Some(value) = wish.get(field).filter(|_| profile.len() < PROFILE_MAX || profile.contains_key(field)) {
        profile.insert(field.to_owned(), value.clone());
    }
    Ok(json!({}))
}

fn keys_upload(world: &mut World, call: &Call, who: UserId) -> Answer {
    let keys = call.json()?;
    let device = call.token.as_deref().and_then(|token| world.whose(token)).map(|(_, device)| device.to_owned()).unwrap_or_default();
    let count = keys.get("one_time_keys").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    if let Some(own) = keys.get("device_keys") {
        world.users[who].devices.insert(device, own.clone());
    }
    Ok(json!({"one_time_key_counts": {"signed_curve25519": count}}))
}

fn keys_query(world: &World, call: &Call) -> Answer {
    let wish = call.json()?;
    let mut found = serde_json::Map::new();
    for name in wish.get("device_keys").and_then(Value::as_object).into_iter().flat_map(|wanted| wanted.keys()).take(QUERIED_MAX) {
        let Some(user) = world.user(name) else { continue };
        let devices: serde_json::Map<String, Value> =
            world.users[user].devices.iter().filter(|(_, keys)| !keys.is_null()).map(|(id, keys)| (id.clone(), keys.clone())).collect();
        found.insert(name.clone(), Value::Object(devices));
    }
    Ok(json!({"device_keys": found, "failures": {}}))
}

/// Below `/_synapse/admin`.
pub(super) fn admin(world: &mut World, call: &Call, secret: &str, at_ms: u64) -> Answer {
    let words = call.words();
    if let ["v1", "register"] = words.as_slice() {
        return register(world, call, secret);
    }
    let who = call.who(world)?;
    if !world.users[who].admin {
        return Err(Reply::error(403, "M_FORBIDDEN", "You are not a server admin"));
    }
    let user = |world: &World, name: &str| world.user(name).ok_or_else(|| not_found("User not found"));
    let room = |world: &World, name: &str| world.room(name).ok_or_else(|| not_found("Room not found"));
    match (call.method.as_str(), words.as_slice()) {
        (_, ["v1", "users", _, "override_ratelimit"]) => call.json(),
        ("GET", ["v1", "users", name, "joined_rooms"]) => {
            let rooms: Vec<&str> = world.users[user(world, name)?].rooms.iter().map(|&room| world.rooms[room].id.as_str()).collect();
            Ok(json!({"joined_rooms": rooms, "total": rooms.len()}))
        }
        ("POST", ["v1", "users", name, "login"]) => {
            let user = user(world, name)?;
            Ok(world.log_in(user, None))
        }
        ("GET", ["v2", "users", name]) => {
            let user = user(world, name)?;
            Ok(json!({"name": world.users[user].id, "admin": world.users[user].admin, "deactivated": false}))
        }
        ("POST", ["v1", "deactivate", name]) => {
            let user = user(world, name)?;
            world.deactivate(user);
            Ok(json!({"id_server_unbind_result": "success"}))
        }
        ("POST", ["v1", "join", name]) => {
            let wish = call.json()?;
            let (room, user) = (room(world, name)?, user(world, text(&wish, "user_id").unwrap_or_default())?);
            world.join(room, user, at_ms);
            Ok(json!({"room_id": world.rooms[room].id}))
        }
        ("DELETE", ["v1" | "v2", "rooms", name]) => {
            let room = room(world, name)?;
            let members = std::mem::take(&mut world.rooms[room].members);
            for member in &members {
                world.users[*member].rooms.remove(&room);
            }
            world.rooms[room].deleted = true;
            world.rooms[room].events.clear();
            world.aliases.retain(|_, known| *known != room);
            Ok(json!({"delete_id": world.fresh(16)}))
        }
        ("GET", ["v2", "rooms", "delete_status", _]) => Ok(json!({"status": "complete"})),
        ("DELETE", ["v1", "media", _, id]) => {
            world.media.remove(*id);
            Ok(json!({"deleted_media": [id], "total": 1}))
        }
        ("GET", ["v1", "server_version"]) => Ok(json!({"server_version": concat!("wsim-emulated/", env!("CARGO_PKG_VERSION"))})),
        _ => Err(unrecognised()),
    }
}

fn register(world: &mut World, call: &Call, secret: &str) -> Answer {
    if call.method == Method::GET {
        let nonce = world.fresh(32);
        if world.nonces.len() >= NONCES_MAX {
            world.nonces.clear();
        }
        world.nonces.insert(nonce.clone());
        return Ok(json!({"nonce": nonce}));
    }
    let wish = call.json()?;
    let field = |name: &str| text(&wish, name).map(str::to_owned).ok_or_else(|| Reply::error(400, "M_BAD_JSON", "a field is missing"));
    let (nonce, name, password, mac) = (field("nonce")?, field("username")?, field("password")?, field("mac")?);
    if !world.nonces.remove(&nonce) {
        return Err(Reply::error(400, "M_UNKNOWN", "unrecognised nonce"));
    }
    let admin = wish.get("admin").and_then(Value::as_bool).unwrap_or(false);
    let words = [nonce.as_str(), name.as_str(), password.as_str(), if admin { "admin" } else { "notadmin" }];
    if !is_mac(secret, &words, &mac) {
        return Err(Reply::error(403, "M_UNKNOWN", "HMAC incorrect"));
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._=-/+".contains(&byte)) {
        return Err(Reply::error(400, "M_INVALID_USERNAME", "User ID can only contain characters a-z, 0-9, or '=_-./+'"));
    }
    let user = world.register(&name, &password, admin).ok_or_else(|| Reply::error(400, "M_USER_IN_USE", "User ID already taken."))?;
    Ok(world.log_in(user, None))
}

/// Whether `hex` is the words' HMAC-SHA1 under the secret, compared without telling where it differs.
fn is_mac(secret: &str, words: &[&str], hex: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(words.join("\0").as_bytes());
    let digits = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("x"), 16));
    let bytes: Result<Vec<u8>, _> = digits.collect();
    bytes.is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
}

const NONCES_MAX: usize = 10_000;
const PROFILE_MAX: usize = 20;
const QUERIED_MAX: usize = 1_000;
