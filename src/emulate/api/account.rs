//! Accounts: registration with the shared secret, login, devices, keys, profiles; and the administration API.

use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha1::Sha1;

use super::super::homeserver::{Homeserver, UserId};
use super::{ApiRequest, ApiResponse, ApiResult, not_found, text, unrecognised};

/// Handles requests that need no access token; `None` for all others.
pub(super) fn respond_without_token(homeserver: &mut Homeserver, request: &ApiRequest) -> Option<ApiResult> {
    let segments = request.segments();
    Some(match (request.method.as_str(), segments.as_slice()) {
        ("GET" | "HEAD", ["login"]) => Ok(json!({"flows": [{"type": "m.login.password"}]})),
        ("POST", ["login"]) => log_in(homeserver, request),
        ("GET" | "HEAD", ["auth_metadata" | "auth_issuer" | "org.matrix.msc2965", ..]) => Err(unrecognised()),
        ("GET" | "HEAD", ["register", "available"]) => Ok(json!({"available": true})),
        ("POST", ["register"]) => Err(ApiResponse::error(403, "M_FORBIDDEN", "Registration has been disabled")),
        _ => return None,
    })
}

fn log_in(homeserver: &mut Homeserver, request: &ApiRequest) -> ApiResult {
    let body = request.json()?;
    let name = body.pointer("/identifier/user").or_else(|| body.get("user")).and_then(Value::as_str).unwrap_or_default();
    let forbidden = || ApiResponse::error(403, "M_FORBIDDEN", "Invalid username or password");
    let user = homeserver.user(name).ok_or_else(forbidden)?;
    if text(&body, "password") != Some(homeserver.users[user].password.as_str()) {
        return Err(forbidden());
    }
    let device = text(&body, "device_id").map(str::to_owned);
    Ok(homeserver.log_in(user, device.as_deref()))
}

/// Handles requests about users; `None` for responses without content.
pub(super) fn respond(homeserver: &mut Homeserver, request: &ApiRequest, user_id: UserId) -> Option<ApiResult> {
    let segments = request.segments();
    let user = &homeserver.users[user_id];
    Some(match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["account", "whoami"]) => {
            let device = request.token.as_deref().and_then(|token| homeserver.token_owner(token)).map_or("", |(_, device)| device);
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
        ("GET", ["profile", name, rest @ ..]) => profile(homeserver, name, rest.first().copied()),
        ("PUT", ["profile", _, field, ..]) => set_profile(homeserver, request, user_id, field),
        ("GET", ["presence", ..]) => Ok(json!({"presence": "offline"})),
        ("POST", ["user", _, "filter"]) => request.json().map(|filter| {
            let filters = &mut homeserver.users[user_id].filters;
            // As in Synapse, equal filters have one id.
            let index = filters.iter().position(|known| *known == filter).unwrap_or_else(|| {
                filters.push(filter);
                filters.len() - 1
            });
            json!({"filter_id": index.to_string()})
        }),
        ("GET", ["user", _, "filter", id]) => {
            let filter = id.parse::<usize>().ok().and_then(|index| user.filters.get(index));
            filter.cloned().ok_or_else(|| not_found("no such filter"))
        }
        ("GET", ["user", _, .., "tags"]) => Ok(json!({"tags": {}})),
        ("GET", ["user", ..]) => Err(not_found("Account data not found")),
        ("POST", ["keys", "upload", ..]) => keys_upload(homeserver, request, user_id),
        ("POST", ["keys", "query"]) => keys_query(homeserver, request),
        ("POST", ["keys", "claim"]) => request.json().map(|_| json!({"one_time_keys": {}, "failures": {}})),
        ("GET", ["keys", "changes"]) => Ok(json!({"changed": [], "left": []})),
        ("GET", ["room_keys", "version", ..]) if user.backup == 0 => Err(not_found("No backup found")),
        ("GET", ["room_keys", "version", ..]) => Ok(json!({
            "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {}, "count": 0, "etag": "0", "version": user.backup.to_string(),
        })),
        ("POST", ["room_keys", "version"]) => request.json().map(|_| {
            homeserver.users[user_id].backup += 1;
            json!({"version": homeserver.users[user_id].backup.to_string()})
        }),
        ("GET", ["room_keys", "keys", ..]) => Ok(json!({"rooms": {}, "sessions": {}})),
        ("PUT", ["room_keys", "keys", ..]) => request.json().map(|_| json!({"etag": "1", "count": 1})),
        ("POST", ["user_directory", "search"]) => request.json().map(|_| json!({"limited": false, "results": []})),
        ("POST", ["search"]) => {
            request.json().map(|_| json!({"search_categories": {"room_events": {"count": 0, "highlights": [], "results": []}}}))
        }
        ("POST", ["logout", rest @ ..]) => {
            if rest.is_empty() {
                homeserver.log_out(request.token.as_deref().unwrap_or_default());
            }
            Ok(json!({}))
        }
        _ => return None,
    })
}

