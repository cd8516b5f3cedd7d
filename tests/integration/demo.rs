//! `wsim demo`: every command that it shows is one that a user can type.

use crate::support::run_in;

#[test]
fn the_demo_shows_commands_that_can_be_typed_again() {
    let folder = tempfile::tempdir().unwrap();
    let (status, printed, errors) = run_in(folder.path(), &["demo", "--no-replay"]);
    assert_eq!(status, 0, "{errors}");
    assert!(folder.path().join("reports/demo/report.html").is_file());
    assert!(!errors.contains("note:"), "its own files need no notes: {errors}");
    let next = printed.lines().find(|line| line.trim().starts_with("wsim simulate ")).unwrap_or_else(|| panic!("{printed}"));
    assert!(next.contains("--process-cpu") && next.contains("--observed"), "the next command has the options of the step: {next}");
    let command = printed.lines().find_map(|line| line.strip_prefix("$ wsim ")).unwrap_or_else(|| panic!("{printed}"));
    let words: Vec<&str> = command.split(' ').chain(["--force", "--quiet"]).collect();
    let (status, _, errors) = run_in(folder.path(), &words);
    assert!(matches!(status, 0 | 3), "{command}: {errors}");
    let (status, _, errors) = run_in(folder.path(), &["demo", "--no-replay"]);
    assert!(status == 1 && errors.contains("--force"), "what a demo wrote is not replaced: {errors}");
}

#[test]
fn the_replay_of_the_demo_answers_every_request() {
    let folder = tempfile::tempdir().unwrap();
    let (status, printed, errors) = run_in(folder.path(), &["demo", "--out", "out"]);
    assert_eq!(status, 0, "{printed}{errors}");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("out/demo-replay/report.json")).unwrap()).unwrap();
    assert!(report["sent"].as_u64().unwrap() > 150 && report["sent"] == report["completed"], "{report}");
}
