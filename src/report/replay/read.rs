//! Reads the `report.json` of a replay: exact counts, sums and histograms, not the rounded quantiles that the file contains for people.
//!
//! Parts of a report that the file does not contain (inputs, notes about the endpoint table) are empty. Invariant: the counts of a report
//! that was read add up; if they do not, reading fails.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::model::{LimitStep, LoadLimit, Predicted, ReplayReport, RunConditions};
use crate::shared::run_facts::RunFacts;
use wsim_advise::Objective;
use wsim_matrix::Tier;
use wsim_plan::Plan;
use wsim_profile::Window;
use wsim_replay::OutcomeTotals;
use wsim_replay::record::{CpuShare, Delays, Episode, EpisodeKind, Group, LateCounts, LatencyHistogram, Measurements, Tally, Upstream};
use wsim_stats::Interval;

/// Why a file could not be read as the report of a replay.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or a field is missing.
    #[error("not the report of a replay")]
    Json(#[from] serde_json::Error),
    /// The report of another command or of another version of wsim.
    #[error("its schema is {0:?}, and only \"wsim.replay/1\" can be read: give folders that `wsim replay` wrote")]
    Schema(String),
    #[error("{0} is {1:?}, which this version of wsim does not know: use the version that wrote it")]
    Unknown(&'static str, String),
    #[error("the histogram of {0} cannot be read: the file is damaged")]
    Histogram(String),
    #[error("{0}: the file is damaged or was changed")]
    Sums(String),
}

/// Reads the `report.json` of a replay.
///
/// # Errors
/// [`ReadError`] if the text is something else, or if its counts do not add up.
pub fn read(text: &str) -> Result<ReplayReport, ReadError> {
    let schema: Schema = serde_json::from_str(text)?;
    if schema.schema != "wsim.replay/1" {
        return Err(ReadError::Schema(schema.schema));
    }
    let file: File = serde_json::from_str(text)?;
    let measured = measured(&file)?;
    check_sums(&measured, &file)?;
    let expected = match &file.expected {
        Some(text) => text.parse().map_err(|_| ReadError::Unknown("`expected`", text.clone()))?,
        None => Objective::of_replays(),
    };
    Ok(ReplayReport {
        facts: RunFacts {
            wsim: file.wsim,
            created: file.created,
            command: file.command,
            seed: file.seed,
            synapse_version: file.synapse_version,
            table_note: String::new(),
            time_zone: "UTC".to_owned(),
            partial: file.partial,
            joined: None,
            assumptions: file.assumptions,
            next: Vec::new(),
        },
        target: file.target,
        plan: file.plan,
        remarks: file.remarks,
        server_name: file.server_name,
        window: Window { start_us: file.window.start.as_microsecond(), end_us: file.window.end.as_microsecond() },
        left_out_time: file.left_out_time,
        speed: file.speed,
        load: file.load,
        shard: file.shard.map(|[part, of]| (part, of)),
        allowed: Tier::from_allowed(&file.allowed).ok_or(ReadError::Unknown("`allowed`", file.allowed))?,
        took_seconds: file.took_seconds,
        measured,
        void_reasons: file.void_reasons,
        stopped: file.stopped,
        expected,
        conditions: file.conditions.map(RunConditions::from).unwrap_or_default(),
        predicted: file.predicted.into_iter().map(|group| Predicted { id: group.id, p50: group.p50, p95: group.p95 }).collect(),
        steps: file
            .limit_steps
            .into_iter()
            .map(|step| LimitStep {
                load: step.load,
                rate: step.requests_per_second,
                p95_ms: step.p95_ms,
                holds: step.holds,
                why: step.why,
                cause: step.cause,
            })
            .collect(),
        limit: file.load_limit.map(|limit| LoadLimit {
            value: limit.value,
            low: limit.low,
            high: limit.high,
            broke: limit.broke,
            beyond: limit.beyond,
            predicted: limit.predicted,
        }),
    })
}

/// CPU time as the file has it, in seconds.
fn cpu(file: &File) -> Result<CpuShare, ReadError> {
    let Some(cpu) = &file.cpu else { return Ok(CpuShare::default()) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let us = |seconds: f64| (seconds * 1e6).round() as u64;
    let skipped: Result<_, ReadError> = cpu.skipped_seconds.iter().map(|(name, seconds)| Ok((known(name)?, us(*seconds)))).collect();
    Ok(CpuShare { logged_us: us(cpu.logged_seconds), skipped_us: skipped? })
}

fn delays(file: &File) -> Result<Delays, ReadError> {
    let read =
        |what: &str, wire: &Option<WireTimes>| wire.as_ref().map_or_else(|| Ok(LatencyHistogram::default()), |wire| times(what, wire));
    let counts = file.delays.as_ref();
    Ok(Delays {
        connecting: read("connecting", &file.histograms.connecting)?,
        securing: read("tls", &file.histograms.tls)?,
        waited: read("waiting_for_a_connection", &file.histograms.waiting_for_a_connection)?,
        repeats: counts.map_or(0, |delays| delays.repeats),
        disturbed: counts.map_or(0, |delays| delays.disturbed),
    })
}

fn episodes(file: &File) -> Result<Vec<Episode>, ReadError> {
    let read = |wire: &WireEpisode| {
        let kind = EpisodeKind::from_name(&wire.kind, wire.upstream.clone());
        let kind = kind.ok_or_else(|| ReadError::Unknown("the kind of an episode", wire.kind.clone()))?;
        Ok(Episode { kind, from_s: wire.from_seconds, to_s: wire.to_seconds, requests: wire.requests })
    };
    file.episodes.iter().map(read).collect()
}

fn measured(file: &File) -> Result<Measurements, ReadError> {
    let histograms = &file.histograms;
    if file.groups.len() + file.upstreams.len() > PARTS_MAX {
        return Err(ReadError::Sums(format!("there are more than {PARTS_MAX} groups and upstreams")));
    }
    if file.groups.len() != histograms.groups.len() || file.upstreams.len() != histograms.upstreams.len() {
        return Err(ReadError::Sums("there are more or fewer histograms than groups and upstreams".to_owned()));
    }
    let counts =
        |names: &BTreeMap<String, u64>| names.iter().map(|(name, &count)| Ok((known(name)?, count))).collect::<Result<_, ReadError>>();
    let groups = file.groups.iter().zip(&histograms.groups).map(|(group, times)| {
        Ok(Group {
            id: group.id.clone(),
            work: tally(&group.id, &group.work, &times.work)?,
            polls: tally(&group.id, &group.long_polls, &times.long_polls)?,
        })
    });
    let upstreams = file.upstreams.iter().zip(&histograms.upstreams).map(|(upstream, service)| {
        Ok(Upstream {
            name: upstream.name.clone(),
            requests: upstream.requests,
            service: times(&upstream.name, service)?,
            errors: upstream.errors,
            passed_over: upstream.passed_over,
        })
    });
    Ok(Measurements {
        groups: groups.collect::<Result<_, ReadError>>()?,
        upstreams: upstreams.collect::<Result<_, ReadError>>()?,
        totals: OutcomeTotals { completed: file.completed, failed: counts(&file.failed)?, skipped: counts(&file.skipped)? },
        lateness: times("lateness", &histograms.lateness)?,
        held: times("held", &histograms.held)?,
        delays: delays(file)?,
        rate_limited: file.limited,
        cpu: cpu(file)?,
        episodes: episodes(file)?,
        late: file.late.as_ref().map(LateCounts::from).unwrap_or_default(),
    })
}

/// A replay tells 254 upstreams apart. A histogram takes 270 kB, whatever its text takes.
const PARTS_MAX: usize = 400;

fn tally(id: &str, counts: &WireTally, histograms: &TallyTimes) -> Result<Tally, ReadError> {
    Ok(Tally {
        scheduled: counts.scheduled,
        sent: counts.sent,
        completed: counts.completed,
        lateness: times(id, &histograms.lateness)?,
        service: times(id, &histograms.service)?,
        response: times(id, &histograms.response)?,
        original: times(id, &histograms.original)?,
        status: counts.status.clone(),
        differs: counts.status_differs,
        bytes: counts.bytes,
        errors: counts.errors,
        failures: counts.failures,
        queue_full: counts.queue_full,
        failed: counts.failed.iter().map(|(name, &count)| Ok((known(name)?, count))).collect::<Result<_, ReadError>>()?,
        worse: counts.worse.iter().map(|worse| ((worse.logged, worse.status), worse.count)).collect(),
    })
}

fn times(what: &str, wire: &WireTimes) -> Result<LatencyHistogram, ReadError> {
    let bytes = BASE64_STANDARD.decode(&wire.hdr).ok();
    let sum = wire.sum_ns.parse().ok();
    bytes.zip(sum).and_then(|(bytes, sum)| LatencyHistogram::from_bytes(&bytes, sum)).ok_or_else(|| ReadError::Histogram(what.to_owned()))
}

/// Checks that totals equal the sums over the groups, and that histograms have one entry for each response.
fn check_sums(measured: &Measurements, file: &File) -> Result<(), ReadError> {
    let whole = measured.whole();
    let both = |of: fn(&Tally) -> u64| of(&whole.work) + of(&whole.polls);
    let totals = &measured.totals;
    let pairs = [
        ("scheduled", file.scheduled, both(|tally| tally.scheduled)),
        ("sent", file.sent, both(|tally| tally.sent)),
        ("completed", file.completed, both(|tally| tally.completed)),
        ("completed", totals.completed, both(|tally| tally.response.count())),
        ("scheduled", file.scheduled, totals.scheduled()),
        ("sent", file.sent, totals.sent()),
    ];
    match pairs.into_iter().find(|(_, stated, counted)| stated != counted) {
        Some((what, stated, counted)) => {
            Err(ReadError::Sums(format!("the number of requests {what} is {stated}, but the parts add up to {counted}")))
        }
        None => Ok(()),
    }
}

fn known(name: &str) -> Result<&'static str, ReadError> {
    OutcomeTotals::known(name).ok_or_else(|| ReadError::Unknown("a reason", name.to_owned()))
}

#[derive(Deserialize)]
struct Schema {
    schema: String,
}

#[derive(Deserialize)]
struct File {
    wsim: String,
    created: String,
    command: String,
    seed: u64,
    partial: bool,
    synapse_version: String,
    #[serde(default)]
    assumptions: Vec<String>,
    target: String,
    /// Null and absent for a target that is not emulated, absent in files of older versions.
    #[serde(default)]
    plan: Option<Plan>,
    #[serde(default)]
    remarks: Vec<String>,
    server_name: Option<String>,
    window: Span,
    #[serde(default)]
    left_out_time: Option<String>,
    speed: f64,
    load: f64,
    shard: Option<[u32; 2]>,
    allowed: String,
    took_seconds: f64,
    scheduled: u64,
    sent: u64,
    completed: u64,
    failed: BTreeMap<String, u64>,
    skipped: BTreeMap<String, u64>,
    limited: u64,
    void_reasons: Vec<String>,
    // The next are absent in files of older versions, as are others with a default below.
    #[serde(default)]
    expected: Option<String>,
    #[serde(default)]
    stopped: Option<String>,
    #[serde(default)]
    episodes: Vec<WireEpisode>,
    #[serde(default)]
    late: Option<WireLate>,
    #[serde(default)]
    delays: Option<WireDelays>,
    #[serde(default)]
    conditions: Option<WireConditions>,
    #[serde(default)]
    load_limit: Option<WireLimit>,
    cpu: Option<Cpu>,
    groups: Vec<WireGroup>,
    upstreams: Vec<WireUpstream>,
    predicted: Vec<WirePredicted>,
    limit_steps: Vec<WireStep>,
    histograms: Histograms,
}

#[derive(Deserialize)]
struct Span {
    #[serde(deserialize_with = "instant")]
    start: jiff::Timestamp,
    #[serde(deserialize_with = "instant")]
    end: jiff::Timestamp,
}

fn instant<'de, D: serde::Deserializer<'de>>(from: D) -> Result<jiff::Timestamp, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
struct Cpu {
    logged_seconds: f64,
    skipped_seconds: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct WireGroup {
    id: String,
    #[serde(flatten)]
    work: WireTally,
    long_polls: WireTally,
}

#[derive(Deserialize)]
struct WireTally {
    scheduled: u64,
    sent: u64,
    completed: u64,
    #[serde(deserialize_with = "statuses")]
    status: BTreeMap<u16, u64>,
    status_differs: u64,
    bytes: u64,
    #[serde(default)]
    errors: u64,
    #[serde(default)]
    failures: u64,
    #[serde(default)]
    queue_full: u64,
    #[serde(default)]
    failed: BTreeMap<String, u64>,
    #[serde(default)]
    worse: Vec<WireWorse>,
}

#[derive(Deserialize)]
struct WireWorse {
    logged: u16,
    status: u16,
    count: u64,
}

#[derive(Deserialize)]
struct WireEpisode {
    kind: String,
    upstream: Option<String>,
    from_seconds: f64,
    to_seconds: f64,
    requests: u64,
}

#[derive(Deserialize)]
struct WireLate {
    seconds: u64,
    late_seconds: u64,
    sent: u64,
    late: u64,
}

impl From<&WireLate> for LateCounts {
    fn from(wire: &WireLate) -> Self {
        Self { seconds: wire.seconds, late_seconds: wire.late_seconds, sent: wire.sent, late: wire.late }
    }
}

#[derive(Deserialize)]
struct WireDelays {
    repeats: u64,
    disturbed: u64,
}

#[derive(Deserialize)]
struct WireConditions {
    #[serde(default)]
    began: Option<String>,
    only: Vec<String>,
    skip: Vec<String>,
    ramp_seconds: f64,
    http2: bool,
    connections_max: Option<u64>,
    logged_requests: Option<u64>,
}

impl From<WireConditions> for RunConditions {
    fn from(wire: WireConditions) -> Self {
        Self {
            began_us: wire.began.and_then(|began| began.parse::<jiff::Timestamp>().ok()).map(jiff::Timestamp::as_microsecond),
            only: wire.only,
            skip: wire.skip,
            ramp_seconds: wire.ramp_seconds,
            http2: wire.http2,
            connections_max: wire.connections_max,
            logged_requests: wire.logged_requests,
        }
    }
}

#[derive(Deserialize)]
struct WireLimit {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    broke: Option<String>,
    beyond: Option<String>,
    #[serde(default)]
    predicted: Option<f64>,
}

/// Keys in JSON are strings, and within a flattened object serde does not convert them to numbers.
fn statuses<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<u16, u64>, D::Error> {
    let texts = BTreeMap::<String, u64>::deserialize(from)?;
    let number = |text: String| text.parse::<u16>().map_err(serde::de::Error::custom);
    texts.into_iter().map(|(status, count)| Ok((number(status)?, count))).collect()
}

#[derive(Deserialize)]
struct WireUpstream {
    name: String,
    requests: u64,
    #[serde(default)]
    errors: u64,
    #[serde(default)]
    passed_over: u64,
}

#[derive(Deserialize)]
struct WirePredicted {
    id: String,
    p50: Interval,
    p95: Interval,
}

#[derive(Deserialize)]
struct WireStep {
    load: f64,
    requests_per_second: f64,
    p95_ms: f64,
    holds: bool,
    why: String,
    #[serde(default)]
    cause: Option<String>,
}

#[derive(Deserialize)]
struct Histograms {
    lateness: WireTimes,
    held: WireTimes,
    #[serde(default)]
    connecting: Option<WireTimes>,
    #[serde(default)]
    tls: Option<WireTimes>,
    #[serde(default)]
    waiting_for_a_connection: Option<WireTimes>,
    groups: Vec<GroupTimes>,
    upstreams: Vec<WireTimes>,
}

#[derive(Deserialize)]
struct GroupTimes {
    work: TallyTimes,
    long_polls: TallyTimes,
}

#[derive(Deserialize)]
struct TallyTimes {
    lateness: WireTimes,
    service: WireTimes,
    response: WireTimes,
    original: WireTimes,
}

#[derive(Deserialize)]
struct WireTimes {
    sum_ns: String,
    hdr: String,
}
