//! A replay's `report.json` read back: for joining shards, and for reports over several runs.
//!
//! Invariant: what was written by [`json`](super::json) and read back has the same counts, histograms and sums.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::super::model::RunFacts;
use super::{CpuShare, ReplayReport};
use crate::matrix::Skip;
use crate::profile::Window;
use crate::replay::record::{Group, Measured, Tally, Times, Upstream};
use crate::replay::{Account, Reason};
use crate::transport::Failure;

/// Why a file is not a replay's report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or a field is missing.
    #[error("not a replay's report.json: {0}")]
    Json(#[from] serde_json::Error),
    /// Another kind of report.
    #[error("a report of kind {0:?}, not wsim.replay/1")]
    Schema(String),
    /// A value that this version does not write.
    #[error("{0} cannot be read; was it written by another version of wsim?")]
    Value(&'static str),
}

/// Reads the text of a report.
///
/// # Errors
/// See [`ReadError`].
pub fn read(text: &str) -> Result<ReplayReport, ReadError> {
    let kind: Kind = serde_json::from_str(text)?;
    if kind.schema != "wsim.replay/1" {
        return Err(ReadError::Schema(kind.schema));
    }
    let wire: Wire = serde_json::from_str(text)?;
    let account = Account {
        completed: wire.completed,
        failed: wire.failed.iter().map(|(name, count)| Ok((failure(name)?, *count))).collect::<Result<_, ReadError>>()?,
        skipped: wire.skipped.iter().map(|(name, count)| Ok((reason(name)?, *count))).collect::<Result<_, ReadError>>()?,
    };
    if wire.groups.len() != wire.histograms.groups.len() || wire.upstreams.len() != wire.histograms.upstreams.len() {
        return Err(ReadError::Value("histograms"));
    }
    let groups = wire.groups.iter().zip(&wire.histograms.groups).map(|(group, times)| {
        Ok(Group { id: group.id.clone(), work: group.work.tally(&times.work)?, polls: group.long_polls.tally(&times.long_polls)? })
    });
    let upstreams = wire
        .upstreams
        .iter()
        .zip(&wire.histograms.upstreams)
        .map(|(upstream, times)| Ok(Upstream { name: upstream.name.clone(), requests: upstream.requests, service: times.times()? }));
    let measured = Measured {
        groups: groups.collect::<Result<_, ReadError>>()?,
        upstreams: upstreams.collect::<Result<_, ReadError>>()?,
        account,
        lateness: wire.histograms.lateness.times()?,
        held: wire.histograms.held.times()?,
        limited: wire.limited,
    };
    Ok(ReplayReport {
        facts: RunFacts {
            wsim: wire.wsim,
            created: wire.created,
            command: wire.command,
            seed: wire.seed,
            synapse_version: wire.synapse_version,
            table_note: String::new(),
            time_zone: "UTC".to_owned(),
            partial: wire.partial,
            joined: None,
            assumptions: Vec::new(),
            next: Vec::new(),
        },
        inputs: Vec::new(),
        malformed: Vec::new(),
        target: wire.target,
        server_name: wire.server_name,
        window: Window { start_us: micros(&wire.window.start)?, end_us: micros(&wire.window.end)? },
        speed: wire.speed,
        load: wire.load,
        shard: wire.shard.map(|[part, of]| (part, of)),
        allowed: ALLOWED.into_iter().find(|word| *word == wire.allowed).ok_or(ReadError::Value("allowed"))?,
        took_seconds: wire.took_seconds,
        measured,
        void_reasons: wire.void_reasons,
        cpu: wire.cpu.map(|cpu| cpu.share()).transpose()?,
        predicted: Vec::new(),
        steps: Vec::new(),
    })
}

const ALLOWED: [&str; 3] = ["reads", "writes", "dangerous"];

#[derive(Deserialize)]
struct Kind {
    schema: String,
}

#[derive(Deserialize)]
struct Wire {
    wsim: String,
    created: String,
    command: String,
    seed: u64,
    partial: bool,
    synapse_version: String,
    target: String,
    server_name: Option<String>,
    window: Span,
    speed: f64,
    load: f64,
    shard: Option<[u32; 2]>,
    allowed: String,
    took_seconds: f64,
    completed: u64,
    failed: BTreeMap<String, u64>,
    skipped: BTreeMap<String, u64>,
    limited: u64,
    void_reasons: Vec<String>,
    cpu: Option<Cpu>,
    groups: Vec<WireGroup>,
    upstreams: Vec<WireUpstream>,
    histograms: Histograms,
}

#[derive(Deserialize)]
struct Span {
    start: String,
    end: String,
}

#[derive(Deserialize)]
struct Cpu {
    logged_seconds: f64,
    skipped_seconds: BTreeMap<String, f64>,
}

impl Cpu {
    fn share(self) -> Result<CpuShare, ReadError> {
        let skipped = self.skipped_seconds.iter().map(|(name, seconds)| Ok((reason(name)?, *seconds)));
        Ok(CpuShare { logged_seconds: self.logged_seconds, skipped_seconds: skipped.collect::<Result<_, ReadError>>()? })
    }
}

#[derive(Deserialize)]
struct WireGroup {
    id: String,
    #[serde(flatten)]
    work: Counts,
    long_polls: Counts,
}

#[derive(Deserialize)]
struct Counts {
    scheduled: u64,
    sent: u64,
    completed: u64,
    status: BTreeMap<String, u64>,
    status_differs: u64,
    bytes: u64,
}

impl Counts {
    fn tally(&self, times: &TallyTimes) -> Result<Tally, ReadError> {
        let status = self.status.iter().map(|(status, count)| Ok((status.parse().map_err(|_| ReadError::Value("status"))?, *count)));
        Ok(Tally {
            scheduled: self.scheduled,
            sent: self.sent,
            completed: self.completed,
            lateness: times.lateness.times()?,
            service: times.service.times()?,
            response: times.response.times()?,
            original: times.original.times()?,
            status: status.collect::<Result<_, ReadError>>()?,
            differs: self.status_differs,
            bytes: self.bytes,
        })
    }
}

#[derive(Deserialize)]
struct WireUpstream {
    name: String,
    requests: u64,
}

#[derive(Deserialize)]
struct Histograms {
    lateness: WireTimes,
    held: WireTimes,
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

impl WireTimes {
    fn times(&self) -> Result<Times, ReadError> {
        let bytes = BASE64_STANDARD.decode(&self.hdr).map_err(|_| ReadError::Value("histograms"))?;
        let sum_ns = self.sum_ns.parse().map_err(|_| ReadError::Value("histograms"))?;
        Times::from_bytes(&bytes, sum_ns).ok_or(ReadError::Value("histograms"))
    }
}

fn failure(name: &str) -> Result<&'static str, ReadError> {
    Failure::ALL.into_iter().map(Failure::name).find(|known| *known == name).ok_or(ReadError::Value("failed"))
}

fn reason(name: &str) -> Result<&'static str, ReadError> {
    let own = [Reason::Filtered, Reason::Ramp, Reason::Overtaken, Reason::Full, Reason::Stopped];
    let all = Skip::ALL.into_iter().map(Reason::Content).chain(own);
    all.map(Reason::name).find(|known| *known == name).ok_or(ReadError::Value("skipped"))
}

