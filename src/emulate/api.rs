//! The part of the Matrix API that provisioning and replays use.
//!
//! Owns the meaning of requests and the content of responses. Knows nothing of sockets, and of time only the timestamp
//! it is given. A request is parsed once ([`ApiRequest::read`]) and gets its response when the model has completed it
//! ([`respond`]). Responses that need no content are `{}`.

mod account;
mod room;
mod sync;

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::homeserver::{Homeserver, UserId};
use wsim_http::{percent, query};

/// A parsed request.
#[derive(Debug)]
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// Segments of the path after the version, percent-decoded.
    pub(super) path: Vec<String>,
    pub(super) area: Area,
    query: Vec<(String, String)>,
    pub(super) token: Option<String>,
    pub(super) body: Bytes,
}

/// The part of the API that a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    Client,
    Media,
    Admin,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiResponse {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

impl ApiResponse {
    pub(super) fn ok(json: &Value) -> Self {
        Self { status: 200, content_type: "application/json", body: json.to_string().into() }
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self { status, ..Self::ok(&json!({"errcode": code, "error": message})) }
    }
}

/// The JSON of a response, or an error.
type ApiResult = Result<Value, ApiResponse>;

impl ApiRequest {
    pub(super) fn read(method: Method, uri: &hyper::Uri, token: Option<&str>, body: Bytes) -> Self {
        let decoded: Vec<String> = uri.path().split('/').skip(1).map(|segment| percent::decode_text(segment).into_owned()).collect();
        let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let (area, skip) = match segments.as_slice() {
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
        let path = decoded[skip.min(decoded.len())..].to_vec();
        Self { method, path, area, query: query.collect(), token: token.map(str::to_owned), body }
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: usize, most: usize) -> usize {
        self.query(name).and_then(|value| value.parse().ok()).unwrap_or(default).min(most)
    }

    /// The body as an object; an empty body is an empty object.
    fn json(&self) -> ApiResult {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(value) if value.is_object() => Ok(value),
            Ok(_) => Err(ApiResponse::error(400, "M_BAD_JSON", "the body is no object")),
            Err(_) => Err(ApiResponse::error(400, "M_NOT_JSON", "the body is no JSON")),
        }
    }

    /// The user of the request's access token.
    pub(super) fn user(&self, homeserver: &Homeserver) -> Result<UserId, ApiResponse> {
        let token = self.token.as_deref().ok_or_else(|| ApiResponse::error(401, "M_MISSING_TOKEN", "Missing access token"))?;
        let (user, _) =
            homeserver.token_owner(token).ok_or_else(|| ApiResponse::error(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))?;
        Ok(user)
    }

    fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

/// The user and the longest wait of a long poll for which there are no new events; `None` for all other requests.
pub(super) fn long_poll_wait(homeserver: &Homeserver, request: &ApiRequest) -> Option<(UserId, Duration)> {
    sync::long_poll_wait(homeserver, request)
}

/// Handles a request.
pub(super) fn respond(homeserver: &mut Homeserver, request: &ApiRequest, secret: &str, at_ms: u64) -> ApiResponse {
    if request.method == Method::OPTIONS {
        return ApiResponse::ok(&json!({}));
    }
    let result = match request.area {
        Area::Client => client(homeserver, request, at_ms),
        Area::Media => return media(homeserver, request).unwrap_or_else(|error| error),
        Area::Admin => account::admin(homeserver, request, secret, at_ms),
        Area::Other => other(homeserver, request),
    };
    result.map_or_else(|error| error, |json| ApiResponse::ok(&json))
}

fn other(homeserver: &Homeserver, request: &ApiRequest) -> ApiResult {
    let segments = request.segments();
    match segments.as_slice() {
        ["_matrix", "key", "v2", "server", ..] => Ok(
            json!({"server_name": homeserver.server_name, "verify_keys": {}, "old_verify_keys": {}, "valid_until_ts": 4_102_444_800_000_u64}),
        ),
        [".well-known", "matrix", "client"] => Ok(json!({"m.homeserver": {"base_url": format!("https://{}", homeserver.server_name)}})),
        [".well-known", "matrix", "server"] => Ok(json!({"m.server": format!("{}:443", homeserver.server_name)})),
        [".well-known", "matrix", "support"] | ["health"] => Ok(json!({})),
        ["_matrix", "federation", "v1", "version"] => Ok(json!({"server": {"name": "wsim", "version": env!("CARGO_PKG_VERSION")}})),
        ["_matrix", "federation", _, ..] => Ok(json!({})),
        _ => Err(unrecognised()),
    }
}

fn client(homeserver: &mut Homeserver, request: &ApiRequest, at_ms: u64) -> ApiResult {
    let segments = request.segments();
    if let ["versions"] = segments.as_slice() {
        let versions = ["r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11"];
        return Ok(json!({"versions": versions, "unstable_features": {"org.matrix.simplified_msc3575": true}}));
    }
    if let Some(result) = account::respond_without_token(homeserver, request) {
        return result;
    }
    // Names of unstable features contain the domain of their author.
    if !segments.first().is_some_and(|first| KNOWN.contains(first) || first.contains('.')) {
        return Err(unrecognised());
    }
    let user = request.user(homeserver)?;
    let result = match segments.as_slice() {
        ["sync"] => sync::sync(homeserver, request, user),
        ["sync", ..] | ["org.matrix.simplified_msc3575", "sync"] => sync::sliding(homeserver, request, user),
        ["rooms", ..] | ["createRoom" | "joined_rooms"] | ["join" | "knock", _] | ["directory", ..] | ["publicRooms"] => {
            room::respond(homeserver, request, user, at_ms)
        }
        _ => account::respond(homeserver, request, user),
    };
    match result {
        Some(result) => result,
        // A response without content; the body must be JSON all the same.
        None => request.json().map(|_| json!({})),
    }
}

fn media(homeserver: &mut Homeserver, request: &ApiRequest) -> Result<ApiResponse, ApiResponse> {
    let segments = request.segments();
    request.user(homeserver).or_else(|error| if segments.first() == Some(&"upload") { Err(error) } else { Ok(0) })?;
    match segments.as_slice() {
        ["upload", ..] => {
            let id = homeserver.random_letters(24);
            homeserver.media.insert(id.clone(), request.body.len());
            Ok(ApiResponse::ok(&json!({"content_uri": format!("mxc://{}/{id}", homeserver.server_name)})))
        }
        ["create"] => {
            let id = homeserver.random_letters(24);
            Ok(ApiResponse::ok(&json!({"content_uri": format!("mxc://{}/{id}", homeserver.server_name)})))
        }
        ["config"] => Ok(ApiResponse::ok(&json!({"m.upload.size": UPLOAD_MAX}))),
        ["preview_url"] => Ok(ApiResponse::ok(&json!({}))),
        [what @ ("download" | "thumbnail"), _, id, ..] => {
            let bytes = *homeserver.media.get(*id).ok_or_else(|| ApiResponse::error(404, "M_NOT_FOUND", "no such file"))?;
            let bytes = if *what == "thumbnail" { bytes.min(THUMBNAIL_BYTES) } else { bytes };
            Ok(ApiResponse { status: 200, content_type: "application/octet-stream", body: vec![0_u8; bytes].into() })
        }
        _ => Err(unrecognised()),
    }
}

fn unrecognised() -> ApiResponse {
    ApiResponse::error(404, "M_UNRECOGNIZED", "Unrecognized request")
}

fn not_found(what: &str) -> ApiResponse {
    ApiResponse::error(404, "M_NOT_FOUND", what)
}

fn text<'v>(json: &'v Value, name: &str) -> Option<&'v str> {
    json.get(name)?.as_str()
}

/// First segments of the client API's paths.
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
/// Largest upload, Synapse's default, bytes.
pub(super) const UPLOAD_MAX: usize = 50 << 20;
const THUMBNAIL_BYTES: usize = 16_384;

#[cfg(test)]
pub(super) mod tests;
