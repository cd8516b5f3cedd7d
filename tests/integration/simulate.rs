//! `wsim simulate` on the sample logs, through the program.

use serde_json::Value;

use crate::support::{sample, wsim};

/// A finished run.
struct Run {
    folder: tempfile::TempDir,
    output: std::process::Output,
}

impl Run {
    fn simulate(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = wsim()
            .args(["simulate", &sample("cluster"), "--replications", "3", "--name", "run", "--out"])
            .arg(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        Self { folder, output }
    }

    fn read(&self, name: &str) -> String {
        let path = self.folder.path().join("run").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; {}", path.display(), self.stderr()))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.read("report.json")).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    fn status(&self) -> Option<i32> {
        self.output.status.code()
    }
}

const THREE: [&str; 9] = ["--plan", "monolith", "--plan", "sync-split", "--plan", "generic", "--workers", "1..2", "--no-backtest"];

#[test]
fn a_quiet_cluster_could_stay_with_one_process() {
    let run = Run::simulate(&THREE);
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
fn requests_are_conserved_whatever_the_plan() {
    let report = Run::simulate(&THREE).json();
    let served: Vec<i64> = report["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["processes"].as_array().unwrap().iter().map(|process| process["requests"].as_i64().unwrap()).sum())
        .collect();
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    // Closed loops shift a poll over the window's end here and there.
    assert!(most - least <= most / 100, "{served:?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let once = |threads: &str| {
        let mut report = Run::simulate(&["--plan", "generic 2", "--seed", "5", "--no-backtest", "--threads", threads]).json();
        for volatile in ["created", "command"] {
            report[volatile] = Value::Null;
        }
        serde_json::to_string(&report).unwrap()
    };
    assert_eq!(once("1"), once("3"));
}

#[test]
fn an_objective_out_of_reach_is_exit_status_3() {
    let run = Run::simulate(&["--plan", "monolith", "--objective", "p50 work < 1us", "--quiet", "--no-backtest"]);
    assert_eq!(run.status(), Some(3), "{}", run.stderr());
    let report = run.json();
    assert_eq!(report["recommended"], Value::Null);
    assert!(report["verdict"].as_str().unwrap().starts_with("No simulated plan keeps to p50 work < 0.001ms"));
}

#[test]
fn rules_are_tried_on_every_plan_and_the_back_test_stands_beside_them() {
    let run = Run::simulate(&["--plan", "generic", "--workers", "2", "--balance", "least_conn", "--balance", "hash consistent by user"]);
    let report = run.json();
    let balances: Vec<&str> = report["candidates"].as_array().unwrap().iter().map(|one| one["balance"].as_str().unwrap()).collect();
    assert!(balances.contains(&"least_conn") && balances.contains(&"hash consistent by user"), "{balances:?}");
    let throughput = &report["backtest"]["throughput"];
    assert!(throughput["error"].as_f64().unwrap().abs() < 0.1, "{throughput}");
}

#[test]
fn json_on_standard_output_is_the_report_and_nothing_else() {
    let run = Run::simulate(&["--plan", "monolith", "--json", "--no-backtest"]);
    assert_eq!(String::from_utf8(run.output.stdout.clone()).unwrap(), run.read("report.json"));
}
