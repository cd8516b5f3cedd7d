//! A run: sends each request when it is due and records how it ended.
//!
//! ```text
//! 1. the dispatcher's thread hands over a slot when it is due
//! 2. the slot's lane admits it, or queues it behind its user's earlier requests
//! 3. the script makes the request
//! 4. the request gets a connection, or waits for one
//! 5. the script learns from the response, the outcome is recorded, the lane admits the next slots
//! ```
//!
//! Steps 2 to 5 run on one thread with a current-thread runtime, so nothing here needs a lock. The recorder has a thread of its own.
//! In this file `index` is the index of a slot.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use super::breaker::{Breaker, BreakerLimits};
use super::dispatcher::{self, Pace};
use super::lanes::{Admission, Lanes, QueuedSlot};
use super::pool::{ConnectionGrant, Pool, ReadyRequest};
use super::recording::{Recording, Sink};
use super::schedule::{Row, Schedule, TrafficConfig};
use super::stop::{StopReason, StopSignal};
use super::{End, Outcome, OutcomeTotals, Position, Script, SkipReason};
use wsim_stats::hashing::NumberMap;
use wsim_transport::{Connector, Failure, Response, minimise_timer_slack, raise_thread_priority};

/// Limits of a run, and how it is paced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineConfig {
    /// Connections open at once, at least 1. Each request in flight has one, waiting long polls included.
    pub connections_max: usize,
    /// Requests that may wait for their lane or for a connection; further ones are skipped and counted.
    pub waiting_max: usize,
    /// How long to wait for long polls after the end of the schedule. Other requests end by the transport's own timeout.
    pub drain: Duration,
    /// How long to wait for requests in flight after the run was stopped.
    pub drain_stopped: Duration,
    pub pace: Pace,
    /// When to stop because the target fails.
    pub breaker: BreakerLimits,
    /// Send the row's index in the header [`ROW_HEADER`](wsim_transport::ROW_HEADER). For emulated clusters.
    pub send_row_header: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            waiting_max: 100_000,
            drain: Duration::from_secs(35),
            drain_stopped: Duration::from_secs(5),
            pace: Pace::Sleep,
            breaker: BreakerLimits::default(),
            send_row_header: false,
        }
    }
}

/// The parts of a run.
pub struct Run<S> {
    pub schedule: Arc<Schedule>,
    /// The configuration that `schedule` was made from; its ramp takes effect here.
    pub traffic: TrafficConfig,
    pub script: Box<dyn Script>,
    pub connector: Connector,
    /// Receives the outcomes.
    pub sink: S,
    pub config: EngineConfig,
    /// The instant of the schedule's offset 0.
    pub begin: Instant,
    /// Ends the run early.
    pub stop: Arc<StopSignal>,
    /// Counts for progress and metrics.
    pub live: Arc<LiveCounters>,
}

/// Counts of a run in progress, for the progress bar and `/metrics`. Each is correct by itself; together they may be of slightly
/// different instants.
#[derive(Debug, Default)]
pub struct LiveCounters {
    /// Slots that came due.
    pub due: AtomicU64,
    pub in_flight: AtomicU64,
    /// Requests that wait for their lane or a connection.
    pub waiting: AtomicU64,
    /// Requests that got a response or failed.
    pub ended: AtomicU64,
    /// The failed ones among `ended`.
    pub failed: AtomicU64,
    /// Slots that were not sent.
    pub skipped: AtomicU64,
}

/// Result of a run.
#[derive(Debug)]
pub struct FinishedRun {
    /// Add up to the schedule.
    pub totals: OutcomeTotals,
    /// From the beginning of the schedule to the end of the last request.
    pub took: Duration,
    /// Why it ended early, if it did.
    pub stopped: Option<StopReason>,
}

/// Why a run could not start, or has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system provides no thread or no event queue.
    #[error("could not start the run: {0}")]
    Start(#[from] io::Error),
    #[error("a thread of the run panicked; this is a defect of wsim")]
    Panicked,
}

/// Runs a schedule to its end; blocks the calling thread.
///
/// # Errors
/// See [`RunError`]. A failed request is an outcome, not an error.
pub fn run<S: Sink + 'static>(run: Run<S>) -> Result<(FinishedRun, S), RunError> {
    // Runs on a dedicated thread because the priority and timer-slack changes are never reverted.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("engine".to_owned()).spawn_scoped(scope, || {
            minimise_timer_slack();
            raise_thread_priority();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, run_to_end(run))
        })?;
        thread.join().map_err(|_| RunError::Panicked)?
    })
}

