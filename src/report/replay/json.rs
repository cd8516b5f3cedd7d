//! `report.json` of a replay: schema `wsim.replay/1`, in `schema/replay-1.json`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::judgement::JudgedTerm;
use super::model::{ReplayReport, RunConditions};
use crate::exporter::ReportError;
use crate::shared::json::{self, Span};
use wsim_plan::Plan;
use wsim_replay::record::{Episode, EpisodeKind, Group, LatencyHistogram, Tally};

/// The JSON Schema (2020-12) of a replay.
pub const SCHEMA: &str = include_str!("../schema/replay-1.json");

pub(super) fn json(report: &ReplayReport) -> Result<String, ReportError> {
    Ok(json::write(&Replay::from(report))?)
}

#[derive(Serialize)]
struct Replay<'a> {
    schema: &'static str,
    wsim: &'a str,
    created: &'a str,
    command: &'a str,
    seed: u64,
    partial: bool,
    synapse_version: &'a str,
    assumptions: &'a [String],
    verdict: String,
    /// Whether the target did not do what was expected of it; of a void run only errors count.
    missed: bool,
    expected: String,
    judged: Vec<WireJudged>,
    stopped: Option<&'a str>,
    episodes: Vec<WireEpisode<'a>>,
    target: &'a str,
    plan: Option<&'a Plan>,
    remarks: &'a [String],
    server_name: Option<&'a str>,
    window: Span,
    left_out_time: Option<&'a str>,
    speed: f64,
    load: f64,
    shard: Option<[u32; 2]>,
    conditions: WireConditions<'a>,
    allowed: &'a str,
    took_seconds: f64,
    scheduled: u64,
    sent: u64,
    completed: u64,
    failed: &'a BTreeMap<&'static str, u64>,
    skipped: &'a BTreeMap<&'static str, u64>,
    limited: u64,
    lateness_us: Lateness,
    /// Counts by second: whether the generator was late now and then or all the time.
    late: WireLate,
    held_ms: Latency,
    delays: WireDelays,
    void: bool,
    void_reasons: &'a [String],
    cpu: Option<Cpu>,
    overall: WireTally,
    groups: Vec<WireGroup<'a>>,
    upstreams: Vec<WireUpstream<'a>>,
    predicted: Vec<WirePredicted<'a>>,
    limit: Option<f64>,
    load_limit: Option<WireLimit<'a>>,
    limit_steps: Vec<WireStep<'a>>,
    /// Exact histograms, for `wsim merge`.
    histograms: Histograms,
}

#[derive(Serialize)]
struct Lateness {
    p50: f64,
    p99: f64,
    max: f64,
}

#[derive(Serialize)]
struct Cpu {
    logged_seconds: f64,
    skipped_seconds: BTreeMap<&'static str, f64>,
}

#[derive(Serialize)]
struct Latency {
    count: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Serialize)]
struct WireTally {
    scheduled: u64,
    sent: u64,
    completed: u64,
    response_ms: Latency,
    service_ms: Latency,
    original_ms: Latency,
    lateness_us: Lateness,
    status: BTreeMap<u16, u64>,
    status_differs: u64,
    bytes: u64,
    errors: u64,
    failures: u64,
    queue_full: u64,
    failed: BTreeMap<&'static str, u64>,
    worse: Vec<WireWorse>,
}

#[derive(Serialize)]
struct WireWorse {
    logged: u16,
    status: u16,
    count: u64,
}

#[derive(Serialize)]
struct WireJudged {
    term: String,
    measured: String,
    met: bool,
    cause: Option<String>,
}

#[derive(Serialize)]
struct WireEpisode<'a> {
    kind: &'static str,
    upstream: Option<&'a str>,
    from_seconds: f64,
    to_seconds: f64,
    requests: u64,
}

#[derive(Serialize)]
struct WireLate {
    seconds: u64,
    late_seconds: u64,
    sent: u64,
    late: u64,
}

#[derive(Serialize)]
struct WireDelays {
    connecting_ms: Latency,
    tls_ms: Latency,
    waiting_for_a_connection_ms: Latency,
    repeats: u64,
    disturbed: u64,
}

#[derive(Serialize)]
struct WireConditions<'a> {
    began: Option<String>,
    only: &'a [String],
    skip: &'a [String],
    ramp_seconds: f64,
    http2: bool,
    connections_max: Option<u64>,
    logged_requests: Option<u64>,
}

