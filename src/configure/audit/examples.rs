//! Example requests for every row of the table: path, method, query.
//!
//! A row's pattern describes the paths that match, not the paths that exist; the path endings and methods here are those of the
//! Matrix specification and of Synapse's admin API. Invariant: every example is a request that clients or servers send, and has the
//! class that the table's own classifier gives it.

use std::collections::BTreeSet;

use regex_syntax::hir::{Hir, HirKind};

use wsim_endpoints::{Classifier, EndpointId, Method, Syntax};

/// A request and its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// `GET`, `PUT`, …
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    pub endpoint: EndpointId,
}

/// Requests for every row, and requests that only the main process serves.
pub fn of(classifier: &Classifier) -> Vec<Example> {
    let mut found: BTreeSet<(String, &'static str)> = BTreeSet::new();
    for row in &classifier.table().rows {
        for path in paths(row.effective_pattern(), row.syntax) {
            for method in methods(&path) {
                for target in finished(&path, method) {
                    found.insert((target, method));
                }
            }
        }
    }
    for (method, target) in MAIN_ONLY {
        found.insert(((*target).to_owned(), method));
    }
    let classified = found.into_iter().map(|(target, method)| Example {
        endpoint: classifier.classify(Method::from_bytes(method.as_bytes()), target.as_bytes()),
        method,
        target,
    });
    classified.collect()
}

/// The beginnings of the paths that a pattern describes, with every alternative.
fn paths(pattern: &str, syntax: Syntax) -> Vec<String> {
    if syntax == Syntax::Prefix {
        return vec![pattern.to_owned()];
    }
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build().parse(pattern);
    let Ok(hir) = parser else { return Vec::new() };
    spelled(&hir).into_iter().map(|path| filled(&path)).collect()
}

/// The texts that an expression matches, with [`OPEN`] for parts that match anything.
fn spelled(hir: &Hir) -> Vec<String> {
    let mut texts = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8_lossy(&literal.0).into_owned()],
        // A single dot in a table's pattern means a literal dot.
        HirKind::Class(_) => vec![".".to_owned()],
        HirKind::Capture(capture) => spelled(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().flat_map(spelled).collect(),
        HirKind::Repetition(repetition) if matches!(repetition.sub.kind(), HirKind::Class(_)) => vec![OPEN.to_owned()],
        HirKind::Repetition(repetition) => {
            let mut texts = spelled(&repetition.sub);
            if repetition.min == 0 {
                texts.push(String::new());
            }
            texts
        }
        HirKind::Concat(parts) => parts.iter().fold(vec![String::new()], |before, part| {
            let after = spelled(part);
            before.iter().flat_map(|before| after.iter().map(move |after| format!("{before}{after}"))).take(TEXTS_MAX).collect()
        }),
    };
    texts.truncate(TEXTS_MAX);
    texts
}

/// A path with every [`OPEN`] part replaced by a realistic value.
fn filled(path: &str) -> String {
    let mut out = String::new();
    let mut parts = path.split(OPEN);
    out.push_str(parts.next().unwrap_or_default());
    for after in parts {
        let value = if out.ends_with("/directory/room/") {
            "%23alias%3Aexample.org"
        } else if ["/rooms/", "/room/", "/room_summary/", "/summary/"].iter().any(|end| out.ends_with(end)) {
            ROOM
        } else if out.ends_with("/user/") || out.ends_with("/users/") {
            USER
        } else if after.starts_with("/tags") {
            "user/@alice:example.org/rooms/!room:example.org"
        } else if after.starts_with("/account_data") {
            "user/@alice:example.org"
        } else if out.ends_with("/unstable/") {
            "org.matrix.msc2432"
        } else if out.ends_with("/quarantine_media/") {
            ROOM
        } else if out.ends_with("/_synapse/admin/v1/media/") {
            "example.org/abc"
        } else if out.ends_with("/media") {
            // Of a room a list; of a user, in the singular, only what quarantines it.
            if out.contains("/user/") { "/quarantine" } else { "" }
        } else if out.ends_with("/context/") {
            "$event:example.org"
        } else {
            "x"
        };
        out.push_str(value);
        out.push_str(after);
    }
    out
}

