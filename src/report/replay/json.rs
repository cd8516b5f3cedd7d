//! `report.json` of a replay: schema `wsim.replay/1`, in `schema/replay-1.json`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::model::ReplayReport;
use crate::exporter::ReportError;
use crate::shared::json::{self, Span};
use wsim_plan::Plan;
use wsim_replay::record::{Group, LatencyHistogram, Tally};

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
    verdict: String,
    target: &'a str,
    plan: Option<&'a Plan>,
    remarks: &'a [String],
    server_name: Option<&'a str>,
    window: Span,
    left_out_time: Option<&'a str>,
    speed: f64,
    load: f64,
    shard: Option<[u32; 2]>,
    allowed: &'a str,
    took_seconds: f64,
    scheduled: u64,
    sent: u64,
    completed: u64,
    failed: &'a BTreeMap<&'static str, u64>,
    skipped: &'a BTreeMap<&'static str, u64>,
    limited: u64,
    lateness_us: Lateness,
    held_ms: Latency,
    void: bool,
    void_reasons: &'a [String],
    cpu: Option<Cpu>,
    overall: WireTally,
    groups: Vec<WireGroup<'a>>,
    upstreams: Vec<WireUpstream<'a>>,
    predicted: Vec<WirePredicted<'a>>,
    limit: Option<f64>,
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
}

/// Histograms of times in ns: HdrHistogram V2, deflated, base64. The sums make the means exact.
#[derive(Serialize)]
struct Histograms {
    lateness: WireTimes,
    held: WireTimes,
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
            verdict: report.verdict(),
            target: &report.target,
            plan: report.plan.as_ref(),
            remarks: &report.remarks,
            server_name: report.server_name.as_deref(),
            window: report.window.into(),
            left_out_time: report.left_out_time.as_deref(),
            speed: report.speed,
            load: report.load,
            shard: report.shard.map(|(part, of)| [part, of]),
            allowed: report.allowed.name(),
            took_seconds: report.took_seconds,
            scheduled: measured.totals.scheduled(),
            sent: measured.totals.sent(),
            completed: measured.totals.completed,
            failed: &measured.totals.failed,
            skipped: &measured.totals.skipped,
            limited: measured.rate_limited,
            lateness_us: lateness(&measured.lateness),
            held_ms: latency(&measured.held),
            void: report.is_void(),
            void_reasons: &report.void_reasons,
            cpu: report
                .cpu
                .as_ref()
                .map(|cpu| Cpu { logged_seconds: cpu.logged_seconds, skipped_seconds: cpu.skipped_seconds.iter().copied().collect() }),
            overall: tally(&measured.whole().work),
            groups: measured.groups.iter().map(group).collect(),
            upstreams: measured
                .upstreams
                .iter()
                .map(|upstream| WireUpstream { name: &upstream.name, requests: upstream.requests, service_ms: latency(&upstream.service) })
                .collect(),
            predicted: report.predicted.iter().map(|group| WirePredicted { id: &group.id, p50: group.p50, p95: group.p95 }).collect(),
            limit: report.limit().map(|step| step.load),
            limit_steps: report
                .steps
                .iter()
                .map(|step| WireStep {
                    load: step.load,
                    requests_per_second: step.rate,
                    p95_ms: step.p95_ms,
                    holds: step.holds,
                    why: &step.why,
                })
                .collect(),
            histograms: Histograms {
                lateness: times(&measured.lateness),
                held: times(&measured.held),
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
