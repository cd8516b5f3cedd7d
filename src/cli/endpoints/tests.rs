use clap::Parser;
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Endpoints,
}

fn try_run(args: &[&str], input: &str) -> anyhow::Result<String> {
    let line = Line::try_parse_from([&["endpoints"], args].concat())?;
    let mut out = Vec::new();
    run(&line.args, &mut out, &mut input.as_bytes())?;
    Ok(String::from_utf8(out)?)
}

fn output(args: &[&str]) -> String {
    try_run(args, "").unwrap()
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn every_table_fits_a_hundred_columns() {
    for release in ["0.26", "1.31", "1.135", "1.157"] {
        let text = output(&["--synapse-version", release]);
        assert!(widest(&text) <= 100, "{release}");
        assert!(text.contains("/_matrix/media/"), "{release}");
    }
    assert!(widest(&output(&["--diff", "1.76", "1.157"])) <= 100);
    assert!(widest(&output(&["GET", &format!("/{}", "x".repeat(5000))])) <= 100);
}

#[test]
fn the_table_says_release_methods_stream_and_condition() {
    let text = output(&[]);
    assert!(text.starts_with("Synapse 1.157.1 (docs/workers.md, the same in 1.157.0 to 1.157.1): 114 rows\n"), "{text}");
    assert!(text.contains("Push rules requests: generic_worker, group push_rules, GET only\n"));
    assert!(text.contains("The typing stream: generic_worker, group typing, stream typing, single_writer\n"));
    assert!(text.contains("single_writer: the stream has one writer"));
}

#[test]
fn a_request_is_explained_with_the_rows_that_match() {
    let text = output(&["GET", "/_matrix/client/v3/presence/@a:b/status?access_token=syt_secret"]);
    assert!(!text.contains("syt_secret"), "{text}");
    assert!(text.contains("group      presence\n"), "{text}");
    assert!(text.contains("stream     presence (its writer is preferred"), "{text}");
    assert!(
        text.contains("  2. ^/_matrix/client/(api/v1|r0|v3|unstable)/presence/\n     generic_worker, group presence, GET only"),
        "{text}"
    );
    let text = output(&["put", "/_matrix/client/v3/presence/@a:b/status"]);
    assert!(text.contains("the writer of ") && text.contains("but not the method"), "{text}");
}

#[test]
fn the_uncompilable_row_and_the_decoded_path_are_pointed_out() {
    let text = output(&["--synapse-version", "1.135", "POST", "/_matrix/client/v3/keys/device_signing/upload"]);
    assert!(text.contains("does not compile") && text.contains("matched as ^"), "{text}");
    let text = output(&["GET", "/_matrix/client/v3/%73ync"]);
    assert!(text.contains("nginx matches the decoded path, and for it this is initial_sync"), "{text}");
}

#[test]
fn terminal_sequences_in_a_path_are_not_printed() {
    let text = output(&["GET", "/\u{1b}[31m\u{7}"]);
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
}

#[test]
fn lines_become_json_objects_one_each() {
    let input = "GET /_matrix/client/v3/sync?since=s1\n\nPUT /_matrix/client/v3/rooms/!a:b/typing/@c:b\r\nnonsense\n\
                 GET /_matrix/client/v3/logout?access_token=syt_x HTTP/1.1\n";
    let text = try_run(&["-"], input).unwrap();
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 4);
    assert_eq!(
        objects[0],
        serde_json::json!({"method": "GET", "path": "/_matrix/client/v3/sync?since=s1", "group": "sync",
            "workers": ["generic_worker"], "stream": null, "pattern": "^/_matrix/client/(r0|v3)/sync$"})
    );
    assert_eq!(objects[1]["stream"], "typing");
    assert_eq!(objects[1]["path"], "/_matrix/client/v3/rooms/!a:b/typing/@c:b");
    assert_eq!(objects[2]["group"], "invalid");
    assert_eq!(objects[2]["error"], "line 4: expected METHOD PATH");
    assert_eq!(objects[3]["path"], "/_matrix/client/v3/logout?access_token=<redacted>");
    assert_eq!(objects[3]["workers"], serde_json::json!([]));
}

#[test]
fn lines_that_are_not_utf_8_are_classified_too() {
    let mut out = Vec::new();
    let args = Endpoints { method: Some("-".to_owned()), ..Endpoints::default() };
    run(&args, &mut out, &mut &b"GET /_matrix/client/v3/profile/\xff\xfe\n"[..]).unwrap();
    let object: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(object["group"], "event_sending");
}

#[test]
fn tables_and_differences_are_json_too() {
    let table: Value = serde_json::from_str(&output(&["--json", "--synapse-version", "1.158"])).unwrap();
    assert_eq!(table["rows"].as_array().unwrap().len(), 114);
    assert_eq!(table["newer_than_known"], true);
    assert_eq!(table["rows"][0]["methods"], serde_json::json!([]));
    let difference: Value = serde_json::from_str(&output(&["--json", "--diff", "1.155", "1.156"])).unwrap();
    assert_eq!(difference["changes"][0]["change"], "added");
    assert_eq!(difference["changes"][0]["row"]["pattern"], "^/_matrix/client/v1/room_summary/.*$");
    let explained: Value = serde_json::from_str(&output(&["--json", "GET", "/_matrix/client/versions"])).unwrap();
    assert_eq!((&explained["group"], &explained["any_worker"]), (&"client".into(), &true.into()));
}

#[test]
fn a_difference_shows_what_was_and_what_is() {
    let text = output(&["--diff", "1.47", "1.48"]);
    assert!(text.starts_with("Synapse 1.47 -> Synapse 1.48, rows: 0 added, "), "{text}");
    assert!(text.contains("~ ^/_matrix/client/(v2_alpha|r0|v3)/sync$\n    was ^/_matrix/client/(v2_alpha|r0)/sync$\n"), "{text}");
}

#[test]
fn an_own_table_is_used_where_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("path.map");
    std::fs::write(&file, "^/_matrix/client/v3/logout$ client-reader\n").unwrap();
    let file = file.to_str().unwrap();
    let text = output(&["--table", file, "POST", "/_matrix/client/v3/logout"]);
    assert!(text.contains("workers    generic_worker"), "{text}");
    let text = output(&["--diff", "1.157", file]);
    assert!(text.contains("rows: 1 added, 0 changed, 114 removed"), "{text}");
}

#[test]
fn wrong_usage_says_what_is_right() {
    let error = |args: &[&str]| format!("{:#}", try_run(args, "").unwrap_err());
    assert!(error(&["GET"]).contains("give METHOD and PATH"));
    assert!(try_run(&["--synapse-version", "latest"], "").unwrap_err().is::<UsageError>());
    assert!(error(&["--synapse-version", "latest"]).contains("write it as 1.157"));
    assert!(error(&["--diff", "0.1", "1.157"]).contains("no endpoint table"));
    assert!(error(&["--table", "/does/not/exist"]).contains("could not read /does/not/exist"));
}
