//! Plans given on the command line: all are simulated, their patterns and pools of some clients are obeyed or refused with the reason, and
//! what they cannot do is said in the same words by every command.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::run_in;

/// Two minutes of a homeserver with a bridge: every fourth message is the bridge's, to rooms of its own.
fn log() -> String {
    let mut log = String::new();
    for n in 0..480_u32 {
        let (second, ms) = (n / 4, n % 4 * 250);
        let (minute, second) = (second / 60, second % 60);
        let (user, address, path, agent) = if n % 4 == 3 {
            let puppet = n % 28;
            let path = format!("!broom{}:test.local/send/m.room.message/b{n}?user_id=%40_telegram_{puppet}%3Atest.local", n % 5);
            (format!("@_telegram_{puppet}:test.local"), "127.0.0.1".to_owned(), path, "mautrix-telegram/0.15")
        } else {
            let path = format!("!room{}:test.local/send/m.room.message/m{n}", n % 7);
            (format!("@u{}:test.local", n % 20), format!("10.0.1.{}", n % 20), path, "Element")
        };
        let _ = writeln!(
            log,
            "2026-11-20 09:{minute:02}:{second:02},{ms:03} - synapse.access.http.8008 - 643 - INFO - PUT-{n} - {address} - 8008 - {{{user}}} \
             Processed request: 0.050sec/0.000sec ru=(0.010sec, 0.002sec) db=(0.000sec/0.030sec/12) 1000B 200 \
             \"PUT /_matrix/client/v3/rooms/{path} HTTP/1.1\" \"{agent}\" [0 dbevts]"
        );
    }
    log
}

const EVENT: &str =
    "[[pool]]\nname = \"event\"\nendpoints = [\"event_sending\"]\nworkers = 2\nbalance = \"hash consistent\"\nkey = \"room\"\n";

/// A folder with the log and plans, by their names.
fn folder(plans: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("homeserver.log"), log()).unwrap();
    for (name, rest) in plans {
        let text = format!("name = \"{name}\"\nsynapse = \"1.157\"\n{rest}");
        std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
    }
    folder
}

fn simulate(folder: &Path, plans: &[&str]) -> (i32, String) {
    let mut arguments = vec![
        "simulate",
        "homeserver.log",
        "--no-backtest",
        "--quiet",
        "--replications",
        "2",
        "--no-resample",
        "--force",
        "--name",
        "simulated",
    ];
    let files: Vec<String> = plans.iter().map(|plan| format!("{plan}.toml")).collect();
    for file in &files {
        arguments.extend(["--plan", file]);
    }
    let (status, _, stderr) = run_in(folder, &arguments);
    (status, stderr)
}

fn report(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(format!("reports/{name}/report.json"))).unwrap()).unwrap()
}

/// The requests of a process of the first simulated plan.
fn requests(report: &Value, process: &str) -> u64 {
    let processes = report["candidates"][0]["processes"].as_array().unwrap();
    processes.iter().find(|one| one["name"] == process).unwrap()["requests"].as_u64().unwrap()
}

fn bridge_pool(selection: &str) -> String {
    format!("[[pool]]\nname = \"bridge\"\n{selection}\nworkers = 1\n{EVENT}")
}

#[test]
fn plans_that_differ_only_in_duties_or_proxy_are_all_simulated() {
    let senders = |list: &str| format!("{EVENT}[duties]\nfederation_sender_instances = [{list}]\npusher_instances = [\"pusher1\"]\n");
    let (one, three) =
        (senders("\"federation_sender1\""), senders("\"federation_sender1\", \"federation_sender2\", \"federation_sender3\""));
    let proxies = |proxy: &str| format!("[proxy]\n{proxy}\n{EVENT}");
    let (nginx, four, haproxy) = (proxies("kind = \"nginx\""), proxies("kind = \"nginx\"\nprocesses = 4"), proxies("kind = \"haproxy\""));
    let plans = [("d1", one.as_str()), ("d3", &three), ("nginx", &nginx), ("four", &four), ("haproxy", &haproxy), ("again", &nginx)];
    let folder = folder(&plans);
    let (_, stderr) = simulate(folder.path(), &plans.map(|(name, _)| name));
    assert!(folder.path().join("reports/simulated").is_dir(), "{stderr}");
    let report = report(folder.path(), "simulated");
    let mut simulated: Vec<&str> = report["candidates"].as_array().unwrap().iter().map(|one| one["plan"].as_str().unwrap()).collect();
    simulated.sort_unstable();
    assert_eq!(simulated, ["again", "d1", "d3", "four", "haproxy", "nginx"]);
    assert_eq!(report["discarded"], serde_json::json!([]));
}

