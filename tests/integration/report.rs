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

#[test]
fn three_analyses_of_different_weeks_have_a_trend() {
    let folder = tempfile::tempdir().unwrap();
    let log = sample("synapse-worker.log");
    let (_, _, stderr) = run_in(folder.path(), &["analyse", &log, "--quiet", "--no-trace", "--name", "week-0"]);
    let first = folder.path().join("reports/week-0/report.json");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&first).unwrap_or_else(|_| panic!("{stderr}"))).unwrap();
    // Each week takes a tenth of the first limit more than the one before.
    for week in 0..4_i64 {
        let mut copy = report.clone();
        for end in ["start", "end"] {
            let instant: jiff::Timestamp = report["window"][end].as_str().unwrap().parse().unwrap();
            copy["window"][end] = (instant + jiff::SignedDuration::from_hours(week * 7 * 24)).to_string().into();
        }
        let headroom = serde_json::json!({ "value": 1.0 / (0.5 + 0.1 * week as f64), "low": 1.0, "high": 3.0 });
        copy["deployment"]["limits"] = serde_json::json!([{ "kind": "cpu", "where": "main", "headroom": headroom }]);
        let run = folder.path().join(format!("reports/week-{week}"));
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("report.json"), copy.to_string()).unwrap();
    }
    let runs = ["report", "reports/week-2", "reports/week-0", "reports/week-1", "reports/week-3", "--name", "trend"];
    let (status, stdout, stderr) = run_in(folder.path(), &runs);
    assert!(status == 0 && stdout.contains("the objective breaks in the week"), "{stdout}{stderr}");
    let trend: Value = serde_json::from_str(&std::fs::read_to_string(folder.path().join("reports/trend/report.json")).unwrap()).unwrap();
    assert_eq!((trend["schema"].as_str(), trend["runs"].as_array().unwrap().len()), (Some("wsim.trend/1"), 4));
    assert!(trend["runs"][0]["name"].as_str().unwrap().ends_with("week-0"), "oldest first");
    // 50 % to 80 % in three weeks reach 100 % two weeks after the last.
    let middle: jiff::Timestamp = trend["runs"][3]["start"].as_str().unwrap().parse().unwrap();
    let expected: jiff::civil::Date = trend["breaks"]["expected"].as_str().unwrap().parse().unwrap();
    let days = (expected - middle.to_zoned(jiff::tz::TimeZone::UTC).date()).get_days();
    assert!((8..=15).contains(&days), "{days} days, {}", trend["breaks"]);
    assert!(folder.path().join("reports/trend/charts/limit-over-time.svg").is_file());
    // Two of the same time are compared, as before.
    let (_, stdout, _) = run_in(folder.path(), &["report", "reports/week-0", "reports/week-1", "--json", "--name", "two"]);
    assert!(stdout.contains("wsim.comparison/1"), "{stdout}");
}
