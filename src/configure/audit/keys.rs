//! The part of a request that a pool's rule hashes, found by experiment: change one part of a request and compare the keys.

use super::super::read::{KeyValue, Request, RouteTarget, Site};
use wsim_plan::Key;

/// The parts of a request that change its key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct KeyInputs {
    pub(super) device: bool,
    pub(super) user: bool,
    pub(super) origin: bool,
    pub(super) address: bool,
    pub(super) room: bool,
    pub(super) query: bool,
    pub(super) tail: bool,
}

impl KeyInputs {
    /// The key in a plan's words; `None` if no part changes it.
    pub(super) fn key(&self) -> Option<Key> {
        Some(if self.device {
            Key::Token
        } else if self.user {
            Key::User
        } else if self.origin {
            Key::Origin
        } else if self.query || self.tail {
            Key::Uri
        } else if self.room {
            Key::Room
        } else if self.address {
            Key::Address
        } else {
            return None;
        })
    }

    /// Whether all requests of one room go to one server.
    pub(super) fn is_keyed_by_room(&self) -> bool {
        !(self.device || self.user || self.origin || self.address || self.query)
    }

    /// Whether all requests of one user (or of each device) go to one server.
    pub(super) fn is_keyed_by_user(&self) -> bool {
        !(self.room || self.query || self.tail)
    }

    /// The parts in either of the two.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            device: self.device || other.device,
            user: self.user || other.user,
            origin: self.origin || other.origin,
            address: self.address || other.address,
            room: self.room || other.room,
            query: self.query || other.query,
            tail: self.tail || other.tail,
        }
    }
}

/// A request as a logged-in client or another server sends it.
pub(super) fn typical_request(method: &str, target: &str, host: Option<&str>) -> Request {
    let request = Request::new(method, target);
    let request = match host {
        Some(host) => request.with_header("Host", host),
        None => request,
    };
    let request = if target.starts_with("/_matrix/federation/") {
        request.with_header("Authorization", ORIGIN)
    } else if target.starts_with("/_matrix/key/") {
        request
    } else {
        request.with_header("Authorization", TOKEN)
    };
    request.with_header("User-Agent", "wsim")
}

/// The parts of this request that change its key.
pub(super) fn key_inputs(site: &dyn Site, request: &Request) -> Option<KeyInputs> {
    let base = site.route(request);
    let KeyValue::Text(base_key) = &base.key else { return None };
    let changed = |other: Request| {
        let routed = site.route(&other);
        routed.target == base.target && matches!(&routed.key, KeyValue::Text(key) if key != base_key)
    };
    debug_assert!(matches!(base.target, RouteTarget::Pool(_)));
    let with_authorization = |value: &str| {
        let mut other = request.clone();
        if let Some((_, own)) = other.headers.iter_mut().find(|(name, _)| name == "Authorization") {
            value.clone_into(own);
        }
        other
    };
    let federation = request.header("authorization").is_some_and(|value| value.starts_with("X-Matrix"));
    let mut address = request.clone();
    "203.0.113.77".clone_into(&mut address.address);
    let forwarded = request.clone().with_header("X-Forwarded-For", "203.0.113.78");
    let mut query = request.clone();
    query.query = Some(query.query.map_or_else(|| "wsim=2".to_owned(), |query| format!("{query}&wsim=2")));
    let mut room = request.clone();
    room.path = room.path.replace("!room:", "!other:");
    let mut tail = request.clone();
    if let Some(start) = tail.path.strip_suffix("/t1") {
        tail.path = format!("{start}/t2");
    }
    Some(KeyInputs {
        device: !federation && changed(with_authorization(TOKEN_OTHER_DEVICE)),
        user: !federation && changed(with_authorization(TOKEN_OTHER_USER)),
        origin: federation && changed(with_authorization(OTHER_ORIGIN)),
        address: changed(address) || changed(forwarded),
        room: changed(room),
        query: changed(query),
        tail: changed(tail),
    })
}

/// Whether two access tokens of one user and device, as matrix-authentication-service gives them out one after the other, have two keys.
pub(super) fn changes_with_token(site: &dyn Site, request: &Request) -> bool {
    let key = |token: &str| {
        let mut other = request.clone();
        if let Some((_, own)) = other.headers.iter_mut().find(|(name, _)| name == "Authorization") {
            token.clone_into(own);
        }
        site.route(&other).key
    };
    match (key(SHORT_LIVED), key(NEXT_SHORT_LIVED)) {
        (KeyValue::Text(first), KeyValue::Text(second)) => first != second,
        _ => false,
    }
}

// Invented: Alice's first and second device, Bob's device; two servers.
const TOKEN: &str = "Bearer syt_YWxpY2U_AAAAAAAAAAAAAAAAAAAA_0aaaaa";
const TOKEN_OTHER_DEVICE: &str = "Bearer syt_YWxpY2U_BBBBBBBBBBBBBBBBBBBB_1bbbbb";
const TOKEN_OTHER_USER: &str = "Bearer syt_Ym9i_CCCCCCCCCCCCCCCCCCCC_2ccccc";
const ORIGIN: &str = "X-Matrix origin=\"one.example.org\",destination=\"example.org\",key=\"ed25519:a\",sig=\"c2ln\"";
const OTHER_ORIGIN: &str = "X-Matrix origin=\"two.example.org\",destination=\"example.org\",key=\"ed25519:a\",sig=\"c2ln\"";
const SHORT_LIVED: &str = "Bearer mat_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_0aaaaa";
const NEXT_SHORT_LIVED: &str = "Bearer mat_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBB_1bbbbb";
