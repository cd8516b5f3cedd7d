//! From logged requests to the rows of a schedule.

use std::sync::Arc;

use super::SkipReason;
use super::schedule::{Row, Schedule, TrafficConfig, set_overlap_limits};
use wsim_stats::ObservedTime;
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
    /// Length of the window, µs, without the gaps that were left out.
    pub window_us: u64,
    /// The window without those gaps: its clock is the schedule's.
    time: ObservedTime,
}

/// What a replay leaves out because no log covers the time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LeftOutTime {
    /// Gaps, of which a short pause is kept.
    pub gaps: u64,
    /// Their length in all, s.
    pub seconds: f64,
    /// Requests with times far from all others, which are not sent.
    pub strays: u64,
}

impl ReplayedRequests {
    /// Takes the requests of a window, which begins at the first request and ends at the last unless `from_us` and `to_us` say otherwise.
    /// Requests between Synapse's own processes are left out: the target makes its own.
    pub fn new(requests: impl IntoIterator<Item = Request>, from_us: Option<i64>, to_us: Option<i64>) -> Self {
        let requests: Vec<Request> = requests.into_iter().filter(|request| !request.has(flag::INTERNAL)).collect();
        let start_us = from_us.or_else(|| requests.first().map(|request| request.arrival_us)).unwrap_or(0);
        let end_us = to_us.or_else(|| requests.last().map(|request| request.arrival_us)).unwrap_or(0);
        let time = ObservedTime::single(start_us, end_us);
        Self { requests, start_us, window_us: u64::try_from(end_us.saturating_sub(start_us)).unwrap_or(0), time }
    }

    /// End of the window, µs since the epoch.
    pub fn end_us(&self) -> i64 {
        self.time.ends().map_or(self.start_us, |(_, end)| end)
    }

    /// Leaves out what no log covers: the gaps of `observed`, the requests outside of it, and long silence at the ends of the window. A
    /// replay must not wait for days.
    pub fn leave_out_gaps(&mut self, observed: &ObservedTime) -> LeftOutTime {
        let mut spans: Vec<(i64, i64)> = observed.spans().collect();
        let all = self.requests.len();
        let requests = std::mem::take(&mut self.requests);
        self.requests = requests.into_iter().filter(|request| observed.contains(request.arrival_us)).collect();
        let (asked_start, asked_end) = (self.start_us, self.end_us());
        if let Some((start, _)) = spans.first_mut().filter(|(start, _)| start.saturating_sub(asked_start) <= SILENCE_MAX_US) {
            *start = asked_start.min(*start);
        }
        if let Some((start, end)) = spans.last_mut().filter(|(_, end)| asked_end.saturating_sub(*end) <= SILENCE_MAX_US) {
            *end = asked_end.max(*start + 1);
        }
        self.time = spans.into_iter().collect();
        self.start_us = self.time.ends().map_or(asked_start, |(start, _)| start);
        self.window_us = self.time.length_us();
        let gaps = self.time.gaps().map(|(start, end)| (end - start) as f64 / 1e6);
        let (gaps, seconds) = gaps.fold((0, 0.0), |(gaps, seconds), length| (gaps + 1, seconds + length));
        LeftOutTime { gaps, seconds, strays: (all - self.requests.len()) as u64 }
    }

    /// When a request is due, µs since the start of the window.
    pub fn offset_us(&self, request: &Request) -> u64 {
        self.time.offset_us(request.arrival_us)
    }

    /// The rows of a schedule. `left_out` says for each endpoint class, by its id, whether `--only` or `--skip` leave it out.
    pub fn rows(&self, info: &impl RowInfo, left_out: &[bool]) -> Vec<Row> {
        let rows = self.requests.iter().zip(0_u32..).map(|(request, row)| {
            let lane = info.lane(row);
            let filtered = left_out.get(usize::from(request.endpoint.0)).copied().unwrap_or(false);
            Row {
                arrival_us: self.offset_us(request),
                original_us: if request.has(flag::PROXY_TIME) { request.proxy_us } else { request.wall_us },
                actor: population::actor(request.user, request.peer, row),
                lane: lane.map_or(Row::NO_LANE, |lane| lane.number),
                endpoint: request.endpoint,
                original_status: request.status,
                overlap_max: 0,
                sync: lane.is_some_and(|lane| lane.sync),
                long_poll: request.has(flag::LONG_POLL),
                poll_ms: request.timeout_ms,
                skip: info.skip(row).or(filtered.then_some(SkipReason::Filtered)),
            }
        });
        let mut rows: Vec<Row> = rows.collect();
        set_overlap_limits(&mut rows);
        rows
    }

