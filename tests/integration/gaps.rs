//! Time that no log covers costs nothing and dilutes nothing, stray times are named, and Ctrl-C ends a simulation at once.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::wsim;

/// 2026-11-20T16:00:00Z.
const START_US: i64 = 1_795_190_400_000_000;
const DAY_US: i64 = 86_400_000_000;

/// Ten requests a second over a minute and a half, of 20 ms of CPU each, as the main process logs them.
fn log(start_us: i64) -> String {
    let mut text = String::new();
    for number in 0..900_i64 {
        let at_us = start_us + number * 100_000 + (number * 37 % 50) * 1000;
        let at = jiff::Timestamp::from_microsecond(at_us).unwrap().strftime("%Y-%m-%d %H:%M:%S,%3f");
        let user = number % 15;
        writeln!(
            text,
            "{at} - synapse.access.http.8008 - 643 - INFO - GET-{number} - 127.0.0.{user} - 8008 - {{@user{user}:test.local}} Processed \
             request: 0.040sec/0.001sec ru=(0.018sec, 0.002sec) db=(0.001sec/0.006sec/3) 60B 200 \"GET \
             /_matrix/client/v3/rooms/!room{user}:test.local/messages?dir=b HTTP/1.1\" \"agent\" [0 dbevts]"
        )
        .unwrap();
    }
    text
}

fn write_log(folder: &Path, name: &str, start_us: i64) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, log(start_us)).unwrap();
    path
}

/// Runs a command on logs into `run`, with a limit on its time: with a gap of a year the simulation of every second would never end.
fn report(folder: &Path, logs: &[PathBuf], command: &str, arguments: &[&str]) -> (Value, String) {
    let mut run = wsim();
    run.timeout(Duration::from_secs(60)).arg(command).args(logs).args(arguments);
    let output = run.args(["--force", "--name", "run", "--out"]).arg(folder).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let text = fs::read_to_string(folder.join("run/report.json")).unwrap_or_else(|missing| panic!("{missing}: {error}"));
    (serde_json::from_str(&text).unwrap(), String::from_utf8(output.stdout).unwrap() + &error)
}

const SIMULATE: [&str; 8] = ["--plan", "monolith", "--plan", "generic", "--workers", "2", "--replications", "3"];

#[test]
fn a_simulation_of_two_logs_is_that_of_one_however_far_apart_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_log(folder.path(), "homeserver.log", START_US);
    let (alone, _) = report(folder.path(), std::slice::from_ref(&first), "simulate", &SIMULATE);
    // The back-test is tried once, because it takes longest.
    for (days, backtest) in [(10, &["--no-backtest"][..]), (365, &[]), (30 * 365, &["--no-backtest"])] {
        let second = write_log(folder.path(), "homeserver.log.1", START_US - days * DAY_US);
        let (both, _) = report(folder.path(), &[first.clone(), second], "simulate", &[&SIMULATE[..], backtest].concat());
        for fact in ["recommended", "verdict"] {
            let (one, two) = (alone[fact].as_str().unwrap(), both[fact].as_str().unwrap());
            // The peak of the older log has another date.
            assert_eq!(one.split(" at the ").next(), two.split(" at the ").next(), "{days} days");
        }
        assert_eq!(both["requests"], alone["requests"], "{days} days: one of the logs is simulated");
        let busy = |report: &Value| report["candidates"][0]["processes"][0]["utilisation"]["value"].as_f64().unwrap();
        assert!((busy(&both) / busy(&alone) - 1.0).abs() < 0.1, "{days} days: {} and {}", busy(&both), busy(&alone));
        let rate = |report: &Value| report["backtest"]["throughput"]["observed"].as_f64().unwrap();
        if !backtest.is_empty() {
            continue;
        }
        assert!((rate(&both) / rate(&alone) - 1.0).abs() < 0.25, "{days} days: {} and {}", rate(&both), rate(&alone));
    }
}

#[test]
fn the_whole_of_two_logs_is_simulated_without_the_year_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let logs =
        [write_log(folder.path(), "homeserver.log", START_US), write_log(folder.path(), "homeserver.log.1", START_US + 365 * DAY_US)];
    let (both, _) = report(folder.path(), &logs, "simulate", &[&SIMULATE[..], &["--window", "all", "--no-backtest"]].concat());
    assert_eq!(both["requests"], 1800);
    let mean = both["candidates"][0]["processes"][0]["utilisation"]["value"].as_f64().unwrap();
    assert!(mean > 0.1, "a year of silence would make the mean zero: {mean}");
}

