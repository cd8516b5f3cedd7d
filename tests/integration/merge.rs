//! `wsim merge` on the folders that shards of a replay on several machines write.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wsim::advise::Objective;
use wsim::endpoints::EndpointId;
use wsim::matrix::Tier;
use wsim::parquet::table_file::TableFile;
use wsim::parquet::table_reader::TableReader;
use wsim::profile::Window;
use wsim::replay::record::{Measurements, REQUEST_COLUMNS, Recorder};
use wsim::replay::{End, Outcome, Sink};
use wsim::report::replay::{ReplayReport, RunConditions};
use wsim::report::{Report, RunFacts};

use crate::support::wsim;

/// Measurements of one shard with forty responses, each a millisecond slower than the one before.
fn measured(folder: &Path, number: u64) -> Measurements {
    let log = std::fs::File::create(folder.join("replay.hlog")).unwrap();
    let began = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    let requests = std::fs::File::create(folder.join("requests.parquet")).unwrap();
    let requests = TableFile::new(requests, &REQUEST_COLUMNS).unwrap();
    let mut recorder = Recorder::new(["sync", "media"]).with_interval_log(Box::new(log), began).with_requests(Box::new(requests));
    recorder.upstream(1, "worker1");
    let outcomes: Vec<Outcome> = (0..40)
        .map(|index| {
            let intended_ns = index * 100_000_000;
            let sent_ns = intended_ns + 50_000;
            Outcome {
                sent_ns,
                first_byte_ns: sent_ns,
                last_byte_ns: sent_ns + (number * 40 + index + 1) * 1_000_000,
                bytes: 10,
                original_us: 2000,
                endpoint: EndpointId(u16::try_from(index % 2).unwrap()),
                status: 200,
                original_status: 200,
                upstream: 1,
                ..Outcome::of_end(intended_ns, End::Completed)
            }
        })
        .collect();
    recorder.outcomes(&outcomes);
    let (measured, written) = recorder.finish();
    written.unwrap();
    measured
}

fn shard(parent: &Path, number: u32, seed: u64) -> PathBuf {
    let folder = parent.join(format!("shard-{number}"));
    std::fs::create_dir(&folder).unwrap();
    let report = ReplayReport {
        facts: RunFacts {
            wsim: "0.1.0".to_owned(),
            created: "2026-11-27T10:00:00Z".to_owned(),
            command: "wsim replay".to_owned(),
            seed,
            synapse_version: "1.142".to_owned(),
            table_note: String::new(),
            time_zone: "UTC".to_owned(),
            partial: false,
            joined: None,
            assumptions: Vec::new(),
            next: Vec::new(),
        },
        target: "http://127.0.0.1:28008".to_owned(),
        plan: None,
        remarks: Vec::new(),
        server_name: Some("wsim.test".to_owned()),
        window: Window { start_us: 1_763_653_640_000_000, end_us: 1_763_653_820_000_000 },
        speed: 1.0,
        load: 1.0,
        shard: Some((number, 2)),
        allowed: Tier::Read,
        left_out_time: None,
        took_seconds: 4.0,
        measured: measured(&folder, u64::from(number)),
        void_reasons: Vec::new(),
        stopped: None,
        expected: Objective::of_replays(),
        conditions: RunConditions { began_us: Some(1_800_000_000_000_000 + i64::from(number) * 250_000), ..RunConditions::default() },
        predicted: Vec::new(),
        steps: Vec::new(),
        limit: None,
    };
    std::fs::write(folder.join("report.json"), report.json().unwrap()).unwrap();
    folder
}

/// The folders of two shards of one replay.
pub(crate) fn shards(parent: &Path) -> [PathBuf; 2] {
    [shard(parent, 0, 7), shard(parent, 1, 7)]
}

/// Copies the runs to `$WSIM_KEEP_RUNS` if it is set, as `tests/hlog/check` does.
fn keep(runs: [&PathBuf; 3]) {
    let Some(target) = std::env::var_os("WSIM_KEEP_RUNS") else { return };
    for run in runs {
        let to = Path::new(&target).join(run.file_name().unwrap());
        std::fs::create_dir(&to).unwrap();
        for name in ["replay.hlog", "report.json"] {
            std::fs::copy(run.join(name), to.join(name)).unwrap();
        }
    }
}

fn sorted(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers
}

#[test]
fn two_shards_are_merged_into_one_run() {
    let place = tempfile::tempdir().unwrap();
    let runs = [shard(place.path(), 1, 7), shard(place.path(), 0, 7)];
    let merge = || wsim().arg("merge").args(&runs).args(["--name", "whole", "--out"]).arg(place.path()).output().unwrap();
    let output = merge();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = place.path().join("whole");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!((report["completed"].as_u64(), report["void"].as_bool(), report["shard"].is_null()), (Some(80), Some(false), true));
    // 1 to 80 ms in both shards together, and 0.05 ms of lateness.
    let median = report["overall"]["response_ms"]["p50"].as_f64().unwrap();
    assert!((median - 40.05).abs() < 0.1, "{median}");
    let mut requests = TableReader::new(std::fs::File::open(folder.join("requests.parquet")).unwrap()).unwrap();
    let mut intended: Vec<u64> = Vec::new();
    for group in 0..requests.groups() {
        intended.extend(requests.column(group, "intended_ns").unwrap().numbers::<u64>().unwrap().flatten());
    }
    // The second shard began 250 ms after the first.
    let expected: Vec<u64> = [0, 250_000_000].iter().flat_map(|began| (0..40).map(move |index| began + index * 100_000_000)).collect();
    assert_eq!(intended.len(), 80);
    intended.sort_unstable();
    assert_eq!(intended, sorted(expected));
    let log = std::fs::read_to_string(folder.join("replay.hlog")).unwrap();
    assert_eq!((log.matches("StartTime:").count(), log.matches("Tag=sync").count()), (1, 8), "{log}");
    for name in ["report.md", "report.html", "tables/groups.csv"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    keep([&runs[0], &runs[1], &folder]);
    let again = merge();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
}

#[test]
fn a_folder_that_may_not_be_written_costs_the_files_only() {
    let place = tempfile::tempdir().unwrap();
    let runs = shards(place.path());
    // A file where the folder of reports would be made, because root may write anywhere.
    std::fs::write(place.path().join("taken"), "").unwrap();
    let output = wsim().arg("merge").args(&runs).arg("--out").arg(place.path().join("taken/reports")).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(out.contains("Response times"), "{out}");
    assert!(error.contains("the figures are printed, no files are written") && error.contains("could not be written"), "{error}");
}

#[test]
fn a_merge_with_a_missing_shard_is_void() {
    let place = tempfile::tempdir().unwrap();
    let run = shard(place.path(), 1, 7);
    let output = wsim().arg("merge").arg(run).arg("--out").arg(place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Void: 1 of 2 shards is missing: 0"));
}

#[test]
fn shards_of_different_replays_are_not_merged() {
    let place = tempfile::tempdir().unwrap();
    let runs = [shard(place.path(), 0, 7), shard(place.path(), 1, 8)];
    let output = wsim().arg("merge").args(runs).arg("--out").arg(place.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("are not shards of the same replay: --seed is 7 in the first and 8 in the second"), "{stderr}");
    assert!(!place.path().join("merged").exists());
}
