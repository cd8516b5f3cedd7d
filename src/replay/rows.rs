//! From a trace to the rows of a schedule.

use std::collections::HashMap;

use super::Reason;
use super::schedule::{Row, count_alongside};
use wsim_trace::{NameId, Request, flag};

/// In which order a request stands with others of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Number of the lane, dense from 0.
    pub number: u32,
    /// A lane of syncs.
    pub sync: bool,
}

/// What a [`Script`](super::Script) says of a row before the run.
pub trait Plan {
    /// Its lane; `None` for requests that wait for nobody.
    fn lane(&self, row: u32) -> Option<Lane>;

    /// Why it will not be sent, as far as that is known.
    fn skip(&self, row: u32) -> Option<Reason>;
}

/// Rows for requests in arrival order. The window begins at `start_us` (µs since the epoch). `leave_out` says which classes of request, by
/// number, are left out.
pub fn rows(requests: &[Request], start_us: i64, plan: &impl Plan, leave_out: &[bool]) -> Vec<Row> {
    let mut actors: HashMap<(NameId, NameId), u32> = HashMap::new();
    let mut rows: Vec<Row> = requests
        .iter()
        .zip(0_u32..)
        .map(|(request, number)| {
            // A request without a user is its peer's; load and shards take a peer as they take a user.
            let who = if request.user.is_some() { (request.user, NameId::NONE) } else { (NameId::NONE, request.peer) };
            let next = u32::try_from(actors.len()).unwrap_or(u32::MAX);
            let lane = plan.lane(number);
            let filtered = leave_out.get(usize::from(request.endpoint.0)).copied().unwrap_or(false);
            Row {
                arrival_us: u64::try_from(request.arrival_us - start_us).unwrap_or(0),
                original_us: if request.has(flag::PROXY_TIME) { request.proxy_us } else { request.wall_us },
                actor: *actors.entry(who).or_insert(next),
                lane: lane.map_or(Row::NO_LANE, |lane| lane.number),
                endpoint: request.endpoint,
                original_status: request.status,
                alongside: 0,
                sync: lane.is_some_and(|lane| lane.sync),
                long_poll: request.has(flag::LONG_POLL),
                skip: plan.skip(number).or(filtered.then_some(Reason::Filtered)),
            }
        })
        .collect();
    count_alongside(&mut rows);
    rows
}
