//! Exit statuses, errors and help; most cases are golden files in `tests/cmd/`. `TRYCMD=overwrite cargo test` rewrites them.

use crate::support::{sample, wsim};

#[test]
fn golden_cases() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd").case("tests/cmd/*.toml").env("NO_COLOR", "1").env("COLUMNS", "100");
}

#[test]
fn exit_statuses_distinguish_usage_errors_failures_and_missed_objectives() {
    let folder = tempfile::tempdir().unwrap();
    let status = |arguments: &[&str]| {
        let output = wsim().current_dir(folder.path()).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(status(&["--version"]).0, 0);
    assert_eq!(status(&["analyse"]).0, 2);
    let (code, error) = status(&["analyse", "/no/such/file.log"]);
    assert_eq!(code, 1);
    assert!(error.contains("/no/such/file.log: no such file"), "{error}");
    let (code, error) = status(&["analyse", "x", "--from", "soon"]);
    assert_eq!(code, 2);
    assert!(error.contains("--from") && error.contains("yesterday"), "{error}");
    let (code, error) = status(&["analyse", "x", "--objectiv", "busy < 2%", "--synapse-version", "0.1"]);
    assert_eq!(code, 2);
    assert!(error.contains("--synapse-version"), "{error}");
    let (code, error) = status(&["analize", "x"]);
    assert_eq!(code, 2);
    assert!(error.contains("analyze") || error.contains("analyse"), "a misspelt command suggests the right one: {error}");
    let log = sample("cluster/synapse-generic_worker1.log.gz");
    assert_eq!(status(&["analyse", &log, "--quiet", "--objective", "busy < 1%"]).0, 3);
}

#[test]
fn a_closed_pipe_is_not_a_failure() {
    let mut program = std::process::Command::new(assert_cmd::cargo::cargo_bin("wsim"))
        .arg("endpoints")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(program.stdout.take());
    let output = program.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
