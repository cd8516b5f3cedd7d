//! The API without sockets and without time.

use super::super::homeserver::Homeserver;
use super::*;

/// A homeserver that is called without sockets.
pub(in super::super) struct TestHomeserver {
    pub(in super::super) homeserver: Homeserver,
}

pub(in super::super) const SECRET: &str = "shared";

impl TestHomeserver {
    pub(in super::super) fn new() -> Self {
        Self { homeserver: Homeserver::new("test.invalid", 1) }
    }

    fn send(&mut self, method: &str, target: &str, token: Option<&str>, body: &str) -> (u16, Value) {
        let request = ApiRequest::read(method.parse().unwrap(), &target.parse().unwrap(), token, Bytes::copy_from_slice(body.as_bytes()));
        let response = respond(&mut self.homeserver, &request, SECRET, 1);
        (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
    }

    /// Registers a user like provisioning does; returns the token.
    fn register(&mut self, name: &str) -> String {
        let (_, nonce) = self.send("GET", "/_synapse/admin/v1/register", None, "");
        let body = registration(nonce["nonce"].as_str().unwrap(), name);
        let (status, account) = self.send("POST", "/_synapse/admin/v1/register", None, &body);
        assert_eq!(status, 200, "{account}");
        account["access_token"].as_str().unwrap().to_owned()
    }

    fn would_wait(&self, target: &str, token: &str) -> bool {
        long_poll_wait(&self.homeserver, &ApiRequest::read(Method::GET, &target.parse().unwrap(), Some(token), Bytes::new())).is_some()
    }
}

/// The body of a registration.
pub(in super::super) fn registration(nonce: &str, name: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{nonce}\0{name}\0pass\0admin").as_bytes());
    let mac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"nonce": nonce, "username": name, "password": "pass", "admin": true, "mac": mac}).to_string()
}

