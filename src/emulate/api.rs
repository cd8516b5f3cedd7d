//! The part of the Matrix API that provisioning and replays use.
//!
//! Owns what a request means and what its answer says. Knows nothing of sockets and of time but the stamp it is given. A request is read
//! once ([`Call::read`]) and answered when the model says that its work is done ([`answer`]). What needs no content is answered by `{}`.

mod account;
mod room;
mod sync;

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::world::{UserId, World};
use wsim_http::{percent, query};

/// A request, read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Segments of the path behind the version, percent-decoded.
    pub(super) path: Vec<String>,
    pub(super) area: Area,
    query: Vec<(String, String)>,
    pub(super) token: Option<String>,
    pub(super) body: Bytes,
}

/// Which part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    Client,
    Media,
    Admin,
    Other,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn ok(json: &Value) -> Self {
        Self { status: 200, content_type: "application/json", body: json.to_string().into() }
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self { status, ..Self::ok(&json!({"errcode": code, "error": message})) }
    }
}

/// What is answered, or an error.
type Answer = Result<Value, Reply>;

impl Call {
    pub(super) fn read(method: Method, uri: &hyper::Uri, token: Option<&str>, body: Bytes) -> Self {
        let segments: Vec<String> = uri.path().split('/').skip(1).map(|segment| percent::decode_text(segment).into_owned()).collect();
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (area, skip) = match words.as_slice() {
            ["_matrix", "client", "v1", "media", ..] => (Area::Media, 4),
            ["_matrix", "client", "versions"] => (Area::Client, 2),
            ["_matrix", "client", "api", "v1", ..] => (Area::Client, 4),
            ["_matrix", "client", "v1" | "v3" | "r0" | "v2_alpha" | "unstable", ..] => (Area::Client, 3),
            ["_matrix", "media", "v1" | "v3" | "r0", ..] => (Area::Media, 3),
            ["_synapse", "admin", ..] => (Area::Admin, 2),
            _ => (Area::Other, 0),
        };
        let text = |encoded: &[u8]| String::from_utf8_lossy(&percent::decode(encoded)).into_owned();
        let query = query::parameters(uri.query().unwrap_or_default().as_bytes()).map(|(name, value)| (text(name), text(value)));
        let path = segments[skip.min(segments.len())..].to_vec();
        Self { method, path, area, query: query.collect(), token: token.map(str::to_owned), body }
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: usize, most: usize) -> usize {
        self.query(name).and_then(|value| value.parse().ok()).unwrap_or(default).min(most)
    }