#[test]
fn an_analysis_of_two_logs_has_the_rates_of_one_and_says_where_the_gap_is() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_log(folder.path(), "homeserver.log", START_US);
    let (alone, _) = report(folder.path(), std::slice::from_ref(&first), "analyse", &[]);
    let second = write_log(folder.path(), "homeserver.log.1", START_US + 365 * DAY_US);
    let (both, shown) = report(folder.path(), &[first, second], "analyse", &["-v"]);
    for peak in ["one_minute", "five_minutes", "busy_hour"] {
        assert_eq!(both["peaks"][peak]["requests_per_second"], alone["peaks"][peak]["requests_per_second"], "{peak}");
    }
    assert!(shown.contains("The log has 1 gap of more than an hour"), "{shown}");
    let bins = both["series"]["requests"][0].as_array().unwrap().len();
    assert!(both["series"]["bin_seconds"].as_f64().unwrap() <= 2.0 && bins <= 240, "{bins} bins");
    assert!(both["confidence"]["why"].as_str().unwrap().contains("the log covers only"), "{}", both["confidence"]);
}

#[test]
fn stray_times_are_named_with_their_file_and_count_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_log(folder.path(), "homeserver.log", START_US);
    let (alone, _) = report(folder.path(), std::slice::from_ref(&first), "simulate", &SIMULATE);
    let lines = |start_us: i64, count: usize| log(start_us).lines().take(count).collect::<Vec<_>>().join("\n") + "\n";
    let old = folder.path().join("homeserver.log.2");
    fs::write(&old, lines(3_600_000_000, 2) + &lines(2_147_483_647_000_000, 1)).unwrap();
    let mixed = folder.path().join("homeserver.log");
    fs::write(&mixed, log(START_US) + &lines(START_US + 366 * DAY_US, 1)).unwrap();
    let (with_strays, _) = report(folder.path(), &[mixed, old], "simulate", &SIMULATE);
    assert_eq!((&with_strays["requests"], &with_strays["recommended"]), (&alone["requests"], &alone["recommended"]));
    let page = fs::read_to_string(folder.path().join("run/report.md")).unwrap();
    assert!(page.contains("4 requests have times far from all others"), "{page}");
    assert!(page.contains("1 in ") && page.contains("homeserver.log (2027-11-21)"), "{page}");
    assert!(page.contains("3 in ") && page.contains("homeserver.log.2 (1970-01-01 to 2038-01-19)"), "{page}");
}

#[test]
fn a_replay_over_a_gap_of_ten_days_does_not_wait_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let logs = [write_log(folder.path(), "homeserver.log", START_US), write_log(folder.path(), "homeserver.log.1", START_US + 10 * DAY_US)];
    let mut short = Vec::new();
    for log in &logs {
        let text: Vec<String> = fs::read_to_string(log).unwrap().lines().take(12).map(str::to_owned).collect();
        fs::write(log, text.join("\n") + "\n").unwrap();
        short.push(log.clone());
    }
    let arguments = ["--target", "emulated", "--plan", "generic:1", "--speed", "20"];
    let (replayed, shown) = report(folder.path(), &short, "replay", &arguments);
    assert!(replayed["took_seconds"].as_f64().unwrap() < 5.0, "{}", replayed["took_seconds"]);
    assert_eq!(replayed["sent"], 24);
    assert!(shown.contains("1 gap in the log (9 d 23 h) is cut to 10 s"), "{shown}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_simulation_within_a_second_with_a_report() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    use std::time::Instant;

    let folder = tempfile::tempdir().unwrap();
    // Ten thousand users and an overloaded process: the calibration of half a million requests takes far longer than this test may.
    let path = folder.path().join("long.log");
    let mut text = String::new();
    for part in 0..100 {
        text.push_str(&log(START_US + part * 90_000_000));
    }
    fs::write(&path, text).unwrap();
    let program = wsim().get_program().to_owned();
    let mut child = std::process::Command::new(program)
        .arg("simulate")
        .arg(&path)
        .args(["--plan", "generic", "--workers", "1..8", "--replications", "1000", "--threads", "1", "--window", "all"])
        .args(["--name", "run", "--out"])
        .arg(folder.path())
        .env("NO_COLOR", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let error = child.stderr.take().unwrap();
    // Reading takes a part of a second; what follows takes minutes.
    std::thread::sleep(Duration::from_millis(2500));
    assert!(child.try_wait().unwrap().is_none(), "the simulation must still be running");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the first Ctrl-C was ignored");
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = began.elapsed();
    let said: Vec<String> = BufReader::new(error).lines().map_while(Result::ok).collect();
    assert!(status.code().is_some_and(|code| code == 0 || code == 3), "{status}: {said:?}");
    // Generous for a busy machine: without the flag, a calibration of this size takes longer.
    assert!(took < Duration::from_secs(10), "{took:?}");
    let report: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("run/report.json")).unwrap()).unwrap();
    assert_eq!(report["partial"], true);
}