async fn run_to_end<S: Sink + 'static>(run: Run<S>) -> Result<(FinishedRun, S), RunError> {
    let Run { schedule, traffic, script, connector, sink, config, begin, stop, live } = run;
    let (due, incoming) = unbounded_channel();
    let recording = Recording::start(sink, Arc::clone(&stop))?;
    let dispatcher = dispatcher::start(Arc::clone(&schedule), begin, config.pace, Arc::clone(&stop), due)?;
    let engine = Engine {
        lanes: Lanes::new(schedule.lanes as usize * usize::from(schedule.copies)),
        pool: Pool::new(config.connections_max),
        breaker: Breaker::new(config.breaker),
        in_flight: NumberMap::default(),
        polls_in_flight: 0,
        upstreams: HashMap::new(),
        last_ns: 0,
        connector: Rc::new(connector),
        schedule,
        traffic,
        script,
        config,
        begin,
        stop,
        live,
        recording: Some(recording),
    };
    let engine = Rc::new(RefCell::new(engine));
    receive_due_slots(&engine, incoming).await;
    let delivered = dispatcher.join().map_err(|_| RunError::Panicked)?;
    engine.borrow_mut().skip_undelivered(delivered);
    drain(&engine).await;
    let mut engine = engine.borrow_mut();
    engine.abandon_in_flight();
    let stopped = engine.stop.reason().cloned();
    let took = Duration::from_nanos(engine.last_ns);
    let Some(recording) = engine.recording.take() else { return Err(RunError::Panicked) };
    let (totals, sink) = recording.finish();
    Ok((FinishedRun { totals, took, stopped }, sink.ok_or(RunError::Panicked)?))
}

/// Handles due slots until the dispatcher has no more.
async fn receive_due_slots<S: Sink + 'static>(engine: &Rc<RefCell<Engine<S>>>, mut incoming: UnboundedReceiver<u32>) {
    let mut slots = Vec::with_capacity(64);
    let mut flush = tokio::time::interval(FLUSH);
    loop {
        tokio::select! {
            count = incoming.recv_many(&mut slots, 64) => {
                if count == 0 {
                    return;
                }
                for slot in slots.drain(..) {
                    on_due(engine, slot);
                }
            }
            _ = flush.tick() => engine.borrow_mut().flush(),
        }
    }
}

/// Waits for requests in flight, as long as the configuration allows.
async fn drain<S: Sink + 'static>(engine: &Rc<RefCell<Engine<S>>>) {
    let began = Instant::now();
    while engine.borrow_mut().keep_draining(began.elapsed()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How often outcomes are handed to the recorder when there are few.
const FLUSH: Duration = Duration::from_millis(100);

struct Engine<S> {
    schedule: Arc<Schedule>,
    traffic: TrafficConfig,
    script: Box<dyn Script>,
    connector: Rc<Connector>,
    config: EngineConfig,
    begin: Instant,
    stop: Arc<StopSignal>,
    live: Arc<LiveCounters>,
    lanes: Lanes,
    pool: Pool,
    breaker: Breaker,
    /// Slots that have a connection, and when they were due, ns.
    in_flight: NumberMap<u32, u64>,
    polls_in_flight: usize,
    upstreams: HashMap<Arc<str>, u8>,
    last_ns: u64,
    /// `None` once the run is over.
    recording: Option<Recording<S>>,
}

/// Handles a slot that is due.
fn on_due<S: Sink + 'static>(shared: &Rc<RefCell<Engine<S>>>, index: u32) {
    let mut engine = shared.borrow_mut();
    engine.live.due.fetch_add(1, Ordering::Relaxed);
    let slot = engine.schedule.slots[index as usize];
    let row = engine.schedule.rows[slot.row as usize];
    if let Some(reason) = row.skip {
        return engine.skip(index, reason);
    }
    if engine.schedule.is_before_ramp(slot, &engine.traffic) {
        return engine.skip(index, SkipReason::Ramp);
    }
    let Some(lane) = engine.lane(index) else {
        engine.start_or_queue(shared, index, slot.intended_ns);
        return;
    };
    if !engine.lanes.is_free(lane, row.overlap_max) && engine.is_full() {
        return engine.skip(index, SkipReason::QueueFull);
    }
    match engine.lanes.admit(lane, QueuedSlot { slot: index, overlap_max: row.overlap_max, sync: row.sync }) {
        Admission::Admitted => {
            if !engine.start_or_queue(shared, index, slot.intended_ns) {
                engine.lanes.release(lane);
                engine.admit_waiting(shared, lane);
            }
        }
        Admission::Queued { overtaken } => {
            if let Some(before) = overtaken {
                engine.skip(before, SkipReason::Overtaken);
            }
        }
    }
}

