//! `wsim replay` against servers that misbehave: every request is accounted for under the right reason, the run ends, and says so.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use wsim::transport::Failure;

use crate::misbehaving::{
    Behaviour, Misbehaving, assert_account, assert_verdict, replay_against, replay_arguments, replay_at, write_world,
};
use crate::misbehaving_http2::{Http2Behaviour, Http2Server};
use crate::support::BackgroundProcess;

const SENT: u64 = 30;

/// Asserts that all requests fail for this reason, and that the verdict says so.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a behaviour is written where it is used")]
fn all_fail(behaviour: Behaviour, reason: &str) -> Value {
    let server = Misbehaving::start(behaviour.clone());
    let (status, printed, report) = replay_against(&server, &["--timeout", "1s"]);
    assert_eq!(report["failed"][reason], SENT, "{behaviour:?}: {}: {printed}", report["failed"]);
    assert_all_failed(status, &report, reason);
    // What the server read is what the report says was sent: nothing is repeated behind its back.
    assert_eq!(server.requests() as u64, SENT, "{behaviour:?}");
    report
}

/// Asserts that no request was completed, and that the verdict names the reason.
#[track_caller]
fn assert_all_failed(status: i32, report: &Value, reason: &str) {
    assert_eq!((assert_account(report), &report["completed"]), (SENT, &Value::from(0)));
    assert_verdict((status, report), true, false);
    let (verdict, words) = (report["verdict"].as_str().unwrap(), Failure::from_name(reason).unwrap().to_string());
    assert!(verdict.contains(&format!("{SENT}× {words}")), "{verdict}");
}