fn profile(homeserver: &Homeserver, name: &str, field: Option<&str>) -> ApiResult {
    let user = homeserver.user(name).ok_or_else(|| not_found("Profile was not found"))?;
    let profile = &homeserver.users[user].profile;
    match field {
        None => Ok(json!(profile)),
        Some(field) => Ok(profile.get(field).map_or_else(|| json!({}), |value| json!({field: value}))),
    }
}

fn set_profile(homeserver: &mut Homeserver, request: &ApiRequest, user_id: UserId, field: &str) -> ApiResult {
    let body = request.json()?;
    let profile = &mut homeserver.users[user_id].profile;
    if let Some(value) = body.get(field).filter(|_| profile.len() < PROFILE_MAX || profile.contains_key(field)) {
        profile.insert(field.to_owned(), value.clone());
    }
    Ok(json!({}))
}

fn keys_upload(homeserver: &mut Homeserver, request: &ApiRequest, user_id: UserId) -> ApiResult {
    let keys = request.json()?;
    let device =
        request.token.as_deref().and_then(|token| homeserver.token_owner(token)).map(|(_, device)| device.to_owned()).unwrap_or_default();
    let count = keys.get("one_time_keys").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    if let Some(device_keys) = keys.get("device_keys") {
        homeserver.users[user_id].devices.insert(device, device_keys.clone());
    }
    Ok(json!({"one_time_key_counts": {"signed_curve25519": count}}))
}

fn keys_query(homeserver: &Homeserver, request: &ApiRequest) -> ApiResult {
    let body = request.json()?;
    let mut found = serde_json::Map::new();
    for name in body.get("device_keys").and_then(Value::as_object).into_iter().flat_map(|wanted| wanted.keys()).take(QUERIED_MAX) {
        let Some(user) = homeserver.user(name) else { continue };
        let devices: serde_json::Map<String, Value> = homeserver.users[user]
            .devices
            .iter()
            .filter(|(_, keys)| !keys.is_null())
            .map(|(id, keys)| (id.clone(), keys.clone()))
            .collect();
        found.insert(name.clone(), Value::Object(devices));
    }
    Ok(json!({"device_keys": found, "failures": {}}))
}