/// Sends one request, records its outcome, and lets waiting requests go on.
async fn run_exchange<S: Sink + 'static>(shared: Rc<RefCell<Engine<S>>>, ready: ReadyRequest, grant: ConnectionGrant) {
    let (connector, row) = shared.borrow().exchange_context(ready.slot);
    let kept = match grant {
        ConnectionGrant::Reuse(connection) => Some(*connection),
        ConnectionGrant::Open | ConnectionGrant::Wait => None,
    };
    let exchange = wsim_transport::exchange(&connector, &ready.request, row, kept).await;
    let mut engine = shared.borrow_mut();
    engine.on_exchange_end(&ready, &exchange.result, exchange.written);
    engine.pool.release(exchange.connection);
    engine.serve_waiting(&shared);
    if let Some(lane) = engine.lane(ready.slot) {
        engine.lanes.release(lane);
        engine.admit_waiting(&shared, lane);
    }
}

impl<S: Sink + 'static> Engine<S> {
    /// Makes a request and sends it, or queues it for a connection. `false` if it was skipped.
    fn start_or_queue(&mut self, shared: &Rc<RefCell<Self>>, index: u32, due_ns: u64) -> bool {
        let slot = self.schedule.slots[index as usize];
        let request = match self.script.request(Position { row: slot.row, copy: slot.copy }) {
            Ok(request) => request,
            Err(why) => {
                self.skip(index, SkipReason::Content(why));
                return false;
            }
        };
        let ready = ReadyRequest { slot: index, due_ns, request };
        match self.pool.acquire() {
            ConnectionGrant::Wait if self.is_full() => {
                self.skip(index, SkipReason::QueueFull);
                return false;
            }
            ConnectionGrant::Wait => self.pool.enqueue(ready),
            grant => self.begin_exchange(shared, ready, grant),
        }
        true
    }

    fn begin_exchange(&mut self, shared: &Rc<RefCell<Self>>, ready: ReadyRequest, grant: ConnectionGrant) {
        self.in_flight.insert(ready.slot, ready.due_ns);
        self.polls_in_flight += usize::from(self.row(ready.slot).long_poll);
        self.live.in_flight.store(self.in_flight.len() as u64, Ordering::Relaxed);
        spawn_local(run_exchange(Rc::clone(shared), ready, grant));
    }

    /// Gives free connections to requests that wait for one.
    fn serve_waiting(&mut self, shared: &Rc<RefCell<Self>>) {
        while let Some((ready, grant)) = self.pool.next_waiting() {
            self.begin_exchange(shared, ready, grant);
        }
    }

    /// Starts the slots that a lane now admits.
    fn admit_waiting(&mut self, shared: &Rc<RefCell<Self>>, lane: usize) {
        while let Some(index) = self.lanes.admit_next(lane) {
            let due_ns = self.since(Instant::now()).max(self.schedule.slots[index as usize].intended_ns);
            if !self.start_or_queue(shared, index, due_ns) {
                self.lanes.release(lane);
            }
        }
        self.live.waiting.store((self.lanes.waiting() + self.pool.waiting()) as u64, Ordering::Relaxed);
    }

    fn on_exchange_end(&mut self, ready: &ReadyRequest, result: &Result<Response, Failure>, written: Option<Instant>) {
        let slot = self.schedule.slots[ready.slot as usize];
        self.in_flight.remove(&ready.slot);
        self.polls_in_flight -= usize::from(self.row(ready.slot).long_poll);
        self.live.in_flight.store(self.in_flight.len() as u64, Ordering::Relaxed);
        let mut outcome = self.outcome(ready.slot, ready.due_ns, End::Completed);
        match result {
            Ok(response) => {
                self.script.learn(Position { row: slot.row, copy: slot.copy }, response);
                outcome.sent_ns = self.since(response.sent).max(1);
                outcome.first_byte_ns = self.since(response.first_byte);
                outcome.last_byte_ns = self.since(response.last_byte);
                outcome.bytes = u32::try_from(response.bytes).unwrap_or(u32::MAX);
                outcome.status = response.status;
                outcome.upstream = response.upstream.as_ref().map_or(0, |name| self.upstream(name));
            }
            Err(failure) => {
                outcome.end = End::Failed(*failure);
                outcome.sent_ns = written.map_or(0, |instant| self.since(instant).max(1));
                outcome.last_byte_ns = self.since(Instant::now());
            }
        }
        self.record_ended(outcome);
        if let Some(reason) = self.breaker.record(&outcome) {
            self.stop.set(reason);
        }
    }

    fn record_ended(&mut self, outcome: Outcome) {
        self.live.ended.fetch_add(1, Ordering::Relaxed);
        if matches!(outcome.end, End::Failed(_)) {
            self.live.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.last_ns = self.last_ns.max(outcome.last_byte_ns);
        self.record(outcome);
    }

    fn skip(&mut self, index: u32, reason: SkipReason) {
        self.live.skipped.fetch_add(1, Ordering::Relaxed);
        let intended = self.schedule.slots[index as usize].intended_ns;
        let outcome = self.outcome(index, intended, End::Skipped(reason));
        self.record(outcome);
    }

    fn record(&mut self, outcome: Outcome) {
        if let Some(recording) = &mut self.recording {
            recording.record(outcome);
        }
    }

    fn flush(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.flush();
        }
    }

    /// The outcome of a slot without a response.
    fn outcome(&self, index: u32, due_ns: u64, end: End) -> Outcome {
        let slot = self.schedule.slots[index as usize];
        let row = &self.schedule.rows[slot.row as usize];
        Outcome {
            intended_ns: slot.intended_ns,
            due_ns,
            sent_ns: 0,
            first_byte_ns: 0,
            last_byte_ns: 0,
            bytes: 0,
            original_us: row.original_us,
            row: slot.row,
            copy: slot.copy,
            endpoint: row.endpoint,
            status: 0,
            original_status: row.original_status,
            upstream: 0,
            long_poll: row.long_poll,
            end,
        }
    }

    fn upstream(&mut self, name: &Arc<str>) -> u8 {
        if let Some(&number) = self.upstreams.get(name) {
            return number;
        }
        let number = u8::try_from(self.upstreams.len() + 1).unwrap_or(u8::MAX);
        if number < u8::MAX {
            self.upstreams.insert(Arc::clone(name), number);
            if let Some(recording) = &mut self.recording {
                recording.upstream(number, name);
            }
        }
        number
    }

    /// The connector for a slot's request, and the row to send in its header.
    fn exchange_context(&self, index: u32) -> (Rc<Connector>, Option<u32>) {
        (Rc::clone(&self.connector), self.config.send_row_header.then(|| self.schedule.slots[index as usize].row))
    }

    fn row(&self, index: u32) -> &Row {
        &self.schedule.rows[self.schedule.slots[index as usize].row as usize]
    }

    fn lane(&self, index: u32) -> Option<usize> {
        let lane = self.row(index).lane;
        let copy = usize::from(self.schedule.slots[index as usize].copy);
        (lane != Row::NO_LANE).then(|| copy * self.schedule.lanes as usize + lane as usize)
    }

    fn is_full(&self) -> bool {
        self.lanes.waiting() + self.pool.waiting() >= self.config.waiting_max
    }

    fn since(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.begin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Skips the slots that the dispatcher did not deliver because the run was stopped.
    fn skip_undelivered(&mut self, delivered: u32) {
        for index in delivered..u32::try_from(self.schedule.slots.len()).unwrap_or(u32::MAX) {
            self.skip(index, SkipReason::Stopped);
        }
    }

    /// Whether to go on waiting for requests after the end of the schedule.
    fn keep_draining(&mut self, waited: Duration) -> bool {
        self.flush();
        let waiting = self.lanes.waiting() + self.pool.waiting();
        if self.stop.is_set() {
            self.skip_waiting();
            return !self.in_flight.is_empty() && waited < self.config.drain_stopped;
        }
        let only_polls = self.in_flight.len() == self.polls_in_flight;
        if only_polls && waited >= self.config.drain {
            return false;
        }
        !self.in_flight.is_empty() || waiting > 0
    }

    fn skip_waiting(&mut self) {
        let mut waiting: Vec<u32> = self.lanes.drain().collect();
        waiting.extend(self.pool.drain().map(|ready| ready.slot));
        for index in waiting {
            self.skip(index, SkipReason::Stopped);
        }
    }

    /// Records the requests that are still waiting or in flight when the drain is over.
    fn abandon_in_flight(&mut self) {
        self.skip_waiting();
        let mut left: Vec<(u32, u64)> = self.in_flight.drain().collect();
        left.sort_unstable();
        for (index, due_ns) in left {
            let mut outcome = self.outcome(index, due_ns, End::Failed(Failure::Abandoned));
            outcome.last_byte_ns = self.since(Instant::now());
            self.record_ended(outcome);
        }
    }
}