/// Complete targets for the beginning of a path: with realistic endings, and with the queries that affect routing.
fn finished(path: &str, method: &str) -> Vec<String> {
    let ends = |end: &str| path.ends_with(end);
    let one = |tail: &str| vec![format!("{path}{tail}")];
    if ends("/sync") {
        return vec![path.to_owned(), format!("{path}?since=s1_2_3&timeout=30000")];
    }
    if path.starts_with("/_matrix/federation/") {
        return FEDERATION_TAILS.iter().find(|(end, _)| ends(end)).map_or_else(
            || if ends("/") { Vec::new() } else { one("") },
            |(_, tails)| tails.iter().map(|tail| format!("{path}{tail}")).collect(),
        );
    }
    match TAILS.iter().find(|(end, ..)| ends(end)) {
        Some((_, tail, Some(bare))) if method == *bare => vec![path.to_owned(), format!("{path}{tail}")],
        Some((_, tail, _)) => one(tail),
        // A beginning that no known path continues: nothing is made up.
        None if ends("/") => Vec::new(),
        None => one(""),
    }
}

/// The methods of a path in the specification.
fn methods(path: &str) -> &'static [&'static str] {
    METHODS.iter().find(|(part, _)| path.contains(part)).map_or(&["GET"], |(_, methods)| methods)
}

const OPEN: &str = "\u{1}";
const ROOM: &str = "!room:example.org";
const USER: &str = "@alice:example.org";
const TEXTS_MAX: usize = 24;

/// Ends of patterns that continue in real paths: the end, the continuation, and a method for which the bare path exists too.
const TAILS: [(&str, &str, Option<&str>); 24] = [
    ("/send", "/m.room.message/t1", None),
    ("/redact", "/$event:example.org/t1", None),
    ("/state/", "m.room.topic/", None),
    ("/event", "/$event:example.org", None),
    ("/event/", "$event:example.org", None),
    ("/typing", "/@alice:example.org", None),
    ("/receipt", "/m.read/$event:example.org", None),
    ("/tags", "/m.favourite", Some("GET")),
    ("/account_data", "/m.direct", None),
    ("/presence/", "@alice:example.org/status", None),
    ("/pushrules/", "global/override/.m.rule.master", Some("GET")),
    ("/profile/", "@alice:example.org/displayname", None),
    ("/client/r0/join/", ROOM, None),
    ("/join/", ROOM, None),
    ("/knock/", ROOM, None),
    ("/devices/", "DEVICE", None),
    ("/filter/", "f1", None),
    ("/sendToDevice/", "m.room.encrypted/t1", None),
    ("/room_keys/", "version", None),
    ("/relations/", "$event:example.org", None),
    ("/_matrix/media/", "v3/download/example.org/abc", None),
    ("/v1/media/", "download/example.org/abc", None),
    ("/pick_username", "/check", None),
    ("/directory/room/", "%23alias%3Aexample.org", None),
];

