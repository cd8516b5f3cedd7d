//! The model of a Synapse deployment: processes behind a proxy.
//!
//! Life cycle of a request:
//! 1. It comes ([`arrival`]): the proxy's rule sends it to a process. A long poll parks until the absolute instant of its news
//!    (or its timeout); it is in flight meanwhile, but not at work.
//! 2. It begins: its costs are taken as observed, or as they would be with warm or cold caches, and it waits for its lock.
//! 3. It works ([`work`]): a slice at the reactor, then a round of transactions through the pool of connections, and so on, all by turns
//!    with others at the process's interpreter ([`turn`]); each slice casts a shadow of CPU that no request line shows.
//! 4. If it makes an event ([`sending`]): a hop to the room's persister, whose queue merges what waits into one batch; the
//!    written events reach every other process as slices nobody can refuse; the answer goes back, and waits behind them.
//! 5. It ends ([`arrival`]): locks pass on, latencies are counted, a device thinks and comes back.

mod arrival;
mod event;
mod job;
mod live;
mod machine;
mod outcome;
mod process;
mod sending;
mod turn;
mod work;

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod tests;

pub use live::{Arrival, Finished, Live};

use prefetch_index::prefetch_index;

use event::Event;
use job::{Caller, Job, Slots};
use live::Watched;
use process::Process;

use super::engine::{Model, Progress};
use super::queue::EventQueue;
use super::random::Purpose;
use super::record::Record;
use super::result::RunResult;
use super::router::{Router, Routers, ServerLoad};
use super::schedule::{Schedule, Visit};
use super::station::{Database, Links, Locks, Measuring, MergingQueues};
use super::time::Time;
use super::topology::{Costs, Topology, TopologyError};
use super::workload::Workload;
use wsim_stats::DurationRecorder;
use wsim_stats::hashing::NumberMap;

/// What one run needs.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The requests.
    pub workload: &'a Workload,
    /// Who comes, and when.
    pub schedule: &'a Schedule,
    /// Processes and pools.
    pub topology: &'a Topology,
    /// Balancing rules.
    pub routers: &'a dyn Routers,
    /// What no request line shows.
    pub costs: &'a Costs,
    /// What to measure.
    pub measuring: Measuring,
    /// Everything random hangs on it.
    pub seed: u64,
    /// Measure response times as Synapse logs them, too.
    pub as_logged: bool,
}

impl Run<'_> {
    /// Simulates. Requests that come after the end of measuring are left out; those before it are served to their end. The
    /// same input gives the same result to the bit.
    ///
    /// # Errors
    /// The topology names what does not exist.
    pub fn simulate(&self) -> Result<RunResult, TopologyError> {
        self.topology.check()?;
        let mut cluster = Cluster::new(*self);
        let mut queue = cluster.queue();
        let mut progress = Progress::default();
        progress.run(&mut cluster, &mut queue, Time::NEVER);
        Ok(cluster.into_result(progress))
    }
}

struct Cluster<'a> {
    run: Run<'a>,
    place: usize,
    next_at: Time,
    callers: Slots<Caller>,
    jobs: Slots<Job>,
    processes: Vec<Process>,
    pools: Vec<ProxyPool<'a>>,
    links: Links,
    locks: Locks,
    persisting: MergingQueues,
    database: Database,
    caches: Option<Caches>,
    groups: Vec<GroupTally>,
    counts: Counts,
    /// Set where requests come from outside and not from the schedule.
    watched: Option<Box<Watched>>,
}

struct ProxyPool<'a> {
    members: Vec<u16>,
    loads: Vec<ServerLoad>,
    router: Box<dyn Router + 'a>,
}

/// (actor, process) -> second of the last service: only where a class cares.
type Caches = NumberMap<u64, u32>;

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
    refused: u64,
    cold: u64,
    begun: u64,
    merged: u64,
}