/// Handles requests below `/_synapse/admin`.
pub(super) fn admin(homeserver: &mut Homeserver, request: &ApiRequest, secret: &str, at_ms: u64) -> ApiResult {
    let segments = request.segments();
    if let ["v1", "register"] = segments.as_slice() {
        return register(homeserver, request, secret);
    }
    let user_id = request.user(homeserver)?;
    if !homeserver.users[user_id].admin {
        return Err(ApiResponse::error(403, "M_FORBIDDEN", "You are not a server admin"));
    }
    let user = |homeserver: &Homeserver, name: &str| homeserver.user(name).ok_or_else(|| not_found("User not found"));
    let room = |homeserver: &Homeserver, name: &str| homeserver.room(name).ok_or_else(|| not_found("Room not found"));
    match (request.method.as_str(), segments.as_slice()) {
        (_, ["v1", "users", _, "override_ratelimit"]) => request.json(),
        ("GET", ["v1", "users", name, "joined_rooms"]) => {
            let rooms: Vec<&str> =
                homeserver.users[user(homeserver, name)?].rooms.iter().map(|&room| homeserver.rooms[room].id.as_str()).collect();
            Ok(json!({"joined_rooms": rooms, "total": rooms.len()}))
        }
        ("POST", ["v1", "users", name, "login"]) => {
            let user = user(homeserver, name)?;
            Ok(homeserver.log_in(user, None))
        }
        ("GET", ["v2", "users", name]) => {
            let user = user(homeserver, name)?;
            Ok(json!({"name": homeserver.users[user].id, "admin": homeserver.users[user].admin, "deactivated": false}))
        }
        ("POST", ["v1", "deactivate", name]) => {
            let user = user(homeserver, name)?;
            homeserver.deactivate(user);
            Ok(json!({"id_server_unbind_result": "success"}))
        }
        ("POST", ["v1", "join", name]) => {
            let body = request.json()?;
            let (room, user) = (room(homeserver, name)?, user(homeserver, text(&body, "user_id").unwrap_or_default())?);
            homeserver.join(room, user, at_ms);
            Ok(json!({"room_id": homeserver.rooms[room].id}))
        }
        ("DELETE", ["v1" | "v2", "rooms", name]) => {
            let room = room(homeserver, name)?;
            let members = std::mem::take(&mut homeserver.rooms[room].members);
            for member in &members {
                homeserver.users[*member].rooms.remove(&room);
            }
            homeserver.rooms[room].deleted = true;
            homeserver.rooms[room].events.clear();
            homeserver.aliases.retain(|_, known| *known != room);
            Ok(json!({"delete_id": homeserver.random_letters(16)}))
        }
        ("GET", ["v2", "rooms", "delete_status", _]) => Ok(json!({"status": "complete"})),
        ("DELETE", ["v1", "media", _, id]) => {
            homeserver.media.remove(*id);
            Ok(json!({"deleted_media": [id], "total": 1}))
        }
        ("GET", ["v1", "server_version"]) => Ok(json!({"server_version": concat!("wsim-emulated/", env!("CARGO_PKG_VERSION"))})),
        _ => Err(unrecognised()),
    }
}

fn register(homeserver: &mut Homeserver, request: &ApiRequest, secret: &str) -> ApiResult {
    if request.method == Method::GET {
        let nonce = homeserver.random_letters(32);
        if homeserver.nonces.len() >= NONCES_MAX {
            homeserver.nonces.clear();
        }
        homeserver.nonces.insert(nonce.clone());
        return Ok(json!({"nonce": nonce}));
    }
    let body = request.json()?;
    let field =
        |name: &str| text(&body, name).map(str::to_owned).ok_or_else(|| ApiResponse::error(400, "M_BAD_JSON", "a field is missing"));
    let (nonce, name, password, mac) = (field("nonce")?, field("username")?, field("password")?, field("mac")?);
    if !homeserver.nonces.remove(&nonce) {
        return Err(ApiResponse::error(400, "M_UNKNOWN", "unrecognised nonce"));
    }
    let admin = body.get("admin").and_then(Value::as_bool).unwrap_or(false);
    let parts = [nonce.as_str(), name.as_str(), password.as_str(), if admin { "admin" } else { "notadmin" }];
    if !is_mac(secret, &parts, &mac) {
        return Err(ApiResponse::error(403, "M_UNKNOWN", "HMAC incorrect"));
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._=-/+".contains(&byte)) {
        return Err(ApiResponse::error(400, "M_INVALID_USERNAME", "User ID can only contain characters a-z, 0-9, or '=_-./+'"));
    }
    let user =
        homeserver.register(&name, &password, admin).ok_or_else(|| ApiResponse::error(400, "M_USER_IN_USE", "User ID already taken."))?;
    Ok(homeserver.log_in(user, None))
}

/// Whether `hex` is the parts' HMAC-SHA1 under the secret, compared in constant time.
fn is_mac(secret: &str, parts: &[&str], hex: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(parts.join("\0").as_bytes());
    let digits = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("x"), 16));
    let bytes: Result<Vec<u8>, _> = digits.collect();
    bytes.is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
}

const NONCES_MAX: usize = 10_000;
const PROFILE_MAX: usize = 20;
const QUERIED_MAX: usize = 1_000;
