//! One simulated run of a Synapse deployment: processes behind a proxy.
//!
//! Life cycle of a request:
//! 1. Arrival (`arrival`): the proxy's rule routes the request to a process. A long poll waits there for the news of another request (`news`),
//!    or until its wake-up, an absolute time, or its timeout; meanwhile the request is in flight but not active.
//! 2. Start: its costs are the observed ones, or a donor's where caches are warmer or colder than observed; the request acquires its lock.
//! 3. Work (`work`): a slice in the reactor, then a round of transactions through the connection pool, and so on, in competition with other
//!    requests for the process's interpreter (`gil`). Each slice is followed by unlogged CPU, which no request line shows.
//! 4. Requests that make an event (`persist`): a replication RPC to the room's persister, whose queue merges all waiting events into one
//!    batch. The written events reach every other process as unawaited work; the RPC's response waits behind that work.
//! 5. Completion (`arrival`): locks are released, latencies are recorded, a device sends its next long poll after its think time.

mod arrival;
mod event;
mod gil;
mod live;
mod machine;
mod news;
mod persist;
mod process;
mod request;
mod summary;
mod work;

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod tests;

pub use live::{LiveRequest, LiveResponse, LiveRun};

use prefetch_index::prefetch_index;

use event::Event;
use live::LiveState;
use news::News;
use process::Process;
use request::{ActiveRequest, PendingRequest, Slots};

use super::caches::Caches;
use super::record::Record;
use super::result::RunResult;
use super::router::{Router, Routers, ServerLoad};
use super::schedule::{Occurrence, Schedule};
use super::topology::{Costs, Topology, TopologyError};
use super::workload::Workload;
use crate::engine::queue::EventQueue;
use crate::engine::random::Purpose;
use crate::engine::time::Time;
use crate::engine::{Model, Progress, StopFlag};
use crate::station::{Database, Links, Locks, MeasurementWindow};
use wsim_stats::DurationRecorder;

/// The input of one run.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub workload: &'a Workload,
    /// The arrivals.
    pub schedule: &'a Schedule,
    pub topology: &'a Topology,
    pub routers: &'a dyn Routers,
    /// Costs that no request line shows.
    pub costs: &'a Costs,
    /// When to measure.
    pub measurement: MeasurementWindow,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Also measure response times as Synapse logs them.
    pub as_logged: bool,
}

impl Run<'_> {
    /// Simulates. Requests that arrive after the measured time are left out; requests that arrive before its end are
    /// served to completion. The same input gives the same result to the bit.
    ///
    /// # Errors
    /// The topology is inconsistent.
    pub fn simulate(&self) -> Result<RunResult, TopologyError> {
        let mut cluster = self.cluster()?;
        let mut queue = cluster.event_queue();
        let mut progress = Progress::default();
        progress.run(&mut cluster, &mut queue, Time::NEVER);
        Ok(cluster.into_result(progress))
    }

    /// Simulates unless `stop` is set before the end; then there is no result.
    ///
    /// # Errors
    /// The topology is inconsistent.
    pub fn simulate_unless(&self, stop: &StopFlag) -> Result<Option<RunResult>, TopologyError> {
        let mut cluster = self.cluster()?;
        let mut queue = cluster.event_queue();
        let mut progress = Progress::default();
        let is_complete = progress.run_unless(&mut cluster, &mut queue, stop);
        Ok(is_complete.then(|| cluster.into_result(progress)))
    }

    fn cluster(&self) -> Result<Cluster<'_>, TopologyError> {
        self.topology.check()?;
        Ok(Cluster::new(*self))
    }
}

struct Cluster<'a> {
    run: Run<'a>,
    next_index: usize,
    next_at: Time,
    pending: Slots<PendingRequest>,
    active: Slots<ActiveRequest>,
    processes: Vec<Process>,
    pools: Vec<ProxyPool<'a>>,
    links: Links,
    locks: Locks,
    database: Database,
    caches: Caches,
    news: News,
    groups: Vec<GroupTally>,
    counts: Counts,
    /// Set where requests are submitted from outside instead of by the schedule.
    live: Option<Box<LiveState>>,
}

struct ProxyPool<'a> {
    members: Vec<u16>,
    loads: Vec<ServerLoad>,
    router: Box<dyn Router + 'a>,
}

#[derive(Debug, Clone, Default)]
struct GroupTally {
    work: DurationRecorder,
    logged: DurationRecorder,
    waits: DurationRecorder,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    events_persisted: u64,
    batches: u64,
    rejected: u64,
    cold: u64,
    started: u64,
    merged_polls: u64,
}

