//! An invented replay, hostile names included.

use super::model::{CpuShare, LimitStep, Predicted, ReplayReport};
use crate::analysis::fixture;
use wsim_endpoints::EndpointId;
use wsim_matrix::Tier;
use wsim_profile::Window;
use wsim_replay::record::Recorder;
use wsim_replay::{End, Outcome, Sink, SkipReason, Unsendable};
use wsim_stats::Interval;
use wsim_transport::Failure;

/// A valid run with a prediction and a search for the limit.
pub(crate) fn report() -> ReplayReport {
    let mut recorder = Recorder::new(["sync", "event_sending", "media"]);
    recorder.upstream(1, "127.0.0.1:8081");
    recorder.upstream(2, "<script>alert(1)</script>\u{1b}[31m\u{202e}=cmd()");
    let mut outcomes = Vec::new();
    for number in 0..100_u64 {
        let endpoint = u16::try_from(number % 3).unwrap();
        let end = match number {
            7 => End::Failed(Failure::Timeout),
            10..=19 => End::Skipped(SkipReason::Content(Unsendable::Write)),
            _ => End::Completed,
        };
        let sent = !matches!(end, End::Skipped(_));
        let intended_ns = number * 10_000_000;
        let sent_ns = intended_ns + 40_000 + number * 1000;
        outcomes.push(Outcome {
            intended_ns,
            due_ns: intended_ns,
            sent_ns: if sent { sent_ns } else { 0 },
            first_byte_ns: sent_ns + 1_000_000,
            last_byte_ns: sent_ns + (number + 1) * 1_000_000,
            bytes: 500,
            original_us: 20_000,
            row: u32::try_from(number).unwrap(),
            copy: 0,
            endpoint: EndpointId(endpoint),
            status: if number == 20 { 404 } else { 200 },
            original_status: 200,
            upstream: 1 + u8::from(number % 2 == 0),
            long_poll: endpoint == 0 && number % 2 == 0,
            end,
        });
    }
    recorder.outcomes(&outcomes).unwrap();
    let analysis = fixture::report();
    let range = |value: f64| Interval::new(value, value * 0.9, value * 1.1);
    ReplayReport {
        facts: analysis.facts,
        target: "http://127.0.0.1:18000".to_owned(),
        plan: None,
        remarks: Vec::new(),
        server_name: Some("wsim.test".to_owned()),
        window: Window { start_us: 1_763_653_640_000_000, end_us: 1_763_653_820_000_000 },
        speed: 1.0,
        load: 1.5,
        shard: None,
        allowed: Tier::Read,
        left_out_time: None,
        took_seconds: 180.5,
        measured: recorder.finish().0,
        void_reasons: Vec::new(),
        cpu: Some(CpuShare { logged_seconds: 12.5, skipped_seconds: vec![("write", 2.5)] }),
        predicted: vec![Predicted { id: "event_sending".to_owned(), p50: range(50.0), p95: range(90.0) }],
        steps: vec![
            LimitStep { load: 1.0, rate: 14.5, p95_ms: 80.0, holds: true, why: "p95 80 ms".to_owned() },
            LimitStep { load: 1.5, rate: 20.0, p95_ms: 620.0, holds: false, why: "p95 620 ms is not below 500 ms".to_owned() },
        ],
    }
}

/// A void run.
pub(crate) fn void() -> ReplayReport {
    ReplayReport { void_reasons: vec!["the generator was late: p99 34.0 ms".to_owned()], predicted: Vec::new(), ..report() }
}
