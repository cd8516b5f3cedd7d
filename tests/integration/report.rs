//! `wsim report` on folders that the other commands left.

use std::path::Path;

use serde_json::Value;

use super::support::{sample, wsim};

fn run(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output = wsim().current_dir(folder).args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn two_analyses_are_before_and_after() {
    let place = tempfile::tempdir().unwrap();
    for (name, number) in [("before", 1), ("after", 2)] {
        let log = sample(&format!("cluster/synapse-generic_worker{number}.log.gz"));
        let (_, _, told) = run(place.path(), &["analyse", &log, "--quiet", "--no-trace", "--name", name]);
        assert!(place.path().join("reports").join(name).join("tables/groups.csv").is_file(), "{told}");
    }
    let (status, said, told) = run(place.path(), &["report", "reports/before", "reports/after"]);
    assert_eq!(status, 0, "{told}");
    assert!(said.contains("From reports/before to reports/after"), "{said}");
    let folder = place.path().join("reports/comparison");
    for name in ["report.html", "report.md", "tables/runs.csv", "tables/traffic.csv"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    let report: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!((report["schema"].as_str(), report["pairs"][0]["kind"].as_str()), (Some("wsim.comparison/1"), Some("change")));
    let (status, _, told) = run(place.path(), &["report", "reports/before", "reports/comparison", "--name", "again"]);
    assert!(status == 1 && told.contains("wsim.comparison/1"), "{told}");
}

#[test]
fn a_simulation_and_a_replay_are_predicted_and_measured() {
    let place = tempfile::tempdir().unwrap();
    let log = sample("synapse-worker.log");
    let simulate = ["simulate", &log, "--plan", "generic", "--workers", "2..2", "--no-backtest", "--quiet", "--name", "simulated"];
    let (_, _, told) = run(place.path(), &simulate);
    assert!(place.path().join("reports/simulated/tables/candidates.csv").is_file(), "{told}");
    let replay = ["replay", &log, "--target", "emulated", "--plan", "generic:2", "--speed", "20", "--quiet", "--name", "replayed"];
    let (_, _, told) = run(place.path(), &replay);
    assert!(place.path().join("reports/replayed/report.json").is_file(), "{told}");
    let (_, said, told) = run(place.path(), &["report", "reports/simulated", "reports/replayed", "--json"]);
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {told}"));
    let pair = &report["pairs"][0];
    assert_eq!((pair["kind"].as_str(), pair["from"].as_u64(), pair["to"].as_u64()), (Some("prediction"), Some(1), Some(0)));
    assert!(pair["groups"].as_array().unwrap().iter().any(|group| group["p50"]["relative"].is_f64()), "{pair}");
}