#[derive(Serialize)]
struct WireLimit<'a> {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    broke: Option<&'a str>,
    beyond: Option<&'a str>,
    predicted: Option<f64>,
}

#[derive(Serialize)]
struct WireGroup<'a> {
    id: &'a str,
    #[serde(flatten)]
    work: WireTally,
    long_polls: WireTally,
}

#[derive(Serialize)]
struct WireUpstream<'a> {
    name: &'a str,
    requests: u64,
    service_ms: Latency,
    errors: u64,
    passed_over: u64,
}

#[derive(Serialize)]
struct WirePredicted<'a> {
    id: &'a str,
    p50: wsim_stats::Interval,
    p95: wsim_stats::Interval,
}

#[derive(Serialize)]
struct WireStep<'a> {
    load: f64,
    requests_per_second: f64,
    p95_ms: f64,
    holds: bool,
    why: &'a str,
    cause: Option<&'a str>,
}

/// Histograms of times in ns: HdrHistogram V2, deflated, base64. The sums make the means exact.
#[derive(Serialize)]
struct Histograms {
    lateness: WireTimes,
    held: WireTimes,
    connecting: WireTimes,
    tls: WireTimes,
    waiting_for_a_connection: WireTimes,
    groups: Vec<GroupTimes>,
    upstreams: Vec<WireTimes>,
}

#[derive(Serialize)]
struct GroupTimes {
    work: TallyTimes,
    long_polls: TallyTimes,
}

#[derive(Serialize)]
struct TallyTimes {
    lateness: WireTimes,
    service: WireTimes,
    response: WireTimes,
    original: WireTimes,
}

#[derive(Serialize)]
struct WireTimes {
    sum_ns: String,
    hdr: String,
}

impl<'a> From<&'a ReplayReport> for Replay<'a> {
    fn from(report: &'a ReplayReport) -> Self {
        let (facts, measured) = (&report.facts, &report.measured);
        Self {
            schema: "wsim.replay/1",
            wsim: &facts.wsim,
            created: &facts.created,
            command: &facts.command,
            seed: facts.seed,
            partial: facts.partial,
            synapse_version: &facts.synapse_version,
            assumptions: &facts.assumptions,
            verdict: report.verdict(),
            missed: report.is_missed(),
            expected: report.expected.to_string(),
            judged: report
                .judged()
                .into_iter()
                .map(|JudgedTerm { term, measured, met, cause, .. }| WireJudged { term, measured, met, cause })
                .collect(),
            stopped: report.stopped.as_deref(),
            episodes: measured.episodes.iter().map(episode).collect(),
            target: &report.target,
            plan: report.plan.as_ref(),
            remarks: &report.remarks,
            server_name: report.server_name.as_deref(),
            window: report.window.into(),
            left_out_time: report.left_out_time.as_deref(),
            speed: report.speed,
            load: report.load,
            shard: report.shard.map(|(part, of)| [part, of]),
            conditions: conditions(&report.conditions),
            allowed: report.allowed.name(),
            took_seconds: report.took_seconds,
            scheduled: measured.totals.scheduled(),
            sent: measured.totals.sent(),
            completed: measured.totals.completed,
            failed: &measured.totals.failed,
            skipped: &measured.totals.skipped,
            limited: measured.rate_limited,
            lateness_us: lateness(&measured.lateness),
            late: WireLate {
                seconds: measured.late.seconds,
                late_seconds: measured.late.late_seconds,
                sent: measured.late.sent,
                late: measured.late.late,
            },
            held_ms: latency(&measured.held),
            delays: WireDelays {
                connecting_ms: latency(&measured.delays.connecting),
                tls_ms: latency(&measured.delays.securing),
                waiting_for_a_connection_ms: latency(&measured.delays.waited),
                repeats: measured.delays.repeats,
                disturbed: measured.delays.disturbed,
            },
            void: report.is_void(),
            void_reasons: &report.void_reasons,
            cpu: (measured.cpu.logged_us > 0).then(|| Cpu {
                logged_seconds: measured.cpu.logged_us as f64 / 1e6,
                skipped_seconds: measured.cpu.skipped_us.iter().map(|(reason, us)| (*reason, *us as f64 / 1e6)).collect(),
            }),
            overall: tally(&measured.whole().work),
            groups: measured.groups.iter().map(group).collect(),
            upstreams: measured
                .upstreams
                .iter()
                .map(|upstream| WireUpstream {
                    name: &upstream.name,
                    requests: upstream.requests,
                    service_ms: latency(&upstream.service),
                    errors: upstream.errors,
                    passed_over: upstream.passed_over,
                })
                .collect(),
            predicted: report.predicted.iter().map(|group| WirePredicted { id: &group.id, p50: group.p50, p95: group.p95 }).collect(),
            limit: report.limit.as_ref().and_then(|limit| limit.value),
            load_limit: report.limit.as_ref().map(|limit| WireLimit {
                value: limit.value,
                low: limit.low,
                high: limit.high,
                broke: limit.broke.as_deref(),
                beyond: limit.beyond.as_deref(),
                predicted: limit.predicted,
            }),
            limit_steps: report
                .steps
                .iter()
                .map(|step| WireStep {
                    load: step.load,
                    requests_per_second: step.rate,
                    p95_ms: step.p95_ms,
                    holds: step.holds,
                    why: &step.why,
                    cause: step.cause.as_deref(),
                })
                .collect(),
            histograms: Histograms {
                lateness: times(&measured.lateness),
                held: times(&measured.held),
                connecting: times(&measured.delays.connecting),
                tls: times(&measured.delays.securing),
                waiting_for_a_connection: times(&measured.delays.waited),
                groups: measured
                    .groups
                    .iter()
                    .map(|group| GroupTimes { work: tally_times(&group.work), long_polls: tally_times(&group.polls) })
                    .collect(),
                upstreams: measured.upstreams.iter().map(|upstream| times(&upstream.service)).collect(),
            },
        }
    }
}

