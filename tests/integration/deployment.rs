//! Whose logs they are: traffic that never reached Synapse, the deployment with its workers, logs of a part of it, the same requests twice,
//! clocks that disagree.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Run, sample};

/// When a request ended: seconds after 2026-05-01 08:00.
fn clock(second: u32) -> String {
    format!("{:02}:{:02}:{:02}", 8 + second / 3600, second / 60 % 60, second % 60)
}

/// A line of nginx's combined format, with `tail` behind it.
fn nginx(second: u32, target: &str, tail: &str) -> String {
    format!("192.0.2.7 - - [01/May/2026:{} +0000] \"GET {target} HTTP/1.1\" 200 83 \"-\" \"Element\"{tail}\n", clock(second))
}

/// A line of Synapse's log, with 20 ms of CPU.
fn synapse(second: u32, method: &str, target: &str) -> String {
    format!(
        "2026-05-01 {},000 - synapse.access.http.8008 - 465 - INFO - {method}-1 - 192.0.2.7 - 8008 - {{@a:example.org}} Processed request: 0.040sec/0.001sec (0.020sec, 0.000sec) (0.000sec/0.010sec/1) 83B 200 \"{method} {target} HTTP/1.1\" \"Element\" [0 dbevts]\n",
        clock(second)
    )
}

fn sync(number: u32) -> String {
    format!("/_matrix/client/v3/sync?timeout=0&since=s{number}")
}