fn raw(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn responses_that_never_come_or_never_end_are_failures() {
    all_fail(Behaviour::Silent, "timeout");
    all_fail(Behaviour::Raw(raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")), "timeout");
    all_fail(Behaviour::Raw(raw("HTTP/1.1 100 Continue\r\n\r\n")), "timeout");
    all_fail(Behaviour::Raw(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).into_bytes()), "head_too_long");
}

#[test]
fn connections_that_end_early_are_failures_with_their_own_names() {
    all_fail(Behaviour::RawAndClose(Vec::new()), "closed");
    all_fail(Behaviour::RawAndReset(Vec::new()), "reset");
    all_fail(Behaviour::RawAndClose(raw("HTTP/1.1 200 OK\r\nContent-Le")), "broken");
    all_fail(Behaviour::RawAndClose(raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")), "wrong_length");
    all_fail(Behaviour::RawAndReset(raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")), "reset_within");
    all_fail(Behaviour::RawAndClose(raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello")), "broken");
}

#[test]
fn what_is_not_http_is_a_failure() {
    all_fail(Behaviour::Raw(raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n")), "protocol");
    all_fail(Behaviour::Raw(raw("SSH-2.0-OpenSSH_9.2\r\n")), "protocol");
    all_fail(Behaviour::Raw(raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok")), "protocol");
    all_fail(Behaviour::Raw(raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")), "protocol");
}

#[test]
fn unusual_but_proper_responses_are_completed() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    // A status that is worse than the logged one is missed all the same.
    for (behaviour, status) in [
        (Behaviour::ByteByByte, "200"),
        (Behaviour::Raw(raw(&format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{ok}"))), "200"),
        (Behaviour::RawAndClose(raw("HTTP/1.1 204 No Content\r\n\r\na body that must not be there")), "204"),
        (Behaviour::RawAndClose(raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")), "200"),
        (Behaviour::Answer(302, "Location: /_matrix/client/versions\r\n"), "302"),
        (Behaviour::Answer(401, ""), "401"),
    ] {
        let server = Misbehaving::start(behaviour.clone());
        let (exit, printed, report) = replay_against(&server, &["--timeout", "5s"]);
        assert_eq!(assert_account(&report), SENT);
        assert_verdict((exit, &report), matches!(status, "302" | "401"), false);
        assert_eq!(report["completed"], SENT, "{behaviour:?}: {}: {printed}", report["failed"]);
        assert_eq!(report["overall"]["status"][status], SENT, "{behaviour:?}: {}", report["overall"]["status"]);
        // Redirects are not followed.
        assert_eq!(server.requests() as u64, SENT, "{behaviour:?}");
    }
}

#[test]
fn an_endless_body_ends_at_the_limit_or_the_timeout() {
    let server = Misbehaving::start(Behaviour::Endless);
    let (status, printed, report) = replay_against(&server, &["--timeout", "2s", "--max-connections", "4"]);
    assert_account(&report);
    assert_verdict((status, &report), true, false);
    assert_eq!(report["completed"], 0, "{printed}");
    let failed = |reason: &str| report["failed"][reason].as_u64().unwrap_or(0);
    assert_eq!(failed("too_long") + failed("timeout"), SENT, "{}", report["failed"]);
}

#[test]
fn rate_limits_and_bursts_of_errors_are_counted_as_what_they_are() {
    for (behaviour, status, count) in [(Behaviour::Answer(429, "Retry-After: 1\r\n"), "429", SENT), (Behaviour::Bursts(3), "503", 9)] {
        let server = Misbehaving::start(behaviour);
        let (exit, printed, report) = replay_against(&server, &[]);
        // Rates that the target limits say nothing of what it can carry.
        assert_verdict((exit, &report), true, status == "429");
        assert_eq!(server.requests() as u64, SENT, "Retry-After is not obeyed");
        assert_eq!((assert_account(&report), &report["completed"]), (SENT, &Value::from(SENT)), "{printed}");
        assert_eq!(report["overall"]["status"][status], count, "{}", report["overall"]["status"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_server_reads_no_more_requests_than_the_report_says() {
    // Kept connections that close: at once, or a moment later, when the next request may be under way.
    for behaviour in [Behaviour::CloseAfterResponse(Duration::ZERO), Behaviour::CloseAfterResponse(Duration::from_millis(15))] {
        let server = Misbehaving::start(behaviour.clone());
        let (status, printed, report) = replay_against(&server, &[]);
        assert_eq!((assert_account(&report), &report["completed"]), (SENT, &Value::from(SENT)), "{behaviour:?}: {printed}");
        assert_verdict((status, &report), false, false);
        assert_eq!(server.requests() as u64, SENT, "{behaviour:?}");
    }
    // A server that reads a request and closes instead of responding has perhaps done it.
    let server = Misbehaving::start(Behaviour::CloseOnSecond);
    let (status, printed, report) = replay_against(&server, &[]);
    assert_eq!((assert_account(&report), server.requests() as u64), (SENT, SENT), "{printed}");
    assert_verdict((status, &report), true, false);
    assert!(report["failed"]["closed"].as_u64().unwrap() >= SENT / 3, "{}", report["failed"]);
}

#[test]
fn a_target_that_refuses_connections_is_named() {
    // The checks of the target are answered, and then nobody listens.
    let server = Misbehaving::start(Behaviour::Answer(200, ""));
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    write_world(folder.path(), &url, 6, 10);
    let (status, report) = std::thread::scope(|scope| {
        let run = scope.spawn(|| run_to_report(folder.path(), &url, &[]));
        server.await_request();
        server.be_down_for(Duration::from_secs(3));
        run.join().unwrap()
    });
    assert_eq!(assert_account(&report), 60);
    let refused = report["failed"]["refused"].as_u64().unwrap_or(0);
    assert!((15..=40).contains(&refused), "{}", report["failed"]);
    assert_verdict((status, &report), true, false);
}

#[test]
fn a_target_that_freezes_is_not_the_generator_s_fault() {
    let server = Misbehaving::start(Behaviour::Answer(200, ""));
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    write_world(folder.path(), &url, 6, 10);
    let (status, report) = std::thread::scope(|scope| {
        let run = scope.spawn(|| run_to_report(folder.path(), &url, &["--max-connections", "5"]));
        server.await_request();
        server.be_frozen_for(Duration::from_secs(3));
        run.join().unwrap()
    });
    assert_eq!((assert_account(&report), &report["completed"]), (60, &Value::from(60)));
    assert_verdict((status, &report), true, false);
    let late_ms = report["lateness_us"]["p99"].as_f64().unwrap() / 1e3;
    assert!(late_ms < 500.0, "waiting for a frozen target is not lateness: {late_ms} ms");
    assert!(report["overall"]["response_ms"]["max"].as_f64().unwrap() > 1500.0, "but response time");
}

#[test]
fn streams_that_are_reset_are_failures_with_their_own_name() {
    for behaviour in [Http2Behaviour::Reset, Http2Behaviour::ResetWithin] {
        let server = Http2Server::start(behaviour);
        let (status, printed, report) = replay_at(&server.url(), &["--http2", "--timeout", "2s"]);
        assert_eq!(report["failed"]["stream_reset"], SENT, "{behaviour:?}: {}: {printed}", report["failed"]);
        assert_all_failed(status, &report, "stream_reset");
        assert_eq!(server.requests() as u64, SENT, "{behaviour:?}: a request that was perhaps processed is not repeated");
    }
}

#[test]
fn a_server_that_says_go_away_instead_of_responding_is_missed() {
    let server = Http2Server::start(Http2Behaviour::GoAway);
    let (status, printed, report) = replay_at(&server.url(), &["--http2", "--timeout", "2s"]);
    assert_eq!((assert_account(&report), &report["completed"]), (SENT, &Value::from(0)), "{printed}");
    assert_eq!(report["failed"]["go_away"], SENT, "{}", report["failed"]);
    assert_verdict((status, &report), true, false);
}

#[test]
fn a_server_that_leaves_its_connections_gracefully_gets_every_request_once() {
    let server = Http2Server::start(Http2Behaviour::Leave);
    let (status, printed, report) = replay_at(&server.url(), &["--http2", "--timeout", "5s"]);
    assert_eq!((assert_account(&report), &report["completed"]), (SENT, &Value::from(SENT)), "{}: {printed}", report["failed"]);
    assert_verdict((status, &report), false, false);
    assert_eq!(server.requests() as u64, SENT);
}

/// Runs a replay and reads its report.
fn run_to_report(folder: &std::path::Path, url: &str, options: &[&str]) -> (i32, Value) {
    let (status, _, stderr) = crate::support::run_in(folder, &replay_arguments(url, options));
    (status, read_report(folder, &stderr))
}

fn read_report(folder: &std::path::Path, stderr: &str) -> Value {
    let text = std::fs::read_to_string(folder.join("reports/run/report.json")).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_hanging_target_ends_the_run_with_a_report() {
    let server = Misbehaving::start(Behaviour::Silent);
    let began = Instant::now();
    let (status, _, report) = replay_against(&server, &["--timeout", "1s"]);
    assert_eq!(report["failed"]["timeout"], SENT);
    assert_verdict((status, &report), true, false);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[cfg(target_os = "linux")]
mod with_signals {
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;

    use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

    use super::*;

    fn start(folder: &Path, url: &str, options: &[&str]) -> BackgroundProcess {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsim"));
        command.current_dir(folder).env("NO_COLOR", "1").args(replay_arguments(url, options));
        BackgroundProcess(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn pid(process: &BackgroundProcess) -> Pid {
        Pid::from_child(&process.0)
    }

    #[test]
    fn signals_end_a_run_against_a_hanging_target_with_a_report() {
        // GNU timeout sends SIGTERM to the program and then to its group, which the program is part of.
        for signals in [&[Signal::TERM, Signal::TERM][..], &[Signal::HUP, Signal::HUP], &[Signal::INT]] {
            let server = Misbehaving::start(Behaviour::Silent);
            let folder = tempfile::tempdir().unwrap();
            write_world(folder.path(), &server.url(), 60, 10);
            let mut running = start(folder.path(), &server.url(), &[]);
            server.await_request();
            for &signal in signals {
                kill_process(pid(&running), signal).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            let status = running.0.wait().unwrap();
            assert_eq!(status.code(), Some(3), "{signals:?}: {status}");
            let report = read_report(folder.path(), "");
            assert_account(&report);
            assert_eq!(report["partial"], true);
        }
    }

    #[test]
    fn a_generator_that_stood_still_does_not_blame_the_target() {
        let server = Misbehaving::start(Behaviour::Answer(200, ""));
        let folder = tempfile::tempdir().unwrap();
        write_world(folder.path(), &server.url(), 4, 50);
        let mut running = start(folder.path(), &server.url(), &[]);
        server.await_request();
        std::thread::sleep(Duration::from_millis(500));
        kill_process(pid(&running), Signal::STOP).unwrap();
        std::thread::sleep(Duration::from_millis(900));
        kill_process(pid(&running), Signal::CONT).unwrap();
        let status = running.0.wait().unwrap();
        let report = read_report(folder.path(), "");
        assert_eq!((assert_account(&report), &report["completed"]), (200, &Value::from(200)));
        // One or two of four seconds are no basis for a verdict on the target; they are named.
        assert_verdict((status.code().unwrap(), &report), false, true);
        assert!(report["void_reasons"][0].as_str().unwrap().contains("the generator was late in"), "{}", report["void_reasons"]);
        assert!(report["episodes"].as_array().unwrap().iter().any(|episode| episode["kind"] == "late"), "{}", report["episodes"]);
        assert!(report["lateness_us"]["max"].as_f64().unwrap() > 500_000.0, "{}", report["lateness_us"]);
        let disturbed = requests_where(folder.path(), "run", "disturbed");
        assert!((30..=80).contains(&disturbed), "{disturbed} of 200 requests were due while the generator stood still");
    }

    #[test]
    fn without_descriptors_the_generator_is_named() {
        let server = Misbehaving::start(Behaviour::Silent);
        let folder = tempfile::tempdir().unwrap();
        write_world(folder.path(), &server.url(), 6, 20);
        let mut running = start(folder.path(), &server.url(), &["--timeout", "8s"]);
        server.await_request();
        // The limit falls below what is open during the run.
        let none = Rlimit { current: Some(20), maximum: Some(20) };
        prlimit(Some(pid(&running)), Resource::Nofile, none).unwrap();
        let status = running.0.wait().unwrap();
        // The report itself needs descriptors; those of the connections are free again.
        let report = read_report(folder.path(), "");
        assert_account(&report);
        assert!(report["failed"]["no_descriptors"].as_u64().unwrap() > 0, "{}", report["failed"]);
        assert_eq!((status.code(), &report["void"]), (Some(3), &Value::Bool(true)));
        assert_blames_generator(&report, Failure::NoDescriptors);
    }

    #[track_caller]
    fn assert_blames_generator(report: &Value, failure: Failure) {
        let (reasons, words) = (&report["void_reasons"], format!("failed because of the generator: {failure}"));
        assert!(reasons.as_array().unwrap().iter().any(|reason| reason.as_str().unwrap().contains(&words)), "{reasons}");
    }

    #[test]
    fn without_ports_the_generator_is_named() {
        // A network of the thread's own, in which four ports are free for connections; processes that it starts are in there, too.
        let in_namespace = std::thread::spawn(|| {
            let network = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
            let machines = network();
            #[expect(deprecated, reason = "its successor is unsafe for the sake of other flags than this one")]
            rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET)
                .expect("a network namespace needs root, or CAP_SYS_ADMIN in a container");
            assert_ne!(network(), machines);
            let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("this test needs ip (Debian's iproute2)");
            assert!(up.success());
            std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40003").unwrap();
            // The server's port must not be one of them.
            let server = Misbehaving::start_at(30_000, Behaviour::Silent);
            replay_at(&server.url(), &["--timeout", "2s"])
        });
        let (status, printed, report) = in_namespace.join().unwrap();
        assert_eq!(assert_account(&report), SENT, "{printed}");
        let failed = |reason: &str| report["failed"][reason].as_u64().unwrap_or(0);
        assert!(failed("no_ports") > 0 && failed("no_ports") + failed("timeout") == SENT, "{}", report["failed"]);
        assert_eq!((status, &report["void"]), (3, &Value::Bool(true)), "{printed}");
        assert_blames_generator(&report, Failure::NoPorts);
    }

    #[test]
    fn fewer_descriptors_than_connections_make_requests_wait() {
        let server = Misbehaving::start(Behaviour::Answer(200, ""));
        let folder = tempfile::tempdir().unwrap();
        let url = server.url();
        write_world(folder.path(), &url, 2, 100);
        let program = env!("CARGO_BIN_EXE_wsim");
        let output = Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", "ulimit -n 100; exec \"$@\"", "sh", program])
            .args(replay_arguments(&url, &[]))
            .output()
            .unwrap();
        let report = read_report(folder.path(), &String::from_utf8_lossy(&output.stderr));
        assert_eq!((assert_account(&report), &report["completed"]), (200, &Value::from(200)), "{}", report["failed"]);
    }

    #[test]
    fn after_a_kill_the_files_of_the_run_can_be_read() {
        let server = Misbehaving::start(Behaviour::Answer(200, ""));
        let folder = tempfile::tempdir().unwrap();
        write_world(folder.path(), &server.url(), 60, 50);
        let mut running = start(folder.path(), &server.url(), &[]);
        server.await_request();
        std::thread::sleep(Duration::from_millis(3500));
        kill_process(pid(&running), Signal::KILL).unwrap();
        assert_eq!(running.0.wait().unwrap().signal(), Some(9));
        let reports = folder.path().join("reports");
        // The folder of a run that did not end, as docs/folders.md names it.
        let mut left = std::fs::read_dir(&reports).unwrap().flatten().map(|entry| entry.path().join("new"));
        let left = left.find(|folder| folder.join("replay.hlog").is_file()).unwrap();
        let log = std::fs::read_to_string(left.join("replay.hlog")).unwrap();
        let lines = log.lines().filter(|line| line.starts_with("Tag=")).count();
        assert!(lines >= 2 && log.ends_with('\n'), "{log}");
        let rows = rows_of(&left.join("requests.parquet"));
        assert!((90..=200).contains(&rows), "{rows} rows in three seconds of 50 requests each");
    }

    fn rows_of(path: &Path) -> usize {
        let table = wsim::parquet::table_reader::TableReader::new(std::fs::File::open(path).unwrap()).unwrap();
        (0..table.groups()).map(|group| table.rows(group)).sum()
    }

    /// Number of requests with a flag.
    fn requests_where(folder: &Path, run: &str, column: &str) -> usize {
        let path = folder.join("reports").join(run).join("requests.parquet");
        let mut table = wsim::parquet::table_reader::TableReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let groups = table.groups();
        let mut set = |group| table.column(group, column).unwrap().bools().unwrap().filter(|flag| *flag == Some(true)).count();
        (0..groups).map(&mut set).sum()
    }
}

#[test]
fn a_world_may_be_replayed_at_another_address_that_has_its_marker() {
    let server = Misbehaving::start(Behaviour::Answer(200, ""));
    let folder = tempfile::tempdir().unwrap();
    write_world(folder.path(), "http://provisioned.example:8008", 2, 5);
    let (status, report) = run_to_report(folder.path(), &server.url(), &[]);
    assert_eq!((status, &report["completed"]), (0, &Value::from(10)), "{report}");
    let heads = server.heads();
    assert!(heads.iter().all(|head| head.contains("accept-encoding: gzip\r\n")), "{heads:?}");
    let forwarded: std::collections::BTreeSet<&str> =
        heads.iter().filter_map(|head| head.lines().find_map(|line| line.strip_prefix("x-forwarded-for: "))).collect();
    assert_eq!(forwarded.len(), 10, "every logged address: {forwarded:?}");
}

#[test]
fn a_folder_that_may_not_be_written_costs_the_files_only() {
    let server = Misbehaving::start(Behaviour::Answer(200, ""));
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    write_world(folder.path(), &url, 1, 10);
    // A file where the folder of reports would be made, because root may write anywhere.
    std::fs::write(folder.path().join("taken"), "").unwrap();
    let (status, printed, errors) = crate::support::run_in(folder.path(), &replay_arguments(&url, &["--out", "taken/reports"]));
    assert_eq!((status, server.requests()), (1, 10), "{errors}");
    assert!(printed.contains("Response times") && printed.contains("completed"), "{printed}");
    assert!(errors.contains("the figures are printed, no files are written") && errors.contains("could not be written"), "{errors}");
}

#[test]
fn all_addresses_of_a_name_are_tried() {
    // `localhost` is ::1 and 127.0.0.1; the server listens on the second only.
    let server = Misbehaving::start(Behaviour::Answer(200, ""));
    let folder = tempfile::tempdir().unwrap();
    let url = server.url().replace("127.0.0.1", "localhost");
    write_world(folder.path(), &url, 2, 5);
    let (_, report) = run_to_report(folder.path(), &url, &[]);
    assert_eq!(report["completed"], 10, "{report}");
}
