//! From logged requests to the rows of a schedule.

use std::collections::BTreeMap;

use super::SkipReason;
use super::schedule::{Row, Schedule, TrafficConfig, set_overlap_limits};
use wsim_trace::{Names, Request, Trace, flag, population};

/// The lane of a request: the requests of one lane keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Lanes are numbered without gaps from 0.
    pub number: u32,
    /// A lane of syncs.
    pub sync: bool,
}

/// What is known of a row before the run.
pub trait RowInfo {
    /// Its lane; `None` for a request that waits for no other.
    fn lane(&self, row: u32) -> Option<Lane>;

    /// Why it will not be sent, if that is known already.
    fn skip(&self, row: u32) -> Option<SkipReason>;
}

/// The part of a trace that is replayed: requests in arrival order, and the window they are in.
#[derive(Debug, Clone, Default)]
pub struct ReplayedRequests {
    pub requests: Vec<Request>,
    /// Beginning of the window, µs since the epoch.
    pub start_us: i64,
    /// Length of the window, µs.
    pub window_us: u64,
}

/// How much of the logged CPU time is known beforehand not to be replayed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CpuShare {
    /// CPU time in the log, s.
    pub logged_seconds: f64,
    /// CPU time of requests that are not sent, s, by the name of the reason.
    pub skipped_seconds: Vec<(&'static str, f64)>,
}

impl ReplayedRequests {
    /// Takes the requests of a window, which begins at the first request and ends at the last unless `from_us` and `to_us` say otherwise.
    /// Requests between Synapse's own processes are left out: the target makes its own.
    pub fn new(requests: impl IntoIterator<Item = Request>, from_us: Option<i64>, to_us: Option<i64>) -> Self {
        let requests: Vec<Request> = requests.into_iter().filter(|request| !request.has(flag::INTERNAL)).collect();
        let start_us = from_us.or_else(|| requests.first().map(|request| request.arrival_us)).unwrap_or(0);
        let end_us = to_us.or_else(|| requests.last().map(|request| request.arrival_us)).unwrap_or(0);
        Self { requests, start_us, window_us: u64::try_from(end_us - start_us).unwrap_or(0) }
    }

    /// End of the window, µs since the epoch.
    pub fn end_us(&self) -> i64 {
        self.start_us + i64::try_from(self.window_us).unwrap_or(0)
    }

    /// The rows of a schedule. `left_out` says for each endpoint class, by its id, whether `--only` or `--skip` leave it out.
    pub fn rows(&self, info: &impl RowInfo, left_out: &[bool]) -> Vec<Row> {
        let rows = self.requests.iter().zip(0_u32..).map(|(request, row)| {
            let lane = info.lane(row);
            let filtered = left_out.get(usize::from(request.endpoint.0)).copied().unwrap_or(false);
            Row {
                arrival_us: u64::try_from(request.arrival_us - self.start_us).unwrap_or(0),
                original_us: if request.has(flag::PROXY_TIME) { request.proxy_us } else { request.wall_us },
                actor: population::actor(request.user, request.peer, row),
                lane: lane.map_or(Row::NO_LANE, |lane| lane.number),
                endpoint: request.endpoint,
                original_status: request.status,
                overlap_max: 0,
                sync: lane.is_some_and(|lane| lane.sync),
                long_poll: request.has(flag::LONG_POLL),
                skip: info.skip(row).or(filtered.then_some(SkipReason::Filtered)),
            }
        });
        let mut rows: Vec<Row> = rows.collect();
        set_overlap_limits(&mut rows);
        rows
    }

    /// The requests that a schedule sends, as a trace: each clone is a user of its own in the same rooms, and arrivals are those of the
    /// schedule. For the emulated cluster and its prediction, which know neither clones' accounts nor speed.
    pub fn to_trace(&self, names: &Names, traffic: &TrafficConfig) -> Trace {
        let whole = TrafficConfig { ramp_seconds: 0.0, shard: None, ..*traffic };
        let schedule = Schedule::from_rows(self.rows(&NoInfo, &[]), self.window_us, &whole);
        let mut trace = Trace::new();
        trace.names = names.clone();
        for slot in &schedule.slots {
            let original = self.requests[slot.row as usize];
            let offset_us = i64::try_from(slot.intended_ns / 1000).unwrap_or(i64::MAX);
            let user = if slot.copy == 0 || !original.user.is_some() {
                original.user
            } else {
                let name = format!("{}#{}", names.text(original.user), slot.copy);
                trace.names.intern(name.as_bytes())
            };
            trace.push(Request { arrival_us: self.start_us + offset_us, user, ..original });
        }
        trace.seal();
        trace
    }

    /// How much of the logged CPU time these rows leave out; `None` if no CPU time was logged.
    pub fn cpu_share(&self, rows: &[Row]) -> Option<CpuShare> {
        let mut skipped: BTreeMap<&'static str, f64> = BTreeMap::new();
        let mut logged_seconds = 0.0;
        for (row, request) in rows.iter().zip(&self.requests) {
            let seconds = f64::from(request.cpu_us) / 1e6;
            logged_seconds += seconds;
            if let Some(reason) = row.skip {
                *skipped.entry(reason.name()).or_default() += seconds;
            }
        }
        (logged_seconds > 0.0).then(|| CpuShare { logged_seconds, skipped_seconds: skipped.into_iter().collect() })
    }
}

/// Of rows about which nothing is known but the log.
struct NoInfo;

impl RowInfo for NoInfo {
    fn lane(&self, _: u32) -> Option<Lane> {
        None
    }

    fn skip(&self, _: u32) -> Option<SkipReason> {
        None
    }
}
