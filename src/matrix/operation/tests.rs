//! Templates are recognised as the right operation, and no template causes a panic.

use proptest::prelude::*;

use super::*;

fn read(method: Method, template: &str) -> Result<(Op, Tier, String), Unsendable> {
    RequestKind::read(method, template).map(|kind| (kind.entry.op, kind.entry.tier, kind.word))
}

/// A path template for a row of the table.
fn example(entry: &Entry) -> String {
    let prefix = if entry.media { "/_matrix/media/v3/" } else { "/_matrix/client/v3/" };
    format!("{prefix}{}", entry.pattern.replace("{type}", "m.example").replace("{any}", "{id}"))
}

#[test]
fn every_row_of_the_table_is_found_and_none_hides_another() {
    for entry in TABLE {
        for &method in entry.methods {
            let found = RequestKind::read(method, &example(entry));
            if entry.tier == Tier::Never {
                assert_eq!(found, Err(Unsendable::Never), "{}", entry.pattern);
            } else {
                let kind = found.unwrap();
                // `{any}` and `{type}` also match words of other rows.
                assert_eq!(
                    (kind.entry.op, kind.entry.tier),
                    (entry.op, entry.tier),
                    "{} is taken for {}",
                    entry.pattern,
                    kind.entry.pattern
                );
            }
        }
    }
}

#[test]
fn templates_of_real_logs_are_recognised() {
    use Method::{Delete, Get, Head, Options, Post, Put};
    let cases = [
        (Get, "/_matrix/client/v3/sync?since={since}&filter={filter}&timeout=30000", Op::Sync, Tier::Read),
        (Get, "/_matrix/client/r0/sync", Op::Sync, Tier::Read),
        (Post, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos={pos}&timeout=30000", Op::SlidingSync, Tier::Read),
        (Get, "/_matrix/client/versions", Op::Open, Tier::Read),
        (Head, "/_matrix/client/versions", Op::Open, Tier::Read),
        (Options, "/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}", Op::Send, Tier::Write),
        (Get, "/.well-known/matrix/client", Op::Open, Tier::Read),
        (Put, "/_matrix/client/v3/rooms/{room}/send/m.room.encrypted/{txn}", Op::Send, Tier::Write),
        (Put, "/_matrix/client/v3/rooms/{room}/state/m.room.name/{key}", Op::State, Tier::Write),
        (Put, "/_matrix/client/v3/rooms/{room}/state/m.room.name/", Op::State, Tier::Write),
        (Put, "/_matrix/client/v3/rooms/{room}/typing/{user}", Op::Typing, Tier::Read),
        (Post, "/_matrix/client/v3/rooms/{room}/receipt/m.read/{event}", Op::Receipt, Tier::Read),
        (Post, "/_matrix/client/v3/join/{alias}", Op::Join, Tier::Write),
        (Post, "/_matrix/client/v3/join/{room}", Op::Join, Tier::Write),
        (Post, "/_matrix/client/v3/rooms/{room}/kick", Op::Unsupported, Tier::Dangerous),
        (Get, "/_matrix/client/v1/media/download/{server}/{media}/{id}", Op::Download, Tier::Read),
        (Get, "/_matrix/media/r0/thumbnail/{server}/{media}?width=32&height=32", Op::Thumbnail, Tier::Read),
        (Post, "/_matrix/media/v3/upload", Op::Upload, Tier::Write),
        (Put, "/_matrix/client/v3/room_keys/keys/{room}/{id}", Op::BackupWrite, Tier::Write),
        (Get, "/_matrix/client/v3/pushrules/", Op::Plain, Tier::Read),
        (Put, "/_matrix/client/v3/pushrules/global/room/{room}", Op::PushRuleWrite, Tier::Write),
        (Get, "/_matrix/client/unstable/rooms/{room}/relations/{event}/m.thread/m.room.message", Op::Page, Tier::Read),
        (Put, "/_matrix/client/v3/sendToDevice/m.room.encrypted/{txn}", Op::ToDevice, Tier::Write),
        (Delete, "/_matrix/client/v3/devices/{id}", Op::Unsupported, Tier::Dangerous),
        (Post, "/_matrix/client/v3/account/password", Op::Unsupported, Tier::Dangerous),
        (Post, "/_matrix/client/v3/register", Op::Unsupported, Tier::Dangerous),
    ];
    for (method, template, op, tier) in cases {
        let found = read(method, template).map(|(op, tier, _)| (op, tier));
        assert_eq!(found, Ok((op, tier)), "{} {template}", method.name());
    }
}

#[test]
fn requests_that_are_never_sent_have_a_reason() {
    let cases = [
        (Method::Put, "/_matrix/federation/v1/send/{txn}", Unsendable::Never),
        (Method::Get, "/_matrix/key/v2/server", Unsendable::Never),
        (Method::Get, "/_synapse/admin/v2/users", Unsendable::Never),
        (Method::Get, "/_matrix/client/v3/login/sso/redirect/{id}", Unsendable::Never),
        (Method::Post, "/_matrix/client/v3/pushers/set", Unsendable::Never),
        (Method::Get, "(other)", Unsendable::Unknown),
        (Method::Get, "/_matrix/client/v3/unheard/of", Unsendable::Unknown),
        (Method::Other, "/_matrix/client/v3/sync", Unsendable::Invalid),
    ];
    for (method, template, skip) in cases {
        assert_eq!(read(method, template).unwrap_err(), skip, "{template}");
    }
}

#[test]
fn an_unknown_request_with_an_error_status_is_invalid() {
    let (mut names, mut kinds) = (Names::new(), RequestKinds::default());
    let template = names.intern(b"/_matrix/client/v3/unheard/of");
    let request = Request { template, method: Method::Get, status: 404, ..Request::default() };
    assert_eq!(kinds.of(&request, &names), Err(Unsendable::Invalid));
    assert_eq!(kinds.of(&Request { status: 200, ..request }, &names), Err(Unsendable::Unknown));
    assert_eq!(kinds.of(&Request { flags: flag::INTERNAL, ..request }, &names), Err(Unsendable::Never));
}

#[test]
fn query_numbers_are_clamped_and_other_parameters_ignored() {
    let query = Query::read("since={since}&timeout=4294967295&limit=99999&dir=f&full_state=true&width={other}&x=y&limit");
    let expected =
        Query { since: true, full_state: true, forwards: true, timeout_ms: Some(600_000), limit: Some(1_000), ..Query::default() };
    assert_eq!(query, expected);
}

proptest! {
    #[test]
    fn any_template_is_read_without_a_panic(template in ".{0,200}", method in 0_u8..9) {
        let _ = RequestKind::read(Method::from_number(method), &template);
    }

    #[test]
    fn a_path_of_any_segments_is_read_without_a_panic(
        segments in proptest::collection::vec(prop_oneof!["rooms|send|state|\\{room\\}|\\{event\\}|sync|user|\\{user\\}|keys", "[^/?]{0,20}"], 0..12),
    ) {
        for prefix in PREFIXES {
            let _ = RequestKind::read(Method::Put, &format!("{prefix}{}", segments.join("/")));
        }
    }
}