/// Ends of patterns of the server-server API, and how the specification continues them. The first match applies.
const FEDERATION_TAILS: &[(&str, &[&str])] = &[
    ("/user/devices/", &["@alice:example.org"]),
    ("/media/", &["download/abc", "thumbnail/abc?width=32&height=32&method=crop"]),
    ("/query/", &["profile?user_id=%40alice%3Aexample.org", "directory?room_alias=%23alias%3Aexample.org"]),
    ("/groups/", &["+group:example.org/profile"]),
    ("/event/", &["$event"]),
    ("/state/", &["!room:example.org?event_id=%24event"]),
    ("/state_ids/", &["!room:example.org?event_id=%24event"]),
    ("/backfill/", &["!room:example.org?limit=10&v=%24event"]),
    ("/get_missing_events/", &["!room:example.org"]),
    ("/event_auth/", &["!room:example.org/$event"]),
    ("/query_auth/", &["!room:example.org/$event"]),
    ("/timestamp_to_event/", &["!room:example.org?ts=0&dir=f"]),
    ("/exchange_third_party_invite/", &["!room:example.org"]),
    ("/hierarchy/", &["!room:example.org"]),
    ("/spaces/", &["!room:example.org"]),
    ("/make_join/", &["!room:example.org/@alice:example.org?ver=10"]),
    ("/make_leave/", &["!room:example.org/@alice:example.org"]),
    ("/make_knock/", &["!room:example.org/@alice:example.org?ver=10"]),
    ("/v1/send_join/", &["!room:example.org/$event"]),
    ("/v2/send_join/", &["!room:example.org/$event"]),
    ("/v1/send_leave/", &["!room:example.org/$event"]),
    ("/v2/send_leave/", &["!room:example.org/$event"]),
    ("/send_knock/", &["!room:example.org/$event"]),
    ("/v1/invite/", &["!room:example.org/$event"]),
    ("/v2/invite/", &["!room:example.org/$event"]),
    ("/send/", &["t1"]),
    ("/publicRooms", &[""]),
    ("/version", &[""]),
    ("/get_groups_publicised", &[""]),
    ("/userinfo", &["?access_token=opaque"]),
    ("/federation/v1/", &[]),
];

/// Methods by a part of the path; the first match applies.
const METHODS: [(&str, &[&str]); 64] = [
    ("/_allow_cross_signing_replacement_without_uia", &["POST"]),
    ("/joined_", &["GET"]),
    ("/_synapse/admin/v2/users/", &["GET", "PUT"]),
    ("/_synapse/admin/v1/rooms/", &["GET", "DELETE"]),
    ("/purge_media_cache", &["POST"]),
    ("/quarantine_media/", &["POST"]),
    ("/_synapse/admin/v1/user/", &["POST"]),
    ("/_synapse/admin/v1/room/", &["GET"]),
    ("/_synapse/admin/v1/media/", &["DELETE"]),
    ("/federation/v1/get_missing_events", &["POST"]),
    ("/federation/v1/get_groups_publicised", &["POST"]),
    ("/federation/v1/query_auth/", &["POST"]),
    ("/federation/v1/user/keys", &["POST"]),
    ("/federation/v1/exchange_third_party", &["PUT"]),
    ("/send_join", &["PUT"]),
    ("/send_leave", &["PUT"]),
    ("/send_knock", &["PUT"]),
    ("/invite/", &["PUT"]),
    ("/federation/v1/send/", &["PUT"]),
    ("/federation/v2/send/", &["PUT"]),
    ("/publicRooms", &["GET", "POST"]),
    ("/key/v2/query", &["GET", "POST"]),
    ("/pick_username", &["GET"]),
    ("/sso_register", &["GET"]),
    ("/oidc/callback", &["GET"]),
    ("/saml2/", &["POST"]),
    ("/login/", &["GET"]),
    ("/createRoom", &["POST"]),
    ("/account/3pid", &["GET", "POST"]),
    ("/deactivate", &["POST"]),
    ("/delete_devices", &["POST"]),
    ("/devices/", &["GET", "PUT", "DELETE"]),
    ("/search", &["POST"]),
    ("/filter/", &["GET"]),
    ("/filter", &["POST"]),
    ("/directory/room/", &["GET", "PUT", "DELETE"]),
    ("/keys/changes", &["GET"]),
    ("/keys/", &["POST"]),
    ("/room_keys/", &["GET", "PUT"]),
    ("/validity", &["GET"]),
    ("/register/available", &["GET"]),
    ("/register", &["POST"]),
    ("/login", &["GET", "POST"]),
    ("/redact", &["PUT"]),
    ("/send/", &["PUT"]),
    ("/sendToDevice", &["PUT"]),
    ("/send", &["PUT"]),
    ("/state/", &["GET", "PUT"]),
    ("/read_markers", &["POST"]),
    ("/receipt", &["POST"]),
    ("/typing", &["PUT"]),
    ("/join", &["POST"]),
    ("/invite", &["POST"]),
    ("/leave", &["POST"]),
    ("/unban", &["POST"]),
    ("/ban", &["POST"]),
    ("/kick", &["POST"]),
    ("/knock", &["POST"]),
    ("/profile/", &["GET", "PUT"]),
    ("/restart", &["POST"]),
    ("/pushrules/", &["GET", "PUT", "DELETE"]),
    ("/tags", &["GET", "PUT", "DELETE"]),
    ("/account_data", &["GET", "PUT"]),
    ("/presence/", &["GET", "PUT"]),
];

