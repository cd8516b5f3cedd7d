//! `wsim report` on folders that other commands wrote.

use serde_json::Value;

use crate::support::{run_in, sample};

#[test]
fn two_analyses_are_compared_as_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    for (name, number) in [("before", 1), ("after", 2)] {
        let log = sample(&format!("cluster/synapse-generic_worker{number}.log.gz"));
        let (_, _, stderr) = run_in(folder.path(), &["analyse", &log, "--quiet", "--no-trace", "--name", name]);
        assert!(folder.path().join("reports").join(name).join("tables/groups.csv").is_file(), "{stderr}");
    }
    let (status, stdout, stderr) = run_in(folder.path(), &["report", "reports/before", "reports/after"]);
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.contains("reports/after against reports/before"), "{stdout}");
    let comparison = folder.path().join("reports/comparison");
    for name in ["report.html", "report.md", "tables/runs.csv", "tables/traffic.csv"] {
        assert!(comparison.join(name).is_file(), "{name}");
    }
    let report: Value = serde_json::from_str(&std::fs::read_to_string(comparison.join("report.json")).unwrap()).unwrap();
    assert_eq!((report["schema"].as_str(), report["pairs"][0]["kind"].as_str()), (Some("wsim.comparison/1"), Some("change")));
    let (status, _, stderr) = run_in(folder.path(), &["report", "reports/before", "reports/comparison", "--name", "again"]);
    assert!(status == 1 && stderr.contains("wsim.comparison/1"), "{stderr}");
}

#[test]
fn a_simulation_and_a_replay_are_compared_as_predicted_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let log = sample("synapse-worker.log");
    let simulate = ["simulate", &log, "--plan", "generic", "--workers", "2..2", "--no-backtest", "--quiet", "--name", "simulated"];
    let (_, _, stderr) = run_in(folder.path(), &simulate);
    assert!(folder.path().join("reports/simulated/tables/candidates.csv").is_file(), "{stderr}");
    let replay = ["replay", &log, "--target", "emulated", "--plan", "generic:2", "--speed", "20", "--quiet", "--name", "replayed"];
    let (_, _, stderr) = run_in(folder.path(), &replay);
    assert!(folder.path().join("reports/replayed/report.json").is_file(), "{stderr}");
    let (_, stdout, stderr) = run_in(folder.path(), &["report", "reports/simulated", "reports/replayed", "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let pair = &report["pairs"][0];
    assert_eq!((pair["kind"].as_str(), pair["from"].as_u64(), pair["to"].as_u64()), (Some("prediction"), Some(1), Some(0)));
    assert!(pair["groups"].as_array().unwrap().iter().any(|group| group["p50"]["relative"].is_f64()), "{pair}");
}
