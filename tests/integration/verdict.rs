//! What a replay says of a target that refuses, fails, disappears or freezes: verdict, exit status and the search for the limit.

use std::time::Duration;

use serde_json::Value;

use crate::misbehaving::{Behaviour, Misbehaving, assert_account, replay_against, replay_arguments, write_world};
use crate::support::run_in;

/// Replays six seconds of ten requests each, and does something to the server after the first.
fn replay_while(change: impl FnOnce(&Misbehaving)) -> (i32, Value) {
    let server = Misbehaving::start(Behaviour::Answer(200, ""));
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    write_world(folder.path(), &url, 6, 10);
    let (status, _, stderr) = std::thread::scope(|scope| {
        let run = scope.spawn(|| run_in(folder.path(), &replay_arguments(&url, &[])));
        server.await_request();
        change(&server);
        run.join().unwrap()
    });
    let text = std::fs::read_to_string(folder.path().join("reports/run/report.json")).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (status, serde_json::from_str(&text).unwrap())
}

/// The time of the only episode of a kind.
#[track_caller]
fn episode(report: &Value, kind: &str) -> (f64, f64) {
    let all = report["episodes"].as_array().unwrap();
    let [one] = all.iter().filter(|episode| episode["kind"] == kind).collect::<Vec<_>>()[..] else { panic!("{all:#?}") };
    (one["from_seconds"].as_f64().unwrap(), one["to_seconds"].as_f64().unwrap())
}

#[test]
fn a_run_in_which_every_request_is_refused_fails_and_says_why() {
    for (status, header) in [(401, ""), (404, ""), (302, "Location: /_matrix/client/versions\r\n"), (500, ""), (403, "")] {
        let server = Misbehaving::start(Behaviour::Answer(status, header));
        let (exit, printed, report) = replay_against(&server, &[]);
        assert_eq!((exit, assert_account(&report)), (3, 30), "{status}: {printed}");
        assert_eq!(report["missed"], true, "{printed}");
        let verdict = report["verdict"].as_str().unwrap();
        assert!(verdict.contains("missed: ") && verdict.contains(&format!("30× {status} instead of 200")), "{verdict}");
        let words = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("Missed: ") && words.contains(&format!("30× {status} instead of 200")), "{printed}");
        assert_eq!(report["overall"]["worse"], serde_json::json!([{ "logged": 200, "status": status, "count": 30 }]));
    }
}

#[test]
fn what_is_expected_decides_about_the_exit_status() {
    let server = Misbehaving::start(Behaviour::Bursts(3));
    let (exit, _, report) = replay_against(&server, &[]);
    let verdict = report["verdict"].as_str().unwrap();
    assert!(exit == 3 && verdict.contains("failures < 1%, but measured 30 % (9 of 30 requests): 9× 503 instead of 200"), "{verdict}");
    for (expect, exit) in [
        ("errors < 40%, failures < 40%", 0),
        ("errors < 40%, failures < 40%, p95 work < 1us", 3),
        ("errors < 40%, failures client < 20%, failures < 50%", 3),
        ("errors < 40%, failures client < 50%, failures < 50%", 0),
    ] {
        let server = Misbehaving::start(Behaviour::Bursts(3));
        let (status, printed, report) = replay_against(&server, &["--expect", expect]);
        assert_eq!(status, exit, "{expect}: {printed}");
        assert_eq!(report["missed"], exit == 3);
    }
}

#[test]
fn an_expectation_that_cannot_be_measured_is_refused_before_anything_is_sent() {
    let server = Misbehaving::start(Behaviour::Answer(200, ""));
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    write_world(folder.path(), &url, 3, 10);
    for (expect, why) in [
        ("busy < 70%", "--expect: \"busy < 70%\": a replay does not see how busy a process is"),
        ("p95 sync < 1s", "--expect: the objective asks about \"sync\", of which there are no requests"),
        ("errors", "--expect: \"errors\" is not an objective"),
        ("eror < 1%", "--expect: unknown objective"),
    ] {
        let (status, _, stderr) = run_in(folder.path(), &replay_arguments(&url, &["--expect", expect]));
        assert!(status == 2 && stderr.contains(why), "{expect}: {stderr}");
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_target_that_was_down_is_missed_and_the_seconds_are_named() {
    let (status, report) = replay_while(|server| server.be_down_for(Duration::from_secs(3)));
    let (from, to) = episode(&report, "failing");
    assert!(from < 1.5 && (3.0..=4.0).contains(&to), "{from} to {to}");
    let verdict = report["verdict"].as_str().unwrap();
    assert!(status == 3 && verdict.contains("down < 2s, but measured"), "{verdict}");
    assert_eq!(report["void"], false);
}

#[test]
fn a_target_that_froze_is_missed_and_the_run_is_not_void() {
    let (status, report) = replay_while(|server| server.be_frozen_for(Duration::from_secs(3)));
    let (from, to) = episode(&report, "frozen");
    assert!(from < 1.5 && (2.5..4.0).contains(&to), "{from} to {to}");
    let verdict = report["verdict"].as_str().unwrap();
    assert!(status == 3 && verdict.contains("the target gave no response while up to"), "{verdict}");
    assert_eq!((&report["void"], &report["completed"]), (&Value::Bool(false), &Value::from(60)));
}

#[test]
fn a_target_that_refuses_everything_has_no_limit() {
    let server = Misbehaving::start(Behaviour::Answer(401, ""));
    let (exit, printed, report) = replay_against(&server, &["--find-limit", "p95 work < 1s"]);
    assert_eq!((exit, &report["limit"]), (3, &Value::Null), "{printed}");
    let steps = report["limit_steps"].as_array().unwrap();
    assert!(!steps.is_empty() && steps.iter().all(|step| step["holds"] == false), "{steps:#?}");
    assert!(printed.contains("401 instead of 200"), "{printed}");
}

#[test]
fn the_search_ends_where_there_are_no_more_accounts_and_says_so() {
    let server = Misbehaving::start(Behaviour::Answer(200, ""));
    let (exit, printed, report) = replay_against(&server, &["--find-limit", "p95 work < 10s"]);
    assert_eq!((exit, report["limit"].as_f64()), (0, Some(1.0)), "{printed}");
    assert!(printed.contains("at least 1.00× the logged users") && printed.contains("needs 2 copies of the users"), "{printed}");
}
