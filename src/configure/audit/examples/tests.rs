//! Every row has an example of its own, and every example is a request that exists.

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
        let met: BTreeSet<&str> = examples.iter().filter_map(|example| classifier.endpoint(example.endpoint).pattern.as_deref()).collect();
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