/// Writes logs into a folder and analyses it.
fn analysed(logs: &[(&str, String)], options: &[&str]) -> (Run, Value) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in logs {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_string_lossy().into_owned();
    let run = Run::analyse(&[&[path.as_str()], options].concat());
    let report = run.json();
    (run, report)
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn process_names(report: &Value) -> Vec<&str> {
    report["deployment"]["processes"].as_array().unwrap().iter().map(|process| process["name"].as_str().unwrap()).collect()
}

fn cpu_of(report: &Value, group: &str) -> f64 {
    let groups = report["groups"].as_array().unwrap();
    groups.iter().find(|other| other["id"] == group).map_or(0.0, |group| group["cpu_seconds"].as_f64().unwrap())
}

#[test]
fn a_blog_and_a_php_socket_behind_the_same_proxy_cost_synapse_nothing() {
    let (mut access, mut homeserver) = (String::new(), String::new());
    for second in 0..600 {
        access += &nginx(second, &format!("/assets/{second}.js"), " rt=0.000 urt=- ua=-");
        if second % 10 == 0 {
            access += &nginx(second, "/index.php", " rt=0.050 urt=0.050 ua=unix:/run/php/php-fpm.sock");
            access += &nginx(second, &sync(second), " rt=0.042 urt=0.041 ua=127.0.0.1:8008");
            homeserver += &synapse(second, "GET", &sync(second));
        }
    }
    let (_, report) = analysed(&[("access.log", access), ("homeserver.log", homeserver)], &[]);
    assert!((cpu_of(&report, "sync") - 1.2).abs() < 1e-9, "{:?}", report["groups"]);
    assert_eq!(cpu_of(&report, "not_matrix"), 0.0);
    assert_eq!(process_names(&report), ["main"]);
    assert_eq!(report["deployment"]["foreign_requests"], 660);
    let warning = texts(&report["warnings"])[0];
    assert!(warning.starts_with("foreign traffic left out: 660 requests"), "{warning}");
    assert!(warning.contains("60 sent to \"unix:/run/php/php-fpm.sock\", which is not Synapse"), "{warning}");
}

#[test]
fn without_upstreams_and_without_a_trace_other_paths_are_no_load_either() {
    let mut access = String::new();
    for second in 0..600 {
        access += &nginx(second, &format!("/assets/{second}.js"), "");
        access += &nginx(second, &sync(second), "");
    }
    for options in [&[][..], &["--no-trace"]] {
        let (_, report) = analysed(&[("access.log", access.clone())], options);
        assert_eq!(report["deployment"]["foreign_requests"], 600, "{options:?}");
        assert_eq!(cpu_of(&report, "not_matrix"), 0.0);
        assert!(cpu_of(&report, "sync") > 0.0);
    }
}

#[test]
fn a_server_with_workers_hears_of_its_own_processes() {
    let run = Run::analyse(&[sample("cluster")]);
    let report = run.json();
    let mut names = process_names(&report);
    names.sort_unstable();
    assert_eq!(names, ["event_persister1", "generic_worker1", "generic_worker2", "main", "media_worker1", "stream_writer1"]);
    let roles: Vec<&Value> = report["deployment"]["processes"].as_array().unwrap().iter().map(|process| &process["role"]).collect();
    assert_eq!(roles.iter().filter(|role| **role == "main").count(), 1);
    assert_eq!(roles.iter().filter(|role| **role == "event_persister").count(), 1);
    assert_eq!(report["deployment"]["partial"], false);
    let verdict = report["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("Your 6 processes are enough: at the peak"), "{verdict}");
    assert!(verdict.contains("generic_worker1 could go: generic_worker2 alone would be"), "{verdict}");
    assert!(run.read("report.html").contains("Your processes are enough"));
    assert!(run.read("report.md").contains("## Smallest standard plan that would do"));
}

#[test]
fn the_log_of_one_worker_or_of_the_main_process_alone_gives_no_verdict() {
    for (name, missing) in
        [("synapse-worker.log", "a worker: the logs of the main process"), ("synapse-main.log", "this is the main process alone")]
    {
        let run = Run::analyse(&[sample(name)]);
        let report = run.json();
        let verdict = report["verdict"].as_str().unwrap();
        assert!(verdict.starts_with("No verdict: ") && verdict.contains(missing), "{verdict}");
        assert_eq!(
            (&report["recommended"], &report["deployment"]["partial"], &report["candidates"]),
            (&Value::Null, &json!(true), &json!([]))
        );
        assert!(report["confidence"]["why"].as_str().unwrap().contains(missing));
        assert!(texts(&report["warnings"])[0].contains(missing));
        assert_eq!(run.status(), Some(3));
    }
}

#[test]
fn with_the_proxys_log_missing_processes_are_told_and_the_verdict_is_partial() {
    let (mut access, mut main) = (String::new(), String::new());
    for second in 0..600 {
        let upstream = if second % 3 == 0 { "127.0.0.1:8008" } else { "127.0.0.1:8081" };
        access += &nginx(second, &sync(second), &format!(" rt=0.042 urt=0.041 ua={upstream}"));
        if second % 3 == 0 {
            main += &synapse(second, "GET", &sync(second));
        }
    }
    let (run, report) = analysed(&[("access.log", access), ("homeserver.log", main)], &[]);
    assert_eq!(process_names(&report), ["main", "127.0.0.1:8081"]);
    assert_eq!(report["deployment"]["partial"], true);
    let verdict = report["verdict"].as_str().unwrap();
    let missing = "1 process is known only from the proxy's log (\"127.0.0.1:8081\"): its log is missing";
    assert!(verdict.starts_with(&format!("Partial picture: {missing}. Your 2 processes")), "{verdict}");
    assert!(report["confidence"]["why"].as_str().unwrap().contains(missing));
    assert!(run.stdout().contains("Partial picture"));
}

/// The same thousand requests in the combined format and in a richer one.
fn two_formats() -> [(&'static str, String); 2] {
    let (mut combined, mut rich) = (String::new(), String::new());
    for number in 0..1000 {
        combined += &nginx(number * 2, &sync(number), "");
        rich += &nginx(number * 2, &sync(number), " rt=0.042 urt=0.041 ua=127.0.0.1:8008");
    }
    [("access.log", combined), ("rich.log", rich)]
}

#[test]
fn the_same_requests_in_two_formats_are_found_and_dedupe_counts_them_once() {
    let (_, report) = analysed(&two_formats(), &[]);
    assert_eq!(report["requests"], 2000);
    let verdict = report["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("No verdict: ") && verdict.contains("hold the same requests") && verdict.contains("--dedupe"), "{verdict}");
    let (_, report) = analysed(&two_formats(), &["--dedupe"]);
    assert_eq!(report["requests"], 1000);
    assert_eq!(report["inputs"].as_array().unwrap().iter().map(|input| input["duplicates"].as_u64().unwrap()).sum::<u64>(), 1000);
    assert!(report["verdict"].as_str().unwrap().starts_with("The main process is"), "{}", report["verdict"]);
    assert!(texts(&report["warnings"]).contains(&"1,000 requests were in more than one input counted once"), "{:?}", report["warnings"]);
}

#[test]
fn another_homeserver_on_the_same_proxy_costs_nothing_where_the_log_has_virtual_hosts() {
    // nginx's vhost format: the host first.
    let line = |host: &str, second: u32| format!("{host}:443 {}", nginx(second, &sync(second), ""));
    let access = (0..600).fold(String::new(), |log, second| log + &line("matrix.example.org", second) + &line("other.example.net", second));
    let logs = [("access.log", access)];
    let (_, all) = analysed(&logs, &[]);
    assert_eq!(all["deployment"]["foreign_requests"], 0);
    for options in [&["--virtual-host", "Matrix.example.org"][..], &["--virtual-host", "matrix.example.org:443", "--no-trace"]] {
        let (_, report) = analysed(&logs, options);
        assert_eq!((&report["requests"], &report["deployment"]["foreign_requests"]), (&json!(1200), &json!(600)), "{options:?}");
        assert!((cpu_of(&report, "sync") / cpu_of(&all, "sync") - 0.5).abs() < 0.01, "{options:?}: {:?}", report["groups"]);
    }
    let (_, report) = analysed(&logs, &["--virtual-host", "matrix.example.org"]);
    let told = texts(&report["warnings"])[0];
    assert!(told.contains("600 to virtual hosts that --virtual-host does not name"), "{told}");
}

#[test]
fn without_a_trace_the_same_requests_are_found_too() {
    let (_, report) = analysed(&two_formats(), &["--no-trace"]);
    let verdict = report["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("No verdict: ") && verdict.contains("hold the same requests"), "{verdict}");
    assert!(!verdict.contains("--dedupe"), "it does not go with --no-trace: {verdict}");
    // Two formats whose clocks are an hour apart.
    let [(first, combined), (second, _)] = two_formats();
    let later = (0..1000)
        .fold(String::new(), |log, number| log + &nginx(3600 + number * 2, &sync(number), " rt=0.042 urt=0.041 ua=127.0.0.1:8008"));
    let (_, report) = analysed(&[(first, combined), (second, later)], &["--no-trace"]);
    let verdict = report["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("No verdict: ") && verdict.contains("with clocks 1 h apart"), "{verdict}");
}

#[test]
fn without_a_trace_a_proxy_and_synapse_that_log_the_same_requests_are_counted_twice() {
    for ahead in [0, 3600] {
        let (mut access, mut main) = (String::new(), String::new());
        for number in 0..600 {
            access += &nginx(number * 3, &sync(number), "");
            main += &synapse(ahead + number * 3, "GET", &sync(number));
        }
        let logs = [("access.log", access), ("homeserver.log", main)];
        let (_, kept) = analysed(&logs, &[]);
        assert_eq!((&kept["requests"], &kept["joined"]["joined"]), (&json!(600), &json!(600)));
        let (_, report) = analysed(&logs, &["--no-trace"]);
        let verdict = report["verdict"].as_str().unwrap();
        assert!(
            verdict.starts_with("No verdict: ") && verdict.contains("without a trace they are not joined and counted twice"),
            "{verdict}"
        );
        assert_eq!(verdict.contains("with clocks 1 h apart"), ahead > 0, "{verdict}");
    }
}

#[test]
fn a_request_between_processes_for_every_sync_is_no_copy_of_a_log() {
    let (mut worker, mut main) = (String::new(), String::new());
    for number in 0..400 {
        worker += &synapse(number * 2, "GET", &sync(number));
        main += &synapse(number * 2, "POST", &format!("/_synapse/replication/presence_set_state/@a:example.org/{number}"));
    }
    for options in [&[][..], &["--no-trace"]] {
        let (_, report) = analysed(&[("generic_worker1.log", worker.clone()), ("homeserver.log", main.clone())], options);
        let warnings = report["warnings"].to_string();
        assert!(!warnings.contains("same number of requests") && !warnings.contains("hold the same"), "{options:?}: {warnings}");
        assert_eq!(report["internal_requests"], 400);
    }
}

#[test]
fn two_machines_with_the_same_busy_targets_are_not_taken_for_copies() {
    let log = |offset: u32| {
        (0..2000u32).fold(String::new(), |mut log, number| {
            log += &nginx(
                number / 2,
                if (number + offset).is_multiple_of(3) { "/_matrix/client/versions" } else { "/_matrix/client/v3/sync" },
                "",
            );
            log
        })
    };
    let (_, report) = analysed(&[("one.log", log(0)), ("two.log", log(1) + &nginx(1003, "/_matrix/client/v3/keys/query", ""))], &[]);
    assert!(!texts(&report["warnings"]).iter().any(|warning| warning.contains("hold the same requests (")), "{:?}", report["warnings"]);
}

#[test]
fn a_proxy_whose_clock_is_an_hour_behind_is_joined_and_told() {
    let (mut access, mut main) = (String::new(), String::new());
    for number in 0..300 {
        access += &nginx(number * 3, &sync(number), "");
        main += &synapse(3600 + number * 3, "GET", &sync(number));
    }
    let (_, report) = analysed(&[("access.log", access), ("homeserver.log", main)], &[]);
    assert_eq!(report["joined"]["joined"], 300);
    assert_eq!(report["requests"], 300);
    let offset = report["joined"]["clock_offset_us"].as_i64().unwrap();
    assert!((offset - 3_600_000_000).abs() < 2_000_000, "{offset}");
    let warnings = texts(&report["warnings"]);
    assert!(
        warnings[0].starts_with("the proxy's clock is 1 h") && warnings[0].contains("behind Synapse's") && warnings[0].contains("--tz"),
        "{warnings:?}"
    );
}

#[test]
fn a_log_in_a_folder_that_cannot_be_read_may_be_a_whole_process() {
    let folder = tempfile::tempdir().unwrap();
    let log = |method: &str, target: &str| {
        (0..300).fold(String::new(), |mut log, second| {
            let _ = write!(log, "{}", synapse(second, method, target));
            log
        })
    };
    std::fs::write(folder.path().join("homeserver.log"), log("POST", "/_matrix/client/v3/register")).unwrap();
    std::fs::write(folder.path().join("generic_worker1.log"), log("GET", &sync(1))).unwrap();
    // The head of a gzip file, and nothing after it.
    std::fs::write(folder.path().join("generic_worker2.log.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]).unwrap();
    let verdict = |path: &Path| {
        let run = Run::analyse(&[path]);
        let report = run.json();
        assert_eq!(report["deployment"]["partial"], true);
        report["verdict"].as_str().unwrap().to_owned()
    };
    let told = verdict(folder.path());
    assert!(told.starts_with("No verdict: ") && told.contains("generic_worker2.log.gz was not read"), "{told}");
    // A rotated file of a log that is there is a part of it.
    std::fs::rename(folder.path().join("generic_worker2.log.gz"), folder.path().join("generic_worker1.log.2.gz")).unwrap();
    let told = verdict(folder.path());
    assert!(
        told.starts_with("Partial picture: 1 of 3 inputs is damaged or unreadable") && told.contains("Your 2 processes are enough"),
        "{told}"
    );
}