fn micros(text: &str) -> Result<i64, ReadError> {
    text.parse().map(jiff::Timestamp::as_microsecond).map_err(|_| ReadError::Value("window"))
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, json};
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        for report in [fixture::report(), fixture::void()] {
            let text = json(&report).unwrap();
            let again = read(&text).unwrap();
            assert_eq!(again.measured.account, report.measured.account);
            assert_eq!(again.measured.whole().work, report.measured.whole().work);
            assert_eq!(again.measured.whole().polls, report.measured.whole().polls);
            assert_eq!((again.window, again.cpu.clone(), again.is_void()), (report.window, report.cpu.clone(), report.is_void()));
            let without_lists = |report: ReplayReport| ReplayReport { predicted: Vec::new(), steps: Vec::new(), ..report };
            assert_eq!(json(&again).unwrap(), json(&without_lists(report)).unwrap());
        }
    }

    #[test]
    fn what_is_no_replay_is_refused() {
        assert!(matches!(read("{}"), Err(ReadError::Json(_))));
        assert!(matches!(read(r#"{"schema":"wsim.analysis/1"}"#), Err(ReadError::Schema(_))));
        let text = json(&fixture::report()).unwrap().replace("\"write\"", "\"whim\"");
        assert!(matches!(read(&text), Err(ReadError::Value("skipped"))));
    }
}
