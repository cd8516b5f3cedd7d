//! A realistic report with hostile names, for the tests of every format.

use super::model::AnalysisReport;
use crate::shared::run_facts::{NextStep, RunFacts};
use wsim_advise::{
    Advice, Confidence, ConfidenceLevel, Decision, Limit, LimitKind, Meets, Objective, PlanSummary, ProcessRole, ProcessSummary, Verdict,
};
use wsim_plan::{Plan, Pool, Proxy, ProxyKind, Selector, Writers};
use wsim_profile::{
    Concurrency, Coverage, Demand, DemandMethod, DestinationProfile, Dispersion, EndpointProfile, EventRate, GroupProfile, HeavyHitter,
    HeavyHitters, LATENCY_BUCKETS_MS, Outcomes, Peak, Peaks, Precision, ProcessCoverage, ProcessProfile, Profile, Quantiles, Series,
    Window,
};
use wsim_stats::Interval;
use wsim_trace::ingest::{LineTally, MalformedExample};
use wsim_trace::join::JoinFacts;

/// Monday, 2026-11-02 00:00 UTC.
const START_US: i64 = 1_793_577_600_000_000;
const HOUR_US: i64 = 3_600_000_000;
const BINS: usize = 168;

/// id, internal, requests, CPU seconds, mean ms scale of latency, long polls, workers, stream.
type Row = (&'static str, bool, u64, f64, f64, u64, &'static [&'static str], Option<&'static str>);

const ROWS: [Row; 12] = [
    ("sync", false, 2_412_345, 48_210.0, 38.0, 1_893_220, &["generic_worker"], None),
    ("client", false, 841_200, 21_940.0, 22.0, 0, &["generic_worker"], None),
    ("event_sending", false, 214_876, 14_300.0, 85.0, 0, &["generic_worker"], None),
    ("federation", false, 1_109_322, 12_021.0, 31.0, 0, &["generic_worker", "federation_reader"], None),
    ("initial_sync", false, 3_120, 9_800.0, 4_800.0, 0, &["generic_worker"], None),
    ("federation_send", false, 402_118, 8_900.0, 110.0, 0, &["generic_worker"], None),
    ("media", false, 188_420, 2_210.0, 60.0, 0, &["media_repository"], None),
    ("typing", false, 301_776, 1_020.0, 3.1, 0, &[], Some("typing")),
    ("receipts", false, 290_004, 990.0, 4.2, 0, &[], Some("receipts")),
    ("client_other", false, 64_020, 610.0, 12.0, 0, &[], None),
    ("not_matrix", false, 40_222, 12.0, 0.4, 0, &[], None),
    ("replication", true, 512_900, 2_900.0, 2.2, 0, &[], None),
];

/// Synapse and proxy logs of a week, joined.
pub(crate) fn report() -> AnalysisReport {
    AnalysisReport { facts: facts(), inputs: inputs(), profile: profile(), advice: advice() }
}

/// Only a proxy log: no CPU in it, demand unknown, nothing recommended.
pub(crate) fn proxy_only() -> AnalysisReport {
    let mut report = report();
    report.facts.joined = None;
    report.facts.partial = true;
    let profile = &mut report.profile;
    for group in &mut profile.groups {
        (group.cpu_seconds, group.cpu_ms) = (None, None);
    }
    profile.destinations.iter_mut().for_each(|destination| destination.cpu_seconds = None);
    let peaks = &mut profile.peaks;
    for peak in [&mut peaks.one_minute, &mut peaks.five_minutes, &mut peaks.busy_hour, &mut peaks.mean] {
        peak.cores = None;
    }
    profile.processes.clear();
    profile.dispersion.iter_mut().for_each(|scale| scale.work = None);
    profile.series.cpu_seconds.clear();
    profile.series.bin_seconds = 60.0;
    profile.window.end_us = START_US + BINS as i64 * 60_000_000;
    profile.peaks.mean.window = profile.window;
    profile.demand = Demand {
        method: DemandMethod::None,
        note: "The log has no durations, so demand is unknown.".to_owned(),
        range: Interval::new(1.0, 0.5, 2.0),
    };
    let hitters = &mut profile.heavy_hitters;
    hitters.users.iter_mut().chain(&mut hitters.rooms).chain(&mut hitters.agents).for_each(|heavy| heavy.cpu_seconds = None);
    report.advice.recommended = None;
    report.advice.verdict = Verdict {
        decision: Decision::NoPlanMeets,
        text: "No standard plan keeps every process below 70 % busy: sync split with 4 workers comes closest.".to_owned(),
    };
    for candidate in &mut report.advice.candidates {
        candidate.meets = Meets::No;
    }
    report
}

/// A log without a single request.
pub(crate) fn empty() -> AnalysisReport {
    let mut report = report();
    let window = Window { start_us: START_US, end_us: START_US };
    let peak = Peak { window, requests_per_second: 0.0, cores: None };
    report.inputs = vec![LineTally {
        path: report.inputs[0].path.clone(),
        format: report.inputs[0].format.clone(),
        reason: report.inputs[0].reason.clone(),
        stamp_note: report.inputs[0].stamp_note.clone(),
        ..LineTally::default()
    }];
    report.facts.joined = None;
    report.facts.next.clear();
    report.profile = Profile {
        window,
        requests: 0,
        internal_requests: 0,
        groups: Vec::new(),
        endpoints: Vec::new(),
        between_processes: Vec::new(),
        destinations: Vec::new(),
        processes: Vec::new(),
        peaks: Peaks { one_minute: peak, five_minutes: peak, busy_hour: peak, mean: peak },
        work_ms: None,
        dispersion: Vec::new(),
        concurrency: Concurrency { working_mean: 0.0, working_max: 0.0, waiting_mean: 0.0, waiting_max: 0.0 },
        heavy_hitters: HeavyHitters::default(),
        outcomes: Outcomes::default(),
        series: Series::default(),
        events_per_second: EventRate::default(),
        ..report.profile
    };
    report.advice = Advice {
        candidates: Vec::new(),
        recommended: None,
        shown: None,
        verdict: Verdict { decision: Decision::Unknown, text: "There is no request in the input, so there is nothing to plan.".to_owned() },
        reasons: Vec::new(),
        ..report.advice
    };
    report
}

/// The largest number of groups and candidates that a report must be able to show.
pub(crate) fn large() -> AnalysisReport {
    let mut report = report();
    let groups = report.profile.groups.clone();
    report.profile.groups =
        (0..100).map(|i| GroupProfile { id: format!("{}_{i}", groups[i % groups.len()].id), ..groups[i % groups.len()].clone() }).collect();
    report.profile.series = series(&report.profile.groups);
    let candidates = report.advice.candidates.clone();
    report.advice.candidates = (0..48).map(|i| candidates[i % candidates.len()].clone()).collect();
    report.advice.recommended = Some(4);
    report
}

fn facts() -> RunFacts {
    RunFacts {
        wsim: "0.1.0".to_owned(),
        created: "2026-11-09T08:12:44Z".to_owned(),
        command: "wsim analyse access.log homeserver.log.* --nginx-config /etc/nginx/nginx.conf".to_owned(),
        seed: 1,
        synapse_version: "1.157".to_owned(),
        table_note: "Synapse 1.157, the newest known; --synapse-version chooses another".to_owned(),
        time_zone: "UTC".to_owned(),
        partial: false,
        joined: Some(JoinFacts {
            proxy_requests: 5_867_423,
            synapse_requests: 5_840_117,
            joined: 5_840_117,
            proxy_only: 27_306,
            synapse_only: 0,
            by_request_id: 5_840_001,
            clock_offset_us: 0,
        }),
        assumptions: vec!["nginx stamps are taken at the end of a request; arrival is the stamp less the duration.".to_owned()],
        next: vec![NextStep {
            why: "Write the proxy and Synapse configuration for this plan".to_owned(),
            command: "wsim configure reports/access/plan.toml --proxy nginx".to_owned(),
        }],
    }
}

fn inputs() -> Vec<LineTally> {
    let example = |path: &str, line, reason: &str| MalformedExample { path: path.to_owned(), line, reason: reason.to_owned() };
    let proxy = LineTally {
        path: "access.log".to_owned(),
        format: "nginx log_format main_timed".to_owned(),
        reason: "200 of 200 sampled lines".to_owned(),
        stamp_note: Some("stamp at the end, 1 ms, zone +0100 in the log".to_owned()),
        bytes: 1_734_220_118,
        lines: 5_867_868,
        requests: 5_867_423,
        not_requests: 12,
        malformed: 433,
        // 2026-11-02T00:00:00.114Z and 2026-11-08T23:59:59.871Z.
        first_us: Some(START_US + 114_000),
        last_us: Some(START_US + BINS as i64 * HOUR_US - 129_000),
        examples: vec![example("access.log", 10_442, "expected a closing quote after the request line at column 71")],
        ..LineTally::default()
    };
    let synapse = LineTally {
        path: "homeserver.log.<b>1</b>".to_owned(),
        format: "synapse".to_owned(),
        reason: "64 of 200 sampled lines, the others are other loggers'".to_owned(),
        stamp_note: Some("no zone in the log: UTC assumed".to_owned()),
        bytes: 9_120_411_000,
        lines: 41_200_118,
        requests: 6_353_017,
        not_requests: 34_847_100,
        malformed: 1,
        examples: vec![example("homeserver.log.<b>1</b>", 41_200_118, "expected the end of the line at column 12: the file stops here")],
        ..proxy.clone()
    };
    vec![proxy, synapse]
}

fn quantiles(scale: f64) -> Quantiles {
    Quantiles {
        p50: scale,
        p90: scale * 3.1,
        p95: scale * 4.4,
        p99: scale * 12.0,
        p999: scale * 35.0,
        max: scale * 120.0,
        mean: scale * 1.7,
    }
}

fn groups() -> Vec<GroupProfile> {
    ROWS.iter()
        .map(|&(id, internal, requests, cpu, scale, long_polls, workers, stream)| {
            let cpu_ms = cpu * 1000.0 / requests as f64;
            GroupProfile {
                id: id.to_owned(),
                internal,
                requests,
                cpu_seconds: Some(cpu),
                cpu_ms: Some(Interval::new(cpu_ms, cpu_ms * 0.97, cpu_ms * 1.04)),
                latency_ms: Some(quantiles(scale)),
                waiting_ms: (long_polls > 0).then_some(Quantiles {
                    p50: 11_200.0,
                    p90: 30_000.0,
                    p95: 30_000.0,
                    p99: 30_010.0,
                    p999: 30_050.0,
                    max: 30_900.0,
                    mean: 14_020.0,
                }),
                long_polls,
                errors: requests / 900,
                aborted: requests / 400,
                bytes_sent: requests * 3_100,
                workers: workers.iter().map(|&worker| worker.to_owned()).collect(),
                stream: stream.map(str::to_owned),
            }
        })
        .collect()
}

fn profile() -> Profile {
    let groups = groups();
    let peak = |hour: i64, seconds: i64, rate: f64, cores: f64| Peak {
        window: Window { start_us: START_US + hour * HOUR_US, end_us: START_US + hour * HOUR_US + seconds * 1_000_000 },
        requests_per_second: rate,
        cores: Some(cores),
    };
    Profile {
        gaps: Vec::new(),
        window: Window { start_us: START_US, end_us: START_US + BINS as i64 * HOUR_US },
        requests: groups.iter().filter(|group| !group.internal).map(|group| group.requests).sum(),
        internal_requests: groups.iter().filter(|group| group.internal).map(|group| group.requests).sum(),
        endpoints: endpoints(),
        between_processes: Vec::new(),
        destinations: destinations(),
        processes: processes(),
        database: None,
        memory: Vec::new(),
        deployment: wsim_profile::Deployment::default(),
        peaks: Peaks {
            one_minute: peak(33, 60, 61.4, 1.02),
            five_minutes: peak(33, 300, 44.9, 0.73),
            busy_hour: peak(33, 3600, 31.2, 0.52),
            mean: peak(0, BINS as i64 * 3600, 9.7, 0.17),
        },
        work_ms: None,
        dispersion: [(1.0, 1.8), (10.0, 3.4), (60.0, 9.1), (300.0, 22.7), (3600.0, 180.0)]
            .iter()
            .map(|&(scale_seconds, arrivals)| Dispersion { scale_seconds, bins: 604_800, arrivals, work: Some(arrivals * 2.3) })
            .collect(),
        concurrency: Concurrency { working_mean: 0.42, working_max: 18.2, waiting_mean: 43.9, waiting_max: 121.0 },
        heavy_hitters: heavy_hitters(),
        outcomes: Outcomes {
            by_status: vec![(200, 5_640_201), (304, 90_221), (401, 61_002), (404, 71_201), (499, 9_021), (502, 311), (0, 466)],
            aborted: 14_661,
            retried: 12,
            stray_times: 0,
        },
        demand: Demand {
            method: DemandMethod::Logged,
            note: "CPU is what Synapse logged for each request (ru=).".to_owned(),
            range: Interval::exact(1.0),
        },
        coverage: Coverage {
            factor: Interval::new(1.45, 1.2, 1.9),
            measured: false,
            processes: vec![ProcessCoverage {
                name: "main".to_owned(),
                seconds: 604_800.0,
                process_cpu_seconds: 151_000.0,
                logged_cpu_seconds: 104_000.0,
            }],
            note: "assumed: no process CPU was given; --process-cpu measures yours".to_owned(),
        },
        events_per_second: EventRate { mean: 0.61, peak: 3.4 },
        series: series(&groups),
        groups,
    }
}

fn endpoints() -> Vec<EndpointProfile> {
    vec![EndpointProfile {
        group: "sync".to_owned(),
        pattern: Some("^/_matrix/client/(r0|v3|unstable)/sync$".to_owned()),
        workers: vec!["generic_worker".to_owned()],
        stream: None,
        any_worker: true,
        condition: None,
        requests: 2_412_345,
        cpu_seconds: 48_210.0,
        peak_cpu_seconds: 210.0,
        peak_requests: 6_200,
        db_seconds: 0.0,
    }]
}

fn destinations() -> Vec<DestinationProfile> {
    [
        ("generic_worker", 4_982_981, 115_171.0),
        ("stream:typing", 301_776, 1_020.0),
        ("stream:receipts", 290_004, 990.0),
        ("media_repository", 188_420, 2_210.0),
        ("main", 104_242, 622.0),
    ]
    .iter()
    .map(|&(id, requests, cpu)| DestinationProfile { id: id.to_owned(), requests, cpu_seconds: Some(cpu) })
    .collect()
}

fn processes() -> Vec<ProcessProfile> {
    [
        ("main", 3_612_345, 212_900, 84_000.0, 0.71),
        ("generic_worker1", 1_210_000, 150_000, 21_400.0, 0.18),
        ("generic_worker2\u{202e}\x1b[31m", 1_045_078, 150_000, 17_500.0, 0.15),
    ]
    .iter()
    .map(|&(name, requests, internal_requests, cpu, utilisation)| ProcessProfile {
        name: name.to_owned(),
        requests,
        internal_requests,
        cpu_seconds: Some(cpu),
        process_cpu_seconds: None,
        db_seconds: Some(cpu * 0.6),
        database: None,
        utilisation: Some(utilisation),
    })
    .collect()
}

fn heavy_hitters() -> HeavyHitters {
    let heavy = |rows: &[(&str, u64, f64, f64)]| {
        rows.iter()
            .map(|&(name, requests, cpu, share)| HeavyHitter { name: name.to_owned(), requests, cpu_seconds: Some(cpu), share })
            .collect()
    };
    HeavyHitters {
        users: heavy(&[
            ("@bridge-whatsapp:example.org", 612_000, 18_300.0, 0.149),
            ("@<script>alert(document.cookie)</script>:evil.example", 90_120, 4_100.0, 0.033),
            ("@alice|`rm -rf`:example.org", 70_100, 3_900.0, 0.032),
            ("=cmd|' /C calc'!A0", 41_000, 1_000.0, 0.008),
            ("@漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字:example.org", 4_100, 800.0, 0.006),
        ]),
        rooms: heavy(&[("!OGEhHVWSdvArJzumhm:matrix.org", 84_120, 6_700.0, 0.054), ("!big\n\nroom:example.org", 41_020, 2_700.0, 0.022)]),
        origins: heavy(&[("matrix.org", 701_223, 9_800.0, 0.08), ("\u{202e}gro.elpmaxe", 80_000, 800.0, 0.006)]),
        addresses: heavy(&[("198.51.100.7", 612_000, 18_300.0, 0.149)]),
        agents: heavy(&[("Element Web", 1_900_000, 40_000.0, 0.33), (&"\x1b]0;x\x07A".repeat(9_000), 12, 1.0, 0.0)]),
        appservices: heavy(&[("@bridge-whatsapp:example.org", 612_000, 18_300.0, 0.149)]),
        user_hhi: Some(0.031),
        distinct_users: 2_114,
        distinct_users_are: Precision::Exact,
        user_key: "requester in Synapse's log".to_owned(),
        estimated: Vec::new(),
    }
}

/// A day's rhythm: low at night, a lunch and an evening peak.
fn rhythm(bin: usize) -> f64 {
    let hour = (bin % 24) as f64;
    let day = if bin / 24 >= 5 { 0.6 } else { 1.0 };
    day * (0.25 + (-(hour - 9.5).powi(2) / 9.0).exp() + 0.8 * (-(hour - 20.0).powi(2) / 12.0).exp())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small positive test numbers")]
fn series(groups: &[GroupProfile]) -> Series {
    let weight: f64 = (0..BINS).map(rhythm).sum();
    let jitter = |group: usize, bin: usize| 0.8 + 0.4 * (((group * 31 + bin * 17) % 97) as f64 / 97.0);
    let level = |group: usize, bin: usize| rhythm(bin) / weight * jitter(group, bin);
    let bins = |total: f64, group: usize| (0..BINS).map(|bin| total * level(group, bin)).collect::<Vec<f64>>();
    let requests: Vec<Vec<u64>> =
        groups.iter().enumerate().map(|(i, group)| bins(group.requests as f64, i).iter().map(|&n| n as u64).collect()).collect();
    let heat = |bucket: usize, bin: usize| (3e4 * rhythm(bin) * (-((bucket as f64 - 4.0 - rhythm(bin)).powi(2)) / 5.0).exp()) as u64;
    Series {
        start_us: START_US,
        bin_seconds: 3600.0,
        skips: Vec::new(),
        groups: groups.iter().map(|group| group.id.clone()).collect(),
        cpu_seconds: groups.iter().enumerate().map(|(i, group)| bins(group.cpu_seconds.unwrap_or(0.0), i)).collect(),
        week: (0..7)
            .map(|day| (0..24).map(|hour| (0..requests.len()).map(|group| requests[group][day * 24 + hour]).sum()).collect())
            .collect(),
        requests,
        latency_heat: (0..LATENCY_BUCKETS_MS.len()).map(|bucket| (0..BINS).map(|bin| heat(bucket, bin)).collect()).collect(),
    }
}

/// name, workers of each pool with their endpoints, busy shares (main first, then each worker).
type PlanRow =
    (&'static str, &'static [(&'static str, u32, &'static [&'static str], &'static str, Option<&'static str>)], &'static [f64], Meets);

const PLANS: [PlanRow; 10] = [
    ("monolith", &[], &[1.06], Meets::No),
    ("1 generic worker", &[("generic", 1, &["sync", "client", "federation"], "round robin", None)], &[0.52, 0.71], Meets::No),
    ("media apart", &[("media", 1, &["media"], "least_conn", None)], &[0.98, 0.08], Meets::No),
    ("2 generic workers", &[("generic", 2, &["sync", "client", "federation"], "round robin", None)], &[0.54, 0.41, 0.39], Meets::Maybe),
    (
        "sync by user, federation apart",
        &[
            ("sync", 2, &["sync", "initial_sync"], "hash consistent", Some("user")),
            ("federation", 1, &["federation", "federation_send"], "balance source", Some("address")),
        ],
        &[0.44, 0.38, 0.31, 0.22],
        Meets::Yes,
    ),
    (
        "3 generic workers",
        &[("generic", 3, &["sync", "client", "federation"], "round robin", None)],
        &[0.56, 0.31, 0.3, 0.29],
        Meets::Maybe,
    ),
    (
        "initial sync apart",
        &[("sync", 2, &["sync"], "hash consistent", Some("user")), ("initial", 1, &["initial_sync"], "round robin", None)],
        &[0.51, 0.3, 0.28, 0.12],
        Meets::Maybe,
    ),
    (
        "sync, federation, senders",
        &[
            ("sync", 2, &["sync"], "hash consistent", Some("user")),
            ("federation", 1, &["federation"], "balance source", Some("address")),
            ("senders", 1, &["event_sending"], "hash", Some("room")),
        ],
        &[0.35, 0.36, 0.3, 0.24, 0.19],
        Meets::Yes,
    ),
    (
        "ess-helm preset",
        &[
            ("sync", 3, &["sync"], "balance hdr(X-Access-Token)", Some("token")),
            ("initial", 1, &["initial_sync"], "balance hdr(X-Access-Token)", Some("token")),
            ("media", 1, &["media"], "leastconn", None),
        ],
        &[0.38, 0.27, 0.25, 0.24, 0.13, 0.05],
        Meets::Yes,
    ),
    (
        "<img src=x onerror=alert(1)> | `plan`",
        &[("sync", 8, &["sync"], "round robin", None)],
        &[0.45, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
        Meets::Yes,
    ),
];

fn advice() -> Advice {
    Advice {
        objective: Objective::default(),
        candidates: PLANS.iter().map(candidate).collect(),
        recommended: Some(4),
        shown: Some(4),
        limits: vec![
            limit(LimitKind::Cpu, "main", Interval::new(0.66, 0.5, 0.8), None),
            limit(LimitKind::Connections, "<b>main</b>", Interval::new(1.9, 1.7, 2.1), None),
        ],
        levers: vec!["a split by kind (/sync 39 % of the CPU)".to_owned()],
        verdict: Verdict {
            decision: Decision::AddWorkers,
            text: "Split off /sync first: the main process alone would be 106 % busy (88–139 %) at the peak, and sync is 39 % of all CPU.".to_owned(),
        },
        confidence: Confidence { level: ConfidenceLevel::Medium, why: "demand was logged by Synapse, but no process CPU was given: background CPU is assumed (× 1.2 to 1.9)".to_owned() },
        reasons: vec![
            "Two sync workers keyed by user take 0.62 cores off the main process at the peak; no other group takes as much.".to_owned(),
            "Federation on a worker of its own keeps a burst from matrix.org (8 % of CPU) away from people's clients.".to_owned(),
            "@<script>alert(document.cookie)</script>:evil.example and @bridge-whatsapp:example.org cause 18 % of the load; a third sync worker would not split them.".to_owned(),
        ],
        assumptions: vec![
            "Request lines show 1/1.45 of a process's CPU (1/1.2 to 1/1.9).".to_owned(),
            "Every worker spends 4.5 ms (3–6) of CPU on each persisted event for replication.".to_owned(),
            "The peak is the five minutes with the largest CPU demand.".to_owned(),
        ],
    }
}

fn limit(kind: LimitKind, place: &str, headroom: Interval, quantity: Option<&str>) -> Limit {
    Limit { kind, place: place.to_owned(), headroom, more: false, quantity: quantity.map(str::to_owned) }
}

fn candidate(&(name, pools, busy, meets): &PlanRow) -> PlanSummary {
    let pool = |&(name, workers, endpoints, balance, key): &(&str, u32, &[&str], &str, Option<&str>)| Pool {
        name: name.to_owned(),
        endpoints: endpoints.iter().map(|&group| Selector::Group(group.to_owned())).collect(),
        servers: Vec::new(),
        workers: Some(workers),
        balance: balance.to_owned(),
        key: key.map(str::to_owned),
        cpu: 1.0,
        ..Pool::default()
    };
    let mut names = vec![("main".to_owned(), None)];
    for &(pool, workers, ..) in pools {
        names.extend((1..=workers).map(|i| (format!("{pool}{i}"), Some(pool.to_owned()))));
    }
    let processes: Vec<ProcessSummary> = names
        .into_iter()
        .zip(busy)
        .map(|((name, pool), &value)| ProcessSummary {
            role: if name == "main" { ProcessRole::Main } else { ProcessRole::Worker },
            name,
            pool,
            peak: Interval::new(value, value * 0.83, value * 1.31),
            mean: None,
            idle: Interval::exact(0.02),
            connections: Some(Interval::new(value * 0.4, value * 0.3, value * 0.5)),
            requests_per_second: value * 21.0,
            requests: 1_200_345,
            limit: (value > 0.9).then(|| "user @bridge-whatsapp:example.org alone needs 0.15 cores".to_owned()),
        })
        .collect();
    let total: f64 = busy.iter().sum();
    PlanSummary {
        plan: Plan {
            name: name.to_owned(),
            synapse: "1.157".to_owned(),
            proxy: Proxy { kind: ProxyKind::Nginx, processes: 1, release: None },
            pools: pools.iter().map(pool).collect(),
            stream_writers: if name.contains("senders") {
                [("typing".to_owned(), Writers::One("federation1".to_owned()))].into()
            } else {
                std::collections::BTreeMap::new()
            },
            ..Plan::default()
        }
        .check()
        .unwrap(),
        workers: pools.iter().map(|pool| pool.1).sum(),
        balance: pools.first().map_or("none", |pool| pool.3).to_owned(),
        meets,
        reason: format!("main process {:.0} % busy", busy[0] * 100.0),
        margin: busy.iter().copied().fold(0.0, f64::max) / 0.7,
        processes,
        total_cores: Interval::new(total, total * 0.85, total * 1.3),
        limits: vec![
            limit(LimitKind::Cpu, "main", Interval::new(1.1, 0.9, 1.3), None),
            limit(LimitKind::Connections, "main", Interval::new(2.5, 2.0, 3.0), None),
            limit(LimitKind::Database, "database", Interval::new(4.0, 3.0, 6.0), Some("120 of 480 transactions a second")),
        ],
        response_times: Vec::new(),
    }
}
