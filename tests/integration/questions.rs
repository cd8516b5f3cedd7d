//! Answers to single questions: `wsim size`, `presets`, `changed`, `whatif`.

use serde_json::Value;

use crate::support::{run_in, sample, wsim};

fn answer(arguments: &[&str]) -> (i32, Value) {
    let output = wsim().args(arguments).arg("--json").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|parse| panic!("{parse}: {error}"));
    (output.status.code().unwrap(), report)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Whether a range of an answer holds a measured value.
fn holds(range: &Value, measured: f64) -> bool {
    number(&range["low"]) <= measured && measured <= number(&range["high"])
}

/// What the log of `samples/cluster` says of itself: requests, syncs and CPU of request lines a second, and events.
fn measured() -> [f64; 4] {
    let folder = tempfile::tempdir().unwrap();
    let (_, text, error) = run_in(folder.path(), &["analyse", &sample("cluster"), "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|parse| panic!("{parse}: {error}"));
    let seconds = number(&report["window"]["seconds"]);
    let groups = report["groups"].as_array().unwrap();
    let clients = || groups.iter().filter(|group| group["internal"] == false);
    let sum = |of: &dyn Fn(&Value) -> f64| clients().map(of).sum::<f64>() / seconds;
    let is_sync = |group: &Value| ["sync", "sliding_sync"].contains(&group["id"].as_str().unwrap());
    [
        sum(&|group| number(&group["requests"])),
        sum(&|group| if is_sync(group) { number(&group["requests"]) } else { 0.0 }),
        sum(&|group| group["cpu_seconds"].as_f64().unwrap_or(0.0)),
        number(&report["events_per_second"]["mean"]),
    ]
}

/// What is told of the cluster: 40 accounts of whom 13 are online at once with one client (11 polls wait and 2 requests are at work on average), 26 rooms, a
/// bridge, and how many events people online, bridge and the other server make in an hour. What they read, whom their news reaches, how often clients sync and what requests cost is not told.
const CLUSTER: [&str; 19] = [
    "size",
    "--users",
    "40",
    "--rooms",
    "26",
    "--bridges",
    "1",
    "--assume",
    "online=0.325",
    "--assume",
    "devices=1",
    "--assume",
    "messages_per_hour=332",
    "--assume",
    "bridge_messages_per_hour=1500",
    "--assume",
    "federation_floor_small=1200..2000",
    "--simulated",
    "0",
];

#[test]
fn a_size_made_without_the_log_holds_the_load_of_the_real_cluster() {
    let [requests, syncs, cpu, events] = measured();
    let (status, size) = answer(&CLUSTER);
    assert_eq!((status, &size["schema"]), (0, &"wsim.size/1".into()));
    assert_eq!(size["online_users"]["value"], 13.0);
    for (range, value) in
        [("requests_per_second", requests), ("syncs_per_second", syncs), ("request_cores", cpu), ("events_per_second", events)]
    {
        assert!(holds(&size[range], value), "{range}: {value} is not in {}", size[range]);
        // A range that holds everything says nothing.
        let width = number(&size[range]["high"]) / number(&size[range]["low"]);
        assert!(width < 15.0, "{range}: {}", size[range]);
    }
}

#[test]
fn a_size_has_plans_and_the_same_seed_gives_the_same() {
    let arguments = ["size", "--users", "60", "--draws", "6", "--simulated", "1", "--seed", "3"];
    let (status, size) = answer(&arguments);
    assert_eq!(status, 0);
    assert_eq!(size["simulated"].as_array().unwrap().len(), 1, "{size}");
    let one_thread: Vec<&str> = arguments.into_iter().chain(["--threads", "1"]).collect();
    let without = |report: &Value| {
        let mut report = report.clone();
        report.as_object_mut().unwrap().retain(|key, _| !["created", "command"].contains(&key.as_str()));
        report
    };
    assert_eq!(without(&answer(&one_thread).1), without(&size), "whatever the number of threads");
}

#[test]
fn the_main_process_alone_is_enough_for_the_cluster_and_presets_cost_more() {
    let folder = tempfile::tempdir().unwrap();
    let prices = folder.path().join("prices.toml");
    std::fs::write(&prices, "currency = \"EUR\"\ncore = 8.0\ngb = 2.5\nmiss = 100.0\n").unwrap();
    let (status, found) = answer(&["presets", &sample("cluster"), "--memory", "2GB", "--prices", prices.to_str().unwrap()]);
    assert_eq!((status, &found["schema"], &found["cheapest"]), (0, &"wsim.presets/1".into(), &0.into()), "{found}");
    let rows = found["rows"].as_array().unwrap();
    let named = |name: &str| rows.iter().find(|row| row["plan"] == name).unwrap_or_else(|| panic!("no {name}"));
    let (monolith, many) = (named("monolith"), named("mdad specialized-workers"));
    assert_eq!((&monolith["cores_ratio"], &many["workers"]), (&1.0.into(), &18.into()));
    // Nineteen processes receive every event and wait for work.
    assert!(number(&many["cores_ratio"]) > 1.5, "{many}");
    assert!(number(&many["cost"]["value"]) > number(&monolith["cost"]["value"]) && number(&many["regret"]) > 0.0);
    let warnings = many["warnings"].to_string();
    assert!(warnings.contains("memory of the machine"), "{warnings}");
    assert_eq!(monolith["warnings"], Value::Array(Vec::new()));
}

#[test]
fn a_report_of_a_good_and_a_bad_time_is_what_changed() {
    let windows = ["--good", "2026-11-20T16:54:00..2026-11-20T16:56:00", "--bad", "2026-11-20T16:57:00..2026-11-20T16:58:00"];
    let of = |command: &str| {
        let cluster = sample("cluster");
        let arguments: Vec<&str> = [command, cluster.as_str()].into_iter().chain(windows).collect();
        answer(&arguments)
    };
    let (status, changed) = of("changed");
    assert_eq!((status, &changed["schema"]), (0, &"wsim.changed/1".into()));
    let cpu = &changed["cpu"];
    let change = number(&cpu["bad"]) - number(&cpu["good"]);
    assert!((number(&cpu["of_count"]) + number(&cpu["of_cost"]) - change).abs() < 1e-9);
    // The busiest minute of the log has twice the requests of the others: more of them, at the same price.
    assert!(number(&cpu["of_count"]) > 0.7 * change && change > number(&cpu["noise"]), "{cpu}");
    assert_eq!(of("report").1["by_cpu"], changed["by_cpu"]);
}

#[test]
fn windows_that_overlap_or_are_no_windows_are_wrong_usage() {
    let status = |good: &str, bad: &str| {
        let output = wsim().args(["changed", &sample("cluster"), "--good", good, "--bad", bad]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = status("2026-11-20T16:54..2026-11-20T16:56", "2026-11-20T16:55..2026-11-20T16:58");
    assert!(code == 2 && error.contains("overlap"), "{error}");
    let (code, error) = status("yesterday", "2026-11-20T16:55..2026-11-20T16:58");
    assert!(code == 2 && error.contains("--good"), "{error}");
    let (code, error) = status("2026-11-20T16:54..2026-11-20T16:56", "2026-11-21T16:55..2026-11-21T16:58");
    assert!(code == 1 && error.contains("no request in the bad window"), "{error}");
}

#[test]
fn without_presence_the_cluster_has_fewer_syncs_and_no_relays() {
    let (status, found) = answer(&["whatif", "presence", &sample("cluster"), "--replications", "3", "--plan", "synapse-docs 2"]);
    assert_eq!((status, &found["schema"]), (0, &"wsim.whatif/1".into()));
    let costs = &found["costs"];
    // 19 requests of clients; 152 presence_set_state and 91 bump_presence_active_time between processes.
    assert_eq!((&costs["own_requests"], &costs["relayed"]), (&19.into(), &243.into()), "{costs}");
    let case = |name: &str| {
        found["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap_or_else(|| panic!("no {name}: {found}"))
    };
    let syncs = |name: &str| number(&case(name)["syncs_per_second"]);
    // Presence woke 23 % of the polls; a part of them would have been woken by something else at once.
    let left = syncs("without presence") / syncs("as it is");
    assert!((0.7..0.95).contains(&left), "{left}");
    assert!(syncs("without presence") < syncs("50 % of it") && syncs("50 % of it") < syncs("as it is"));
    let cores = |name: &str| number(&case(name)["cores"]["value"]);
    assert!(cores("without presence") < cores("as it is"));
    assert!(cores("a writer of its own") > 0.95 * cores("as it is"));
    assert!(case("a writer of its own")["plan"].as_str().unwrap().contains("presence_writer1"));
}

#[test]
fn counters_of_the_traffic_with_presence_are_not_spread_over_what_is_left_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cpu.csv");
    let processes = [("main", 8), ("generic_worker1", 12), ("generic_worker2", 24), ("stream_writer1", 6), ("event_persister1", 8)];
    let rows = processes.map(|(name, cpu)| format!("1795193600,{name},0\n1795193760,{name},{}\n1795193920,{name},{cpu}\n", cpu / 2));
    std::fs::write(&file, format!("epoch,process,cpu_seconds_total\n{}", rows.concat())).unwrap();
    let words = ["whatif", "presence", &sample("cluster"), "--replications", "3", "--plan", "synapse-docs 2", "--share", "0"];
    let (status, found) = answer(&[&words[..], &["--process-cpu", file.to_str().unwrap()]].concat());
    assert_eq!(status, 0, "{found}");
    let cores = |case: usize| number(&found["cases"][case]["cores"]["value"]);
    // Presence is behind a tenth of the CPU of request lines.
    let left = cores(1) / cores(0);
    assert!((0.88..0.965).contains(&left), "{left}");
}

#[test]
fn a_restart_of_the_main_process_alone_holds_everything_up_and_one_of_two_workers_little() {
    let of = |plan: &str| {
        let (status, found) =
            answer(&["restart", &sample("cluster"), "--plan", plan, "--replications", "3", "--down", "10s", "--pause", "20s"]);
        assert_eq!((status, &found["schema"]), (0, &"wsim.restart/1".into()), "{found}");
        found
    };
    let waits = |case: &Value| number(&case["waiting_seconds"]["value"]);
    let alone = of("monolith");
    let cases = alone["cases"].as_array().unwrap();
    assert_eq!((cases.len(), &cases[0]["name"]), (1, &"main".into()));
    // Some twenty requests a second for ten seconds, five seconds each: a thousand. Long polls that are not woken meanwhile wait for nothing.
    assert!((100.0..3000.0).contains(&waits(&cases[0])), "{}", cases[0]);
    let two = of("generic 2");
    let named = |name: &str| {
        two["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap_or_else(|| panic!("no {name}: {two}"))
    };
    assert!(waits(named("generic1")) < 0.2 * waits(&cases[0]), "{}", named("generic1"));
    assert!(named("generic1")["recovered_seconds"].as_f64().is_some_and(|seconds| seconds < 60.0), "{}", named("generic1"));
    let (status, _, error) = run_in(std::path::Path::new("."), &["restart", &sample("cluster"), "--plan", "monolith", "--down", "10m"]);
    assert!(status == 1 && error.contains("too short"), "{error}");
}

#[test]
fn a_size_like_a_log_is_that_log_times_its_users() {
    let (status, found) = answer(&["size", "--users", "40", "--like", &sample("cluster"), "--like-users", "40"]);
    let loads = found["loads"].as_array().unwrap();
    assert_eq!((status, &found["schema"], loads.len()), (0, &"wsim.size/1".into(), 3), "{found}");
    // As active as the log's users, and twice as active.
    let (same, twice) = (&loads[1], &loads[2]);
    assert_eq!((number(&same["factor"]), number(&twice["factor"]), &same["plan"]), (1.0, 2.0, &"monolith".into()));
    let ratio = number(&twice["cores"]["value"]) / number(&same["cores"]["value"]);
    assert!((1.5..2.6).contains(&ratio), "{ratio}");
}

#[test]
fn what_a_sender_sent_is_that_of_its_log_and_a_second_one_does_not_help_a_single_server() {
    let log = sample("cluster/synapse-federation_sender1.log.gz");
    let (status, found) = answer(&["whatif", "federation", &log, "--down", "1m"]);
    assert_eq!((status, &found["schema"], &found["destinations_known"]), (0, &"wsim.federation/1".into(), &1.into()), "{found}");
    // Counted from the log by other means: 461 transactions, 265 events, 298 EDUs, 72.47 s on the way within 272.477 s.
    let seconds = number(&found["seconds"]);
    assert!((seconds - 272.477).abs() < 1e-6);
    let per_second = |key: &str| number(&found[key]) * seconds;
    assert!((per_second("transactions_per_second") - 461.0).abs() < 1e-6);
    assert!((per_second("pdus_per_second") - 265.0).abs() < 1e-6 && (per_second("edus_per_second") - 298.0).abs() < 1e-6);
    let other = &found["destinations"][0];
    assert_eq!(other["name"], "other.local");
    assert!((number(&other["busy"]) * seconds - 72.47).abs() < 1e-3 && (number(&other["response_ms"]) - 72_470.0 / 461.0).abs() < 1e-3);
    let senders = found["senders"].as_array().unwrap();
    assert_eq!(senders.len(), 3);
    assert!(senders.iter().all(|senders| senders["catch_up_seconds"] == senders[0]["catch_up_seconds"] || senders["share"] == 1.0));
    // The whole folder says the same.
    assert_eq!(answer(&["whatif", "federation", &sample("cluster"), "--down", "1m"]).1["destinations"], found["destinations"]);
    let (status, _, error) = run_in(std::path::Path::new("."), &["whatif", "federation", &sample("one-worker")]);
    assert!(status == 1 && error.contains("federation senders"), "{error}");
}

#[test]
fn with_tokens_that_rotate_users_who_stay_with_a_worker_make_fewest_questions() {
    let (status, found) = answer(&["whatif", "tokens", &sample("cluster"), "--life", "1m", "--workers", "4"]);
    assert_eq!((status, &found["schema"]), (0, &"wsim.tokens/1".into()), "{found}");
    let case = |choice: &str| found["cases"].as_array().unwrap().iter().find(|case| case["choice"] == choice).unwrap();
    let asked = |choice: &str| number(&case(choice)["asked_per_second"]);
    let cold = |choice: &str| number(&case(choice)["cold_per_user_hour"]);
    assert!((asked("user") - asked("token")).abs() < 1e-12, "a token is at one worker, whichever");
    assert!(asked("round_robin") > 1.5 * asked("user"), "{found}");
    assert!(cold("user") < cold("token") && cold("token") <= cold("round_robin"), "{found}");
    // A user is cold once in these minutes.
    assert!((cold("user") * number(&found["seconds"]) / 3600.0 - 1.0).abs() < 1e-6);
}

#[test]
fn a_burst_of_a_bridge_takes_its_cpu_and_longer_beside_people() {
    let (status, found) = answer(&["whatif", "bots", &sample("cluster"), "--burst", "200"]);
    assert_eq!((status, &found["schema"], &found["burst"]), (0, &"wsim.bots/1".into(), &200.into()), "{found}");
    let cpu = number(&found["cpu_ms"]["value"]) / 1000.0;
    let apart = number(&found["drained_apart_seconds"]["value"]);
    assert!((apart - 200.0 * cpu).abs() < 1e-9);
    let busy = number(&found["others_busy"]["value"]);
    assert!((number(&found["drained_seconds"]["value"]) - apart / (1.0 - busy)).abs() < 1e-9);
    assert_eq!((number(&found["refused"]["low"]), number(&found["refused"]["high"])), (0.0, 149.0));
    let (status, _, error) = run_in(std::path::Path::new("."), &["whatif", "bots", &sample("one-worker")]);
    assert!(status == 1 && error.contains("--agent"), "{error}");
}

#[test]
fn a_worker_more_moves_few_keys_of_a_ring_and_most_of_a_modulo() {
    let (status, found) = answer(&["whatif", "worker", &sample("cluster"), "--plan", "synapse-docs 3"]);
    assert_eq!((status, &found["schema"]), (0, &"wsim.added_worker/1".into()), "{found}");
    let pools = found["pools"].as_array().unwrap();
    let moved = |ring: bool| {
        let pool =
            pools.iter().find(|pool| pool["balance"].as_str().unwrap().ends_with("consistent") == ring && number(&pool["keys"]) >= 20.0);
        number(&pool.unwrap_or_else(|| panic!("{found}"))["keys_moved"])
    };
    // Three workers become four: a quarter and three quarters, of some dozens of keys.
    assert!((0.02..0.5).contains(&moved(true)) && (0.5..0.95).contains(&moved(false)), "{} {}", moved(true), moved(false));
    let (status, _, error) = run_in(std::path::Path::new("."), &["whatif", "worker", &sample("cluster"), "--plan", "monolith"]);
    assert!(status == 1 && error.contains("no pool of"), "{error}");
}

#[test]
fn an_option_of_another_question_is_wrong_usage() {
    let of = |arguments: &[&str]| run_in(std::path::Path::new("."), arguments);
    let (status, _, error) = of(&["whatif", "tokens", "x.log", "--share", "0.5"]);
    assert!(status == 2 && error.contains("--share says nothing about tokens"), "{error}");
    let (status, _, error) = of(&["whatif", "worker", "x.log"]);
    assert!(status == 2 && error.contains("--plan is needed"), "{error}");
    let (status, _, error) = of(&["whatif", "federation", "x.log", "--down", "a while"]);
    assert!(status == 2 && error.contains("like 10s"), "{error}");
}
