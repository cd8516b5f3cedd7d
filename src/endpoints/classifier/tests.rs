//! The special cases of the endpoint tables.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use proptest::prelude::*;

use super::*;
use crate::table_for;

/// One classifier per release, because building one takes long without optimisation.
fn classifier(release: &'static str) -> Arc<Classifier> {
    static BUILT: LazyLock<Mutex<HashMap<&str, Arc<Classifier>>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap();
    let new = || Arc::new(Classifier::new(&table_for(Some(release)).unwrap().table, &ClassifierConfig::default()).unwrap());
    Arc::clone(built.entry(release).or_insert_with(new))
}

fn endpoint(release: &'static str, method: Method, target: &str) -> Endpoint {
    let classifier = classifier(release);
    classifier.endpoint(classifier.classify(method, target.as_bytes())).clone()
}

fn group(release: &'static str, method: Method, target: &str) -> String {
    endpoint(release, method, target).group
}

use Method::{Delete, Get, Head, Options as Preflight, Other, Post, Put};

const NEWEST: &str = "1.157";

#[test]
fn a_row_for_get_applies_to_get_only() {
    let path = "/_synapse/admin/v2/users/@a:b";
    assert_eq!(endpoint(NEWEST, Get, path).workers, ["generic_worker"]);
    for method in [Put, Head, Delete, Post, Preflight, Other] {
        let endpoint = endpoint(NEWEST, method, path);
        assert_eq!((endpoint.group.as_str(), endpoint.workers.len(), endpoint.pattern), ("admin", 0, None), "{method:?}");
    }
}

#[test]
fn a_stream_row_comes_before_a_row_without_a_stream() {
    // The generic row is first in the document.
    let get = endpoint(NEWEST, Get, "/_matrix/client/v3/presence/@a:b/status");
    assert_eq!((get.group.as_str(), get.stream.as_deref(), get.any_worker), ("presence", Some("presence"), true));
    let put = endpoint(NEWEST, Put, "/_matrix/client/v3/presence/@a:b/status");
    assert_eq!((put.stream.as_deref(), put.any_worker), (Some("presence"), false));
    assert_eq!(put.workers, ["generic_worker"], "the writer's type is listed");
    assert_eq!(put.condition.as_deref(), Some("single_writer"));
}

#[test]
fn the_table_may_say_that_any_worker_serves_a_stream() {
    let receipt = endpoint(NEWEST, Post, "/_matrix/client/v3/rooms/!a/receipt/m.read/$e");
    assert_eq!((receipt.stream.as_deref(), receipt.any_worker), (Some("receipts"), true));
    assert_eq!(receipt.condition.as_deref(), Some("multi_writer"));
    let typing = endpoint(NEWEST, Put, "/_matrix/client/v3/rooms/!a/typing/@a:b");
    assert_eq!((typing.stream.as_deref(), typing.any_worker), (Some("typing"), false));
    // A user name can make a typing request look like event sending too: then a row without a stream matches.
    assert!(endpoint(NEWEST, Put, "/_matrix/client/v3/rooms/!a/typing/send").any_worker);
}

#[test]
fn the_pattern_that_does_not_compile_is_matched_as_meant() {
    let upload = endpoint("1.135", Post, "/_matrix/client/v3/keys/device_signing/upload");
    assert_eq!(upload.group, "device_lists");
    assert_eq!(upload.pattern.as_deref(), Some("^/_matrix/client/(api/v1|r0|v3|unstable)/keys/device_signing/upload$"));
}

#[test]
fn keys_upload_with_a_slash_misses_what_clients_send() {
    let path = "/_matrix/client/v3/keys/upload";
    assert_eq!(group("1.76", Post, path), "client_other");
    assert_eq!(group("1.76", Post, "/_matrix/client/v3/keys/upload/DEVICE"), "encryption");
    assert_eq!(group("1.127", Post, path), "encryption");
    assert_eq!(group("1.127", Post, "/_matrix/client/v3/keys/upload/DEVICE"), "client_other");
    assert_eq!(group(NEWEST, Post, path), "device_lists");
    assert_eq!(group(NEWEST, Post, "/_matrix/client/v3/keys/upload/DEVICE"), "device_lists");
}

#[test]
fn v3_is_in_the_tables_only_from_1_48() {
    let path = "/_matrix/client/v3/sync?since=s1";
    assert_eq!(group("1.47", Get, path), "client_other");
    assert_eq!(group("1.48", Get, path), "sync");
    assert_eq!(group("1.47", Get, "/_matrix/client/r0/sync?since=s1"), "sync");
}

