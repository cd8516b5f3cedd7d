//! `wsim simulate` on the logs in `samples/cluster`.

use serde_json::Value;

use crate::support::{Run, sample};

/// Runs `wsim simulate` on `samples/cluster` with four replications.
fn simulate(arguments: &[&str]) -> Run {
    let log = sample("cluster");
    Run::of("simulate", &[&[log.as_str(), "--replications", "4"][..], arguments].concat())
}

const THREE_PRESETS: [&str; 9] = ["--plan", "monolith", "--plan", "sync-split", "--plan", "generic", "--workers", "1..2", "--no-backtest"];

#[test]
fn a_lightly_loaded_cluster_is_recommended_a_single_process() {
    let run = simulate(&THREE_PRESETS);
    assert_eq!(run.status(), Some(0), "{}", run.stderr());
    let report = run.json();
    assert_eq!(report["schema"], "wsim.simulation/1");
    assert_eq!(report["recommended"], "monolith");
    let candidates = report["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 5);
    for candidate in candidates {
        for group in candidate["groups"].as_array().unwrap() {
            for figure in ["mean", "p50", "p95", "p99"] {
                let interval = &group["latency_ms"][figure];
                let bound = |name: &str| interval[name].as_f64().unwrap();
                assert!(bound("low") <= bound("value") && bound("value") <= bound("high"), "{group}");
            }
        }
    }
    assert!(!report["reasons"].as_array().unwrap().is_empty());
    for name in ["report.html", "report.md", "charts/latency-by-workers.svg", "charts/queue-over-time.svg"] {
        assert!(!run.read(name).is_empty());
    }
    assert!(run.read("plan.toml").contains("name = \"monolith\""));
}

#[test]
fn every_plan_serves_the_same_number_of_requests() {
    let report = simulate(&THREE_PRESETS).json();
    let served: Vec<i64> = report["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["processes"].as_array().unwrap().iter().map(|process| process["requests"].as_i64().unwrap()).sum())
        .collect();
    let (min, max) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    // Clients poll again after each response, so a slower plan may move a few polls past the end of the window.
    assert!(max - min <= max / 100, "{served:?}");
}

#[test]
fn the_same_seed_gives_the_same_report_on_any_number_of_threads() {
    let report = |threads: &str| {
        let mut report = simulate(&["--plan", "generic 2", "--seed", "5", "--no-backtest", "--threads", threads]).json();
        for volatile in ["created", "command", "next"] {
            report[volatile] = Value::Null;
        }
        serde_json::to_string(&report).unwrap()
    };
    assert_eq!(report("1"), report("3"));
}

#[test]
fn an_objective_that_no_plan_keeps_gives_exit_status_3() {
    let run = simulate(&["--plan", "monolith", "--objective", "p50 work < 1us", "--quiet", "--no-backtest"]);
    assert_eq!(run.status(), Some(3), "{}", run.stderr());
    let report = run.json();
    assert_eq!(report["recommended"], Value::Null);
    assert!(report["verdict"].as_str().unwrap().starts_with("No simulated plan meets the objective (p50 work < 0.001ms)"));
}

#[test]
fn every_balancing_rule_is_tried_and_the_back_test_is_reported() {
    let run = simulate(&["--plan", "generic", "--workers", "2", "--balance", "least_conn", "--balance", "hash consistent by user"]);
    let report = run.json();
    let balances: Vec<&str> =
        report["candidates"].as_array().unwrap().iter().map(|candidate| candidate["balance"].as_str().unwrap()).collect();
    assert!(balances.contains(&"least_conn") && balances.contains(&"hash consistent by user"), "{balances:?}");
    let throughput = &report["backtest"]["throughput"];
    assert!(throughput["error"].as_f64().unwrap().abs() < 0.1, "{throughput}");
}

#[test]
fn json_on_standard_output_equals_the_report_file() {
    let run = simulate(&["--plan", "monolith", "--json", "--no-backtest"]);
    assert_eq!(String::from_utf8(run.output.stdout.clone()).unwrap(), run.read("report.json"));
}

#[test]
fn a_balancing_rule_that_no_proxy_of_the_plans_has_is_a_usage_error() {
    for (rule, said) in [("foo", "nginx has no rule \"foo\""), ("lest_conn", "did you mean \"least_conn\"?")] {
        let run = simulate(&["--plan", "generic", "--workers", "2", "--balance", "least_conn", "--balance", rule, "--no-backtest"]);
        assert_eq!(run.status(), Some(2), "{}", run.stderr());
        assert!(run.stderr().contains("--balance") && run.stderr().contains(said), "{}", run.stderr());
    }
}
