//! An invented replay, hostile names included.

use super::model::{LimitStep, LoadLimit, Predicted, ReplayReport, RunConditions};
use crate::analysis::fixture;
use wsim_advise::Objective;
use wsim_endpoints::EndpointId;
use wsim_matrix::Tier;
use wsim_profile::Window;
use wsim_replay::record::Recorder;
use wsim_replay::{End, Outcome, Sink, SkipReason, Unsendable};
use wsim_stats::Interval;
use wsim_transport::Failure;

/// A valid run with a prediction and a search for the limit.
pub(crate) fn report() -> ReplayReport {
    let mut recorder = Recorder::new(["sync", "event_sending", "media"]).with_cpu(std::iter::repeat_n(125_000, 100).collect());
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
            sent_ns: if sent { sent_ns } else { 0 },
            first_byte_ns: sent_ns + 1_000_000,
            last_byte_ns: sent_ns + (number + 1) * 1_000_000,
            bytes: 500,
            original_us: 20_000,
            row: u32::try_from(number).unwrap(),
            endpoint: EndpointId(endpoint),
            status: if number == 20 { 404 } else { 200 },
            original_status: 200,
            upstream: 1 + u8::from(number % 2 == 0),
            long_poll: endpoint == 0 && number % 2 == 0,
            ..Outcome::of_end(intended_ns, end)
        });
    }
    recorder.outcomes(&outcomes);
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
        stopped: None,
        expected: "p95 work < 5s, errors < 5%, failures < 2%".parse::<Objective>().unwrap(),
        conditions: RunConditions { began_us: Some(1_796_000_000_000_000), logged_requests: Some(100), ..RunConditions::default() },
        predicted: vec![Predicted { id: "event_sending".to_owned(), p50: range(50.0), p95: range(90.0) }],
        steps: vec![
            LimitStep { load: 1.0, rate: 14.5, p95_ms: 80.0, holds: true, why: "every term holds".to_owned(), cause: None },
            LimitStep {
                load: 1.5,
                rate: 20.0,
                p95_ms: 620.0,
                holds: false,
                why: "p95 work < 500ms, but measured 620 ms".to_owned(),
                cause: Some("2 upstreams alike".to_owned()),
            },
        ],
        limit: Some(LoadLimit {
            value: Some(1.0),
            low: Some(1.0),
            high: Some(1.5),
            broke: Some("p95 work < 500ms, but measured 620 ms: 2 upstreams alike".to_owned()),
            beyond: None,
            predicted: Some(1.2),
        }),
    }
}

/// A run in which every request was refused.
pub(crate) fn refused() -> ReplayReport {
    let mut recorder = Recorder::new(["sync"]);
    let answer = |number: u64| Outcome {
        sent_ns: number * 10_000_000 + 1,
        first_byte_ns: number * 10_000_000 + 1_000_000,
        last_byte_ns: number * 10_000_000 + 1_000_000,
        bytes: 40,
        original_us: 20_000,
        status: 401,
        original_status: 200,
        ..Outcome::of_end(number * 10_000_000, End::Completed)
    };
    recorder.outcomes(&(0..319).map(answer).collect::<Vec<_>>());
    ReplayReport {
        measured: recorder.finish().0,
        expected: Objective::of_replays(),
        steps: Vec::new(),
        limit: None,
        predicted: Vec::new(),
        ..report()
    }
}

/// A void run.
pub(crate) fn void() -> ReplayReport {
    ReplayReport { void_reasons: vec!["the generator was late: p99 34.0 ms".to_owned()], predicted: Vec::new(), ..report() }
}