#[test]
fn the_simulation_obeys_patterns_and_pools_of_some_clients() {
    let selections = [
        "endpoints = [{pattern = \"^/_matrix/client/v3/rooms/!broom\", methods = [\"PUT\"]}]",
        "endpoints = [\"event_sending\"]\nusers = [\"@_telegram_*\"]",
        "endpoints = [\"event_sending\"]\nappservices = [\"*\"]",
        "endpoints = [\"event_sending\"]\nagents = [\"mautrix-*\"]",
        "endpoints = [\"event_sending\"]\naddresses = [\"127.0.0.0/8\", \"::1\"]",
    ];
    let folder = folder(&[]);
    for selection in selections {
        let text = format!("name = \"b\"\nsynapse = \"1.157\"\n{}", bridge_pool(selection));
        std::fs::write(folder.path().join("b.toml"), text).unwrap();
        let (_, stderr) = simulate(folder.path(), &["b"]);
        let report = report(folder.path(), "simulated");
        let (bridge, others) = (requests(&report, "bridge1"), requests(&report, "event1") + requests(&report, "event2"));
        assert!(bridge > 60 && requests(&report, "main") == 0, "{selection}: {bridge}, {stderr}");
        assert!((2.8..3.2).contains(&(others as f64 / bridge as f64)), "{selection}: {others} to {bridge}");
    }
}

#[test]
fn a_plan_that_the_log_cannot_decide_is_refused_with_the_reason() {
    let cases = [
        ("query", "endpoints = [{pattern = \"user_id=\", methods = [\"PUT\"]}]", "never matches: patterns are searched in the path"),
        ("transaction", "endpoints = [{pattern = \"/b[0-9]+$\"}]", "depends on a part of the path that is not kept of a log"),
        ("token", "endpoints = [\"event_sending\"]\ntokens = [\"as_*\"]", "selects by tokens, which are cut when a log is read"),
    ];
    let folder = folder(&[("plain", EVENT)]);
    for (name, selection, reason) in cases {
        let text = format!("name = \"{name}\"\nsynapse = \"1.157\"\n{}", bridge_pool(selection));
        std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        let (status, stderr) = simulate(folder.path(), &[name]);
        assert_eq!(status, 1, "{name}: {stderr}");
        assert!(stderr.contains(reason), "{name}: {stderr}");
    }
    // Beside another plan the refused one is named in the report's first sentences.
    simulate(folder.path(), &["plain", "token"]);
    let report = report(folder.path(), "simulated");
    let reasons = report["reasons"].to_string();
    assert!(reasons.contains("Plan token was not simulated: pool \\\"bridge\\\" selects by tokens"), "{reasons}");
    assert_eq!(report["discarded"][0]["plan"], "token");
}