/// Requests that only the main process serves in most releases; the classifier decides for each release.
const MAIN_ONLY: &[(&str, &str)] = &[
    ("POST", "/_matrix/client/v3/logout"),
    ("POST", "/_matrix/client/v3/logout/all"),
    ("POST", "/_matrix/client/r0/logout"),
    ("POST", "/_matrix/client/v3/account/password"),
    ("POST", "/_matrix/client/v3/account/3pid/add"),
    ("GET", "/_matrix/client/v3/pushers"),
    ("POST", "/_matrix/client/v3/pushers/set"),
    ("POST", "/_matrix/client/v3/rooms/!room:example.org/upgrade"),
    ("POST", "/_matrix/client/v3/rooms/!room:example.org/report/$event:example.org"),
    ("POST", "/_matrix/client/v3/user/@alice:example.org/openid/request_token"),
    ("GET", "/_matrix/client/v3/thirdparty/protocols"),
    ("POST", "/_matrix/client/v3/refresh"),
    ("PUT", "/_matrix/client/v3/directory/list/room/!room:example.org"),
    ("GET", "/_matrix/federation/v1/openid/userinfo?access_token=opaque"),
    ("GET", "/_matrix/key/v2/server"),
    // The page that clients show for a login, and the admin API: neither is in a table, so they show where all other requests go.
    ("GET", "/_matrix/static/client/login/"),
    ("GET", "/_synapse/admin/v1/server_version"),
    ("POST", "/_matrix/media/v3/upload"),
    ("POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos=1&timeout=30000"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_endpoints::{ClassifierConfig, table_for};

    #[test]
    fn every_row_of_every_era_has_an_example_of_its_own() {
        for release in ["0.26", "1.10", "1.29", "1.66", "1.98", "1.157"] {
            let classifier = Classifier::new(&table_for(Some(release)).unwrap().table, &ClassifierConfig::default()).unwrap();
            let examples = of(&classifier);
            assert!(examples.len() > 40, "{release}: {}", examples.len());
            for example in &examples {
                assert!(example.target.starts_with("/_"), "{}", example.target);
                assert!(!example.target.contains(OPEN) && !example.target.contains(' '), "{}", example.target);
            }
            // Every class that a row can be first for is met, but for those that no real request reaches.
            let met: BTreeSet<&str> =
                examples.iter().filter_map(|example| classifier.endpoint(example.endpoint).pattern.as_deref()).collect();
            let missing: Vec<&str> =
                classifier.table().rows.iter().map(|row| row.effective_pattern()).filter(|pattern| !met.contains(pattern)).collect();
            let missing: BTreeSet<&str> = missing.into_iter().collect();
            assert!(missing.len() <= 3, "{release}: {missing:?}");
        }
    }

    #[test]
    fn requests_look_like_those_of_clients() {
        let classifier = Classifier::new(&table_for(None).unwrap().table, &ClassifierConfig::default()).unwrap();
        let examples = of(&classifier);
        let has = |method: &str, target: &str| examples.iter().any(|example| example.method == method && example.target == target);
        assert!(has("PUT", "/_matrix/client/v3/rooms/!room:example.org/send/m.room.message/t1"));
        assert!(has("GET", "/_matrix/client/r0/sync?since=s1_2_3&timeout=30000"));
        assert!(has("PUT", "/_matrix/client/v3/rooms/!room:example.org/typing/@alice:example.org"));
        assert!(has("PUT", "/_matrix/federation/v1/send/t1"));
        assert!(has("PUT", "/_matrix/client/v3/user/@alice:example.org/account_data/m.direct"));
        assert!(!has("PUT", "/_matrix/client/v3/sync"));
        assert!(has("GET", "/_matrix/federation/v1/media/download/abc") && has("GET", "/_matrix/federation/v1/event/$event"));
        assert!(has("POST", "/_matrix/media/v3/upload"));
    }

    /// Paths of the Matrix specification and of Synapse: a `*` is one part, except at the end.
    const REAL: &[&str] = &[
        "/_matrix/client/versions",
        "/_matrix/client/*/sync",
        "/_matrix/client/*/events",
        "/_matrix/client/*/initialSync",
        "/_matrix/client/*/login",
        "/_matrix/client/*/login/cas/redirect",
        "/_matrix/client/*/login/cas/ticket",
        "/_matrix/client/*/login/sso/redirect",
        "/_matrix/client/*/logout",
        "/_matrix/client/*/logout/all",
        "/_matrix/client/*/refresh",
        "/_matrix/client/*/register",
        "/_matrix/client/*/register/available",
        "/_matrix/client/v1/register/m.login.registration_token/validity",
        "/_matrix/client/*/register/org.matrix.msc3231.login.registration_token/validity",
        "/_matrix/client/unstable/org.matrix.msc3231/register/org.matrix.msc3231.login.registration_token/validity",
        "/_matrix/client/*/auth/*/fallback/web",
        "/_matrix/client/*/account/3pid",
        "/_matrix/client/*/account/3pid/add",
        "/_matrix/client/*/account/deactivate",
        "/_matrix/client/*/account/password",
        "/_matrix/client/*/account/whoami",
        "/_matrix/client/*/capabilities",
        "/_matrix/client/*/createRoom",
        "/_matrix/client/*/delete_devices",
        "/_matrix/client/*/devices",
        "/_matrix/client/*/devices/*",
        "/_matrix/client/*/directory/room/*",
        "/_matrix/client/*/directory/list/room/*",
        "/_matrix/client/*/join/*",
        "/_matrix/client/*/knock/*",
        "/_matrix/client/*/joined_groups",
        "/_matrix/client/*/joined_rooms",
        "/_matrix/client/*/groups/*",
        "/_matrix/client/*/publicised_groups",
        "/_matrix/client/*/publicised_groups/*",
        "/_matrix/client/*/keys/changes",
        "/_matrix/client/*/keys/claim",
        "/_matrix/client/*/keys/device_signing/upload",
        "/_matrix/client/*/keys/query",
        "/_matrix/client/*/keys/signatures/upload",
        "/_matrix/client/*/keys/upload",
        "/_matrix/client/*/keys/upload/*",
        "/_matrix/client/*/notifications",
        "/_matrix/client/*/password_policy",
        "/_matrix/client/*/presence/*/status",
        "/_matrix/client/*/profile/*",
        "/_matrix/client/*/publicRooms",
        "/_matrix/client/*/pushers",
        "/_matrix/client/*/pushers/set",
        "/_matrix/client/*/pushrules",
        "/_matrix/client/*/pushrules/",
        "/_matrix/client/*/pushrules/*",
        "/_matrix/client/*/room_keys/version",
        "/_matrix/client/*/rooms/*",
        "/_matrix/client/unstable/*/rooms/*",
        "/_matrix/client/*/search",
        "/_matrix/client/*/sendToDevice/*",
        "/_matrix/client/*/thirdparty/protocols",
        "/_matrix/client/*/user/*",
        "/_matrix/client/*/user_directory/search",
        "/_matrix/client/*/voip/turnServer",
        "/_matrix/client/v1/media/download/*",
        "/_matrix/client/v1/room_summary/*",
        "/_matrix/client/unstable/im.nheko.summary/summary/*",
        "/_matrix/client/unstable/org.matrix.msc4140/delayed_events",
        "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/*",
        "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
        "/_matrix/media/v3/download/*",
        "/_matrix/media/v3/upload",
        "/_matrix/key/v2/query",
        "/_matrix/key/v2/query/*",
        "/_matrix/key/v2/server",
        "/_matrix/saml2/authn_response",
        "/_matrix/static/client/login/",
        "/_matrix/federation/v1/version",
        "/_matrix/federation/v1/publicRooms",
        "/_matrix/federation/v1/openid/userinfo",
        "/_matrix/federation/v1/get_groups_publicised",
        "/_matrix/federation/v1/query/profile",
        "/_matrix/federation/v1/query/directory",
        "/_matrix/federation/v1/media/download/*",
        "/_matrix/federation/v1/media/thumbnail/*",
        "/_matrix/federation/v1/user/devices/*",
        "/_matrix/federation/v1/groups/*",
        "/_matrix/federation/*/hierarchy/*",
        "/_matrix/federation/unstable/org.matrix.msc2946/hierarchy/*",
        "/_matrix/federation/unstable/org.matrix.msc2946/spaces/*",
        "/_matrix/federation/v1/event/*",
        "/_matrix/federation/v1/state/*",
        "/_matrix/federation/v1/state_ids/*",
        "/_matrix/federation/v1/backfill/*",
        "/_matrix/federation/v1/get_missing_events/*",
        "/_matrix/federation/v1/event_auth/*",
        "/_matrix/federation/v1/query_auth/*",
        "/_matrix/federation/v1/timestamp_to_event/*",
        "/_matrix/federation/v1/exchange_third_party_invite/*",
        "/_matrix/federation/v1/make_*",
        "/_matrix/federation/*/send_*",
        "/_matrix/federation/*/invite/*",
        "/_matrix/federation/*/send/*",
        "/_synapse/admin/v1/media/*/*",
        "/_synapse/admin/v1/purge_media_cache",
        "/_synapse/admin/v1/quarantine_media/*",
        "/_synapse/admin/v1/room/*/media",
        "/_synapse/admin/v1/rooms/*",
        "/_synapse/admin/v1/server_version",
        "/_synapse/admin/v1/user/*/media/quarantine",
        "/_synapse/admin/v1/username_available",
        "/_synapse/admin/v1/users/*/_allow_cross_signing_replacement_without_uia",
        "/_synapse/admin/v1/users/*/devices",
        "/_synapse/admin/v1/users/*/media",
        "/_synapse/admin/v2/users/*",
        "/_synapse/client/*",
        "/_synapse/oidc/callback",
        "/_matrix/client/*/tags/*",
    ];

    fn is_like(pattern: &str, path: &str) -> bool {
        match pattern.split_once('*') {
            None => pattern == path,
            Some((before, "")) => path.strip_prefix(before).is_some_and(|rest| !rest.is_empty()),
            Some((before, after)) => {
                path.strip_prefix(before).is_some_and(|rest| rest.match_indices('/').any(|(at, _)| at > 0 && is_like(after, &rest[at..])))
            }
        }
    }

    #[test]
    fn no_path_is_made_up() {
        for release in ["0.26", "1.10", "1.18", "1.29", "1.47", "1.66", "1.98", "1.120", "1.157"] {
            let classifier = Classifier::new(&table_for(Some(release)).unwrap().table, &ClassifierConfig::default()).unwrap();
            let unreal: Vec<String> = of(&classifier)
                .iter()
                .map(|example| example.target.split('?').next().unwrap_or_default().to_owned())
                .filter(|path| !REAL.iter().any(|pattern| is_like(pattern, path)))
                .collect();
            assert!(unreal.is_empty(), "{release}: {unreal:#?}");
        }
    }
}