impl<'a> Cluster<'a> {
    fn new(run: Run<'a>) -> Self {
        let processes = run.topology.processes.iter().zip(0..).map(|(spec, number)| Process::new(spec, number, run.seed, run.measurement));
        let pools = run.topology.pools.iter().enumerate().map(|(number, members)| ProxyPool {
            members: members.clone(),
            loads: vec![ServerLoad::default(); members.len()],
            router: run.routers.router(number, members.len(), run.seed),
        });
        let groups = run.workload.classes.iter().map(|class| usize::from(class.group) + 1).max().unwrap_or(0);
        let mut cluster = Self {
            run,
            next_index: 0,
            next_at: Time::NEVER,
            pending: Slots::default(),
            active: Slots::default(),
            processes: processes.collect(),
            pools: pools.collect(),
            links: Links::default(),
            locks: Locks::default(),
            database: Database::new(run.costs.slowdown),
            caches: Caches::default(),
            news: News::new(run.workload.records.len()),
            groups: vec![GroupTally::default(); groups],
            counts: Counts::default(),
            live: None,
        };
        cluster.prepare_next_arrival();
        cluster
    }

    /// An event queue with a timer for each process.
    fn event_queue(&self) -> EventQueue {
        EventQueue::with_timers(self.processes.len())
    }

    fn record(&self, occurrence: Occurrence) -> &'a Record {
        &self.run.workload.records[occurrence.record as usize]
    }

    fn prepare_next_arrival(&mut self) {
        let next = self.run.schedule.occurrence(self.next_index).map(|occurrence| self.run.schedule.arrival(self.run.workload, occurrence));
        if let Some(later) = self.run.schedule.occurrence(self.next_index + ARRIVALS_AHEAD) {
            self.prefetch(later.record);
        }
        self.next_at = next.filter(|&at| at < self.run.measurement.until).unwrap_or(Time::NEVER);
    }

    /// Prefetches the memory that the next events need: a waiting long poll has not been touched for half a minute.
    #[inline]
    fn prefetch_upcoming(&self, queue: &EventQueue) {
        let pending_id = |n: usize| queue.peek_nth(n).and_then(Event::pending_id_of);
        if let Some(pending_id) = pending_id(PENDING_AHEAD) {
            self.pending.prefetch(pending_id);
        }
        if let Some(pending_id) = pending_id(RECORDS_AHEAD) {
            self.prefetch(self.pending[pending_id].occurrence.record);
        }
    }

    #[inline]
    fn prefetch(&self, record: u32) {
        // Most records span two cache lines.
        let records = &self.run.workload.records;
        prefetch_index(records, record as usize);
        prefetch_index(records, record as usize + 1);
    }

    fn draw(&self, purpose: Purpose, occurrence: Occurrence, number: u64) -> u64 {
        crate::engine::random::draw(self.run.seed ^ number, purpose, occurrence.identity())
    }
}

impl Model for Cluster<'_> {
    fn next_arrival(&self) -> Time {
        self.next_at
    }

    fn on_arrival(&mut self, now: Time, queue: &mut EventQueue) {
        if let Some(occurrence) = self.run.schedule.occurrence(self.next_index) {
            self.next_index += 1;
            self.prepare_next_arrival();
            self.admit(now, occurrence, queue);
        }
    }

    fn on_timer(&mut self, now: Time, process: usize, queue: &mut EventQueue) {
        self.poll_interpreter(now, process, queue);
    }

    fn on_event(&mut self, now: Time, payload: u32, queue: &mut EventQueue) {
        self.prefetch_upcoming(queue);
        let (event, slot) = Event::unpack(payload);
        match event {
            Event::NextPoll => self.on_next_poll(now, slot, queue),
            Event::Wakeup => self.on_wakeup(now, slot, queue),
            Event::TransactionDone => self.on_transaction_done(now, slot, queue),
            Event::DelayDone => self.next_round(now, slot, queue),
            Event::RpcReceived => self.on_rpc_received(now, slot, queue),
            Event::BatchWritten => self.on_batch_written(now, slot, queue),
            Event::RpcResponseReceived => self.on_rpc_response_received(now, slot, queue),
            Event::RowsReceived => self.on_db_result(now, slot, queue),
            Event::EventsReplicated => self.on_events_replicated(now, slot),
            // Payloads of interpreters, handled in `on_completed`; never scheduled in the queue.
            Event::SliceDone | Event::RpcHandled | Event::BatchPrepared | Event::RpcResponseHandled | Event::GilAcquired => {}
        }
    }
}

/// Prefetch distance of records, in arrivals.
const ARRIVALS_AHEAD: usize = 4;
/// Prefetch distances of pending requests and of their records, in events. A record's index is read from the pending
/// request, so the pending request must be prefetched earlier.
const PENDING_AHEAD: usize = 5;
const RECORDS_AHEAD: usize = 2;