fn group(group: &Group) -> WireGroup<'_> {
    WireGroup { id: &group.id, work: tally(&group.work), long_polls: tally(&group.polls) }
}

fn tally(tally: &Tally) -> WireTally {
    WireTally {
        scheduled: tally.scheduled,
        sent: tally.sent,
        completed: tally.completed,
        response_ms: latency(&tally.response),
        service_ms: latency(&tally.service),
        original_ms: latency(&tally.original),
        lateness_us: lateness(&tally.lateness),
        status: tally.status.clone(),
        status_differs: tally.differs,
        bytes: tally.bytes,
        errors: tally.errors,
        failures: tally.failures,
        queue_full: tally.queue_full,
        failed: tally.failed.clone(),
        worse: tally.worse.iter().map(|((logged, status), count)| WireWorse { logged: *logged, status: *status, count: *count }).collect(),
    }
}

fn episode(episode: &Episode) -> WireEpisode<'_> {
    let upstream = match &episode.kind {
        EpisodeKind::Silent(name) => Some(name.as_str()),
        _ => None,
    };
    WireEpisode { kind: episode.kind.name(), upstream, from_seconds: episode.from_s, to_seconds: episode.to_s, requests: episode.requests }
}

fn conditions(conditions: &RunConditions) -> WireConditions<'_> {
    WireConditions {
        began: conditions.began_us.map(|us| jiff::Timestamp::from_microsecond(us).unwrap_or_default().to_string()),
        only: &conditions.only,
        skip: &conditions.skip,
        ramp_seconds: conditions.ramp_seconds,
        http2: conditions.http2,
        connections_max: conditions.connections_max,
        logged_requests: conditions.logged_requests,
    }
}

fn latency(times: &LatencyHistogram) -> Latency {
    let ms = |quantile| times.quantile_ns(quantile) as f64 / 1e6;
    Latency {
        count: times.count(),
        mean: times.mean_ns() / 1e6,
        p50: ms(0.5),
        p90: ms(0.9),
        p95: ms(0.95),
        p99: ms(0.99),
        p999: ms(0.999),
        max: times.max_ns() as f64 / 1e6,
    }
}

fn lateness(times: &LatencyHistogram) -> Lateness {
    Lateness { p50: times.quantile_ns(0.5) as f64 / 1e3, p99: times.quantile_ns(0.99) as f64 / 1e3, max: times.max_ns() as f64 / 1e3 }
}

fn tally_times(tally: &Tally) -> TallyTimes {
    TallyTimes {
        lateness: times(&tally.lateness),
        service: times(&tally.service),
        response: times(&tally.response),
        original: times(&tally.original),
    }
}

fn times(times: &LatencyHistogram) -> WireTimes {
    // A string, because JSON readers lose digits of numbers beyond 2^53.
    WireTimes { sum_ns: times.sum_ns().to_string(), hdr: BASE64_STANDARD.encode(times.to_bytes()) }
}
