//! The deployment that wrote the logs: told by `--observed`, or found in the logs.

use serde_json::Value;

use crate::support::{Run, run_in, sample};

/// The logs of the worker that was limited to 5 ms of CPU in every 20 ms, with the CPU counters.
fn one_worker(more: &[&str]) -> Vec<String> {
    let mut arguments = vec![sample("one-worker"), "--process-cpu".to_owned(), sample("one-worker/process-cpu.csv")];
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    arguments
}

fn observed() -> [String; 2] {
    ["--observed".to_owned(), sample("one-worker/observed.toml")]
}

fn limit_of<'r>(processes: &'r Value, name: &str) -> &'r Value {
    let found = processes.as_array().unwrap().iter().find(|process| process["name"] == name);
    &found.unwrap_or_else(|| panic!("no {name} in {processes}"))["cpu_limit"]
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The back-test of the README's command: every figure that counts is within its limit.
#[test]
fn the_command_line_reproduces_a_limited_worker_when_it_is_told_the_limit() {
    let mut arguments = one_worker(&["--plan", "generic:1", "--replications", "2", "--quiet"]);
    arguments.extend(observed());
    let run = Run::of("simulate", &arguments);
    let report = run.json();
    let test = &report["backtest"];
    let figures = || ["processes", "groups"].into_iter().flat_map(|kind| test[kind].as_array().unwrap()).chain([&test["throughput"]]);
    let counted: Vec<&Value> = figures().filter(|figure| figure["counts"] == true).collect();
    assert!(counted.len() >= 13, "{} figures count: {}", counted.len(), run.stderr());
    let missed: Vec<&&Value> = counted.iter().filter(|figure| number(&figure["error"]).abs() > number(&figure["limit"])).collect();
    assert!(missed.is_empty() && test["passed"] == true, "{missed:#?}");
    let assumptions = report["assumptions"].to_string();
    assert!(assumptions.contains("0.25 cores, 5 ms in every 20 ms (told by --observed)"), "{assumptions}");
    let limit = limit_of(&report["observed"]["processes"], "generic_worker1");
    assert_eq!((number(&limit["cores"]["value"]), number(&limit["period_ms"]), &limit["source"]), (0.25, 20.0, &Value::from("told")));
    // A standard plan is about more workers like those that are there.
    let plan = run.read("plan.toml");
    assert!(plan.contains("cpu = 0.25\ncpu_period = 20\n"), "{plan}");
}

#[test]
fn a_told_limit_makes_the_worker_as_busy_as_it_was() {
    let mut arguments = one_worker(&[]);
    arguments.extend(observed());
    let run = Run::analyse(&arguments);
    let report = run.json();
    assert_eq!(limit_of(&report["deployment"]["processes"], "generic_worker1")["source"], "told");
    assert_eq!(number(&limit_of(&report["deployment"]["processes"], "main")["cores"]["value"]), 1.0);
    let verdict = report["verdict"].to_string();
    assert!(verdict.contains("of the 0.25 cores that it may use"), "{verdict}");
    assert!(report["deployment"]["notes"].to_string().contains("told by --observed"), "{report}");
    assert!(!report["warnings"].to_string().contains("--observed"), "{}", report["warnings"]);
}

#[test]
fn a_limit_that_nobody_told_is_found_named_and_used() {
    let run = Run::analyse(&one_worker(&[]));
    let report = run.json();
    let processes = &report["deployment"]["processes"];
    let limit = limit_of(processes, "generic_worker1");
    let (value, low, high) = (number(&limit["cores"]["value"]), number(&limit["cores"]["low"]), number(&limit["cores"]["high"]));
    assert!(low <= 0.25 && 0.25 <= high && (0.22..0.3).contains(&value), "{limit}");
    assert_eq!((number(&limit["period_ms"]), &limit["source"]), (20.0, &Value::from("found_and_measured")));
    for unlimited in ["main", "event_persister1", "stream_writer1"] {
        assert!(limit_of(processes, unlimited).is_null(), "{unlimited}");
    }
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("almost certainly gets at most") && warnings.contains("[process."), "{warnings}");
    let busy = number(&report["deployment"]["limits"][0]["headroom"]["value"]);
    assert!(busy < 1.5, "the worker is near its limit: {}", report["deployment"]["limits"]);
    // Without the counters the log alone still says it, less surely.
    let logs_only = Run::analyse(&[sample("one-worker")]).json();
    let limit = limit_of(&logs_only["deployment"]["processes"], "generic_worker1");
    assert_eq!(limit["source"], "found");
    assert!(number(&limit["cores"]["low"]) <= 0.25 && number(&limit["cores"]["high"]) >= 0.25, "{limit}");
}

#[test]
fn no_limit_is_found_where_there_is_none() {
    for log in ["cluster", "bridge.log.gz"] {
        let report = Run::analyse(&[sample(log)]).json();
        for process in report["deployment"]["processes"].as_array().unwrap() {
            assert!(process["cpu_limit"].is_null(), "{log}: {process}");
        }
    }
}

#[test]
fn cpu_inferred_from_a_proxy_s_log_knows_the_limit() {
    let log = sample("one-worker/nginx-rich.log.gz");
    let told_plan = sample("one-worker/observed.toml");
    let cpu = |report: &Value| report["groups"].as_array().unwrap().iter().filter_map(|group| group["cpu_seconds"].as_f64()).sum::<f64>();
    let told = Run::analyse(&[&log, "--observed", &told_plan]).json();
    let untold = Run::analyse(&[&log]).json();
    // What Synapse logged for the same requests, s.
    let logged = 11.2;
    let error = |report: &Value| (cpu(report) / logged).ln().abs();
    assert!(error(&told) < error(&untold), "{} and {} s for {logged} s", cpu(&told), cpu(&untold));
    assert_eq!(limit_of(&told["deployment"]["processes"], "127.0.0.1:8081")["source"], "told");
}

#[test]
fn a_plan_that_cannot_be_the_observed_one_is_refused_or_doubted() {
    let folder = tempfile::tempdir().unwrap();
    let log = sample("synapse-worker.log");
    let (status, _, error) = run_in(folder.path(), &["analyse", &log, "--observed", "no-such-plan.toml"]);
    assert!(status == 1 && error.contains("--observed") && error.contains("no-such-plan.toml"), "{status} {error}");
    let (status, _, error) = run_in(folder.path(), &["analyse", &log, "--observed", "gneric:2"]);
    assert!(status == 2 && error.contains("--observed: ") && error.contains("did you mean \"generic\"?"), "{status} {error}");
    std::fs::write(folder.path().join("limits.toml"), "name = \"a\"\nsynapse = \"1.157\"\n[process.main]\ncpu = 0.5\ncpu_period = 2000\n")
        .unwrap();
    let (status, _, error) = run_in(folder.path(), &["analyse", &log, "--observed", "limits.toml"]);
    assert!(status == 1 && error.contains("limits.toml:5: process \"main\": cpu_period = 2000 must be 1 to 1000 ms"), "{status} {error}");
    // A worker that the plan does not have.
    let report = Run::analyse(&[sample("one-worker"), "--observed".to_owned(), "monolith".to_owned()]).json();
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("not in the plan of --observed") && warnings.contains("a whole core is assumed"), "{warnings}");
}