#[test]
fn sliding_sync_is_in_no_table_but_may_be_sent_to_sync_workers() {
    for path in
        ["/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos=1&timeout=0", "/_matrix/client/unstable/org.matrix.msc3575/sync"]
    {
        for method in [Post, Preflight] {
            let endpoint = endpoint(NEWEST, method, path);
            assert_eq!((endpoint.group.as_str(), endpoint.workers.len()), ("sliding_sync", 0));
        }
    }
    let options = ClassifierConfig { sliding_sync_to_sync: true, ..ClassifierConfig::default() };
    for (release, workers) in [(NEWEST, "generic_worker"), ("1.12", "synchrotron")] {
        let classifier = Classifier::new(&table_for(Some(release)).unwrap().table, &options).unwrap();
        let id = classifier.classify(Post, b"/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos=1");
        let endpoint = classifier.endpoint(id);
        assert_eq!((endpoint.group.as_str(), endpoint.workers.as_slice()), ("sliding_sync", &[workers.to_owned()][..]));
    }
}

#[test]
fn rows_match_the_path_without_the_query() {
    assert_eq!(group(NEWEST, Get, "/_matrix/client/v3/login?redirectUrl=https://x/y"), "registration_login");
    assert_eq!(group(NEWEST, Get, "/_matrix/client/v3/logout?x=/login"), "client_other");
    assert_eq!(group(NEWEST, Get, "https://example.org/_matrix/client/versions#x"), "client");
    assert_eq!(group(NEWEST, Get, "/x?/_matrix/client/versions"), "not_matrix");
}

#[test]
fn the_path_is_matched_as_sent_by_default() {
    let path = b"/_matrix/client/v3/rooms/!a:b%2Fsend/members";
    let encoded = b"/_matrix/client/v3/%73ync?since=s1";
    let decoded =
        Classifier::new(&table_for(None).unwrap().table, &ClassifierConfig { decoded_path: true, ..ClassifierConfig::default() }).unwrap();
    let raw = classifier(NEWEST);
    let group_of = |classifier: &Classifier, target: &[u8]| classifier.endpoint(classifier.classify(Get, target)).group.clone();
    assert_eq!(group_of(&raw, encoded), "client_other");
    assert_eq!(group_of(&decoded, encoded), "sync");
    assert_eq!(group_of(&decoded, b"//_matrix/client/v3/./sync?since=s1"), "sync");
    assert_eq!((group_of(&raw, path), group_of(&decoded, path)), ("client".into(), "client".into()));
    assert_eq!(group_of(&raw, b"/_matrix/client/v3/rooms/!a%2Fsend%2F"), "client_other");
    assert_eq!(group_of(&decoded, b"/_matrix/client/v3/rooms/!a%2Fsend%2F"), "event_sending");
}

#[test]
fn a_literal_prefix_is_a_prefix_and_no_regular_expression() {
    assert_eq!(endpoint(NEWEST, Get, "/_matrix/media/v3/download/a/b").workers, ["media_repository"]);
    assert_eq!(endpoint(NEWEST, Get, "/_matrix/client/v1/media/download/a/b").workers, ["media_repository"]);
    assert_eq!(group(NEWEST, Get, "/x/_matrix/media/v3/download"), "not_matrix");
    // Before 1.111 authenticated media is in no row, but media all the same.
    let early = endpoint("1.110", Get, "/_matrix/client/v1/media/download/a/b");
    assert_eq!((early.group.as_str(), early.workers.len()), ("media", 0));
}

#[test]
fn a_sync_of_the_whole_state_is_an_initial_sync_with_the_workers_of_sync() {
    let cases = [
        ("/_matrix/client/v3/sync", "initial_sync"),
        ("/_matrix/client/v3/sync?timeout=0", "initial_sync"),
        ("/_matrix/client/v3/sync?since=s1_2&timeout=30000", "sync"),
        ("/_matrix/client/v3/sync?since=s1_2&full_state=true", "initial_sync"),
        ("/_matrix/client/r0/initialSync?limit=1", "initial_sync"),
        ("/_matrix/client/v3/rooms/!a:b/initialSync", "initial_sync"),
        ("/_matrix/client/v3/events?from=s1", "sync"),
        ("/_matrix/client/v3/events", "sync"),
    ];
    for (target, group) in cases {
        let endpoint = endpoint(NEWEST, Get, target);
        assert_eq!(endpoint.group, group, "{target}");
        assert_eq!(endpoint.workers, ["generic_worker"], "{target}");
        assert!(endpoint.pattern.is_some(), "{target}");
    }
}

