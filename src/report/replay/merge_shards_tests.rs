//! Shards that are written, read and merged equal the whole; reports that do not belong together are rejected.

use proptest::prelude::*;

use super::{ReplayReport, fixture, merge_shards, read};
use crate::exporter::Report;
use wsim_endpoints::EndpointId;
use wsim_matrix::Tier;
use wsim_replay::record::{LateCounts, Measurements, Recorder};
use wsim_replay::{End, Outcome, Sink, SkipReason, Unsendable};
use wsim_transport::Failure;

fn shard(number: u32, of: u32, measured: Measurements) -> (String, ReplayReport) {
    let report =
        ReplayReport { shard: Some((number, of)), measured, steps: Vec::new(), limit: None, predicted: Vec::new(), ..fixture::report() };
    (format!("shard-{number}"), report)
}

fn measured(outcomes: &[Outcome]) -> Measurements {
    let mut recorder = Recorder::new(["sync", "media", "event_sending"]);
    recorder.upstream(1, "worker1");
    recorder.upstream(2, "worker2");
    recorder.outcomes(outcomes);
    recorder.finish().0
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let end = prop_oneof![
        4 => Just(End::Completed),
        1 => prop::sample::select(Failure::ALL.to_vec()).prop_map(End::Failed),
        1 => prop::sample::select(Unsendable::ALL.to_vec()).prop_map(|skip| End::Skipped(SkipReason::Content(skip))),
        1 => prop::sample::select(vec![SkipReason::QueueFull, SkipReason::Ramp, SkipReason::Overtaken, SkipReason::Filtered]).prop_map(End::Skipped),
    ];
    (0_u16..3, 0_u64..1_000_000_000, 0_u64..9_000_000, 1_u64..900_000_000, 1_u8..3, prop::sample::select(vec![200, 404, 429]), end)
        .prop_map(|(endpoint, intended_ns, late_ns, service_ns, upstream, status, end)| {
            let sent_ns = intended_ns + late_ns + 1;
            Outcome {
                due_ns: intended_ns + late_ns / 2,
                sent_ns: if matches!(end, End::Skipped(_)) { 0 } else { sent_ns },
                first_byte_ns: sent_ns,
                last_byte_ns: sent_ns + service_ns,
                bytes: 10,
                original_us: 2000,
                endpoint: EndpointId(endpoint),
                status,
                original_status: 200,
                upstream,
                long_poll: endpoint == 0,
                ..Outcome::of_end(intended_ns, end)
            }
        })
}

/// The figures alone, sorted: otherwise groups and upstreams are in the order in which a machine first saw them.
fn sorted(mut report: ReplayReport) -> String {
    report.shard = None;
    // Judged by second, of what each machine saw.
    report.measured.episodes.clear();
    report.measured.late = LateCounts::default();
    report.measured.groups.sort_by(|a, b| a.id.cmp(&b.id));
    report.measured.upstreams.sort_by(|a, b| a.name.cmp(&b.name));
    report.json().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn shards_merged_from_their_files_equal_the_whole(outcomes in prop::collection::vec((any_outcome(), 0_u32..3), 1..80)) {
        let all: Vec<Outcome> = outcomes.iter().map(|(outcome, _)| *outcome).collect();
        let (_, whole) = shard(0, 1, measured(&all));
        let shards = (0..3).rev().map(|number| {
            let part: Vec<Outcome> = outcomes.iter().filter(|(_, shard)| *shard == number).map(|(outcome, _)| *outcome).collect();
            let (name, report) = shard(number, 3, measured(&part));
            (name, read(&report.json().unwrap()).unwrap())
        });
        let merged = merge_shards(shards.collect()).unwrap();
        prop_assert_eq!(&merged.void_reasons, &Vec::<String>::new());
        prop_assert_eq!(sorted(merged), sorted(whole));
    }
}