    /// The requests at another speed, as a trace: arrivals are those of the schedule. For the emulated cluster and its prediction, whose clock
    /// is the trace's.
    pub fn at_speed(&self, names: &Names, speed: f64) -> Trace {
        let traffic = TrafficConfig { speed, ..TrafficConfig::default() };
        let schedule = Schedule::from_rows(self.rows(&NoInfo, &[]), self.window_us, &traffic);
        let mut trace = Trace::new();
        trace.names = names.clone();
        for slot in &schedule.slots {
            let offset_us = i64::try_from(slot.intended_ns / 1000).unwrap_or(i64::MAX);
            trace.push(Request { arrival_us: self.start_us + offset_us, ..self.requests[slot.row as usize] });
        }
        trace.seal();
        trace
    }

    /// CPU time of each row in the log, µs.
    pub fn cpu_us(&self) -> Arc<[u32]> {
        self.requests.iter().map(|request| request.cpu_us).collect()
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

/// Silence before the first and after the last request of a window that is kept.
const SILENCE_MAX_US: i64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 86_400_000_000;

    fn requests(arrivals: &[i64]) -> Vec<Request> {
        arrivals.iter().map(|&arrival_us| Request { arrival_us, ..Request::default() }).collect()
    }

    fn due(replayed: &ReplayedRequests) -> Vec<u64> {
        replayed.rows(&NoInfo, &[]).iter().map(|row| row.arrival_us).collect()
    }

    #[test]
    fn a_gap_of_ten_days_is_a_pause_and_strays_are_not_sent() {
        let logged = requests(&[0, 1_000_000, 10 * DAY_US, 10 * DAY_US + 500_000, 365 * DAY_US]);
        let observed = [(0, 1_000_001), (10 * DAY_US, 10 * DAY_US + 500_001)].into_iter().collect();
        let mut replayed = ReplayedRequests::new(logged, None, None);
        assert_eq!((replayed.window_us, due(&replayed)[4]), (365 * 86_400_000_000, 365 * 86_400_000_000), "as asked");
        let left_out = replayed.leave_out_gaps(&observed);
        assert_eq!((left_out.gaps, left_out.strays), (1, 1));
        assert!((left_out.seconds - 863_999.0).abs() < 1.0);
        let due = due(&replayed);
        assert!(due[..2] == [0, 1_000_000] && (11_000_000..12_100_000).contains(&due[2]) && due[3] == due[2] + 500_000, "{due:?}");
        assert_eq!((replayed.window_us, replayed.end_us()), (due[3] + 1, 10 * DAY_US + 500_001));
    }

    #[test]
    fn a_window_without_gaps_stays_as_it_is() {
        let logged = requests(&[5_000_000, 9_000_000]);
        let observed = ObservedTime::single(5_000_000, 9_000_001);
        for (from_us, to_us) in [(None, None), (Some(0), Some(20_000_000))] {
            let plain = ReplayedRequests::new(logged.clone(), from_us, to_us);
            let mut cut = plain.clone();
            assert_eq!(cut.leave_out_gaps(&observed), LeftOutTime::default());
            assert_eq!((cut.window_us, cut.start_us, due(&cut)), (plain.window_us, plain.start_us, due(&plain)));
        }
    }

    #[test]
    fn silence_before_and_after_the_log_is_not_waited_for() {
        let mut replayed = ReplayedRequests::new(requests(&[100 * DAY_US, 100 * DAY_US + 7]), Some(0), Some(300 * DAY_US));
        replayed.leave_out_gaps(&ObservedTime::single(100 * DAY_US, 100 * DAY_US + 8));
        assert_eq!((due(&replayed), replayed.window_us), (vec![0, 7], 8));
    }
}