#[test]
fn a_registered_user_joins_and_sees_a_message_and_pages_back() {
    let mut server = TestHomeserver::new();
    let (alice, bob) = (server.register("alice"), server.register("bob"));
    assert!(alice.starts_with("syt_YWxpY2U_"), "{alice}");
    let (_, room) = server.send("POST", "/_matrix/client/v3/createRoom", Some(&alice), r#"{"name":"n","room_alias_name":"a"}"#);
    let room = room["room_id"].as_str().unwrap().to_owned();
    let path = room.replace('!', "%21").replace(':', "%3A");
    let (_, found) = server.send("GET", "/_matrix/client/v3/directory/room/%23a%3Atest.invalid", Some(&bob), "");
    assert_eq!(found["room_id"], room.as_str());
    let (status, _) = server.send("GET", &format!("/_matrix/client/v3/rooms/{path}/state"), Some(&bob), "");
    assert_eq!(status, 403, "not a member yet");
    server.send("POST", &format!("/_matrix/client/v3/join/{path}"), Some(&bob), "{}");
    let (_, first) = server.send("GET", "/_matrix/client/v3/sync", Some(&bob), "");
    let since = first["next_batch"].as_str().unwrap().to_owned();
    assert!(first["rooms"]["join"][&room]["timeline"]["prev_batch"].is_string());
    let target = format!("/_matrix/client/v3/sync?since={since}&timeout=30000");
    assert!(server.would_wait(&target, &bob) && !server.would_wait("/_matrix/client/v3/sync?timeout=30000", &bob));
    let (_, sent) =
        server.send("PUT", &format!("/_matrix/client/v3/rooms/{path}/send/m.room.message/1"), Some(&alice), r#"{"body":"hello"}"#);
    assert!(!server.would_wait(&target, &bob));
    let (_, second) = server.send("GET", &target, Some(&bob), "");
    let events = &second["rooms"]["join"][&room]["timeline"]["events"];
    assert_eq!((&events[0]["event_id"], &events[0]["content"]["body"]), (&sent["event_id"], &json!("hello")));
    let (_, page) = server.send("GET", &format!("/_matrix/client/v3/rooms/{path}/messages?dir=b&limit=2"), Some(&bob), "");
    assert_eq!(page["chunk"][0]["event_id"], sent["event_id"]);
    let next = format!("/_matrix/client/v3/rooms/{path}/messages?dir=b&limit=50&from={}", page["end"].as_str().unwrap());
    let (_, rest) = server.send("GET", &next, Some(&bob), "");
    assert!(rest["chunk"].as_array().unwrap().len() >= 3 && rest["end"].is_null(), "{rest}");
}

#[test]
fn sliding_syncs_have_their_own_positions() {
    let mut server = TestHomeserver::new();
    let alice = server.register("alice");
    server.send("POST", "/_matrix/client/v3/createRoom", Some(&alice), "{}");
    let path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
    let (_, first) = server.send("POST", path, Some(&alice), r#"{"lists":{"all":{"ranges":[[0,19]]}}}"#);
    assert_eq!((first["lists"]["all"]["count"].as_u64(), first["rooms"].as_object().unwrap().len()), (Some(1), 1));
    let position = first["pos"].as_str().unwrap();
    let (_, second) = server.send("POST", &format!("{path}?pos={position}"), Some(&alice), "{}");
    assert_eq!(second["rooms"], json!({}));
    assert_eq!(server.send("POST", &format!("{path}?pos=nonsense"), Some(&alice), "{}").1["errcode"], "M_UNKNOWN_POS");
}

#[test]
fn hostile_or_unknown_requests_get_a_matrix_error() {
    let mut server = TestHomeserver::new();
    let alice = server.register("alice");
    let cases = [
        ("GET", "/nowhere", None, "", 404, "M_UNRECOGNIZED"),
        ("GET", "/_matrix/client/v3/unheard/of", Some(alice.as_str()), "", 404, "M_UNRECOGNIZED"),
        ("GET", "/_matrix/client/v3/sync", None, "", 401, "M_MISSING_TOKEN"),
        ("GET", "/_matrix/client/v3/sync", Some("syt_YWxpY2U_x_y"), "", 401, "M_UNKNOWN_TOKEN"),
        ("POST", "/_matrix/client/v3/createRoom", Some(alice.as_str()), "{\"name\":", 400, "M_NOT_JSON"),
        ("POST", "/_matrix/client/v3/createRoom", Some(alice.as_str()), "[1]", 400, "M_BAD_JSON"),
        ("PUT", "/_matrix/client/v3/user/%40a%3Ab/account_data/x", Some(alice.as_str()), "\u{0}", 400, "M_NOT_JSON"),
        ("GET", "/_matrix/client/v3/sync?since=%00%ff", Some(alice.as_str()), "", 400, "M_UNKNOWN"),
        ("GET", "/_matrix/client/v3/rooms/%21no%3Aroom/state", Some(alice.as_str()), "", 403, "M_FORBIDDEN"),
        ("GET", "/_matrix/client/v1/media/download/x/none", Some(alice.as_str()), "", 404, "M_NOT_FOUND"),
        (
            "POST",
            "/_synapse/admin/v1/register",
            None,
            "{\"nonce\":\"x\",\"username\":\"a\",\"password\":\"b\",\"mac\":\"zz\"}",
            400,
            "M_UNKNOWN",
        ),
        ("POST", "/_matrix/client/v3/login", None, "{\"user\":\"alice\",\"password\":\"wrong\"}", 403, "M_FORBIDDEN"),
    ];
    for (method, target, token, body, status, code) in cases {
        let (got, json) = server.send(method, target, token, body);
        assert_eq!((got, json["errcode"].as_str()), (status, Some(code)), "{method} {target}");
    }
}

#[test]
fn a_nonce_is_good_once_and_the_mac_must_be_right() {
    let mut server = TestHomeserver::new();
    let (_, nonce) = server.send("GET", "/_synapse/admin/v1/register", None, "");
    let body = registration(nonce["nonce"].as_str().unwrap(), "carol");
    let wrong = body.replace("carol", "carla");
    assert_eq!(server.send("POST", "/_synapse/admin/v1/register", None, &wrong).0, 403);
    assert_eq!(server.send("POST", "/_synapse/admin/v1/register", None, &body).1["error"], "unrecognised nonce");
    server.register("carol");
    let (_, nonce) = server.send("GET", "/_synapse/admin/v1/register", None, "");
    let again = registration(nonce["nonce"].as_str().unwrap(), "carol");
    assert_eq!(server.send("POST", "/_synapse/admin/v1/register", None, &again).1["errcode"], "M_USER_IN_USE");
    let (status, account) = server.send("POST", "/_matrix/client/v3/login", None, r#"{"identifier":{"user":"carol"},"password":"pass"}"#);
    assert_eq!((status, account["user_id"].as_str()), (200, Some("@carol:test.invalid")));
}