impl<'a> Cluster<'a> {
    fn new(run: Run<'a>) -> Self {
        let processes = run.topology.processes.iter().zip(0..).map(|(spec, number)| Process::new(spec, number, run.seed, run.measuring));
        let pools = run.topology.pools.iter().enumerate().map(|(number, members)| ProxyPool {
            members: members.clone(),
            loads: vec![ServerLoad::default(); members.len()],
            router: run.routers.router(number, members.len(), run.seed),
        });
        let groups = run.workload.classes.iter().map(|class| usize::from(class.group) + 1).max().unwrap_or(0);
        let cares = run.workload.classes.iter().any(|class| class.cold_ratio > 1.0);
        let mut cluster = Self {
            run,
            place: 0,
            next_at: Time::NEVER,
            callers: Slots::default(),
            jobs: Slots::default(),
            processes: processes.collect(),
            pools: pools.collect(),
            links: Links::default(),
            locks: Locks::default(),
            persisting: MergingQueues::default(),
            database: Database::new(run.costs.slowdown),
            caches: cares.then(Caches::default),
            groups: vec![GroupTally::default(); groups],
            counts: Counts::default(),
            watched: None,
        };
        cluster.look_ahead();
        cluster
    }

    /// A queue that knows its processes.
    fn queue(&self) -> EventQueue {
        EventQueue::with_timers(self.processes.len())
    }

    fn record(&self, visit: Visit) -> &'a Record {
        &self.run.workload.records[visit.record as usize]
    }

    fn look_ahead(&mut self) {
        let next = self.run.schedule.visit(self.place).map(|visit| self.run.schedule.arrival(self.run.workload, visit));
        if let Some(later) = self.run.schedule.visit(self.place + ARRIVALS_AHEAD) {
            self.prefetch(later.record);
        }
        self.next_at = next.filter(|&at| at < self.run.measuring.until).unwrap_or(Time::NEVER);
    }

    /// Fetches what the next events need from memory while this one is worked on: a parked request has not been looked at for half a minute.
    #[inline]
    fn makes_ready(&self, queue: &EventQueue) {
        let caller = |after: usize| queue.coming(after).and_then(Event::caller_of);
        if let Some(seat) = caller(CALLERS_AHEAD) {
            self.callers.prefetch(seat);
        }
        if let Some(seat) = caller(RECORDS_AHEAD) {
            self.prefetch(self.callers[seat].visit.record);
        }
    }

    #[inline]
    fn prefetch(&self, record: u32) {
        // Most records lie across a border of cache lines.
        let records = &self.run.workload.records;
        prefetch_index(records, record as usize);
        prefetch_index(records, record as usize + 1);
    }

    fn draw(&self, purpose: Purpose, visit: Visit, number: u64) -> u64 {
        super::random::draw(self.run.seed ^ number, purpose, visit.identity())
    }
}

impl Model for Cluster<'_> {
    fn next_arrival(&self) -> Time {
        self.next_at
    }

    fn arrive(&mut self, now: Time, queue: &mut EventQueue) {
        if let Some(visit) = self.run.schedule.visit(self.place) {
            self.place += 1;
            self.look_ahead();
            self.comes(now, visit, queue);
        }
    }

    fn timer(&mut self, now: Time, process: usize, queue: &mut EventQueue) {
        self.turn(now, process, queue);
    }

    fn happen(&mut self, now: Time, payload: u32, queue: &mut EventQueue) {
        self.makes_ready(queue);
        let (event, slot) = Event::unpack(payload);
        match event {
            Event::ComesBack => self.knocks(now, slot, queue),
            Event::News => self.news(now, slot, queue),
            Event::TransactionEnds => self.transaction_ends(now, slot, queue),
            Event::DelayEnds => self.next_round(now, slot, queue),
            Event::HopArrives => self.hop_arrives(now, slot, queue),
            Event::BatchWritten => self.batch_written(now, slot, queue),
            Event::AnswerArrives => self.answer_arrives(now, slot, queue),
            Event::RowsCome => self.rows_come(now, slot, queue),
            Event::Replicated => self.replicated(now, slot),
            // What an interpreter hands back, which is never scheduled.
            Event::SliceEnds | Event::HopTaken | Event::BatchReady | Event::AnswerTaken | Event::ThreadStarts => {}
        }
    }
}

/// So many arrivals ahead a record is fetched from memory.
const ARRIVALS_AHEAD: usize = 4;
/// So many events ahead a caller is, and so many its record, whose number the caller must be there to say.
const CALLERS_AHEAD: usize = 5;
const RECORDS_AHEAD: usize = 2;