#[test]
fn a_report_read_back_is_the_same_report() {
    for report in [fixture::report(), fixture::void(), fixture::refused()] {
        let mut back = read(&report.json().unwrap()).unwrap();
        // The last digit of a fraction may change.
        for (written, read) in report.predicted.iter().zip(&back.predicted) {
            assert_eq!(written.id, read.id);
            assert!((written.p95.high - read.p95.high).abs() < 1e-9 && (written.p50.low - read.p50.low).abs() < 1e-9);
        }
        assert_eq!(report.predicted.len(), back.predicted.len());
        back.predicted.clone_from(&report.predicted);
        assert_eq!(back.json().unwrap(), report.json().unwrap());
    }
}

#[test]
fn a_missing_or_void_shard_makes_the_whole_void() {
    let one = || shard(1, 3, fixture::report().measured);
    let mut void = shard(2, 3, fixture::report().measured);
    void.1.void_reasons.push("the generator was late".to_owned());
    let merged = merge_shards(vec![one(), void]).unwrap();
    assert_eq!(merged.void_reasons, ["1 of 3 shards is missing: 0", "shard 2 (shard-2): the generator was late"]);
    assert!(merged.facts.partial && merged.shard.is_none());
}

#[test]
fn reports_that_do_not_belong_together_are_rejected() {
    let one = |number| shard(number, 2, fixture::report().measured);
    let error = |change: fn(&mut ReplayReport)| {
        let mut other = one(1);
        change(&mut other.1);
        merge_shards(vec![one(0), other]).unwrap_err().to_string()
    };
    let expected = "shard-0 and shard-1 are not shards of the same replay: --speed is 1 in the first and 2 in the second";
    assert_eq!(error(|report| report.speed = 2.0), expected);
    assert!(error(|report| report.target = "http://127.0.0.1:1".to_owned()).contains("the target is"));
    assert!(error(|report| report.facts.seed += 1).contains("--seed is"));
    assert!(
        error(|report| report.allowed = Tier::Write)
            .contains("the kind of requests allowed is reads in the first and writes in the second")
    );
    assert!(error(|report| report.window.start_us += 1).contains("the start"));
    assert!(
        error(|report| report.conditions.only = vec!["sync".to_owned()]).contains("--only is nothing in the first and sync in the second")
    );
    assert!(error(|report| report.conditions.ramp_seconds = 60.0).contains("--ramp (s) is 0 in the first and 60"));
    assert!(error(|report| report.conditions.http2 = true).contains("the protocol is HTTP/1.1 in the first and HTTP/2"));
    assert!(error(|report| report.conditions.logged_requests = Some(99)).contains("the number of logged requests is 100"));
    let apart = error(|report| report.conditions.began_us = report.conditions.began_us.map(|at| at + 60_000_000));
    assert!(apart.contains("were not one run: they began 1 min apart") && apart.contains("--start-at"), "{apart}");
    assert!(error(|report| report.shard = Some((1, 3))).contains("the number of shards is 2 in the first and 3 in the second"));
    assert!(error(|report| report.shard = Some((0, 2))).contains("are both shard 0"));
    assert!(error(|report| report.shard = None).contains("not a shard but a complete run"));
    assert!(error(|report| report.steps = fixture::report().steps).contains("--find-limit"));
}

#[test]
fn a_changed_or_foreign_file_is_reported() {
    let text = fixture::report().json().unwrap();
    let error = read(&text.replace("wsim.replay/1", "wsim.analysis/1")).unwrap_err();
    assert!(error.to_string().contains("\"wsim.analysis/1\""), "{error}");
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["groups"][0]["sent"] = 1.into();
    assert!(read(&value.to_string()).unwrap_err().to_string().contains("the number of requests sent is"));
    value["histograms"]["lateness"]["hdr"] = "SGVsbG8=".into();
    assert!(read(&value.to_string()).unwrap_err().to_string().contains("histogram of lateness"));
    assert!(read("{}").is_err());
}