    /// The body as an object; an empty body is an empty object.
    fn json(&self) -> Answer {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(value) if value.is_object() => Ok(value),
            Ok(_) => Err(Reply::error(400, "M_BAD_JSON", "the body is no object")),
            Err(_) => Err(Reply::error(400, "M_NOT_JSON", "the body is no JSON")),
        }
    }

    /// Who asks.
    pub(super) fn who(&self, world: &World) -> Result<UserId, Reply> {
        let token = self.token.as_deref().ok_or_else(|| Reply::error(401, "M_MISSING_TOKEN", "Missing access token"))?;
        let who = world.whose(token).ok_or_else(|| Reply::error(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))?;
        Ok(who.0)
    }

    fn words(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

/// Whether a request is a long poll with nothing to tell yet: whose, and how long it waits.
pub(super) fn parks(world: &World, call: &Call) -> Option<(UserId, Duration)> {
    sync::parks(world, call)
}

/// Answers a request.
pub(super) fn answer(world: &mut World, call: &Call, secret: &str, at_ms: u64) -> Reply {
    if call.method == Method::OPTIONS {
        return Reply::ok(&json!({}));
    }
    let answer = match call.area {
        Area::Client => client(world, call, at_ms),
        Area::Media => return media(world, call).unwrap_or_else(|error| error),
        Area::Admin => account::admin(world, call, secret, at_ms),
        Area::Other => other(world, call),
    };
    answer.map_or_else(|error| error, |json| Reply::ok(&json))
}

fn other(world: &World, call: &Call) -> Answer {
    let words = call.words();
    match words.as_slice() {
        ["_matrix", "key", "v2", "server", ..] => {
            Ok(json!({"server_name": world.server_name, "verify_keys": {}, "old_verify_keys": {}, "valid_until_ts": 4_102_444_800_000_u64}))
        }
        [".well-known", "matrix", "client"] => Ok(json!({"m.homeserver": {"base_url": format!("https://{}", world.server_name)}})),
        [".well-known", "matrix", "server"] => Ok(json!({"m.server": format!("{}:443", world.server_name)})),
        [".well-known", "matrix", "support"] | ["health"] => Ok(json!({})),
        ["_matrix", "federation", "v1", "version"] => Ok(json!({"server": {"name": "wsim", "version": env!("CARGO_PKG_VERSION")}})),
        ["_matrix", "federation", _, ..] => Ok(json!({})),
        _ => Err(unrecognised()),
    }
}

fn client(world: &mut World, call: &Call, at_ms: u64) -> Answer {
    let words = call.words();
    if let ["versions"] = words.as_slice() {
        let versions = ["r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11"];
        return Ok(json!({"versions": versions, "unstable_features": {"org.matrix.simplified_msc3575": true}}));
    }
    if let Some(answer) = account::open(world, call) {
        return answer;
    }
    // Unstable features are named after whoever proposed them.
    if !words.first().is_some_and(|first| KNOWN.contains(first) || first.contains('.')) {
        return Err(unrecognised());
    }
    let who = call.who(world)?;
    let answer = match words.as_slice() {
        ["sync"] => sync::sync(world, call, who),
        ["sync", ..] | ["org.matrix.simplified_msc3575", "sync"] => sync::sliding(world, call, who),
        ["rooms", ..] | ["createRoom" | "joined_rooms"] | ["join" | "knock", _] | ["directory", ..] | ["publicRooms"] => {
            room::answer(world, call, who, at_ms)
        }
        _ => account::answer(world, call, who),
    };
    match answer {
        Some(answer) => answer,
        // Nothing that a client could learn from: what was sent must be JSON all the same.
        None => call.json().map(|_| json!({})),
    }
}

fn media(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let words = call.words();
    call.who(world).or_else(|error| if words.first() == Some(&"upload") { Err(error) } else { Ok(0) })?;
    match words.as_slice() {
        ["upload", ..] => {
            let id = world.fresh(24);
            world.media.insert(id.clone(), call.body.len());
            Ok(Reply::ok(&json!({"content_uri": format!("mxc://{}/{id}", world.server_name)})))
        }
        ["create"] => {
            let id = world.fresh(24);
            Ok(Reply::ok(&json!({"content_uri": format!("mxc://{}/{id}", world.server_name)})))
        }
        ["config"] => Ok(Reply::ok(&json!({"m.upload.size": super::front::UPLOAD_MAX}))),
        ["preview_url"] => Ok(Reply::ok(&json!({}))),
        [what @ ("download" | "thumbnail"), _, id, ..] => {
            let bytes = *world.media.get(*id).ok_or_else(|| Reply::error(404, "M_NOT_FOUND", "no such file"))?;
            let bytes = if *what == "thumbnail" { bytes.min(THUMBNAIL_BYTES) } else { bytes };
            Ok(Reply { status: 200, content_type: "application/octet-stream", body: vec![0_u8; bytes].into() })
        }
        _ => Err(unrecognised()),
    }
}

fn unrecognised() -> Reply {
    Reply::error(404, "M_UNRECOGNIZED", "Unrecognized request")
}

fn not_found(what: &str) -> Reply {
    Reply::error(404, "M_NOT_FOUND", what)
}

fn text<'v>(json: &'v Value, name: &str) -> Option<&'v str> {
    json.get(name)?.as_str()
}

/// First words of the client API's paths.
const KNOWN: &[&str] = &[
    "account",
    "admin",
    "auth_issuer",
    "auth_metadata",
    "capabilities",
    "createRoom",
    "delayed_events",
    "delete_devices",
    "dehydrated_device",
    "devices",
    "directory",
    "events",
    "im.nheko.summary",
    "initialSync",
    "join",
    "joined_rooms",
    "keys",
    "knock",
    "login",
    "logout",
    "notifications",
    "org.matrix.simplified_msc3575",
    "presence",
    "profile",
    "publicRooms",
    "pushers",
    "pushrules",
    "refresh",
    "register",
    "room_keys",
    "room_summary",
    "rooms",
    "rtc",
    "search",
    "sendToDevice",
    "sync",
    "thirdparty",
    "user",
    "user_directory",
    "voip",
    "media",
    "openid",
    "summary",
    "support",
];
const THUMBNAIL_BYTES: usize = 16_384;

#[cfg(test)]
pub(super) mod tests;