#[test]
fn every_row_that_matches_adds_its_worker() {
    let search = endpoint(NEWEST, Post, "/_matrix/client/v3/user_directory/search");
    assert_eq!(search.workers, ["generic_worker", "user_dir"]);
    assert_eq!(search.condition, None, "the first row has none");
    let quarantine = endpoint(NEWEST, Post, "/_synapse/admin/v1/quarantine_media/!a:b");
    assert_eq!(quarantine.stream.as_deref(), Some("quarantined_media_changes"));
    assert_eq!(quarantine.workers, ["generic_worker", "media_repository"]);
    let both = endpoint("1.12", Get, "/_matrix/client/r0/rooms/!a/send/members");
    assert_eq!(both.workers, ["client_reader", "event_creator"]);
    assert_eq!(both.group, "client");
}

#[test]
fn conditions_stay_with_the_endpoint() {
    let condition = |release, path| endpoint(release, Get, path).condition;
    assert_eq!(condition("1.12", "/_matrix/client/r0/presence/@a/status").as_deref(), Some("presence_disabled"));
    assert_eq!(condition(NEWEST, "/_matrix/client/v3/login/sso/redirect").as_deref(), Some("sso_only"));
    assert_eq!(condition("1.150", "/_synapse/admin/v1/username_available").as_deref(), Some("msc3861_enabled"));
    assert_eq!(condition(NEWEST, "/_matrix/client/v3/rooms/!a/messages").as_deref(), Some("same_room_same_instance"));
}

#[test]
fn a_path_in_no_row_goes_to_the_main_process_or_to_none() {
    let cases = [
        (Get, "/_synapse/admin/v1/server_version", "admin"),
        (Post, "/_synapse/replication/remote_join/x", "replication"),
        (Get, "/_synapse/client/unlisted", "sso"),
        (Get, "/_matrix/key/v2/server", "key_server"),
        (Get, "/.well-known/matrix/server", "well_known"),
        (Get, "/robots.txt", "not_matrix"),
        (Preflight, "*", "not_matrix"),
        (Other, "*", "invalid"),
        (Other, "example.org:443", "invalid"),
        (Other, "", "invalid"),
        (Get, "", "invalid"),
        (Get, "\u{16}\u{3}\u{1}", "invalid"),
    ];
    for (method, target, wanted) in cases {
        let endpoint = endpoint(NEWEST, method, target);
        assert_eq!(endpoint.group, wanted, "{target:?}");
        assert!(endpoint.workers.is_empty() && !endpoint.any_worker && endpoint.pattern.is_none(), "{target:?}");
        assert_eq!(endpoint.internal, wanted == "replication", "{target:?}");
    }
    // A signing key query is in a row, and so are the pages of a login that the document lists.
    assert_eq!(group(NEWEST, Post, "/_matrix/key/v2/query"), "federation");
    assert_eq!(group(NEWEST, Get, "/_synapse/client/pick_idp"), "sso_all");
}

#[test]
fn ids_do_not_depend_on_when_the_classifier_is_built() {
    let table = table_for(None).unwrap().table;
    let (one, two) = (Classifier::new(&table, &ClassifierConfig::default()).unwrap(), classifier(NEWEST));
    assert_eq!(one.endpoints(), two.endpoints());
    assert_eq!(one.classify(Get, b"/_matrix/client/v3/sync"), two.classify(Get, b"/_matrix/client/v3/sync"));
}

#[test]
fn wsims_own_classes_have_the_same_id_in_every_table() {
    let (old, new) = (classifier("0.26"), classifier(NEWEST));
    let health = old.classify(Get, b"/health");
    assert_eq!(health, new.classify(Get, b"/health"));
    assert_eq!(new.endpoint(health).group, "health");
}

#[test]
fn a_classifier_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Classifier>();
}

proptest! {
    #[test]
    fn any_bytes_are_classified(bytes in proptest::collection::vec(any::<u8>(), 0..120), method in 0_usize..8) {
        let classifier = classifier(NEWEST);
        let method = Method::ALL[method];
        let id = classifier.classify(method, &bytes);
        prop_assert!(usize::from(id.0) < classifier.endpoints().len());
        let mut path = b"/_matrix/client/v3/rooms/".to_vec();
        path.extend_from_slice(&bytes);
        let _ = classifier.endpoint(classifier.classify(method, &path));
    }
}