#[test]
fn what_a_plan_cannot_do_is_said_in_the_same_words_everywhere_and_another_plan_is_no_measurement_of_it() {
    let odd = "[[pool]]\nname = \"event\"\nendpoints = [\"event_sending\", \"pagination\"]\nworkers = 2\n[[pool]]\nname = \"sso\"\nendpoints = [\"sso_all\"]\nworkers = 2\n";
    let folder = folder(&[("odd", odd), ("plain", EVENT)]);
    let sentences = [
        "pool \"event\" names pagination, but its rule does not keep a room on one worker: /messages stays on the main process",
        "pool \"sso\" gets no requests: a single sign-on must begin and end on one process, and the pool has 2 workers; write workers = 1",
    ];
    simulate(folder.path(), &["odd"]);
    let replay =
        ["replay", "homeserver.log", "--target", "emulated", "--plan", "odd.toml", "--speed", "120", "--quiet", "--name", "replayed"];
    let (_, _, stderr) = run_in(folder.path(), &replay);
    assert!(folder.path().join("reports/replayed/report.json").is_file(), "{stderr}");
    let (_, configured, _) = run_in(folder.path(), &["configure", "odd.toml", "--out", "configured"]);
    let simulated = report(folder.path(), "simulated")["reasons"].clone();
    let replayed = report(folder.path(), "replayed")["remarks"].clone();
    for sentence in sentences {
        assert!(configured.contains(&format!("note: {sentence}\n")), "{configured}");
        assert!(simulated.as_array().unwrap().iter().any(|reason| *reason == format!("Plan odd: {sentence}.")), "{simulated}");
        assert!(replayed.as_array().unwrap().iter().any(|remark| *remark == sentence), "{replayed}");
        for name in ["simulated", "replayed"] {
            let markdown = std::fs::read_to_string(folder.path().join(format!("reports/{name}/report.md"))).unwrap();
            assert!(markdown.contains(sentence.split('\"').nth(2).unwrap()), "{name}: {markdown}");
        }
    }
    let compare = |name: &str| run_in(folder.path(), &["report", "reports/simulated", "reports/replayed", "--quiet", "--name", name]);
    let (status, _, stderr) = compare("same");
    assert!(folder.path().join("reports/same").is_dir(), "{status} {stderr}");
    simulate(folder.path(), &["plain"]);
    let (status, _, stderr) = compare("other");
    assert_eq!(status, 1, "{stderr}");
    let wanted = "reports/simulated predicts plan \"plain\", but reports/replayed replayed plan \"odd\": only the other has a pool \"sso\"";
    assert!(stderr.contains(wanted), "{stderr}");
    assert!(!folder.path().join("reports/other").exists());
}

#[test]
fn route_names_the_pool_of_a_request() {
    let folder =
        folder(&[("b", &bridge_pool("endpoints = [\"event_sending\"]\nusers = [\"@_telegram_*\"]\naddresses = [\"127.0.0.0/8\"]"))]);
    let send = "PUT /_matrix/client/v3/rooms/!a:b/send/m.room.message/1";
    let bridge = format!("{send}?user_id=%40_telegram_1%3Ab");
    let route = |more: &[&str]| run_in(folder.path(), &[&["route", "--plan", "b.toml"][..], more].concat());
    let all = ["--request", send, "--request", &bridge, "--request", "GET /_matrix/client/v3/sync", "--address", "127.0.0.9"];
    assert_eq!(route(&all).1, format!("{send}\tevent\n{bridge}\tbridge\nGET /_matrix/client/v3/sync\tmain\n"));
    assert_eq!(route(&["--request", &bridge, "--address", "10.0.0.1"]).1, format!("{bridge}\tevent\n"));
    let (status, _, stderr) = route(&["--request", &bridge]);
    assert!(status == 2 && stderr.contains("--address: pool \"bridge\" selects by addresses"), "{stderr}");
    let (status, _, stderr) = route(&["--request", "sync"]);
    assert!(status == 2 && stderr.contains("is not METHOD PATH"), "{stderr}");
}

#[test]
fn names_of_clients_are_not_looked_for_among_pseudonyms() {
    let folder = folder(&[("b", &bridge_pool("endpoints = [\"event_sending\"]\nusers = [\"@_telegram_*\"]"))]);
    let (status, _, stderr) = run_in(folder.path(), &["simulate", "homeserver.log", "--plan", "b.toml", "--anonymise"]);
    assert!(status != 0 && stderr.contains("selects clients by names that the anonymised log does not have"), "{stderr}");
}
